//! Deleting backups and WAL that are past their retention.

use std::sync::Arc;

use quarterdeck_domain::{
    action::{Fact, Gate, LeftOut, Params, Plan, Target, Verdict},
    backup::{RetentionPlan, WalDeletion, WalStaysBecause},
};
use time::OffsetDateTime;

use super::{Handler, PlanError, Run, StepDone, StepError, Work};
use crate::services::backups::{
    retention::{DeletionError, OldBackups, RetentionError, wal_title},
    watch::Look,
};

/// What a copy is called as a target.
const BACKUP: &str = "backup";
/// What a range of segments is called.
const WAL: &str = "wal";
/// Targets that are listed by name; the rest are counted, and stay for the next time.
const MOST: usize = 500;

/// Deletes what is past its retention.
#[derive(Debug)]
pub struct RetentionHandler {
    backups: Arc<OldBackups>,
}

impl RetentionHandler {
    /// Over what is kept.
    #[must_use]
    pub const fn new(backups: Arc<OldBackups>) -> Self {
        Self { backups }
    }

    async fn planned(&self, params: &Params, agreed: Option<&Plan>, now: OffsetDateTime) -> Plan {
        let found = self.backups.plan().await;
        let (mut targets, left_out, effect) = match &found {
            Ok((look, plan)) => (targets(look, plan), left_out(look, plan), effect(plan)),
            Err(_) => (Vec::new(), Vec::new(), "Nothing is deleted.".to_owned()),
        };
        if let Some(agreed) = agreed {
            targets.retain(|target| {
                agreed
                    .targets
                    .iter()
                    .any(|other| other.kind == target.kind && other.id == target.id)
            });
        }
        Plan {
            params: params.clone(),
            planned_at: now,
            gates: gates(&found, targets.len()),
            expected_s: 10 + u32::try_from(targets.len()).unwrap_or(u32::MAX) / 5,
            targets,
            left_out,
            effect,
            undo: "Not at all: what is deleted is gone. Pin what should stay, and ask again.".to_owned(),
        }
    }

    /// Deletes what the plan names, as far as it still is to go.
    async fn delete(&self, run: &Run) -> Result<StepDone, StepError> {
        let (look, plan) = self
            .backups
            .plan()
            .await
            .map_err(|error| StepError::Failed(format!("{error} Nothing was deleted.")))?;
        let by = format!("action {}", run.number);
        let mut done = Vec::new();
        let mut left = Vec::new();
        for target in &run.plan.targets {
            let failed = |error: DeletionError, done: &[String]| {
                StepError::Failed(format!(
                    "{} was not deleted, or not wholly: {error}. Before it {} of {} were deleted. The rest is as it was; ask again for it.",
                    target.title,
                    done.len(),
                    run.plan.targets.len()
                ))
            };
            let copy = plan
                .delete
                .iter()
                .find(|copy| target.kind == BACKUP && copy.id == target.id);
            let wal = plan
                .delete_wal
                .iter()
                .find(|wal| target.kind == WAL && wal_id(wal) == target.id);
            match (copy, wal) {
                (Some(copy), _) => {
                    let why = copy.words();
                    self.backups
                        .delete_copy(&look, &copy.id, &why, &by)
                        .await
                        .map_err(|error| failed(error, &done))?;
                }
                (None, Some(wal)) => {
                    let why = "no base backup that stays needs it";
                    self.backups
                        .delete_wal(&look, wal, why, &by)
                        .await
                        .map_err(|error| failed(error, &done))?;
                }
                (None, None) => {
                    left.push(target.title.clone());
                    continue;
                }
            }
            done.push(target.id.clone());
        }
        let mut detail = format!("{} of {} were deleted.", done.len(), run.plan.targets.len());
        if !left.is_empty() {
            detail.push_str(&format!(
                " Left, as they are to stay now or are gone: {}.",
                left.join(", ")
            ));
        }
        Ok(StepDone {
            detail,
            data: serde_json::json!({ "deleted": done }),
        })
    }

    /// Sees that what was deleted is gone, and that nothing that is needed went with it.
    async fn verify(&self, run: &Run) -> Result<StepDone, StepError> {
        let (look, plan) = self.backups.plan().await.map_err(|error| {
            StepError::Unknown(format!("{error} What was deleted can't be seen to be gone."))
        })?;
        let deleted: Vec<&str> = run.data("delete")["deleted"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|id| id.as_str())
            .collect();
        let still: Vec<&str> = look
            .inventory
            .iter()
            .flat_map(|inventory| &inventory.copies)
            .map(|copy| copy.name.as_str())
            .chain(
                look.inventory
                    .iter()
                    .flat_map(|inventory| &inventory.others)
                    .map(|file| file.path.as_str()),
            )
            .filter(|name| {
                deleted.iter().any(|id| {
                    name == id || name.starts_with(&format!("{id}.")) || name.starts_with(&format!("{id}/"))
                })
            })
            .collect();
        let wal_left = plan
            .delete_wal
            .iter()
            .any(|wal| deleted.contains(&wal_id(wal).as_str()));
        if !still.is_empty() || wal_left {
            return Err(StepError::Failed(format!(
                "Not everything is gone: {}{}.",
                still.join(", "),
                if wal_left { " and segments of the WAL" } else { "" }
            )));
        }
        let reach = look.map.newest_span().is_some() || look.map.dots.last().is_some();
        Ok(StepDone::new(format!(
            "What was deleted is gone. {}",
            if reach {
                "The database can be recovered as before."
            } else {
                "There is no backup that could be restored, as there was none before."
            }
        )))
    }
}

