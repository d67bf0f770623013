//! What is asked for: a kind of action with its typed parameters.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ActionKind;
use crate::{
    database::{BackendId, instant},
    failover::LossBound,
};

/// The parameters of an action, by kind. As JSON they are an object with the kind in `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Params {
    /// See [`ActionKind::CancelQuery`].
    CancelQuery {
        /// Name of the database node.
        node: String,
        /// Which backend.
        backend: BackendId,
        /// When the query began that is meant, by the node's clock; none for whatever it runs when it is planned.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "time::serde::rfc3339::option"
        )]
        query_start: Option<OffsetDateTime>,
    },
    /// See [`ActionKind::TerminateBackend`].
    TerminateBackend {
        /// Name of the database node.
        node: String,
        /// Which backend.
        backend: BackendId,
    },
    /// See [`ActionKind::TerminateLongRunning`].
    TerminateLongRunning {
        /// Name of the database node.
        node: String,
        /// Limit of a query's age, seconds.
        longer_than_s: u32,
    },
    /// See [`ActionKind::MaintenanceOn`].
    MaintenanceOn {
        /// When it should be over.
        #[serde(with = "time::serde::rfc3339")]
        expected_end: OffsetDateTime,
        /// What users are told, where the driver can pass it on.
        message: String,
    },
    /// See [`ActionKind::MaintenanceOff`].
    MaintenanceOff {},
    /// See [`ActionKind::Switchover`].
    Switchover {
        /// Name of the node that becomes the primary.
        candidate: String,
    },
    /// See [`ActionKind::Failover`].
    Failover {
        /// Name of the node that becomes the primary.
        candidate: String,
        /// Whether a loss over the configured limit is accepted.
        accept_loss: bool,
        /// The most that is accepted. None until it is planned: the plan has the figure, and consent rests on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<LossBound>,
    },
    /// See [`ActionKind::DeleteOldBackups`].
    DeleteOldBackups {},
}

impl Params {
    /// The kind that these are parameters of.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::CancelQuery { .. } => ActionKind::CancelQuery,
            Self::TerminateBackend { .. } => ActionKind::TerminateBackend,
            Self::TerminateLongRunning { .. } => ActionKind::TerminateLongRunning,
            Self::MaintenanceOn { .. } => ActionKind::MaintenanceOn,
            Self::MaintenanceOff {} => ActionKind::MaintenanceOff,
            Self::Switchover { .. } => ActionKind::Switchover,
            Self::Failover { .. } => ActionKind::Failover,
            Self::DeleteOldBackups {} => ActionKind::DeleteOldBackups,
        }
    }

    /// What is acted on, in few words: "backend 4711 on primary".
    pub fn object(&self) -> String {
        match self {
            Self::CancelQuery { node, backend, .. } | Self::TerminateBackend { node, backend } => {
                format!("backend {} on {node}", backend.pid())
            }
            Self::TerminateLongRunning { node, longer_than_s } => {
                format!("backends on {node} active for over {longer_than_s} s")
            }
            Self::MaintenanceOn { .. } | Self::MaintenanceOff {} => "the service".to_owned(),
            Self::Switchover { candidate } | Self::Failover { candidate, .. } => candidate.clone(),
            Self::DeleteOldBackups {} => "old backups".to_owned(),
        }
    }
}

