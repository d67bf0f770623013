//! Which page answers which address.

use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::{
    SsrMode,
    components::{FlatRoutes, Route, Router},
    path,
};

use crate::pages::{
    account::{sessions::SessionsPage, sign_in::SignInPage, tokens::TokensPage},
    actions::{ActionPage, ActionsPage, NewActionPage, PolicyPage},
    audit::{entry::AuditEntryPage, list::AuditPage},
    backups::{BackupsPage, CopyPage, RunPage},
    database::{DatabasePage, TopologyPage},
    emergency::EmergencyPage,
    health::metric::MetricPage,
    not_found::NotFoundPage,
    overview::OverviewPage,
    runbook::RunbookPage,
};

/// All pages. Every one is sent when it is complete: nothing waits for a script.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Router>
            <FlatRoutes fallback=NotFoundPage>
                <Route path=path!("/") view=OverviewPage ssr=SsrMode::Async />
                <Route path=path!("/database") view=DatabasePage ssr=SsrMode::Async />
                <Route path=path!("/database/topology") view=TopologyPage ssr=SsrMode::Async />
                <Route path=path!("/backups") view=BackupsPage ssr=SsrMode::Async />
                <Route path=path!("/backups/runs/:id") view=RunPage ssr=SsrMode::Async />
                <Route path=path!("/backups/copies") view=CopyPage ssr=SsrMode::Async />
                <Route path=path!("/health/:id") view=MetricPage ssr=SsrMode::Async />
                <Route path=path!("/actions") view=ActionsPage ssr=SsrMode::Async />
                <Route path=path!("/actions/new") view=NewActionPage ssr=SsrMode::Async />
                <Route path=path!("/actions/policy") view=PolicyPage ssr=SsrMode::Async />
                <Route path=path!("/actions/:id") view=ActionPage ssr=SsrMode::Async />
                <Route path=path!("/emergency") view=EmergencyPage ssr=SsrMode::Async />
                <Route path=path!("/runbooks/:name") view=RunbookPage ssr=SsrMode::Async />
                <Route path=path!("/audit") view=AuditPage ssr=SsrMode::Async />
                <Route path=path!("/audit/:seq") view=AuditEntryPage ssr=SsrMode::Async />
                <Route path=path!("/sign-in") view=SignInPage ssr=SsrMode::Async />
                <Route path=path!("/account/sessions") view=SessionsPage ssr=SsrMode::Async />
                <Route path=path!("/account/tokens") view=TokensPage ssr=SsrMode::Async />
            </FlatRoutes>
        </Router>
    }
}