impl Handler for RetentionHandler {
    fn plan<'a>(
        &'a self,
        params: &'a Params,
        agreed: Option<&'a Plan>,
        now: OffsetDateTime,
    ) -> Work<'a, Result<Plan, PlanError>> {
        Box::pin(async move {
            match params {
                Params::DeleteOldBackups {} => Ok(self.planned(params, agreed, now).await),
                Params::CancelQuery { .. }
                | Params::TerminateBackend { .. }
                | Params::TerminateLongRunning { .. }
                | Params::MaintenanceOn { .. }
                | Params::MaintenanceOff {}
                | Params::Switchover { .. }
                | Params::Failover { .. } => {
                    Err(PlanError::Parameters("This is no action on backups.".to_owned()))
                }
            }
        })
    }

    fn step<'a>(&'a self, name: &'static str, run: &'a Run) -> Work<'a, Result<StepDone, StepError>> {
        Box::pin(async move {
            match name {
                "delete" => self.delete(run).await,
                "verify" => self.verify(run).await,
                other => Err(StepError::Failed(format!(
                    "There is no step {other:?}; nothing was done."
                ))),
            }
        })
    }
}

/// Identifies a range: another one that begins elsewhere is not taken for it.
fn wal_id(wal: &WalDeletion) -> String {
    format!("{}:{}-{}", wal.timeline, wal.first, wal.last)
}

fn targets(look: &Look, plan: &RetentionPlan) -> Vec<Target> {
    let size = |name: &str| {
        let mut copies = look.inventory.iter().flat_map(|inventory| &inventory.copies);
        copies.find(|copy| copy.name == name).map_or(0, |copy| copy.bytes)
    };
    let copies = plan.delete.iter().map(|copy| Target {
        kind: BACKUP.to_owned(),
        id: copy.id.clone(),
        title: copy.id.clone(),
        facts: vec![
            Fact::binding("method", copy.method.label()),
            Fact::binding("leads back to", copy.at.to_string()),
            Fact::shown("size", format!("{} bytes", size(&copy.id))),
            Fact::shown("why", copy.words()),
        ],
    });
    let wal = plan.delete_wal.iter().map(|wal| Target {
        kind: WAL.to_owned(),
        id: wal_id(wal),
        title: wal_title(look, wal),
        facts: vec![Fact::shown(
            "why",
            "older than its retention, and no base backup that stays needs it",
        )],
    });
    copies.chain(wal).take(MOST).collect()
}

fn left_out(look: &Look, plan: &RetentionPlan) -> Vec<LeftOut> {
    let mut left: Vec<LeftOut> = plan
        .stay
        .iter()
        .map(|stay| LeftOut {
            title: stay.id.clone(),
            reason: stay.because.words().to_owned(),
        })
        .collect();
    if plan.wal_stays > 0 {
        left.push(LeftOut {
            title: format!("{} old WAL segments", plan.wal_stays),
            reason: match &plan.wal_stays_because {
                Some(WalStaysBecause::Needed { base }) => format!("{base} needs them"),
                Some(WalStaysBecause::NoBase) => {
                    "there is no base backup that would tell which are needed".to_owned()
                }
                Some(WalStaysBecause::Elsewhere) => {
                    "something else deletes them (backups.wal.delete)".to_owned()
                }
                None => "they are needed".to_owned(),
            },
        });
    }
    let all = plan.delete.len() + plan.delete_wal.len();
    if all > MOST {
        left.push(LeftOut {
            title: format!("{} more", all - MOST),
            reason: format!("one action deletes {MOST} things at most; ask again for the rest"),
        });
    }
    // Files of nothing that is known are nobody's to delete.
    let others = look
        .inventory
        .iter()
        .map(|inventory| inventory.others.len())
        .sum::<usize>();
    if others > 0 {
        left.push(LeftOut {
            title: format!("{others} files that belong to no backup"),
            reason: "the console does not know what they are".to_owned(),
        });
    }
    left
}

fn effect(plan: &RetentionPlan) -> String {
    let segments: u64 = plan.delete_wal.iter().map(WalDeletion::count).sum();
    let mut effect = format!(
        "{} backups and {segments} WAL segments are deleted.",
        plan.delete.len()
    );
    if !plan.lose_replay.is_empty() {
        effect.push_str(&format!(
            " No WAL can be replayed any more on {}: they lead back to their own end only.",
            plan.lose_replay.join(", ")
        ));
    }
    effect
}

fn gates(found: &Result<(Arc<Look>, RetentionPlan), RetentionError>, targets: usize) -> Vec<Gate> {
    let (seen, something, left) = match found {
        Err(error) => (
            (Verdict::Refused, error.to_string()),
            (Verdict::Refused, "Not known.".to_owned()),
            (Verdict::Refused, "Not known.".to_owned()),
        ),
        Ok((look, _)) => {
            let reachable = look.map.newest_span().is_some() || look.map.dots.last().is_some();
            (
                (
                    Verdict::Passed,
                    "The store, the archive and what is pinned were seen.".to_owned(),
                ),
                if targets == 0 {
                    (Verdict::Refused, "Nothing is past its retention.".to_owned())
                } else {
                    (
                        Verdict::Passed,
                        format!("{targets} things are past their retention."),
                    )
                },
                if reachable {
                    (
                        Verdict::Passed,
                        "The last good one of each kind stays.".to_owned(),
                    )
                } else {
                    (
                        Verdict::Refused,
                        "There is no backup that could be restored. Make one first; then what is old may go."
                            .to_owned(),
                    )
                },
            )
        }
    };
    vec![
        Gate::new("seen", "Everything that is kept can be seen", seen.0, seen.1),
        Gate::new(
            "something",
            "Something is to be deleted",
            something.0,
            something.1,
        ),
        Gate::new("recoverable", "What stays can be restored", left.0, left.1),
    ]
}
