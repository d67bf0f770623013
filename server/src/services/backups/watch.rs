//! Looks at everything from which it is known to which instants one could return: the store, the archive, the primary.

use std::{collections::HashMap, sync::Arc, time::Duration};

use quarterdeck_app::view::backup::{BackupsView, CopyView};
use quarterdeck_domain::{
    backup::{
        Base, BasesToCome, Dump, Evidence, Exposure, Forecast, FoundWal, Line, Method, RecoverabilityMap,
        Safe, Sample, Schedule, SegmentSize, ServerWal, Source, StandbyReceived, WalArchive,
    },
    cluster::{Lsn, NodeSight},
};
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::{sync::Mutex, time::Instant};

use super::{
    archive::{ArchiveReader, FoundArchive},
    figures::{self, Drilled},
    inventory::{Inventory, StoreReader},
    views::{self, Remembered},
};
use crate::{
    clients::{
        node_connection::NodeConnection,
        redis_persistence::{self, RedisPersistence},
        store::{Store, StoreError},
        wal_state::{self, WalState},
    },
    clock::Clock,
    config::backups::BackupsConfig,
    db::{
        DbError,
        backups::{
            copies::{self, CopyRow},
            points::{self, PointRow, PositionRow},
        },
    },
    services::cluster::{Looked, WatchedCluster},
    telemetry::recoverability::RecoverabilityFigures,
};

/// For so long a look serves whoever asks.
const FRESH: Duration = Duration::from_secs(20);
/// A segment that is late is not taken for lost before this, seconds, whatever `archive_timeout` is: listing a store takes time.
const YOUNG_S: u32 = 60;
/// So far ahead it is looked for holes that will open.
const FORECAST: time::Duration = time::Duration::days(14);
/// A primary that was not heard of for so long may have gone on.
const SILENT_AFTER: time::Duration = time::Duration::seconds(30);
/// Positions of the primary are kept for so long: the archive may be behind by that much.
const POSITIONS_KEPT: time::Duration = time::Duration::days(2);
/// How far back one could return at each moment is kept for so long.
const POINTS_KEPT: time::Duration = time::Duration::days(400);

/// Everything that was found at one look.
#[derive(Debug)]
pub struct Look {
    /// When it began.
    pub at: OffsetDateTime,
    /// The store, or why it can't be looked into.
    pub inventory: Result<Inventory, StoreError>,
    /// The archive of WAL, if one is configured, or why it can't be looked into.
    pub archive: Option<Result<FoundArchive, StoreError>>,
    /// What the primary says of its WAL, or why nothing is known of it.
    pub primary: Result<WalState, String>,
    /// How the Redis whose append-only file is configured keeps its data, or why it can't be asked.
    pub redis: Option<Result<RedisPersistence, String>>,
    /// All nodes as they were looked at.
    pub nodes: Arc<Looked>,
    /// What is known of each copy beyond what the store says; none while the console's own database is away.
    pub rows: Option<HashMap<String, CopyRow>>,
    /// Where the primary was, in the order of time.
    pub positions: Vec<PositionRow>,
    /// The base backups.
    pub bases: Vec<Base>,
    /// To which instants one could return.
    pub map: RecoverabilityMap,
    /// What will become of that if nothing changes.
    pub forecast: Forecast,
    /// What would be lost if all but the stored were gone.
    pub exposure: Exposure,
    /// What a promotion of the best standby would lose, if there is one.
    pub standby_exposure: Option<Exposure>,
}

/// What a [`BackupWatch`] is made of.
#[derive(Debug)]
pub struct BackupWatchParts {
    /// What is backed up, and where.
    pub config: BackupsConfig,
    /// The nodes, for what the primary says of its WAL.
    pub nodes: Vec<Arc<NodeConnection>>,
    /// The nodes together: which is the primary, and how the standbys do.
    pub cluster: Arc<WatchedCluster>,
    /// The console's own database.
    pub pool: PgPool,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Looks at backups, for any number of viewers.
#[derive(Debug)]
pub struct BackupWatch {
    parts: BackupWatchParts,
    reader: StoreReader,
    archive: Option<ArchiveReader>,
    last: Mutex<Option<(Instant, Arc<Look>)>>,
}

impl BackupWatch {
    /// Opens the store and the archive; nothing is asked yet.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    pub fn new(parts: BackupWatchParts) -> Result<Self, StoreError> {
        let config = &parts.config;
        let archive = match &config.wal_archive {
            Some(place) => Some(ArchiveReader::new(
                Store::new(place)?,
                config.programs.clone(),
                config.directory.clone(),
            )),
            None => None,
        };
        Ok(Self {
            reader: StoreReader::new(Store::new(&config.store)?),
            archive,
            parts,
            last: Mutex::default(),
        })
    }

