//! Sends clients through PgBouncer: PAUSE, a rewritten `[databases]`, RELOAD, RESUME.

use std::{path::Path, time::Duration};

use quarterdeck_domain::failover::{Holding, Routed, Routes};
use sqlx::{ConnectOptions, PgConnection, Row, postgres::PgConnectOptions};
use tokio::time::{Instant, timeout};

use super::{ClientRouting, Work};
use crate::{
    clients::node_connection::from_sqlx,
    config::failover::{FailoverConfigError, PgbouncerConfig},
};

/// Time between two looks whether a change has come about.
const LOOK: Duration = Duration::from_millis(100);

/// The `pool_mode` in which a client has a server for as long as it is connected.
const SESSION: &str = "session";

/// One PgBouncer.
pub(super) struct Pgbouncer {
    config: PgbouncerConfig,
    admin: PgConnectOptions,
}

/// Without the address: the driver's options print their password.
impl std::fmt::Debug for Pgbouncer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pgbouncer")
            .field("at", &self.describe())
            .finish_non_exhaustive()
    }
}

/// A row of `SHOW DATABASES`.
struct Shown {
    routed: Routed,
    paused: bool,
    /// Whether its clients keep their server for as long as they are connected; none for what holds for all databases.
    session: Option<bool>,
}

impl Pgbouncer {
    pub fn new(config: PgbouncerConfig) -> Result<Self, FailoverConfigError> {
        let admin = config.admin_options()?.disable_statement_logging();
        Ok(Self { config, admin })
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, String> {
        let limit = self.config.timeout();
        match timeout(limit, work).await {
            Ok(outcome) => outcome.map_err(|error| format!("PgBouncer {}", from_sqlx(error))),
            Err(_) => Err(format!(
                "PgBouncer does not answer within {} ms",
                limit.as_millis()
            )),
        }
    }

    /// Its administration console understands the simple protocol alone, and no parameters.
    async fn say(&self, command: String) -> Result<(), String> {
        self.within(async {
            let mut connection = self.admin.connect().await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(command))
                .execute(&mut connection)
                .await?;
            Ok(())
        })
        .await
    }

    async fn shown(&self) -> Result<Vec<Shown>, String> {
        let rows = self
            .within(async {
                let mut connection = self.admin.connect().await?;
                sqlx::raw_sql("SHOW DATABASES").fetch_all(&mut connection).await
            })
            .await?;
        let mut shown = Vec::new();
        for row in &rows {
            let read = || -> Result<Shown, sqlx::Error> {
                let host: Option<String> = row.try_get("host")?;
                Ok(Shown {
                    routed: Routed {
                        name: row.try_get("name")?,
                        host: host.unwrap_or_default(),
                        port: row.try_get::<i32, _>("port")?.try_into().unwrap_or(0),
                    },
                    paused: row.try_get::<i32, _>("paused")? != 0,
                    session: row
                        .try_get::<Option<String>, _>("pool_mode")?
                        .map(|mode| mode == SESSION),
                })
            };
            let one =
                read().map_err(|error| format!("SHOW DATABASES of PgBouncer can't be read: {error}"))?;
            if self.config.databases.contains(&one.routed.name) {
                shown.push(one);
            }
        }
        let missing = self
            .config
            .databases
            .iter()
            .find(|name| !shown.iter().any(|one| one.routed.name == **name));
        match missing {
            Some(name) => Err(format!("PgBouncer has no database {name:?}")),
            None => Ok(shown),
        }
    }

    /// Those whose clients keep their server for as long as they are connected.
    async fn pooled_by_session(&self, shown: &[Shown]) -> Result<Vec<String>, String> {
        let of_all = if shown.iter().all(|one| one.session.is_some()) {
            false
        } else {
            let rows = self
                .within(async {
                    let mut connection = self.admin.connect().await?;
                    sqlx::raw_sql("SHOW CONFIG").fetch_all(&mut connection).await
                })
                .await?;
            rows.iter().any(|row| {
                let is = |column, text| row.try_get::<&str, _>(column).is_ok_and(|value| value == text);
                is("key", "pool_mode") && is("value", SESSION)
            })
        };
        let by_session = shown.iter().filter(|one| one.session.unwrap_or(of_all));
        Ok(by_session.map(|one| one.routed.name.clone()).collect())
    }

    async fn all(&self, command: &str, but: impl Fn(&Shown) -> bool) -> Result<(), String> {
        for one in self.shown().await?.iter().filter(|one| !but(one)) {
            self.say(format!("{command} {}", quoted(&one.routed.name)))
                .await?;
        }
        Ok(())
    }

