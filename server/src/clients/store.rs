//! A place where files are kept: a directory or a bucket.
//!
//! What is written is there as a whole or not at all, and never in place of something else.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, RetryConfig, WriteMultipart,
    aws::AmazonS3Builder, local::LocalFileSystem, path::Path as Key, prefix::PrefixStore,
};
use quarterdeck_domain::backup::ManifestFile;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
};

use crate::{config::backups::StoreConfig, telemetry::trace::hex};

/// Bytes that are read and sent at a time; a bucket takes at most 10,000 parts a file, so 160 GB.
const PART: usize = 16 * 1024 * 1024;
/// Parts under way at the same time.
const CONCURRENCY: usize = 2;
/// A request that fails is made again so often before it is given up.
const RETRIES: usize = 3;

/// Why a file can't be had or kept. No text holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The place can't be used at all.
    #[error("{place} can't be used: {reason}")]
    Unusable {
        /// The place.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// It isn't there.
    #[error("{path} is not in {place}")]
    NotFound {
        /// The file.
        path: String,
        /// The place.
        place: String,
    },
    /// Something of this name is there already; it stays as it is.
    #[error("{path} is in {place} already; it was not overwritten")]
    Exists {
        /// The file.
        path: String,
        /// The place.
        place: String,
    },
    /// The place refuses the console.
    #[error("{place} refuses access to {path}; check the credentials and the rights of the console there")]
    Denied {
        /// The file.
        path: String,
        /// The place.
        place: String,
    },
    /// Less or more came than there should be.
    #[error("{path} in {place} gave {got} of {expected} bytes")]
    Truncated {
        /// The file.
        path: String,
        /// The place.
        place: String,
        /// Bytes there should be.
        expected: u64,
        /// Bytes there were.
        got: u64,
    },
    /// The place fails.
    #[error("{place} failed at {path}: {reason}")]
    Failed {
        /// The file.
        path: String,
        /// The place.
        place: String,
        /// What it said.
        reason: String,
    },
    /// This machine's disk fails.
    #[error("{path} on this machine can't be used: {reason}")]
    Local {
        /// The file.
        path: String,
        /// What the operating system says.
        reason: String,
    },
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its path below the place.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// When it was written.
    pub modified_at: OffsetDateTime,
}

/// A place where files are kept.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    place: String,
}

