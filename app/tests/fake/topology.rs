//! The watched cluster, made up.

use quarterdeck_app::view::topology::{FenceView, SplitView, TopologyView};
use quarterdeck_domain::cluster::{
    Archiver, Follower, Lsn, NodeSight, NodeState, Part, PrimaryState, Receiver, Slot, StandbyState,
};

use super::{FakeConsole, Scenario};

const FLUSHED: u64 = 0x16_B374_D848;

fn node(name: &str, timeline: i32, part: Part) -> NodeSight {
    NodeSight {
        refuses: false,
        name: name.into(),
        answer: Ok(NodeState {
            system_identifier: Some(7_412_345_678_901_234_567),
            version: 15,
            timeline: Some(timeline),
            read_only: false,
            part,
            slots: vec![],
            archiver: None,
        }),
    }
}

fn primary(name: &str, timeline: i32, streams: bool) -> NodeSight {
    let follower = Follower {
        application: "standby".into(),
        address: Some("10.20.0.22".into()),
        state: "streaming".into(),
        sync_state: "async".into(),
        sent: Some(Lsn::from_bytes(FLUSHED)),
        flushed: Some(Lsn::from_bytes(FLUSHED)),
        replayed: Some(Lsn::from_bytes(FLUSHED)),
        replay_lag_ms: Some(3),
        reply_age_ms: Some(240),
    };
    let mut sight = node(
        name,
        timeline,
        Part::Primary(PrimaryState {
            flushed: Lsn::from_bytes(FLUSHED),
            followers: streams.then_some(follower).into_iter().collect(),
            synchronous_standby_names: String::new(),
            oldest_transaction_ms: Some(4_200),
            base_backup: false,
        }),
    );
    if let Ok(state) = &mut sight.answer {
        state.slots = vec![Slot {
            name: "standby_1".into(),
            active: streams,
            wal_status: Some("reserved".into()),
            retained_bytes: Some(1_536),
        }];
        state.archiver = Some(Archiver {
            last_archived: Some("0000000100000016000000B2".into()),
            last_archived_age_ms: Some(42_000),
            last_failed_age_ms: None,
        });
    }
    sight
}

fn standby(name: &str, behind: u64, heard_ms: Option<i64>) -> NodeSight {
    let position = Lsn::from_bytes(FLUSHED - behind);
    let receiver = heard_ms.map(|age| Receiver {
        status: "streaming".into(),
        sender_host: Some("10.20.0.21".into()),
        sender_port: Some(5432),
        slot: Some("standby_1".into()),
        last_message_age_ms: Some(age),
        reported: Some(position),
    });
    node(
        name,
        1,
        Part::Standby(StandbyState {
            received: Some(position),
            replayed: Some(position),
            receiver,
            last_transaction_age_ms: Some(1_900),
            replay_paused: false,
            synchronous_standby_names: String::new(),
        }),
    )
}

impl FakeConsole {
    pub(super) fn cluster(&self) -> TopologyView {
        let nodes = match self.scenario {
            Scenario::Fresh => vec![],
            Scenario::Calm | Scenario::Old => {
                vec![primary("primary", 1, true), standby("standby", 0, Some(40))]
            }
            Scenario::Mixed => vec![
                primary("primary", 1, true),
                standby("standby", 6_609, Some(64_000)),
            ],
            Scenario::Blind => vec![
                NodeSight {
                    refuses: false,
                    name: "primary".into(),
                    answer: Err("does not answer within 3000 ms".into()),
                },
                standby("standby", 0, None),
            ],
            Scenario::Storm => vec![primary("primary", 1, false), primary("standby", 2, false)],
        };
        let fence = |promoted| FenceView {
            node: "primary".into(),
            primary: "standby".into(),
            action: "00000000-0000-0000-0000-000000000007".into(),
            number: 7,
            since_ms: self.now_ms - 9_000,
            promoted,
            enforced_at_ms: None,
            lost_bytes: None,
            lost_transactions: None,
        };
        TopologyView {
            fences: match self.scenario {
                Scenario::Blind => vec![fence(false)],
                Scenario::Storm => vec![fence(true)],
                Scenario::Fresh | Scenario::Calm | Scenario::Old | Scenario::Mixed => vec![],
            },
            ..TopologyView::new(&nodes, self.now_ms)
        }
    }

    pub(super) fn split(&self) -> Option<SplitView> {
        matches!(self.scenario, Scenario::Storm).then(|| SplitView {
            primaries: vec!["primary".into(), "standby".into()],
            since_ms: self.now_ms - 4_000,
        })
    }
}
