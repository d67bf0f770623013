//! Whether the local journal could be written when it is needed, is whole, and is in the audit log. Nothing of it is changed:
//! a console may have it open.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use quarterdeck_domain::{
    audit::Head,
    journal::{Broken, Entry, Reading, Row, read},
};

use super::Finding;
use crate::{
    config::{database::DatabaseConfig, journal::JournalConfig},
    db,
};

const AREA: &str = "Journal";

/// A disk that takes longer holds up every step of an action.
const SLOW: Duration = Duration::from_secs(1);

/// `needed`: whether there is anything that could be done without the console's database.
pub(super) async fn check(
    config: Option<&JournalConfig>,
    needed: bool,
    database: &DatabaseConfig,
) -> Vec<Finding> {
    let Some(config) = config else {
        return vec![if needed {
            Finding::warn(
                AREA,
                "configured",
                "there is no [journal] section: while the console's own database is away, nobody can fail over by it",
                "Set [journal] path to a file on a disk of this machine that outlives the console.",
            )
        } else {
            let seen = "there is no [journal] section, and nothing that would need one";
            Finding::ok(AREA, "configured", seen)
        }];
    };
    let path = config.path.clone();
    let looking = tokio::task::spawn_blocking(move || look(&path)).await;
    let (mut findings, reading) =
        looking.unwrap_or_else(|error| (vec![unusable("file", error.to_string())], None));
    if let Some(reading) = reading {
        findings.push(taken_over(&reading.rows, database).await);
    }
    findings
}

fn unusable(check: &str, seen: String) -> Finding {
    Finding::fail(
        AREA,
        check,
        seen,
        "Correct [journal] path, and let the user whom the console runs as read and write there: without it nothing is done while \
         the database is away.",
    )
}

/// What the disk tells; and the journal, if there is one and it is whole.
fn look(path: &Path) -> (Vec<Finding>, Option<Reading>) {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    match directory.metadata() {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            let seen = format!("{} is no directory", directory.display());
            return (vec![unusable("directory", seen)], None);
        }
        Err(error) => {
            let seen = format!("{}: {error}", directory.display());
            return (vec![unusable("directory", seen)], None);
        }
    }
    let mut findings = vec![durable(directory)];
    findings.extend(kept_aside(path, directory));
    let content = match fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let seen = format!("{} is not there yet: the console makes it", path.display());
            findings.push(Finding::ok(AREA, "chain", seen));
            return (findings, None);
        }
        Err(error) => {
            findings.push(unusable("chain", format!("{}: {error}", path.display())));
            return (findings, None);
        }
    };
    findings.extend(of_another_user(path));
    match read(&content) {
        Ok(reading) => {
            findings.push(whole(&reading, content.len()));
            (findings, Some(reading))
        }
        Err(broken) => {
            findings.push(no_chain(path, &broken));
            (findings, None)
        }
    }
}

/// Writes a file beside the journal, as the journal is written, and removes it.
fn durable(directory: &Path) -> Finding {
    let check = "durable write";
    let probe = directory.join(format!(".quarterdeck-doctor-{}", std::process::id()));
    let begun = Instant::now();
    let written = write_durably(&probe, directory);
    let took = begun.elapsed();
    let removed = fs::remove_file(&probe);
    match written.and(removed) {
        Err(error) => unusable(check, format!("{}: {error}", directory.display())),
        Ok(()) if took > SLOW => Finding::warn(
            AREA,
            check,
            format!("it took {:.1} s until a line was on disk", took.as_secs_f64()),
            "Put the journal on a disk that is not busy: each step of an action waits for it twice.",
        ),
        Ok(()) => Finding::ok(
            AREA,
            check,
            format!("a line is on disk within {} ms", took.as_millis().max(1)),
        ),
    }
}

fn write_durably(probe: &Path, directory: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(probe)?;
    file.write_all(b"{}\n")?;
    file.sync_data()?;
    File::open(directory)?.sync_all()
}

/// Journals that were not whole, and were put aside.
fn kept_aside(path: &Path, directory: &Path) -> Option<Finding> {
    let name = format!("{}.broken-", path.file_name()?.to_string_lossy());
    let mut aside: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&name))
        .map(|entry| entry.path())
        .collect();
    aside.sort();
    let names: Vec<_> = aside.iter().map(|path| path.display().to_string()).collect();
    (!aside.is_empty()).then(|| {
        Finding::warn(
            AREA,
            "kept aside",
            format!("was not what had been written, and is not in the audit log: {}", names.join(", ")),
            "Find out who or what changed it, write down by hand what was done, and move the file to where evidence is kept.",
        )
    })
}

/// Whoever runs the doctor should be whom the console runs as, or what it can write says nothing.
fn of_another_user(path: &Path) -> Option<Finding> {
    let owner = path.metadata().ok()?.uid();
    let doctor = rustix::process::geteuid().as_raw();
    (owner != doctor).then(|| {
        Finding::warn(
            AREA,
            "user",
            format!("the journal belongs to user {owner}, and the doctor runs as user {doctor}"),
            "Run the doctor as the console runs; if it does, give the file to that user.",
        )
    })
}

fn whole(reading: &Reading, bytes: usize) -> Finding {
    let lines = reading.rows.len();
    let torn = if reading.whole < bytes {
        "; a last line is being written, or was when a console died, and is cut off at the next start"
    } else {
        ""
    };
    Finding::ok(
        AREA,
        "chain",
        format!("{lines} lines, each follows on the one before{torn}"),
    )
}

fn no_chain(path: &Path, broken: &Broken) -> Finding {
    Finding::fail(
        AREA,
        "chain",
        format!("{}: {broken}: it is not what was written", path.display()),
        "Copy the file to where evidence is kept, and find out who or what changed it. At its next start the console puts it aside \
         and begins another; what is not in the audit log by then has to be written down by hand.",
    )
}

/// Holds the journal against what the audit log has of it.
async fn taken_over(rows: &[Row], database: &DatabaseConfig) -> Finding {
    let check = "in the audit log";
    let (Some(Row { head: last, .. }), Some(Entry::Opened { journal, .. })) =
        (rows.last(), rows.first().map(|row| &row.note.entry))
    else {
        return Finding::ok(AREA, check, "nothing is in it yet");
    };
    let asked = async {
        let pool = db::runtime_pool(database).await?;
        let place = db::journals::place(&pool, *journal).await;
        pool.close().await;
        place
    };
    let place = match asked.await {
        Ok(place) => place,
        Err(error) => {
            let mend = "Mend the console's database first.";
            return Finding::warn(AREA, check, error.to_string(), mend);
        }
    };
    match place {
        Some(place) if !has(rows, place) => Finding::fail(
            AREA,
            check,
            format!(
                "line {} was taken over, and the file does not have it: it was cut off, or is an older copy",
                place.seq
            ),
            "Put the right file back. Until then nothing of it is taken over.",
        ),
        Some(place) if place == *last => Finding::ok(AREA, check, format!("all {} lines are", last.seq)),
        place => Finding::warn(
            AREA,
            check,
            format!(
                "lines {} to {} are not yet",
                place.map_or(1, |place| place.seq + 1),
                last.seq
            ),
            "A console that has this journal takes them over within seconds, once it has its database and what is under way is over. \
             If it stays so, its log says why.",
        ),
    }
}

/// Whether a place that was reached once is in the journal: of none there is nothing to miss.
fn has(rows: &[Row], place: Head) -> bool {
    place.seq == 0 || rows.iter().any(|row| row.head == place)
}
