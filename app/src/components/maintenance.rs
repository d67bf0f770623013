//! Maintenance mode on every page: a banner while it is on.

use leptos::prelude::*;
use quarterdeck_domain::{
    access::{Permission, decide},
    maintenance::{Mode, Stage},
};

use super::moment::Time;
use crate::{ports::RequestContext, view::maintenance::MaintenanceView};

/// Whether the person may ask for guarded actions: others are shown no way to what they may not do.
pub(crate) fn may_ask() -> bool {
    use_context::<RequestContext>()
        .and_then(|request| request.subject)
        .is_some_and(|subject| decide(&subject, Permission::RequestAction).is_allowed())
}

/// How loud the banner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    /// An action is switching it.
    Switching,
    /// It is on, as planned.
    InTime,
    /// The expected end is near.
    NearsEnd,
    /// The expected end is over.
    Overrun,
    /// Nobody here switched it on, or only a part is on.
    Odd,
}

impl Tone {
    /// `None` while there is nothing to say.
    fn of(view: &MaintenanceView) -> Option<Self> {
        match (view.mode, &view.held) {
            (Mode::On, Some(held)) => Some(match held.stage {
                Stage::InTime => Self::InTime,
                Stage::NearsEnd => Self::NearsEnd,
                Stage::Overrun => Self::Overrun,
            }),
            (Mode::On, None) | (Mode::Mixed, _) => Some(Self::Odd),
            (Mode::Off | Mode::Unknown, _) => view.switching.as_ref().map(|_| Self::Switching),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Switching => "switching",
            Self::InTime => "in_time",
            Self::NearsEnd => "nears_end",
            Self::Overrun => "overrun",
            Self::Odd => "odd",
        }
    }

    const fn headline(self, mode: Mode) -> &'static str {
        match (self, mode) {
            (Self::Switching, _) => "Maintenance mode is being switched",
            (Self::InTime, _) => "Maintenance mode is on",
            (Self::NearsEnd, _) => "Maintenance mode is on, and its expected end is near",
            (Self::Overrun, _) => "Maintenance mode is on for longer than expected",
            (Self::Odd, Mode::Mixed) => "Maintenance mode is on in part",
            (Self::Odd, Mode::On | Mode::Off | Mode::Unknown) => {
                "Maintenance mode is on, and was not switched on by this console"
            }
        }
    }
}

/// The banner: there and hidden while the mode is off, so that it can appear on a page that is open.
#[component]
pub fn MaintenanceBanner(
    /// What is known.
    view: MaintenanceView,
) -> impl IntoView {
    let tone = Tone::of(&view);
    view! {
        <aside
            class="maintenance-banner"
            id="maintenance-banner"
            data-live="part"
            data-tone=tone.map_or("none", Tone::as_str)
            aria-label="Maintenance mode"
            hidden=tone.is_none()
        >
            {tone.map(|tone| view! { <Content view tone /> })}
        </aside>
    }
}

#[component]
fn Content(view: MaintenanceView, tone: Tone) -> impl IntoView {
    let switching = view.switching.filter(|_| tone == Tone::Switching).map(|action| {
        let path = format!("/actions/{}", action.id);
        view! { <a href=path>{format!("action {}", action.number)}</a> }
    });
    let noticed = view.since_ms.filter(|_| view.held.is_none() && tone == Tone::Odd);
    let noticed = noticed.map(|since_ms| view! { <span>"noticed " <Time at_ms=since_ms /></span> });
    let details = view.held.map(|held| {
        let path = format!("/actions/{}", held.action.id);
        view! {
            <span>
                {if tone == Tone::Overrun { "it was expected to be over at " } else { "until " }}
                <Time at_ms=held.expected_end_ms />
            </span>
            <span>{format!("by {}, ", held.by)} <a href=path>{format!("action {}", held.action.number)}</a></span>
            <span class="maintenance-reason">{held.reason}</span>
        }
    });
    let problem = view
        .problem
        .map(|problem| view! { <span class="maintenance-reason">{problem}</span> });
    let off = (tone != Tone::Switching && may_ask()).then(|| {
        view! { <a class="maintenance-act" href="/actions/new?kind=maintenance_off">"Switch it off"</a> }
    });
    view! {
        <svg class="shape" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d="M2 2h12v12H2zM6 4.5v7M10 4.5v7" fill="none" stroke="currentColor" stroke-width="2"></path>
        </svg>
        <p>
            <strong class="maintenance-headline">{tone.headline(view.mode)}</strong>
            {switching}
            {details}
            {noticed}
            {problem}
        </p>
        {off}
    }
}
