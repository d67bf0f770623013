//! What it all comes to, before anything else.

use leptos::prelude::*;

use crate::{
    components::{icon::BandShape, moment::Time},
    view::backup::RecoverabilityVerdictView,
};

/// The verdict: shape, word and colour, what is wrong, and when it was looked at.
#[component]
pub(super) fn Verdict(
    view: RecoverabilityVerdictView,
    read_at_ms: i64,
    troubles: Vec<String>,
) -> impl IntoView {
    let band = view.band;
    let said = view.why.into_iter().chain(troubles).collect::<Vec<_>>();
    view! {
        <section class="backup-verdict" id="verdict" data-live="part" data-band=band.as_str() aria-labelledby="verdict-title">
            <BandShape band />
            <div>
                <h1 id="verdict-title">
                    <span class="hidden">{format!("Backups, {}: ", band.word())}</span>
                    {view.headline}
                </h1>
                {(!said.is_empty())
                    .then(|| view! { <ul>{said.into_iter().map(|why| view! { <li>{why}</li> }).collect_view()}</ul> })}
            </div>
            <p class="backup-read">
                <span class="band" data-band=band.as_str()><span class="band-word">{band.word()}</span></span>
                <span class="note">"looked at " <Time at_ms=read_at_ms /></span>
            </p>
        </section>
    }
}
