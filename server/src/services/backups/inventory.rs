//! What is really kept in the store: found by looking, not by what a run said it did.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use futures::{StreamExt, stream};
use quarterdeck_domain::backup::{Manifest, Method, manifest};
use time::{Duration, OffsetDateTime};

use crate::{
    clients::store::{Store, StoreError, Stored},
    db::backups::copies::SeenCopy,
};

/// Files that no manifest names may be of a backup whose manifest comes last: for so long they are left alone.
const UNFINISHED: Duration = Duration::hours(1);
/// Manifests that are fetched at the same time.
const CONCURRENCY: usize = 16;
/// The methods whose copies stand in the store.
const METHODS: [Method; 4] = [Method::Base, Method::Dump, Method::RedisRdb, Method::RedisAof];

/// What was found at one look.
#[derive(Debug, Clone, PartialEq)]
pub struct Inventory {
    /// When it was listed.
    pub at: OffsetDateTime,
    /// The copies, by name.
    pub copies: Vec<SeenCopy>,
    /// Files that belong to no copy: of a backup that is being stored, or was given up half-way.
    pub others: Vec<Stored>,
}

/// Looks into the store. Remembers the manifests it has read: they don't change.
#[derive(Debug)]
pub struct StoreReader {
    store: Store,
    read: Mutex<HashMap<String, Read>>,
}

/// A manifest as it was read.
#[derive(Debug, Clone)]
struct Read {
    file: Stored,
    /// It, or why it is none.
    content: Result<Manifest, String>,
}

impl StoreReader {
    /// Over a store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store,
            read: Mutex::default(),
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Lists everything, and reads the manifests that are new or have changed.
    ///
    /// # Errors
    /// [`StoreError`] when the store can't be listed; a manifest that can't be read is part of the answer.
    pub async fn look(&self, now: OffsetDateTime) -> Result<Inventory, StoreError> {
        let mut copies = Vec::new();
        let mut others = Vec::new();
        let mut read = HashMap::new();
        for method in METHODS {
            let files: BTreeMap<String, Stored> = self
                .store
                .list(method.key())
                .await?
                .into_iter()
                .map(|file| (file.path.clone(), file))
                .collect();
            let manifests = self.manifests(&files).await?;
            let (of_method, left) = sorted(method, files, &manifests, now);
            copies.extend(of_method);
            others.extend(left);
            read.extend(manifests);
        }
        copies.sort_by(|a, b| a.name.cmp(&b.name));
        *lock(&self.read) = read;
        Ok(Inventory {
            at: now,
            copies,
            others,
        })
    }

    async fn manifests(&self, files: &BTreeMap<String, Stored>) -> Result<HashMap<String, Read>, StoreError> {
        let wanted: Vec<Stored> = files
            .values()
            .filter(|file| file.path.ends_with(manifest::SUFFIX))
            .cloned()
            .collect();
        stream::iter(wanted)
            .map(|file| async move {
                let known = lock(&self.read).get(&file.path).cloned();
                let read = match known.filter(|known| known.file == file) {
                    Some(known) => known,
                    None => Read {
                        content: self.manifest(&file).await?,
                        file,
                    },
                };
                Ok((read.file.path.clone(), read))
            })
            .buffer_unordered(CONCURRENCY)
            .collect::<Vec<Result<_, StoreError>>>()
            .await
            .into_iter()
            .collect()
    }

    async fn manifest(&self, file: &Stored) -> Result<Result<Manifest, String>, StoreError> {
        let content = match self.store.get(&file.path).await {
            Ok(content) => content,
            // Deleted since it was listed.
            Err(StoreError::NotFound { .. }) => return Ok(Err("its manifest is gone".to_owned())),
            Err(error) => return Err(error),
        };
        Ok(match serde_json::from_slice::<Manifest>(&content) {
            Ok(read) if read.version == manifest::VERSION => Ok(read),
            Ok(read) => Err(format!(
                "its manifest is of version {}, which this console does not know",
                read.version
            )),
            Err(error) => Err(format!("its manifest can't be read: {error}")),
        })
    }
}

