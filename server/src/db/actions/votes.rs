//! The table `action_votes`, and what the voters are now.

use std::{collections::HashMap, str::FromStr};

use quarterdeck_domain::{
    access::Role,
    action::{Agreement, Person, Standing, Vote},
};
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use super::digest;
use crate::db::DbError;

#[derive(FromRow)]
struct VoteRow {
    action_id: Uuid,
    voter: Uuid,
    voter_identity: String,
    voter_name: String,
    agreement: String,
    comment: String,
    digest: Vec<u8>,
    policy_version: i64,
    at: OffsetDateTime,
}

impl TryFrom<VoteRow> for Vote {
    type Error = DbError;

    fn try_from(row: VoteRow) -> Result<Self, DbError> {
        let agreement = match row.agreement.as_str() {
            "approve" => Agreement::Approve,
            "reject" => Agreement::Reject,
            other => return Err(DbError::Unreadable(format!("the vote {other:?}"))),
        };
        Ok(Self {
            voter: Person {
                account: row.voter,
                identity: row.voter_identity,
                name: row.voter_name,
            },
            agreement,
            comment: row.comment,
            digest: digest(&row.digest)?,
            policy_version: row.policy_version,
            at: row.at,
        })
    }
}

/// The votes on an action, in order.
///
/// # Errors
/// [`DbError`].
pub async fn votes_of(executor: impl PgExecutor<'_>, action: Uuid) -> Result<Vec<Vote>, DbError> {
    let mut votes = votes_of_each(executor, &[action]).await?;
    Ok(votes.remove(&action).unwrap_or_default())
}

/// The votes on each of some actions, in order; nothing for an action without any.
///
/// # Errors
/// [`DbError`].
pub async fn votes_of_each(
    executor: impl PgExecutor<'_>,
    actions: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Vote>>, DbError> {
    let rows: Vec<VoteRow> = sqlx::query_as(
        "select action_id, voter, voter_identity, voter_name, agreement, comment, digest, policy_version, at
         from quarterdeck.action_votes where action_id = any($1) order by at, voter",
    )
    .bind(actions)
    .fetch_all(executor)
    .await?;
    let mut votes: HashMap<Uuid, Vec<Vote>> = HashMap::new();
    for row in rows {
        votes.entry(row.action_id).or_default().push(Vote::try_from(row)?);
    }
    Ok(votes)
}

/// Stores a vote.
///
/// # Errors
/// [`DbError::is_duplicate`] when the person has voted already.
pub async fn insert_vote(connection: &mut PgConnection, action: Uuid, vote: &Vote) -> Result<(), DbError> {
    sqlx::query(
        "insert into quarterdeck.action_votes
             (action_id, voter, voter_identity, voter_name, agreement, comment, digest, policy_version, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(action)
    .bind(vote.voter.account)
    .bind(&vote.voter.identity)
    .bind(&vote.voter.name)
    .bind(vote.agreement.as_str())
    .bind(&vote.comment)
    .bind(vote.digest.as_bytes().as_slice())
    .bind(vote.policy_version)
    .bind(vote.at)
    .execute(connection)
    .await?;
    Ok(())
}

/// What these accounts are now; locked until the caller's transaction ends, so that a change of role either comes before
/// the count or waits for it.
///
/// # Errors
/// [`DbError`].
pub async fn standings(
    connection: &mut PgConnection,
    accounts: &[Uuid],
) -> Result<HashMap<Uuid, Standing>, DbError> {
    let rows: Vec<(Uuid, String, bool)> = sqlx::query_as(
        "select id, role, disabled_at is null from quarterdeck.users where id = any($1) order by id for share",
    )
    .bind(accounts)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(id, role, enabled)| {
            let role = Role::from_str(&role).map_err(|error| DbError::Unreadable(error.to_string()))?;
            Ok((id, Standing { role, enabled }))
        })
        .collect()
}
