//! Everything on the page that is live.

use leptos::{html, prelude::*, task::spawn_local};

use super::{
    counts::Connections,
    held::{self, Shown},
    notes::Notes,
    row::SessionRow,
    tree::Blocking,
};
use crate::{
    components::{
        address::address,
        moment::{Clock, clock_time, length, run_clock},
        sent::Sent,
    },
    live,
    view::database::{DatabaseSessionsView, SessionFilter},
};

/// Time between two questions while somebody looks, ms.
const PERIOD_MS: i64 = 3_000;

/// What is older than this says how old it is, ms.
const OLD_MS: i64 = 9_000;

/// A row with the signal that keeps it up to date, so that a change touches that row alone.
#[derive(Clone)]
struct Entry {
    key: String,
    shown: ArcRwSignal<Shown>,
}

/// What the board knows.
#[derive(Clone, Copy)]
struct State {
    view: RwSignal<DatabaseSessionsView>,
    entries: RwSignal<Vec<Entry>>,
    trouble: RwSignal<Option<String>>,
    paused: RwSignal<bool>,
    /// The list, which stands still while the pointer or the focus is on it.
    list: NodeRef<html::Section>,
}

impl State {
    fn take(self, fresh: DatabaseSessionsView) {
        let shown: Vec<Shown> = self
            .entries
            .with_untracked(|all| all.iter().map(|e| e.shown.get_untracked()).collect());
        let held = self
            .list
            .get_untracked()
            .is_some_and(|list| live::attended(&list));
        let next = held::next(&shown, fresh.backends.clone(), held);
        let known = self.entries.get_untracked();
        let entries: Vec<Entry> = next
            .into_iter()
            .map(|row| match known.iter().find(|e| e.key == row.backend.id) {
                Some(entry) => {
                    if entry.shown.with_untracked(|s| *s != row) {
                        entry.shown.set(row);
                    }
                    entry.clone()
                }
                None => entry(row),
            })
            .collect();
        let keys = |list: &[Entry]| list.iter().map(|e| e.key.clone()).collect::<Vec<_>>();
        if keys(&known) != keys(&entries) {
            self.entries.set(entries);
        }
        self.view.set(fresh);
        self.trouble.set(None);
    }

    /// Asks again every few seconds, while somebody looks.
    fn go_live(self, filter: SessionFilter) {
        // The node that is shown, also when another one becomes the primary.
        let node = self.view.with_untracked(|v| v.node.clone());
        let filter = SessionFilter {
            node: Some(node),
            ..filter
        };
        let url = address("/api/v1/database/sessions", &filter.fields());
        let asked_ms = StoredValue::new(None::<i64>);
        let under_way = StoredValue::new(false);
        Effect::new(move |_| {
            let url = url.clone();
            live::every_second(move |now_ms| {
                match asked_ms.get_value() {
                    // The first picture is from the server and fresh.
                    None => return asked_ms.set_value(Some(now_ms)),
                    Some(last) if now_ms - last < PERIOD_MS => return,
                    Some(_)
                        if document().hidden() || self.paused.get_untracked() || under_way.get_value() =>
                    {
                        return;
                    }
                    Some(_) => asked_ms.set_value(Some(now_ms)),
                }
                under_way.set_value(true);
                let url = url.clone();
                spawn_local(async move {
                    let answer = live::get_text(&url).await;
                    under_way.set_value(false);
                    match answer.map(|body| serde_json::from_str(&body)) {
                        Ok(Ok(fresh)) => self.take(fresh),
                        Ok(Err(_)) => self
                            .trouble
                            .set(Some("What came could not be read. Reload the page.".to_owned())),
                        Err(text) => self.trouble.set(Some(text)),
                    }
                });
            });
        });
    }
}

fn entry(row: Shown) -> Entry {
    Entry {
        key: row.backend.id.clone(),
        shown: ArcRwSignal::new(row),
    }
}

