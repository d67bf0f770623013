//! An event in a sentence that a person reads without knowing the names of actions: "ada signed in".

use super::event::{Action, Actor, Event, Outcome};

/// What was done, as it follows on its actor: as done, and as something that was wanted.
struct Deed {
    /// "signed in".
    done: String,
    /// "sign in".
    wanted: String,
}

impl Deed {
    /// Of a verb that is the same but for its beginning: `deed("end", "ended", "the session x")`.
    fn new(wanted: &str, done: &str, what: &str) -> Self {
        let space = if what.is_empty() { "" } else { " " };
        Self {
            done: format!("{done}{space}{what}"),
            wanted: format!("{wanted}{space}{what}"),
        }
    }
}

/// Who acted, at the beginning of a sentence.
fn who(actor: &Actor) -> String {
    match actor {
        Actor::User { name, .. } => name.clone(),
        Actor::CommandLine { name } => {
            let name = name.strip_prefix("cli:").unwrap_or(name);
            format!("{name} (command line)")
        }
        Actor::System => "The console".to_owned(),
        Actor::Anonymous => "Somebody who was not signed in".to_owned(),
    }
}

/// The event in a sentence, without a full stop.
#[must_use]
pub fn sentence(event: &Event) -> String {
    let Event { actor, outcome, .. } = event;
    let deed = deed(event);
    match outcome {
        Outcome::Succeeded => format!("{} {}", who(actor), deed.done),
        Outcome::Refused => format!("{} was not allowed to {}", who(actor), deed.wanted),
        Outcome::Failed => format!("{} tried to {}, and it failed", who(actor), deed.wanted),
    }
}

