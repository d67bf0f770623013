//! The forms of the page: which sessions are shown, and the way to ending all that run for long. They stand outside of
//! what is live, so that nothing changes under the hand.

use leptos::prelude::*;
use quarterdeck_domain::database::{BackendState, Count};

use crate::{
    components::{address::address, moment::limit},
    view::database::{LongRunningView, SessionFilter},
};

/// Ages that can be chosen, seconds.
const AGES_S: [u32; 5] = [30, 60, 300, 900, 3_600];

/// A choice of which one may hold.
fn choices(all: Vec<(String, String)>, held: Option<&str>) -> impl IntoView {
    all.into_iter()
        .map(|(value, word)| {
            let selected = held == Some(value.as_str());
            view! { <option value=value selected=selected>{word}</option> }
        })
        .collect_view()
}

/// Names that occur, and the one that is chosen though it does not occur now.
fn names(counts: Vec<Count>, held: Option<&String>) -> Vec<(String, String)> {
    let mut names: Vec<String> = counts
        .into_iter()
        .map(|c| c.name)
        .filter(|n| !n.is_empty())
        .collect();
    names.extend(held.cloned());
    names.sort();
    names.dedup();
    names.into_iter().map(|n| (n.clone(), n)).collect()
}

/// Ages to choose from, with one that is not among the usual ones.
fn ages(held: Option<u32>) -> Vec<(String, String)> {
    let mut ages: Vec<u32> = AGES_S.into_iter().chain(held).collect();
    ages.sort_unstable();
    ages.dedup();
    ages.into_iter()
        .map(|s| (s.to_string(), limit(u64::from(s))))
        .collect()
}

/// Which sessions are shown.
#[component]
pub(super) fn FilterForm(
    filter: SessionFilter,
    node: String,
    users: Vec<Count>,
    applications: Vec<Count>,
) -> impl IntoView {
    let states = BackendState::ALL
        .into_iter()
        .filter(|s| !matches!(s, BackendState::Disabled | BackendState::Unknown))
        .map(|s| (s.as_str().to_owned(), s.word().to_owned()))
        .collect();
    let users = names(users, filter.user.as_ref());
    let applications = names(applications, filter.application.as_ref());
    let age = filter.longer_than_s.map(|s| s.to_string());
    view! {
        <form class="session-filter" method="get" action="/database">
            <input type="hidden" name="node" value=node.clone() />
            <label class="field">
                <span>"State"</span>
                <select name="state">
                    <option value="">"any"</option>
                    {choices(states, filter.state.map(BackendState::as_str))}
                </select>
            </label>
            <label class="field">
                <span>"User"</span>
                <select name="user">
                    <option value="">"any"</option>
                    {choices(users, filter.user.as_deref())}
                </select>
            </label>
            <label class="field">
                <span>"Application"</span>
                <select name="application">
                    <option value="">"any"</option>
                    {choices(applications, filter.application.as_deref())}
                </select>
            </label>
            <label class="field">
                <span>"Longer than"</span>
                <select name="longer_than_s">
                    <option value="">"any time"</option>
                    {choices(ages(filter.longer_than_s), age.as_deref())}
                </select>
            </label>
            <button class="button" type="submit">"Show"</button>
            {filter
                .is_narrow()
                .then(|| view! { <a class="button" href=address("/database", &[("node", node)])>"Show all"</a> })}
        </form>
    }
}

/// How many would be terminated, and who would be left out.
fn preview(long: &LongRunningView) -> String {
    let chosen = match long.chosen {
        0 => "No session that may be ended is".to_owned(),
        1 => "1 session is".to_owned(),
        n => format!("{n} sessions are"),
    };
    let left_out = match long.left_out.len() {
        0 => String::new(),
        _ => {
            let all: Vec<String> = long
                .left_out
                .iter()
                .map(|l| format!("{} ({})", l.pid, l.why))
                .collect();
            format!(" Left out: {}.", all.join(", "))
        }
    };
    format!(
        "{chosen} active for longer than {} now.{left_out}",
        limit(u64::from(long.limit_s))
    )
}

/// The way to terminating all that has been active for long; the plan shows who, before anything is done.
#[component]
pub(super) fn TerminateForm(node: String, long: LongRunningView) -> impl IntoView {
    let text = preview(&long);
    let held = long.limit_s.to_string();
    view! {
        <form class="session-terminate" method="get" action="/actions/new">
            <input type="hidden" name="kind" value="terminate_long_running" />
            <input type="hidden" name="node" value=node />
            <label class="field">
                <span>"Terminate all active longer than"</span>
                <select name="longer_than_s">{choices(ages(Some(long.limit_s)), Some(&held))}</select>
            </label>
            <button class="button" type="submit">"Preview"</button>
            <p class="note">{text}</p>
        </form>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::database::LeftOutView;

    #[test]
    fn the_preview_says_who_is_left_out_and_why() {
        let mut long = LongRunningView {
            limit_s: 300,
            chosen: 0,
            left_out: vec![],
        };
        assert_eq!(
            preview(&long),
            "No session that may be ended is active for longer than 5 min now."
        );
        long.chosen = 2;
        long.left_out.push(LeftOutView {
            pid: 7,
            why: "sends a base backup".into(),
        });
        assert_eq!(
            preview(&long),
            "2 sessions are active for longer than 5 min now. Left out: 7 (sends a base backup)."
        );
    }

    #[test]
    fn a_choice_that_is_not_usual_is_there() {
        assert!(ages(Some(45)).contains(&("45".into(), "45 s".into())));
        let held = "gone".to_owned();
        assert_eq!(names(vec![], Some(&held)).len(), 1);
    }
}
