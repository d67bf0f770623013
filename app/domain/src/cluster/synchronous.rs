//! Whom commits wait for: `synchronous_standby_names`, and whether they are there.

use super::{PrimaryState, topology::SILENCE_MS};

/// What `synchronous_standby_names` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synchronous {
    /// So many standbys have to confirm each commit.
    pub count: usize,
}

impl Synchronous {
    /// Reads the setting: `a, b`, `2 (a, b)`, `FIRST 2 (a, b)` or `ANY 2 (a, b)`. None where nobody is waited for.
    #[must_use]
    pub fn read(setting: &str) -> Option<Self> {
        let setting = setting.trim();
        if setting.is_empty() {
            return None;
        }
        let Some((before, _)) = setting.split_once('(') else {
            return Some(Self { count: 1 });
        };
        let count = before
            .split_whitespace()
            .next_back()
            .and_then(|word| word.parse().ok());
        Some(Self {
            count: count.unwrap_or(1),
        })
    }
}

impl PrimaryState {
    /// How many standbys have to confirm a commit and how many of them do, where they are too few: commits hang then.
    #[must_use]
    pub fn hanging_commits(&self) -> Option<(usize, usize)> {
        let needed = Synchronous::read(&self.synchronous_standby_names)?.count;
        let confirming = self.followers.iter().filter(|follower| {
            follower.state == "streaming"
                && matches!(&*follower.sync_state, "sync" | "quorum")
                && follower.reply_age_ms.is_none_or(|age| age <= SILENCE_MS)
        });
        let there = confirming.count();
        (there < needed).then_some((needed, there))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::Lsn, failover::examples::follower};

    #[test]
    fn the_setting_is_read_in_each_of_its_forms() {
        let count = |setting| Synchronous::read(setting).map(|synchronous| synchronous.count);
        for (setting, expected) in [
            ("", None),
            ("  ", None),
            ("*", Some(1)),
            ("a, \"b c\"", Some(1)),
            ("2 (a, b)", Some(2)),
            ("FIRST 3(a, b, c)", Some(3)),
            ("any 2 ( * )", Some(2)),
        ] {
            assert_eq!(count(setting), expected, "{setting:?}");
        }
    }

    #[test]
    fn commits_hang_when_too_few_confirm_them() {
        let mut primary = PrimaryState {
            flushed: Lsn::from_bytes(1),
            followers: vec![follower("b", 1)],
            synchronous_standby_names: String::new(),
            oldest_transaction_ms: None,
            base_backup: false,
        };
        assert_eq!(primary.hanging_commits(), None);
        primary.synchronous_standby_names = "b".into();
        assert_eq!(primary.hanging_commits(), Some((1, 0)), "it is async");
        primary.followers[0].sync_state = "sync".into();
        assert_eq!(primary.hanging_commits(), None);
        primary.followers[0].reply_age_ms = Some(SILENCE_MS + 1);
        assert_eq!(
            primary.hanging_commits(),
            Some((1, 0)),
            "it says nothing any more"
        );
        primary.followers[0].reply_age_ms = None;
        primary.followers[0].state = "catchup".into();
        assert_eq!(primary.hanging_commits(), Some((1, 0)), "it is not there yet");
        primary.followers[0].state = "streaming".into();
        primary.synchronous_standby_names = "ANY 2 (b, c)".into();
        primary.followers[0].sync_state = "quorum".into();
        assert_eq!(primary.hanging_commits(), Some((2, 1)));
    }
}
