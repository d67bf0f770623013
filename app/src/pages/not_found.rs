//! The answer to an address that leads nowhere.

use leptos::prelude::*;

use crate::{
    components::{failure::Failure, page::Page},
    error::ConsoleError,
};

/// Status 404, and ways on.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    let error = ConsoleError::NotFound("There is no page at this address.".to_owned());
    view! {
        <Page title="Not found" name="failure">
            <Failure error />
        </Page>
    }
}
