//! Backups that come out well, restored to see that they hold what was there.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use quarterdeck::{clients::backup_programs::figures::figures, config::backups::FiguresTaken};
use quarterdeck_domain::{
    backup::{Method, Source},
    cluster::Lsn,
};
use quarterdeck_estate::parts::program;
use sqlx::{Connection, PgConnection};

use crate::house::House;
use quarterdeck::services::backups::verification::Verdict;

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_holds_one_moment_of_a_database_that_is_written_to() {
    let house = House::start().await;
    let worker = house.worker();
    let written = AtomicBool::new(false);
    let writing = async {
        let mut connection = PgConnection::connect(&house.watched.url("app")).await.unwrap();
        while !written.load(Ordering::Relaxed) {
            sqlx::query("INSERT INTO empty_one SELECT count(*) FROM empty_one")
                .execute(&mut connection)
                .await
                .unwrap();
        }
    };
    let making = async {
        let id = worker.begin(Method::Dump).await.unwrap();
        let row = house.ended(id).await;
        written.store(true, Ordering::Relaxed);
        row
    };
    let (row, ()) = tokio::join!(making, writing);
    assert_eq!(
        (row.state.as_str(), row.error.as_deref()),
        ("succeeded", None),
        "{}",
        row.log
    );
    assert_eq!(row.exit_code, Some(0));
    assert!(row.command.contains("pg_dump --format=custom"), "{}", row.command);
    assert!(
        row.command.contains("pg_restore --file=/dev/null"),
        "{}",
        row.command
    );
    let told = format!("{}{}", row.command, row.log);
    assert!(!told.contains("s3cret"), "{told}");
    let name = row.backup.unwrap();
    assert_eq!(
        house.stored().await,
        [format!("{name}.dump"), format!("{name}.manifest.json")]
    );
    assert_eq!(house.left(), [] as [String; 0]);
    assert_eq!(
        house.audited().await,
        ["backup.run_started", "backup.run_succeeded"]
    );

    let manifest = house.manifest(&name);
    assert_eq!((manifest.run_id, manifest.method), (row.id, Method::Dump));
    let Source::Database {
        tables,
        server,
        snapshot_at,
        ..
    } = manifest.source
    else {
        panic!("{manifest:?}")
    };
    assert!(snapshot_at >= row.began_at && snapshot_at <= manifest.ended_at);
    assert_eq!(server.version_num / 10_000, 15);
    let rows = |table: &str| tables.iter().find(|figures| figures.table == table).unwrap().rows;
    assert_eq!((rows("courses"), rows("quoted \"table")), (20_000, 3));

    // Restored elsewhere, to the row.
    house.watched.create_database("restored", "postgres").unwrap();
    let restored = Command::new(program("pg_restore").unwrap())
        .args(["--dbname", &house.watched.url("restored")])
        .arg(house.store_directory().join(format!("{name}.dump")))
        .status()
        .unwrap();
    assert!(restored.success());
    let mut connection = PgConnection::connect(&house.watched.url("restored"))
        .await
        .unwrap();
    let found = figures(&mut connection, FiguresTaken::Checksums, &|_| {})
        .await
        .unwrap();
    assert_eq!(found, tables);
    sqlx::raw_sql("UPDATE public.courses SET rating = rating + 1e-9 WHERE id = 7")
        .execute(&mut connection)
        .await
        .unwrap();
    let changed = figures(&mut connection, FiguresTaken::Checksums, &|_| {})
        .await
        .unwrap();
    assert_ne!(changed, tables, "a change in one value is seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_backup_is_unpacked_and_verified_with_its_tablespaces_and_its_wal() {
    let house = House::start().await;
    let space = house.watched.dir().join("space");
    let make = format!(
        "mkdir {0} && chown --reference={1} {0}",
        space.display(),
        house.watched.data_dir().display()
    );
    assert!(Command::new("sh").args(["-c", &make]).status().unwrap().success());
    let make = format!("CREATE TABLESPACE aside LOCATION '{}'", space.display());
    house.watched.sql("app", &make).unwrap();
    house
        .watched
        .sql("app", "CREATE TABLE there TABLESPACE aside AS SELECT 1 AS one")
        .unwrap();
    let worker = house.worker();
    let id = worker.begin(Method::Base).await.unwrap();
    let row = house.ended(id).await;
    assert_eq!(
        (row.state.as_str(), row.error.as_deref()),
        ("succeeded", None),
        "{}",
        row.log
    );
    assert!(row.command.contains("pg_verifybackup"), "{}", row.command);
    let name = row.backup.unwrap();
    let manifest = house.manifest(&name);
    let files: Vec<&str> = manifest
        .files
        .iter()
        .map(|file| file.path.rsplit('/').next().unwrap())
        .collect();
    assert!(
        files.contains(&"base.tar.gz")
            && files.contains(&"pg_wal.tar.gz")
            && files.contains(&"backup_manifest")
    );
    assert_eq!(files.len(), 4, "the tablespace has a file of its own: {files:?}");
    let Source::Cluster {
        start,
        stop,
        timeline,
        unpacked_bytes,
        consistent_at,
        ..
    } = manifest.source
    else {
        panic!("{manifest:?}")
    };
    assert!(start < stop && stop > Lsn::from_bytes(0) && timeline == 1);
    assert!(unpacked_bytes.unwrap() > 20_000_000, "{unpacked_bytes:?}");
    assert!(consistent_at > row.began_at);
    assert_eq!(house.left(), [] as [String; 0]);
    let found = worker.verify(&name).await;
    assert_eq!(found.verdict, Verdict::Good, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_redis_hold_all_its_keys_and_need_no_file_of_its_machine() {
    let house = House::start().await;
    house.fill_redis(5000).await;
    let worker = house.worker();
    for method in [Method::RedisRdb, Method::RedisAof] {
        let id = worker.begin(method).await.unwrap();
        let row = house.ended(id).await;
        assert_eq!(
            (row.state.as_str(), row.error.as_deref()),
            ("succeeded", None),
            "{}",
            row.log
        );
        assert!(!row.command.contains("cache"), "{}", row.command);
        let name = row.backup.unwrap();
        let Source::Redis {
            keys,
            version,
            saved_at,
        } = house.manifest(&name).source
        else {
            panic!("{name}")
        };
        assert_eq!(keys, 5000);
        assert!(version.starts_with('7'), "{version}");
        assert!((row.began_at - saved_at).abs() < time::Duration::minutes(1));
        let found = worker.verify(&name).await;
        assert_eq!(found.verdict, Verdict::Good, "{found:?}");
    }
    assert_eq!(house.left(), [] as [String; 0]);
}
