//! Maintenance mode, as the fake has it: off when calm, on when mixed, overrun in a storm, somebody else's when blind, not
//! configured when fresh.

use quarterdeck_app::view::maintenance::{ActionLinkView, HeldView, MaintenanceView, PlaceView, ProbeView};
use quarterdeck_domain::maintenance::{Mode, ProbeKind, Stage};

use super::{FakeConsole, Scenario};

impl FakeConsole {
    pub(super) fn maintenance(&self) -> Option<MaintenanceView> {
        let (mode, stage) = match self.scenario {
            Scenario::Fresh => return None,
            Scenario::Calm | Scenario::Old => (Mode::Off, None),
            Scenario::Mixed => (Mode::On, Some(Stage::InTime)),
            Scenario::Storm => (Mode::On, Some(Stage::Overrun)),
            Scenario::Blind => (Mode::On, None),
        };
        let on = mode == Mode::On;
        let probe = |name: &str, kind, expected: &str, seen: &str| ProbeView {
            name: name.into(),
            kind,
            expected: Some(expected.into()),
            seen: seen.into(),
            fits: Some(expected == seen || expected == "served"),
        };
        Some(MaintenanceView {
            mode,
            since_ms: Some(self.now_ms - 754_000),
            elsewhere: on && stage.is_none(),
            held: stage.map(|stage| HeldView {
                action: ActionLinkView {
                    id: "0193e4a0-0000-7000-8000-000000000001".into(),
                    number: 12,
                },
                by: "olive".into(),
                reason: "Migration of the course tables to the new layout, announced on Monday.".into(),
                message: "We are back soon.".into(),
                expected_end_ms: self.now_ms
                    + if stage == Stage::Overrun {
                        -725_000
                    } else {
                        1_046_000
                    },
                stage,
                silences: 1,
            }),
            switching: None,
            driver: "an HTTP switch at 2 addresses".into(),
            places: vec![PlaceView {
                title: "http://10.0.3.17:9001/maintenance".into(),
                mode,
                value: mode.word().into(),
            }],
            probes: vec![
                probe(
                    "courses",
                    ProbeKind::Request,
                    if on { "503" } else { "served" },
                    if on { "503" } else { "200" },
                ),
                probe("health", ProbeKind::Health, "200", "200"),
            ],
            looked_at_ms: Some(self.now_ms - 4_000),
            problem: None,
        })
    }
}
