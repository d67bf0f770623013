//! What exactly would happen now, and whether it may.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Digest, Params};

/// The version of the digest's form, written into each text as `v`.
const VERSION: u8 = 1;

/// How a gate judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Verdict {
    /// All is well.
    Passed,
    /// It may go on, and somebody should know this.
    Warned,
    /// It must not go on.
    Refused,
}

impl Verdict {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Refused => "refused",
        }
    }
}

/// One condition of an action, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Stable name, unique within the plan.
    pub name: String,
    /// What is asked, for people: "The console may signal this backend".
    pub title: String,
    /// The judgement.
    pub verdict: Verdict,
    /// Why, and what to do if it is not passed.
    pub reason: String,
    /// The figure it rests on, with its unit.
    pub figure: Option<String>,
}

impl Gate {
    /// A gate with its judgement.
    pub fn new(name: &str, title: &str, verdict: Verdict, reason: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            verdict,
            reason: reason.into(),
            figure: None,
        }
    }

    /// The same with the figure it rests on.
    #[must_use]
    pub fn with_figure(self, figure: impl Into<String>) -> Self {
        Self {
            figure: Some(figure.into()),
            ..self
        }
    }
}

/// Something known of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its name, for people: "query", "running for".
    pub name: String,
    /// Its value with its unit.
    pub value: String,
    /// Whether consent rests on it: then it is part of the digest, and the action stops if it has changed.
    pub binding: bool,
}

impl Fact {
    /// A fact that consent rests on.
    pub fn binding(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: value.into(),
            binding: true,
        }
    }

    /// A fact that only helps to understand.
    pub fn shown(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: value.into(),
            binding: false,
        }
    }
}

/// One thing that would be touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The noun: `backend`, `service`, `standby`.
    pub kind: String,
    /// Identifies it beyond doubt, so that another one of the same name is never taken for it.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// What is known of it.
    pub facts: Vec<Fact>,
}

/// Something that fits what was asked for and would not be touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name for people.
    pub title: String,
    /// Why it is left alone.
    pub reason: String,
}

/// What exactly would happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What was asked for.
    pub params: Params,
    /// When the world was looked at.
    #[serde(with = "time::serde::rfc3339")]
    pub planned_at: OffsetDateTime,
    /// What would be touched.
    pub targets: Vec<Target>,
    /// What would not be.
    pub left_out: Vec<LeftOut>,
    /// The gates, in their fixed order.
    pub gates: Vec<Gate>,
    /// What will be seen of it, in a sentence.
    pub effect: String,
    /// How long it should take, seconds.
    pub expected_s: u32,
    /// How it is undone.
    pub undo: String,
}

/// What the digest is made of: all that consent rests on, and nothing that merely moves.
#[derive(Serialize)]
struct Binding<'a> {
    v: u8,
    params: &'a Params,
    targets: Vec<BoundTarget<'a>>,
    gates: Vec<(&'a str, Verdict)>,
}

#[derive(Serialize)]
struct BoundTarget<'a> {
    kind: &'a str,
    id: &'a str,
    facts: Vec<(&'a str, &'a str)>,
}

impl Target {
    fn bound(&self) -> BoundTarget<'_> {
        BoundTarget {
            kind: &self.kind,
            id: &self.id,
            facts: self.bound_facts().collect(),
        }
    }

    fn bound_facts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts
            .iter()
            .filter(|fact| fact.binding)
            .map(|fact| (fact.name.as_str(), fact.value.as_str()))
    }

    fn is(&self, other: &Self) -> bool {
        self.kind == other.kind && self.id == other.id
    }
}

/// One difference between what was agreed to and what would happen now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Something else was asked for.
    Params,
    /// It would be touched now, and nobody agreed to that.
    TargetAppeared {
        /// Its name.
        title: String,
    },
    /// It is gone: there is less to do.
    TargetGone {
        /// Its name.
        title: String,
    },
    /// It is another one than it was.
    TargetChanged {
        /// Its name.
        title: String,
        /// Which fact.
        fact: String,
        /// Then.
        was: String,
        /// Now.
        now: String,
    },
    /// A gate judges otherwise.
    Gate {
        /// Its title.
        title: String,
        /// Then.
        was: Option<Verdict>,
        /// Now.
        now: Option<Verdict>,
    },
}

