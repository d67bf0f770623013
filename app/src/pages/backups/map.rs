//! The map: to which instants one could return, drawn as a band of time and told in words.

use leptos::prelude::*;
use quarterdeck_domain::health::Band;

use super::asked::{Asked, Window};
use crate::{
    components::{
        address::address,
        icon::BandShape,
        moment::{Time, Zone, length, stamp},
        time_axis::{TimeAxis, place, width},
    },
    view::backup::{MapDotView, MapHoleView, MapSpanView, MapView},
};

/// Height of the picture above its labels, CSS pixels.
const HEIGHT: u32 = 84;
/// The most labels of its axis.
const LABELS: usize = 12;

/// A window of the map: from and to, Unix ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    from_ms: i64,
    to_ms: i64,
}

impl Cut {
    fn of(view: &MapView, window: Window) -> Self {
        let (back, ahead) = window.reach();
        // As far as the next hole opens, if that is no further ahead than the window goes back.
        let opens = view
            .holes
            .iter()
            .filter(|hole| hole.ahead)
            .map(|hole| hole.from_ms - view.now_ms + back / 8)
            .filter(|opens| *opens <= back)
            .min();
        let ahead = ahead.max(opens.unwrap_or(0));
        Self {
            from_ms: view.now_ms - back,
            to_ms: view.now_ms + ahead.min((view.to_ms - view.now_ms).max(back / 24)),
        }
    }

    /// Whether some of a stretch is in it.
    const fn meets(self, from_ms: i64, to_ms: i64) -> bool {
        from_ms < self.to_ms && to_ms > self.from_ms
    }

    const fn holds(self, at_ms: i64) -> bool {
        self.from_ms <= at_ms && at_ms <= self.to_ms
    }

    fn at(self, at_ms: i64) -> String {
        place(at_ms, self.from_ms, self.to_ms)
    }

    fn wide(self, begin_ms: i64, end_ms: i64) -> String {
        width(begin_ms, end_ms, self.from_ms, self.to_ms)
    }
}

/// The map with its windows.
#[component]
pub(super) fn Map(view: MapView, asked: Asked) -> impl IntoView {
    let cut = Cut::of(&view, asked.window);
    let windows = Window::ALL.map(|window| {
        let here = (window == asked.window).then_some("page");
        let href = Asked {
            window,
            ..asked.clone()
        }
        .href("#map");
        view! {
            <a href=href aria-current=here>
                <span aria-hidden="true">{window.key()}</span>
                <span class="hidden">{window.words()}</span>
            </a>
        }
    });
    let nothing = view.spans.is_empty() && view.dots.is_empty() && view.holes.is_empty();
    view! {
        <section class="panel recovery-map" id="map" data-live="part" aria-labelledby="map-title">
            <h2>
                <span id="map-title">"Recoverable instants"</span>
                <nav class="segments" aria-label="Window of the map">{windows.collect_view()}</nav>
            </h2>
            {if nothing {
                view! {
                    <p class="empty">
                        "No instant is known to which one could return. With a base backup and the WAL since, every instant between \
                        them appears here as a solid band; with a dump, the instant that it was made at as a dot."
                    </p>
                }
                    .into_any()
            } else {
                view! {
                    <Picture view=view.clone() cut window=asked.window />
                    <Legend />
                    <Words view cut />
                }
                    .into_any()
            }}
        </section>
    }
}

/// What a screen reader says of the picture.
fn summary(view: &MapView, cut: Cut, window: Window) -> String {
    let count = |n: usize, one: &str, many: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    };
    let spans = view
        .spans
        .iter()
        .filter(|s| cut.meets(s.from_ms, s.to_ms))
        .count();
    let dots = view.dots.iter().filter(|d| cut.holds(d.at_ms)).count();
    let holes = holes(view, cut).len();
    format!(
        "The last {}: {} in which every instant can be reached, {}, {}. The list below has them.",
        window.words(),
        count(spans, "stretch", "stretches"),
        count(dots, "single instant", "single instants"),
        count(holes, "hole", "holes"),
    )
}

/// The holes in a window.
fn holes(view: &MapView, cut: Cut) -> Vec<&MapHoleView> {
    view.holes
        .iter()
        .filter(|hole| cut.meets(hole.from_ms, end(hole, view.now_ms)))
        .collect()
}

/// Where a hole ends as it is drawn: one that grows, at the present, if only just; one that is to come and has no end, nowhere.
const fn end(hole: &MapHoleView, now_ms: i64) -> i64 {
    match (hole.to_ms, hole.ahead) {
        (Some(to_ms), _) => to_ms,
        (None, true) => i64::MAX,
        (None, false) if now_ms > hole.from_ms => now_ms,
        (None, false) => hole.from_ms + 1,
    }
}

