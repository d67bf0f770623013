//! Cancels a query or ends a backend: that one, at that moment, or none.

use futures::future::BoxFuture;
use quarterdeck_domain::database::{
    Backend, BackendId, CONSOLE_APPLICATION, Protection, ProtectionRules, Signaller, protection,
};
use sqlx::{PgConnection, Row, postgres::PgRow};
use time::OffsetDateTime;

use super::{
    super::node_connection::{NodeConnection, NodeError},
    rows::{self, backends},
};

/// What to do to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ends the query that began at this time (by the node's clock), and leaves the connection: `pg_cancel_backend`.
    Cancel {
        /// When the query began that is meant. If the backend runs another one by now, that one is not cancelled.
        query_started_at: OffsetDateTime,
    },
    /// Ends the backend, with its connection and transaction: `pg_terminate_backend`.
    Terminate {
        /// Only if it still runs the query that began at this time (by the node's clock); `None` whatever it runs.
        query_started_at: Option<OffsetDateTime>,
    },
}

/// What came of it. In every case but the first, nothing was signalled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalOutcome {
    /// The signal was sent.
    Signalled,
    /// There is no backend of that pid.
    Gone,
    /// The pid belongs to another backend by now.
    NotTheSame {
        /// Whose it is now.
        now: BackendId,
    },
    /// It runs no query any more, or another one than was meant.
    QueryOver,
    /// It is never touched.
    Protected(Protection),
    /// The console's role may not.
    NotPermitted {
        /// The statement that lets it.
        grant: String,
    },
}

/// The statement, up to the function that signals. The conditions are those of `domain::database::protection`, in SQL, so
/// that they hold at the moment of the signal; a test holds the two against each other.
///
/// `$1` pid, `$2` start of the backend, `$3` start of the query (to terminate: only if one is meant), `$4` protected applications, `$5` pattern of
/// the console's own application names.
macro_rules! signalling {
    ($doing:literal, $function:literal) => {
        concat!(
            "WITH me AS MATERIALIZED (
SELECT current_user::text AS role,
       coalesce((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), false) AS superuser,
       pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AS may_signal,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all
), found AS MATERIALIZED (",
            backends!(),
            " AND a.pid = $1
), judged AS MATERIALIZED (
SELECT found.*, me.*,
       coalesce(found.backend_start = $2, false) AS is_same,
       coalesce(",
            $doing,
            ", false) AS is_doing,
       found.backend_type = 'client backend' AND NOT found.is_asker AND found.application !~ $5
       AND found.application <> ALL($4) AND (NOT found.user_is_superuser OR me.superuser) AS is_touchable,
       me.may_signal OR coalesce(pg_has_role(current_user, found.usesysid, 'USAGE'), false) AS is_permitted
  FROM found CROSS JOIN me
)
SELECT judged.*,
       CASE WHEN is_same AND is_doing AND is_touchable AND is_permitted THEN ",
            $function,
            "(pid) END AS signalled
  FROM judged"
        )
    };
}

const CANCEL: &str = signalling!(
    "found.query_start = $3 AND found.state IN ('active', 'fastpath function call')",
    "pg_catalog.pg_cancel_backend"
);
const TERMINATE: &str = signalling!(
    "($3::timestamptz IS NULL OR found.query_start = $3 AND found.state IN ('active', 'fastpath function call'))",
    "pg_catalog.pg_terminate_backend"
);

/// What the statement found, and did.
struct Attempt {
    backend: Backend,
    signaller: Signaller,
    is_doing: bool,
    is_permitted: bool,
    signalled: Option<bool>,
}

/// The process that has the pid.
enum Found {
    /// It was seen.
    Seen(Box<Attempt>),
    /// The role may not see when it started.
    Hidden(Signaller),
}

/// Signals the backend `id`, or says why not.
///
/// # Errors
/// [`NodeError`].
pub(super) async fn signal(
    connection: &NodeConnection,
    id: BackendId,
    signal: Signal,
    rules: &ProtectionRules,
) -> Result<SignalOutcome, NodeError> {
    let found = connection
        // To begin again does no harm: the same statement meets the same backend, or none.
        .run(|connection| send(connection, id, signal, rules))
        .await?;
    let attempt = match found {
        None => return Ok(SignalOutcome::Gone),
        Some(Found::Hidden(signaller)) => {
            return signaller
                .grant_to_see()
                .map(|grant| SignalOutcome::NotPermitted { grant })
                .ok_or_else(unexplained);
        }
        Some(Found::Seen(attempt)) => attempt,
    };
    match attempt.signalled {
        Some(true) => return Ok(SignalOutcome::Signalled),
        // It ended between the look and the signal.
        Some(false) => return Ok(SignalOutcome::Gone),
        None => {}
    }
    if attempt.backend.id != id {
        return Ok(SignalOutcome::NotTheSame {
            now: attempt.backend.id,
        });
    }
    if let Some(why) = protection(&attempt.backend, rules, &attempt.signaller) {
        return Ok(SignalOutcome::Protected(why));
    }
    if !attempt.is_doing {
        return Ok(SignalOutcome::QueryOver);
    }
    match attempt.signaller.grant_to_signal() {
        Some(grant) if !attempt.is_permitted => Ok(SignalOutcome::NotPermitted { grant }),
        Some(_) | None => Err(unexplained()),
    }
}

/// The statement held back for a reason that the rules do not name: the two are no longer the same.
fn unexplained() -> NodeError {
    NodeError::Refused {
        reason: "the statement that signals held back for a reason that the console's rules do not name; nothing was \
                 signalled. This is a fault of the console"
            .to_owned(),
    }
}

/// Runs the statement; `None` when there is no such backend.
fn send<'c>(
    connection: &'c mut PgConnection,
    id: BackendId,
    signal: Signal,
    rules: &ProtectionRules,
) -> BoxFuture<'c, Result<Option<Found>, sqlx::Error>> {
    let (statement, query_started_at) = match signal {
        Signal::Cancel { query_started_at } => (CANCEL, Some(query_started_at)),
        Signal::Terminate { query_started_at } => (TERMINATE, query_started_at),
    };
    let applications = rules.applications.clone();
    Box::pin(async move {
        let row = sqlx::query(statement)
            .bind(id.pid())
            .bind(id.started_at())
            .bind(query_started_at)
            .bind(applications)
            .bind(format!("^{CONSOLE_APPLICATION}(-|$)"))
            .fetch_optional(connection)
            .await?;
        row.as_ref().map(read).transpose()
    })
}

fn read(row: &PgRow) -> Result<Found, sqlx::Error> {
    let signaller = rows::signaller(row)?;
    if row
        .try_get::<Option<OffsetDateTime>, _>("backend_start")?
        .is_none()
    {
        return Ok(Found::Hidden(signaller));
    }
    Ok(Found::Seen(Box::new(Attempt {
        backend: rows::backend(row)?,
        signaller,
        is_doing: row.try_get("is_doing")?,
        is_permitted: row.try_get("is_permitted")?,
        signalled: row.try_get("signalled")?,
    })))
}
