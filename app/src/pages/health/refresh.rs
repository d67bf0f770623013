//! A chart that ends now goes on with the time.

use leptos::{prelude::*, task::spawn_local};
use quarterdeck_domain::chart::TimeRange;

use super::range::{Asked, MAX_POINTS};
use crate::{live, view::health::RangeView};

/// Asks again as time goes on, for a range that ends now and while somebody looks.
pub(super) fn refresh(
    id: String,
    asked: Asked,
    range: RwSignal<RangeView>,
    trouble: RwSignal<Option<String>>,
) {
    let Asked::Preset(preset) = asked else { return };
    let last_ms = StoredValue::new(None::<i64>);
    Effect::new(move |_| {
        let id = id.clone();
        live::every_second(move |now_ms| {
            let period_ms = range.with_untracked(|r| r.step_s).clamp(10, 300) * 1_000;
            match last_ms.get_value() {
                // The first picture is from the server and fresh.
                None => return last_ms.set_value(Some(now_ms)),
                Some(last) if now_ms - last < period_ms || document().hidden() => return,
                Some(_) => last_ms.set_value(Some(now_ms)),
            }
            let asked = TimeRange::ending(preset, now_ms / 1_000);
            let url = format!(
                "/api/v1/health/{id}/range?from={}&to={}&max_points={MAX_POINTS}",
                asked.from_s(),
                asked.to_s()
            );
            spawn_local(async move {
                let answer = live::get_text(&url).await;
                match answer.map(|body| serde_json::from_str::<RangeView>(&body)) {
                    Ok(Ok(new)) => {
                        range.set(new);
                        trouble.set(None);
                    }
                    Ok(Err(_)) => {
                        trouble.set(Some("The chart could not be read. Reload the page.".to_owned()))
                    }
                    Err(text) => trouble.set(Some(text)),
                }
            });
        });
    });
}
