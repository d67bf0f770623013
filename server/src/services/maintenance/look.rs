//! Looking whether maintenance mode is on, and concluding from it.

use quarterdeck_domain::{
    audit::{Action, Actor, Detail, Object, Outcome},
    maintenance::{Known, Mode, Seen, Stage, seen_from_outside},
};
use sqlx::PgConnection;

use super::{DB_LIMIT, Maintenance};
use crate::{
    db::{self, DbError, maintenance::Look},
    services::{
        actions::ActionError,
        audit::{self, Origin},
        notices::{
            self, Audience, MaintenanceElsewhereNotice, MaintenanceElsewhereTopic, MaintenanceEndNotice,
            MaintenanceEndTopic, Notice,
        },
    },
};

impl Maintenance {
    /// Looks once: at the places that the driver reads, and from outside. Nothing is written.
    pub async fn look(&self) -> Look {
        let at = self.clock.now();
        let (places, sights) = tokio::join!(self.driver.read(), self.probes.look());
        // Where the driver can read, that counts: a 503 may also come from an outage.
        let mode = match Mode::of(places.iter().map(|place| place.mode)) {
            Mode::Unknown => seen_from_outside(&sights),
            mode @ (Mode::Off | Mode::Mixed | Mode::On) => mode,
        };
        Look {
            at,
            mode,
            places: places
                .into_iter()
                .map(|place| (place.title, place.mode, place.value))
                .collect(),
            sights,
        }
    }

    /// Keeps a look in memory alone: for a replica that can't ask the database.
    pub fn glance(&self, look: Look) {
        let known = self.present.load().known.clone();
        // What is seen is shown; who brought it about waits for the database.
        let known = match known.see(look.mode, true, look.at) {
            Seen::Nothing => known,
            Seen::Noted(now) | Seen::Elsewhere { now, .. } => now,
        };
        self.remember(known, Some(look));
    }

    /// Concludes from a look, and writes it down. What was changed by other means goes into the audit log, once it was
    /// seen twice: `suspected` is what the look before answered, a mode that nobody here has brought about.
    ///
    /// # Errors
    /// That it could not be written down; the next look tries again.
    pub async fn conclude(&self, look: Look, suspected: Option<Mode>) -> Result<Option<Mode>, ActionError> {
        let work = async {
            let mut suspect = None;
            let mut transaction = self.pool.begin().await?;
            let row = db::maintenance::lock(&mut transaction).await?;
            let known = row.known()?;
            let executing = match &known.switching {
                Some(switching) => db::maintenance::is_executing(&mut *transaction, switching.action).await?,
                None => false,
            };
            match known.see(look.mode, executing, look.at) {
                Seen::Nothing => {}
                Seen::Noted(now) => db::maintenance::write(&mut transaction, &now).await?,
                Seen::Elsewhere { was, now } if suspected == Some(look.mode) => {
                    let event = self.events.event(
                        &Origin::default(),
                        Actor::System,
                        Action::MaintenanceChangedElsewhere,
                        Object::new("maintenance", "service"),
                        Outcome::Succeeded,
                        changed(&look, was, &known),
                    );
                    audit::append(&mut transaction, &event).await?;
                    self.notify_elsewhere(&mut transaction, &look, was, &known)
                        .await?;
                    db::maintenance::write(&mut transaction, &now).await?;
                    tracing::warn!(
                        was = was.as_str(),
                        now = look.mode.as_str(),
                        "maintenance mode was changed by other means"
                    );
                }
                Seen::Elsewhere { .. } => suspect = Some(look.mode),
            }
            db::maintenance::keep_look(&mut *transaction, &look).await?;
            transaction.commit().await?;
            Ok::<_, ActionError>(suspect)
        };
        let suspect = tokio::time::timeout(DB_LIMIT, work)
            .await
            .map_err(|_| DbError::from(sqlx::Error::PoolTimedOut))??;
        self.tell().await?;
        self.refresh().await?;
        Ok(suspect)
    }

