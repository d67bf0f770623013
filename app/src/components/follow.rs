//! What keeps the parts of a page that the server draws up to date.

use leptos::{prelude::*, task::spawn_local};

use super::moment::localize;
use crate::{
    live,
    view::{maintenance, topology},
};

/// Takes over the parts of the page that are marked `data-live` every few seconds, while somebody looks: for what the event
/// stream does not carry.
#[island]
pub fn RefreshParts(
    /// Time between two looks, seconds.
    every_s: u32,
) -> impl IntoView {
    let under_way = StoredValue::new(false);
    Effect::new(move |_| {
        let waited = StoredValue::new(0_u32);
        live::every_second(move |_| {
            waited.update_value(|waited| *waited += 1);
            if waited.get_value() <= every_s || document().hidden() || under_way.get_value() {
                return;
            }
            waited.set_value(0);
            under_way.set_value(true);
            spawn_local(async move {
                take_over().await;
                under_way.set_value(false);
            });
        });
    });
}

/// Fetches the parts; times in them are then in the browser's zone.
async fn take_over() {
    if live::refresh_parts().await.unwrap_or(false) {
        localize();
    }
}

/// Takes over the parts of the page that are marked `data-live`, when maintenance mode changes, the database's nodes are split or
/// no more so, or something happens to an action. One a page, whatever it follows: each change is fetched once.
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
            let everywhere = ["", maintenance::EVENT, topology::EVENT].contains(&changed);
            if everywhere || Some(changed) == action.as_deref() {
                spawn_local(take_over());
            }
        });
    });
}
