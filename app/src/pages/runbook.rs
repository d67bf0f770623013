//! `/runbooks/<name>`: what to do about an alert, readable when everything else is down.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use crate::{
    components::{failure::Failure, page::Page},
    pages::signed,
};

/// The page of one runbook.
#[component]
pub fn RunbookPage() -> impl IntoView {
    let name = use_params_map().get_untracked().get("name").unwrap_or_default();
    match signed().and_then(|s| s.console.runbook(&s.subject, &name)) {
        Ok(runbook) => view! {
            <Page title=runbook.title.clone() name="runbook">
                <h1>{runbook.title}</h1>
                <article class="prose panel" inner_html=runbook.html></article>
            </Page>
        }
        .into_any(),
        Err(error) => view! {
            <Page title="Runbook" name="runbook">
                <Failure error />
            </Page>
        }
        .into_any(),
    }
}
