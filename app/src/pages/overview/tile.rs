//! One metric on the overview.

use leptos::prelude::*;
use quarterdeck_domain::health::{Band, Unit};

use super::state::State;
use crate::{
    components::{
        band::BandBadge,
        moment::{Clock, Zone, iso, length, short_stamp, stamp},
        remedy::remedies,
        sparkline::Sparkline,
    },
    view::health::TileView,
};

/// A tile: title, value, recent past, band and since when, thresholds, and what else there is to say. Every line has
/// its place whether it is filled or not, so that nothing moves when values change.
#[component]
pub(super) fn Tile(tile: RwSignal<TileView>, state: State) -> impl IntoView {
    let (id, title) = tile.with_untracked(|t| (t.id.clone(), t.title.clone()));
    let band = Memo::new(move |_| tile.read().band);
    let note = Memo::new(move |_| tile.with(note));
    let thresholds =
        tile.with_untracked(|t| (t.thresholds.target_text(t.unit), t.thresholds.alert_text(t.unit)));
    view! {
        <li class="tile" data-band=move || band.get().as_str()>
            <h3 class="tile-title">
                <a href=format!("/health/{id}")>{title.clone()}</a>
            </h3>
            {act(tile, state, &id, &title)}
            <Value tile />
            <Sparkline tile />
            <p class="tile-band">
                <BandBadge band=band />
                <Since tile clock=state.clock />
            </p>
            <p class="tile-thresholds">
                <span>"target "<b>{thresholds.0}</b></span>
                <span>"alert "<b>{thresholds.1}</b></span>
            </p>
            <p class="tile-note" data-kind=move || note.read().kind>
                <span class="tile-note-head">{move || note.read().head.clone()}</span>
                <span>{move || note.read().tail.clone()}</span>
            </p>
        </li>
    }
}

/// The way to what can be done about it, which styles show while it is not well. Where there are several, it leads to the list
/// of them.
fn act(tile: RwSignal<TileView>, state: State, id: &str, title: &str) -> impl IntoView + use<> {
    let ways = tile.with_untracked(|t| state.may.with_value(|may| remedies(&t.actions, may)));
    let way = match ways.as_slice() {
        [] => None,
        [(path, words)] => Some(((*path).to_owned(), *words)),
        [_, _, ..] => Some((format!("/health/{id}#actions"), "see what can be done")),
    };
    way.map(|(path, words)| {
        view! { <a class="tile-act" href=path title=words>"Act" <span class="hidden">{format!(" on {title}: {words}")}</span></a> }
    })
}

/// Value and unit. A value that is no longer believed is shown as old; one that has just changed lights up shortly.
#[component]
pub(crate) fn Value(
    /// The tile that has the value.
    #[prop(into)]
    tile: Signal<TileView>,
) -> impl IntoView {
    let unit = tile.with_untracked(|t| t.unit);
    let number = Memo::new(move |_| {
        tile.read()
            .value
            .map_or_else(|| "–".to_owned(), |v| unit.number(v))
    });
    // Counts changes, so that two classes alternate and the highlight starts anew each time.
    let changes = Memo::new(move |before: Option<&(String, u32)>| {
        let number = number.get();
        match before {
            Some((shown, n)) if *shown == number => (number, *n),
            Some((_, n)) => (number, n + 1),
            None => (number, 0),
        }
    });
    let flash = move || {
        let n = changes.read().1;
        (n > 0).then_some(n % 2 == 1)
    };
    let old = Memo::new(move |_| tile.with(|t| t.band == Band::Unknown && t.value.is_some()));
    view! {
        <p
            class="value"
            class:is-old=move || old.get()
            class:flash-a=move || flash() == Some(true)
            class:flash-b=move || flash() == Some(false)
        >
            <span class="value-number">{move || number.get()}</span>
            <span class="value-unit">{unit_word(unit)}</span>
            <span class="value-old">{move || if old.get() { "last known" } else { "" }}</span>
        </p>
    }
}

const fn unit_word(unit: Unit) -> &'static str {
    match unit {
        // The currency sign stands before the number.
        Unit::Usd => "",
        Unit::Milliseconds | Unit::Percent | Unit::Count | Unit::PerSecond => unit.suffix(),
    }
}

