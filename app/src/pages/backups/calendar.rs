//! The calendar of runs: what became of each time of the schedule, day by day.

use std::collections::BTreeMap;

use leptos::prelude::*;
use quarterdeck_domain::backup::ExpectedState;
use time::{Date, Duration, OffsetDateTime};

use super::marks::{Look, of_time};
use crate::view::backup::{CalendarCellView, CalendarRowView};

const WEEKDAYS: [(&str, &str); 7] = [
    ("M", "Monday"),
    ("T", "Tuesday"),
    ("W", "Wednesday"),
    ("T", "Thursday"),
    ("F", "Friday"),
    ("S", "Saturday"),
    ("S", "Sunday"),
];

/// In the order in which they are explained and counted.
const STATES: [ExpectedState; 7] = [
    ExpectedState::Ran,
    ExpectedState::Late,
    ExpectedState::Unverified,
    ExpectedState::Failed,
    ExpectedState::Missed,
    ExpectedState::Running,
    ExpectedState::Upcoming,
];

/// The runs of a method on one day, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Day {
    date: Date,
    /// What is seen first: the worst.
    state: ExpectedState,
    /// The run that is looked at for that.
    run: Option<String>,
    /// In words: "24 Nov: 88 ran, 1 missed".
    words: String,
}

fn date_of(at_ms: i64) -> Option<Date> {
    OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1_000))
        .ok()
        .map(OffsetDateTime::date)
}

fn day_words(date: Date) -> String {
    let month = date.month().to_string();
    format!("{} {}", date.day(), month.get(..3).unwrap_or(&month))
}

/// The days on which something was to run.
fn days(cells: &[CalendarCellView]) -> BTreeMap<Date, Day> {
    let mut by_date: BTreeMap<Date, Vec<&CalendarCellView>> = BTreeMap::new();
    for cell in cells {
        if let Some(date) = date_of(cell.at_ms) {
            by_date.entry(date).or_default().push(cell);
        }
    }
    by_date
        .into_iter()
        .filter_map(|(date, cells)| {
            let worst = cells.iter().min_by_key(|cell| cell.state)?;
            let counts: Vec<String> = STATES
                .iter()
                .filter_map(|state| {
                    let word = of_time(*state).word;
                    match cells.iter().filter(|cell| cell.state == *state).count() {
                        0 => None,
                        1 if cells.len() == 1 => Some(word.to_owned()),
                        n => Some(format!("{n} {word}")),
                    }
                })
                .collect();
            let day = Day {
                date,
                state: worst.state,
                run: worst.run.clone(),
                words: format!("{}: {}", day_words(date), counts.join(", ")),
            };
            Some((date, day))
        })
        .collect()
}

/// The Mondays from the week of the first day to that of the last.
fn mondays(days: &BTreeMap<Date, Day>) -> Vec<Date> {
    let monday = |date: Date| {
        date.saturating_sub(Duration::days(i64::from(
            date.weekday().number_days_from_monday(),
        )))
    };
    let (Some(first), Some(last)) = (days.keys().next(), days.keys().next_back()) else {
        return Vec::new();
    };
    let (first, last) = (monday(*first), monday(*last));
    (0..=(last - first).whole_weeks())
        .map(|week| first.saturating_add(Duration::weeks(week)))
        .collect()
}

/// A calendar for each method.
#[component]
pub(super) fn Calendar(rows: Vec<CalendarRowView>) -> impl IntoView {
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| (row.method, days(&row.cells)))
        .filter(|(_, days)| !days.is_empty())
        .collect();
    let none = rows.is_empty();
    let months = rows
        .into_iter()
        .map(|(method, days)| view! { <Month title=method.label() days /> })
        .collect_view();
    let keys = STATES.map(|state| {
        view! { <li><Cell look=of_time(state) /> {of_time(state).word}</li> }
    });
    view! {
        <section class="panel backup-calendar" id="calendar" data-live="part" aria-labelledby="calendar-title">
            <h2>
                <span id="calendar-title">"Runs against the schedule"</span>
                <span class="panel-count">"last 5 weeks, days in UTC"</span>
            </h2>
            {if none {
                view! {
                    <p class="empty">
                        "Each time of a schedule appears here with what became of it, as soon as a method that has a schedule is \
                        configured."
                    </p>
                }
                    .into_any()
            } else {
                view! {
                    <div class="calendar-months">{months}</div>
                    <ul class="calendar-keys" aria-label="Meaning of the cells">{keys.collect_view()}</ul>
                }
                    .into_any()
            }}
        </section>
    }
}