    /// PAUSE answers only when the last transaction has ended.
    async fn pause(&self) -> Result<(), sqlx::Error> {
        let mut connection: PgConnection = self.admin.connect().await?;
        for name in &self.config.databases {
            let command = format!("PAUSE {}", quoted(name));
            sqlx::raw_sql(sqlx::AssertSqlSafe(command))
                .execute(&mut connection)
                .await?;
        }
        Ok(())
    }

    async fn rewrite(&self, host: &str, port: u16) -> Result<(), String> {
        let path = self.config.databases_file.clone();
        let (names, host) = (self.config.databases.clone(), host.to_owned());
        let written = tokio::task::spawn_blocking(move || {
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let changed = pointed_to(&text, &names, &host, port)
                .map_err(|what| format!("{}: {what}", path.display()))?;
            replace(&path, &changed).map_err(|error| format!("{} can't be written: {error}", path.display()))
        });
        written.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// Why PAUSE did not answer in time.
fn still_busy(by_session: &[String], patience: Duration) -> String {
    let after = patience.as_secs();
    if by_session.is_empty() {
        format!("transactions were still open after {after} s")
    } else {
        format!(
            "clients of {}, who keep their server until they hang up (pool_mode = session), or open transactions were still there after {after} s",
            by_session.join(" and ")
        )
    }
}

/// A name as PgBouncer's console takes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The file with host and port of the named databases replaced, and everything else as it was.
fn pointed_to(text: &str, names: &[String], host: &str, port: u16) -> Result<String, String> {
    let mut found = vec![false; names.len()];
    let mut in_databases = false;
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        let bare = line.trim();
        if bare.starts_with('[') {
            in_databases = bare.eq_ignore_ascii_case("[databases]");
        }
        let name = bare
            .split_once('=')
            .map(|(name, _)| name.trim().trim_matches('"'));
        let which = name.and_then(|name| names.iter().position(|wanted| wanted == name));
        match which.filter(|_| in_databases) {
            None => lines.push(line.to_owned()),
            Some(which) => {
                if let Some(found) = found.get_mut(which) {
                    *found = true;
                }
                lines.push(with_address(line, host, port)?);
            }
        }
    }
    match names.iter().zip(found).find(|(_, found)| !found) {
        Some((name, _)) => Err(format!("there is no {name:?} in its [databases]")),
        None => Ok(lines.concat()),
    }
}

/// `name = host=… port=… dbname=…` with another host and port. Everything else stays as it is written.
///
/// # Errors
/// What can't be read as PgBouncer reads it: blanks may stand around each `=`, and a value in single quotes has them doubled.
fn with_address(line: &str, host: &str, port: u16) -> Result<String, String> {
    let ending = if line.ends_with('\n') { "\n" } else { "" };
    let (name, mut rest) = line.trim_end().split_once('=').unwrap_or((line.trim_end(), ""));
    let unreadable = || format!("the line of {} can't be read", name.trim());
    let mut words = vec![format!("host={host}"), format!("port={port}")];
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(format!("{} = {}{ending}", name.trim_end(), words.join(" ")));
        }
        let (key, after) = rest.split_once('=').ok_or_else(unreadable)?;
        let key = key.trim_end();
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(unreadable());
        }
        let after = after.trim_start();
        let end = end_of_value(after).ok_or_else(unreadable)?;
        let (value, after) = after.split_at(end);
        if !["host", "port"].contains(&key) {
            words.push(format!("{key}={value}"));
        }
        rest = after;
    }
}

/// How long the value at the beginning is, bytes; none if its quotes do not end.
fn end_of_value(text: &str) -> Option<usize> {
    let Some(quoted) = text.strip_prefix('\'') else {
        return Some(text.find(char::is_whitespace).unwrap_or(text.len()));
    };
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\'' && chars.next_if(|(_, next)| *next == '\'').is_none() {
            return Some(at + 2);
        }
    }
    None
}

/// Writes beside and renames: PgBouncer reads the old file or the new one. Owner and mode stay where they can.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let meta = std::fs::metadata(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".quarterdeck");
    let beside = Path::new(&beside);
    let write = || {
        std::fs::write(beside, text)?;
        std::fs::set_permissions(beside, meta.permissions())?;
        let ours = std::fs::metadata(beside)?;
        if (ours.uid(), ours.gid()) != (meta.uid(), meta.gid()) {
            chown(beside, Some(meta.uid()), Some(meta.gid()))?;
        }
        std::fs::File::open(beside)?.sync_all()?;
        std::fs::rename(beside, path)
    };
    write().inspect_err(|_| {
        // Nothing half done is left.
        let _ = std::fs::remove_file(beside);
    })
}

impl ClientRouting for Pgbouncer {
    fn describe(&self) -> String {
        format!("PgBouncer at {}:{}", self.admin.get_host(), self.admin.get_port())
    }

    fn holds(&self) -> bool {
        true
    }

