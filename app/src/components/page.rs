//! What surrounds every page of somebody who is signed in: skip link, top bar, main, the islands of all pages.

use leptos::prelude::*;
use leptos_meta::Title;

use super::{
    account_menu::AccountMenu,
    connection::ConnectionState,
    follow::FollowParts,
    icon::Mark,
    maintenance::MaintenanceBanner,
    moment::LocalTimes,
    navigation::{Navigation, entries},
    palette::CommandPalette,
    split::SplitBanner,
};
use crate::ports::{ConsoleHandle, RequestContext};

/// Top bar and main of a page.
#[component]
pub fn Page(
    /// The document's title, without the console's name.
    #[prop(into)]
    title: String,
    /// Names the page for its styles.
    name: &'static str,
    /// Whether the page follows the event stream, and so shows the state of its connection.
    #[prop(optional)]
    live: bool,
    /// The guarded action that the page shows, so that its parts follow what happens to it.
    #[prop(optional)]
    action: Option<String>,
    /// The page.
    children: Children,
) -> impl IntoView {
    let console = use_context::<ConsoleHandle>();
    let request = use_context::<RequestContext>();
    let system = console.as_ref().map(|c| c.title()).unwrap_or_default();
    let pages = request
        .as_ref()
        .and_then(|r| r.subject.as_ref())
        .map(entries)
        .unwrap_or_default();
    let path = request.as_ref().map_or_else(String::new, |r| {
        r.path_and_query.split('?').next().unwrap_or_default().to_owned()
    });
    let waiting = console
        .as_ref()
        .zip(request.as_ref().and_then(|r| r.subject.as_ref()))
        .and_then(|(console, subject)| console.action_counts(subject).ok())
        .map_or(0, |counts| counts.waiting_for_me);
    let signed_in = request.as_ref().is_some_and(|r| r.subject.is_some());
    let metrics = console
        .as_ref()
        .filter(|_| signed_in)
        .map(|c| c.metric_index())
        .unwrap_or_default();
    let rendered_at_ms = console.as_ref().map_or(0, |c| c.now_ms());
    let maintenance = console
        .as_ref()
        .zip(request.as_ref().and_then(|r| r.subject.as_ref()))
        .and_then(|(console, subject)| console.maintenance(subject).ok().flatten());
    let split = console
        .as_ref()
        .zip(request.as_ref().and_then(|r| r.subject.as_ref()))
        .and_then(|(console, subject)| console.split(subject).ok());
    // Only a page that has the stream already follows it for what the server draws.
    let since = console
        .as_ref()
        .filter(|_| live && (maintenance.is_some() || split.is_some() || action.is_some()))
        .map(|console| console.last_event_id());
    view! {
        <Title text=format!("{title} · {system} · Quarterdeck") />
        <a class="skip-link" href="#main">
            "Skip to content"
        </a>
        <header class="top-bar">
            <a class="brand" href="/">
                <Mark />
                <span class="brand-name">"Quarterdeck"</span>
            </a>
            <span class="brand-system">{system}</span>
            <Navigation entries=pages.clone() path waiting />
            {live.then(|| view! { <ConnectionState rendered_at_ms /> })}
            <div class="top-bar-tools">
                {signed_in.then(|| view! { <CommandPalette pages metrics /> })}
                {request.map(|request| view! { <AccountMenu request /> })}
            </div>
        </header>
        {split.map(|view| view! { <SplitBanner view /> })}
        {maintenance.map(|view| view! { <MaintenanceBanner view /> })}
        {since.map(|since| view! { <FollowParts since action /> })}
        <main id="main" class=format!("page page-{name}") tabindex="-1">
            {children()}
        </main>
        <LocalTimes />
    }
}
