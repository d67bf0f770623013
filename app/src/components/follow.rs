//! What keeps the parts of a page that the server draws up to date.

use leptos::{prelude::*, task::spawn_local};

use super::moment::{Zone, stamp};
use crate::{live, view::maintenance::EVENT};

/// Takes over the parts of the page that are marked `data-live`, when maintenance mode changes or something happens to an
/// action. One a page, whatever it follows: each change is fetched once.
#[island]
pub fn FollowParts(
    /// The last event of the stream that the page contains.
    since: String,
    /// The action that the page shows, if it shows one.
    action: Option<String>,
) -> impl IntoView {
    Effect::new(move |_| {
        let action = action.clone();
        live::follow_actions(&since, move |changed| {
            if changed.is_empty() || changed == EVENT || Some(changed) == action.as_deref() {
                spawn_local(async {
                    if live::refresh_parts().await.unwrap_or(false) {
                        live::localize_times(|at_ms| stamp(at_ms, Zone::Local(live::local_offset_s())));
                    }
                });
            }
        });
    });
}
