//! Who waits for whom.

use leptos::prelude::*;

use super::row::named;
use crate::view::database::BlockingView;

/// The picture of who waits for whom, as lists in lists; or that nobody waits.
#[component]
pub(super) fn Blocking(waits: Memo<Vec<BlockingView>>) -> impl IntoView {
    view! {
        <section class="panel blocking" aria-labelledby="blocking-title">
            <h2 id="blocking-title">"Who waits for whom"</h2>
            {move || {
                let waits = waits.get();
                if waits.is_empty() {
                    view! { <p class="empty">"Nobody waits for a lock."</p> }.into_any()
                } else {
                    below(&waits, 0)
                }
            }}
        </section>
    }
}

/// The entries of one depth, each with what stands below it.
fn below(entries: &[BlockingView], depth: u32) -> AnyView {
    let mut items = Vec::new();
    let mut rest = entries;
    while let Some((first, after)) = rest.split_first() {
        let length = after.iter().take_while(|e| e.depth > depth).count();
        let (inner, next) = after.split_at(length);
        items.push(entry(first, inner, depth));
        rest = next;
    }
    view! { <ul class="waits">{items}</ul> }.into_any()
}

fn entry(of: &BlockingView, inner: &[BlockingView], depth: u32) -> AnyView {
    let name = named(of.pid);
    let notes = [
        (of.holds_up > 0).then(|| format!("holds up {}", of.holds_up)),
        of.again.then(|| "see above".to_owned()),
    ];
    let notes = notes.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let inner = (!inner.is_empty()).then(|| below(inner, depth + 1));
    view! {
        <li>
            {if of.pid == 0 {
                view! { <b>{name}</b> }.into_any()
            } else {
                view! { <a href=format!("#backend-{}", of.pid)>{name}</a> }.into_any()
            }}
            " "
            <span class="waits-who">{of.who.clone()}</span>
            {(!notes.is_empty()).then(|| view! { <span class="session-mark">{notes}</span> })}
            {inner}
        </li>
    }
    .into_any()
}
