//! The console's configuration for this estate.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::estate::{Api, Ready};

#[derive(Serialize)]
struct Settings<'a> {
    server: Server,
    database: Database<'a>,
    redis: At<'a>,
    prometheus: At<'a>,
    alertmanager: At<'a>,
    postgres: Vec<Node<'a>>,
    maintenance: Maintenance<'a>,
    failover: Failover<'a>,
    backups: Backups<'a>,
    journal: Journal,
}

#[derive(Serialize)]
struct Server {
    listen: String,
    public_url: String,
    /// The sign-in page says where the accounts are printed.
    demo: bool,
}

#[derive(Serialize)]
struct Database<'a> {
    url: &'a str,
    owner_url: &'a str,
}

#[derive(Serialize)]
struct At<'a> {
    url: &'a str,
}

#[derive(Serialize)]
struct Node<'a> {
    name: &'a str,
    url: &'a str,
    control_url: &'a str,
    backup_url: &'a str,
    exporter_up: String,
    fence: Vec<String>,
    rejoin: Vec<String>,
}

impl<'a> Node<'a> {
    fn of(node: &'a crate::estate::Node, estate: &Ready) -> Self {
        let program = |command: &str| {
            let estate_command = estate.estate_command.iter().flatten().cloned();
            let dir = estate.dir.display().to_string();
            let arguments = ["node", &node.name, command, "--dir", &dir].map(str::to_owned);
            match &estate.estate_command {
                Some(_) => estate_command.chain(arguments).collect(),
                None => Vec::new(),
            }
        };
        Self {
            name: &node.name,
            url: &node.url,
            control_url: &node.control_url,
            backup_url: &node.backup_url,
            exporter_up: format!("pg_up{{server=\"{}\"}}", node.name),
            fence: program("fence"),
            rejoin: program("rejoin"),
        }
    }
}

/// Clients of SkillQuest come through PgBouncer, and so does the row that is written to see that they can.
#[derive(Serialize)]
struct Failover<'a> {
    probe_url: &'a str,
    pgbouncer: Pgbouncer<'a>,
}

#[derive(Serialize)]
struct Pgbouncer<'a> {
    admin_url: &'a str,
    databases_file: &'a Path,
    databases: [&'a str; 2],
}

/// Everything the handbook wants backed up, by its schedules.
#[derive(Serialize)]
struct Backups<'a> {
    name: &'a str,
    directory: &'a Path,
    programs: Option<&'a Path>,
    run_as: Option<&'a str>,
    database: &'a str,
    store: Place,
    wal_archive: Place,
    dump: Defaults,
    base: Defaults,
    wal: Defaults,
    redis_rdb: At<'a>,
    redis_aof: AppendOnly<'a>,
    drill: Drill<'a>,
}

/// More often than one would elsewhere: a demo does not last for days.
#[derive(Serialize)]
struct Drill<'a> {
    schedule: &'a str,
    queries: [DrillQuery<'a>; 1],
}

#[derive(Serialize)]
struct DrillQuery<'a> {
    name: &'a str,
    sql: &'a str,
    at_least: i64,
}

#[derive(Serialize)]
struct Place {
    url: String,
}

/// A section that is there and says nothing: the handbook's values.
#[derive(Serialize)]
struct Defaults {}

#[derive(Serialize)]
struct AppendOnly<'a> {
    url: &'a str,
    directory: &'a Path,
}

impl<'a> Backups<'a> {
    fn of(estate: &'a Ready) -> Self {
        let place = |dir: &Path| Place {
            url: format!("file://{}", dir.display()),
        };
        Self {
            name: "skillquest",
            directory: &estate.restore_dir,
            programs: estate.postgres.programs_dir.as_deref(),
            run_as: estate.postgres.server_user.as_deref(),
            database: "skillquest",
            store: place(&estate.backup_dir),
            wal_archive: place(&estate.postgres.wal_archive_dir),
            dump: Defaults {},
            base: Defaults {},
            wal: Defaults {},
            redis_rdb: At {
                url: &estate.redis.url,
            },
            redis_aof: AppendOnly {
                url: &estate.redis.url,
                directory: &estate.redis.appendonly_dir,
            },
            drill: Drill {
                schedule: "*/20 * * * *",
                queries: [DrillQuery {
                    name: "Courses",
                    sql: "select count(*) from courses",
                    at_least: 1,
                }],
            },
        }
    }
}

/// What is done while the console's own database is away is kept beside the configuration.
#[derive(Serialize)]
struct Journal {
    path: PathBuf,
}

/// The API processes have a switch each, and are seen each on its own.
#[derive(Serialize)]
struct Maintenance<'a> {
    look_every_s: u64,
    probes: Vec<Probe<'a>>,
    http: HttpSwitch,
}

#[derive(Serialize)]
struct Probe<'a> {
    name: String,
    url: String,
    kind: &'a str,
}

#[derive(Serialize)]
struct HttpSwitch {
    urls: Vec<String>,
}

impl Maintenance<'_> {
    fn of(api: &Api) -> Self {
        let probe = |number: usize, url: &str, kind, what: &str, path: &str| Probe {
            name: format!("{what} of api-{number}"),
            url: format!("{url}{path}"),
            kind,
        };
        Self {
            look_every_s: 5,
            probes: api
                .urls
                .iter()
                .enumerate()
                .flat_map(|(number, url)| {
                    [
                        probe(number, url, "request", "courses", "/api/v1/courses"),
                        probe(number, url, "health", "health", "/health"),
                    ]
                })
                .collect(),
            http: HttpSwitch {
                urls: api
                    .admin_urls
                    .iter()
                    .map(|url| format!("{url}/maintenance"))
                    .collect(),
            },
        }
    }
}

