//! Makes one backup: from the primary that takes writes now to the store, the manifest last.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use quarterdeck_domain::{
    backup::{Manifest, Method, Source, backup_name, manifest},
    cluster::Topology,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    clients::{
        backup_programs::{
            BackupError, Job, RedisAddress, Target, WorkDirectory, take_aof, take_base, take_dump, take_rdb,
        },
        store::Store,
    },
    clock::Clock,
    config::backups::BackupsConfig,
    services::cluster::WatchedCluster,
};

/// How long what was stored of a backup that came to nothing may take to be removed.
const REMOVAL: Duration = Duration::from_secs(30);

/// Makes backups.
#[derive(Debug)]
pub(super) struct Maker {
    pub config: BackupsConfig,
    pub store: Store,
    /// The nodes that have a role for it.
    pub targets: Vec<Target>,
    pub rdb: Option<RedisAddress>,
    pub aof: Option<(RedisAddress, PathBuf)>,
    pub cluster: Arc<WatchedCluster>,
    pub clock: Arc<dyn Clock>,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Made {
    pub name: String,
    pub bytes: u64,
}

impl Maker {
    /// Whether it has what it takes for a method.
    pub fn can_make(&self, method: Method) -> bool {
        match method {
            Method::Dump => self.config.dump.is_some(),
            Method::Base => self.config.base.is_some(),
            Method::RedisRdb => self.rdb.is_some(),
            Method::RedisAof => self.aof.is_some(),
            Method::Wal => false,
        }
    }

    /// Makes a backup for a run and keeps it. When it fails or is ended, nothing of it stays that could be taken for a backup.
    pub async fn make(
        &self,
        id: Uuid,
        method: Method,
        began_at: OffsetDateTime,
        job: impl FnOnce(&Path) -> Job,
    ) -> Result<Made, BackupError> {
        let parent = &self.config.directory;
        let directory = WorkDirectory::new(parent, id).map_err(|error| BackupError::Disk {
            path: parent.display().to_string(),
            reason: error.to_string(),
        })?;
        let job = job(directory.path());
        let name = backup_name(method, &self.config.name, began_at);
        let (files, source) = self.take(&job, method, &name).await?;
        let mut stored = Vec::new();
        let kept = self
            .keep(&job, (id, method, began_at), &name, files, source, &mut stored)
            .await;
        if kept.is_err() {
            self.remove(&stored).await;
        }
        kept
    }

    /// Makes the files, here, and reads them to their end. Each comes with its path in the store.
    async fn take(
        &self,
        job: &Job,
        method: Method,
        name: &str,
    ) -> Result<(Vec<(PathBuf, String)>, Source), BackupError> {
        let below = |files: Vec<PathBuf>| {
            let path = |file: &PathBuf| {
                let of_file = file
                    .file_name()
                    .and_then(|name| name.to_str())
                    .unwrap_or_default();
                format!("{name}/{of_file}")
            };
            files
                .into_iter()
                .map(|file| (file.clone(), path(&file)))
                .collect()
        };
        let not_configured = || BackupError::NoPrimary(format!("{} is not configured", method.label()));
        match method {
            Method::Dump => {
                let config = self.config.dump.as_ref().ok_or_else(not_configured)?;
                let target = job.within(self.primary()).await?;
                let (file, source) = take_dump(job, target, &self.config.database, config.figures).await?;
                Ok((vec![(file, format!("{name}.dump"))], source))
            }
            Method::Base => {
                let config = self.config.base.as_ref().ok_or_else(not_configured)?;
                let target = job.within(self.primary()).await?;
                let label = format!("quarterdeck {}", name.rsplit('/').next().unwrap_or(name));
                let (files, source) = take_base(job, target, &label, config.max_rate_kb).await?;
                Ok((below(files), source))
            }
            Method::RedisRdb => {
                let address = self.rdb.as_ref().ok_or_else(not_configured)?;
                let (file, source) = take_rdb(job, address).await?;
                Ok((vec![(file, format!("{name}.rdb"))], source))
            }
            Method::RedisAof => {
                let (address, directory) = self.aof.as_ref().ok_or_else(not_configured)?;
                let (files, source) = take_aof(job, address, directory).await?;
                Ok((below(files), source))
            }
            Method::Wal => Err(not_configured()),
        }
    }

    /// Puts the files into the store, and then the manifest, which makes a backup of them.
    async fn keep(
        &self,
        job: &Job,
        (run_id, method, began_at): (Uuid, Method, OffsetDateTime),
        name: &str,
        files: Vec<(PathBuf, String)>,
        source: Source,
        stored: &mut Vec<String>,
    ) -> Result<Made, BackupError> {
        job.progress.phase("storing");
        let mut total = 0;
        for (file, _) in &files {
            let meta = tokio::fs::metadata(file).await;
            total += meta
                .map_err(|error| BackupError::Disk {
                    path: file.display().to_string(),
                    reason: error.to_string(),
                })?
                .len();
        }
        job.progress.total(total);
        let mut kept = Vec::new();
        for (file, path) in files {
            let put = async { Ok(self.store.put_file(&path, &file, &job.progress.done).await?) };
            let put = job.within(put).await?;
            stored.push(path);
            kept.push(put);
        }
        let manifest = Manifest {
            version: manifest::VERSION,
            run_id,
            method,
            began_at,
            ended_at: self.clock.now(),
            files: kept,
            source,
        };
        let bytes = manifest.bytes();
        let text = serde_json::to_vec_pretty(&manifest).map_err(|error| BackupError::Damaged {
            what: format!("The manifest can't be written: {error}"),
        })?;
        let path = format!("{name}{}", manifest::SUFFIX);
        stored.insert(0, path.clone());
        let put = async { Ok(self.store.put(&path, Bytes::from(text)).await?) };
        job.within(put).await?;
        Ok(Made {
            name: name.to_owned(),
            bytes,
        })
    }

    async fn remove(&self, stored: &[String]) {
        let removing = async {
            for path in stored {
                if let Err(error) = self.store.delete(path).await {
                    tracing::warn!(path, %error, "what is left of a backup that was given up can't be removed");
                }
            }
        };
        if tokio::time::timeout(REMOVAL, removing).await.is_err() {
            tracing::warn!("what is left of a backup that was given up could not be removed in time");
        }
    }

    /// The node that takes writes.
    async fn primary(&self) -> Result<&Target, BackupError> {
        let looked = self.cluster.looked().await;
        let topology = Topology::new(&looked.sights);
        let writers: Vec<&str> = topology
            .primaries()
            .filter(|(_, state, _)| !state.read_only)
            .map(|(sight, _, _)| sight.name.as_str())
            .collect();
        match writers.as_slice() {
            [one] => self
                .targets
                .iter()
                .find(|target| target.node() == *one)
                .ok_or_else(|| BackupError::NoPrimary(format!("{one} has no backup_url"))),
            [] => {
                let why = looked.sights.iter().map(|sight| match &sight.answer {
                    Ok(state) if state.read_only => format!("{} is read-only", sight.name),
                    Ok(_) => format!("{} is a standby", sight.name),
                    Err(why) => format!("{} {why}", sight.name),
                });
                Err(BackupError::NoPrimary(why.collect::<Vec<_>>().join("; ")))
            }
            several => Err(BackupError::NoPrimary(format!(
                "{} take writes at the same time",
                several.join(" and ")
            ))),
        }
    }
}
