//! Runs in which something breaks: each says what happened, what it means and what to do, and leaves nothing that could be taken for a
//! backup.

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use quarterdeck::{clock::SystemClock, config::backups::BackupsConfig};
use quarterdeck_domain::backup::Method;
use quarterdeck_estate::parts::program;

use crate::house::{House, Worker};

/// Has a run fail and answers with what it says.
async fn fails(house: &House, worker: &Worker, method: Method) -> String {
    let id = worker.begin(method).await.unwrap();
    let row = house.ended(id).await;
    assert_eq!(row.state, "failed", "{}", row.log);
    assert_eq!(row.backup, None);
    assert_eq!(house.left(), [] as [String; 0]);
    assert_eq!(house.stored().await, [] as [String; 0]);
    assert_eq!(house.audited().await.last().unwrap(), "backup.run_failed");
    row.error.unwrap()
}

/// A directory of programs in which one is replaced by a script; `{}` in it is the real one.
fn instead(house: &House, name: &str, script: &str) -> impl FnOnce(&mut BackupsConfig) + use<> {
    let directory = house.directory.path().join(format!("programs-{name}"));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir(&directory).unwrap();
    for other in [
        "pg_dump",
        "pg_restore",
        "pg_basebackup",
        "pg_verifybackup",
        "pg_waldump",
    ] {
        let real = program(other).unwrap();
        let file = directory.join(other);
        if other == name {
            std::fs::write(&file, format!("#!/bin/sh\n{}\n", script.replace("{}", &real))).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        } else {
            std::os::unix::fs::symlink(real, &file).unwrap();
        }
    }
    move |config| config.programs = Some(directory)
}