    /// What is backed up, and where.
    #[must_use]
    pub fn config(&self) -> &BackupsConfig {
        &self.parts.config
    }

    /// Where backups are kept.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.reader.store()
    }

    /// Where WAL is archived.
    #[must_use]
    pub fn wal_store(&self) -> Option<&Store> {
        self.archive.as_ref().map(ArchiveReader::store)
    }

    /// The console's own database.
    pub(super) fn pool(&self) -> &PgPool {
        &self.parts.pool
    }

    /// Whoever asks next gets a new look: something was changed.
    pub(super) async fn look_anew(&self) {
        *self.last.lock().await = None;
    }

    /// The last look if it is at most 20 s old, else a new one. Who asks meanwhile waits for the same.
    pub async fn looked(&self) -> Arc<Look> {
        let mut last = self.last.lock().await;
        if let Some((at, look)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return Arc::clone(look);
        }
        let look = Arc::new(self.look().await);
        *last = Some((Instant::now(), Arc::clone(&look)));
        look
    }

    /// A look that was begun after this was called.
    pub async fn look_now(&self) -> Arc<Look> {
        let mut last = self.last.lock().await;
        let look = Arc::new(self.look().await);
        *last = Some((Instant::now(), Arc::clone(&look)));
        look
    }

    /// Everything as the page shows it.
    pub async fn view(&self) -> BackupsView {
        let look = self.looked().await;
        let remembered = match Remembered::load(&self.parts.pool, look.at).await {
            Ok(remembered) => Some(remembered),
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "what was seen of backups can't be read"
                );
                None
            }
        };
        views::backups(self, &look, remembered.as_ref())
    }

    /// All copies that are kept, the newest first.
    pub async fn copies(&self) -> Vec<CopyView> {
        views::copies(&*self.looked().await)
    }

    /// What the last look came to, for `/metrics`.
    pub async fn figures(&self) -> RecoverabilityFigures {
        let look = self.looked().await;
        let drilled = match Drilled::load(&self.parts.pool).await {
            Ok(drilled) => drilled,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "drills can't be read");
                Drilled::default()
            }
        };
        figures::figures(self, &look, &drilled)
    }

    /// Looks now, and notes what was seen.
    ///
    /// # Errors
    /// [`DbError`] when it can't be noted; [`Self::looked`] has it all the same.
    pub async fn look_and_note(&self) -> Result<Arc<Look>, DbError> {
        let mut last = self.last.lock().await;
        let mut found = self.find().await;
        let noted = self.note_copies(&mut found).await;
        let look = found.concluded(&self.parts.config);
        let noted = match noted {
            Ok(()) => self.note_point(&look).await,
            Err(error) => Err(error),
        };
        let look = Arc::new(look);
        *last = Some((Instant::now(), Arc::clone(&look)));
        noted.map(|()| look)
    }

    /// Asks the primary where it is, and notes that.
    ///
    /// # Errors
    /// [`DbError`] when it can't be noted.
    pub async fn note_position(&self) -> Result<(), DbError> {
        let nodes = self.parts.cluster.looked().await;
        let at = self.parts.clock.now();
        if let Ok(state) = self.ask_primary(&nodes.sights).await {
            points::add_position(&self.parts.pool, &position(&state, at)).await?;
        }
        Ok(())
    }

    async fn look(&self) -> Look {
        self.find().await.concluded(&self.parts.config)
    }

    /// Looks everywhere; nothing is concluded from it yet.
    async fn find(&self) -> Look {
        let at = self.parts.clock.now();
        let nodes = self.parts.cluster.looked().await;
        // Before the archive: what it has finished is then there, or waits.
        let primary = self.ask_primary(&nodes.sights).await;
        let archive = async {
            let reader = self.archive.as_ref()?;
            let state = primary.as_ref().ok();
            let size = state.map_or(SegmentSize::DEFAULT, |state| state.segment_size);
            let timeout_s = state.map_or(0, |state| u32::try_from(state.archive_timeout_s).unwrap_or(0));
            let young_s = timeout_s.max(YOUNG_S);
            Some(reader.look(state.map(server_wal), size, young_s, at).await)
        };
        let known = async {
            let rows = copies::kept(&self.parts.pool).await?;
            let positions = points::positions(&self.parts.pool, at - POSITIONS_KEPT).await?;
            Ok::<_, DbError>((rows, positions))
        };
        let redis = async {
            match &self.parts.config.redis_aof {
                Some(section) => Some(redis_persistence::ask(&section.url).await),
                None => None,
            }
        };
        let (inventory, archive, known, redis) = tokio::join!(self.reader.look(at), archive, known, redis);
        let (rows, positions) = match known {
            Ok((rows, positions)) => (Some(by_name(rows)), positions),
            Err(_) => (None, Vec::new()),
        };
        Look {
            at,
            inventory,
            archive,
            primary,
            redis,
            nodes,
            rows,
            positions,
            bases: Vec::new(),
            map: RecoverabilityMap::of(&Evidence {
                bases: &[],
                dumps: &[],
                wal: &no_archive(at),
                now: at,
            }),
            forecast: Forecast::default(),
            exposure: Exposure::Unknown { at_least_ms: None },
            standby_exposure: None,
        }
    }

    /// Notes where the primary is and which copies are there, and takes what is known of those.
    async fn note_copies(&self, look: &mut Look) -> Result<(), DbError> {
        let pool = &self.parts.pool;
        if let Ok(state) = &look.primary {
            points::add_position(pool, &position(state, look.at)).await?;
        }
        points::forget_positions(pool, look.at - POSITIONS_KEPT).await?;
        points::forget(pool, look.at - POINTS_KEPT).await?;
        if let Ok(inventory) = &look.inventory {
            for name in copies::seen(pool, &inventory.copies, look.at).await? {
                tracing::warn!(backup = name, "a backup is not in the store any more");
            }
            look.rows = Some(by_name(copies::kept(pool).await?));
        }
        Ok(())
    }

    /// Notes how far back one could return.
    async fn note_point(&self, look: &Look) -> Result<(), DbError> {
        let point = PointRow {
            at: look.at,
            reachable_at: look.reachable_at(),
            exposed_ms: look.exposure.ms(),
            standby_ms: look.standby_exposure.and_then(|exposure| exposure.ms()),
            note: look.primary.as_ref().err().cloned(),
        };
        points::add(&self.parts.pool, &point).await
    }

    async fn ask_primary(&self, sights: &[NodeSight]) -> Result<WalState, String> {
        let primaries = sights.iter().filter(|sight| sight.primary().is_some());
        let name = primaries
            .max_by_key(|sight| sight.state().and_then(|state| state.timeline))
            .map(|sight| sight.name.as_str())
            .ok_or("no node takes writes, as far as they can be asked")?;
        let node = self
            .parts
            .nodes
            .iter()
            .find(|node| node.name() == name)
            .ok_or_else(|| format!("{name} is not configured"))?;
        wal_state::ask(node)
            .await
            .map_err(|error| format!("{name} {error}"))
    }
}

