//! The tables of guarded actions: `actions`, `action_votes`, `action_steps`, `outbox`, `policy_versions`.

mod outbox;
mod policy;
mod records;
mod steps;
mod votes;

use quarterdeck_domain::action::{ActionKind, BreakGlass, Case, Digest, Person, Plan, Review, Rule, State};
use sqlx::{FromRow, PgConnection, PgExecutor, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::DbError;

pub use outbox::{
    Addressed, EMAIL, OutboxRow, WEBHOOK, delivered, enqueue, outbox_of, take_due, undelivered,
};
pub use policy::{PolicyRow, current_policy, insert_policy, lock_policy};
pub use records::{RecordRow, records_of};
pub use steps::{StepRow, begin_step, end_step, insert_step, leave_step_open, steps_of};
pub use votes::{insert_vote, standings, votes_of, votes_of_each};

/// Where changes of actions are announced; the payload is the action's id.
pub const CHANNEL: &str = "quarterdeck_actions";

/// A row of `quarterdeck.actions`.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ActionRow {
    pub id: Uuid,
    pub number: i64,
    kind: String,
    pub object: String,
    pub plan: Json<Plan>,
    digest: Vec<u8>,
    pub started_plan: Option<Json<Plan>>,
    pub policy_version: i64,
    pub rule: Json<Rule>,
    pub reason: String,
    requester: Uuid,
    requester_identity: String,
    requester_name: String,
    pub requested_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub break_glass: Option<Json<BreakGlass>>,
    pub review: Option<Json<Review>>,
    pub state_data: Json<State>,
    pub revision: i64,
    pub changed_at: OffsetDateTime,
    pub lease_until: Option<OffsetDateTime>,
}

const COLUMNS: &str = "id, number, kind, object, plan, digest, started_plan, policy_version, rule, reason, requester, \
     requester_identity, requester_name, requested_at, expires_at, break_glass, review, state_data, revision, changed_at, \
     lease_until";

impl ActionRow {
    /// Its kind.
    ///
    /// # Errors
    /// When it is none that this console knows.
    pub fn kind(&self) -> Result<ActionKind, DbError> {
        self.kind
            .parse()
            .map_err(|error: quarterdeck_domain::action::UnknownKind| DbError::Unreadable(error.to_string()))
    }

    /// Its digest.
    ///
    /// # Errors
    /// When the column does not hold 32 bytes, which its check doesn't allow.
    pub fn digest(&self) -> Result<Digest, DbError> {
        digest(&self.digest)
    }

    /// Who asked for it.
    pub fn requester(&self) -> Person {
        Person {
            account: self.requester,
            identity: self.requester_identity.clone(),
            name: self.requester_name.clone(),
        }
    }

    /// The state machine's view of it.
    ///
    /// # Errors
    /// When a column holds what the console never writes.
    pub fn case(&self, votes: Vec<quarterdeck_domain::action::Vote>) -> Result<Case, DbError> {
        Ok(Case {
            requester: self.requester(),
            plan: self.plan.0.clone(),
            digest: self.digest()?,
            policy_version: self.policy_version,
            rule: self.rule.0.clone(),
            expires_at: self.expires_at,
            break_glass: self.break_glass.clone().map(|json| json.0),
            review: self.review.clone().map(|json| json.0),
            votes,
            state: self.state_data.0.clone(),
        })
    }
}

pub(super) fn digest(bytes: &[u8]) -> Result<Digest, DbError> {
    bytes
        .try_into()
        .map(Digest::from_bytes)
        .map_err(|_| DbError::Unreadable("a digest that has not 32 bytes".to_owned()))
}

/// A new action.
#[derive(Debug)]
pub struct NewAction<'a> {
    /// Its id: the same request sent twice has the same.
    pub id: Uuid,
    /// The state machine's view of it.
    pub case: &'a Case,
    /// Why it is asked for.
    pub reason: &'a str,
    /// When.
    pub requested_at: OffsetDateTime,
}

/// Inserts an action.
///
/// # Errors
/// [`DbError::is_duplicate`] when the id is there already.
pub async fn insert(connection: &mut PgConnection, new: &NewAction<'_>) -> Result<(), DbError> {
    let NewAction {
        id,
        case,
        reason,
        requested_at,
    } = new;
    sqlx::query(
        "insert into quarterdeck.actions
             (id, kind, object, plan, digest, policy_version, rule, reason, requester, requester_identity, requester_name,
              requested_at, expires_at, break_glass, state, state_data, changed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $12)",
    )
    .bind(id)
    .bind(case.plan.params.kind().as_str())
    .bind(case.plan.params.object())
    .bind(Json(&case.plan))
    .bind(case.digest.as_bytes().as_slice())
    .bind(case.policy_version)
    .bind(Json(&case.rule))
    .bind(reason)
    .bind(case.requester.account)
    .bind(&case.requester.identity)
    .bind(&case.requester.name)
    .bind(requested_at)
    .bind(case.expires_at)
    .bind(case.break_glass.as_ref().map(Json))
    .bind(case.state.as_str())
    .bind(Json(&case.state))
    .execute(connection)
    .await?;
    Ok(())
}

