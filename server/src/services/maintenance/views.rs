//! Maintenance mode as pages show it, from memory.

use quarterdeck_app::view::maintenance::{ActionLinkView, HeldView, MaintenanceView, PlaceView, ProbeView};
use quarterdeck_domain::maintenance::{Held, Mode, Sight, Stage, odd};

use super::{Maintenance, Present};
use crate::clock::unix_ms;

impl Maintenance {
    /// What is known now.
    pub fn view(&self) -> MaintenanceView {
        let present = self.present.load();
        let Present { known, look } = &**present;
        let on = match known.mode {
            Mode::On => Some(true),
            Mode::Off => Some(false),
            Mode::Unknown | Mode::Mixed => None,
        };
        let look = look.as_ref();
        MaintenanceView {
            mode: known.mode,
            since_ms: known.since.map(unix_ms),
            elsewhere: known.elsewhere,
            held: known
                .held
                .as_ref()
                .filter(|_| known.mode != Mode::Off)
                .map(|held| self.held_view(held)),
            switching: known.switching.as_ref().map(|switching| ActionLinkView {
                id: switching.action.to_string(),
                number: switching.number,
            }),
            driver: self.driver.describe(),
            places: look
                .into_iter()
                .flat_map(|look| &look.places)
                .map(|(title, mode, value)| PlaceView {
                    title: title.clone(),
                    mode: *mode,
                    value: value.clone(),
                })
                .collect(),
            probes: look
                .into_iter()
                .flat_map(|look| &look.sights)
                .map(|sight| probe_view(sight, on))
                .collect(),
            looked_at_ms: look.map(|look| unix_ms(look.at)),
            problem: look
                .filter(|_| known.switching.is_none())
                .and_then(|look| problem(known.mode, look.mode, &look.sights)),
        }
    }

    /// The same without the time of the look: what is worth telling those who watch.
    pub fn told(&self) -> MaintenanceView {
        MaintenanceView {
            looked_at_ms: None,
            ..self.view()
        }
    }

    fn held_view(&self, held: &Held) -> HeldView {
        HeldView {
            action: ActionLinkView {
                id: held.action.to_string(),
                number: held.number,
            },
            by: held.by.clone(),
            reason: held.reason.clone(),
            message: held.message.clone(),
            expected_end_ms: unix_ms(held.expected_end),
            stage: Stage::at(self.clock.now(), held.expected_end, self.remind_before()),
            silences: u32::try_from(held.silences.len()).unwrap_or(u32::MAX),
        }
    }
}

fn probe_view(sight: &Sight, on: Option<bool>) -> ProbeView {
    ProbeView {
        name: sight.name.clone(),
        kind: sight.kind,
        expected: on.map(|on| sight.expected(on).to_string()),
        seen: sight.words(),
        fits: on.map(|on| sight.fits(on)),
    }
}

/// What does not fit together.
fn problem(known: Mode, looked: Mode, sights: &[Sight]) -> Option<String> {
    let on = match known {
        Mode::Unknown => return None,
        Mode::Mixed => {
            return Some(
                "Some parts are in maintenance mode and others serve: users get now this and now that. Switch it on or off as \
                 a whole."
                    .to_owned(),
            );
        }
        Mode::On => true,
        Mode::Off => false,
    };
    if looked == Mode::Unknown {
        return Some(
            "Whether it still is can't be told: neither the switch nor the probes say so.".to_owned(),
        );
    }
    let odd = odd(sights, on);
    (!odd.is_empty()).then(|| format!("Seen from outside it is not so: {}.", odd.join("; ")))
}
