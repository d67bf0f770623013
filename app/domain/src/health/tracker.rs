//! Debouncing: from what each poll says to what counts, and since when.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Band, Debounce};

/// A change of band that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The band before.
    pub from: Band,
    /// The band after.
    pub to: Band,
    /// When the new band was first seen: the "since when" a person is told.
    pub since: OffsetDateTime,
    /// When it had held long enough to count.
    pub at: OffsetDateTime,
}

/// What one observation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// Nothing changed.
    Unchanged,
    /// Another band is seen, but has not held long enough yet.
    Pending {
        /// The band that is seen.
        band: Band,
        /// Since when it is seen without a break.
        since: OffsetDateTime,
    },
    /// The band changed.
    Changed(Transition),
}

/// The debounced band of one metric.
///
/// A worse band counts once it held for `raise_after`, a better one once it held for `clear_after`. Into and
/// out of `Unknown` there is no delay: what is not known may not be shown as if it were, and staleness has a
/// limit of its own already. While two bands that both differ from the present one alternate (alert, degraded,
/// alert), the clock goes on from the first of them and the milder one counts at the end of it: a metric that
/// swings between two bad bands is not left at OK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracker {
    band: Band,
    since: OffsetDateTime,
    pending: Option<Pending>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    /// Nearest to the present band of those seen since `since`.
    band: Band,
    since: OffsetDateTime,
}

impl Tracker {
    /// Starts from a band that is known to hold since `since`, such as the last stored transition.
    #[must_use]
    pub const fn new(band: Band, since: OffsetDateTime) -> Self {
        Self {
            band,
            since,
            pending: None,
        }
    }

    /// The same, as it turns out to have begun at `since`.
    #[must_use]
    pub const fn begun(self, since: OffsetDateTime) -> Self {
        Self { since, ..self }
    }

    /// The band that counts.
    #[must_use]
    pub const fn band(&self) -> Band {
        self.band
    }

    /// Since when it holds.
    #[must_use]
    pub const fn since(&self) -> OffsetDateTime {
        self.since
    }

    /// The band that is seen but does not count yet.
    #[must_use]
    pub fn pending(&self) -> Option<Band> {
        self.pending.map(|p| p.band)
    }

    /// Takes what a poll says at `now`.
    pub fn observe(&mut self, seen: Band, now: OffsetDateTime, debounce: Debounce) -> Observation {
        if seen == self.band {
            self.pending = None;
            return Observation::Unchanged;
        }
        if seen == Band::Unknown || self.band == Band::Unknown {
            return self.change(seen, now, now);
        }
        let worse = |band: Band| band.urgency() > self.band.urgency();
        let pending = match self.pending {
            Some(p) if worse(p.band) == worse(seen) => Pending {
                band: self.nearer(p.band, seen),
                since: p.since,
            },
            Some(_) | None => Pending {
                band: seen,
                since: now,
            },
        };
        let hold: Duration = if worse(seen) {
            debounce.raise_after
        } else {
            debounce.clear_after
        };
        if now - pending.since >= hold {
            return self.change(pending.band, pending.since, now);
        }
        self.pending = Some(pending);
        Observation::Pending {
            band: pending.band,
            since: pending.since,
        }
    }

    /// Of two bands on one side of the present one, the one that is nearer to it.
    fn nearer(&self, a: Band, b: Band) -> Band {
        let distance = |band: Band| band.urgency().abs_diff(self.band.urgency());
        if distance(a) <= distance(b) { a } else { b }
    }