/// Connections, who waits for whom, and the list; kept up to date by asking the API.
#[island]
pub fn SessionsBoard(
    /// The sessions when the page was made.
    view: Sent<DatabaseSessionsView>,
    /// Which are shown.
    filter: Sent<SessionFilter>,
    /// Whether whoever looks may ask for sessions to be ended.
    may_request: bool,
    /// When the page was made, Unix ms.
    rendered_at_ms: i64,
) -> impl IntoView {
    let (Sent(view), Sent(filter)) = (view, filter);
    let rows = held::next(&[], view.backends.clone(), false);
    let narrow = filter.is_narrow();
    let node = StoredValue::new(view.node.clone());
    let state = State {
        entries: RwSignal::new(rows.into_iter().map(entry).collect()),
        view: RwSignal::new(view),
        trouble: RwSignal::new(None),
        paused: RwSignal::new(false),
        list: NodeRef::new(),
    };
    let clock = RwSignal::new(Clock::at(rendered_at_ms));
    run_clock(clock);
    state.go_live(filter);
    let view = Memo::new(move |_| state.view.get());
    let waits = Memo::new(move |_| view.with(|v| v.blocking.clone()));
    let count = Memo::new(move |_| view.with(counted));
    let as_of = move || {
        let (read_at_ms, now) = (view.with(|v| v.read_at_ms), clock.get());
        let time = clock_time(read_at_ms, now.zone);
        match now.now_ms - read_at_ms {
            old if old > OLD_MS => format!("As of {time}, {} ago", length(old)),
            _ => format!("As of {time}"),
        }
    };
    let old = move || clock.get().now_ms - view.with(|v| v.read_at_ms) > OLD_MS;
    view! {
        <div class="sessions-board" class:is-old=old>
            <div class="sessions-now">
                <span class="sessions-as-of">{as_of}</span>
                <button
                    type="button"
                    class="button needs-script"
                    aria-pressed=move || state.paused.get().to_string()
                    on:click=move |_| state.paused.update(|p| *p = !*p)
                >
                    "Pause"
                </button>
                <span class="sessions-trouble" role="status">{move || state.trouble.get().unwrap_or_default()}</span>
            </div>
            <Notes view />
            <div class="sessions-columns">
                <Connections view />
                <Blocking waits />
            </div>
            <section class="panel" aria-labelledby="sessions-title" node_ref=state.list>
                <h2 id="sessions-title">
                    "Sessions"
                    <span class="panel-count">{count}</span>
                </h2>
                <table class="session-list" role="table">
                    <caption class="hidden">"Sessions: what is active first, and of these the oldest"</caption>
                    <thead role="rowgroup">
                        <tr role="row">
                            {["PID", "State", "Query age", "Transaction", "In state", "Query", "Who", "Actions"]
                                .map(|title| view! { <th scope="col" role="columnheader">{title}</th> })
                                .collect_view()}
                        </tr>
                    </thead>
                    <tbody role="rowgroup">
                        <For each=move || state.entries.get() key=|e| e.key.clone() let:entry>
                            <SessionRow row=RwSignal::from(entry.shown) node may_request />
                        </For>
                    </tbody>
                </table>
                <p class="empty" hidden=move || !state.entries.read().is_empty()>
                    {if narrow {
                        "No session matches. Take a condition out of the form above, or wait: the list goes on by itself."
                    } else {
                        "No session is seen."
                    }}
                </p>
            </section>
        </div>
    }
}

/// How many there are, and how many of them are shown.
fn counted(view: &DatabaseSessionsView) -> String {
    let shown = u32::try_from(view.backends.len()).unwrap_or(u32::MAX);
    count_words(shown, view.matching, view.total)
}

fn count_words(shown: u32, matching: u32, total: u32) -> String {
    match (matching.saturating_sub(shown), matching < total) {
        (0, false) => format!("{shown}"),
        (0, true) => format!("{shown} of {total}"),
        (left_out, _) => format!(
            "the first {shown} of {matching}, what is active first; {left_out} are left out: narrow them down with the form above"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::count_words;

    #[test]
    fn it_says_how_many_are_left_out_and_how_to_find_them() {
        assert_eq!(count_words(7, 7, 7), "7");
        assert_eq!(count_words(2, 2, 900), "2 of 900");
        let many = count_words(300, 512, 900);
        assert!(many.contains("212 are left out: narrow them down"), "{many}");
    }
}
