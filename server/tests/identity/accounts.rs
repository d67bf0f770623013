//! Accounts at the command line: every change is on record, with who made it.

use quarterdeck::cli::user::{UserCommand, run};
use quarterdeck::services::audit::verify_database;
use quarterdeck::services::identity::{AccountError, NewAccount};
use quarterdeck_domain::access::Role;
use quarterdeck_domain::audit::{Action, Actor};

use crate::console::{Console, PASSWORD, by};

async fn command(console: &Console, command: UserCommand) -> String {
    let mut out = Vec::new();
    run(command, &console.database.config(), &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

fn new(username: &str, password: &str) -> NewAccount {
    NewAccount {
        identity: None,
        username: username.into(),
        display_name: "Ada Lovelace".into(),
        role: Role::Viewer,
        password: password.into(),
        email: None,
    }
}

#[tokio::test]
async fn each_change_is_recorded_once_and_says_what_it_did() {
    let console = Console::start().await;
    console.accounts.add(&by(), new("ada", PASSWORD)).await.unwrap();
    let name = || "ada".to_owned();
    let role = || UserCommand::Role {
        name: name(),
        role: Role::Auditor,
    };
    assert_eq!(command(&console, role()).await, "ada now has the role auditor.\n");
    assert_eq!(command(&console, role()).await, "ada had the role auditor.\n");
    let disable = || UserCommand::Disable { name: name() };
    assert_eq!(
        command(&console, disable()).await,
        "ada is disabled; its sessions were ended.\n"
    );
    assert_eq!(command(&console, disable()).await, "ada was disabled already.\n");
    let list = command(&console, UserCommand::List).await;
    assert!(
        list.contains("ada") && list.contains("auditor") && list.contains("disabled"),
        "{list}"
    );
    assert_eq!(
        command(&console, UserCommand::Enable { name: name() }).await,
        "ada is enabled again.\n"
    );

    let email = |address: Option<&str>| UserCommand::Email {
        name: name(),
        address: address.map(str::to_owned),
    };
    let written = "ada is written to at ada@example.org.\n";
    assert_eq!(command(&console, email(Some(" ada@example.org"))).await, written);
    let already = "ada was already written to at ada@example.org.\n";
    assert_eq!(command(&console, email(Some("ada@example.org"))).await, already);
    let list = command(&console, UserCommand::List).await;
    assert!(list.contains("ada@example.org"), "{list}");
    assert_eq!(command(&console, email(None)).await, "ada is not written to.\n");

    for (action, expected) in [
        (Action::AccountCreated, 1),
        (Action::AccountEmailChanged, 2),
        (Action::AccountRoleChanged, 1),
        (Action::AccountDisabled, 1),
        (Action::AccountEnabled, 1),
    ] {
        let events = console.recorded(action).await;
        assert_eq!(events.len(), expected, "{action:?}");
        assert!(matches!(&events[0].actor, Actor::CommandLine { name } if name.starts_with("cli:")));
        assert_eq!(events[0].object.id, "ada");
    }
    let change = &console.recorded(Action::AccountRoleChanged).await[0];
    assert_eq!(
        (change.detail.text("from"), change.detail.text("to")),
        (Some("viewer"), Some("auditor"))
    );
    verify_database(&mut console.database.owner().await, None)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_cannot_be_done_changes_and_records_nothing() {
    let console = Console::start().await;
    console.accounts.add(&by(), new("ada", PASSWORD)).await.unwrap();
    let add = async |username: &str, password: &str| {
        console
            .accounts
            .add(&by(), new(username, password))
            .await
            .unwrap_err()
    };
    assert!(matches!(add("ADA", PASSWORD).await, AccountError::Taken(name) if name == "ada"));
    assert!(matches!(add("b b", PASSWORD).await, AccountError::Username(_)));
    assert!(matches!(add("bob", "short").await, AccountError::Password(_)));
    let unknown = console.accounts.disable(&by(), "bob").await.unwrap_err();
    assert!(matches!(unknown, AccountError::Unknown(name) if name == "bob"));
    for wrong in [
        "ada",
        "ada@",
        "ada@example.org, eve@example.org",
        "ada@example.org\r\nBcc: eve@example.org",
    ] {
        let refused = console
            .accounts
            .set_email(&by(), "ada", Some(wrong))
            .await
            .unwrap_err();
        assert!(matches!(refused, AccountError::Email(_)), "{wrong}");
    }
    assert_eq!(console.accounts.list().await.unwrap().len(), 1);
    assert_eq!(console.recorded(Action::AccountCreated).await.len(), 1);
    assert_eq!(console.recorded(Action::AccountDisabled).await.len(), 0);
}

#[tokio::test]
async fn a_change_that_cannot_be_recorded_is_not_made() {
    let console = Console::start().await;
    console.accounts.add(&by(), new("ada", PASSWORD)).await.unwrap();
    console
        .database
        .as_superuser("revoke insert (canonical) on quarterdeck.audit_intake from deck_console")
        .await;
    assert!(
        console
            .accounts
            .set_role(&by(), "ada", Role::Admin)
            .await
            .is_err()
    );
    assert_eq!(console.accounts.list().await.unwrap()[0].role, Role::Viewer);
}