impl Change {
    /// Whether it needs a new consent. That there is less to do, or that a gate has become better, does not.
    pub fn matters(&self) -> bool {
        match self {
            Self::Params | Self::TargetAppeared { .. } | Self::TargetChanged { .. } => true,
            Self::TargetGone { .. } => false,
            Self::Gate { was, now, .. } => match (was, now) {
                (Some(was), Some(now)) => now > was,
                // A gate that is new or gone: what was looked at is not what is looked at now.
                (None, _) | (_, None) => true,
            },
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |verdict: &Option<Verdict>| verdict.map_or("not looked at", Verdict::as_str);
        match self {
            Self::Params => write!(f, "something else was asked for"),
            Self::TargetAppeared { title } => write!(f, "{title} would be touched too"),
            Self::TargetGone { title } => write!(f, "{title} is gone"),
            Self::TargetChanged {
                title,
                fact,
                was,
                now,
            } => write!(f, "{title}: {fact} was {was} and is {now}"),
            Self::Gate { title, was, now } => {
                write!(f, "“{title}” was {} and is {}", name(was), name(now))
            }
        }
    }
}

impl Plan {
    /// The digest that consent binds to.
    ///
    /// # Errors
    /// Never for plans that were made or read by the console: all of their parts have a JSON form.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        let mut targets: Vec<_> = self.targets.iter().map(Target::bound).collect();
        targets.sort_by(|a, b| (a.kind, a.id).cmp(&(b.kind, b.id)));
        Digest::of(&Binding {
            v: VERSION,
            params: &self.params,
            targets,
            gates: self
                .gates
                .iter()
                .map(|gate| (gate.name.as_str(), gate.verdict))
                .collect(),
        })
    }

    /// The gates that refuse.
    pub fn refusals(&self) -> impl Iterator<Item = &Gate> {
        self.gates.iter().filter(|gate| gate.verdict == Verdict::Refused)
    }

    /// What has changed from `self`, which was agreed to, to `now`, as far as consent rests on it.
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.params != now.params {
            changes.push(Change::Params);
        }
        for target in &now.targets {
            match self.targets.iter().find(|then| then.is(target)) {
                None => changes.push(Change::TargetAppeared {
                    title: target.title.clone(),
                }),
                Some(then) => changes.extend(changed_facts(then, target)),
            }
        }
        let gone = self
            .targets
            .iter()
            .filter(|then| !now.targets.iter().any(|target| target.is(then)));
        changes.extend(gone.map(|then| Change::TargetGone {
            title: then.title.clone(),
        }));
        for gate in &now.gates {
            let was = self
                .gates
                .iter()
                .find(|then| then.name == gate.name)
                .map(|then| then.verdict);
            if was != Some(gate.verdict) {
                changes.push(Change::Gate {
                    title: gate.title.clone(),
                    was,
                    now: Some(gate.verdict),
                });
            }
        }
        let missing = self
            .gates
            .iter()
            .filter(|then| !now.gates.iter().any(|gate| gate.name == then.name));
        changes.extend(missing.map(|then| Change::Gate {
            title: then.title.clone(),
            was: Some(then.verdict),
            now: None,
        }));
        changes
    }
}

