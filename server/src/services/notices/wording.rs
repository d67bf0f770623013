//! A notice in words.

use quarterdeck_domain::maintenance::Mode;
use time::OffsetDateTime;

use super::{
    ActionNotice, ActionTopic, MaintenanceElsewhereNotice, MaintenanceEndNotice, MaintenanceEndTopic, Notice,
    SplitBrainNotice,
};

/// The longest subject, in characters: what phones and mail programs show of one.
const SUBJECT: usize = 150;

/// A notice as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// Whether somebody waits for it, or has to look at once.
    pub urgent: bool,
    /// What it is about and how urgent, on one line.
    pub subject: String,
    /// What happened, in a sentence or two.
    pub text: String,
    /// What else one needs to know to decide, one fact each: its name and what it is.
    pub facts: Vec<(&'static str, String)>,
    /// The page to go to: a path of the console.
    pub path: String,
}

impl Notice {
    /// The notice in words.
    pub fn wording(&self) -> Wording {
        let mut wording = match self {
            Self::Action(notice) => action(notice),
            Self::MaintenanceEnd(notice) => maintenance_end(notice),
            Self::MaintenanceElsewhere(notice) => maintenance_elsewhere(notice),
            Self::SplitBrain(notice) => split_brain(notice),
        };
        wording.subject = one_line(&wording.subject);
        wording
    }
}

/// The text on one line that fits.
fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if line.chars().count() <= SUBJECT {
        return line;
    }
    let short: String = line.chars().take(SUBJECT - 1).collect();
    format!("{short}…")
}

fn clock(at: OffsetDateTime) -> String {
    format!("{:02}:{:02} UTC", at.hour(), at.minute())
}

fn moment(at: OffsetDateTime) -> String {
    format!("{} {}", at.date(), clock(at))
}

fn action(notice: &ActionNotice) -> Wording {
    let ActionNotice {
        topic,
        id,
        number,
        kind,
        what,
        risk,
        requester,
        reason,
        state: _,
        outcome,
        break_glass,
        approvals,
        expires_at,
    } = notice;
    let title = format!("{} ({what})", kind.spec().title);
    let until = clock(*expires_at);
    let risk = risk.as_str();
    let outcome = outcome.as_deref().unwrap_or_default();
    let named = format!("{title}, action {number}");
    let (urgent, head, text) = match topic {
        ActionTopic::Requested if *break_glass => (
            true,
            format!("Glass was broken, {risk} risk"),
            format!(
                "{requester} broke glass for: {named}. It goes without approvals, and has to be reviewed afterwards."
            ),
        ),
        ActionTopic::Requested if *approvals == 0 => (
            false,
            format!("Asked for, {risk} risk"),
            format!("{requester} asks for: {named}. Nobody else has to agree."),
        ),
        ActionTopic::Requested => (
            true,
            format!("Approval wanted by {until}, {risk} risk"),
            format!("{requester} asks for: {named}. Nothing happens until it is agreed to."),
        ),
        ActionTopic::Vote => (
            false,
            "One more has agreed".to_owned(),
            format!("One more person has agreed, and others still have to: {named}."),
        ),
        ActionTopic::Approved => (
            true,
            format!("Approved, to be started by {until}"),
            format!(
                "Agreed to, and not started yet: {named}. {requester} or somebody else who may ask for it can start it now."
            ),
        ),
        ActionTopic::Rejected => (false, "Rejected".to_owned(), format!("{named}: {outcome}")),
        ActionTopic::Expired => (false, "Expired".to_owned(), format!("{named}: {outcome}")),
        ActionTopic::Cancelled => (false, "Taken back".to_owned(), format!("{named}: {outcome}")),
        ActionTopic::Started => (
            false,
            format!("Started, {risk} risk"),
            format!("{named}: {outcome}"),
        ),
        ActionTopic::StopAsked => (false, "To be stopped".to_owned(), format!("{named}: {outcome}")),
        ActionTopic::Succeeded => (false, "Done".to_owned(), format!("{named}: {outcome}")),
        ActionTopic::Failed => (true, "Failed".to_owned(), format!("{named}: {outcome}")),
        ActionTopic::OutcomeUnknown => (
            true,
            "Outcome unknown, somebody has to look".to_owned(),
            format!("{named}: {outcome}"),
        ),
        ActionTopic::Reviewed => (
            false,
            "Reviewed".to_owned(),
            format!("An approver has reviewed what was done without approvals: {named}."),
        ),
    };
    let mut facts = vec![("Asked for by", requester.clone())];
    if !reason.is_empty() {
        facts.push(("Reason", reason.clone()));
    }
    facts.push(("Risk", risk.to_owned()));
    match topic {
        ActionTopic::Requested | ActionTopic::Vote | ActionTopic::Approved => {
            facts.push(("Good until", moment(*expires_at)));
        }
        ActionTopic::Rejected
        | ActionTopic::Expired
        | ActionTopic::Cancelled
        | ActionTopic::Started
        | ActionTopic::StopAsked
        | ActionTopic::Succeeded
        | ActionTopic::Failed
        | ActionTopic::OutcomeUnknown
        | ActionTopic::Reviewed => {}
    }
    Wording {
        urgent,
        subject: format!("{head}: {title}"),
        text,
        facts,
        path: format!("/actions/{id}"),
    }
}