impl Store {
    /// The place of a setting. A directory is made if it isn't there; nothing else is asked yet.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    pub fn new(config: &StoreConfig) -> Result<Self, StoreError> {
        let place = config.url.to_string();
        let unusable = |reason: String| StoreError::Unusable {
            place: place.clone(),
            reason,
        };
        let inner: Arc<dyn ObjectStore> = if config.url.scheme() == "file" {
            let directory = config
                .url
                .to_file_path()
                .map_err(|()| unusable("it is no path".to_owned()))?;
            std::fs::create_dir_all(&directory).map_err(|error| unusable(error.to_string()))?;
            let files =
                LocalFileSystem::new_with_prefix(directory).map_err(|error| unusable(error.to_string()))?;
            Arc::new(files.with_fsync(true))
        } else {
            let bucket = bucket(config).map_err(|error| unusable(error.to_string()))?;
            Arc::new(PrefixStore::new(bucket, config.url.path().trim_matches('/')))
        };
        Ok(Self { inner, place })
    }

    /// What the place is called, without secrets.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The files below a path; all of them for an empty one. What is being written isn't among them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, below: &str) -> Result<Vec<Stored>, StoreError> {
        let prefix = Key::from(below);
        self.inner
            .list(Some(&prefix))
            .map_ok(|meta| stored(&meta))
            .try_collect()
            .await
            .map_err(|error| self.error(below, error))
    }

    /// What is known of one file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head(&self, path: &str) -> Result<Stored, StoreError> {
        let meta = self.inner.head(&Key::from(path)).await;
        meta.map(|meta| stored(&meta))
            .map_err(|error| self.error(path, error))
    }

    /// Keeps a file of this machine under a path where nothing is, and counts in `done` the bytes that were taken. When it
    /// fails or is dropped, nothing is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_file(
        &self,
        path: &str,
        local: &Path,
        done: &AtomicU64,
    ) -> Result<ManifestFile, StoreError> {
        if self.inner.head(&Key::from(path)).await.is_ok() {
            return Err(StoreError::Exists {
                path: path.to_owned(),
                place: self.place.clone(),
            });
        }
        let failed = |error| self.error(path, error);
        let mut file = File::open(local)
            .await
            .map_err(|error| local_error(local, &error))?;
        let upload = self.inner.put_multipart(&Key::from(path)).await.map_err(failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        let copied = async {
            let (mut hash, mut bytes) = (Sha256::new(), 0);
            let mut buffer = vec![0; 256 * 1024];
            loop {
                let read = file
                    .read(&mut buffer)
                    .await
                    .map_err(|error| local_error(local, &error))?;
                let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
                    return Ok((hash, bytes));
                };
                upload.wait_for_capacity(CONCURRENCY).await.map_err(failed)?;
                hash.update(part);
                upload.write(part);
                bytes += read as u64;
                done.fetch_add(read as u64, Ordering::Relaxed);
            }
        }
        .await;
        match copied {
            Ok((hash, bytes)) => {
                upload.finish().await.map_err(failed)?;
                Ok(ManifestFile {
                    path: path.to_owned(),
                    bytes,
                    sha256: hex(&hash.finalize()),
                })
            }
            Err(error) => {
                // What can't be taken back here is removed by the place's own rules for unfinished uploads.
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }

    /// Keeps a small file under a path where nothing is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, path: &str, content: Bytes) -> Result<(), StoreError> {
        self.inner
            .put_opts(&Key::from(path), content.into(), PutMode::Create.into())
            .await
            .map(drop)
            .map_err(|error| self.error(path, error))
    }

    /// A small file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, path: &str) -> Result<Bytes, StoreError> {
        let failed = |error| self.error(path, error);
        let found = self.inner.get(&Key::from(path)).await.map_err(failed)?;
        found.bytes().await.map_err(failed)
    }

    /// Copies a file to this machine, where nothing is under that name before it is whole. Counts in `done` the bytes that came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn fetch(
        &self,
        path: &str,
        local: &Path,
        done: &AtomicU64,
    ) -> Result<ManifestFile, StoreError> {
        let failed = |error: std::io::Error| local_error(local, &error);
        let mut aside = local.as_os_str().to_owned();
        aside.push(".partial");
        let aside = Path::new(&aside);
        let mut file = File::create(aside).await.map_err(failed)?;
        let read = self.read(path, done, Some(&mut file)).await;
        let kept = match read {
            Ok(read) => async {
                file.sync_all().await?;
                tokio::fs::rename(aside, local).await?;
                Ok(read)
            }
            .await
            .map_err(failed),
            Err(error) => Err(error),
        };
        if kept.is_err() {
            // Should it stay, its name says what it is.
            let _ = tokio::fs::remove_file(aside).await;
        }
        kept
    }

    /// Reads a file to its end for its size and checksum as they are now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn checksum(&self, path: &str, done: &AtomicU64) -> Result<ManifestFile, StoreError> {
        self.read(path, done, None).await
    }

    /// Removes a file; it is no error if it isn't there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, path: &str) -> Result<(), StoreError> {
        match self.inner.delete(&Key::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(path, error)),
        }
    }

    async fn read(
        &self,
        path: &str,
        done: &AtomicU64,
        mut into: Option<&mut File>,
    ) -> Result<ManifestFile, StoreError> {
        let failed = |error| self.error(path, error);
        let found = self.inner.get(&Key::from(path)).await.map_err(failed)?;
        let expected = found.meta.size;
        let mut parts = found.into_stream();
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        while let Some(part) = parts.next().await {
            let part = part.map_err(failed)?;
            hash.update(&part);
            bytes += part.len() as u64;
            done.fetch_add(part.len() as u64, Ordering::Relaxed);
            if let Some(file) = into.as_deref_mut() {
                file.write_all(&part).await.map_err(|error| StoreError::Local {
                    path: path.to_owned(),
                    reason: error.to_string(),
                })?;
            }
        }
        if bytes != expected {
            return Err(StoreError::Truncated {
                path: path.to_owned(),
                place: self.place.clone(),
                expected,
                got: bytes,
            });
        }
        if let Some(file) = into {
            file.flush().await.map_err(|error| StoreError::Local {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        }
        Ok(ManifestFile {
            path: path.to_owned(),
            bytes,
            sha256: hex(&hash.finalize()),
        })
    }

    fn error(&self, path: &str, error: object_store::Error) -> StoreError {
        use object_store::Error as E;
        let (path, place) = (path.to_owned(), self.place.clone());
        match error {
            E::NotFound { .. } => StoreError::NotFound { path, place },
            E::AlreadyExists { .. } | E::Precondition { .. } => StoreError::Exists { path, place },
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => StoreError::Denied { path, place },
            // A foreign enum that grows.
            other => {
                let reason = innermost(&other);
                if reason.contains("Permission denied") {
                    StoreError::Denied { path, place }
                } else {
                    StoreError::Failed { path, place, reason }
                }
            }
        }
    }
}

fn bucket(config: &StoreConfig) -> Result<object_store::aws::AmazonS3, object_store::Error> {
    let mut builder = AmazonS3Builder::from_env()
        .with_url(format!("s3://{}", config.url.host_str().unwrap_or_default()))
        .with_region(&config.region)
        .with_retry(RetryConfig {
            max_retries: RETRIES,
            retry_timeout: config.timeout().saturating_mul(2),
            ..RetryConfig::default()
        });
    let mut options = ClientOptions::new().with_timeout(config.timeout());
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
        options = options.with_allow_http(endpoint.scheme() == "http");
    }
    if let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_access_key) {
        builder = builder
            .with_access_key_id(id)
            .with_secret_access_key(secret.expose_secret());
    }
    builder.with_client_options(options).build()
}

