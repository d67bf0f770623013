//! The local journal of what was done while the console's own database was away: its lines, the chain of hashes over
//! them, and what they tell of an action.
//!
//! A line is a JSON object with the entry as a text, so that the hash is over exactly what was written. Whoever writes
//! makes a line durable before anything is done that it tells of.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    access::Role,
    action::{BreakGlass, Case, Digest, Event, Failure, Outcome, Person, Plan, Refused, Rule},
    audit::{Head, Sha256Hash},
};

/// What the hash before the first line is the hash of.
const GENESIS_TEXT: &[u8] = b"quarterdeck journal v1";

/// The head of a journal without a line.
#[must_use]
pub fn genesis() -> Head {
    Head {
        seq: 0,
        hash: Sha256Hash(Sha256::digest(GENESIS_TEXT).into()),
    }
}

/// Somebody who goes ahead without the console's database: what is known of them from memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The account.
    pub account: Uuid,
    /// Its user name.
    pub name: String,
    /// Its role, as it was when it could last be checked.
    pub role: Role,
    /// The session that the request came from.
    pub session: Uuid,
    /// The address that it came from.
    pub address: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: String,
    /// The trace that the request belongs to.
    pub trace_id: Option<String>,
}

/// What is to be done, and who wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The action's id.
    pub action: Uuid,
    /// What exactly is to be done.
    pub plan: Plan,
    /// The digest of the plan that they were shown.
    pub digest: Digest,
    /// Why, and why without approvals.
    pub reason: String,
    /// Who.
    pub by: Actor,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEnd {
    /// Done.
    Done,
    /// Known to have failed.
    Failed,
    /// Not known.
    Unknown,
}

impl StepEnd {
    /// The stable name, as in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// The first line: a new journal.
    Opened {
        /// The journal's own id.
        journal: Uuid,
        /// Where the one before was put because it was not whole, and what was wrong with it.
        kept_aside: Option<String>,
    },
    /// Something is about to be done.
    Intent(Box<Intent>),
    /// A step is about to be done.
    StepBegun {
        /// The action.
        action: Uuid,
        /// Its place among the steps, from 0.
        position: u16,
        /// Its name.
        name: String,
    },
    /// A step has ended.
    StepEnded {
        /// The action.
        action: Uuid,
        /// Its place among the steps, from 0.
        position: u16,
        /// Its name.
        name: String,
        /// How.
        end: StepEnd,
        /// What was seen, in a sentence.
        detail: String,
        /// The same for programs.
        data: Value,
    },
    /// The action has ended.
    Ended {
        /// The action.
        action: Uuid,
        /// How.
        outcome: Outcome,
    },
}

/// An entry with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// When, by the console's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What.
    #[serde(flatten)]
    pub entry: Entry,
}

/// A note in its place in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number, from 1, and its hash.
    pub head: Head,
    /// The note.
    pub note: Note,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seq: u64,
    prev: String,
    hash: String,
    text: String,
}

/// The line of the next note after `last`, with its line break.
///
/// # Errors
/// When the note has no JSON form.
pub fn line(last: Head, note: Note) -> Result<(Row, String), serde_json::Error> {
    let text = serde_json::to_string(&note)?;
    let seq = last.seq + 1;
    let hash = Sha256Hash::of_row(last.hash, seq, &text);
    let line = Line {
        seq,
        prev: last.hash.to_string(),
        hash: hash.to_string(),
        text,
    };
    let mut line = serde_json::to_string(&line)?;
    line.push('\n');
    let head = Head { seq, hash };
    Ok((Row { head, note }, line))
}

/// A journal that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Its rows.
    pub rows: Vec<Row>,
    /// How many bytes are whole lines. What follows was being written when the console died; nothing was done that it
    /// tells of.
    pub whole: usize,
}

/// A journal that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {wrong}")]
pub struct Broken {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub wrong: &'static str,
}

