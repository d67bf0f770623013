//! A console without a server behind it: a fake, for rendering pages with data that a test or a look at the design
//! needs. What it says is made up; nothing of it is a result.

#![allow(
    dead_code,
    clippy::expect_used,
    missing_docs,
    reason = "shared by several tests, each of which needs a part"
)]

mod actions;
mod audit;
mod backups;
mod database;
mod maintenance;
mod overview;
mod port;
mod rows;
mod tiles;
mod tokens;
mod topology;

use std::sync::Arc;

use quarterdeck_app::ports::{ConsoleHandle, RequestContext, Theme};
use quarterdeck_domain::access::{Assurance, Credential, Role, Subject};
use uuid::Uuid;

/// 2026-11-24 22:11:03 UTC.
pub const NOW_MS: i64 = 1_795_558_263_000;

/// Which picture the fake paints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Everything is well.
    Calm,
    /// Some of everything.
    Mixed,
    /// Prometheus is gone.
    Blind,
    /// Nearly everything is bad, names are long, and there are many of them.
    Storm,
    /// The console has just started.
    Fresh,
    /// Everything was well, a minute ago.
    Old,
}

impl Scenario {
    pub fn parse(name: &str) -> Self {
        match name {
            "calm" => Self::Calm,
            "blind" => Self::Blind,
            "storm" => Self::Storm,
            "fresh" => Self::Fresh,
            "old" => Self::Old,
            _ => Self::Mixed,
        }
    }
}

pub struct FakeConsole {
    pub scenario: Scenario,
    pub now_ms: i64,
}

pub fn console(scenario: Scenario) -> ConsoleHandle {
    Arc::new(FakeConsole {
        scenario,
        now_ms: NOW_MS,
    })
}

pub fn subject() -> Subject {
    Subject {
        user_id: Uuid::from_u128(1),
        username: "ada".into(),
        display_name: "Ada Lovelace".into(),
        role: Role::Operator,
        credential: Credential::Session(Uuid::from_u128(2)),
        assurance: Assurance::Current,
    }
}

pub fn request(path_and_query: &str) -> RequestContext {
    RequestContext {
        subject: Some(subject()),
        display_name: "Ada Lovelace".into(),
        new_token: None,
        csrf_token: "csrf-token".into(),
        theme: Theme::System,
        path_and_query: path_and_query.into(),
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        demo: true,
        stylesheet: "/pkg/quarterdeck.css".into(),
    }
}