impl Look {
    /// The newest instant to which one could certainly return.
    #[must_use]
    pub fn reachable_at(&self) -> Option<OffsetDateTime> {
        let span = self.map.newest_span().map(|span| span.certain_to);
        span.max(self.map.dots.last().map(|dot| dot.at))
    }

    /// Works out to which instants one could return, what will become of that, and what would be lost.
    fn concluded(mut self, config: &BackupsConfig) -> Self {
        let (bases, dumps) = restorable(&self.inventory, self.rows.as_ref());
        let none = no_archive(self.at);
        let wal = match &self.archive {
            Some(Ok(found)) => &found.wal,
            Some(Err(_)) | None => &none,
        };
        let evidence = Evidence {
            bases: &bases,
            dumps: &dumps,
            wal,
            now: self.at,
        };
        let schedule = config
            .schedule(Method::Base)
            .and_then(|pattern| Schedule::new(pattern, 0).ok());
        let takes = bases.iter().map(|base| base.ended_at - base.begun_at).max();
        let to_come = schedule.as_ref().map(|schedule| BasesToCome {
            schedule,
            takes: takes.unwrap_or(time::Duration::ZERO),
        });
        let forecast = Forecast::of(&evidence, &config.retention(), to_come, self.at + FORECAST);
        self.map = RecoverabilityMap::of(&evidence);
        self.forecast = forecast;
        self.bases = bases;
        self.expose();
        self
    }

