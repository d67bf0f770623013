//! What switching would touch, and what stands against it.

use quarterdeck_domain::{
    action::{Fact, Gate, Params, Plan, Target, Verdict},
    maintenance::{Mode, Sight, odd},
};
use time::OffsetDateTime;

use super::MaintenanceHandler;
use crate::clients::maintenance::Place;

/// The gate whose warning lets the action go on without silences.
pub(super) const SILENCES: &str = "silences";

/// What was found when the plan was made.
struct Found {
    places: Vec<Place>,
    sights: Vec<Sight>,
    gates: Vec<Gate>,
}

impl MaintenanceHandler {
    pub(super) async fn plan_on(
        &self,
        params: &Params,
        expected_end: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Plan {
        let mut found = self.find(true).await;
        found.gates.push(end_gate(expected_end, now));
        let alerts = &self.maintenance.config().silence_alerts;
        let silenced = if alerts.is_empty() {
            "Nothing is silenced".to_owned()
        } else {
            format!("{} are silenced until {}", alerts.join(", "), clock(expected_end))
        };
        let effect = format!(
            "Every request but health gets 503, from a few seconds after the start until somebody switches it off, which is \
             expected by {}. {silenced}.",
            clock(expected_end)
        );
        self.plan(
            params,
            found,
            effect,
            "Switch maintenance mode off: an action that needs nobody's approval by default.",
            now,
        )
    }

    pub(super) async fn plan_off(&self, params: &Params, now: OffsetDateTime) -> Plan {
        let found = self.find(false).await;
        let tail = self.maintenance.config().silence_tail_s;
        let effect = if tail == 0 {
            "Requests are served again, and the silences end.".to_owned()
        } else {
            format!(
                "Requests are served again. The silences end {tail} s later: rules look back, and would fire for what was \
                 refused before."
            )
        };
        self.plan(params, found, effect, "Switch maintenance mode on again.", now)
    }

    fn plan(&self, params: &Params, found: Found, effect: String, undo: &str, now: OffsetDateTime) -> Plan {
        let on = matches!(params, Params::MaintenanceOn { .. });
        let seen: Vec<_> = found
            .sights
            .iter()
            .map(|sight| format!("{}: {}", sight.name, sight.words()))
            .collect();
        let targets = found.places.iter().map(|place| Target {
            kind: "switch".to_owned(),
            id: place.id.clone(),
            title: place.title.clone(),
            facts: vec![
                Fact::binding("maintenance mode", place.mode.word()),
                Fact::shown("present value", place.value.clone()),
                Fact::shown("will be", if on { "on" } else { "off" }),
                Fact::shown("by", self.maintenance.driver().describe()),
                Fact::shown("seen from outside", seen.join(", ")),
            ],
        });
        Plan {
            params: params.clone(),
            planned_at: now,
            targets: targets.collect(),
            left_out: Vec::new(),
            gates: found.gates,
            effect,
            expected_s: self.maintenance.driver().expected_s() + 5,
            undo: undo.to_owned(),
        }
    }

    async fn find(&self, on: bool) -> Found {
        let (places, sights, silences, executing) = tokio::join!(
            self.maintenance.driver().read(),
            self.maintenance.look_from_outside(),
            self.maintenance.can_silence(),
            self.maintenance.executing(),
        );
        let silences = match silences {
            Ok(()) => Gate::new(
                SILENCES,
                "Alerts can be silenced",
                Verdict::Passed,
                "Alertmanager answers.",
            ),
            Err(error) => Gate::new(
                SILENCES,
                "Alerts can be silenced",
                Verdict::Warned,
                format!(
                    "Not silenced, {error}. Somebody will be paged for the 503s unless that is mended first."
                ),
            ),
        };
        let other = match executing {
            Ok(None) => Gate::new(
                "alone",
                "Nobody else is switching it",
                Verdict::Passed,
                "No other action is running.",
            ),
            Ok(Some(number)) => Gate::new(
                "alone",
                "Nobody else is switching it",
                Verdict::Refused,
                format!("Action {number} is being executed. Wait until it is over."),
            ),
            Err(error) => Gate::new(
                "alone",
                "Nobody else is switching it",
                Verdict::Refused,
                format!("Not known: {error}."),
            ),
        };
        Found {
            gates: vec![
                readable_gate(&places),
                present_gate(&places, &sights, on),
                other,
                outside_gate(&sights, !on),
                silences,
            ],
            places,
            sights,
        }
    }
}

fn readable_gate(places: &[Place]) -> Gate {
    let title = "What switches it can be read";
    let unread: Vec<_> = places
        .iter()
        .filter(|place| place.mode == Mode::Unknown)
        .map(|place| format!("{}: {}", place.title, place.value))
        .collect();
    let figure = format!("{} of {}", places.len() - unread.len(), places.len());
    let (verdict, reason) = if unread.is_empty() {
        (Verdict::Passed, "It answers, and says how it is now.".to_owned())
    } else {
        (
            Verdict::Warned,
            format!(
                "{}. It may fail, or be half done; the probes alone will tell.",
                unread.join("; ")
            ),
        )
    };
    Gate::new("readable", title, verdict, reason).with_figure(figure)
}

fn present_gate(places: &[Place], sights: &[Sight], on: bool) -> Gate {
    let title = if on { "It is off now" } else { "It is on now" };
    let present = match Mode::of(places.iter().map(|place| place.mode)) {
        Mode::Unknown => quarterdeck_domain::maintenance::seen_from_outside(sights),
        mode => mode,
    };
    let word = if on { "on" } else { "off" };
    let (verdict, reason) = match (present, on) {
        (Mode::On, true) | (Mode::Off, false) => (
            Verdict::Refused,
            format!("It is {word} already: nothing is left to do."),
        ),
        (Mode::Off, true) | (Mode::On, false) => (Verdict::Passed, "As it should be for this.".to_owned()),
        (Mode::Mixed, _) => (
            Verdict::Warned,
            format!("It is on in part. Afterwards it is {word} as a whole."),
        ),
        (Mode::Unknown, _) => (
            Verdict::Warned,
            "It can't be told, neither from the switch nor from outside.".to_owned(),
        ),
    };
    Gate::new("present", title, verdict, reason).with_figure(present.word())
}

/// Whether the probes see what they should before the switch: otherwise they can't be believed after it either.
fn outside_gate(sights: &[Sight], on: bool) -> Gate {
    let odd = odd(sights, on);
    let figure = format!("{} of {}", sights.len() - odd.len(), sights.len());
    let (verdict, reason) = if odd.is_empty() {
        (
            Verdict::Passed,
            "The probes see what they should see now.".to_owned(),
        )
    } else {
        (
            Verdict::Warned,
            format!(
                "{}. If that stays so, the action will not be verified.",
                odd.join("; ")
            ),
        )
    };
    Gate::new("outside", "Seen from outside it is so too", verdict, reason).with_figure(figure)
}

fn end_gate(expected_end: OffsetDateTime, now: OffsetDateTime) -> Gate {
    let left = (expected_end - now).whole_minutes();
    let (verdict, reason) = if expected_end > now {
        (Verdict::Passed, "There is time until then.".to_owned())
    } else {
        (
            Verdict::Refused,
            "It is over already. Ask anew with a later end.".to_owned(),
        )
    };
    Gate::new("end", "The expected end is to come", verdict, reason).with_figure(format!("{left} min left"))
}

/// `03:30 UTC on 25 November`.
pub(super) fn clock(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    format!(
        "{:02}:{:02} UTC on {} {}",
        at.hour(),
        at.minute(),
        at.day(),
        at.month()
    )
}
