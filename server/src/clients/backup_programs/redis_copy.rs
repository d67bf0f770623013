//! Copies of Redis: its snapshot, by the protocol that replicas use, and its append-only file, from the directory.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use quarterdeck_domain::backup::Source;
use redis::aio::MultiplexedConnection;
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
};
use url::Url;

use super::{BackupError, Job, while_watching};

/// Longest time to wait for a connection, and for each answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The end of the name of the file that lists the others of an append-only file.
const MANIFEST_END: &str = ".manifest";
/// How often the list is read again when it changes meanwhile.
const ATTEMPTS: usize = 5;

/// A Redis that is backed up.
#[derive(Clone)]
pub struct RedisAddress {
    client: redis::Client,
    arguments: Vec<String>,
    password: Option<SecretString>,
}

/// Without the client, which prints its password.
impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAddress")
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}

impl RedisAddress {
    /// Of `redis://user:password@host:port`, or `rediss://`; none where it is neither.
    #[must_use]
    pub fn new(url: &SecretString) -> Option<Self> {
        let text = url.expose_secret();
        let client = redis::Client::open(text).ok()?;
        let url = Url::parse(text).ok()?;
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return None,
        };
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        let mut arguments = vec![
            "-h".to_owned(),
            host,
            "-p".to_owned(),
            url.port().unwrap_or(6379).to_string(),
        ];
        if !url.username().is_empty() {
            arguments.extend([
                "--user".to_owned(),
                super::target::percent_decoded(url.username())?,
            ]);
        }
        if tls {
            arguments.push("--tls".to_owned());
        }
        let password = url.password().and_then(super::target::percent_decoded);
        Some(Self {
            client,
            arguments,
            password: password.map(SecretString::from),
        })
    }

    fn environment(&self) -> BTreeMap<String, OsString> {
        let password = self.password.as_ref();
        password
            .map(|password| ("REDISCLI_AUTH".to_owned(), password.expose_secret().into()))
            .into_iter()
            .collect()
    }

    async fn connect(&self) -> Result<MultiplexedConnection, BackupError> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(failed)
    }
}

fn failed(error: redis::RedisError) -> BackupError {
    let reason = match (
        error.is_connection_refusal() || error.is_timeout() || error.is_io_error(),
        error.detail(),
    ) {
        (true, detail) => format!("the connection failed: {}", detail.unwrap_or("no answer")),
        (false, _) => error.to_string(),
    };
    BackupError::of_server("Redis", &reason)
}

/// What Redis says of itself: its version and how many keys it has.
async fn state(connection: &mut MultiplexedConnection) -> Result<(String, u64, OffsetDateTime), BackupError> {
    let (server, keyspace): (String, String) = (
        redis::cmd("INFO")
            .arg("server")
            .query_async(connection)
            .await
            .map_err(failed)?,
        redis::cmd("INFO")
            .arg("keyspace")
            .query_async(connection)
            .await
            .map_err(failed)?,
    );
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(connection).await.map_err(failed)?;
    let version = server
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .unwrap_or_default();
    let keys = keyspace
        .lines()
        .filter_map(|line| line.split_once("keys=")?.1.split(',').next()?.parse::<u64>().ok())
        .sum();
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    Ok((
        version.to_owned(),
        keys,
        at + time::Duration::microseconds(micros),
    ))
}

/// Has Redis save its data, copies that over the network as a replica would, reads it to its end, and gives back the file and what
/// it is a copy of.
///
/// # Errors
/// [`BackupError`].
pub async fn take_rdb(job: &Job, address: &RedisAddress) -> Result<(PathBuf, Source), BackupError> {
    job.progress.phase("copying what Redis saves");
    // It says what is wrong in better words than the program.
    let (version, _, _) = job
        .within(async { state(&mut address.connect().await?).await })
        .await?;
    let file = job.directory.join("dump.rdb");
    let file_text = file.display().to_string();
    let mut arguments: Vec<&str> = address.arguments.iter().map(String::as_str).collect();
    arguments.extend(["--rdb", &file_text]);
    while_watching(
        job.program("redis-cli", &arguments, address.environment()),
        || async {
            if let Ok(meta) = tokio::fs::metadata(&file).await {
                job.progress.done.store(meta.len(), Ordering::Relaxed);
            }
        },
    )
    .await?;
    let read = check_rdb(job, &file).await?;
    let source = Source::Redis {
        version: if read.version.is_empty() {
            version
        } else {
            read.version
        },
        keys: read.keys,
        saved_at: read.saved_at,
    };
    Ok((file, source))
}

