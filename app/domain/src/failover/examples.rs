//! Nodes and situations for tests.

use super::{Control, ExporterWord, Holding, Limits, Memory, NodeMeans, Routed, Routes, Routing, Situation};
use crate::cluster::{Follower, Lsn, NodeSight, NodeState, Part, PrimaryState, Receiver, StandbyState};

fn node(name: &str, timeline: i32, part: Part) -> NodeSight {
    NodeSight {
        name: name.into(),
        refuses: false,
        answer: Ok(NodeState {
            system_identifier: Some(7),
            version: 15,
            timeline: Some(timeline),
            read_only: false,
            part,
            slots: vec![],
            archiver: None,
        }),
    }
}

/// One that streams asynchronously and has everything.
pub fn follower(application: &str, flushed: u64) -> Follower {
    Follower {
        application: application.into(),
        address: None,
        state: "streaming".into(),
        sync_state: "async".into(),
        sent: Some(Lsn::from_bytes(flushed)),
        flushed: Some(Lsn::from_bytes(flushed)),
        replayed: Some(Lsn::from_bytes(flushed)),
        replay_lag_ms: None,
        reply_age_ms: Some(10),
    }
}

/// A primary that `b` streams from.
pub fn primary(name: &str, timeline: i32, flushed: u64) -> NodeSight {
    let part = Part::Primary(PrimaryState {
        flushed: Lsn::from_bytes(flushed),
        followers: vec![follower("b", flushed)],
        synchronous_standby_names: String::new(),
        oldest_transaction_ms: None,
        base_backup: false,
    });
    node(name, timeline, part)
}

/// A standby that hears its primary.
pub fn standby(name: &str, timeline: i32, received: u64) -> NodeSight {
    let position = Some(Lsn::from_bytes(received));
    let part = Part::Standby(StandbyState {
        received: position,
        replayed: position,
        receiver: Some(Receiver {
            status: "streaming".into(),
            sender_host: None,
            sender_port: None,
            slot: None,
            last_message_age_ms: Some(100),
            reported: position,
        }),
        last_transaction_age_ms: None,
        replay_paused: false,
        synchronous_standby_names: String::new(),
    });
    node(name, timeline, part)
}

/// A standby that streams from there.
pub fn from(mut node: NodeSight, host: &str, port: u16) -> NodeSight {
    if let Ok(state) = &mut node.answer
        && let Part::Standby(standby) = &mut state.part
        && let Some(receiver) = &mut standby.receiver
    {
        receiver.sender_host = Some(host.into());
        receiver.sender_port = Some(port.into());
    }
    node
}

/// A node that does not answer.
pub fn silent(name: &str) -> NodeSight {
    NodeSight {
        name: name.into(),
        refuses: false,
        answer: Err("cannot be reached: Connection refused".into()),
    }
}

/// All means for a node at 127.0.0.1.
pub fn means(name: &str, port: u16) -> NodeMeans {
    NodeMeans {
        name: name.into(),
        address: ("127.0.0.1".into(), port),
        own: ("127.0.0.1".into(), port),
        control: Control::Sufficient,
        fence: true,
        rejoin: true,
    }
}

/// A situation in which clients are sent to the first node.
pub fn situation<'a>(sights: &'a [NodeSight], memory: &'a Memory, means: &'a [NodeMeans]) -> Situation<'a> {
    let (host, port) = means[0].address.clone();
    let routed = Routed {
        name: "app".into(),
        host,
        port,
    };
    Situation {
        sights,
        memory,
        means,
        exporter: ExporterWord::Down,
        routing: Routing {
            by: "PgBouncer".into(),
            by_itself: false,
            now: Ok(Routes {
                to: vec![routed],
                held: false,
                holding: Holding::Transactions,
            }),
        },
        under_way: Ok(None),
        limits: Limits {
            max_loss_bytes: 500,
            max_loss_s: 10,
            max_lag_bytes: 1_000_000,
            silence_ms: 35_000,
            long_transaction_ms: 60_000,
        },
    }
}