/// Since when the band holds: at what time, and after mount also for how long.
#[component]
pub(crate) fn Since(
    /// The tile.
    #[prop(into)]
    tile: Signal<TileView>,
    /// The time.
    clock: RwSignal<Clock>,
) -> impl IntoView {
    let since_ms = Memo::new(move |_| tile.read().since_ms);
    let text = Memo::new(move |_| {
        since_ms
            .get()
            .map_or_else(String::new, |t| since_text(t, clock.get()))
    });
    view! {
        <time
            class="since"
            datetime=move || since_ms.get().map(iso)
            title=move || since_ms.get().map(|t| stamp(t, clock.get().zone))
        >
            {move || text.get()}
        </time>
    }
}

fn since_text(since_ms: i64, clock: Clock) -> String {
    match clock.zone {
        Zone::Utc => format!("since {}", short_stamp(since_ms, clock.now_ms, clock.zone)),
        Zone::Local(_) => format!("for {}", length(clock.now_ms - since_ms)),
    }
}

/// The last line of a tile. It is cut where it is too long, but never in its tail: names of pods differ at their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// `reason`, `pending`, `member` or `none`.
    pub kind: &'static str,
    /// What may be cut.
    pub head: String,
    /// What may not.
    pub tail: String,
}

impl Note {
    /// The whole of it.
    pub fn text(&self) -> String {
        format!("{}{}", self.head, self.tail)
    }
}

/// Why nothing is known, what is about to count, or who is the worst.
pub(crate) fn note(tile: &TileView) -> Note {
    let whole = |kind, head| Note {
        kind,
        head,
        tail: String::new(),
    };
    if tile.band == Band::Unknown {
        let reason = tile
            .reason
            .as_ref()
            .map_or_else(|| "not read yet".to_owned(), ToString::to_string);
        return whole("reason", reason);
    }
    match (tile.pending, &tile.member) {
        (Some(pending), _) => whole("pending", format!("{} seen, counts if it holds", pending.word())),
        (None, Some(member)) => {
            let cut = member.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
            let (head, tail) = member.split_at(cut);
            Note {
                kind: "member",
                head: format!("worst: {head}"),
                tail: tail.to_owned(),
            }
        }
        (None, None) => whole("none", String::new()),
    }
}

/// So many characters at the end of a member's name are always shown.
const TAIL: usize = 10;

#[cfg(test)]
mod tests {
    use quarterdeck_domain::health::{Direction, Thresholds, UnknownReason};

    use super::*;

    #[test]
    fn the_end_of_a_name_is_kept() {
        let mut tile = TileView {
            id: "m".into(),
            title: "M".into(),
            unit: Unit::Percent,
            thresholds: Thresholds::new(None, 80.0, Direction::LowerIsBetter).unwrap(),
            actions: Vec::new(),
            band: Band::Ok,
            since_ms: None,
            reason: None,
            value: Some(1.0),
            sampled_at_ms: None,
            member: Some("skillquest-worker-7d9f8c6b5-ü2z-ab".into()),
            pending: None,
            spark: vec![],
            spark_step_s: 15,
            spark_end_ms: None,
        };
        let cut = note(&tile);
        assert_eq!(
            (cut.head.as_str(), cut.tail.as_str()),
            ("worst: skillquest-worker-7d9f8c", "6b5-ü2z-ab")
        );
        tile.member = Some("api-0".into());
        assert_eq!(note(&tile).text(), "worst: api-0");
        tile.band = Band::Unknown;
        tile.reason = Some(UnknownReason::NoData);
        assert_eq!(note(&tile).text(), "no data: the query returned no series");
    }

    #[test]
    fn the_server_says_when_and_the_browser_for_how_long() {
        let clock = Clock {
            now_ms: 1_795_558_263_000,
            zone: Zone::Utc,
        };
        assert_eq!(since_text(clock.now_ms - 720_000, clock), "since 21:59 UTC");
        let local = Clock {
            zone: Zone::Local(3_600),
            ..clock
        };
        assert_eq!(since_text(clock.now_ms - 720_000, local), "for 12 min");
    }
}