/// What a snapshot says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRdb {
    /// The version that wrote it.
    pub version: String,
    /// Keys in it.
    pub keys: u64,
    /// When it was saved.
    pub saved_at: OffsetDateTime,
}

/// Reads a snapshot to its end, checksum included.
///
/// # Errors
/// [`BackupError`]; [`BackupError::blames_content`] tells whether the snapshot is at fault.
pub async fn check_rdb(job: &Job, file: &Path) -> Result<ReadRdb, BackupError> {
    job.progress.phase("reading the snapshot to its end");
    let bytes = tokio::fs::metadata(file).await.map_err(job.disk(file))?.len();
    if bytes == 0 {
        let what = "The snapshot is empty".to_owned();
        return Err(BackupError::Damaged { what });
    }
    let file_text = file.display().to_string();
    let said = match job
        .program("redis-check-rdb", &[&file_text], BTreeMap::new())
        .await
    {
        Ok(said) => said,
        Err(error) => return Err(named(error, "snapshot", job)),
    };
    let aux = |name: &str| {
        let sign = format!("AUX FIELD {name} = '");
        said.iter()
            .find_map(|line| line.split_once(&sign)?.1.strip_suffix('\'').map(str::to_owned))
    };
    let keys = said.iter().find_map(|line| {
        line.strip_prefix("[info] ")?
            .strip_suffix(" keys read")?
            .parse()
            .ok()
    });
    let saved_at = aux("ctime")
        .and_then(|seconds| seconds.parse().ok())
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let (Some(keys), Some(saved_at)) = (keys, saved_at) else {
        let what = "The snapshot does not say how many keys it holds or when it was saved".to_owned();
        return Err(BackupError::Damaged { what });
    };
    Ok(ReadRdb {
        version: aux("redis-ver").unwrap_or_default(),
        keys,
        saved_at,
    })
}

/// Redis' programs say what is wrong in the middle of what they say.
fn named(error: BackupError, what: &str, job: &Job) -> BackupError {
    let BackupError::Program {
        blames_content: true, ..
    } = &error
    else {
        return error;
    };
    let log = job.progress.read().log;
    let signs = [
        "Unexpected EOF",
        "CRC error",
        "Wrong signature",
        "Expected",
        "truncated",
        "not valid",
        "Invalid",
        "Can't handle",
    ];
    let complaint = log
        .lines()
        .rev()
        .find(|line| signs.iter().any(|sign| line.contains(sign)));
    match complaint {
        Some(line) => BackupError::Damaged {
            what: format!("The {what} can't be read: {line}"),
        },
        None => error,
    }
}

/// Copies the append-only file as it is now, reads the copy to its end, and gives back its files and what they are a copy of. A rewrite
/// that Redis begins meanwhile does no harm: the files are opened first, and stay what they were.
///
/// # Errors
/// [`BackupError`].
pub async fn take_aof(
    job: &Job,
    address: &RedisAddress,
    directory: &Path,
) -> Result<(Vec<PathBuf>, Source), BackupError> {
    job.progress.phase("copying the append-only file");
    let (version, keys, saved_at) = job
        .within(async { state(&mut address.connect().await?).await })
        .await?;
    let into = job.directory.join("aof");
    tokio::fs::create_dir(&into).await.map_err(job.disk(&into))?;
    let (name, text, files) = job.within(opened(job, directory)).await?;
    let mut copies = Vec::new();
    for (name, mut file) in files {
        let path = into.join(name);
        let mut copy = File::create(&path).await.map_err(job.disk(&path))?;
        // What is appended from now on belongs to the next copy.
        let length = file.metadata().await.map_err(job.disk(directory))?.len();
        let copied = async {
            let bytes = tokio::io::copy(&mut (&mut file).take(length), &mut copy)
                .await
                .map_err(job.disk(&path))?;
            job.progress.done.fetch_add(bytes, Ordering::Relaxed);
            copy.sync_all().await.map_err(job.disk(&path))
        };
        job.within(copied).await?;
        copies.push(path);
    }
    let manifest = into.join(name);
    let written = async {
        let mut file = File::create(&manifest).await?;
        file.write_all(text.as_bytes()).await?;
        file.sync_all().await
    };
    written.await.map_err(job.disk(&manifest))?;
    // The last command may have been caught in the middle.
    if check_aof(job, &into).await.is_err() {
        if let Some(last) = copies.last() {
            cut_after_last_command(job, last).await?;
        }
        check_aof(job, &into).await?;
    }
    copies.push(manifest);
    let source = Source::Redis {
        version,
        keys,
        saved_at,
    };
    Ok((copies, source))
}