fn stored(meta: &ObjectMeta) -> Stored {
    let at = OffsetDateTime::from_unix_timestamp(meta.last_modified.timestamp());
    let nanoseconds = i64::from(meta.last_modified.timestamp_subsec_nanos());
    Stored {
        path: meta.location.to_string(),
        bytes: meta.size,
        modified_at: at.unwrap_or(OffsetDateTime::UNIX_EPOCH) + time::Duration::nanoseconds(nanoseconds),
    }
}

fn local_error(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Local {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

/// What is at the bottom of an error: what the network, the server or the operating system said.
fn innermost(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(directory: &Path) -> Store {
        let url = url::Url::from_directory_path(directory).unwrap();
        Store::new(&toml::from_str(&format!("url = '{url}'")).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_file_comes_back_as_it_was_and_is_never_overwritten() {
        let (kept, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = store(kept.path());
        let content: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
        let local = here.path().join("dump");
        std::fs::write(&local, &content).unwrap();
        let done = AtomicU64::new(0);
        let put = store.put_file("dump/a", &local, &done).await.unwrap();
        assert_eq!((put.bytes, done.load(Ordering::Relaxed)), (3_000_000, 3_000_000));
        let refused = store.put_file("dump/a", &local, &done).await.unwrap_err();
        assert!(matches!(refused, StoreError::Exists { .. }), "{refused}");
        let refused = store.put("dump/a", Bytes::from_static(b"x")).await.unwrap_err();
        assert!(matches!(refused, StoreError::Exists { .. }), "{refused}");
        let back = here.path().join("back");
        assert_eq!(store.fetch("dump/a", &back, &done).await.unwrap(), put);
        assert_eq!(std::fs::read(&back).unwrap(), content);
        assert_eq!(store.checksum("dump/a", &done).await.unwrap(), put);
        let listed = store.list("dump").await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].path.as_str(), listed[0].bytes), ("dump/a", 3_000_000));
        store.delete("dump/a").await.unwrap();
        store.delete("dump/a").await.unwrap();
        assert_eq!(store.list("").await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_is_not_there_is_said_and_leaves_nothing_behind() {
        let (kept, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = store(kept.path());
        let done = AtomicU64::new(0);
        let error = store
            .fetch("dump/b", &here.path().join("b"), &done)
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
        assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0);
        let missing = here.path().join("missing");
        let error = store.put_file("dump/b", &missing, &done).await.unwrap_err();
        assert!(matches!(error, StoreError::Local { .. }), "{error}");
        assert_eq!(store.list("").await.unwrap(), []);
    }
}
