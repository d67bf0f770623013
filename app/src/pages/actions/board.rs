//! An action with its votes, steps and record. The parts marked `data-live` are taken over from the server again when
//! something happens to the action.

use leptos::prelude::*;

use super::{
    plan::{Plan, PolicyText},
    step::Step,
};
use crate::{
    components::{moment::Time, text_area::TextArea},
    view::action::{ActionStateView, ActionView, StepStateView, VoteView},
};

/// The action.
#[component]
pub fn ActionBoard(
    /// The action.
    view: ActionView,
    /// The hidden field of its forms.
    csrf: String,
) -> impl IntoView {
    let state = view.line.state;
    let risk = view.plan.risk;
    let running = view
        .steps
        .iter()
        .find(|step| step.state == StepStateView::Running);
    let announcement = match running {
        Some(step) => format!("{}: {}", state.word(), step.title),
        None => state.word().to_owned(),
    };
    let reason = if view.reason.is_empty() {
        "None was given.".to_owned()
    } else {
        view.reason.clone()
    };
    let steps = view
        .steps
        .iter()
        .cloned()
        .map(|step| view! { <Step step /> })
        .collect_view();
    view! {
        <header class="action-head" data-risk=risk.as_str()>
            <p class="action-kicker">
                {format!("Action {} · asked for by {} · ", view.line.number, view.line.requester)}
                <Time at_ms=view.line.requested_at_ms />
            </p>
            <h1>{view.plan.title.clone()} ": " {view.plan.object.clone()}</h1>
            <p class="action-state" id="state" data-live="part" data-state=state_name(state)>
                <span class="action-mark" aria-hidden="true">{mark(state)}</span>
                <strong>{state.word()}</strong>
                {view.line.break_glass.then(|| view! { <span class="tag tag-glass">"glass was broken"</span> })}
                <span class="action-explanation">{view.explanation.clone()}</span>
            </p>
            <p class="hidden" id="announcement" data-live="text" aria-live="polite">{announcement}</p>
            <a class="action-jump" href="#decide">"To what you can do"</a>
        </header>
        <div class="action-columns">
            <div class="action-main">
                <div id="check" data-live="part">
                    {view.how_to_check.clone().map(|text| view! {
                        <p class="message" data-kind="error"><strong>"How to find out: "</strong> {text}</p>
                    })}
                </div>
                <section class="panel" aria-labelledby="steps-title">
                    <h2 id="steps-title">"Steps"</h2>
                    <ol class="steps" id="steps" data-live="part">{steps}</ol>
                </section>
                <Plan plan=view.plan.clone() />
            </div>
            <div class="action-side" id="decide">
                <div class="action-forms" id="forms" data-live="part">{forms(&view, &csrf)}</div>
                <section class="panel" aria-labelledby="reason">
                    <h2 id="reason">"Reason"</h2>
                    <p class="action-reason">{reason}</p>
                </section>
                <section class="panel" aria-labelledby="votes-title">
                    <h2 id="votes-title">"Votes"</h2>
                    <div id="votes" data-live="part">{votes(&view)}</div>
                </section>
                <section class="panel" aria-labelledby="policy">
                    <h2 id="policy">"Policy when it was asked for"</h2>
                    <PolicyText policy=view.policy.clone() risk />
                </section>
                <section class="panel" aria-labelledby="record-title">
                    <h2 id="record-title">"Record"</h2>
                    <div id="record" data-live="part">{record(&view)}</div>
                </section>
            </div>
        </div>
    }
}

/// The stable name of a state, for styles and tests.
pub(in crate::pages) const fn state_name(state: ActionStateView) -> &'static str {
    match state {
        ActionStateView::Requested => "requested",
        ActionStateView::Approved => "approved",
        ActionStateView::Rejected => "rejected",
        ActionStateView::Expired => "expired",
        ActionStateView::Cancelled => "cancelled",
        ActionStateView::Executing => "executing",
        ActionStateView::Succeeded => "succeeded",
        ActionStateView::Failed => "failed",
        ActionStateView::OutcomeUnknown => "outcome_unknown",
    }
}

/// A shape a state, so that colour is not needed to tell them apart.
pub(in crate::pages) const fn mark(state: ActionStateView) -> &'static str {
    match state {
        ActionStateView::Requested => "◔",
        ActionStateView::Approved => "▷",
        ActionStateView::Rejected | ActionStateView::Cancelled | ActionStateView::Expired => "–",
        ActionStateView::Executing => "▶",
        ActionStateView::Succeeded => "✓",
        ActionStateView::Failed => "✕",
        ActionStateView::OutcomeUnknown => "?",
    }
}

