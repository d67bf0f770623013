//! `/actions/<id>`: one action, live.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::board::ActionBoard;
use crate::{
    components::{failure::Failure, page::Page},
    error::ConsoleError,
    pages::{Signed, signed},
    view::action::ActionView,
};

/// The page.
#[component]
pub fn ActionPage() -> impl IntoView {
    let signed = signed();
    let id = use_params_map().get_untracked().get("id").unwrap_or_default();
    view! {
        <Page title="Action" name="action" live=true action=id.clone()>
            {Suspend::new(async move {
                match load(signed, &id).await {
                    Ok((csrf, view)) => view! { <ActionBoard view csrf /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(signed: Result<Signed, ConsoleError>, id: &str) -> Result<(String, ActionView), ConsoleError> {
    let Signed {
        console,
        request,
        subject,
    } = signed?;
    let view = console.action(&subject, id).await?;
    Ok((request.csrf_token, view))
}