/// Reads a journal and checks its chain. A last line without its line break is left out.
///
/// # Errors
/// [`Broken`], for the first line that was changed, removed, moved or put in.
pub fn read(content: &[u8]) -> Result<Reading, Broken> {
    let whole = content
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let mut last = genesis();
    let mut rows = Vec::new();
    for (index, line) in content[..whole]
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
    {
        let broken = |wrong| Broken {
            line: index + 1,
            wrong,
        };
        let line: Line = serde_json::from_slice(line).map_err(|_| broken("is no line of a journal"))?;
        if line.seq != last.seq + 1 || line.prev != last.hash.to_string() {
            return Err(broken("does not follow on the line before"));
        }
        let hash = Sha256Hash::of_row(last.hash, line.seq, &line.text);
        if line.hash != hash.to_string() {
            return Err(broken("does not fit its hash"));
        }
        let note: Note =
            serde_json::from_str(&line.text).map_err(|_| broken("tells of nothing that is known"))?;
        if matches!(note.entry, Entry::Opened { .. }) != (line.seq == 1) {
            return Err(broken(
                "opens a journal where none begins, or does not where one does",
            ));
        }
        last = Head { seq: line.seq, hash };
        rows.push(Row { head: last, note });
    }
    Ok(Reading { rows, whole })
}

/// A step as the journal tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoryStep {
    /// Its place among the steps, from 0.
    pub position: u16,
    /// Its name.
    pub name: String,
    /// When it began.
    pub begun_at: OffsetDateTime,
    /// When and how it ended, what was seen, and the same for programs.
    pub end: Option<(OffsetDateTime, StepEnd, String, Value)>,
}

/// An action as the journal tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// What was to be done.
    pub intent: Intent,
    /// When.
    pub at: OffsetDateTime,
    /// The steps that were begun, in order.
    pub steps: Vec<StoryStep>,
    /// When and how it ended.
    pub ended: Option<(OffsetDateTime, Outcome)>,
    /// The number of the line of its intent.
    pub seq: u64,
}

/// The actions of a journal, in order.
#[must_use]
pub fn stories<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<Story> {
    let mut stories: Vec<Story> = Vec::new();
    for Row { head, note } in rows {
        let action = match &note.entry {
            Entry::Opened { .. } => continue,
            Entry::Intent(intent) => {
                stories.push(Story {
                    intent: (**intent).clone(),
                    at: note.at,
                    steps: Vec::new(),
                    ended: None,
                    seq: head.seq,
                });
                continue;
            }
            Entry::StepBegun { action, .. }
            | Entry::StepEnded { action, .. }
            | Entry::Ended { action, .. } => action,
        };
        let Some(story) = stories.iter_mut().find(|story| story.intent.action == *action) else {
            continue;
        };
        match &note.entry {
            Entry::Opened { .. } | Entry::Intent(_) => {}
            Entry::StepBegun { position, name, .. } => story.steps.push(StoryStep {
                position: *position,
                name: name.clone(),
                begun_at: note.at,
                end: None,
            }),
            Entry::StepEnded {
                position,
                end,
                detail,
                data,
                ..
            } => {
                if let Some(step) = story.steps.iter_mut().find(|step| step.position == *position) {
                    step.end = Some((note.at, *end, detail.clone(), data.clone()));
                }
            }
            Entry::Ended { outcome, .. } => story.ended = Some((note.at, outcome.clone())),
        }
    }
    stories
}

