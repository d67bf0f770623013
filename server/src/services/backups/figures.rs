//! What a look at backups comes to, for `/metrics`.

use quarterdeck_domain::backup::{Condition, Method, Missing};
use time::OffsetDateTime;

use super::{
    rto, views,
    watch::{BackupWatch, Look},
};
use crate::{
    clock::unix_ms,
    db::{
        DbError,
        backups::drills::{self, DrillRow},
    },
    telemetry::recoverability::RecoverabilityFigures,
};

/// How many of the last drills are read: more than an estimate goes by.
const DRILLS: i64 = 40;

/// What the console's own database tells of drills.
#[derive(Debug, Default)]
pub(super) struct Drilled {
    last: Vec<DrillRow>,
    succeeded: Vec<(String, OffsetDateTime)>,
}

impl Drilled {
    pub(super) async fn load(pool: &sqlx::PgPool) -> Result<Self, DbError> {
        let (last, succeeded) = tokio::try_join!(drills::recent(pool, DRILLS), drills::last_succeeded(pool))?;
        Ok(Self { last, succeeded })
    }
}

/// The figures. What can't be looked into has none.
pub(super) fn figures(watch: &BackupWatch, look: &Look, drilled: &Drilled) -> RecoverabilityFigures {
    let mut figures = RecoverabilityFigures {
        looked_at: seconds(look.at),
        recovery_point_age: look
            .reachable_at()
            .map(|at| (look.at - at).as_seconds_f64().max(0.0)),
        exposure: look.exposure.ms().map(of_ms),
        standby_exposure: look
            .standby_exposure
            .and_then(|exposure| exposure.ms())
            .map(of_ms),
        time_estimate: rto::view(watch, look, &drilled.last).estimate_ms.map(of_ms),
        drill_success: drilled
            .succeeded
            .iter()
            .filter_map(|(method, at)| Some((Method::from_key(method)?, seconds(*at))))
            .collect(),
        ..RecoverabilityFigures::default()
    };
    add_copies(&mut figures, watch, look);
    add_archive(&mut figures, look);
    figures
}

fn add_copies(figures: &mut RecoverabilityFigures, watch: &BackupWatch, look: &Look) {
    if look.inventory.is_err() {
        return;
    }
    let copies = views::copies(look);
    for method in Method::ALL {
        if method == Method::Wal || watch.config().keep_days(method).is_none() {
            continue;
        }
        let own = || copies.iter().filter(move |copy| copy.method == method);
        let damaged = Condition::Damaged.key();
        if let Some(newest) = own().find(|copy| copy.condition != damaged) {
            figures.last_success.push((method, of_ms(newest.instant_ms)));
        }
        for condition in Condition::ALL {
            let count = own().filter(|copy| copy.condition == condition.key()).count();
            figures.copies.push((method, condition, wide(count)));
        }
        let newest_damaged = own().next().is_some_and(|copy| copy.condition == damaged);
        figures.newest_damaged.push((method, newest_damaged));
        figures.bytes.push((method, own().map(|copy| copy.bytes).sum()));
    }
}

fn add_archive(figures: &mut RecoverabilityFigures, look: &Look) {
    let Some(Ok(found)) = &look.archive else {
        return;
    };
    let newest = found.wal.segments().iter().map(|segment| segment.stored_at).max();
    figures
        .last_success
        .extend(newest.map(|at| (Method::Wal, seconds(at))));
    figures.bytes.push((Method::Wal, found.bytes));
    let timelines = found.wal.continuity();
    let gaps = || timelines.iter().flat_map(|timeline| &timeline.gaps);
    // What a recovery to the present begins with.
    let base = look
        .bases
        .iter()
        .filter(|base| base.condition.usable())
        .max_by_key(|base| base.ended_at);
    for missing in Missing::ALL {
        let all = gaps().filter(|gap| gap.missing == missing);
        figures
            .missing_segments
            .push((missing, all.map(|gap| gap.count()).sum()));
        if let Some(base) = base {
            let first = found.wal.size().number_of(base.start);
            let since = gaps().filter(|gap| gap.missing == missing).map(|gap| {
                if gap.timeline > base.timeline {
                    gap.count()
                } else if gap.timeline == base.timeline && gap.last >= first {
                    gap.last - gap.first.max(first) + 1
                } else {
                    0
                }
            });
            figures.missing_since_base.push((missing, since.sum()));
        }
    }
}

fn seconds(at: OffsetDateTime) -> f64 {
    of_ms(unix_ms(at))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of some millennia are exact in an f64"
)]
fn of_ms(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