/// One action.
///
/// # Errors
/// [`DbError`].
pub async fn by_id(executor: impl PgExecutor<'_>, id: Uuid) -> Result<Option<ActionRow>, DbError> {
    let query = format!("select {COLUMNS} from quarterdeck.actions where id = $1");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(id)
        .fetch_optional(executor)
        .await?)
}

/// One action, locked until the caller's transaction ends.
///
/// # Errors
/// [`DbError`].
pub async fn lock(connection: &mut PgConnection, id: Uuid) -> Result<Option<ActionRow>, DbError> {
    let query = format!("select {COLUMNS} from quarterdeck.actions where id = $1 for update");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(id)
        .fetch_optional(connection)
        .await?)
}

/// Writes what the state machine says, if nobody has changed the action since `revision`; answers whether it was so.
///
/// # Errors
/// [`DbError`]; [`DbError::is_duplicate`] when it would begin while another one does that it must not run beside.
pub async fn update(
    connection: &mut PgConnection,
    (id, revision): (Uuid, i64),
    case: &Case,
    started_plan: Option<&Plan>,
    lease_until: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update quarterdeck.actions
         set state = $3, state_data = $4, review = $5, started_plan = coalesce($6, started_plan), lease_until = $7,
             changed_at = $8, revision = revision + 1
         where id = $1 and revision = $2",
    )
    .bind(id)
    .bind(revision)
    .bind(case.state.as_str())
    .bind(Json(&case.state))
    .bind(case.review.as_ref().map(Json))
    .bind(started_plan.map(Json))
    .bind(lease_until)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Lengthens the lease of the worker that has the action; answers whether it still has it.
///
/// # Errors
/// [`DbError`].
pub async fn renew_lease(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    worker: Uuid,
    until: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update quarterdeck.actions set lease_until = $3
         where id = $1 and state = 'executing' and (state_data ->> 'worker')::uuid = $2",
    )
    .bind(id)
    .bind(worker)
    .bind(until)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Actions that are not over, or still have to be reviewed, the newest first: those before the number `before`, at most
/// `limit`.
///
/// # Errors
/// [`DbError`].
pub async fn open(
    executor: impl PgExecutor<'_>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<ActionRow>, DbError> {
    let which =
        "(state in ('requested', 'approved', 'executing') or (break_glass is not null and review is null))";
    page(executor, which, before, limit).await
}

/// All actions, as [`open`].
///
/// # Errors
/// [`DbError`].
pub async fn all(
    executor: impl PgExecutor<'_>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<ActionRow>, DbError> {
    page(executor, "true", before, limit).await
}

async fn page(
    executor: impl PgExecutor<'_>,
    which: &'static str,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<ActionRow>, DbError> {
    let query = format!(
        "select {COLUMNS} from quarterdeck.actions
         where {which} and ($1::bigint is null or number < $1) order by number desc limit $2"
    );
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(before)
        .bind(limit)
        .fetch_all(executor)
        .await?)
}

/// An action that something is due for.
#[derive(Debug, Clone, FromRow)]
pub struct DueRow {
    /// Which.
    pub id: Uuid,
    /// Its state.
    pub state: String,
    /// Whether a worker has, or had, it.
    pub taken_up: bool,
}

/// The actions that something is due for: started and not taken up, left by their worker, or over their time.
///
/// # Errors
/// [`DbError`].
pub async fn due(executor: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<Vec<DueRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, state, lease_until is not null as taken_up from quarterdeck.actions
         where (state in ('requested', 'approved') and expires_at <= $1)
            or (state = 'executing' and (lease_until is null or lease_until <= $1))
         order by number",
    )
    .bind(now)
    .fetch_all(executor)
    .await?)
}

/// The number of an action of these kinds that is being executed, if there is one.
///
/// # Errors
/// [`DbError`].
pub async fn executing(executor: impl PgExecutor<'_>, kinds: &[ActionKind]) -> Result<Option<i64>, DbError> {
    let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    Ok(sqlx::query_scalar(
        "select number from quarterdeck.actions where state = 'executing' and kind = any ($1) order by number limit 1",
    )
    .bind(kinds)
    .fetch_optional(executor)
    .await?)
}
