//! Events to record, and reading the log back.

use std::sync::Arc;

use quarterdeck::clock::SystemClock;
use quarterdeck::entropy::SystemEntropy;
use quarterdeck::services::audit::{EventMaker, Origin};
use quarterdeck_domain::audit::{Action, Actor, Detail, Event, Object, Outcome};

/// Makes events with the machine's clock.
pub fn maker() -> EventMaker {
    EventMaker::new(Arc::new(SystemClock), Arc::new(SystemEntropy))
}

/// An event about the object `name`.
pub fn event(name: &str) -> Event {
    let origin = Origin {
        address: Some([192, 0, 2, 7].into()),
        user_agent: "test".into(),
        trace_id: None,
        api_token: None,
    };
    maker().event(
        &origin,
        Actor::CommandLine {
            name: "cli:ädä \"x\"".into(),
        },
        Action::SessionOpened,
        Object::new("session", name),
        Outcome::Succeeded,
        Detail::none().with("note", "line\nbreak \u{1F6A2}"),
    )
}
