//! Whether what is shown is what is: the word in the top bar, and the banner when it is not.

use leptos::prelude::*;

use super::moment::{Zone, clock_time};
use crate::live::{self, Connection};

/// The state of the page's connection. Without scripts it says what the page is: a picture of one instant.
#[island]
pub fn ConnectionState(
    /// When the page was made, Unix ms.
    rendered_at_ms: i64,
) -> impl IntoView {
    let state = RwSignal::new(None::<Connection>);
    let zone = RwSignal::new(Zone::Utc);
    Effect::new(move |_| {
        zone.set(Zone::Local(live::local_offset_s()));
        live::on_connection(move |now| state.set(Some(now)));
    });
    let word = move || match state.get() {
        None => format!("As of {}", clock_time(rendered_at_ms, Zone::Utc)),
        Some(Connection::Connecting) => "Connecting".to_owned(),
        Some(Connection::Live) => "Live".to_owned(),
        Some(Connection::Lost { .. }) => "Connection lost".to_owned(),
    };
    let name = move || match state.get() {
        None => "still",
        Some(Connection::Connecting) => "connecting",
        Some(Connection::Live) => "live",
        Some(Connection::Lost { .. }) => "lost",
    };
    let banner = move || match state.get() {
        None | Some(Connection::Connecting | Connection::Live) => None,
        Some(Connection::Lost { as_of_ms }) => Some(format!(
            "Connection lost: values as of {}, retrying. Reload the page if this stays.",
            clock_time(as_of_ms, zone.get())
        )),
    };
    view! {
        <span class="connection" data-state=name>
            <span class="connection-dot" aria-hidden="true"></span>
            <span class="connection-word">{word}</span>
        </span>
        <span class="banner" role="alert" data-shown=move || banner().is_some().to_string()>
            {move || banner().unwrap_or_default()}
        </span>
    }
}
