//! What to do about it.

use leptos::prelude::*;

/// A runbook: a link where it has an address, and the path in the repository where it has not.
#[component]
pub fn Runbook(
    /// URL, absolute path on this server, or path in the repository.
    place: String,
) -> impl IntoView {
    // Anything else, `javascript:` first of all, is shown and not linked.
    let linked = ["https://", "http://", "/"]
        .iter()
        .any(|start| place.starts_with(start));
    if linked {
        view! { <a class="runbook" href=place.clone() title=place>"Runbook"</a> }.into_any()
    } else {
        view! { <span class="runbook">"Runbook " <code>{place}</code></span> }.into_any()
    }
}
