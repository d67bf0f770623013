//! Which backends are never touched, and why.

use serde::{Deserialize, Serialize};

use super::{Backend, BackendKind};

/// What the console's connections call themselves, alone or followed by `-` and what they are for.
pub const CONSOLE_APPLICATION: &str = "quarterdeck";

/// The role by which the console signals, and what it may do on the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signaller {
    /// Its name.
    pub role: String,
    /// Whether it is a superuser. It need not and should not be.
    pub superuser: bool,
    /// Whether it has `pg_signal_backend`.
    pub may_signal: bool,
    /// Whether it has `pg_read_all_stats`, which `pg_monitor` contains: without it, nobody else's queries and start
    /// times are seen.
    pub sees_all: bool,
}

impl Signaller {
    /// The statement that lets it see other roles' backends, where that is missing.
    #[must_use]
    pub fn grant_to_see(&self) -> Option<String> {
        (!self.superuser && !self.sees_all).then(|| format!("GRANT pg_monitor TO {};", quoted(&self.role)))
    }

    /// The statement that lets it signal other roles' backends, where that is missing.
    #[must_use]
    pub fn grant_to_signal(&self) -> Option<String> {
        (!self.superuser && !self.may_signal)
            .then(|| format!("GRANT pg_signal_backend TO {};", quoted(&self.role)))
    }
}

/// A name as it stands in SQL: quoted unless it is plain.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// What is protected besides what always is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectionRules {
    /// Applications, by the exact name that they give, that are never touched: dumps and restores.
    pub applications: Vec<String>,
}

impl Default for ProtectionRules {
    /// PostgreSQL's own tools for backups.
    fn default() -> Self {
        let names = [
            "pg_dump",
            "pg_dumpall",
            "pg_restore",
            "pg_basebackup",
            "pg_receivewal",
        ];
        Self {
            applications: names.map(str::to_owned).to_vec(),
        }
    }
}

/// Why a backend is never touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Protection {
    /// It is the console.
    Console,
    /// It sends a base backup.
    BaseBackup,
    /// It streams WAL: to a standby, or to an archive.
    WalSender {
        /// Who receives it, as they call themselves.
        application: String,
    },
    /// It vacuums or analyses.
    Autovacuum,
    /// It works for another backend, and ends with that one's query.
    ParallelWorker {
        /// Whom it works for, by pid.
        leader_pid: Option<i32>,
    },
    /// It is another process of the server.
    Background {
        /// Its kind, as the server names it.
        kind: String,
    },
    /// It is an application that the configuration protects.
    Application {
        /// The application.
        application: String,
    },
    /// It belongs to a superuser, which only a superuser may signal.
    Superuser {
        /// The superuser.
        user: String,
    },
}

impl Protection {
    /// The reason, as a person reads it: begins in lower case, ends without a stop.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Console => "a connection of this console".to_owned(),
            Self::BaseBackup => "sends a base backup".to_owned(),
            Self::WalSender { application } if application.is_empty() => "streams WAL".to_owned(),
            Self::WalSender { application } => format!("streams WAL to {application}"),
            Self::Autovacuum => "an autovacuum worker".to_owned(),
            Self::ParallelWorker {
                leader_pid: Some(pid),
            } => {
                format!("works for {pid}; end that one's query instead")
            }
            Self::ParallelWorker { leader_pid: None } => "works for another backend's query".to_owned(),
            Self::Background { kind } => format!("a process of the server: {kind}"),
            Self::Application { application } => {
                format!("{application}, which database_sessions.protected_applications protects")
            }
            Self::Superuser { user } => {
                format!("belongs to the superuser {user}, whom only a superuser may signal")
            }
        }
    }
}