    /// Works out what would be lost, from the map and where the primary was.
    fn expose(&mut self) {
        let samples: Vec<Sample> = self.positions.iter().map(sample).collect();
        let archive = self.archive.as_ref().and_then(|archive| archive.as_ref().ok());
        let line_to = |timeline| {
            archive.map_or_else(
                || Line::to(timeline, &[], SegmentSize::DEFAULT),
                |archive| archive.wal.line(timeline),
            )
        };
        let line = self.map.timeline.map(line_to);
        let safe = Safe {
            archived: line.as_ref().zip(self.map.end),
            snapshot_at: self.map.newest_dump_at(),
            newest_commit_at: self.map.newest_span().map(|span| span.certain_to),
        };
        self.exposure = Exposure::now(&samples, &safe, self.at, SILENT_AFTER);
        let standbys = self.nodes.sights.iter().filter_map(NodeSight::standby);
        self.standby_exposure = standbys
            .filter_map(|(state, standby)| {
                let line = line_to(state.timeline?.unsigned_abs());
                let received = StandbyReceived {
                    received: (&line, standby.position()?),
                    // One that receives nothing loses more and more.
                    last_message_age_ms: standby
                        .receiver
                        .as_ref()
                        .and_then(|receiver| receiver.last_message_age_ms),
                };
                Some(received.exposure(&samples, self.at, SILENT_AFTER))
            })
            .min_by_key(|exposure| exposure.ms().unwrap_or(i64::MAX));
    }
}

/// An archive in which nothing is.
fn no_archive(at: OffsetDateTime) -> WalArchive {
    WalArchive::new(FoundWal {
        size: SegmentSize::DEFAULT,
        segments: Vec::new(),
        histories: Vec::new(),
        uploading: Vec::new(),
        server: None,
        young_s: YOUNG_S,
        seen_at: at,
    })
}

fn sample(row: &PositionRow) -> Sample {
    Sample {
        at: row.at,
        timeline: u32::try_from(row.timeline).unwrap_or_default(),
        insert_lsn: Lsn::from_bytes(row.insert_lsn.unsigned_abs()),
        ended: row.ended,
    }
}

fn by_name(rows: Vec<CopyRow>) -> HashMap<String, CopyRow> {
    rows.into_iter().map(|row| (row.name.clone(), row)).collect()
}

fn server_wal(state: &WalState) -> ServerWal {
    ServerWal {
        timeline: state.timeline.unsigned_abs(),
        position: state.insert_lsn,
        ready: state.ready.clone(),
    }
}

fn position(state: &WalState, at: OffsetDateTime) -> PositionRow {
    PositionRow {
        at,
        timeline: state.timeline.into(),
        insert_lsn: i64::try_from(state.insert_lsn.bytes()).unwrap_or(i64::MAX),
        ended: state.ended,
    }
}

/// The base backups and dumps that were found.
fn restorable(
    inventory: &Result<Inventory, StoreError>,
    rows: Option<&HashMap<String, CopyRow>>,
) -> (Vec<Base>, Vec<Dump>) {
    let (mut bases, mut dumps) = (Vec::new(), Vec::new());
    for copy in inventory.iter().flat_map(|inventory| &inventory.copies) {
        let row = rows.and_then(|rows| rows.get(&copy.name));
        let condition = copy.condition(row);
        match copy
            .manifest
            .as_ref()
            .map(|manifest| (manifest, &manifest.source))
        {
            Some((
                manifest,
                Source::Cluster {
                    timeline,
                    start,
                    stop,
                    consistent_at,
                    ..
                },
            )) => bases.push(Base {
                id: copy.name.clone(),
                timeline: *timeline,
                start: *start,
                stop: *stop,
                begun_at: manifest.began_at,
                ended_at: *consistent_at,
                condition,
                own_wal: true,
                pinned: row.is_some_and(|row| row.pinned_by.is_some()),
            }),
            Some((_, Source::Database { snapshot_at, .. })) => dumps.push(Dump {
                id: copy.name.clone(),
                snapshot_at: *snapshot_at,
                condition,
            }),
            // A dump of another job: it can't be newer than when it was stored.
            None if copy.method == Method::Dump => dumps.push(Dump {
                id: copy.name.clone(),
                snapshot_at: copy.stored_at,
                condition,
            }),
            Some((_, Source::Redis { .. })) | None => {}
        }
    }
    (bases, dumps)
}
