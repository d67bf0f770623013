//! Each way in which something is backed up, and how it is.

use leptos::prelude::*;

use super::{
    asked::Asked,
    forms::{May, RunNow},
};
use crate::{
    components::{
        icon::BandShape,
        moment::{Time, length},
        size::bytes,
    },
    view::backup::MethodView,
};

/// The methods, a row each.
#[component]
pub(super) fn Methods(
    methods: Vec<MethodView>,
    asked: Asked,
    now_ms: i64,
    may: Option<May>,
) -> impl IntoView {
    let none = methods.is_empty();
    let can_run = may.is_some();
    let rows = methods
        .into_iter()
        .map(|method| view! { <Row method asked=asked.clone() now_ms may=may.clone() /> })
        .collect_view();
    view! {
        <section class="panel backup-methods" id="methods" data-live="part" aria-labelledby="methods-title">
            <h2 id="methods-title">"Methods"</h2>
            {if none {
                view! {
                    <p class="empty">
                        "No method is configured. Each of [backups.dump], [backups.base], [backups.wal], [backups.redis_rdb] and \
                        [backups.redis_aof] in the configuration adds a row: how old the newest copy is, and when the next is made."
                    </p>
                }
                    .into_any()
            } else {
                view! {
                    <div class="table-frame" role="group" aria-label="Methods" tabindex="0">
                        <table class="table table-cards">
                            <thead>
                                <tr>
                                    <th scope="col">"Method"</th>
                                    <th scope="col">"State"</th>
                                    <th scope="col" class="figure">"Age"</th>
                                    <th scope="col">"Leads back to"</th>
                                    <th scope="col">"Next"</th>
                                    <th scope="col">"Schedule"</th>
                                    <th scope="col" class="figure">"Kept for"</th>
                                    <th scope="col" class="figure">"Copies"</th>
                                    <th scope="col" class="figure">"Size"</th>
                                    {can_run.then(|| view! { <th scope="col"><span class="hidden">"Run it"</span></th> })}
                                </tr>
                            </thead>
                            <tbody>{rows}</tbody>
                        </table>
                    </div>
                }
                    .into_any()
            }}
        </section>
    }
}

#[component]
fn Row(method: MethodView, asked: Asked, now_ms: i64, may: Option<May>) -> impl IntoView {
    let band = method.band;
    let href = Asked {
        method: Some(method.method),
        window: asked.window,
        ..Asked::default()
    }
    .href("#copies");
    let name = method.method.label();
    let name = if method.copies > 0 {
        view! { <a href=href>{name}</a> }.into_any()
    } else {
        name.into_any()
    };
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td data-label="State">
                <span class="band" data-band=band.as_str()>
                    <BandShape band />
                    <span class="band-word">{method.state}</span>
                </span>
            </td>
            <td class="figure" data-label="Age">
                {method.newest_at_ms.map_or_else(|| "–".to_owned(), |at_ms| length(now_ms - at_ms))}
            </td>
            <td data-label="Leads back to">
                {match method.newest_at_ms {
                    Some(at_ms) => view! { <Time at_ms /> }.into_any(),
                    None => "–".into_any(),
                }}
            </td>
            <td data-label="Next">
                {match method.next_at_ms {
                    Some(at_ms) if at_ms >= now_ms => format!("in {}", length(at_ms - now_ms)),
                    Some(at_ms) => format!("due for {}", length(now_ms - at_ms)),
                    None => "always".to_owned(),
                }}
            </td>
            <td data-label="Schedule"><code>{method.schedule}</code></td>
            <td class="figure" data-label="Kept for">{format!("{} d", method.keep_days)}</td>
            <td class="figure" data-label="Copies">{method.copies}</td>
            <td class="figure" data-label="Size">{bytes(method.bytes)}</td>
            {may.map(|may| view! { <td class="backup-do"><RunNow may=Some(may) method=method.method /></td> })}
        </tr>
    }
}