/// The colour of a hole: what grows is a loss now, what is ahead can still be kept from opening.
const fn hole_band(hole: &MapHoleView) -> Option<Band> {
    match (hole.ahead, hole.to_ms) {
        (true, _) => Some(Band::Degraded),
        (false, None) => Some(Band::Alert),
        (false, Some(_)) => None,
    }
}

/// What a hole is filled with: the pictures' own patterns.
const fn hatch(band: Option<Band>) -> &'static str {
    match band {
        Some(Band::Alert) => "url(#hatch-alert)",
        Some(Band::Degraded) => "url(#hatch-degraded)",
        Some(Band::Ok | Band::Unknown) | None => "url(#hatch)",
    }
}

#[component]
fn Picture(view: MapView, cut: Cut, window: Window) -> impl IntoView {
    let label = summary(&view, cut, window);
    let utc = |at_ms| stamp(at_ms, Zone::Utc);
    let holes = holes(&view, cut)
        .into_iter()
        .map(|hole| {
            let to_ms = end(hole, view.now_ms);
            let class = if hole.ahead {
                "map-hole map-ahead"
            } else {
                "map-hole"
            };
            let title = match hole.to_ms {
                Some(to_ms) => format!("{} to {}: {}", utc(hole.from_ms), utc(to_ms), hole.cause),
                None if hole.ahead => format!("From {} on: {}", utc(hole.from_ms), hole.cause),
                None => format!("Since {}: {}", utc(hole.from_ms), hole.cause),
            };
            view! {
                <rect
                    class=class
                    data-band=hole_band(hole).map(Band::as_str)
                    fill=hatch(hole_band(hole))
                    x=cut.at(hole.from_ms)
                    width=cut.wide(hole.from_ms, to_ms)
                    y="18"
                    height="36"
                >
                    <title>{title}</title>
                </rect>
            }
        })
        .collect_view();
    let spans = view
        .spans
        .iter()
        .filter(|span| cut.meets(span.from_ms, span.to_ms))
        .map(|span| {
            let (y, height) = if span.branch { ("57", "6") } else { ("18", "36") };
            let title = format!(
                "Any instant from {} to {}, timeline {}",
                utc(span.from_ms),
                utc(span.to_ms),
                span.timeline
            );
            let certain_ms = span.certain_to_ms.clamp(span.from_ms, span.to_ms);
            let class = if span.branch { "map-span map-branch" } else { "map-span" };
            view! {
                <g class=class>
                    <title>{title}</title>
                    <rect x=cut.at(span.from_ms) width=cut.wide(span.from_ms, certain_ms) y=y height=height></rect>
                    <rect
                        class="map-perhaps"
                        x=cut.at(certain_ms)
                        width=cut.wide(certain_ms, span.to_ms)
                        y=y
                        height=height
                    ></rect>
                </g>
            }
        })
        .collect_view();
    let dots = view
        .dots
        .iter()
        .filter(|dot| cut.holds(dot.at_ms))
        .map(|dot| {
            let title = format!("{}: {}, {}", utc(dot.at_ms), dot.kind, dot.backup);
            let class = if dot.kind == "dump" {
                "map-dot"
            } else {
                "map-dot map-base"
            };
            view! {
                <circle class=class cx=cut.at(dot.at_ms) cy="72" r="4">
                    <title>{title}</title>
                </circle>
            }
        })
        .collect_view();
    let now = cut.at(view.now_ms);
    view! {
        <svg class="map-picture" role="img" aria-label=label width="100%" height=(HEIGHT + 22).to_string()>
            <defs>
                <pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                    <rect class="hatch" width="2" height="7"></rect>
                </pattern>
                <pattern id="hatch-alert" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                    <rect class="hatch" data-band="alert" width="3" height="7"></rect>
                </pattern>
                <pattern id="hatch-degraded" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                    <rect class="hatch" data-band="degraded" width="2" height="7"></rect>
                </pattern>
            </defs>
            <rect
                class="map-future"
                x=now.clone()
                width=cut.wide(view.now_ms, cut.to_ms)
                y="0"
                height=HEIGHT.to_string()
            ></rect>
            <TimeAxis from_ms=cut.from_ms to_ms=cut.to_ms labels=LABELS height=HEIGHT />
            {holes}
            {spans}
            {dots}
            <line class="map-now" x1=now.clone() x2=now.clone() y1="0" y2=HEIGHT.to_string()></line>
            <text class="map-now-word" x=now y="11" dx="-5" text-anchor="end">"now"</text>
        </svg>
    }
}

