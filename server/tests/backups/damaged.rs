//! Copies that are not what they were: each kind of damage is found in each kind of copy, whether or not a manifest gives it away.

use std::path::PathBuf;

use quarterdeck::services::backups::verification::Verdict;
use quarterdeck_domain::backup::{Manifest, Method, manifest};
use sha2::{Digest, Sha256};

use crate::house::{House, Worker};

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Truncated,
    BitFlipped,
    Empty,
    Foreign,
    Missing,
}

const ALL: [Damage; 5] = [
    Damage::Truncated,
    Damage::BitFlipped,
    Damage::Empty,
    Damage::Foreign,
    Damage::Missing,
];

impl Damage {
    fn of(self, content: &[u8], place: usize) -> Option<Vec<u8>> {
        match self {
            Self::Truncated => Some(content[..content.len() - content.len() / 3 - 1].to_vec()),
            Self::BitFlipped => {
                let mut flipped = content.to_vec();
                flipped[place] ^= 0x10;
                Some(flipped)
            }
            Self::Empty => Some(Vec::new()),
            Self::Foreign => Some(b"%PDF-1.7 this is somebody's thesis and no backup at all\n".repeat(100)),
            Self::Missing => None,
        }
    }
}

struct Kept<'a> {
    house: &'a House,
    worker: &'a Worker,
    name: String,
    manifest: Manifest,
}

impl Kept<'_> {
    fn path(&self, of: &str) -> PathBuf {
        self.house.store_directory().join(of)
    }

    fn write_manifest(&self, manifest: &Manifest) {
        let path = self.path(&format!("{}{}", self.name, manifest::SUFFIX));
        std::fs::write(path, serde_json::to_vec(manifest).unwrap()).unwrap();
    }

    /// Does each damage to a file of the copy and looks what is found, with the manifest as it was, and with one that says what is
    /// there now, as if it had been damaged before it was noted.
    async fn try_all(&self, file: &str, place: usize, skip: &[Damage]) {
        let path = self.path(file);
        let whole = std::fs::read(&path).unwrap();
        for damage in ALL {
            match damage.of(&whole, place) {
                Some(content) => std::fs::write(&path, content).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let found = self.worker.verify(&self.name).await;
            assert_eq!(found.verdict, Verdict::Damaged, "{file} {damage:?}: {found:?}");
            let check = format!("size and checksum of {file}");
            let named = found
                .findings
                .iter()
                .any(|finding| finding.check == check && finding.wrong.is_some());
            assert!(named, "{file} {damage:?}: {found:?}");

            if let Ok(content) = std::fs::read(&path)
                && !skip.contains(&damage)
            {
                let mut forged = self.manifest.clone();
                let entry = forged.files.iter_mut().find(|entry| entry.path == file).unwrap();
                entry.bytes = content.len() as u64;
                entry.sha256 = Sha256::digest(&content)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                self.write_manifest(&forged);
                let found = self.worker.verify(&self.name).await;
                assert_eq!(
                    found.verdict,
                    Verdict::Damaged,
                    "{file} {damage:?}, forged: {found:?}"
                );
                let last = found.findings.last().unwrap();
                assert_eq!(last.check, "read to its end", "{found:?}");
                assert!(
                    last.wrong.as_ref().is_some_and(|wrong| !wrong.is_empty()),
                    "{found:?}"
                );
                self.write_manifest(&self.manifest);
            }
            std::fs::write(&path, &whole).unwrap();
        }
        let found = self.worker.verify(&self.name).await;
        assert_eq!(found.verdict, Verdict::Good, "{file}, mended: {found:?}");
    }
}