/// Puts the files of a method in order: copies, and what belongs to none.
fn sorted(
    method: Method,
    mut files: BTreeMap<String, Stored>,
    manifests: &HashMap<String, Read>,
    now: OffsetDateTime,
) -> (Vec<SeenCopy>, Vec<Stored>) {
    let mut copies = Vec::new();
    for (path, read) in manifests {
        files.remove(path);
        let name = path.strip_suffix(manifest::SUFFIX).unwrap_or(path).to_owned();
        copies.push(match &read.content {
            Ok(manifest) => with_manifest(name, method, manifest, &read.file, &mut files),
            Err(damage) => {
                let own: Vec<Stored> = files
                    .extract_if(.., |path, _| belongs_to(path, &name))
                    .map(|(_, file)| file)
                    .collect();
                SeenCopy {
                    bytes: own.iter().map(|file| file.bytes).sum(),
                    stored_at: read.file.modified_at,
                    name,
                    method,
                    manifest: None,
                    damage: Some(damage.clone()),
                }
            }
        });
    }
    // A dump or a snapshot is one file, so what another job has put there can be known for one without a manifest.
    let ending = match method {
        Method::Dump => Some(".dump"),
        Method::RedisRdb => Some(".rdb"),
        Method::Base | Method::RedisAof | Method::Wal => None,
    };
    let mut others = Vec::new();
    for (path, file) in files {
        let name = ending.and_then(|ending| path.strip_suffix(ending));
        match name.filter(|_| now - file.modified_at > UNFINISHED) {
            Some(name) => copies.push(SeenCopy {
                name: name.to_owned(),
                method,
                manifest: None,
                bytes: file.bytes,
                stored_at: file.modified_at,
                damage: (file.bytes == 0).then(|| "it is empty".to_owned()),
            }),
            None => others.push(file),
        }
    }
    (copies, others)
}

/// A copy as its manifest says it should be, held against the files that are there, which are taken out of `files`.
fn with_manifest(
    name: String,
    method: Method,
    manifest: &Manifest,
    manifest_file: &Stored,
    files: &mut BTreeMap<String, Stored>,
) -> SeenCopy {
    let mut damage = None;
    let (mut bytes, mut stored_at) = (0, manifest_file.modified_at);
    for expected in &manifest.files {
        match files.remove(&expected.path) {
            None => {
                damage.get_or_insert_with(|| format!("{} is not in the store", expected.path));
            }
            Some(file) => {
                if file.bytes != expected.bytes {
                    damage.get_or_insert_with(|| {
                        format!(
                            "{} has {} bytes instead of {}",
                            file.path, file.bytes, expected.bytes
                        )
                    });
                }
                bytes += file.bytes;
                stored_at = stored_at.max(file.modified_at);
            }
        }
    }
    if manifest.files.is_empty() {
        damage = Some("its manifest names no file".to_owned());
    } else if manifest.method != method {
        damage = Some(format!(
            "its manifest is of another kind: {}",
            manifest.method.label()
        ));
    }
    SeenCopy {
        name,
        method,
        manifest: Some(manifest.clone()),
        bytes,
        stored_at,
        damage,
    }
}