impl Story {
    /// How an action ended whose console died: every step is in the journal before it begins, so that it is known how
    /// far it came, except for the step that it died in.
    #[must_use]
    pub fn left(&self) -> Outcome {
        let steps = self.intent.plan.params.kind().spec().steps;
        let Some(last) = self.steps.last() else {
            return Outcome::Failed(Failure::NotBegun {
                reason: "The console ended before the first step.".to_owned(),
            });
        };
        let name = last.name.clone();
        match &last.end {
            None => Outcome::Unknown {
                step: name,
                known: "The console ended in the middle of this step. It is not done again by itself."
                    .to_owned(),
            },
            Some((_, StepEnd::Unknown, known, _)) => Outcome::Unknown {
                step: name,
                known: known.clone(),
            },
            Some((_, StepEnd::Failed, reason, _)) => Outcome::Failed(Failure::Step {
                step: name,
                reason: format!("{reason} The console ended before it could take back what was begun."),
            }),
            Some((_, StepEnd::Done, _, _)) => match steps.get(usize::from(last.position) + 1) {
                Some(next) => Outcome::Failed(Failure::Step {
                    step: next.name.to_owned(),
                    reason: format!(
                        "The console ended before this step; “{name}” was done. What was begun was not taken back."
                    ),
                }),
                None => Outcome::Succeeded {
                    summary: self.summary(),
                },
            },
        }
    }

    /// What was done, in sentences.
    #[must_use]
    pub fn summary(&self) -> String {
        let seen: Vec<_> = self
            .steps
            .iter()
            .filter_map(|step| step.end.as_ref())
            .map(|(_, _, detail, _)| detail.as_str())
            .collect();
        seen.join(" ")
    }

