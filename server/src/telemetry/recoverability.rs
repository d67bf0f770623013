//! What the last look at backups came to, in Prometheus' format. A figure that is not known is absent: alert rules tell that
//! from a good one.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue},
    metrics::MetricType,
};
use quarterdeck_domain::backup::{Condition, Method, Missing};
use tokio::time::Instant;

/// A look that is older says nothing any more.
const HOLDS_FOR: Duration = Duration::from_secs(120);

/// What a look came to. Times are Unix seconds, spans seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecoverabilityFigures {
    /// When it was looked.
    pub looked_at: f64,
    /// Age of the newest commit that could be restored.
    pub recovery_point_age: Option<f64>,
    /// How long ago what would be lost began to be written; 0 if nothing was written since.
    pub exposure: Option<f64>,
    /// What a promotion of the best standby would lose.
    pub standby_exposure: Option<f64>,
    /// How long a recovery would take, people included.
    pub time_estimate: Option<f64>,
    /// The instant to which the newest copy leads back that is not damaged. WAL: when the newest segment was stored.
    pub last_success: Vec<(Method, f64)>,
    /// How many copies there are of each condition.
    pub copies: Vec<(Method, Condition, u64)>,
    /// Whether the newest copy is damaged.
    pub newest_damaged: Vec<(Method, bool)>,
    /// Bytes of everything that is kept.
    pub bytes: Vec<(Method, u64)>,
    /// WAL segments that are missing, wherever in the archive.
    pub missing_segments: Vec<(Missing, u64)>,
    /// Those of them which a recovery to the present from the newest base backup needs.
    pub missing_since_base: Vec<(Missing, u64)>,
    /// When the last drill ended that succeeded.
    pub drill_success: Vec<(Method, f64)>,
}

/// Shows the last look of this replica for two minutes, and nothing after that.
#[derive(Debug, Default)]
pub struct Recoverability {
    shown: Mutex<Option<(Instant, RecoverabilityFigures)>>,
}

impl Recoverability {
    /// Shows what a look came to that was just done.
    pub fn show(&self, figures: RecoverabilityFigures) {
        self.replace(Some((Instant::now(), figures)));
    }

    /// Shows nothing: another replica looks.
    pub fn clear(&self) {
        self.replace(None);
    }

    fn replace(&self, shown: Option<(Instant, RecoverabilityFigures)>) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }
}

impl Collector for Recoverability {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, figures)) = shown.as_ref() else {
            return Ok(());
        };
        if at.elapsed() > HOLDS_FOR {
            return Ok(());
        }
        let single = [
            (
                "recoverability_looked_timestamp_seconds",
                "When backups were looked at last, Unix seconds",
                Some(figures.looked_at),
            ),
            (
                "recovery_point_age_seconds",
                "Age of the newest commit that could be restored; grows while nothing is written, too",
                figures.recovery_point_age,
            ),
            (
                "recovery_exposure_seconds",
                "How long ago what would be lost began to be written; 0 if nothing was written since, absent while not known",
                figures.exposure,
            ),
            (
                "recovery_standby_exposure_seconds",
                "The same for a promotion of the best standby",
                figures.standby_exposure,
            ),
            (
                "recovery_time_estimate_seconds",
                "How long a recovery would take as drills have measured it, people included; absent while not known",
                figures.time_estimate,
            ),
        ];
        for (name, help, value) in single {
            if let Some(value) = value {
                family(&mut encoder, name, help, [([("", ""); 0], value)])?;
            }
        }
        let kind = |method: Method| [("kind", method.key())];
        family(
            &mut encoder,
            "backup_last_success_timestamp_seconds",
            "The instant to which the newest copy leads back that is not damaged, Unix seconds; WAL: when the newest segment was stored",
            figures
                .last_success
                .iter()
                .map(|(method, at)| (kind(*method), *at)),
        )?;
        family(
            &mut encoder,
            "backup_copies",
            "Copies that are kept",
            figures.copies.iter().map(|(method, condition, count)| {
                let labels = [("kind", method.key()), ("condition", condition.key())];
                (labels, *count)
            }),
        )?;
        family(
            &mut encoder,
            "backup_newest_damaged",
            "1 if the newest copy is damaged",
            figures
                .newest_damaged
                .iter()
                .map(|(method, damaged)| (kind(*method), u64::from(*damaged))),
        )?;
        family(
            &mut encoder,
            "backup_bytes",
            "Bytes of everything that is kept",
            figures
                .bytes
                .iter()
                .map(|(method, bytes)| (kind(*method), *bytes)),
        )?;
        let missing = |missing: Missing| [("missing", missing.key())];
        family(
            &mut encoder,
            "wal_archive_missing_segments",
            "WAL segments that are missing, wherever in the archive",
            figures
                .missing_segments
                .iter()
                .map(|(why, count)| (missing(*why), *count)),
        )?;
        family(
            &mut encoder,
            "wal_archive_missing_since_base_segments",
            "WAL segments that are missing after the newest base backup: nothing later than they can be reached",
            figures
                .missing_since_base
                .iter()
                .map(|(why, count)| (missing(*why), *count)),
        )?;
        family(
            &mut encoder,
            "restore_drill_last_success_timestamp_seconds",
            "When the last restore drill ended that succeeded, Unix seconds",
            figures
                .drill_success
                .iter()
                .map(|(method, at)| (kind(*method), *at)),
        )
    }
}