fn maintenance_end(notice: &MaintenanceEndNotice) -> Wording {
    let MaintenanceEndNotice {
        topic,
        id: _,
        number,
        requester,
        reason,
        expected_end,
    } = notice;
    let end = clock(*expected_end);
    let (urgent, subject, text) = match topic {
        MaintenanceEndTopic::NearsEnd => (
            false,
            format!("Maintenance is to be over by {end}"),
            format!(
                "The maintenance that {requester} switched on (action {number}) is to be over by {end}. Users are refused until \
                 it is switched off. After {end} it counts as overrun, and what was silenced for it fires again."
            ),
        ),
        MaintenanceEndTopic::Overrun => (
            true,
            format!("Maintenance overruns: it was to be over by {end}"),
            format!(
                "The maintenance that {requester} switched on (action {number}) was to be over by {end}, and users are still \
                 refused. What was silenced for it fires again. Switch it off, or ask {requester} why it takes longer."
            ),
        ),
    };
    let facts = vec![
        ("Switched on by", requester.clone()),
        ("Reason", reason.clone()),
        ("Expected end", moment(*expected_end)),
    ];
    Wording {
        urgent,
        subject,
        text,
        facts,
        // The plan that ends it, one click from the decision.
        path: "/actions/new?kind=maintenance_off".to_owned(),
    }
}

fn maintenance_elsewhere(notice: &MaintenanceElsewhereNotice) -> Wording {
    let MaintenanceElsewhereNotice {
        topic: _,
        was,
        now,
        places,
        seen_from_outside,
        during_action,
    } = notice;
    let meaning = match now {
        Mode::On => "Users are refused, and no alert is silenced for it.",
        Mode::Mixed => "Some users are served and others refused.",
        Mode::Off => "Users are served again.",
        Mode::Unknown => "Whether users are served can't be told.",
    };
    let during = during_action
        .map(|number| format!(" It had been switched on by action {number}."))
        .unwrap_or_default();
    let text = format!(
        "Maintenance mode was {} and is {} now, and nobody did that from here.{during} {meaning}",
        was.word(),
        now.word()
    );
    let mut facts = Vec::new();
    if !places.is_empty() {
        facts.push(("Read", places.join("; ")));
    }
    if !seen_from_outside.is_empty() {
        facts.push(("Seen from outside", seen_from_outside.join("; ")));
    }
    Wording {
        urgent: true,
        subject: format!("Maintenance mode is {}, changed by other means", now.word()),
        text,
        facts,
        path: "/".to_owned(),
    }
}

