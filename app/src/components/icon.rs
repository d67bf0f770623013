//! Small drawings. Each is inline SVG in `currentColor`, so that it needs no request and follows the theme.

use leptos::prelude::*;
use quarterdeck_domain::health::Band;

/// The shape of a band: filled disc, triangle, diamond, and a ring with a question mark. They differ in outline,
/// not in colour alone, and stay apart at twelve pixels.
#[component]
pub fn BandShape(
    /// Which band.
    #[prop(into)]
    band: Signal<Band>,
) -> impl IntoView {
    view! {
        <svg class="shape" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d=move || shape(band.get()) fill-rule="evenodd"></path>
        </svg>
    }
}

const fn shape(band: Band) -> &'static str {
    match band {
        Band::Ok => "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11z",
        Band::Degraded => "M8 1.6L15.2 14.4H.8z",
        Band::Alert => "M8 .4L15.6 8L8 15.6L.4 8z",
        Band::Unknown => {
            "M8 1a7 7 0 1 1 0 14a7 7 0 0 1 0-14zM8 2.6a5.4 5.4 0 1 0 0 10.8a5.4 5.4 0 0 0 0-10.8zM7.1 9.6h1.7v-.7c0-.4.3-.7.8-1\
             c.8-.5 1.3-1.1 1.3-2c0-1.4-1.2-2.3-2.8-2.3c-1.5 0-2.7.8-2.9 2.3h1.7c.1-.5.5-.8 1.1-.8c.7 0 1.1.3 1.1.9c0 .4-.3.7-.8 1\
             c-.8.5-1.2 1-1.2 1.9zM7 10.6h1.9v1.7H7z"
        }
    }
}

/// The mark of the console: a ship's wheel reduced to a ring, a hub and eight spokes.
#[component]
pub fn Mark() -> impl IntoView {
    view! {
        <svg class="mark" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path
                d="M12 1.5v5M12 17.5v5M1.5 12h5M17.5 12h5M4.6 4.6l3.5 3.5M15.9 15.9l3.5 3.5M4.6 19.4l3.5-3.5M15.9 8.1l3.5-3.5"
                fill="none"
                stroke="currentColor"
                stroke-width="1.8"
                stroke-linecap="round"
            ></path>
            <circle cx="12" cy="12" r="6" fill="none" stroke="currentColor" stroke-width="1.8"></circle>
            <circle cx="12" cy="12" r="1.9" fill="currentColor"></circle>
        </svg>
    }
}