fn votes(action: &ActionView) -> AnyView {
    if action.policy.approvals == 0 {
        return view! { <p class="note">"Nobody else had to agree."</p> }.into_any();
    }
    let rows = action
        .votes
        .iter()
        .cloned()
        .map(
            |VoteView {
                 name,
                 approve,
                 comment,
                 at_ms,
                 void,
             }| {
                view! {
                    <li class="vote" data-approve=approve.to_string()>
                        <strong>{name}</strong>
                        {if approve { " agreed " } else { " said no " }}
                        <Time at_ms />
                        {(!comment.is_empty()).then(|| view! { <span class="vote-comment">{comment}</span> })}
                        {void.map(|void| view! { <span class="vote-void">"does not count: " {void}</span> })}
                    </li>
                }
            },
        )
        .collect_view();
    let missing = match (action.line.state, action.missing) {
        (ActionStateView::Requested | ActionStateView::Approved, n) if n > 0 && !action.line.break_glass => {
            Some(format!("{n} of {} still needed.", action.policy.approvals))
        }
        _ => None,
    };
    let review = action.review.clone().map(|(name, comment)| {
        view! { <p class="vote"><strong>{name}</strong> " reviewed it: " {comment}</p> }
    });
    view! {
        <ul class="votes">{rows}</ul>
        {missing.map(|text| view! { <p class="note">{text}</p> })}
        {action.line.awaits_review.then(|| view! { <p class="note">"It was done without approvals, and an approver has yet to review it."</p> })}
        {review}
    }
    .into_any()
}

fn record(action: &ActionView) -> AnyView {
    let rows = action
        .records
        .iter()
        .cloned()
        .map(|record| {
            view! {
                <li class="record">
                    <span class="record-seq">{format!("#{}", record.seq)}</span>
                    <Time at_ms=record.at_ms />
                    <code>{record.action}</code>
                    <span>{record.actor} {(record.outcome != "succeeded").then(|| format!(" · {}", record.outcome))}</span>
                </li>
            }
        })
        .collect_view();
    let messages = action
        .messages
        .iter()
        .map(|message| {
            let to = message
                .recipient
                .as_ref()
                .map(|name| format!(" to {name}"))
                .unwrap_or_default();
            let text = format!(
                "{} by {}{to}: {}",
                message.topic.replace('_', " "),
                message.channel,
                message.state
            );
            view! { <li>{text}</li> }
        })
        .collect_view();
    view! {
        <ol class="records">{rows}</ol>
        {(!action.messages.is_empty()).then(|| view! { <h3>"Messages"</h3> <ul class="left-out">{messages}</ul> })}
    }
    .into_any()
}

/// What the person may do now.
fn forms(action: &ActionView, csrf: &str) -> AnyView {
    let id = action.line.id.clone();
    let path = |what: &str| format!("/actions/{id}/{what}");
    let may = action.may.clone();
    let token = csrf.to_owned();
    let hidden = move || view! { <input type="hidden" name="csrf" value=token.clone() /> };
    let digest = action.plan.digest.clone();
    let password = action.policy.reauthenticate;
    let start = may.start.then(|| {
        view! {
            <form method="post" action=path("start") class="panel form">
                {hidden()}
                <button class="button button-danger" type="submit">"Start it now"</button>
                <p class="note">"It is planned once more; if what would happen is not what was agreed to, it stops and says what changed."</p>
            </form>
        }
    });
    let vote = may.vote.then(|| {
        view! {
            <form method="post" action=path("approve") class="panel form" aria-label="Vote">
                {hidden()}
                <input type="hidden" name="digest" value=digest />
                <label class="field">
                    <span>"Comment (needed for a no)"</span>
                    <TextArea name="comment" rows="2" />
                </label>
                {password
                    .then(|| {
                        view! {
                            <label class="field">
                                <span>"Your password, to agree"</span>
                                <input type="password" name="password" autocomplete="current-password" />
                            </label>
                        }
                    })}
                <div class="form-buttons">
                    <button class="button button-primary" type="submit">"Approve"</button>
                    <button class="button" type="submit" formaction=path("reject")>"Reject"</button>
                </div>
                <p class="note">"Approving is not executing: it still has to be started."</p>
            </form>
        }
    });
    let obstacle = may
        .vote_obstacle
        .map(|text| view! { <p class="note">"You can't vote on this: " {text} "."</p> });
    let review = may.review.then(|| {
        view! {
            <form method="post" action=path("review") class="panel form" aria-label="Review">
                {hidden()}
                <label class="field">
                    <span>"What you found"</span>
                    <TextArea name="comment" rows="2" required=true />
                </label>
                <button class="button button-primary" type="submit">"Close the review"</button>
            </form>
        }
    });
    let cancel = may.cancel.then(|| {
        let word = if action.line.state == ActionStateView::Executing {
            "Stop before the next step"
        } else {
            "Take it back"
        };
        view! {
            <form method="post" action=path("cancel") class="form">
                {hidden()}
                <button class="button" type="submit">{word}</button>
            </form>
        }
    });
    let undo = action
        .undo_path
        .clone()
        .map(|path| view! { <a class="button" href=path>"Undo: plan the opposite"</a> });
    view! { {start} {vote} {obstacle} {review} {cancel} {undo} }.into_any()
}