fn split_brain(notice: &SplitBrainNotice) -> Wording {
    let SplitBrainNotice {
        topic: _,
        primaries,
        since,
    } = notice;
    let nodes = primaries.join(" and ");
    Wording {
        urgent: true,
        subject: format!("Split brain: {nodes} take writes at once"),
        text: format!(
            "{nodes} take writes at once. What clients write depends on whom they reach, and what all but one of them take is lost. Stop all but the \
             one on the highest timeline, before anything else."
        ),
        facts: vec![("Seen since", moment(*since))],
        path: "/database/topology".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use quarterdeck_domain::action::{ActionKind, Risk};
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    fn asked(topic: ActionTopic) -> ActionNotice {
        ActionNotice {
            topic,
            id: Uuid::from_u128(7),
            number: 7,
            kind: ActionKind::MaintenanceOn,
            what: "the service".into(),
            risk: Risk::High,
            requester: "olive".into(),
            reason: "Migration".into(),
            state: "requested".into(),
            outcome: None,
            break_glass: false,
            approvals: 1,
            expires_at: datetime!(2026-11-25 03:15 UTC),
        }
    }

    #[test]
    fn the_subject_says_what_and_how_urgent() {
        let wanted = Notice::Action(asked(ActionTopic::Requested)).wording();
        assert_eq!(
            wanted.subject,
            "Approval wanted by 03:15 UTC, high risk: Switch maintenance mode on (the service)"
        );
        assert!(wanted.urgent);
        let glass = ActionNotice {
            break_glass: true,
            ..asked(ActionTopic::Requested)
        };
        let glass = Notice::Action(glass).wording();
        assert!(glass.subject.starts_with("Glass was broken"), "{glass:?}");
        let failed = ActionNotice {
            outcome: Some("It failed at the step “verify”.".into()),
            ..asked(ActionTopic::Failed)
        };
        let failed = Notice::Action(failed).wording();
        assert!(
            failed.urgent && failed.text.ends_with("It failed at the step “verify”."),
            "{failed:?}"
        );
    }

    #[test]
    fn a_subject_is_one_line_that_fits() {
        let odd = ActionNotice {
            what: format!("a\r\nb{}", "x".repeat(300)),
            ..asked(ActionTopic::Requested)
        };
        let subject = Notice::Action(odd).wording().subject;
        assert!(
            !subject.contains(['\r', '\n']) && subject.ends_with('…'),
            "{subject}"
        );
        assert_eq!(subject.chars().count(), SUBJECT);
    }

    #[test]
    fn maintenance_has_words_of_its_own() {
        let end = |topic| {
            let notice = MaintenanceEndNotice {
                topic,
                id: Uuid::from_u128(7),
                number: 7,
                requester: "olive".into(),
                reason: "Migration".into(),
                expected_end: datetime!(2026-11-25 04:00 UTC),
            };
            Notice::MaintenanceEnd(notice).wording()
        };
        let near = end(MaintenanceEndTopic::NearsEnd);
        assert!(
            !near.urgent && near.subject == "Maintenance is to be over by 04:00 UTC",
            "{near:?}"
        );
        let over = end(MaintenanceEndTopic::Overrun);
        assert!(
            over.urgent && over.text.contains("users are still refused"),
            "{over:?}"
        );
        let notice = MaintenanceElsewhereNotice {
            topic: super::super::MaintenanceElsewhereTopic::ChangedElsewhere,
            was: Mode::Off,
            now: Mode::On,
            places: vec!["http://api: true".into()],
            seen_from_outside: vec![],
            during_action: None,
        };
        let elsewhere = Notice::MaintenanceElsewhere(notice).wording();
        assert_eq!(
            elsewhere.text,
            "Maintenance mode was off and is on now, and nobody did that from here. Users are refused, and no alert is silenced \
             for it."
        );
    }

    #[test]
    fn a_split_brain_names_the_nodes_and_what_to_do() {
        let notice = Notice::SplitBrain(SplitBrainNotice {
            topic: super::super::SplitBrainTopic::SplitBrain,
            primaries: vec!["db-1".into(), "db-2".into()],
            since: datetime!(2026-11-25 03:15 UTC),
        });
        let wording = notice.wording();
        assert!(
            wording.urgent && wording.subject == "Split brain: db-1 and db-2 take writes at once",
            "{wording:?}"
        );
        assert!(
            wording
                .text
                .contains("Stop all but the one on the highest timeline"),
            "{wording:?}"
        );
        let json = serde_json::to_value(&notice).unwrap();
        assert_eq!(json["topic"], notice.topic());
        assert_eq!(serde_json::from_value::<Notice>(json).unwrap(), notice);
    }

    #[test]
    fn every_notice_is_read_back_as_it_was_written() {
        let notice = Notice::Action(asked(ActionTopic::OutcomeUnknown));
        let json = serde_json::to_value(&notice).unwrap();
        assert_eq!(json["topic"], notice.topic());
        assert_eq!(serde_json::from_value::<Notice>(json).unwrap(), notice);
    }
}