/// Decides whether `backend` is never to be touched by `signaller`, and why. What keeps data safe comes before what
/// is only forbidden.
///
/// The statement that signals (`server/src/clients`) checks the same conditions once more, at the moment of the signal.
#[must_use]
pub fn protection(backend: &Backend, rules: &ProtectionRules, signaller: &Signaller) -> Option<Protection> {
    match &backend.kind {
        BackendKind::WalSender if backend.sends_base_backup => return Some(Protection::BaseBackup),
        BackendKind::WalSender => {
            return Some(Protection::WalSender {
                application: backend.application.clone(),
            });
        }
        BackendKind::AutovacuumWorker => return Some(Protection::Autovacuum),
        BackendKind::ParallelWorker => {
            return Some(Protection::ParallelWorker {
                leader_pid: backend.leader_pid,
            });
        }
        BackendKind::Other(kind) => return Some(Protection::Background { kind: kind.clone() }),
        BackendKind::Client => {}
    }
    let application = backend.application.as_str();
    let is_console = application
        .strip_prefix(CONSOLE_APPLICATION)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    if backend.is_asker || is_console {
        return Some(Protection::Console);
    }
    if rules.applications.iter().any(|name| name == application) {
        return Some(Protection::Application {
            application: application.to_owned(),
        });
    }
    if backend.user_is_superuser && !signaller.superuser {
        return Some(Protection::Superuser {
            user: backend.user.clone().unwrap_or_default(),
        });
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::backend::tests::client, *};

    pub(crate) fn watcher() -> Signaller {
        Signaller {
            role: "quarterdeck_monitor".into(),
            superuser: false,
            may_signal: true,
            sees_all: true,
        }
    }

    fn why(change: impl FnOnce(&mut Backend)) -> Option<Protection> {
        let mut backend = client(1, 600);
        change(&mut backend);
        protection(&backend, &ProtectionRules::default(), &watcher())
    }

    #[test]
    fn only_clients_backends_are_ever_touched() {
        assert_eq!(why(|_| {}), None);
        let streams = why(|b| {
            b.kind = BackendKind::WalSender;
            b.application = "standby".into();
        });
        assert_eq!(streams.unwrap().reason(), "streams WAL to standby");
        let base = why(|b| {
            b.kind = BackendKind::WalSender;
            b.sends_base_backup = true;
        });
        assert_eq!(base, Some(Protection::BaseBackup));
        assert_eq!(
            why(|b| b.kind = BackendKind::AutovacuumWorker),
            Some(Protection::Autovacuum)
        );
        let parallel = why(|b| {
            b.kind = BackendKind::ParallelWorker;
            b.leader_pid = Some(7);
        });
        assert_eq!(parallel, Some(Protection::ParallelWorker { leader_pid: Some(7) }));
        let kind = "logical replication apply worker";
        assert_eq!(
            why(|b| b.kind = BackendKind::read(kind)),
            Some(Protection::Background { kind: kind.into() })
        );
    }

    #[test]
    fn dumps_the_console_and_superusers_are_left_alone() {
        for name in ["pg_dump", "pg_restore", "pg_dumpall"] {
            let application = name.to_owned();
            assert_eq!(
                why(|b| b.application = name.into()),
                Some(Protection::Application { application })
            );
        }
        for name in ["quarterdeck", "quarterdeck-poller"] {
            assert_eq!(why(|b| b.application = name.into()), Some(Protection::Console));
        }
        assert_eq!(why(|b| b.application = "quarterdecks".into()), None);
        assert_eq!(why(|b| b.is_asker = true), Some(Protection::Console));
        let user = Some("postgres".to_owned());
        let mut backend = client(1, 600);
        (backend.user, backend.user_is_superuser) = (user, true);
        let rules = ProtectionRules::default();
        assert!(matches!(
            protection(&backend, &rules, &watcher()),
            Some(Protection::Superuser { .. })
        ));
        let superuser = Signaller {
            superuser: true,
            ..watcher()
        };
        assert_eq!(protection(&backend, &rules, &superuser), None);
    }

    #[test]
    fn what_is_missing_comes_with_its_grant() {
        let mut signaller = watcher();
        assert_eq!(
            (signaller.grant_to_see(), signaller.grant_to_signal()),
            (None, None)
        );
        (signaller.may_signal, signaller.sees_all) = (false, false);
        signaller.role = "Watch \"me\"".into();
        assert_eq!(
            signaller.grant_to_see().unwrap(),
            "GRANT pg_monitor TO \"Watch \"\"me\"\"\";"
        );
        assert_eq!(
            signaller.grant_to_signal().unwrap(),
            "GRANT pg_signal_backend TO \"Watch \"\"me\"\"\";"
        );
        signaller.superuser = true;
        assert_eq!(
            (signaller.grant_to_see(), signaller.grant_to_signal()),
            (None, None)
        );
    }
}
