//! The head of the overview: one word for everything, then what is not well, the worst first.

use leptos::prelude::*;
use quarterdeck_domain::health::Band;

use super::state::State;
use crate::components::{
    icon::BandShape,
    moment::{clock_time, iso},
};

/// So many are named at the head; the rest stands below in its place.
const NAMED: usize = 6;

/// The verdict. While the values are stale it says that before anything else, and does not look healthy.
#[component]
pub(super) fn VerdictBand(state: State, poll_interval_ms: u32) -> impl IntoView {
    let stale = Memo::new(move |_| state.stale());
    let band = Memo::new(move |_| {
        if stale.get() {
            Band::Unknown
        } else {
            state.summary.read().band
        }
    });
    let as_of = Memo::new(move |_| {
        state
            .as_of_ms
            .get()
            .map(|t| clock_time(t, state.clock.get().zone))
    });
    let headline = move || {
        let headline = state.summary.read().headline.clone();
        match (stale.get(), as_of.get()) {
            (true, Some(time)) => format!("Not current. At {time}: {headline}"),
            (true, None) | (false, Some(_)) => headline,
            (false, None) => "Nothing has been read yet".to_owned(),
        }
    };
    let rest = move || state.summary.read().worst.len().saturating_sub(NAMED);
    view! {
        <section class="verdict" data-band=move || band.get().as_str() aria-labelledby="verdict">
            <BandShape band=band />
            <div class="verdict-main">
                <h1 id="verdict" class="verdict-headline">
                    <span class="hidden">{move || format!("{}: ", band.get().word())}</span>
                    {headline}
                </h1>
                <ol class="worst" aria-label="Not well, the worst first">
                    {move || {
                        let worst = state.summary.read().worst.clone();
                        worst
                            .into_iter()
                            .take(NAMED)
                            .map(|w| {
                                view! {
                                    <li>
                                        <a class="worst-item" data-band=w.band.as_str() href=w.href>
                                            <BandShape band=w.band />
                                            <span class="hidden">{format!("{}: ", w.band.word())}</span>
                                            <span class="worst-title">{w.title}</span>
                                            <span class="worst-detail">{w.detail}</span>
                                        </a>
                                    </li>
                                }
                            })
                            .collect_view()
                    }}
                    <li class="worst-rest" hidden=move || rest() == 0>
                        {move || format!("and {} more", rest())}
                    </li>
                </ol>
            </div>
            <p class="verdict-time">
                <span>"Read "</span>
                <time datetime=move || state.as_of_ms.get().map(iso)>
                    {move || as_of.get().unwrap_or_else(|| "not yet".to_owned())}
                </time>
                <span class="verdict-interval">{format!("every {} s", f64::from(poll_interval_ms) / 1_000.0)}</span>
            </p>
        </section>
    }
}
