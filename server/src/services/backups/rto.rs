//! How long a recovery would take, out of the restore drills.

use quarterdeck_app::view::backup::RtoView;
use quarterdeck_domain::health::Band;

use super::watch::{BackupWatch, Look};
use crate::db::backups::drills::DrillRow;

/// As the page shows it.
pub(super) fn view(watch: &BackupWatch, look: &Look, drills: &[DrillRow]) -> RtoView {
    let config = watch.config();
    let _ = (look, drills);
    RtoView {
        band: Band::Unknown,
        target_ms: i64::try_from(config.rto_target_s.saturating_mul(1000)).unwrap_or(i64::MAX),
        estimate_ms: None,
        human_ms: i64::try_from(config.human_steps_s.saturating_mul(1000)).unwrap_or(i64::MAX),
        spread_ms: None,
        notes: vec!["No restore drill tells how long a recovery takes.".to_owned()],
        history: Vec::new(),
    }
}