    fn read(&self) -> Work<'_, Result<Routes, String>> {
        Box::pin(async move {
            let shown = self.shown().await?;
            let by_session = self.pooled_by_session(&shown).await?;
            Ok(Routes {
                holding: if by_session.is_empty() {
                    Holding::Transactions
                } else {
                    Holding::Sessions(by_session)
                },
                held: shown.iter().any(|one| one.paused),
                to: shown.into_iter().map(|one| one.routed).collect(),
            })
        })
    }

    fn hold(&self, patience: Duration) -> Work<'_, Result<String, String>> {
        Box::pin(async move {
            let begun = Instant::now();
            match timeout(patience, self.pause()).await {
                Ok(Ok(())) => Ok(format!(
                    "PgBouncer holds clients back; what was open had ended after {:.1} s.",
                    begun.elapsed().as_secs_f64()
                )),
                outcome => {
                    let why = match outcome {
                        Ok(Err(error)) => format!("PgBouncer {}", from_sqlx(error)),
                        _ => {
                            let by_session = match self.shown().await {
                                Ok(shown) => self.pooled_by_session(&shown).await.unwrap_or_default(),
                                Err(_) => Vec::new(),
                            };
                            still_busy(&by_session, patience)
                        }
                    };
                    match self.release().await {
                        Ok(_) => Err(format!("{why}; clients go on")),
                        Err(error) => Err(format!(
                            "{why}; and clients could not be let go on ({error}): RESUME in PgBouncer"
                        )),
                    }
                }
            }
        })
    }

    fn cut(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async move {
            self.all("KILL", |_| false).await?;
            Ok("PgBouncer has cut off what was under way, and holds clients back.".to_owned())
        })
    }

    fn point_to<'a>(&'a self, host: &'a str, port: u16) -> Work<'a, Result<String, String>> {
        Box::pin(async move {
            self.rewrite(host, port).await?;
            self.say("RELOAD".to_owned()).await?;
            let begun = Instant::now();
            loop {
                let shown = self.shown().await?;
                let elsewhere = shown
                    .iter()
                    .map(|one| &one.routed)
                    .find(|to| (to.host.as_str(), to.port) != (host, port));
                match elsewhere {
                    None => {
                        return Ok(format!(
                            "PgBouncer sends {} to {host}:{port}.",
                            self.config.databases.join(", ")
                        ));
                    }
                    Some(to) if begun.elapsed() >= self.config.timeout() => {
                        return Err(format!(
                            "{} is written, but PgBouncer still sends {} to {}:{}; does it read that file?",
                            self.config.databases_file.display(),
                            to.name,
                            to.host,
                            to.port
                        ));
                    }
                    Some(_) => tokio::time::sleep(LOOK).await,
                }
            }
        })
    }

    fn release(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async move {
            self.all("RESUME", |one| !one.paused).await?;
            Ok("PgBouncer lets clients go on.".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "; ours\n[databases]\napp = host=10.0.0.1 port=5432 dbname=app user='a b' \n\"other\" = host=10.0.0.1 dbname=other\nrest = host=10.0.0.9\n[pgbouncer]\napp = host=1\n";

    #[test]
    fn only_host_and_port_of_the_named_databases_change() {
        let names = ["app".to_owned(), "other".to_owned()];
        let changed = pointed_to(FILE, &names, "10.0.0.2", 5433).unwrap();
        assert_eq!(
            changed,
            "; ours\n[databases]\napp = host=10.0.0.2 port=5433 dbname=app user='a b'\n\"other\" = host=10.0.0.2 port=5433 dbname=other\nrest = host=10.0.0.9\n[pgbouncer]\napp = host=1\n"
        );
        assert_eq!(pointed_to(&changed, &names, "10.0.0.2", 5433).unwrap(), changed);
        let missing = pointed_to(FILE, &["none".to_owned()], "h", 1).unwrap_err();
        assert!(missing.contains("\"none\""), "{missing}");
    }

    #[test]
    fn blanks_and_quotes_are_read_as_pgbouncer_reads_them() {
        let moved = |line: &str| pointed_to(&format!("[databases]\n{line}"), &["app".to_owned()], "b", 2);
        for line in [
            "app = host = a port = 1 dbname=app user = 'it''s me'",
            "app=dbname=app host='a' user='it''s me' port='1'",
            "app  =   dbname  =app   user='it''s me'",
        ] {
            assert_eq!(
                moved(line).unwrap(),
                "[databases]\napp = host=b port=2 dbname=app user='it''s me'",
                "{line}"
            );
        }
        for line in ["app = host", "app = host=a user='x", "app = host=a ?=1"] {
            assert!(moved(line).unwrap_err().contains("the line of app"), "{line}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("databases.ini");
        std::fs::write(&path, FILE).unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(replace(&dir.path().join("missing"), "new").is_err());
    }
}