    /// The action as the state machine tells of it: as it was asked for, as it was begun by `worker`, and as it is now.
    ///
    /// # Errors
    /// [`Refused`] where the journal tells of what the state machine does not let be.
    pub fn cases(&self, requester: Person, rule: (Rule, i64), worker: Uuid) -> Result<[Case; 3], Refused> {
        let glass = BreakGlass {
            reason: self.intent.reason.clone(),
        };
        let plan = self.intent.plan.clone();
        let mut asked = Case::request(
            requester.clone(),
            (plan.clone(), self.intent.digest),
            rule,
            Some(glass.clone()),
            self.at,
        );
        // Also where the policy asks for nobody's consent: the password was not checked either.
        asked.break_glass = Some(glass);
        let nobody = |_: Uuid| None;
        let start = Event::Start {
            by: requester,
            now: Box::new(plan),
        };
        let begun = asked
            .apply(start, self.at, &nobody)?
            .apply(Event::Claim { worker }, self.at, &nobody)?;
        let now = match &self.ended {
            None => begun.clone(),
            Some((at, outcome)) => {
                let outcome = outcome.clone();
                begun.apply(Event::Finish { worker, outcome }, *at, &nobody)?
            }
        };
        Ok([asked, begun, now])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::action::{Params, State, Target};

    const ACTION: Uuid = Uuid::from_u128(7);

    fn intent() -> Entry {
        let plan = Plan {
            params: Params::Failover {
                candidate: "db-2".to_owned(),
                accept_loss: false,
                at_most: None,
            },
            planned_at: datetime!(2026-11-28 22:00 UTC),
            targets: vec![Target {
                kind: "standby".to_owned(),
                id: "db-2".to_owned(),
                title: "db-2".to_owned(),
                facts: Vec::new(),
            }],
            left_out: Vec::new(),
            gates: Vec::new(),
            effect: String::new(),
            expected_s: 10,
            undo: String::new(),
        };
        Entry::Intent(Box::new(Intent {
            action: ACTION,
            digest: plan.digest().unwrap(),
            plan,
            reason: "Both are down.".to_owned(),
            by: Actor {
                account: Uuid::from_u128(1),
                name: "april".to_owned(),
                role: Role::Approver,
                session: Uuid::from_u128(2),
                address: None,
                user_agent: String::new(),
                trace_id: None,
            },
        }))
    }

    fn begun(position: u16, name: &str) -> Entry {
        Entry::StepBegun {
            action: ACTION,
            position,
            name: name.to_owned(),
        }
    }

    fn done(position: u16, name: &str) -> Entry {
        Entry::StepEnded {
            action: ACTION,
            position,
            name: name.to_owned(),
            end: StepEnd::Done,
            detail: format!("{name} is done."),
            data: Value::Null,
        }
    }

    fn opened() -> Entry {
        Entry::Opened {
            journal: Uuid::from_u128(9),
            kept_aside: None,
        }
    }

    fn written(entries: Vec<Entry>) -> String {
        let mut last = genesis();
        let mut text = String::new();
        for (second, entry) in entries.into_iter().enumerate() {
            let at = datetime!(2026-11-28 22:00 UTC) + std::time::Duration::from_secs(second as u64);
            let (row, line) = line(last, Note { at, entry }).unwrap();
            last = row.head;
            text.push_str(&line);
        }
        text
    }

    fn whole() -> String {
        written(vec![
            opened(),
            intent(),
            begun(0, "fence"),
            done(0, "fence"),
            begun(1, "promote"),
        ])
    }

    fn story(entries: Vec<Entry>) -> Story {
        let mut all = vec![opened(), intent()];
        all.extend(entries);
        let reading = read(written(all).as_bytes()).unwrap();
        stories(&reading.rows).remove(0)
    }

    #[test]
    fn what_was_written_is_read() {
        let text = whole();
        let reading = read(text.as_bytes()).unwrap();
        assert_eq!((reading.rows.len(), reading.whole), (5, text.len()));
        assert_eq!(read(b"").unwrap().rows, []);
    }

    #[test]
    fn how_far_it_came_is_known() {
        let named = |outcome: Outcome| match outcome {
            Outcome::Succeeded { .. } => "succeeded".to_owned(),
            Outcome::Failed(Failure::NotBegun { .. }) => "not begun".to_owned(),
            Outcome::Failed(Failure::Step { step, .. }) => format!("failed at {step}"),
            Outcome::Failed(Failure::Stopped { .. }) => "stopped".to_owned(),
            Outcome::Unknown { step, .. } => format!("unknown at {step}"),
        };
        assert_eq!(named(story(vec![]).left()), "not begun");
        assert_eq!(named(story(vec![begun(0, "fence")]).left()), "unknown at fence");
        assert_eq!(
            named(story(vec![begun(0, "fence"), done(0, "fence")]).left()),
            "failed at promote"
        );
    }

    #[test]
    fn the_state_machine_tells_the_same() {
        let mut story = story(vec![begun(0, "fence")]);
        story.ended = Some((story.at, story.left()));
        let rule = (story.intent.plan.params.kind().default_rule(), 3);
        let requester = Person {
            account: Uuid::from_u128(1),
            identity: "april".to_owned(),
            name: "april".to_owned(),
        };
        let [_, begun, now] = story.cases(requester, rule, Uuid::from_u128(5)).unwrap();
        assert!(matches!(begun.state, State::Executing { .. }));
        assert!(matches!(now.state, State::OutcomeUnknown { .. }));
        assert!(now.awaits_review());
    }

    proptest! {
        /// Wherever the console died while writing, what was written before is there.
        #[test]
        fn a_torn_line_is_left_out(cut in 0..1_usize << 16) {
            let text = whole();
            let cut = cut % text.len();
            let reading = read(&text.as_bytes()[..cut]).unwrap();
            prop_assert_eq!(reading.rows.len(), text[..cut].matches('\n').count());
            prop_assert_eq!(reading.whole, text[..cut].rfind('\n').map_or(0, |at| at + 1));
        }

        /// Whatever byte is changed, it is seen, unless it is the last line break.
        #[test]
        fn a_changed_byte_is_seen(at in 0..1_usize << 16, to in 1_u8..=255) {
            let mut bytes = whole().into_bytes();
            let at = at % (bytes.len() - 1);
            bytes[at] ^= to;
            prop_assert!(read(&bytes).is_err());
        }

        /// So is a line that is removed from the middle or moved.
        #[test]
        fn a_moved_line_is_seen(one in 0..4_usize, other in 0..4_usize) {
            let text = whole();
            let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
            let mut without = lines.clone();
            without.remove(one);
            prop_assert!(read(without.concat().as_bytes()).is_err());
            if one != other {
                lines.swap(one, other);
                prop_assert!(read(lines.concat().as_bytes()).is_err());
            }
        }
    }
}