fn changed_facts(then: &Target, now: &Target) -> Vec<Change> {
    let value = |target: &Target, name: &str| {
        target
            .bound_facts()
            .find(|(fact, _)| *fact == name)
            .map_or_else(|| "not known".to_owned(), |(_, value)| value.to_owned())
    };
    let mut names: Vec<_> = then
        .bound_facts()
        .chain(now.bound_facts())
        .map(|(name, _)| name.to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| {
            let (was, is) = (value(then, &name), value(now, &name));
            (was != is).then(|| Change::TargetChanged {
                title: now.title.clone(),
                fact: name,
                was,
                now: is,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    fn target(id: u8, started: u8, note: &str) -> Target {
        Target {
            kind: "backend".into(),
            id: id.to_string(),
            title: format!("backend {id}"),
            facts: vec![
                Fact::binding("query started", started.to_string()),
                Fact::shown("running for", note),
            ],
        }
    }

    fn plan(targets: Vec<Target>, verdicts: &[Verdict]) -> Plan {
        Plan {
            params: Params::TerminateLongRunning {
                node: "primary".into(),
                longer_than_s: 300,
            },
            planned_at: datetime!(2026-11-25 03:00 UTC),
            targets,
            left_out: vec![],
            gates: verdicts
                .iter()
                .enumerate()
                .map(|(index, verdict)| Gate::new(&format!("gate_{index}"), "a gate", *verdict, "because"))
                .collect(),
            effect: "they end".into(),
            expected_s: 2,
            undo: "none".into(),
        }
    }

    #[test]
    fn the_digest_is_fixed() {
        // Approvals are bound to it: another form needs another version.
        let digest = plan(vec![target(1, 7, "5 min")], &[Verdict::Passed])
            .digest()
            .unwrap();
        let text = concat!(
            r#"{"gates":[["gate_0","passed"]],"params":{"kind":"terminate_long_running","longer_than_s":300,"node":"primary"},"#,
            r#""targets":[{"facts":[["query started","7"]],"id":"1","kind":"backend"}],"v":1}"#
        );
        assert_eq!(
            digest,
            Digest::of(&serde_json::from_str::<serde_json::Value>(text).unwrap()).unwrap()
        );
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn less_to_do_and_better_gates_need_no_new_consent() {
        let agreed = plan(vec![target(1, 7, ""), target(2, 7, "")], &[Verdict::Warned]);
        let now = plan(vec![target(1, 7, "")], &[Verdict::Passed]);
        let changes = agreed.changes(&now);
        assert_eq!(changes.len(), 2);
        assert!(changes.iter().all(|change| !change.matters()));
        assert!(now.changes(&agreed).iter().all(Change::matters));
    }

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            Just(Verdict::Passed),
            Just(Verdict::Warned),
            Just(Verdict::Refused)
        ]
    }

    fn any_plan() -> impl Strategy<Value = Plan> {
        (
            prop::collection::btree_map(0_u8..4, (0_u8..3, "[a-z]{0,3}"), 0..4),
            prop::collection::vec(any_verdict(), 0..3),
        )
            .prop_map(|(targets, verdicts)| {
                let targets = targets
                    .into_iter()
                    .map(|(id, (started, note))| target(id, started, &note))
                    .collect();
                plan(targets, &verdicts)
            })
    }

    proptest! {
        #[test]
        fn the_digest_moves_exactly_when_something_binding_does(a in any_plan(), b in any_plan()) {
            prop_assert_eq!(a.digest().unwrap() == b.digest().unwrap(), a.changes(&b).is_empty());
        }

        #[test]
        fn what_only_moves_is_not_in_the_digest(a in any_plan(), note in "[a-z]{0,9}", later in 0_i64..1_000_000) {
            let mut b = a.clone();
            b.planned_at += time::Duration::seconds(later);
            b.effect.push_str(&note);
            for target in &mut b.targets {
                for fact in target.facts.iter_mut().filter(|fact| !fact.binding) {
                    fact.value.clone_from(&note);
                }
            }
            b.targets.reverse();
            prop_assert_eq!(a.digest().unwrap(), b.digest().unwrap());
        }

        #[test]
        fn whatever_is_newly_touched_matters(a in any_plan(), b in any_plan()) {
            let matters = a.changes(&b).iter().any(Change::matters);
            let agreed = b.targets.iter().all(|now| a.targets.iter().any(|then| then.bound().facts == now.bound().facts && then.is(now)));
            if !matters {
                prop_assert!(agreed, "something is touched that nobody agreed to");
            }
        }
    }
}
