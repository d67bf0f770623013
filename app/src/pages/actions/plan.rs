//! A plan as it is shown before one asks, before one agrees, and afterwards: the same picture each time.

use leptos::prelude::*;
use quarterdeck_domain::{
    access::Role,
    action::{Risk, Verdict},
};

use crate::{
    components::moment::{length, limit},
    view::action::{FactView, GateView, PlanView, PolicyView, RuleView, TargetView},
};

/// Gates, targets, what is left out, effect, duration, undo, digest.
#[component]
pub fn Plan(
    /// What would happen.
    plan: PlanView,
) -> impl IntoView {
    let count = plan.targets.len();
    let (refused, warned) = (
        plan.gates
            .iter()
            .filter(|gate| gate.verdict == Verdict::Refused)
            .count(),
        plan.gates
            .iter()
            .filter(|gate| gate.verdict == Verdict::Warned)
            .count(),
    );
    let verdict = match (refused, warned) {
        (0, 0) => "all passed".to_owned(),
        (0, n) => format!("{n} with a warning"),
        (n, _) => format!("{n} refused"),
    };
    view! {
        <section class="panel plan-gates" aria-labelledby="plan-gates">
            <h2 id="plan-gates">
                "Gates " <span class="panel-note">{verdict}</span>
            </h2>
            <ol class="gates">{plan.gates.into_iter().map(|gate| view! { <GateRow gate /> }).collect_view()}</ol>
        </section>
        <section class="panel" aria-labelledby="plan-targets">
            <h2 id="plan-targets">
                "What is touched "
                <span class="panel-note">{if count == 0 { "nothing".to_owned() } else { format!("exactly {count}") }}</span>
            </h2>
            {(count == 0).then(|| view! { <p class="note">"Nothing that fits is there now."</p> })}
            <ul class="targets">{plan.targets.into_iter().map(|target| view! { <TargetRow target /> }).collect_view()}</ul>
            {(!plan.left_out.is_empty())
                .then(|| {
                    let rows = plan
                        .left_out
                        .into_iter()
                        .map(|left| view! { <li><strong>{left.title}</strong> ": " {left.reason}</li> })
                        .collect_view();
                    view! {
                        <h3>"Left alone"</h3>
                        <ul class="left-out">{rows}</ul>
                    }
                })}
        </section>
        <section class="panel" aria-labelledby="plan-effect">
            <h2 id="plan-effect">"What will be seen"</h2>
            <dl class="facts">
                <div><dt>"Effect"</dt><dd>{plan.effect}</dd></div>
                <div><dt>"Takes about"</dt><dd>{length(i64::from(plan.expected_s) * 1000)}</dd></div>
                <div><dt>"Undone by"</dt><dd>{plan.undo}</dd></div>
                {plan
                    .runbook
                    .map(|name| {
                        let path = format!("/runbooks/{name}");
                        view! { <div><dt>"Runbook"</dt><dd><a href=path>{name}</a></dd></div> }
                    })}
                <div><dt>"Digest"</dt><dd><code class="digest">{plan.digest}</code></dd></div>
            </dl>
        </section>
    }
}

#[component]
fn GateRow(gate: GateView) -> impl IntoView {
    let (mark, word) = match gate.verdict {
        Verdict::Passed => ("✓", "passed"),
        Verdict::Warned => ("!", "warning"),
        Verdict::Refused => ("✕", "refused"),
    };
    view! {
        <li class="gate" data-verdict=gate.verdict.as_str()>
            <span class="gate-mark" aria-hidden="true">{mark}</span>
            <span class="gate-title">{gate.title}</span>
            <span class="gate-word">{word}</span>
            {gate.figure.map(|figure| view! { <span class="gate-figure">{figure}</span> })}
            <span class="gate-reason">{gate.reason}</span>
        </li>
    }
}

#[component]
fn TargetRow(target: TargetView) -> impl IntoView {
    let facts = target
        .facts
        .into_iter()
        .map(|FactView { name, value, binding }| {
            let long = name == "query";
            view! {
                <div data-binding=binding.to_string() class:fact-long=long>
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                </div>
            }
        })
        .collect_view();
    view! {
        <li class="target">
            <p class="target-title">
                <strong>{target.title}</strong>
                <code class="target-id">{target.id}</code>
            </p>
            <dl class="facts">{facts}</dl>
        </li>
    }
}

/// Roles in words: "operator or admin".
fn roles(roles: &[Role]) -> String {
    let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    names.join(" or ")
}

/// What a rule says, a sentence each.
pub(super) fn sentences(rule: &RuleView) -> Vec<String> {
    let mut sentences = vec![
        format!("Asked for and started by: {}.", roles(&rule.request)),
        match rule.approvals {
            0 => "Nobody else has to agree.".to_owned(),
            1 => format!("One other person has to agree: {}.", roles(&rule.approve)),
            n => format!("{n} other people have to agree: {}.", roles(&rule.approve)),
        },
    ];
    if rule.typed {
        sentences.push("What is acted on has to be typed to confirm.".to_owned());
    }
    if rule.reauthenticate {
        sentences.push("Asking and agreeing need the password again.".to_owned());
    }
    if rule.break_glass && rule.approvals > 0 {
        sentences.push(
            "In an emergency it may be done without the approvals; an approver reviews it afterwards."
                .to_owned(),
        );
    }
    sentences.push(format!(
        "A request lives for {}.",
        limit(u64::from(rule.expires_s))
    ));
    sentences
}

/// What the policy says to a plan, in sentences.
#[component]
pub fn PolicyText(
    /// The rule that holds.
    policy: PolicyView,
    /// How much can go wrong.
    risk: Risk,
) -> impl IntoView {
    let rows = sentences(&policy.rule())
        .into_iter()
        .map(|text| view! { <li>{text}</li> })
        .collect_view();
    view! {
        <ul class="policy">
            <li>{format!("Risk: {}.", risk.as_str())}</li>
            {rows}
            {policy.frozen.map(|text| view! { <li class="policy-frozen">{text}</li> })}
            <li class="policy-version">
                <a href="/actions/policy">{format!("Policy version {}", policy.version)}</a>
            </li>
        </ul>
    }
}