    /// Tells people, once each, that the expected end is near and that it is over.
    async fn tell(&self) -> Result<(), ActionError> {
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await?;
        let row = db::maintenance::lock(&mut transaction).await?;
        let known = row.known()?;
        let Some(held) = known.held.as_ref().filter(|_| known.mode != Mode::Off) else {
            return Ok(());
        };
        let stage = Stage::at(now, held.expected_end, self.remind_before());
        let Some(topic) = MaintenanceEndTopic::of(stage) else {
            return Ok(());
        };
        let (overrun, told_at) = match topic {
            MaintenanceEndTopic::NearsEnd => (false, row.end_told_at),
            MaintenanceEndTopic::Overrun => (true, row.overrun_told_at),
        };
        if told_at.is_some() {
            return Ok(());
        }
        if overrun {
            let event = self.events.event(
                &Origin::default(),
                Actor::System,
                Action::MaintenanceOverran,
                Object::new("action", held.action),
                Outcome::Succeeded,
                Detail::none()
                    .with("number", held.number.to_string())
                    .with("by", held.by.as_str())
                    .with("expected_end", held.expected_end.to_string()),
            );
            audit::append(&mut transaction, &event).await?;
        }
        let notice = Notice::MaintenanceEnd(MaintenanceEndNotice {
            topic,
            id: held.action,
            number: held.number,
            requester: held.by.clone(),
            reason: held.reason.clone(),
            expected_end: held.expected_end,
        });
        let requester = db::actions::by_id(&mut *transaction, held.action).await?;
        let audience = Audience {
            // Who overran may be asleep by now.
            roles: if overrun {
                self.concerned.clone()
            } else {
                Vec::new()
            },
            accounts: requester.iter().map(|row| row.requester().account).collect(),
            except: None,
        };
        notices::enqueue(&mut transaction, self.channels, &notice, &audience, now).await?;
        db::maintenance::note_told(&mut transaction, overrun, now).await?;
        transaction.commit().await.map_err(DbError::from)?;
        Ok(())
    }

    /// Tells those who may switch it that somebody has, by other means.
    async fn notify_elsewhere(
        &self,
        connection: &mut PgConnection,
        look: &Look,
        was: Mode,
        known: &Known,
    ) -> Result<(), DbError> {
        let notice = Notice::MaintenanceElsewhere(MaintenanceElsewhereNotice {
            topic: MaintenanceElsewhereTopic::ChangedElsewhere,
            was,
            now: look.mode,
            places: places(look),
            seen_from_outside: sights(look),
            during_action: known.held.as_ref().map(|held| held.number),
        });
        let audience = Audience {
            roles: self.concerned.clone(),
            ..Audience::default()
        };
        notices::enqueue(connection, self.channels, &notice, &audience, self.clock.now()).await
    }

    pub(super) fn remind_before(&self) -> time::Duration {
        time::Duration::seconds(i64::try_from(self.config.remind_before_s).unwrap_or(i64::MAX))
    }
}

/// What the driver read, each place with its title.
fn places(look: &Look) -> Vec<String> {
    look.places
        .iter()
        .map(|(title, _, value)| format!("{title}: {value}"))
        .collect()
}

/// What the probes saw, each with its name.
fn sights(look: &Look) -> Vec<String> {
    look.sights
        .iter()
        .map(|sight| format!("{}: {}", sight.name, sight.words()))
        .collect()
}

/// What the audit log is told about a change by other means.
fn changed(look: &Look, was: Mode, known: &Known) -> Detail {
    let detail = Detail::none()
        .with("was", was.as_str())
        .with("now", look.mode.as_str())
        .with("places", places(look).join("; "))
        .with("seen_from_outside", sights(look).join("; "));
    match &known.held {
        Some(held) => detail.with("during_action", held.number.to_string()),
        None => detail,
    }
}
