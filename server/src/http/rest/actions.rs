//! `/api/v1/actions`: plan, ask, agree, start, take back.

use axum::{
    Json,
    extract::{Path, Query, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use quarterdeck_app::{
    error::ConsoleError,
    ports::{GuardedActions, Which},
    view::action::{ActionView, ActionsView, PolicyInForceView, ProposalView},
};
use quarterdeck_domain::{
    access::{Permission, Subject},
    action::{Agreement, Case, Params},
};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{super::problem::Problem, failure};
use crate::{
    http::{asked::Asked, auth::SignedIn},
    services::{
        actions::{Ask, Say},
        console::AskedConsole,
    },
};

/// Which actions.
#[derive(Debug, Deserialize, IntoParams)]
pub struct ListQuery {
    /// `open` (not over, or to be reviewed; the default), `mine` (wait for the one who asks) or `all`.
    #[serde(default)]
    which: String,
    /// Only those before this number: `next_before` of the page before.
    before: Option<i64>,
}

/// What is to be planned.
#[derive(Deserialize, ToSchema)]
pub struct PlanBody {
    /// `kind`, and the parameters of that kind: `node`, `backend`, `longer_than_s`, `expected_end`, `message`.
    #[schema(value_type = Object)]
    params: serde_json::Value,
}

/// What is asked for.
#[derive(Deserialize, ToSchema)]
pub struct AskBody {
    /// An id of the caller's choice (a UUID), or the one that the plan came with: sent twice, it asks once.
    id: uuid::Uuid,
    /// The parameters, as planned.
    #[schema(value_type = Object)]
    params: serde_json::Value,
    /// The digest of the plan that the caller was shown.
    digest: String,
    /// Why.
    #[serde(default)]
    reason: String,
    /// What the policy wants typed, if anything.
    #[serde(default)]
    typed: String,
    /// The password again, where the policy wants it.
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
    /// Go without the approvals.
    #[serde(default)]
    break_glass: bool,
}

/// A vote, or a review.
#[derive(Deserialize, ToSchema)]
pub struct SayBody {
    /// The digest of the plan that is agreed to; not for a review.
    #[serde(default)]
    digest: String,
    /// Why.
    #[serde(default)]
    comment: String,
    /// The password again, where the policy wants it.
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
}

fn params(value: serde_json::Value) -> Result<Params, ConsoleError> {
    serde_json::from_value(value).map_err(|error| {
        ConsoleError::BadRequest(format!("`params` can't be read: {error}. Nothing was done."))
    })
}

/// The body of a call, once it is settled that the caller may make it at all.
fn read<T>(
    console: &AskedConsole,
    subject: &Subject,
    permission: Permission,
    body: Result<Json<T>, JsonRejection>,
) -> Result<T, ConsoleError> {
    console.allow(subject, permission)?;
    let Json(body) =
        body.map_err(|error| ConsoleError::BadRequest(format!("{}. Nothing was done.", error.body_text())))?;
    Ok(body)
}

async fn shown(console: &AskedConsole, subject: &Subject, id: &str, status: StatusCode) -> Response {
    match console.action(subject, id).await {
        Ok(view) => (status, Json(view)).into_response(),
        Err(error) => failure(error),
    }
}

/// The action after something was done to it, or what went wrong.
async fn answer(
    done: Result<Case, ConsoleError>,
    console: &AskedConsole,
    subject: &Subject,
    id: &str,
) -> Response {
    match done {
        Ok(_) => shown(console, subject, id, StatusCode::OK).await,
        Err(error) => failure(error),
    }
}

/// Says what would happen now. Changes nothing.
#[utoipa::path(post, path = "/api/v1/actions/plan", tag = "actions", request_body = PlanBody,
    responses((status = 200, body = ProposalView), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn plan(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    body: Result<Json<PlanBody>, JsonRejection>,
) -> Response {
    let planned = async {
        let body = read(&console, &subject, Permission::ViewActions, body)?;
        console.proposal(&subject, params(body.params)?).await
    };
    match planned.await {
        Ok(view) => Json(view).into_response(),
        Err(error) => failure(error),
    }
}

/// Asks for an action; where nobody has to agree it is started.
#[utoipa::path(post, path = "/api/v1/actions", tag = "actions", request_body = AskBody,
    responses((status = 201, body = ActionView), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn request(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    body: Result<Json<AskBody>, JsonRejection>,
) -> Response {
    let body = match read(&console, &subject, Permission::RequestAction, body) {
        Ok(body) => body,
        Err(error) => return failure(error),
    };
    let id = body.id;
    let asked = async {
        let ask = Ask {
            id,
            params: params(body.params)?,
            digest: body
                .digest
                .parse()
                .map_err(|error| ConsoleError::BadRequest(format!("`digest`: {error}.")))?,
            reason: body.reason,
            typed: body.typed,
            password: body.password,
            break_glass: body.break_glass,
        };
        console.request_action(&subject, ask).await
    };
    match asked.await {
        Ok(_) => shown(&console, &subject, &id.to_string(), StatusCode::CREATED).await,
        Err(error) => failure(error),
    }
}

/// Actions, the newest first.
#[utoipa::path(get, path = "/api/v1/actions", tag = "actions", params(ListQuery),
    responses((status = 200, body = ActionsView), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)))]
pub async fn list(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    Query(query): Query<ListQuery>,
) -> Response {
    match console
        .actions(&subject, Which::parse(&query.which), query.before)
        .await
    {
        Ok(view) => Json(view).into_response(),
        Err(error) => failure(error),
    }
}

/// The policy in force: who may ask for what, who has to agree, what is frozen.
#[utoipa::path(get, path = "/api/v1/actions/policy", tag = "actions",
    responses((status = 200, body = PolicyInForceView), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)))]