/// Writes `DIR/quarterdeck.toml` and returns its path. Only its owner can read it: addresses hold passwords.
///
/// # Errors
/// When the file can't be written.
pub fn write(dir: &Path, estate: &Ready, port: u16) -> Result<PathBuf> {
    let file = dir.join("quarterdeck.toml");
    crate::write_private(&file, text(estate, port, &dir.join("journal.jsonl"))?.as_bytes())?;
    Ok(file)
}

fn text(estate: &Ready, port: u16, journal: &Path) -> Result<String> {
    Ok(toml::to_string(&Settings {
        journal: Journal {
            path: journal.to_owned(),
        },
        server: Server {
            listen: format!("127.0.0.1:{port}"),
            public_url: format!("http://127.0.0.1:{port}"),
            demo: true,
        },
        database: Database {
            url: &estate.console_db.runtime_url,
            owner_url: &estate.console_db.owner_url,
        },
        redis: At {
            url: &estate.console_redis.url,
        },
        prometheus: At {
            url: &estate.prometheus.url,
        },
        alertmanager: At {
            url: &estate.alertmanager.url,
        },
        postgres: estate
            .postgres
            .nodes
            .iter()
            .map(|node| Node::of(node, estate))
            .collect(),
        maintenance: Maintenance::of(&estate.api),
        failover: Failover {
            probe_url: &estate.pgbouncer.probe_url,
            pgbouncer: Pgbouncer {
                admin_url: &estate.pgbouncer.admin_url,
                databases_file: &estate.pgbouncer.databases_file,
                databases: ["skillquest", "skillquest_probe"],
            },
        },
        backups: Backups::of(estate),
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_estate_reaches_its_setting() {
        let estate: Ready = serde_json::from_value(serde_json::json!({
            "console_db": { "owner_url": "postgres://owner:a'b@h/d", "runtime_url": "postgres://runtime@h/d" },
            "console_redis": { "url": "redis://r" },
            "prometheus": { "url": "http://p" },
            "alertmanager": { "url": "http://a" },
            "postgres": { "nodes": [
                { "name": "db-1", "url": "postgres://one", "control_url": "postgres://control-one", "backup_url": "postgres://backup-one", "data_dir": "for others" },
                { "name": "db-2", "url": "postgres://two", "control_url": "postgres://control-two", "backup_url": "postgres://backup-two" },
            ], "wal_archive_dir": "/d/wal-archive", "programs_dir": "/bin", "server_user": "postgres" },
            "redis": { "url": "redis://watched", "appendonly_dir": "/d/aof" },
            "backup_dir": "/d/backups",
            "restore_dir": "/d/work",
            "pgbouncer": { "probe_url": "postgres://probe", "admin_url": "postgres://admin", "databases_file": "/d/databases.ini" },
            "estate_command": ["/bin/estate"],
            "dir": "/d",
            "api": { "urls": ["http://api"], "admin_urls": ["http://admin"] },
            "skillquest": { "url": "for others" },
        }))
        .unwrap();
        let read: toml::Table = text(&estate, 3100, Path::new("/d/journal.jsonl"))
            .unwrap()
            .parse()
            .unwrap();
        let at = |section: &str, key: &str| read[section][key].as_str().unwrap().to_owned();
        assert_eq!(at("server", "listen"), "127.0.0.1:3100");
        assert_eq!(at("server", "public_url"), "http://127.0.0.1:3100");
        assert_eq!(at("database", "owner_url"), "postgres://owner:a'b@h/d");
        assert_eq!(at("database", "url"), "postgres://runtime@h/d");
        assert_eq!(at("redis", "url"), "redis://r");
        assert_eq!(at("prometheus", "url"), "http://p");
        assert_eq!(at("alertmanager", "url"), "http://a");
        assert_eq!(read["postgres"][0]["name"].as_str(), Some("db-1"));
        assert_eq!(read["postgres"][1]["url"].as_str(), Some("postgres://two"));
        assert_eq!(
            read["postgres"][1]["control_url"].as_str(),
            Some("postgres://control-two")
        );
        let rejoin: Vec<_> = read["postgres"][0]["rejoin"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(toml::Value::as_str)
            .collect();
        assert_eq!(rejoin, ["/bin/estate", "node", "db-1", "rejoin", "--dir", "/d"]);
        assert_eq!(at("journal", "path"), "/d/journal.jsonl");
        assert_eq!(at("failover", "probe_url"), "postgres://probe");
        assert_eq!(
            read["failover"]["pgbouncer"]["databases_file"].as_str(),
            Some("/d/databases.ini")
        );
        let backups = &read["backups"];
        assert_eq!(
            read["postgres"][0]["backup_url"].as_str(),
            Some("postgres://backup-one")
        );
        assert_eq!(backups["store"]["url"].as_str(), Some("file:///d/backups"));
        assert_eq!(
            backups["wal_archive"]["url"].as_str(),
            Some("file:///d/wal-archive")
        );
        assert_eq!(backups["run_as"].as_str(), Some("postgres"));
        assert!(backups["dump"].is_table() && backups["base"].is_table() && backups["wal"].is_table());
        assert_eq!(backups["redis_rdb"]["url"].as_str(), Some("redis://watched"));
        assert_eq!(backups["redis_aof"]["directory"].as_str(), Some("/d/aof"));
        let maintenance = &read["maintenance"];
        assert_eq!(
            maintenance["http"]["urls"][0].as_str(),
            Some("http://admin/maintenance")
        );
        assert_eq!(
            maintenance["probes"][0]["url"].as_str(),
            Some("http://api/api/v1/courses")
        );
        assert_eq!(maintenance["probes"][1]["kind"].as_str(), Some("health"));
    }
}
