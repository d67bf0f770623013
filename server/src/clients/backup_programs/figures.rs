//! What is in the tables of a database: how many rows, and a checksum that does not depend on their order. Taken when a dump is
//! made, and again of what is restored from it.

use quarterdeck_domain::backup::TableFigures;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::config::backups::FiguresTaken;

/// Rows are compared as text, so everything that text depends on is fixed, and nothing is left out silently.
const PINNED: &str = "
    SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET extra_float_digits = 3;
    SET bytea_output = 'hex'; SET xmlbinary = 'base64'; SET xmloption = 'content'; SET lc_monetary = 'C'; SET search_path = pg_catalog;
    SET client_encoding = 'UTF8'; SET row_security = off;";

/// The tables whose rows a dump holds.
const TABLES: &str = r"
    SELECT n.nspname::text AS schema, c.relname::text AS name, format('%I.%I', n.nspname, c.relname) AS quoted
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     ORDER BY 1, 2";

/// Reads all tables of the database, in the transaction that the connection is in. `on` is told of each before it is read.
///
/// # Errors
/// What the driver says. A table that the role may not read wholly is an error.
pub async fn figures(
    connection: &mut PgConnection,
    taken: FiguresTaken,
    on: &(dyn Fn(&str) + Send + Sync),
) -> Result<Vec<TableFigures>, sqlx::Error> {
    sqlx::raw_sql(PINNED).execute(&mut *connection).await?;
    let checksum = match taken {
        FiguresTaken::Checksums => "coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text",
        FiguresTaken::Counts => "NULL::text",
    };
    let tables = sqlx::query(TABLES).fetch_all(&mut *connection).await?;
    let mut figures = Vec::with_capacity(tables.len());
    for table in tables {
        // Quoted by the server.
        let quoted: String = table.try_get("quoted")?;
        on(&quoted);
        let (rows, checksum) = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT count(*), {checksum} FROM ONLY {quoted} t"
        )))
        .fetch_one(&mut *connection)
        .await?;
        figures.push(TableFigures {
            schema: table.try_get("schema")?,
            table: table.try_get("name")?,
            rows,
            checksum,
        });
    }
    Ok(figures)
}
