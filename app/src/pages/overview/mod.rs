//! `/`: one look tells the state of everything.

mod alerts;
mod board;
mod estate;
mod maintenance;
mod state;
mod tile;
mod verdict;
mod worst;

use leptos::prelude::*;

pub use board::OverviewBoard;
use maintenance::MaintenancePanel;
pub(crate) use tile::{Since, Value, note};

use crate::{
    components::{failure::Failure, page::Page, sent::Sent},
    pages::{Signed, signed},
};

/// The overview, complete in the first HTML and live after that.
#[component]
pub fn OverviewPage() -> impl IntoView {
    let loaded = signed().and_then(|Signed { console, subject, .. }| {
        let view = console.overview(&subject)?;
        let maintenance = console.maintenance(&subject)?;
        Ok((view, maintenance, console.may_request(&subject), console.now_ms()))
    });
    match loaded {
        Ok((view, maintenance, may, rendered_at_ms)) => {
            let panel = maintenance.map(|view| view! { <MaintenancePanel view /> });
            view! {
                <Page title="Overview" name="overview" live=true>
                    <OverviewBoard view=Sent(view) may=Sent(may) rendered_at_ms />
                    {panel}
                </Page>
            }
            .into_any()
        }
        Err(error) => view! {
            <Page title="Overview" name="failure">
                <Failure error />
            </Page>
        }
        .into_any(),
    }
}
