//! `/actions/new?kind=…`: what exactly would happen, and the form that asks for it.

use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};
use quarterdeck_domain::action::{ActionKind, Params, ParamsError};
use time::OffsetDateTime;

use super::{
    accept_loss::{AcceptLoss, refused_for_its_loss},
    plan::{Plan, PolicyText},
};
use crate::{
    components::{failure::Failure, page::Page, text_area::TextArea},
    error::ConsoleError,
    pages::{Signed, signed},
    ports::RefusedRequest,
    view::action::ProposalView,
};

/// What the address asks for.
enum Asked {
    /// A kind whose parameters have yet to be given.
    Incomplete(ActionKind, String),
    /// Everything that is needed to plan.
    Complete(Params),
}

fn asked(query: &ParamsMap, now_ms: i64) -> Result<Asked, ConsoleError> {
    let kind: ActionKind = query.get("kind").unwrap_or_default().parse().map_err(
        |error: quarterdeck_domain::action::UnknownKind| ConsoleError::BadRequest(format!("{error}.")),
    )?;
    let now = OffsetDateTime::from_unix_timestamp(now_ms / 1000)
        .map_err(|_| ConsoleError::BadRequest("The console's clock is wrong.".to_owned()))?;
    let field = |name: &str| query.get_str(name);
    match Params::from_fields(kind, &field, now) {
        Ok(params) => Ok(Asked::Complete(params)),
        Err(ParamsError::Missing(name)) => Ok(Asked::Incomplete(kind, name.to_owned())),
        Err(error @ ParamsError::Wrong { .. }) => Err(ConsoleError::BadRequest(format!("{error}."))),
    }
}

