//! A band as a person sees it: shape, word and colour together, never one alone.

use leptos::prelude::*;
use quarterdeck_domain::health::Band;

use super::icon::BandShape;

/// Shape and word of a band, in its colour.
#[component]
pub fn BandBadge(
    /// Which band.
    #[prop(into)]
    band: Signal<Band>,
) -> impl IntoView {
    view! {
        <span class="band" data-band=move || band.get().as_str()>
            <BandShape band=band />
            <span class="band-word">{move || band.get().word()}</span>
        </span>
    }
}
