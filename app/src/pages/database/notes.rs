//! What the console does not see or may not do on a node, and how that is mended.

use leptos::prelude::*;

use crate::view::database::DatabaseSessionsView;

/// One message a missing privilege, each with its statement.
#[component]
pub(super) fn Notes(view: Memo<DatabaseSessionsView>) -> impl IntoView {
    let missing = Memo::new(move |_| view.with(|v| v.missing.clone()));
    view! {
        {move || {
            missing
                .get()
                .into_iter()
                .map(|m| view! {
                    <p class="message" data-kind="error">
                        {m.lost} " Run as a superuser: " <code>{m.grant}</code>
                    </p>
                })
                .collect_view()
        }}
    }
}
