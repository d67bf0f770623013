//! Telling a cluster that is split from one that only looked so, and one occurrence from the next.

use super::TopologyVerdict;

/// So long nobody else may have been seen taking writes before a split counts as over, ms. A node that answers now and then
/// must not make a new occurrence each time.
const QUIET_MS: i64 = 60_000;

/// A split that was seen twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The nodes that took writes when it began.
    pub primaries: Vec<String>,
    /// Since when, ms since 1970.
    pub since_ms: i64,
}

/// What is known of splits, from look to look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SplitWatch {
    /// It was seen once: two nodes are not looked at in the same instant, and may have changed places in between.
    suspected: Option<Split>,
    split: Option<Split>,
    /// Since when no look has seen one, ms since 1970.
    whole_since_ms: Option<i64>,
}

impl SplitWatch {
    /// Takes in what a look at `at_ms`, ms since 1970, came to.
    pub fn note(&mut self, at_ms: i64, verdict: &TopologyVerdict) {
        let TopologyVerdict::SplitBrain { primaries } = verdict else {
            self.suspected = None;
            let since = *self.whole_since_ms.get_or_insert(at_ms);
            if at_ms - since >= QUIET_MS {
                self.split = None;
            }
            return;
        };
        self.whole_since_ms = None;
        if self.split.is_some() {
            return;
        }
        let now = Split {
            primaries: primaries.clone(),
            since_ms: at_ms,
        };
        match self.suspected.take() {
            Some(suspected) => self.split = Some(suspected),
            None => self.suspected = Some(now),
        }
    }

    /// The split of the last look, if it was not the first that saw it.
    #[must_use]
    pub const fn present(&self) -> Option<&Split> {
        match self.whole_since_ms {
            None => self.split.as_ref(),
            Some(_) => None,
        }
    }

    /// The occurrence that is not over, though the last look may not have seen it.
    #[must_use]
    pub const fn occurrence(&self) -> Option<&Split> {
        self.split.as_ref()
    }

    /// Whether it is long enough since a split was seen that one would be another occurrence.
    #[must_use]
    pub fn is_over(&self, at_ms: i64) -> bool {
        self.split.is_none() && self.whole_since_ms.is_some_and(|since| at_ms - since >= QUIET_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split() -> TopologyVerdict {
        TopologyVerdict::SplitBrain {
            primaries: vec!["a".into(), "b".into()],
        }
    }

    fn whole() -> TopologyVerdict {
        TopologyVerdict::Healthy { primary: "a".into() }
    }

    #[test]
    fn one_look_is_not_believed_and_two_are() {
        let mut watch = SplitWatch::default();
        watch.note(0, &split());
        assert_eq!((watch.present(), watch.occurrence()), (None, None));
        watch.note(1_000, &whole());
        watch.note(2_000, &split());
        assert_eq!(watch.present(), None);
        watch.note(3_000, &split());
        let seen = watch.present().unwrap();
        assert_eq!((seen.since_ms, seen.primaries.len()), (2_000, 2));
    }

    #[test]
    fn it_is_over_when_it_was_not_seen_for_a_while_and_the_next_one_is_another() {
        let mut watch = SplitWatch::default();
        watch.note(0, &split());
        watch.note(1_000, &split());
        // One of them does not answer for a moment: it is not shown, and not forgotten.
        watch.note(2_000, &TopologyVerdict::NoPrimary { why: vec![] });
        assert_eq!(watch.present(), None);
        assert!(watch.occurrence().is_some() && !watch.is_over(2_000));
        watch.note(30_000, &split());
        assert_eq!(watch.present().unwrap().since_ms, 0);
        watch.note(31_000, &whole());
        watch.note(31_000 + QUIET_MS - 1, &whole());
        assert!(watch.occurrence().is_some());
        watch.note(31_000 + QUIET_MS, &whole());
        assert!(watch.occurrence().is_none() && watch.is_over(31_000 + QUIET_MS));
        watch.note(100_000, &split());
        watch.note(101_000, &split());
        assert_eq!(watch.present().unwrap().since_ms, 100_000);
        assert!(!watch.is_over(101_000));
    }
}
