//! What the console knows of maintenance mode, and what it concludes from what it sees.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Mode;

/// A maintenance that was switched on here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The action that switched it on.
    pub action: Uuid,
    /// Its number, for people.
    pub number: i64,
    /// Who started it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What users are told.
    pub message: String,
    /// When it should be over.
    #[serde(with = "time::serde::rfc3339")]
    pub expected_end: OffsetDateTime,
    /// Ids of the silences that were made for it.
    pub silences: Vec<String>,
}

/// An action that is about to switch the mode: written down before it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switching {
    /// The action.
    pub action: Uuid,
    /// Its number, for people.
    pub number: i64,
    /// What holds once it is on; none when it is being switched off.
    pub held: Option<Held>,
}

impl Switching {
    /// What it is being switched to.
    pub const fn to(&self) -> Mode {
        if self.held.is_some() { Mode::On } else { Mode::Off }
    }
}

/// What the console knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The mode that was seen last.
    pub mode: Mode,
    /// Since when, as far as is known.
    pub since: Option<OffsetDateTime>,
    /// Whether it was brought about by other means than this console.
    pub elsewhere: bool,
    /// The maintenance that is on, if it was switched on here.
    pub held: Option<Held>,
    /// An action that is about to change it.
    pub switching: Option<Switching>,
    /// When any of this was changed last.
    pub changed_at: Option<OffsetDateTime>,
}

/// What follows from a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Nothing,
    /// It is known now, and nobody need be told: it was never looked at before, an action's doing has come about, or
    /// an action that was about to change it is over without having done so.
    Noted(Known),
    /// Somebody changed it by other means.
    Elsewhere {
        /// What it was taken to be.
        was: Mode,
        /// What is known now.
        now: Known,
    },
}

impl Known {
    /// Concludes from `seen`, which was looked at beginning at `looked_at`. `executing` says whether the action of
    /// [`switching`](Self::switching) still runs.
    pub fn see(&self, seen: Mode, executing: bool, looked_at: OffsetDateTime) -> Seen {
        // What was seen before the last change says nothing of what is since.
        if seen == Mode::Unknown || self.changed_at.is_some_and(|changed_at| looked_at <= changed_at) {
            return Seen::Nothing;
        }
        let known = |elsewhere, held| Self {
            mode: seen,
            since: Some(looked_at),
            elsewhere,
            held,
            switching: None,
            changed_at: Some(looked_at),
        };
        if let Some(switching) = &self.switching {
            return if seen == switching.to() {
                Seen::Noted(known(false, switching.held.clone()))
            } else if executing {
                Seen::Nothing
            } else {
                Seen::Noted(Self {
                    switching: None,
                    changed_at: Some(looked_at),
                    ..self.clone()
                })
            };
        }
        if seen == self.mode {
            return Seen::Nothing;
        }
        if self.mode == Mode::Unknown && seen == Mode::Off {
            return Seen::Noted(known(false, None));
        }
        // A part that was changed behind our back does not end the maintenance.
        let held = self.held.clone().filter(|_| seen != Mode::Off);
        Seen::Elsewhere {
            was: self.mode,
            now: known(true, held),
        }
    }

    /// The same with an action that is about to switch it.
    #[must_use]
    pub fn about_to(&self, switching: Switching, at: OffsetDateTime) -> Self {
        Self {
            switching: Some(switching),
            changed_at: Some(at),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::{Duration, macros::datetime};

    const T: OffsetDateTime = datetime!(2026-11-25 03:00 UTC);

    fn held(number: i64) -> Held {
        Held {
            action: Uuid::from_u128(7),
            number,
            by: "olive".into(),
            reason: "migration".into(),
            message: "Back soon.".into(),
            expected_end: T + Duration::minutes(30),
            silences: vec!["s".into()],
        }
    }

    fn switching(on: bool) -> Switching {
        Switching {
            action: Uuid::from_u128(7),
            number: 12,
            held: on.then(|| held(12)),
        }
    }

    fn noted(seen: Seen) -> Known {
        match seen {
            Seen::Noted(known) => known,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_an_action_does_is_its_own_and_what_comes_besides_is_not() {
        let off = noted(Known::default().see(Mode::Off, false, T));
        let at = |seconds| T + Duration::seconds(seconds);
        let about = off.about_to(switching(true), at(10));
        // A look that began before, and one that finds it not yet done.
        assert_eq!(about.see(Mode::On, true, at(9)), Seen::Nothing);
        assert_eq!(about.see(Mode::Off, true, at(11)), Seen::Nothing);
        let on = noted(about.see(Mode::On, true, at(12)));
        assert_eq!(
            (on.mode, on.held.as_ref().map(|h| h.number)),
            (Mode::On, Some(12))
        );
        assert_eq!(on.see(Mode::On, false, at(20)), Seen::Nothing);

        let Seen::Elsewhere { was, now } = on.see(Mode::Off, false, at(30)) else {
            panic!("not noticed");
        };
        assert_eq!(
            (was, now.mode, now.elsewhere, now.held),
            (Mode::On, Mode::Off, true, None)
        );
        let Seen::Elsewhere { now, .. } = on.see(Mode::Mixed, false, at(30)) else {
            panic!("not noticed");
        };
        assert!(now.held.is_some());
    }

    #[test]
    fn an_action_that_ended_without_effect_is_forgotten_and_one_that_took_effect_late_is_not() {
        let off = noted(Known::default().see(Mode::Off, false, T));
        let about = off.about_to(switching(true), T + Duration::seconds(1));
        let later = T + Duration::seconds(60);
        let forgotten = noted(about.see(Mode::Off, false, later));
        assert_eq!((forgotten.switching, forgotten.mode), (None, Mode::Off));
        // The console died in the middle: what it had begun is there, and is its own.
        let on = noted(about.see(Mode::On, false, later));
        assert!(on.held.is_some() && !on.elsewhere);
    }

    #[test]
    fn a_mode_that_was_on_before_the_console_came_is_somebody_elses() {
        assert!(matches!(
            Known::default().see(Mode::On, false, T),
            Seen::Elsewhere {
                was: Mode::Unknown,
                ..
            }
        ));
    }

    proptest! {
        /// Whatever comes: a maintenance is somebody's only if they were about to switch it on, and everything that is
        /// seen in the end is known.
        #[test]
        fn nobody_is_named_for_what_they_did_not_do(steps in prop::collection::vec((0_u8..6, any::<bool>()), 1..40)) {
            let mut known = Known::default();
            let mut asked = false;
            for (second, (step, executing)) in steps.into_iter().enumerate() {
                let at = T + Duration::seconds(i64::try_from(second).unwrap());
                let seen = match step {
                    0 => Mode::Unknown,
                    1 => Mode::Off,
                    2 => Mode::Mixed,
                    3 => Mode::On,
                    _ => {
                        asked |= step == 4;
                        known = known.about_to(switching(step == 4), at);
                        continue;
                    }
                };
                match known.see(seen, executing, at) {
                    Seen::Nothing => {}
                    Seen::Noted(now) => known = now,
                    Seen::Elsewhere { was, now } => {
                        prop_assert_eq!(was, known.mode);
                        prop_assert!(now.elsewhere && now.mode != was);
                        known = now;
                    }
                }
                prop_assert!(asked || known.held.is_none());
                prop_assert!(known.mode != Mode::Off || known.held.is_none());
                if seen != Mode::Unknown && known.switching.is_none() && known.changed_at != Some(at) {
                    prop_assert_eq!(known.mode, seen);
                }
            }
        }
    }
}