/// Parameters that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// One is missing: the person has yet to give it.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// One makes no sense.
    #[error("{name} can't be read: {reason}")]
    Wrong {
        /// Which.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

/// The longest message to users, in characters.
const MESSAGE: usize = 500;

impl Params {
    /// Reads the parameters of `kind` from named texts, as in an address or a form.
    ///
    /// # Errors
    /// [`ParamsError`], for the first that is missing or wrong.
    pub fn from_fields<'a>(
        kind: ActionKind,
        field: &dyn Fn(&str) -> Option<&'a str>,
        now: OffsetDateTime,
    ) -> Result<Self, ParamsError> {
        let text = |name: &'static str| {
            field(name)
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .ok_or(ParamsError::Missing(name))
        };
        let number = |name: &'static str, most: u32| {
            let given = text(name)?;
            let number = given.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| ParamsError::Wrong {
                name,
                reason: format!("{given:?} is no whole number from 1 to {most}"),
            })
        };
        let node = || text("node").map(str::to_owned);
        let backend = || {
            text("backend")?
                .parse()
                .map_err(|error: crate::database::MalformedBackendId| ParamsError::Wrong {
                    name: "backend",
                    reason: error.to_string(),
                })
        };
        Ok(match kind {
            ActionKind::CancelQuery => Self::CancelQuery {
                node: node()?,
                backend: backend()?,
                query_start: match field("query_start").filter(|text| !text.is_empty()) {
                    None => None,
                    Some(text) => Some(instant::read(text).ok_or_else(|| ParamsError::Wrong {
                        name: "query_start",
                        reason: format!("{text:?} is no instant such as 2026-11-24T22:11:03.123456Z"),
                    })?),
                },
            },
            ActionKind::TerminateBackend => Self::TerminateBackend {
                node: node()?,
                backend: backend()?,
            },
            ActionKind::TerminateLongRunning => Self::TerminateLongRunning {
                node: node()?,
                longer_than_s: number("longer_than_s", 30 * 24 * 3600)?,
            },
            ActionKind::MaintenanceOn => {
                let minutes = number("minutes", 7 * 24 * 60)?;
                let message = text("message")?;
                if message.chars().count() > MESSAGE {
                    return Err(ParamsError::Wrong {
                        name: "message",
                        reason: format!("it is longer than {MESSAGE} characters"),
                    });
                }
                let end = now + time::Duration::minutes(minutes.into());
                Self::MaintenanceOn {
                    expected_end: end.replace_nanosecond(0).unwrap_or(end),
                    message: message.to_owned(),
                }
            }
            ActionKind::MaintenanceOff => Self::MaintenanceOff {},
            ActionKind::DeleteOldBackups => Self::DeleteOldBackups {},
            ActionKind::Switchover => Self::Switchover {
                candidate: text("candidate")?.to_owned(),
            },
            ActionKind::Failover => Self::Failover {
                candidate: text("candidate")?.to_owned(),
                accept_loss: match field("accept_loss") {
                    None | Some("" | "no") => false,
                    Some("yes") => true,
                    Some(other) => {
                        return Err(ParamsError::Wrong {
                            name: "accept_loss",
                            reason: format!("{other:?} is neither yes nor no"),
                        });
                    }
                },
                at_most: None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-25 03:00:00.5 UTC);

    fn read(kind: ActionKind, fields: &[(&str, &'static str)]) -> Result<Params, ParamsError> {
        let field = |name: &str| {
            fields
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value)
        };
        Params::from_fields(kind, &field, NOW)
    }

    #[test]
    fn fields_are_read_and_what_is_wrong_is_named() {
        let backend = "4711@2026-11-24T22:11:03.123456Z";
        let params = read(
            ActionKind::CancelQuery,
            &[("node", "primary"), ("backend", backend)],
        )
        .unwrap();
        assert_eq!(params.object(), "backend 4711 on primary");
        let text = serde_json::to_string(&params).unwrap();
        assert_eq!(
            text,
            format!(r#"{{"kind":"cancel_query","node":"primary","backend":"{backend}"}}"#)
        );
        assert_eq!(serde_json::from_str::<Params>(&text).unwrap(), params);
        let meant = |query_start| {
            let fields = [
                ("node", "primary"),
                ("backend", backend),
                ("query_start", query_start),
            ];
            read(ActionKind::CancelQuery, &fields)
        };
        assert!(matches!(
            meant("2026-11-25T02:59:00.654321Z"),
            Ok(Params::CancelQuery { query_start: Some(at), .. }) if at == datetime!(2026-11-25 02:59:00.654321 UTC)
        ));
        assert!(matches!(
            meant("yesterday"),
            Err(ParamsError::Wrong {
                name: "query_start",
                ..
            })
        ));
        assert_eq!(
            read(ActionKind::CancelQuery, &[("node", " ")]),
            Err(ParamsError::Missing("node"))
        );
        assert!(matches!(
            read(
                ActionKind::TerminateBackend,
                &[("node", "a"), ("backend", "4711")]
            ),
            Err(ParamsError::Wrong { name: "backend", .. })
        ));
        for wrong in ["0", "-1", "1.5", "x", "99999999999"] {
            assert!(matches!(
                read(
                    ActionKind::TerminateLongRunning,
                    &[("node", "a"), ("longer_than_s", wrong)]
                ),
                Err(ParamsError::Wrong {
                    name: "longer_than_s",
                    ..
                })
            ));
        }
        assert_eq!(
            read(
                ActionKind::MaintenanceOn,
                &[("minutes", "30"), ("message", "Back soon")]
            ),
            Ok(Params::MaintenanceOn {
                expected_end: datetime!(2026-11-25 03:30 UTC),
                message: "Back soon".into()
            })
        );
    }
}