fn worker(house: &House, change: impl FnOnce(&mut BackupsConfig)) -> Worker {
    house.worker_with(change, "backup", Arc::new(SystemClock))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_is_said() {
    let house = House::start().await;
    // In place of a full disk, which takes a mount: files may not grow beyond 200 kB. The program sees a write that fails.
    let full = "trap '' XFSZ\nulimit -f 200\nexec {} \"$@\"";
    let said = fails(
        &house,
        &worker(&house, instead(&house, "pg_dump", full)),
        Method::Dump,
    )
    .await;
    assert!(
        said.contains("File too large") && said.contains("Make room"),
        "{said}"
    );
    let said = fails(
        &house,
        &worker(&house, instead(&house, "pg_basebackup", full)),
        Method::Base,
    )
    .await;
    assert!(
        said.contains("File too large") && said.contains("Make room"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_leaves_half_done_is_never_stored_whatever_its_exit_code() {
    let house = House::start().await;
    // Ends with success, and the file is cut off.
    let cut = "{} \"$@\"\nfor a in \"$@\"; do case \"$last\" in --file) f=\"$a\";; esac; last=\"$a\"; done\ntruncate -s 60% \"$f\" 2>/dev/null || truncate -s 300000 \"$f\"\nexit 0";
    let said = fails(
        &house,
        &worker(&house, instead(&house, "pg_dump", cut)),
        Method::Dump,
    )
    .await;
    assert!(said.contains("pg_restore"), "{said}");
    let said = fails(
        &house,
        &worker(&house, instead(&house, "pg_dump", "exit 3")),
        Method::Dump,
    )
    .await;
    assert!(said.contains("exit status: 3"), "{said}");
    let cut = "{} \"$@\"\nfor a in \"$@\"; do case \"$last\" in --pgdata) f=\"$a\";; esac; last=\"$a\"; done\ntruncate -s 300000 \"$f/base.tar.gz\"\nexit 0";
    let said = fails(
        &house,
        &worker(&house, instead(&house, "pg_basebackup", cut)),
        Method::Base,
    )
    .await;
    assert!(said.contains("tar"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_wrongly_is_said_with_the_setting() {
    let house = House::start().await;
    let nowhere = house.directory.path().join("nowhere");
    for (worker, method, says) in [
        (
            worker(&house, |config| config.programs = Some(nowhere)),
            Method::Dump,
            ["pg_dump can't be started", "backups.programs"],
        ),
        (
            worker(&house, |config| config.database = "other".into()),
            Method::Dump,
            ["does not exist", "backups.database"],
        ),
        (
            house.worker_with(|_| {}, "nobody", Arc::new(SystemClock)),
            Method::Dump,
            ["does not exist", "backup_url"],
        ),
        (
            worker(
                &house,
                instead(
                    &house,
                    "pg_dump",
                    "echo 'pg_dump: error: aborting because of server version mismatch' >&2; exit 1",
                ),
            ),
            Method::Dump,
            ["older than the server", "backups.programs"],
        ),
        (
            worker(&house, |config| {
                config.directory = Path::new("/proc/nothing").into()
            }),
            Method::Dump,
            ["/proc/nothing", "Make room or mend"],
        ),
    ] {
        let said = fails(&house, &worker, method).await;
        assert!(says.iter().all(|part| said.contains(part)), "{says:?}: {said}");
    }
    house
        .watched
        .sql(
            "postgres",
            "REVOKE pg_read_all_data FROM backup; ALTER ROLE backup NOREPLICATION",
        )
        .unwrap();
    let usual = house.worker();
    let said = fails(&house, &usual, Method::Dump).await;
    assert!(
        said.contains("permission denied") && said.contains("GRANT pg_read_all_data"),
        "{said}"
    );
    let said = fails(&house, &usual, Method::Base).await;
    assert!(
        said.contains("GRANT pg_read_all_data") && said.contains("REPLICATION"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_in_the_middle_is_said() {
    let house = House::start().await;
    let usual = house.worker();
    let mut blocker = sqlx::PgPool::connect(&house.watched.url("app"))
        .await
        .unwrap()
        .acquire()
        .await
        .unwrap()
        .detach();
    sqlx::raw_sql("BEGIN; LOCK TABLE courses IN ACCESS EXCLUSIVE MODE")
        .execute(&mut blocker)
        .await
        .unwrap();
    let id = usual.begin(Method::Dump).await.unwrap();
    house.until(id, |row| row.phase.starts_with("dumping")).await;
    house.watched.kill();
    let row = house.ended(id).await;
    let said = row.error.unwrap();
    assert_eq!(row.state, "failed");
    assert!(said.contains("When the server is back"), "{said}");
    // And before it began.
    let said = fails(&house, &usual, Method::Base).await;
    assert!(
        said.contains("There is no primary") || said.contains("When the server is back"),
        "{said}"
    );

    house.redis.kill();
    let said = fails(&house, &usual, Method::RedisRdb).await;
    assert!(
        said.contains("Redis says") && said.contains("When the server is back"),
        "{said}"
    );
    drop(blocker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_on_and_is_recorded_though_the_consoles_own_database_was_away_in_between() {
    let house = House::start().await;
    let usual = house.worker();
    let mut blocker = sqlx::PgPool::connect(&house.watched.url("app"))
        .await
        .unwrap()
        .acquire()
        .await
        .unwrap()
        .detach();
    sqlx::raw_sql("BEGIN; LOCK TABLE courses IN ACCESS EXCLUSIVE MODE")
        .execute(&mut blocker)
        .await
        .unwrap();
    let id = usual.begin(Method::Dump).await.unwrap();
    house.until(id, |row| row.phase.starts_with("dumping")).await;
    // Nobody may come in, and who is in goes.
    let mut superuser = house.console.superuser().await;
    let database: String = sqlx::query_scalar("select current_database()")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    let admin = house.console.cluster;
    admin
        .sql(
            "postgres",
            &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"),
        )
        .unwrap();
    let end =
        format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}'");
    admin.sql("postgres", &end).unwrap();
    drop(blocker);
    // It is done when it is stored; only the record is missing.
    loop {
        if house
            .stored()
            .await
            .iter()
            .any(|path| path.ends_with(".manifest.json"))
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    admin
        .sql(
            "postgres",
            &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true"),
        )
        .unwrap();
    let row = house.ended(id).await;
    assert_eq!((row.state.as_str(), row.error), ("succeeded", None));
    assert_eq!(house.audited().await.last().unwrap(), "backup.run_succeeded");
}
