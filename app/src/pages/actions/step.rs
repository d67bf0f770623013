//! A step of an action: how it is, how long it took, and what was seen.

use leptos::prelude::*;

use crate::{
    components::moment::length,
    view::action::{StepStateView, StepView},
};

/// One entry of the list of steps.
#[component]
pub(in crate::pages) fn Step(step: StepView) -> impl IntoView {
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