/// The list of files, and the files of one list.
async fn opened(job: &Job, directory: &Path) -> Result<(String, String, Vec<(String, File)>), BackupError> {
    let gone = |what: &str| BackupError::Disk {
        path: directory.display().to_string(),
        reason: what.to_owned(),
    };
    let mut entries = tokio::fs::read_dir(directory)
        .await
        .map_err(job.disk(directory))?;
    let mut manifest = None;
    while let Some(entry) = entries.next_entry().await.map_err(job.disk(directory))? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(MANIFEST_END) {
            manifest = Some(name);
        }
    }
    let manifest =
        manifest.ok_or_else(|| gone("there is no append-only file in it (of Redis 7 or newer)"))?;
    let path = directory.join(&manifest);
    for _ in 0..ATTEMPTS {
        let text = tokio::fs::read_to_string(&path).await.map_err(job.disk(&path))?;
        let mut files = Vec::new();
        for name in text.lines().filter_map(listed) {
            match File::open(directory.join(&name)).await {
                Ok(file) => files.push((name, file)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
                Err(error) => return Err(job.disk(&directory.join(name))(error)),
            }
        }
        let again = tokio::fs::read_to_string(&path).await.map_err(job.disk(&path))?;
        if again == text && files.len() == text.lines().filter_map(listed).count() {
            return Ok((manifest, text, files));
        }
    }
    Err(gone("its list of files changes all the time"))
}

/// The file of a line such as `file appendonly.aof.1.incr.aof seq 1 type i`; history is on its way out and not needed.
fn listed(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let (Some("file"), Some(name)) = (words.next(), words.next()) else {
        return None;
    };
    let history = line.trim_end().ends_with("type h");
    (!history && !name.contains('/')).then(|| name.to_owned())
}

/// Cuts a file where the last whole command in it ends, as Redis does when it loads it.
async fn cut_after_last_command(job: &Job, file: &Path) -> Result<(), BackupError> {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let sign = format!("filename={name},");
    let log = job.progress.read().log;
    let end = log
        .lines()
        .rev()
        .find(|line| line.contains(&sign))
        .and_then(|line| {
            line.split_once("ok_up_to=")?
                .1
                .split(',')
                .next()?
                .parse::<u64>()
                .ok()
        });
    let Some(end) = end else {
        return Ok(());
    };
    let opened = File::options()
        .write(true)
        .open(file)
        .await
        .map_err(job.disk(file))?;
    opened.set_len(end).await.map_err(job.disk(file))?;
    opened.sync_all().await.map_err(job.disk(file))
}

/// Reads an append-only file, whose files are in `directory`, to its end.
///
/// # Errors
/// [`BackupError`]; [`BackupError::blames_content`] tells whether it is at fault.
pub async fn check_aof(job: &Job, directory: &Path) -> Result<(), BackupError> {
    job.progress.phase("reading the append-only file to its end");
    let mut manifest = None;
    let mut entries = tokio::fs::read_dir(directory)
        .await
        .map_err(job.disk(directory))?;
    while let Some(entry) = entries.next_entry().await.map_err(job.disk(directory))? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(MANIFEST_END) {
            manifest = Some(entry.path().display().to_string());
        } else if name.ends_with(".base.rdb") {
            // The program lets it pass, though a snapshot of nothing has its frame.
            let bytes = tokio::fs::metadata(entry.path())
                .await
                .map_err(job.disk(directory))?
                .len();
            if bytes == 0 {
                let what = format!("{name} is empty");
                return Err(BackupError::Damaged { what });
            }
        }
    }
    let Some(manifest) = manifest else {
        let what = "The append-only file has no list of its files".to_owned();
        return Err(BackupError::Damaged { what });
    };
    match job
        .program("redis-check-aof", &[&manifest], BTreeMap::new())
        .await
    {
        Ok(_) => Ok(()),
        Err(error) => Err(named(error, "append-only file", job)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_no_argument() {
        let address = RedisAddress::new(&"redis://deck:s%40cret@cache-1:6380/2".into()).unwrap();
        assert_eq!(
            address.arguments,
            ["-h", "cache-1", "-p", "6380", "--user", "deck"]
        );
        assert_eq!(address.environment()["REDISCLI_AUTH"], "s@cret");
        assert!(RedisAddress::new(&"http://cache-1".into()).is_none());
    }

    #[test]
    fn only_what_is_needed_is_copied() {
        assert_eq!(
            listed("file appendonly.aof.1.incr.aof seq 1 type i").as_deref(),
            Some("appendonly.aof.1.incr.aof")
        );
        assert_eq!(listed("file appendonly.aof.1.base.rdb seq 1 type h"), None);
        assert_eq!(listed("file ../x seq 1 type i"), None);
    }
}