/// A cell's shape in its colour.
#[component]
fn Cell(look: Look) -> impl IntoView {
    view! {
        <span class="calendar-cell" data-band=look.band.map(quarterdeck_domain::health::Band::as_str) aria-hidden="true">
            {look.shape}
        </span>
    }
}

#[component]
fn Month(title: &'static str, days: BTreeMap<Date, Day>) -> impl IntoView {
    let weeks = mondays(&days)
        .into_iter()
        .map(|monday| {
            let cells = (0..7)
                .map(|weekday| {
                    let day = days.get(&monday.saturating_add(Duration::days(weekday))).cloned();
                    view! { <td>{day.map(|day| view! { <DayCell day /> })}</td> }
                })
                .collect_view();
            view! { <tr><th scope="row">{day_words(monday)}</th>{cells}</tr> }
        })
        .collect_view();
    let heads = WEEKDAYS.map(|(letter, name)| {
        view! {
            <th scope="col">
                <span aria-hidden="true">{letter}</span>
                <span class="hidden">{name}</span>
            </th>
        }
    });
    view! {
        <table class="calendar-month">
            <caption>{title}</caption>
            <thead>
                <tr>
                    <td></td>
                    {heads.collect_view()}
                </tr>
            </thead>
            <tbody>{weeks}</tbody>
        </table>
    }
}

#[component]
fn DayCell(day: Day) -> impl IntoView {
    let look = of_time(day.state);
    let title = day.words.clone();
    match day.run {
        Some(run) => view! {
            <a href=format!("/backups/runs/{run}") title=title>
                <Cell look />
                <span class="hidden">{day.words}</span>
            </a>
        }
        .into_any(),
        None => view! {
            <span title=title>
                <Cell look />
                <span class="hidden">{day.words}</span>
            </span>
        }
        .into_any(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Tuesday, 2026-11-24 00:00:00 UTC.
    const T: i64 = 1_795_478_400_000;
    const HOUR: i64 = 3_600_000;

    fn cell(at_ms: i64, state: ExpectedState, run: &str) -> CalendarCellView {
        CalendarCellView {
            at_ms,
            state,
            run: (!run.is_empty()).then(|| run.to_owned()),
        }
    }

    #[test]
    fn the_worst_of_a_day_is_what_is_seen_and_all_of_it_is_said() {
        let cells = [
            cell(T, ExpectedState::Ran, "a"),
            cell(T + HOUR, ExpectedState::Failed, "b"),
            cell(T + 2 * HOUR, ExpectedState::Missed, ""),
            cell(T + 3 * HOUR, ExpectedState::Ran, "c"),
            cell(T + 23 * HOUR, ExpectedState::Upcoming, ""),
            cell(T + 24 * HOUR, ExpectedState::Upcoming, ""),
        ];
        let days: Vec<Day> = days(&cells).into_values().collect();
        assert_eq!(days[0].words, "24 Nov: 2 ran, 1 failed, 1 missed, 1 to come");
        assert_eq!(
            (days[0].state, days[0].run.as_deref()),
            (ExpectedState::Failed, Some("b"))
        );
        assert_eq!(days[1].words, "25 Nov: to come");
    }

    #[test]
    fn weeks_begin_on_monday() {
        let days = days(&[
            cell(T - 7 * 24 * HOUR, ExpectedState::Ran, "a"),
            cell(T, ExpectedState::Ran, "b"),
        ]);
        let words: Vec<String> = mondays(&days).into_iter().map(day_words).collect();
        assert_eq!(words, ["16 Nov", "23 Nov"]);
        assert!(mondays(&BTreeMap::new()).is_empty());
    }
}
