//! All that is known when the primary is to be changed.

use super::{LossBound, Memory};
use crate::{
    action::{Gate, Verdict},
    cluster::{NodeSight, NodeState, StandbyState, Topology},
};

/// What the metrics say of a node, through its exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExporterWord {
    /// The exporter reaches it.
    Up,
    /// The exporter does not.
    Down,
    /// It can't be said, and why.
    Unknown(String),
}

/// What the console may do on a node by its control connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Whatever is needed.
    Sufficient,
    /// Not all: the statements that would grant the rest.
    Missing(Vec<String>),
    /// It can't be asked, and why.
    Unreachable(String),
    /// No control connection is configured.
    NotConfigured,
}

/// What there is to act on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeMeans {
    /// Its name in the configuration.
    pub name: String,
    /// Where clients reach it: host and port.
    pub address: (String, u16),
    /// Where it is itself, for other nodes: host and port.
    pub own: (String, u16),
    /// What may be done there.
    pub control: Control,
    /// Whether a program is configured that takes it down for good.
    pub fence: bool,
    /// Whether a program is configured that makes it a standby again.
    pub rejoin: bool,
}

/// Where a client's database leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// What clients call it.
    pub name: String,
    /// The host that they are sent to.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What can be done with clients while the primary changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// They are held back: who begins a transaction waits.
    Transactions,
    /// They are held back once those of these names have hung up: they have a server for as long as they are connected.
    Sessions(Vec<String>),
    /// Nothing: they go on trying the old primary until they are sent elsewhere.
    Impossible,
}

/// Where clients are sent just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// Each name that clients use.
    pub to: Vec<Routed>,
    /// Whether clients are held back.
    pub held: bool,
    /// Whether they can be.
    pub holding: Holding,
}

/// What sends clients to the primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// What it is: "PgBouncer at 127.0.0.1:6432".
    pub by: String,
    /// Whether they find the primary without being sent there.
    pub by_itself: bool,
    /// Where they are sent, or why it can't be said.
    pub now: Result<Routes, String>,
}

/// What may be lost, waited for or overlooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most that a failover may lose without somebody accepting it, bytes of WAL.
    pub max_loss_bytes: u64,
    /// The same in seconds.
    pub max_loss_s: u64,
    /// The most that a standby may be behind when a switchover begins, bytes of WAL: clients wait for it.
    pub max_lag_bytes: u64,
    /// A primary that a standby has not heard for so long is not heard, ms. An idle one speaks every half of its
    /// `wal_sender_timeout`.
    pub silence_ms: i64,
    /// A transaction that is open for longer is waited for in vain, ms.
    pub long_transaction_ms: i64,
}

/// All that is known when the primary is to be changed.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// The nodes as they were looked at just now.
    pub sights: &'a [NodeSight],
    /// What was seen before.
    pub memory: &'a Memory,
    /// What there is to act on each node.
    pub means: &'a [NodeMeans],
    /// What the metrics say of the present or last primary.
    pub exporter: ExporterWord,
    /// Where clients are sent.
    pub routing: Routing,
    /// Another switchover or failover that is under way, by its number; or why that can't be said.
    pub under_way: Result<Option<i64>, String>,
    /// The limits.
    pub limits: Limits,
}

/// Why it is not known what becomes of clients.
const NOT_ASKED: &str = "It is not known: what sends clients can't be asked.";

impl Limits {
    /// What a failover may lose without somebody accepting it.
    #[must_use]
    pub const fn loss(&self) -> LossBound {
        LossBound {
            bytes: Some(self.max_loss_bytes),
            seconds: Some(self.max_loss_s),
        }
    }
}