#[component]
fn Legend() -> impl IntoView {
    let key = |class: &'static str, words: &'static str| {
        view! {
            <li>
                <svg width="22" height="12" aria-hidden="true" focusable="false">
                    {match class {
                        "dump" => view! { <circle class="map-dot" cx="11" cy="6" r="4"></circle> }.into_any(),
                        "base" => view! { <circle class="map-dot map-base" cx="11" cy="6" r="4"></circle> }.into_any(),
                        "span" => view! { <g class="map-span"><rect width="22" height="12"></rect></g> }.into_any(),
                        "ahead" => view! {
                            <rect class="map-hole map-ahead" data-band="degraded" fill="url(#hatch-degraded)" x="1" y="1" width="20" height="10"></rect>
                        }
                            .into_any(),
                        _ => view! { <rect class="map-hole" fill="url(#hatch)" x="1" y="1" width="20" height="10"></rect> }.into_any(),
                    }}
                </svg>
                {words}
            </li>
        }
    };
    view! {
        <ul class="map-legend" aria-hidden="true">
            {key("span", "any instant")}
            {key("dump", "a dump")}
            {key("base", "a base backup")}
            {key("hole", "not reachable")}
            {key("ahead", "will not be reachable")}
        </ul>
    }
}

/// The same in words. Holes ahead are told of also where the window does not reach to them.
#[component]
fn Words(view: MapView, cut: Cut) -> impl IntoView {
    let now_ms = view.now_ms;
    let mut holes: Vec<_> = view
        .holes
        .iter()
        .filter(|hole| hole.ahead || cut.meets(hole.from_ms, end(hole, now_ms)))
        .cloned()
        .collect();
    // What is wrong now, what will be, what was.
    holes.sort_by_key(|hole| match hole_band(hole) {
        Some(Band::Alert) => (0, -hole.from_ms),
        Some(_) => (1, hole.from_ms),
        None => (2, -hole.from_ms),
    });
    let mut spans: Vec<_> = view
        .spans
        .into_iter()
        .filter(|span| cut.meets(span.from_ms, span.to_ms))
        .collect();
    spans.sort_by_key(|span| (span.branch, -span.to_ms));
    let mut dots: Vec<_> = view.dots.into_iter().filter(|dot| cut.holds(dot.at_ms)).collect();
    dots.sort_by_key(|dot| -dot.at_ms);
    view! {
        <div class="map-words">
            <div>
                <h3>"Any instant"</h3>
                {if spans.is_empty() {
                    view! { <p class="note">"No stretch of this window can be reached as a whole."</p> }.into_any()
                } else {
                    view! { <ul>{spans.into_iter().map(|span| view! { <Span span /> }).collect_view()}</ul> }.into_any()
                }}
            </div>
            <div>
                <h3>"Not reachable"</h3>
                {if holes.is_empty() {
                    view! { <p class="note">"No hole in this window, and none ahead if backups go on."</p> }.into_any()
                } else {
                    view! { <ul>{holes.into_iter().map(|hole| view! { <Hole hole now_ms /> }).collect_view()}</ul> }.into_any()
                }}
            </div>
            <div>
                <h3>"Single instants"</h3>
                <Dots dots />
            </div>
        </div>
    }
}

#[component]
fn Span(span: MapSpanView) -> impl IntoView {
    let lasts = length(span.to_ms - span.from_ms);
    let perhaps = (span.certain_to_ms < span.to_ms).then(|| {
        view! { <span class="note">"certainly to " <Time at_ms=span.certain_to_ms /> ", at most to the end"</span> }
    });
    let from = span.bases.last().cloned().map(|base| {
        let more = match span.bases.len() - 1 {
            0 => String::new(),
            n => format!(" and {n} older"),
        };
        view! { " from " <CopyLink name=base /> {more} }
    });
    let left = if span.branch { ", which was left" } else { "" };
    view! {
        <li>
            <span><Time at_ms=span.from_ms /> " to " <Time at_ms=span.to_ms /></span>
            <span class="note">{format!("{lasts} on timeline {}{left}", span.timeline)} {from}</span>
            {perhaps}
        </li>
    }
}

