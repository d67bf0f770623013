//! An action with its votes, steps and record, as one island that follows what happens to it.

use leptos::{prelude::*, task::spawn_local};

use super::plan::{Plan, PolicyText};
use crate::{
    components::{
        moment::{Time, length},
        sent::Sent,
    },
    live,
    view::action::{ActionStateView, ActionView, StepStateView, StepView, VoteView},
};

/// The action.
#[island]
pub fn ActionBoard(
    /// The action when the page was made.
    view: Sent<ActionView>,
    /// The hidden field of its forms.
    csrf: String,
    /// The last event of the stream that the page contains.
    since: String,
) -> impl IntoView {
    let Sent(view) = view;
    let (id, plan, policy) = (view.line.id.clone(), view.plan.clone(), view.policy.clone());
    let risk = plan.risk;
    let (title, object) = (plan.title.clone(), plan.object.clone());
    let action = RwSignal::new(view);
    Effect::new({
        let id = id.clone();
        move |_| {
            let mine = id.clone();
            live::follow_actions(&since, move |changed| {
                if changed == mine || changed.is_empty() {
                    let path = format!("/api/v1/actions/{mine}");
                    spawn_local(async move {
                        if let Ok(text) = live::get_text(&path).await
                            && let Ok(view) = serde_json::from_str::<ActionView>(&text)
                        {
                            action.set(view);
                        }
                    });
                }
            });
        }
    });
    let state = move || action.with(|a| a.line.state);
    let announced = move || {
        action.with(|a| {
            let running = a.steps.iter().find(|step| step.state == StepStateView::Running);
            match running {
                Some(step) => format!("{}: {}", a.line.state.word(), step.title),
                None => a.line.state.word().to_owned(),
            }
        })
    };
    view! {
        <header class="action-head" data-risk=risk.as_str()>
            <p class="action-kicker">
                {format!("Action {} · asked for by {} · ", action.with_untracked(|a| a.line.number), action.with_untracked(|a| a.line.requester.clone()))}
                <Time at_ms=action.with_untracked(|a| a.line.requested_at_ms) />
            </p>
            <h1>{title} ": " {object}</h1>
            <p class="action-state" data-state=move || state_name(state())>
                <span class="action-mark" aria-hidden="true">{move || mark(state())}</span>
                <strong>{move || state().word()}</strong>
                {move || action.with(|a| a.line.break_glass).then(|| view! { <span class="tag tag-glass">"glass was broken"</span> })}
                <span class="action-explanation">{move || action.with(|a| a.explanation.clone())}</span>
            </p>
            <p class="hidden" aria-live="polite">{announced}</p>
        </header>
        <div class="action-columns">
            <div class="action-main">
                {move || action.with(|a| a.how_to_check.clone()).map(|text| view! {
                    <p class="message" data-kind="error"><strong>"How to find out: "</strong> {text}</p>
                })}
                <section class="panel" aria-labelledby="steps">
                    <h2 id="steps">"Steps"</h2>
                    <ol class="steps">
                        {move || action.with(|a| a.steps.iter().cloned().map(|step| view! { <Step step /> }).collect_view())}
                    </ol>
                </section>
                <Plan plan />
            </div>
            <div class="action-side">
                {move || forms(&action.get(), &csrf)}
                <section class="panel" aria-labelledby="reason">
                    <h2 id="reason">"Reason"</h2>
                    <p class="action-reason">{move || action.with(|a| if a.reason.is_empty() { "None was given.".to_owned() } else { a.reason.clone() })}</p>
                </section>
                <section class="panel" aria-labelledby="votes">
                    <h2 id="votes">"Votes"</h2>
                    {move || votes(&action.get())}
                </section>
                <section class="panel" aria-labelledby="policy">
                    <h2 id="policy">"Policy when it was asked for"</h2>
                    <PolicyText policy risk />
                </section>
                <section class="panel" aria-labelledby="record">
                    <h2 id="record">"Record"</h2>
                    {move || record(&action.get())}
                </section>
            </div>
        </div>
    }
}

/// The stable name of a state, for styles and tests.
pub(super) const fn state_name(state: ActionStateView) -> &'static str {
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
pub(super) const fn mark(state: ActionStateView) -> &'static str {
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

#[component]
fn Step(step: StepView) -> impl IntoView {
    let (name, mark) = match step.state {
        StepStateView::Waiting => ("waiting", "○"),
        StepStateView::Running => ("running", "▶"),
        StepStateView::Done => ("done", "✓"),
        StepStateView::Failed => ("failed", "✕"),
        StepStateView::Unknown => ("unknown", "?"),
        StepStateView::Skipped => ("skipped", "–"),
    };
    let took = match (step.started_at_ms, step.ended_at_ms) {
        (Some(start), Some(end)) => Some(length(end - start)),
        (Some(_) | None, _) => None,
    };
    view! {
        <li class="step" data-state=name>
            <span class="step-mark" aria-hidden="true">{mark}</span>
            <span class="step-title">{step.title}</span>
            <span class="step-word">{step.state.word()} {took.map(|took| format!(" in {took}"))}</span>
            {(!step.detail.is_empty()).then(|| view! { <span class="step-detail">{step.detail}</span> })}
        </li>
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
        .map(|message| view! { <li>{format!("{} by {}: {}", message.topic, message.channel, message.state)}</li> })
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
                    <textarea name="comment" rows="2" maxlength="2000"></textarea>
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
                    <textarea name="comment" rows="2" maxlength="2000" required></textarea>
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