fn deed(event: &Event) -> Deed {
    let object = &event.object.id;
    let detail = |name: &str| event.detail.text(name).unwrap_or("?");
    match event.action {
        Action::SessionOpened => Deed::new("sign in", "signed in", ""),
        Action::SessionRefused => {
            let account = match object.as_str() {
                "unknown" => "under a name that no account has".to_owned(),
                known => format!("as {known}"),
            };
            let reason = event.detail.text("reason").map(|r| r.replace('_', " "));
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            Deed::new("sign in", "signed in", &format!("{account}{reason}"))
        }
        Action::SessionClosed => Deed::new("sign out", "signed out", ""),
        Action::SessionRevoked => Deed::new("end", "ended", &format!("a session of {}", detail("account"))),
        Action::SessionReuseDetected => Deed::new(
            "end",
            "ended",
            &format!(
                "a session of {}, because a copy of its token was used",
                detail("account")
            ),
        ),
        Action::AccountCreated => Deed::new(
            "make",
            "made",
            &format!("the account {object} with the role {}", detail("role")),
        ),
        Action::AccountPasswordChanged => {
            Deed::new("set", "set", &format!("a new password for the account {object}"))
        }
        Action::AccountRoleChanged => Deed::new(
            "change",
            "changed",
            &format!("the role of {object} from {} to {}", detail("from"), detail("to")),
        ),
        Action::AccountEmailChanged => Deed::new(
            "change",
            "changed",
            &format!(
                "the e-mail address of {object} from {} to {}",
                detail("from"),
                detail("to")
            ),
        ),
        Action::AccountDisabled => Deed::new("disable", "disabled", &format!("the account {object}")),
        Action::AccountEnabled => Deed::new("enable", "enabled", &format!("the account {object}")),
        Action::AccessRefused => {
            let asked = event.detail.text("asked_for").unwrap_or(object);
            Deed::new(
                "use",
                "used",
                &format!("{asked} ({} {object})", event.object.kind),
            )
        }
        Action::SigningKeyRotated => {
            Deed::new("start", "started", &format!("using the signing key {object}"))
        }
        Action::ApiTokenCreated => Deed::new("make", "made", &format!("the API token {}", detail("label"))),
        Action::ApiTokenRevoked => {
            Deed::new("revoke", "revoked", &format!("the API token {}", detail("label")))
        }
        Action::AuditExported => {
            let which = match object.as_str() {
                "all" => "the whole audit log",
                _ => "a part of the audit log",
            };
            Deed::new("export", "exported", which)
        }
        Action::ActionRequested => Deed::new("ask for", "asked for", &guarded(event)),
        Action::ActionApproved => Deed::new("agree to", "agreed to", &guarded(event)),
        Action::ActionRejected => Deed::new("say no to", "said no to", &guarded(event)),
        Action::ActionCancelled => Deed::new("take back", "took back", &guarded(event)),
        Action::ActionExpired => Deed::new(
            "drop",
            "dropped",
            &format!("{}: nobody started it in time", guarded(event)),
        ),
        Action::ActionStarted => Deed::new("start", "started", &guarded(event)),
        Action::ActionStopAsked => Deed::new("stop", "asked to stop", &guarded(event)),
        Action::ActionSucceeded => Deed::new("do", "did", &guarded(event)),
        Action::ActionFailed => Deed::new(
            "do",
            "did",
            &format!(
                "{} (step {}: {})",
                guarded(event),
                detail("step"),
                detail("reason")
            ),
        ),
        Action::ActionOutcomeUnknown => Deed::new(
            "do",
            "did",
            &format!(
                "{} (whether the step {} took effect is not known)",
                guarded(event),
                detail("step")
            ),
        ),
        Action::ActionReviewed => Deed::new("review", "reviewed", &guarded(event)),
        Action::ActionStepBegun => Deed::new(
            "begin",
            "began",
            &format!("the step {} of {}", detail("step"), guarded(event)),
        ),
        Action::ActionStepEnded => Deed::new(
            "do",
            "did",
            &format!("the step {} of {}", detail("step"), guarded(event)),
        ),
        Action::JournalOpened => {
            let aside = event.detail.text("kept_aside");
            let aside =
                aside.map(|aside| format!("; the one before was not whole and is kept aside ({aside})"));
            Deed::new(
                "begin",
                "began",
                &format!("the local journal {object}{}", aside.unwrap_or_default()),
            )
        }
        Action::DrillBegun => Deed::new(
            "begin",
            "began",
            &format!("the restore drill {object} of {}", detail("backup")),
        ),
        Action::DrillEnded => {
            let what = format!("the restore drill {object} of {}", detail("backup"));
            match event.detail.text("state") {
                Some("succeeded") | None => Deed::new("finish", "finished", &what),
                Some(state) => Deed::new("finish", "finished", &format!("{what} ({state})")),
            }
        }
        Action::DrillCancelled => Deed::new("end", "asked to end", &format!("the restore drill {object}")),
        Action::BackupDeleted => Deed::new("delete", "deleted", &format!("{object}: {}", detail("reason"))),
        Action::BackupPinned => Deed::new(
            "pin",
            "pinned",
            &format!("the backup {object}: {}", detail("reason")),
        ),
        Action::BackupUnpinned => Deed::new("unpin", "unpinned", &format!("the backup {object}")),
        Action::MaintenanceChangedElsewhere => Deed::new(
            "notice",
            "noticed",
            &format!(
                "that maintenance mode was changed by other means: it was {} and is {}",
                detail("was"),
                detail("now")
            ),
        ),
        Action::MaintenanceOverran => Deed::new(
            "notice",
            "noticed",
            &format!(
                "that the maintenance of {} (action {}) lasts longer than expected",
                detail("by"),
                detail("number")
            ),
        ),
        Action::ClusterNodeFenced => Deed::new(
            "keep",
            "kept",
            &format!(
                "{} from taking writes when it came back: {} is the primary since action {}",
                detail("node"),
                detail("primary"),
                detail("number")
            ),
        ),
        Action::ClusterLossMeasured => Deed::new(
            "measure",
            "measured",
            &format!(
                "what action {} has lost: {} transactions that only {} has",
                detail("number"),
                detail("transactions"),
                detail("node")
            ),
        ),
        Action::ClusterFenceLifted => Deed::new(
            "lift",
            "lifted",
            &format!(
                "the order that {} takes no writes: {}",
                detail("node"),
                detail("why")
            ),
        ),
        Action::ClusterSplit => Deed::new(
            "notice",
            "noticed",
            &format!("that {} take writes at once: a split brain", detail("nodes")),
        ),
        Action::ClusterWhole => Deed::new(
            "notice",
            "noticed",
            &format!("that {} do not take writes at once any more", detail("nodes")),
        ),
        Action::BackupRunStarted => {
            Deed::new("start", "started", &format!("a backup now: {}", detail("method")))
        }
        Action::BackupRunSucceeded => Deed::new(
            "make",
            "made",
            &format!("the backup {} ({})", detail("backup"), detail("method")),
        ),
        Action::BackupRunFailed => Deed::new(
            "make",
            "made",
            &format!("a backup ({}): {}", detail("method"), detail("error")),
        ),
        Action::BackupRunCancelled => Deed::new(
            "give up",
            "gave up",
            &format!(
                "the backup that was being made ({}), as {} wanted",
                detail("method"),
                detail("by")
            ),
        ),
        Action::BackupRunLost => Deed::new(
            "give up",
            "gave up",
            &format!(
                "a backup ({}) for lost: the console {} that made it is not heard of any more",
                detail("method"),
                detail("host")
            ),
        ),
        Action::BackupRunReported => Deed::new(
            "report",
            "reported",
            &format!(
                "a backup that was made elsewhere ({}): it {}",
                detail("method"),
                detail("state")
            ),
        ),
        Action::BackupFoundDamaged => Deed::new(
            "find",
            "found",
            &format!("the backup {object} damaged: {}", detail("damage")),
        ),
        Action::PolicyChanged => Deed::new(
            "bring",
            "brought",
            &format!("version {object} of the policy into force"),
        ),
    }
}

