//! The chart of a metric with its cursor, its zoom and its legend, as an island.

use leptos::{ev, html, prelude::*};
use quarterdeck_domain::{
    chart::TimeRange,
    health::{Thresholds, Unit},
};

use super::{
    geometry::Geometry,
    range::{Asked, field},
    refresh::refresh,
};
use crate::{
    components::{
        chart::{ChartInput, render_chart},
        moment::{Clock, Zone, clock_time, run_clock, stamp},
        sent::Sent,
    },
    live,
    view::health::RangeView,
};

/// The two pictures of the first HTML, for wide and for narrow screens; after mount one is drawn to measure.
const WIDE: (u32, u32) = (1_376, 360);
const NARROW: (u32, u32) = (366, 280);
/// A drag shorter than this is a click, CSS pixels.
const DRAG_PX: f64 = 6.0;

/// Chart, cursor and legend.
#[island]
pub fn MetricChart(
    /// The metric's stable name.
    id: String,
    /// The metric's title.
    title: String,
    /// Unit of the values.
    unit: Sent<Unit>,
    /// Target and alert threshold.
    thresholds: Sent<Thresholds>,
    /// The lines when the page was made.
    range: Sent<RangeView>,
    /// What the address asks for; a preset moves on with the time.
    asked: Sent<Asked>,
    /// When the page was made, Unix ms.
    rendered_at_ms: i64,
) -> impl IntoView {
    let (Sent(unit), Sent(thresholds), Sent(range), Sent(asked)) = (unit, thresholds, range, asked);
    let clock = RwSignal::new(Clock::at(rendered_at_ms));
    let zone = Memo::new(move |_| clock.get().zone);
    let range = RwSignal::new(range);
    let trouble = RwSignal::new(None::<String>);
    let size = RwSignal::new(None::<(u32, u32)>);
    let cursor = RwSignal::new(None::<usize>);
    // Where a stretch that is being marked begins; it ends at the cursor.
    let anchor = RwSignal::new(None::<usize>);
    let frame = NodeRef::<html::Div>::new();

    run_clock(clock);
    Effect::new(move |_| {
        if let Some(frame) = frame.get() {
            live::on_resize(&frame, move |width, height| {
                let now = Some((whole(width), whole(height)));
                if size.get_untracked() != now {
                    size.set(now);
                }
            });
        }
    });
    refresh(id, asked, range, trouble);

    let input = move |size: (u32, u32), draw: &dyn Fn(&ChartInput<'_>) -> String| {
        range.with(|range| {
            draw(&ChartInput {
                width: size.0,
                height: size.1,
                range,
                unit,
                thresholds: &thresholds,
                zone: zone.get(),
            })
        })
    };
    let picture = Memo::new(move |_| input(size.get().unwrap_or(WIDE), &render_chart));
    let narrow = Memo::new(move |_| match size.get() {
        None => input(NARROW, &render_chart),
        Some(_) => String::new(),
    });
    let geometry = Memo::new(move |_| {
        range.with(|range| {
            let (width, height) = size.get().unwrap_or(WIDE);
            Geometry::of(&ChartInput {
                width,
                height,
                range,
                unit,
                thresholds: &thresholds,
                zone: Zone::Utc,
            })
        })
    });
    let summary_title = title.clone();
    let summary = move || range.with(|r| summary(&summary_title, r, unit, &thresholds, zone.get()));

    let zoom = move || {
        let (Some(a), Some(b)) = (anchor.get_untracked(), cursor.get_untracked()) else {
            return;
        };
        let at = |i| range.with_untracked(|r| time_of(r, i));
        let (from, to) = (at(a.min(b)), at(a.max(b)));
        // A chart of less than ten seconds is refused; widen to that.
        if a != b && TimeRange::new(from, to.max(from + 10)).is_ok() {
            live::assign(&format!("?from={}&to={}", field(from), field(to.max(from + 10))));
        }
    };
    let on_key = move |event: ev::KeyboardEvent| {
        let last = range.with_untracked(points).saturating_sub(1);
        let now = cursor.get_untracked().unwrap_or(last);
        let step = if event.ctrl_key() { 10 } else { 1 };
        let to = match event.key().as_str() {
            "ArrowLeft" | "ArrowDown" => now.saturating_sub(step),
            "ArrowRight" | "ArrowUp" => (now + step).min(last),
            "PageUp" => now.saturating_sub(last / 10),
            "PageDown" => (now + last / 10).min(last),
            "Home" => 0,
            "End" => last,
            "Escape" => {
                cursor.set(None);
                anchor.set(None);
                return;
            }
            "Enter" => return zoom(),
            _ => return,
        };
        event.prevent_default();
        if !event.shift_key() {
            anchor.set(None);
        } else if anchor.get_untracked().is_none() {
            anchor.set(Some(now));
        }
        cursor.set(Some(to));
    };
    let index_at = move |event: &ev::PointerEvent| {
        let n = range.with_untracked(points);
        geometry.with_untracked(|g| g.index_at(f64::from(event.offset_x()), n))
    };
    let cursor_x = move || cursor.get().map(|i| geometry.read().x(i));
    let marked = move || {
        let (a, b) = (anchor.get()?, cursor.get()?);
        let g = geometry.read();
        (a != b).then(|| (g.x(a.min(b)), g.x(a.max(b))))
    };
    let at_cursor = move || cursor.get().map(|i| range.with(|r| time_of(r, i)));
    let readout = move || {
        at_cursor().map_or_else(
            || range.with(|r| format!("Latest, {}", clock_time(r.to_s * 1_000, zone.get()))),
            |t| stamp(t * 1_000, zone.get()),
        )
    };
    let value_text = move || {
        let i = cursor
            .get()
            .unwrap_or_else(|| range.with(points).saturating_sub(1));
        range.with(|r| {
            let values = r.lines.iter().take(4).map(|l| {
                let value = l.values.get(i).copied().flatten();
                let value = value.map_or_else(|| "nothing known".to_owned(), |v| unit.text(v));
                l.name
                    .as_ref()
                    .map_or_else(|| value.clone(), |name| format!("{name} {value}"))
            });
            format!(
                "{}: {}",
                clock_time(time_of(r, i) * 1_000, zone.get()),
                values.collect::<Vec<_>>().join(", ")
            )
        })
    };
    let names =
        Memo::new(move |_| range.with(|r| r.lines.iter().map(|l| l.name.clone()).collect::<Vec<_>>()));
    let left_out = move || range.with(|r| r.left_out);

    view! {
        <figure class="chart" class:is-measured=move || size.get().is_some()>
            <div class="chart-frame" node_ref=frame>
                <div class="chart-picture" role="img" aria-label=summary>
                    <div class="chart-wide" inner_html=move || picture.get()></div>
                    <div class="chart-narrow" inner_html=move || narrow.get()></div>
                </div>
                <div
                    class="chart-cursor"
                    role="slider"
                    tabindex="0"
                    aria-label="Cursor of the chart"
                    aria-valuemin="0"
                    aria-valuemax=move || range.with(points).saturating_sub(1).to_string()
                    aria-valuenow=move || {
                        cursor.get().unwrap_or_else(|| range.with(points).saturating_sub(1)).to_string()
                    }
                    aria-valuetext=value_text
                    hidden=move || size.get().is_none()
                    on:keydown=on_key
                    on:pointerdown=move |event| {
                        if event.button() == 0 {
                            if let Some(target) = event_element(&event) {
                                let _ = target.set_pointer_capture(event.pointer_id());
                            }
                            let i = index_at(&event);
                            anchor.set(Some(i));
                            cursor.set(Some(i));
                        }
                    }
                    on:pointermove=move |event| {
                        if event.buttons() == 0 {
                            anchor.set(None);
                        }
                        cursor.set(Some(index_at(&event)));
                    }
                    on:pointerup=move |_| {
                        if marked().is_some_and(|(a, b)| b - a > DRAG_PX) {
                            zoom();
                        }
                        anchor.set(None);
                    }
                    on:pointercancel=move |_| anchor.set(None)
                    on:pointerleave=move |_| {
                        cursor.set(None);
                        anchor.set(None);
                    }
                >
                    <svg class="chart-overlay" aria-hidden="true" focusable="false">
                        <rect
                            class="chart-mark"
                            x=move || marked().map_or(0.0, |m| m.0).to_string()
                            y=move || geometry.read().plot.top.to_string()
                            width=move || marked().map_or(0.0, |m| m.1 - m.0).to_string()
                            height=move || geometry.read().height().to_string()
                        ></rect>
                        <line
                            class="chart-hair"
                            class:is-off=move || cursor.get().is_none()
                            x1=move || cursor_x().unwrap_or_default().to_string()
                            x2=move || cursor_x().unwrap_or_default().to_string()
                            y1=move || geometry.read().plot.top.to_string()
                            y2=move || geometry.read().plot.bottom.to_string()
                        ></line>
                        {move || {
                            (0..names.read().len())
                                .map(|i| {
                                    let at = move || {
                                        let k = cursor.get()?;
                                        let v = range.with(|r| r.lines.get(i)?.values.get(k).copied().flatten())?;
                                        let g = geometry.read();
                                        Some((g.x(k), g.y(v)))
                                    };
                                    view! {
                                        <circle
                                            class=format!("chart-dot line-{}", i + 1)
                                            class:is-off=move || at().is_none()
                                            r="4"
                                            cx=move || at().unwrap_or_default().0.to_string()
                                            cy=move || at().unwrap_or_default().1.to_string()
                                        ></circle>
                                    }
                                })
                                .collect_view()
                        }}
                    </svg>
                </div>
            </div>
            <figcaption class="legend">
                <span class="legend-time">{readout}</span>
                <ul class="legend-lines">
                    {move || {
                        names
                            .get()
                            .into_iter()
                            .enumerate()
                            .map(|(i, name)| {
                                let name = name.unwrap_or_else(|| title.clone());
                                let value = move || {
                                    range.with(|r| {
                                        let values = &r.lines.get(i)?.values;
                                        match cursor.get() {
                                            Some(k) => values.get(k).copied().flatten(),
                                            None => values.iter().rev().copied().flatten().next(),
                                        }
                                    })
                                };
                                view! {
                                    <li class="legend-line">
                                        <svg class="legend-swatch" viewBox="0 0 20 8" aria-hidden="true" focusable="false">
                                            <path class=format!("line line-{}", i + 1) d="M1 4H19"></path>
                                        </svg>
                                        <span class="legend-name">{name}</span>
                                        <span class="legend-value">
                                            {move || value().map_or_else(|| "–".to_owned(), |v| unit.text(v))}
                                        </span>
                                    </li>
                                }
                            })
                            .collect_view()
                    }}
                </ul>
                <span class="legend-rest" hidden=move || left_out() == 0>
                    {move || format!("and {} more, all better than these", left_out())}
                </span>
                <span class="legend-trouble" role="status">{move || trouble.get().unwrap_or_default()}</span>
            </figcaption>
        </figure>
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
const fn whole(px: f64) -> u32 {
    px as u32
}

fn event_element(event: &ev::PointerEvent) -> Option<web_sys::Element> {
    use wasm_bindgen::JsCast;
    event.current_target()?.dyn_into().ok()
}

/// Points of a line.
fn points(range: &RangeView) -> usize {
    range.lines.first().map_or(1, |l| l.values.len().max(1))
}

fn time_of(range: &RangeView, index: usize) -> i64 {
    range.from_s + i64::try_from(index).unwrap_or_default() * range.step_s
}

/// What a screen reader says in the picture's place.
fn summary(title: &str, range: &RangeView, unit: Unit, thresholds: &Thresholds, zone: Zone) -> String {
    let values = || {
        range
            .lines
            .iter()
            .flat_map(|l| l.values.iter().flatten().copied())
    };
    let time = format!(
        "{} to {}",
        stamp(range.from_s * 1_000, zone),
        stamp(range.to_s * 1_000, zone)
    );
    let bounds = format!(
        "Target {}, alert {}.",
        thresholds.target_text(unit),
        thresholds.alert_text(unit)
    );
    match (values().reduce(f64::min), values().reduce(f64::max)) {
        (Some(low), Some(high)) => {
            format!(
                "{title}, {time}: between {} and {}. {bounds}",
                unit.text(low),
                unit.text(high)
            )
        }
        (_, _) => format!("{title}, {time}: nothing was recorded. {bounds}"),
    }
}