    fn change(&mut self, to: Band, since: OffsetDateTime, at: OffsetDateTime) -> Observation {
        let transition = Transition {
            from: self.band,
            to,
            since,
            at,
        };
        *self = Self {
            band: to,
            since,
            pending: None,
        };
        Observation::Changed(transition)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const T0: OffsetDateTime = datetime!(2026-01-02 03:00 UTC);
    const DEBOUNCE: Debounce = Debounce {
        raise_after: Duration::from_secs(10),
        clear_after: Duration::from_secs(20),
    };

    fn at(s: u64) -> OffsetDateTime {
        T0 + Duration::from_secs(s)
    }

    #[test]
    fn a_worse_band_counts_once_it_held_and_dates_from_its_first_sight() {
        let mut t = Tracker::new(Band::Ok, T0);
        assert_eq!(
            t.observe(Band::Alert, at(5), DEBOUNCE),
            Observation::Pending {
                band: Band::Alert,
                since: at(5)
            }
        );
        assert_eq!(
            t.observe(Band::Alert, at(14), DEBOUNCE),
            Observation::Pending {
                band: Band::Alert,
                since: at(5)
            }
        );
        let expected = Transition {
            from: Band::Ok,
            to: Band::Alert,
            since: at(5),
            at: at(15),
        };
        assert_eq!(
            t.observe(Band::Alert, at(15), DEBOUNCE),
            Observation::Changed(expected)
        );
        assert_eq!((t.band(), t.since()), (Band::Alert, at(5)));
    }

    #[test]
    fn a_blip_is_forgotten() {
        let mut t = Tracker::new(Band::Ok, T0);
        t.observe(Band::Alert, at(5), DEBOUNCE);
        assert_eq!(t.observe(Band::Ok, at(10), DEBOUNCE), Observation::Unchanged);
        assert_eq!(
            t.observe(Band::Alert, at(15), DEBOUNCE),
            Observation::Pending {
                band: Band::Alert,
                since: at(15)
            }
        );
    }

    #[test]
    fn getting_better_takes_longer() {
        let mut t = Tracker::new(Band::Alert, T0);
        t.observe(Band::Ok, at(1), DEBOUNCE);
        assert!(matches!(
            t.observe(Band::Ok, at(20), DEBOUNCE),
            Observation::Pending { .. }
        ));
        assert!(matches!(
            t.observe(Band::Ok, at(21), DEBOUNCE),
            Observation::Changed(_)
        ));
    }

    #[test]
    fn swinging_between_two_bad_bands_is_not_ok() {
        let mut t = Tracker::new(Band::Ok, T0);
        t.observe(Band::Alert, at(1), DEBOUNCE);
        t.observe(Band::Degraded, at(6), DEBOUNCE);
        let expected = Transition {
            from: Band::Ok,
            to: Band::Degraded,
            since: at(1),
            at: at(11),
        };
        assert_eq!(
            t.observe(Band::Alert, at(11), DEBOUNCE),
            Observation::Changed(expected)
        );
    }

    #[test]
    fn unknown_is_immediate_both_ways() {
        let mut t = Tracker::new(Band::Ok, T0);
        assert!(matches!(
            t.observe(Band::Unknown, at(1), DEBOUNCE),
            Observation::Changed(_)
        ));
        assert!(matches!(
            t.observe(Band::Alert, at(2), DEBOUNCE),
            Observation::Changed(_)
        ));
    }

    #[test]
    fn without_debounce_every_poll_counts() {
        let none = Debounce {
            raise_after: Duration::ZERO,
            clear_after: Duration::ZERO,
        };
        let mut t = Tracker::new(Band::Ok, T0);
        assert!(matches!(
            t.observe(Band::Degraded, at(1), none),
            Observation::Changed(_)
        ));
        assert!(matches!(
            t.observe(Band::Ok, at(2), none),
            Observation::Changed(_)
        ));
    }

    proptest! {
        /// Whatever comes, transitions join up, never stand still, and time never runs backwards.
        #[test]
        fn transitions_form_a_chain(seen in proptest::collection::vec((0usize..4, 0u64..15), 1..200)) {
            let mut tracker = Tracker::new(Band::Unknown, T0);
            let (mut now, mut last) = (T0, Band::Unknown);
            let mut last_since = T0;
            for (index, pause) in seen {
                now += Duration::from_secs(pause);
                if let Observation::Changed(t) = tracker.observe(Band::BY_URGENCY[index], now, DEBOUNCE) {
                    prop_assert_eq!(t.from, last);
                    prop_assert_ne!(t.from, t.to);
                    prop_assert!(t.since <= t.at && t.at == now && t.since >= last_since);
                    (last, last_since) = (t.to, t.since);
                }
                prop_assert_eq!(tracker.band(), last);
            }
        }

        /// A band that is seen without a break for the longest delay always counts in the end.
        #[test]
        fn a_band_that_holds_counts(start in 0usize..4, seen in 0usize..4) {
            let mut tracker = Tracker::new(Band::BY_URGENCY[start], T0);
            for s in 0..=20 {
                tracker.observe(Band::BY_URGENCY[seen], at(s), DEBOUNCE);
            }
            prop_assert_eq!(tracker.band(), Band::BY_URGENCY[seen]);
        }
    }
}