impl<'a> Situation<'a> {
    /// The nodes together.
    #[must_use]
    pub const fn topology(&self) -> Topology<'a> {
        Topology::new(self.sights)
    }

    /// The means for a node.
    #[must_use]
    pub fn means(&self, name: &str) -> Option<&'a NodeMeans> {
        self.means.iter().find(|means| means.name == name)
    }

    /// A node as a standby.
    pub(super) fn standby(&self, name: &str) -> Option<(&'a NodeState, &'a StandbyState)> {
        self.topology().node(name)?.standby()
    }

    pub(super) fn alone(&self) -> Gate {
        gate(
            "alone",
            "Nothing else changes the primary",
            match &self.under_way {
                Ok(None) => passed("No other switchover or failover is under way."),
                Ok(Some(number)) => refused(format!("Action {number} is under way; wait for its end.")),
                Err(why) => refused(format!("It is not known: {why}.")),
            },
        )
    }

    pub(super) fn candidate_reachable(&self, candidate: &str) -> Gate {
        gate(
            "candidate_reachable",
            "The candidate answers",
            match self.topology().node(candidate).map(|node| &node.answer) {
                None => refused(format!("{candidate} is not configured, see [[postgres]].")),
                Some(Err(silence)) => refused(format!("{candidate} {silence}.")),
                Some(Ok(_)) => passed(format!("{candidate} answers.")),
            },
        )
    }

    pub(super) fn in_recovery(&self, candidate: &str) -> Gate {
        gate(
            "in_recovery",
            "The candidate is a standby",
            match self.topology().node(candidate).and_then(NodeSight::state) {
                None => refused("It is not known.".to_owned()),
                Some(_) if self.standby(candidate).is_some() => {
                    passed(format!("{candidate} is in recovery."))
                }
                Some(_) => refused(format!("{candidate} takes writes itself; it can't be promoted.")),
            },
        )
    }

    /// Whether the candidate replays: what it received and has not replayed comes only after the promotion.
    pub(super) fn replay(&self, candidate: &str) -> Gate {
        gate(
            "replay",
            "The candidate replays",
            match self.standby(candidate) {
                None => refused("It is not known.".to_owned()),
                Some((_, standby)) if standby.replay_paused => refused(format!(
                    "Replay is paused on {candidate}: a promotion would wait for it. Run SELECT pg_wal_replay_resume() there."
                )),
                Some(_) => passed(format!("Replay is not paused on {candidate}.")),
            },
        )
    }

    /// Whether `from` is where clients are sent, as far as it matters, and the thing that sends them answers.
    pub(super) fn repoint(&self, from: Option<&str>, may_be_held: bool) -> Gate {
        let verdict = match &self.routing.now {
            Ok(_) if self.routing.by_itself => passed(format!(
                "Clients find the primary by {}; the last step sees that they do.",
                self.routing.by
            )),
            Err(why) => refused(format!("{} can't be asked: {why}.", self.routing.by)),
            Ok(Routes { held: true, .. }) if may_be_held => warned(format!(
                "{} holds clients back already, as it should until they are sent to the new primary.",
                self.routing.by
            )),
            Ok(Routes { held: true, .. }) => refused(format!(
                "{} holds clients back already; let them go on first (RESUME).",
                self.routing.by
            )),
            Ok(Routes { to: routed, .. }) => {
                let address = from.and_then(|from| self.means(from)).map(|means| &means.address);
                let elsewhere = routed.iter().find(|to| {
                    address.is_some_and(|(host, port)| (host.as_str(), *port) != (to.host.as_str(), to.port))
                });
                match elsewhere {
                    None => passed(format!(
                        "{} answers and can be pointed elsewhere.",
                        self.routing.by
                    )),
                    Some(to) => warned(format!(
                        "{} sends {} to {}:{}, which is not {}; afterwards it is sent to the new primary.",
                        self.routing.by,
                        to.name,
                        to.host,
                        to.port,
                        from.unwrap_or("the primary")
                    )),
                }
            }
        };
        gate("repoint", "Clients can be sent to the candidate", verdict)
    }

    /// What becomes of clients between the old primary, which is healthy, and the new one.
    pub(super) fn hold(&self, old: Option<&str>) -> Gate {
        let (by, old) = (&self.routing.by, old.unwrap_or("the primary"));
        let verdict = match self.routing.now.as_ref().map(|now| &now.holding) {
            _ if self.routing.by_itself => passed(format!(
                "Nothing holds clients back: they get errors until they find the new primary by {by}."
            )),
            Err(_) => refused(NOT_ASKED),
            Ok(Holding::Transactions) => passed(format!(
                "{by} can hold clients back: who begins a transaction waits until the new primary takes writes."
            )),
            Ok(Holding::Sessions(names)) => warned(format!(
                "{by} pools sessions for {}: it waits until these clients have hung up, and if they do not in time, the switchover gives up and they \
                 go on. Let it pool transactions (pool_mode), or have these clients disconnect.",
                names.join(" and ")
            )),
            Ok(Holding::Impossible) => warned(format!(
                "{by} can't hold clients back. They go on until {old} is read-only and their sessions are ended, and get errors from then until they \
                 are sent to the new primary. That {old} refuses writes is what keeps anything from being lost."
            )),
        };
        gate("hold", "Clients can be held back", verdict)
    }

    /// What becomes of clients that reach for an old primary which is gone.
    pub(super) fn cut(&self, gone: Option<&str>) -> Gate {
        let (by, old) = (&self.routing.by, gone.unwrap_or("the old primary"));
        let fence = gone
            .and_then(|gone| self.means(gone))
            .is_some_and(|means| means.fence);
        let verdict = match self.routing.now.as_ref().map(|now| &now.holding) {
            _ if self.routing.by_itself => passed(format!(
                "Nothing cuts clients off: they find the new primary by {by}."
            )),
            Err(_) => refused(NOT_ASKED),
            Ok(Holding::Transactions | Holding::Sessions(_)) => passed(format!(
                "{by} can cut off what is under way, and hold clients back until they are sent to the new primary."
            )),
            Ok(Holding::Impossible) if fence => warned(format!(
                "{by} can't cut clients off: they go on trying {old} until they are sent to the new primary. The program that takes {old} down is what \
                 keeps them from writing there."
            )),
            Ok(Holding::Impossible) => warned(format!(
                "{by} can't cut clients off, and no program takes {old} down: they go on trying it until they are sent to the new primary. If it comes \
                 back meanwhile they write there, until it is seen, made read-only and their sessions are ended; what they wrote by then is lost."
            )),
        };
        gate("cut", "Clients are cut off from the old primary", verdict)
    }

    /// Whether the console may do what is needed on `nodes`.
    pub(super) fn rights(&self, nodes: &[&str]) -> Gate {
        let mut missing = Vec::new();
        for node in nodes {
            match self.means(node).map(|means| &means.control) {
                Some(Control::Sufficient) => {}
                Some(Control::Missing(grants)) => missing.push(format!("on {node}: {}", grants.join("; "))),
                Some(Control::Unreachable(why)) => missing.push(format!("{node} can't be asked: {why}")),
                Some(Control::NotConfigured) | None => {
                    missing.push(format!("{node} has no control_url in its [[postgres]] section"));
                }
            }
        }
        let verdict = if missing.is_empty() {
            passed(format!("The console may act on {}.", nodes.join(" and ")))
        } else {
            refused(format!(
                "The console may not do all that is needed: {}.",
                missing.join("; ")
            ))
        };
        gate("rights", "The console may act on the nodes", verdict)
    }
}

/// A judgement with its reason.
pub(super) type Judged = (Verdict, String);

pub(super) fn passed(reason: impl Into<String>) -> Judged {
    (Verdict::Passed, reason.into())
}

pub(super) fn warned(reason: impl Into<String>) -> Judged {
    (Verdict::Warned, reason.into())
}

pub(super) fn refused(reason: impl Into<String>) -> Judged {
    (Verdict::Refused, reason.into())
}

pub(super) fn gate(name: &str, title: &str, (verdict, reason): Judged) -> Gate {
    Gate::new(name, title, verdict, reason)
}
