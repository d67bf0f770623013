//! One word for the whole estate.

use serde::{Deserialize, Serialize};

use super::Band;

/// How many metrics stand in each band, and what that amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The most urgent band that anything stands in; `Unknown` when there is nothing at all.
    pub band: Band,
    /// Metrics in alert.
    pub alert: u32,
    /// Metrics of which nothing is known.
    pub unknown: u32,
    /// Metrics that miss their target.
    pub degraded: u32,
    /// Metrics that are well.
    pub ok: u32,
    /// Alert rules that fire and are not silenced.
    pub firing: u32,
}

impl Verdict {
    /// The sentence at the head of the overview.
    #[must_use]
    pub fn headline(&self) -> String {
        let total = self.alert + self.unknown + self.degraded + self.ok;
        let part = |n: u32, what: &str| (n > 0).then(|| format!("{n} {what}"));
        let mut parts: Vec<String> = [
            part(self.alert, "in alert"),
            part(self.unknown, "unknown"),
            part(self.degraded, "degraded"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.firing > 0 {
            parts.push(if self.firing == 1 {
                "1 alert firing".into()
            } else {
                format!("{} alerts firing", self.firing)
            });
        }
        match (total, parts.is_empty()) {
            (0, _) => "Nothing is being watched".to_owned(),
            (_, true) => format!("All {total} metrics are well"),
            (_, false) => parts.join(", "),
        }
    }
}

/// Sums up bands and firing alerts. Firing alerts make the verdict at least `Degraded`, a critical one `Alert`.
#[must_use]
pub fn verdict(bands: impl IntoIterator<Item = Band>, firing: u32, firing_critical: u32) -> Verdict {
    let mut v = Verdict {
        band: Band::Unknown,
        alert: 0,
        unknown: 0,
        degraded: 0,
        ok: 0,
        firing,
    };
    for band in bands {
        match band {
            Band::Alert => v.alert += 1,
            Band::Unknown => v.unknown += 1,
            Band::Degraded => v.degraded += 1,
            Band::Ok => v.ok += 1,
        }
    }
    v.band = if v.alert > 0 || firing_critical > 0 {
        Band::Alert
    } else if v.unknown > 0 || v.ok + v.degraded == 0 {
        Band::Unknown
    } else if v.degraded > 0 || firing > 0 {
        Band::Degraded
    } else {
        Band::Ok
    };
    v
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_watched_is_not_healthy() {
        let v = verdict([], 0, 0);
        assert_eq!(
            (v.band, v.headline().as_str()),
            (Band::Unknown, "Nothing is being watched")
        );
    }

    #[test]
    fn one_unknown_forbids_ok() {
        assert_eq!(
            verdict([Band::Ok, Band::Unknown, Band::Degraded], 0, 0).band,
            Band::Unknown
        );
    }

    #[test]
    fn a_firing_alert_counts_where_all_metrics_are_well() {
        let v = verdict([Band::Ok, Band::Ok], 1, 0);
        assert_eq!(
            (v.band, v.headline().as_str()),
            (Band::Degraded, "1 alert firing")
        );
        assert_eq!(verdict([Band::Ok], 1, 1).band, Band::Alert);
    }

    #[test]
    fn the_headline_names_the_worst_first() {
        let v = verdict(
            [Band::Ok, Band::Degraded, Band::Alert, Band::Unknown, Band::Alert],
            2,
            0,
        );
        assert_eq!(v.headline(), "2 in alert, 1 unknown, 1 degraded, 2 alerts firing");
        assert_eq!(
            verdict([Band::Ok; 16], 0, 0).headline(),
            "All 16 metrics are well"
        );
    }
}
