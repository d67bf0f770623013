//! Freeze windows: when actions may and may not be done.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use croner::Cron;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ActionKind;

/// What a window does while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreezeEffect {
    /// Actions may be done only while a window of this effect is open.
    Allow,
    /// Actions may not be done while it is open, whatever other windows say.
    Deny,
}

/// A time that comes again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeWindow {
    /// Its name, as people know it: "Black Friday", "nightly batch".
    pub name: String,
    /// What it does.
    pub effect: FreezeEffect,
    /// For which kinds; none named means all.
    #[serde(default)]
    pub actions: Vec<ActionKind>,
    /// When it opens: a cron pattern of five fields, in UTC.
    pub cron: String,
    /// How long it stays open, seconds.
    pub duration_s: u32,
}

/// A window that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreezeError {
    /// The pattern is wrong.
    #[error("the freeze window {name:?} has the cron pattern {cron:?}, which can't be read: {reason}")]
    Cron {
        /// The window.
        name: String,
        /// Its pattern.
        cron: String,
        /// What is wrong.
        reason: String,
    },
    /// The duration is wrong.
    #[error(
        "the freeze window {name:?} has to be open for at least a minute and at most 366 days (duration_s)"
    )]
    Duration {
        /// The window.
        name: String,
    },
}

/// What the windows say of one kind at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "freeze", rename_all = "snake_case")]
pub enum Freeze {
    /// No window stands against it.
    Free,
    /// A window denies it.
    Denied {
        /// Its name.
        window: String,
        /// When it closes.
        #[serde(with = "time::serde::rfc3339")]
        until: OffsetDateTime,
    },
    /// It is allowed only in windows, and none is open.
    OutsideOfWindows {
        /// The windows' names.
        windows: Vec<String>,
    },
}

const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

impl FreezeWindow {
    fn pattern(&self) -> Result<Cron, FreezeError> {
        Cron::from_str(&self.cron).map_err(|error| FreezeError::Cron {
            name: self.name.clone(),
            cron: self.cron.clone(),
            reason: error.to_string(),
        })
    }

    /// Finds what can't be used.
    ///
    /// # Errors
    /// [`FreezeError`].
    pub fn check(&self) -> Result<(), FreezeError> {
        self.pattern()?;
        if self.duration_s < 60 || Duration::from_secs(self.duration_s.into()) > LONGEST {
            return Err(FreezeError::Duration {
                name: self.name.clone(),
            });
        }
        Ok(())
    }

    fn concerns(&self, kind: ActionKind) -> bool {
        self.actions.is_empty() || self.actions.contains(&kind)
    }

    /// When it opens next, after `now`; none for a pattern that can't be read, or that fits no date any more.
    pub fn opens_next(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let at = DateTime::<Utc>::from_timestamp(now.unix_timestamp(), 0)?;
        let opens = self.pattern().ok()?.find_next_occurrence(&at, false).ok()?;
        OffsetDateTime::from_unix_timestamp(opens.timestamp()).ok()
    }

    /// When it closes, if it is open now. A pattern that can't be read counts as open where it denies and as closed
    /// where it allows: whoever wrote it wanted to be careful.
    pub fn open_until(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let unreadable = match self.effect {
            FreezeEffect::Deny => Some(now + time::Duration::hours(1)),
            FreezeEffect::Allow => None,
        };
        let (Ok(pattern), Some(at)) = (
            self.pattern(),
            DateTime::<Utc>::from_timestamp(now.unix_timestamp(), 0),
        ) else {
            return unreadable;
        };
        let opened = pattern.find_previous_occurrence(&at, true).ok()?;
        let until = OffsetDateTime::from_unix_timestamp(opened.timestamp()).ok()?
            + time::Duration::seconds(self.duration_s.into());
        (until > now).then_some(until)
    }
}

/// What `windows` say of `kind` at `now`: a denying window wins over any allowing one.
pub(super) fn freeze(windows: &[FreezeWindow], kind: ActionKind, now: OffsetDateTime) -> Freeze {
    let concerned = || windows.iter().filter(|window| window.concerns(kind));
    let denied = concerned()
        .filter(|window| window.effect == FreezeEffect::Deny)
        .filter_map(|window| Some((window.open_until(now)?, window)))
        .max_by_key(|(until, _)| *until);
    if let Some((until, window)) = denied {
        return Freeze::Denied {
            window: window.name.clone(),
            until,
        };
    }
    let allowing: Vec<_> = concerned()
        .filter(|window| window.effect == FreezeEffect::Allow)
        .collect();
    if allowing.is_empty() || allowing.iter().any(|window| window.open_until(now).is_some()) {
        Freeze::Free
    } else {
        Freeze::OutsideOfWindows {
            windows: allowing.iter().map(|window| window.name.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn window(effect: FreezeEffect, cron: &str, hours: u32) -> FreezeWindow {
        FreezeWindow {
            name: format!("{effect:?} {cron}"),
            effect,
            actions: vec![],
            cron: cron.into(),
            duration_s: hours * 3600,
        }
    }

    #[test]
    fn deny_wins_over_allow() {
        let windows = [
            window(FreezeEffect::Allow, "0 2 * * *", 4),
            window(FreezeEffect::Deny, "0 3 * * *", 1),
        ];
        let says = |now| freeze(&windows, ActionKind::MaintenanceOn, now);
        assert_eq!(says(datetime!(2026-11-25 02:30 UTC)), Freeze::Free);
        assert_eq!(
            says(datetime!(2026-11-25 03:59:59 UTC)),
            Freeze::Denied {
                window: windows[1].name.clone(),
                until: datetime!(2026-11-25 04:00 UTC)
            }
        );
        assert_eq!(says(datetime!(2026-11-25 04:00 UTC)), Freeze::Free);
        assert!(matches!(
            says(datetime!(2026-11-25 06:00 UTC)),
            Freeze::OutsideOfWindows { .. }
        ));
    }

    #[test]
    fn a_window_says_when_it_closes_and_when_it_opens_next() {
        let nightly = window(FreezeEffect::Deny, "0 3 * * *", 2);
        let now = datetime!(2026-11-25 04:00 UTC);
        assert_eq!(nightly.open_until(now), Some(datetime!(2026-11-25 05:00 UTC)));
        assert_eq!(nightly.opens_next(now), Some(datetime!(2026-11-26 03:00 UTC)));
        assert_eq!(nightly.open_until(datetime!(2026-11-25 05:00 UTC)), None);
        assert_eq!(window(FreezeEffect::Deny, "every day", 2).opens_next(now), None);
    }

    #[test]
    fn a_window_concerns_the_kinds_it_names() {
        let mut deny = window(FreezeEffect::Deny, "* * * * *", 1);
        deny.actions = vec![ActionKind::MaintenanceOn];
        let now = datetime!(2026-11-25 12:00 UTC);
        assert!(matches!(
            freeze(&[deny.clone()], ActionKind::MaintenanceOn, now),
            Freeze::Denied { .. }
        ));
        assert_eq!(freeze(&[deny], ActionKind::CancelQuery, now), Freeze::Free);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_denies() {
        let wrong = window(FreezeEffect::Deny, "every day", 1);
        assert!(matches!(wrong.check(), Err(FreezeError::Cron { .. })));
        assert!(matches!(
            freeze(&[wrong], ActionKind::CancelQuery, datetime!(2026-11-25 12:00 UTC)),
            Freeze::Denied { .. }
        ));
        assert!(matches!(
            window(FreezeEffect::Allow, "* * * * *", 0).check(),
            Err(FreezeError::Duration { .. })
        ));
    }
}