/// A guarded action in few words: "terminate backend: backend 4711 on primary".
fn guarded(event: &Event) -> String {
    let detail = |name: &str| event.detail.text(name).unwrap_or("?");
    let glass = if event.detail.flag("break_glass") {
        ", without approvals"
    } else {
        ""
    };
    format!("{}: {}{glass}", detail("kind").replace('_', " "), detail("what"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Detail, Object};
    use time::macros::datetime;
    use uuid::Uuid;

    fn event(actor: Actor, action: Action, object: Object, outcome: Outcome, detail: Detail) -> Event {
        Event {
            id: Uuid::from_u128(1),
            recorded_at: datetime!(2026-11-24 22:00 UTC),
            actor,
            action,
            object,
            outcome,
            detail,
            source: None,
            trace_id: None,
        }
    }

    fn ada() -> Actor {
        Actor::User {
            id: Uuid::from_u128(2),
            name: "ada".into(),
        }
    }

    #[test]
    fn a_person_can_read_it() {
        use Outcome::{Failed, Refused, Succeeded};
        let cli = Actor::CommandLine {
            name: "cli:root".into(),
        };
        let cases = [
            (
                event(
                    ada(),
                    Action::SessionOpened,
                    Object::new("session", "s"),
                    Succeeded,
                    Detail::none(),
                ),
                "ada signed in",
            ),
            (
                event(
                    Actor::Anonymous,
                    Action::SessionRefused,
                    Object::new("account", "ada"),
                    Refused,
                    Detail::none().with("reason", "wrong_password"),
                ),
                "Somebody who was not signed in was not allowed to sign in as ada: wrong password",
            ),
            (
                event(
                    cli,
                    Action::AccountRoleChanged,
                    Object::new("account", "grace"),
                    Succeeded,
                    Detail::none().with("from", "viewer").with("to", "operator"),
                ),
                "root (command line) changed the role of grace from viewer to operator",
            ),
            (
                event(
                    ada(),
                    Action::AccessRefused,
                    Object::new("permission", "audit.view"),
                    Refused,
                    Detail::none().with("asked_for", "/audit"),
                ),
                "ada was not allowed to use /audit (permission audit.view)",
            ),
            (
                event(
                    Actor::System,
                    Action::AuditExported,
                    Object::new("audit_log", "all"),
                    Failed,
                    Detail::none(),
                ),
                "The console tried to export the whole audit log, and it failed",
            ),
        ];
        for (event, said) in cases {
            assert_eq!(sentence(&event), said);
        }
    }

    #[test]
    fn each_action_has_a_sentence_of_its_own() {
        let mut all: Vec<String> = Action::ALL
            .iter()
            .map(|action| {
                let object = Object::new("thing", "x1");
                sentence(&event(ada(), *action, object, Outcome::Succeeded, Detail::none()))
            })
            .collect();
        for said in &all {
            assert!(said.starts_with("ada ") && said.len() > "ada ".len(), "{said}");
            assert!(!said.ends_with(' ') && !said.contains("  "), "{said:?}");
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count, "two actions read the same");
    }
}