async fn kept<'a>(house: &'a House, worker: &'a Worker, method: Method) -> Kept<'a> {
    let id = worker.begin(method).await.unwrap();
    let row = house.ended(id).await;
    assert_eq!(
        (row.state.as_str(), row.error.as_deref()),
        ("succeeded", None),
        "{}",
        row.log
    );
    let name = row.backup.unwrap();
    Kept {
        house,
        worker,
        manifest: house.manifest(&name),
        name,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_a_dump_is_found() {
    let house = House::start().await;
    let worker = house.worker();
    let kept = kept(&house, &worker, Method::Dump).await;
    let file = format!("{}.dump", kept.name);
    let bytes = kept.manifest.files[0].bytes as usize;
    kept.try_all(&file, bytes / 2, &[]).await;

    // What `pg_restore --list` lets pass.
    let path = kept.path(&file);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, Damage::Truncated.of(&whole, 0).unwrap()).unwrap();
    let listed = std::process::Command::new(quarterdeck_estate::parts::program("pg_restore").unwrap())
        .arg("--list")
        .arg(&path)
        .output()
        .unwrap();
    assert!(listed.status.success());

    // Without a manifest, as another job leaves it.
    std::fs::remove_file(kept.path(&format!("{}{}", kept.name, manifest::SUFFIX))).unwrap();
    let found = worker.verify(&kept.name).await;
    assert_eq!(found.verdict, Verdict::Damaged, "{found:?}");
    std::fs::write(&path, &whole).unwrap();
    let found = worker.verify(&kept.name).await;
    assert_eq!(found.verdict, Verdict::Good, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_a_base_backup_is_found() {
    let house = House::start().await;
    let worker = house.worker();
    let kept = kept(&house, &worker, Method::Base).await;
    for file in &kept.manifest.files {
        kept.try_all(&file.path, file.bytes as usize / 2, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_copies_of_redis_is_found() {
    let house = House::start().await;
    house.fill_redis(2000).await;
    let worker = house.worker();
    let rdb = kept(&house, &worker, Method::RedisRdb).await;
    rdb.try_all(
        &format!("{}.rdb", rdb.name),
        rdb.manifest.files[0].bytes as usize / 2,
        &[],
    )
    .await;

    let aof = kept(&house, &worker, Method::RedisAof).await;
    let incr = aof
        .manifest
        .files
        .iter()
        .find(|file| file.path.ends_with("incr.aof"))
        .unwrap();
    // At the beginning of a command: the format has no checksum, so a bit of a value is the manifest's to find. An empty one is one in which
    // nothing was written.
    aof.try_all(&incr.path, 0, &[Damage::Empty]).await;
    let base = aof
        .manifest
        .files
        .iter()
        .find(|file| file.path.ends_with("base.rdb"))
        .unwrap();
    aof.try_all(&base.path, base.bytes as usize / 2, &[]).await;
    let list = aof
        .manifest
        .files
        .iter()
        .find(|file| file.path.ends_with(".aof.manifest"))
        .unwrap();
    aof.try_all(&list.path, 0, &[Damage::Empty]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_none_or_of_something_else_is_found() {
    let house = House::start().await;
    let worker = house.worker();
    let kept = kept(&house, &worker, Method::RedisRdb).await;
    let path = kept.path(&format!("{}{}", kept.name, manifest::SUFFIX));
    let text = std::fs::read_to_string(&path).unwrap();
    for (forged, said) in [
        (String::new(), "can't be read"),
        (text[..text.len() / 2].to_owned(), "can't be read"),
        (text.replace("\"version\": 1,", "\"version\": 9,"), "version 9"),
        (
            text.replace("\"method\": \"redis_rdb\"", "\"method\": \"dump\""),
            "another kind",
        ),
        (
            text.replace("redis_rdb/app-", "redis_rdb/other-"),
            "belongs to another copy",
        ),
        (
            text.replace("redis_rdb/app-", "../redis_rdb/app-"),
            "belongs to another copy",
        ),
    ] {
        assert_ne!(forged, text);
        std::fs::write(&path, forged).unwrap();
        let found = worker.verify(&kept.name).await;
        assert_eq!(found.verdict, Verdict::Damaged, "{said}: {found:?}");
        assert!(found.wrong().unwrap().contains(said), "{said}: {found:?}");
    }
}