/// The page.
#[component]
pub fn NewActionPage() -> impl IntoView {
    let signed = signed();
    let query = use_query_map().get_untracked();
    let refused = use_context::<RefusedRequest>();
    view! {
        <Page title="New action" name="action">
            {Suspend::new(async move {
                let asked = refused.as_ref().map(|refused| refused.params.clone());
                match load(signed, &query, asked).await {
                    Ok(Loaded::Form(kind, missing)) => view! { <Parameters kind missing /> }.into_any(),
                    Ok(Loaded::Proposal(csrf, proposal)) => {
                        view! { <Proposal csrf proposal=*proposal refused /> }.into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

enum Loaded {
    Form(ActionKind, String),
    Proposal(String, Box<ProposalView>),
}

async fn load(
    signed: Result<Signed, ConsoleError>,
    query: &ParamsMap,
    refused: Option<Params>,
) -> Result<Loaded, ConsoleError> {
    let Signed {
        console,
        request,
        subject,
    } = signed?;
    let asked = match refused {
        Some(params) => Asked::Complete(params),
        None => asked(query, console.now_ms())?,
    };
    match asked {
        Asked::Incomplete(kind, missing) => Ok(Loaded::Form(kind, missing)),
        Asked::Complete(params) => {
            let proposal = console.proposal(&subject, params).await?;
            Ok(Loaded::Proposal(request.csrf_token, Box::new(proposal)))
        }
    }
}

/// A form for what has yet to be given. It only leads on to the plan.
#[component]
fn Parameters(kind: ActionKind, missing: String) -> impl IntoView {
    let spec = kind.spec();
    let fields = match kind {
        ActionKind::CancelQuery | ActionKind::TerminateBackend | ActionKind::TerminateLongRunning => view! {
            <p class="note">
                {format!("What is meant is chosen on the database page ({missing} is missing here).")}
            </p>
            <a class="button button-primary" href="/database">"Open the database page"</a>
        }
        .into_any(),
        ActionKind::MaintenanceOn => view! {
            <form method="get" action="/actions/new" class="form">
                <input type="hidden" name="kind" value=kind.as_str() />
                <label class="field">
                    <span>"Expected to last, minutes"</span>
                    <input type="number" name="minutes" min="1" max="10080" value="30" required />
                </label>
                <label class="field">
                    <span>"Message to users"</span>
                    <input type="text" name="message" maxlength="500" value="We are back soon." required />
                </label>
                <button class="button button-primary" type="submit">"Show what would happen"</button>
            </form>
        }
        .into_any(),
        ActionKind::MaintenanceOff | ActionKind::DeleteOldBackups => ().into_any(),
        ActionKind::Switchover | ActionKind::Failover => view! {
            <p class="note">{format!("The node is chosen on the topology page ({missing} is missing here).")}</p>
            <a class="button button-primary" href="/database/topology">"Open the topology page"</a>
        }
        .into_any(),
    };
    view! {
        <h1>{spec.title}</h1>
        <p class="lead">{spec.summary}</p>
        {fields}
    }
}

#[component]
fn Proposal(csrf: String, proposal: ProposalView, refused: Option<RefusedRequest>) -> impl IntoView {
    let ProposalView {
        id,
        plan,
        policy,
        obstacle,
    } = proposal;
    let risk = plan.risk;
    let loss = refused_for_its_loss(&plan);
    let params = plan.params.to_string();
    let digest = plan.digest.clone();
    let needs_reason = policy.approvals > 0;
    let needs_password = policy.reauthenticate;
    let typed = policy.typed.clone();
    let glass = policy.break_glass && policy.approvals > 0;
    let (reason, had_typed) = refused
        .as_ref()
        .map(|refused| (refused.reason.clone(), refused.typed.clone()))
        .unwrap_or_default();
    // Only what takes effect at once looks like it.
    let (act, style) = if policy.approvals == 0 {
        (format!("{} now", plan.title), "button button-danger")
    } else {
        ("Ask for approval".to_owned(), "button button-primary")
    };
    view! {
        <header class="action-head" data-risk=risk.as_str()>
            <p class="action-kicker">"Plan: nothing has happened yet"</p>
            <h1>{plan.title.clone()} ": " {plan.object.clone()}</h1>
            <p class="lead">{plan.summary.clone()}</p>
        </header>
        <div class="action-columns">
            <div class="action-main">
                <Plan plan />
            </div>
            <div class="action-side">
                <section class="panel" aria-labelledby="policy">
                    <h2 id="policy">"Policy"</h2>
                    <PolicyText policy risk />
                </section>
                {refused
                    .map(|refused| view! { <p class="message" data-kind="error" role="alert">{refused.problem}</p> })}
                {match obstacle {
                    Some(obstacle) => view! {
                        <p class="message" data-kind="error" role="alert">
                            "This can't be asked for: " {obstacle} "."
                        </p>
                        {loss.map(|candidate| view! { <AcceptLoss candidate /> })}
                        {(!reason.is_empty())
                            .then(|| view! { <p class="note">"The reason that you gave: " {reason}</p> })}
                    }
                    .into_any(),
                    None => view! {
                        <form method="post" action="/actions" class="panel form" aria-label="Ask for this action">
                            <input type="hidden" name="csrf" value=csrf />
                            <input type="hidden" name="id" value=id />
                            <input type="hidden" name="params" value=params />
                            <input type="hidden" name="digest" value=digest />
                            <label class="field">
                                <span>{if needs_reason { "Reason" } else { "Reason (optional)" }}</span>
                                <TextArea name="reason" rows="3" required=needs_reason text=reason />
                            </label>
                            {typed
                                .map(|typed| {
                                    view! {
                                        <label class="field">
                                            <span>"Type " <kbd class="typed">{typed.clone()}</kbd> " to confirm"</span>
                                            <input
                                                type="text"
                                                name="typed"
                                                value=had_typed
                                                autocomplete="off"
                                                spellcheck="false"
                                                required
                                            />
                                        </label>
                                    }
                                })}
                            {(needs_password || glass)
                                .then(|| {
                                    view! {
                                        <label class="field">
                                            <span>
                                                {if needs_password { "Your password" } else { "Your password (only without approvals)" }}
                                            </span>
                                            <input
                                                type="password"
                                                name="password"
                                                autocomplete="current-password"
                                                required=needs_password
                                            />
                                        </label>
                                    }
                                })}
                            <button class=style type="submit">{act}</button>
                            {glass
                                .then(|| {
                                    view! {
                                        <button class="button button-glass" type="submit" name="break_glass" value="yes">
                                            "Break glass: do it now, without approval"
                                        </button>
                                        <p class="note">
                                            "Breaking glass needs your password and a reason. All approvers are told, and one of them \
                                             reviews it afterwards."
                                        </p>
                                    }
                                })}
                        </form>
                    }
                    .into_any(),
                }}
            </div>
        </div>
    }
}
