//! What pages and calls refuse stands in the audit log. Today every role may see every page, so the console behind them
//! is asked for what a viewer may not.

use std::net::{IpAddr, Ipv4Addr};

use quarterdeck::{db, services::audit::Origin};
use quarterdeck_app::error::ConsoleError;
use quarterdeck_domain::{
    access::{Assurance, Credential, Permission, Role, Subject},
    audit::{Action, Actor, Outcome},
};
use uuid::Uuid;

use crate::{
    database::TestDatabase,
    deck::{Sources, wired},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_does_not_include_is_refused_and_recorded() {
    let database = TestDatabase::migrated().await;
    let sources = Sources {
        database_url: database.config().url,
        prometheus: "http://127.0.0.1:9",
        redis: None,
        more: "",
    };
    let (console, _profile) = wired(sources, "http://127.0.0.1:3000").await;
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    let origin = Origin {
        address: Some(address),
        user_agent: "Testfox/1.0".into(),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        api_token: None,
    };
    let asked = console.state.console.asked_by(origin, "/accounts".into());
    let vera = Subject {
        user_id: Uuid::from_u128(7),
        username: "vera".into(),
        display_name: "Vera".into(),
        role: Role::Viewer,
        credential: Credential::Session(Uuid::from_u128(8)),
        assurance: Assurance::Current,
    };

    for permission in [
        Permission::ManageAccounts,
        Permission::ViewAccounts,
        Permission::ViewHealth,
    ] {
        let answer = asked.allow(&vera, permission);
        if permission == Permission::ViewHealth {
            answer.unwrap();
        } else {
            assert!(
                matches!(&answer, Err(ConsoleError::Refused(words)) if words.contains("the role viewer")),
                "{answer:?}"
            );
        }
    }
    // The database that would take the record is what is away.
    let admin = Subject {
        role: Role::Admin,
        assurance: Assurance::Outage,
        ..vera.clone()
    };
    assert!(asked.allow(&admin, Permission::ManageAccounts).is_err());

    // What waits to be recorded is recorded before the console ends.
    drop(asked);
    console.shut_down().await;
    let mut events = db::audit::latest(&database.pool(), Some(Action::AccessRefused), 50)
        .await
        .unwrap();
    events.reverse();
    let asked_for: Vec<&str> = events.iter().map(|event| event.object.id.as_str()).collect();
    assert_eq!(asked_for, ["accounts.manage", "accounts.view"]);
    let refused = &events[0];
    assert_eq!(
        refused.actor,
        Actor::User {
            id: vera.user_id,
            name: "vera".into()
        }
    );
    assert_eq!(refused.outcome, Outcome::Refused);
    assert_eq!(refused.detail.text("reason"), Some("role"));
    assert_eq!(refused.detail.text("asked_for"), Some("/accounts"));
    assert_eq!(refused.source, Some(address));
    assert_eq!(
        refused.trace_id.as_deref(),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
}