/// Whether a file is of a backup of a name: `name.dump`, `name/base.tar.gz`.
fn belongs_to(path: &str, name: &str) -> bool {
    path.strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('.') || rest.starts_with('/'))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use quarterdeck_domain::backup::{ManifestFile, Source};
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2100-01-01 0:00 UTC);

    fn reader(directory: &Path) -> StoreReader {
        let url = url::Url::from_directory_path(directory).unwrap();
        StoreReader::new(Store::new(&toml::from_str(&format!("url = '{url}'")).unwrap()).unwrap())
    }

    fn manifest_of(name: &str, file: &str, bytes: u64) -> Bytes {
        let manifest = Manifest {
            version: manifest::VERSION,
            run_id: Uuid::nil(),
            method: Method::RedisRdb,
            began_at: NOW,
            ended_at: NOW,
            files: vec![ManifestFile {
                path: format!("{name}{file}"),
                bytes,
                sha256: String::new(),
            }],
            source: Source::Redis {
                version: "7.0.15".to_owned(),
                keys: 1,
                saved_at: NOW,
            },
        };
        serde_json::to_vec(&manifest).unwrap().into()
    }

    #[tokio::test]
    async fn copies_are_those_with_all_that_their_manifest_names() {
        let directory = tempfile::tempdir().unwrap();
        let reader = reader(directory.path());
        let put = async |path: &str, content: Bytes| reader.store().put(path, content).await.unwrap();
        put("redis_rdb/whole.rdb", Bytes::from_static(b"12345")).await;
        put(
            "redis_rdb/whole.manifest.json",
            manifest_of("redis_rdb/whole", ".rdb", 5),
        )
        .await;
        put("redis_rdb/cut.rdb", Bytes::from_static(b"123")).await;
        put(
            "redis_rdb/cut.manifest.json",
            manifest_of("redis_rdb/cut", ".rdb", 5),
        )
        .await;
        put(
            "redis_rdb/lost.manifest.json",
            manifest_of("redis_rdb/lost", ".rdb", 5),
        )
        .await;
        put("redis_rdb/garbled.rdb", Bytes::from_static(b"123")).await;
        put("redis_rdb/garbled.manifest.json", Bytes::from_static(b"{")).await;
        put("redis_rdb/foreign.rdb", Bytes::from_static(b"1")).await;
        put("redis_rdb/empty.rdb", Bytes::new()).await;
        put("redis_rdb/README", Bytes::from_static(b"1")).await;
        put(
            "dump/of-redis.manifest.json",
            manifest_of("redis_rdb/whole", ".rdb", 5),
        )
        .await;
        put("base/half/base.tar.gz", Bytes::from_static(b"1")).await;
        let found = reader.look(NOW).await.unwrap();
        let told: Vec<_> = found
            .copies
            .iter()
            .map(|copy| (copy.name.as_str(), copy.bytes, copy.damage.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "dump/of-redis",
                    0,
                    Some("its manifest is of another kind: Redis RDB")
                ),
                (
                    "redis_rdb/cut",
                    3,
                    Some("redis_rdb/cut.rdb has 3 bytes instead of 5")
                ),
                ("redis_rdb/empty", 0, Some("it is empty")),
                ("redis_rdb/foreign", 1, None),
                (
                    "redis_rdb/garbled",
                    3,
                    Some("its manifest can't be read: EOF while parsing an object at line 1 column 1")
                ),
                (
                    "redis_rdb/lost",
                    0,
                    Some("redis_rdb/lost.rdb is not in the store")
                ),
                ("redis_rdb/whole", 5, None),
            ]
        );
        let others: Vec<_> = found.others.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(others, ["base/half/base.tar.gz", "redis_rdb/README"]);
        assert_eq!(
            reader.look(NOW).await.unwrap(),
            found,
            "a second look finds the same"
        );
    }

    #[tokio::test]
    async fn what_may_still_get_its_manifest_is_no_copy_yet() {
        let directory = tempfile::tempdir().unwrap();
        let reader = reader(directory.path());
        reader
            .store()
            .put("dump/new.dump", Bytes::from_static(b"1"))
            .await
            .unwrap();
        let stored = reader.store().head("dump/new.dump").await.unwrap();
        let soon = stored.modified_at + Duration::minutes(1);
        let found = reader.look(soon).await.unwrap();
        assert_eq!((found.copies.len(), found.others.len()), (0, 1));
        let later = stored.modified_at + UNFINISHED + Duration::minutes(1);
        assert_eq!(reader.look(later).await.unwrap().copies.len(), 1);
    }
}
