//! Sends clients through PgBouncer: PAUSE, a rewritten `[databases]`, RELOAD, RESUME.

use std::{path::Path, time::Duration};

use quarterdeck_domain::failover::Routed;
use sqlx::{ConnectOptions, PgConnection, Row, postgres::PgConnectOptions};
use tokio::time::{Instant, timeout};

use super::{ClientRouting, Routes, Work};
use crate::{
    clients::node_connection::from_sqlx,
    config::failover::{FailoverConfigError, PgbouncerConfig},
};

/// Time between two looks whether a change has come about.
const LOOK: Duration = Duration::from_millis(100);

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
                lines.push(with_address(line, host, port));
            }
        }
    }
    match names.iter().zip(found).find(|(_, found)| !found) {
        Some((name, _)) => Err(format!("there is no {name:?} in its [databases]")),
        None => Ok(lines.concat()),
    }
}

/// `name = host=… port=… dbname=…` with another host and port. Words in single quotes are kept whole.
fn with_address(line: &str, host: &str, port: u16) -> String {
    let ending = if line.ends_with('\n') { "\n" } else { "" };
    let (name, parameters) = line.trim_end().split_once('=').unwrap_or((line.trim_end(), ""));
    let mut words = Vec::new();
    let mut word = String::new();
    let mut in_quotes = false;
    for c in parameters.chars() {
        match c {
            '\'' => {
                in_quotes = !in_quotes;
                word.push(c);
            }
            c if c.is_whitespace() && !in_quotes => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    let others = words
        .into_iter()
        .filter(|word| !word.is_empty() && !["host=", "port="].iter().any(|key| word.starts_with(key)));
    let all: Vec<_> = [format!("host={host}"), format!("port={port}")]
        .into_iter()
        .chain(others)
        .collect();
    format!("{} = {}{ending}", name.trim_end(), all.join(" "))
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

    fn read(&self) -> Work<'_, Result<Routes, String>> {
        Box::pin(async move {
            let shown = self.shown().await?;
            Ok(Routes {
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
                    "PgBouncer holds clients back; open transactions had ended after {:.1} s.",
                    begun.elapsed().as_secs_f64()
                )),
                outcome => {
                    let why = match outcome {
                        Ok(Err(error)) => format!("PgBouncer {}", from_sqlx(error)),
                        _ => format!("transactions were still open after {} s", patience.as_secs()),
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