/// Writes a gauge with a value for each set of labels; nothing at all if there is none.
fn family<const N: usize, V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = ([(&'static str, &'static str); N], V)>,
) -> fmt::Result {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        if N == 0 {
            metric.encode_gauge(&value)?;
        } else {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prometheus_client::{encoding::text, registry::Registry};

    use super::*;

    fn told(recoverability: &Arc<Recoverability>) -> String {
        let mut registry = Registry::with_prefix("quarterdeck");
        registry.register_collector(Box::new(Arc::clone(recoverability)));
        let mut told = String::new();
        text::encode(&mut told, &registry).unwrap();
        told
    }

    fn figures() -> RecoverabilityFigures {
        RecoverabilityFigures {
            looked_at: 1_700_000_000.0,
            recovery_point_age: Some(42.5),
            exposure: Some(0.0),
            last_success: vec![(Method::Dump, 1_699_990_000.0)],
            copies: vec![(Method::Dump, Condition::Damaged, 2)],
            missing_segments: vec![(Missing::Lost, 3)],
            ..RecoverabilityFigures::default()
        }
    }

    #[test]
    fn what_is_known_is_told_and_what_is_not_known_is_absent() {
        let recoverability = Arc::new(Recoverability::default());
        assert_eq!(told(&recoverability), "# EOF\n");

        recoverability.show(figures());
        let text = told(&recoverability);
        for line in [
            "quarterdeck_recoverability_looked_timestamp_seconds 1700000000.0",
            "quarterdeck_recovery_point_age_seconds 42.5",
            "quarterdeck_recovery_exposure_seconds 0.0",
            "quarterdeck_backup_last_success_timestamp_seconds{kind=\"dump\"} 1699990000.0",
            "quarterdeck_backup_copies{kind=\"dump\",condition=\"damaged\"} 2",
            "quarterdeck_wal_archive_missing_segments{missing=\"lost\"} 3",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
        for absent in [
            "time_estimate",
            "standby_exposure",
            "restore_drill",
            "backup_bytes",
        ] {
            assert!(!text.contains(absent), "{absent} is in\n{text}");
        }

        recoverability.clear();
        assert_eq!(told(&recoverability), "# EOF\n");
    }

    #[test]
    fn an_old_look_is_not_told() {
        let recoverability = Arc::new(Recoverability::default());
        let long_ago = Instant::now().checked_sub(HOLDS_FOR + Duration::from_secs(1));
        recoverability.replace(Some((long_ago.unwrap(), figures())));
        assert_eq!(told(&recoverability), "# EOF\n");
    }
}