#[component]
fn Hole(hole: MapHoleView, now_ms: i64) -> impl IntoView {
    let band = hole_band(&hole);
    let when = match (hole.ahead, hole.to_ms) {
        (true, _) => format!("Opens in {}", length(hole.from_ms - now_ms)),
        (false, None) => "Growing".to_owned(),
        (false, Some(to_ms)) => length(to_ms - hole.from_ms),
    };
    let times = match hole.to_ms {
        Some(to_ms) => view! { <Time at_ms=hole.from_ms /> " to " <Time at_ms=to_ms /> }.into_any(),
        None if hole.ahead => view! { "from " <Time at_ms=hole.from_ms /> " on" }.into_any(),
        None => view! { "since " <Time at_ms=hole.from_ms /> }.into_any(),
    };
    view! {
        <li data-band=band.map(Band::as_str)>
            <span>
                {band.map(|band| view! { <BandShape band /> " " })}
                <strong>{when}</strong>
                " · "
                {times}
            </span>
            <span class="note">{hole.cause}</span>
        </li>
    }
}

#[component]
fn Dots(dots: Vec<MapDotView>) -> impl IntoView {
    if dots.is_empty() {
        return view! { <p class="note">"No dump and no lone base backup in this window."</p> }.into_any();
    }
    let dumps = dots.iter().filter(|dot| dot.kind == "dump").count();
    let bases = dots.len() - dumps;
    let some = |n: usize, what: &str| match n {
        0 => None,
        1 => Some(format!("1 {what}")),
        n => Some(format!("{n} {what}s")),
    };
    let head = [some(dumps, "dump"), some(bases, "base backup")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ");
    let rows = dots
        .into_iter()
        .map(|dot| view! { <li><Time at_ms=dot.at_ms /> <span class="note">{dot.kind} " " <CopyLink name=dot.backup /></span></li> })
        .collect_view();
    view! {
        <details>
            <summary>{head}</summary>
            <ul>{rows}</ul>
        </details>
    }
    .into_any()
}

/// The way to a copy.
#[component]
pub(super) fn CopyLink(
    /// Its name in the store.
    name: String,
) -> impl IntoView {
    let href = address("/backups/copies", &[("name", name.clone())]);
    view! { <a href=href class="copy-name">{name}</a> }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_558_263_000;

    fn view(holes: Vec<MapHoleView>) -> MapView {
        MapView {
            from_ms: NOW - 30 * 86_400_000,
            to_ms: NOW + 7 * 86_400_000,
            now_ms: NOW,
            spans: vec![],
            dots: vec![],
            holes,
        }
    }

    fn hole(from_ms: i64, to_ms: Option<i64>, ahead: bool) -> MapHoleView {
        MapHoleView {
            from_ms,
            to_ms,
            cause: "lost".into(),
            ahead,
        }
    }

    #[test]
    fn a_window_ends_no_later_than_what_is_known() {
        let mut map = view(vec![]);
        let cut = Cut::of(&map, Window::Week);
        assert_eq!((NOW - cut.from_ms, cut.to_ms - NOW), Window::Week.reach());
        map.to_ms = NOW;
        let cut = Cut::of(&map, Window::Day);
        assert_eq!(cut.to_ms - NOW, 3_600_000, "there is room for the line of now");
    }

    #[test]
    fn a_window_reaches_to_the_hole_that_opens_next_if_that_is_near() {
        let opens = NOW + 4 * 86_400_000;
        let map = view(vec![hole(opens, Some(opens + 1_000), true)]);
        let cut = Cut::of(&map, Window::Week);
        assert!(cut.holds(opens + 1_000), "{cut:?}");
        assert_eq!(Cut::of(&map, Window::Day).to_ms - NOW, Window::Day.reach().1);
    }

    #[test]
    fn a_hole_that_has_just_begun_is_seen() {
        let map = view(vec![
            hole(NOW, None, false),
            hole(NOW - 9 * 86_400_000, Some(NOW - 8 * 86_400_000), false),
        ]);
        assert_eq!(holes(&map, Cut::of(&map, Window::Day)).len(), 1);
        assert_eq!(holes(&map, Cut::of(&map, Window::Month)).len(), 2);
    }

    #[test]
    fn a_hole_that_is_to_come_and_has_no_end_is_seen() {
        let opens = NOW + 86_400_000;
        let map = view(vec![hole(opens, None, true)]);
        let cut = Cut::of(&map, Window::Week);
        assert_eq!(holes(&map, cut).len(), 1);
        assert_eq!(
            cut.wide(opens, end(&map.holes[0], NOW)),
            cut.wide(opens, cut.to_ms)
        );
    }

    #[test]
    fn what_grows_is_an_alert_and_what_is_ahead_a_warning() {
        assert_eq!(hole_band(&hole(0, None, false)), Some(Band::Alert));
        assert_eq!(hole_band(&hole(0, Some(1), true)), Some(Band::Degraded));
        assert_eq!(hole_band(&hole(0, Some(1), false)), None);
    }
}