pub async fn policy(Asked(console): Asked, SignedIn(subject): SignedIn) -> Response {
    match console.policy(&subject).await {
        Ok(view) => Json(view).into_response(),
        Err(error) => failure(error),
    }
}

/// One action: plan, votes, steps, record.
#[utoipa::path(get, path = "/api/v1/actions/{id}", tag = "actions", params(("id" = String, Path, description = "The action's id")),
    responses((status = 200, body = ActionView), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn action(Asked(console): Asked, SignedIn(subject): SignedIn, Path(id): Path<String>) -> Response {
    shown(&console, &subject, &id, StatusCode::OK).await
}

async fn vote(
    console: &AskedConsole,
    subject: &Subject,
    id: &str,
    body: Result<Json<SayBody>, JsonRejection>,
    agreement: Agreement,
) -> Response {
    let voted = async {
        let body = read(console, subject, Permission::ApproveAction, body)?;
        let say = Say {
            agreement,
            digest: body.digest.parse().map_err(|error| {
                ConsoleError::BadRequest(format!("`digest`: {error}. Nothing was changed."))
            })?,
            comment: body.comment,
            password: body.password,
        };
        console.vote_on_action(subject, id, say).await
    };
    answer(voted.await, console, subject, id).await
}

/// Agrees to an action.
#[utoipa::path(post, path = "/api/v1/actions/{id}/approve", tag = "actions", params(("id" = String, Path, description = "The action's id")), request_body = SayBody,
    responses((status = 200, body = ActionView), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn approve(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    Path(id): Path<String>,
    body: Result<Json<SayBody>, JsonRejection>,
) -> Response {
    vote(&console, &subject, &id, body, Agreement::Approve).await
}

/// Says no to an action, which ends it.
#[utoipa::path(post, path = "/api/v1/actions/{id}/reject", tag = "actions", params(("id" = String, Path, description = "The action's id")), request_body = SayBody,
    responses((status = 200, body = ActionView), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn reject(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    Path(id): Path<String>,
    body: Result<Json<SayBody>, JsonRejection>,
) -> Response {
    vote(&console, &subject, &id, body, Agreement::Reject).await
}

/// Starts an approved action. It is planned once more, and stops if what would happen is not what was agreed to.
#[utoipa::path(post, path = "/api/v1/actions/{id}/start", tag = "actions", params(("id" = String, Path, description = "The action's id")),
    responses((status = 200, body = ActionView), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn start(Asked(console): Asked, SignedIn(subject): SignedIn, Path(id): Path<String>) -> Response {
    answer(console.start_action(&subject, &id).await, &console, &subject, &id).await
}

/// Takes an action back; one that is being done is stopped before its next step, where that is safe.
#[utoipa::path(post, path = "/api/v1/actions/{id}/cancel", tag = "actions", params(("id" = String, Path, description = "The action's id")),
    responses((status = 200, body = ActionView), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn cancel(Asked(console): Asked, SignedIn(subject): SignedIn, Path(id): Path<String>) -> Response {
    answer(
        console.cancel_action(&subject, &id).await,
        &console,
        &subject,
        &id,
    )
    .await
}

/// Closes an action that was done without approvals.
#[utoipa::path(post, path = "/api/v1/actions/{id}/review", tag = "actions", params(("id" = String, Path, description = "The action's id")), request_body = SayBody,
    responses((status = 200, body = ActionView), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn review(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    Path(id): Path<String>,
    body: Result<Json<SayBody>, JsonRejection>,
) -> Response {
    let reviewed = async {
        let body = read(&console, &subject, Permission::ApproveAction, body)?;
        console.review_action(&subject, &id, &body.comment).await
    };
    answer(reviewed.await, &console, &subject, &id).await
}
