//! Sessions of the watched database.

use quarterdeck_domain::database::{BackendState, Capacity, ConnectionCounts};
use serde::{Deserialize, Serialize};

use crate::error::ConsoleError;

/// The sessions of one node at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct DatabaseSessionsView {
    /// Name of the node in the configuration.
    pub node: String,
    /// When it was read, by the console's clock; Unix ms.
    pub read_at_ms: i64,
    /// How many clients can be connected.
    pub capacity: Capacity,
    /// How many of them an ordinary role can have.
    pub usable: u32,
    /// How many are, and whose; whatever the filter.
    pub counts: ConnectionCounts,
    /// How many sessions the console's role may not see.
    pub hidden: u32,
    /// What the console's role lacks on the node.
    pub missing: Vec<MissingPrivilegeView>,
    /// Whether literals in queries are left out.
    pub redacted: bool,
    /// How many sessions there are, and how many of them match the filter.
    pub total: u32,
    /// How many match the filter; of those, `backends` holds the most interesting ones.
    pub matching: u32,
    /// Those that match, what is active first, and of these the oldest.
    pub backends: Vec<BackendView>,
    /// Who waits for whom; whatever the filter.
    pub blocking: Vec<BlockingView>,
    /// What is active for long; whatever the filter.
    pub long_running: LongRunningView,
}

/// A privilege that the console's role lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MissingPrivilegeView {
    /// What can't be done without it.
    pub lost: String,
    /// The statement that gives it.
    pub grant: String,
}

/// A backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct BackendView {
    /// Names it and no other: pid and start, `4711@2026-11-24T22:11:03.123456Z`.
    pub id: String,
    /// Its process id.
    pub pid: i32,
    /// What kind of process, in PostgreSQL's word: `client backend`, `walsender`, ….
    pub kind: String,
    /// The role that signed in.
    pub user: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// What the client calls itself; empty where it does not say.
    pub application: String,
    /// Where the client is; `None` on a Unix socket, and for a process of the server.
    pub address: Option<String>,
    /// What it is at.
    pub state: BackendState,
    /// The query that runs, or ran last, redacted as configured; `None` where there is none, or it can't be read for
    /// sure what in it is a literal.
    pub query: Option<String>,
    /// Whether there is a query that is not shown.
    pub query_hidden: bool,
    /// When the query began, by the node's clock, to the microsecond; only while it runs.
    pub query_started_at: Option<String>,
    /// How long the query has been running, ms.
    pub query_age_ms: Option<i64>,
    /// How long the transaction has been open, ms.
    pub transaction_age_ms: Option<i64>,
    /// How long it has been in its state, ms.
    pub state_age_ms: Option<i64>,
    /// What it waits for: `Lock: transactionid`.
    pub wait: Option<String>,
    /// Whom it waits for, by pid; 0 is a prepared transaction.
    pub blocked_by: Vec<i32>,
    /// How many wait for it, directly or through others.
    pub holds_up: u32,
    /// Whether its query, or its idle transaction, is older than the configured limit.
    pub long: bool,
    /// Why it is never touched; `None` for one that can be cancelled and terminated.
    pub protection: Option<String>,
}

/// A place in the picture of who waits for whom; those that wait for it follow, one level deeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct BlockingView {
    /// The backend's pid; 0 for a prepared transaction.
    pub pid: i32,
    /// How many stand above it.
    pub depth: u32,
    /// How many wait for it, directly or through others.
    pub holds_up: u32,
    /// Whether it stands further up already.
    pub again: bool,
    /// Who it is and what it does: `app@skillquest, idle in transaction`.
    pub who: String,
}

/// What is active for long, and what of it would be left out if all of it were terminated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct LongRunningView {
    /// The limit, seconds.
    pub limit_s: u32,
    /// How many would be terminated.
    pub chosen: u32,
    /// Who would be left out, and why.
    pub left_out: Vec<LeftOutView>,
}

/// A backend that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct LeftOutView {
    /// Its process id.
    pub pid: i32,
    /// Why.
    pub why: String,
}

/// Which sessions of which node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionFilter {
    /// Name of the node; without it, the primary.
    pub node: Option<String>,
    /// In this state.
    pub state: Option<BackendState>,
    /// Of this role.
    pub user: Option<String>,
    /// Of this application.
    pub application: Option<String>,
    /// Whose query, or whose idle transaction, is older; seconds.
    pub longer_than_s: Option<u32>,
}

impl SessionFilter {
    /// Reads it from what an address holds. What is empty, as in a form that was sent with empty fields, is not asked for.
    ///
    /// # Errors
    /// [`ConsoleError::BadRequest`], which says what to change.
    pub fn read(field: impl Fn(&str) -> Option<String>) -> Result<Self, ConsoleError> {
        let given = |name: &str| field(name).filter(|text| !text.is_empty());
        let state = given("state")
            .map(|name| {
                BackendState::parse(&name).ok_or_else(|| {
                    let known = BackendState::ALL.map(BackendState::as_str).join(", ");
                    ConsoleError::BadRequest(format!("There is no state {name:?}. Choose one of {known}."))
                })
            })
            .transpose()?;
        let longer_than_s = given("longer_than_s")
            .map(|text| {
                text.parse().map_err(|_| {
                    ConsoleError::BadRequest(format!(
                        "{text:?} is no age. Write it as whole seconds, such as longer_than_s=300."
                    ))
                })
            })
            .transpose()?;
        Ok(Self {
            node: given("node"),
            state,
            user: given("user"),
            application: given("application"),
            longer_than_s,
        })
    }

    /// Its fields with what they ask for.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        [
            ("node", self.node.clone()),
            ("state", self.state.map(|s| s.as_str().to_owned())),
            ("user", self.user.clone()),
            ("application", self.application.clone()),
            ("longer_than_s", self.longer_than_s.map(|s| s.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// Whether it leaves anything out.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        self.fields().iter().any(|(name, _)| *name != "node")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<SessionFilter, ConsoleError> {
        SessionFilter::read(|name| {
            fields
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_filter_reads_back_and_empty_fields_ask_for_nothing() {
        let filter = read(&[
            ("node", "standby"),
            ("state", "idle_in_transaction"),
            ("user", ""),
            ("application", "a&b"),
            ("longer_than_s", "300"),
        ])
        .unwrap();
        assert_eq!(
            (filter.state, filter.user.as_ref()),
            (Some(BackendState::IdleInTransaction), None)
        );
        let fields = filter.fields();
        let borrowed: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        assert_eq!(read(&borrowed), Ok(filter.clone()));
        assert!(filter.is_narrow());
        let all = read(&[("node", "standby"), ("state", ""), ("longer_than_s", "")]).unwrap();
        assert!(!all.is_narrow());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_way_out() {
        for fields in [
            ("state", "busy"),
            ("longer_than_s", "5 min"),
            ("longer_than_s", "-1"),
        ] {
            assert_eq!(read(&[fields]).unwrap_err().status(), 400, "{fields:?}");
        }
    }
}
