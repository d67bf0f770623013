//! What is kept, restored: by drills into a cluster of their own, to the row and to the transaction, and refused where nothing leads.

use std::{sync::Arc, time::Duration};

use quarterdeck::{
    clients::{PostgresNode, backup_programs::Target, cluster_node::ClusterNode},
    clock::{Clock, SystemClock},
    config::{
        backups::{BackupsConfig, DrillConfig, DrillQuery, StoreConfig},
        postgres::PostgresNodeConfig,
    },
    db::backups::drills::{self, DrillRow},
    entropy::SystemEntropy,
    services::{
        audit::{EventMaker, Origin},
        backups::{
            drills::{AskedBy, DrillError, DrillOf, Drills, DrillsParts},
            watch::{BackupWatch, BackupWatchParts},
        },
        cluster::WatchedCluster,
    },
};
use quarterdeck_domain::{
    audit::Actor,
    backup::{Method, drill::DrillStep},
};
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::house::House;

/// The part of a console that looks at backups and restores them.
struct Restorer {
    watch: Arc<BackupWatch>,
    drills: Arc<Drills>,
    stop: CancellationToken,
}

fn drill_config(queries: Vec<DrillQuery>) -> DrillConfig {
    let mut config: DrillConfig = toml::from_str("keep_free_bytes = 0").unwrap();
    config.queries = queries;
    config
}

impl Restorer {
    fn of(house: &House, queries: Vec<DrillQuery>) -> Self {
        Self::with(house, drill_config(queries))
    }

    fn with(house: &House, drill: DrillConfig) -> Self {
        let config: BackupsConfig = house.config(|config| {
            let url = url::Url::from_directory_path(house.archive_directory()).unwrap();
            config.wal_archive = Some(toml::from_str::<StoreConfig>(&format!("url = '{url}'")).unwrap());
            config.wal = Some(toml::from_str("").unwrap());
            config.run_as = house.server_user();
        });
        let mut node = PostgresNodeConfig::new("db-1", house.watched.url("app"));
        node.backup_url = Some(house.watched.url("app").into());
        let connection = PostgresNode::new(&node).unwrap().connection();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let watch = BackupWatch::new(BackupWatchParts {
            config,
            nodes: vec![Arc::clone(&connection)],
            cluster: Arc::new(WatchedCluster::new(
                vec![ClusterNode::new(connection)],
                Arc::clone(&clock),
            )),
            pool: house.pool.clone(),
            clock: Arc::clone(&clock),
        });
        let watch = Arc::new(watch.unwrap());
        let stop = CancellationToken::new();
        let parts = DrillsParts {
            watch: Arc::clone(&watch),
            config: drill,
            targets: vec![Target::new(&node, "app").unwrap().unwrap()],
            pool: house.pool.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::new(SystemEntropy),
            events: EventMaker::new(clock, Arc::new(SystemEntropy)),
            host: "test".into(),
        };
        let drills = Arc::new(Drills::new(parts, stop.clone()));
        Self { watch, drills, stop }
    }

    async fn begin(&self, of: &DrillOf) -> Result<Uuid, DrillError> {
        self.watch.look_now().await;
        let person = AskedBy::Person(Actor::User {
            id: Uuid::from_u128(1),
            name: "ada".into(),
        });
        self.drills.begin(of, &person, &Origin::default()).await
    }

    async fn done(&self, house: &House, of: &DrillOf) -> DrillRow {
        let id = self.begin(of).await.unwrap();
        ended(house, id).await
    }
}

async fn ended(house: &House, id: Uuid) -> DrillRow {
    let waiting = async {
        loop {
            let row = drills::by_id(&house.pool, id).await.unwrap().unwrap();
            if row.state != "running" {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(240), waiting)
        .await
        .expect("the drill comes to an end")
}

fn query(name: &str, sql: &str, at_least: i64) -> DrillQuery {
    DrillQuery {
        name: name.into(),
        sql: sql.into(),
        at_least,
    }
}

fn steps(row: &DrillRow) -> Vec<DrillStep> {
    row.steps.iter().map(|step| step.step).collect()
}

async fn made(house: &House, method: Method) -> String {
    let worker = house.worker();
    let row = house.ended(worker.begin(method).await.unwrap()).await;
    assert_eq!(
        (row.state.as_str(), row.error.as_deref()),
        ("succeeded", None),
        "{}",
        row.log
    );
    row.backup.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_comes_back_to_the_row_and_one_that_lacks_rows_fails_its_drill() {
    let house = House::start().await;
    let name = made(&house, Method::Dump).await;
    let restorer = Restorer::of(
        &house,
        vec![query("courses", "select count(*) from courses", 20_000)],
    );
    let row = restorer.done(&house, &DrillOf::NewestDump).await;
    assert_eq!(
        (row.state.as_str(), row.error.as_deref()),
        ("succeeded", None),
        "{row:?}"
    );
    assert_eq!(
        steps(&row),
        [
            DrillStep::Room,
            DrillStep::Fetch,
            DrillStep::Prepare,
            DrillStep::Restore,
            DrillStep::Check
        ]
    );
    assert!(
        row.checks.len() >= 3 && row.checks.iter().all(|check| check.passed),
        "{:?}",
        row.checks
    );
    assert!(row.backup_bytes > Some(0) && row.cluster_bytes > row.backup_bytes);
    assert_eq!(house.left(), [] as [String; 0], "nothing of it stays");

    // The source had one row more than what comes back: everything exits with 0, and yet the data is not there.
    let path = house.store_directory().join(format!("{name}.manifest.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let tables = manifest["source"]["tables"].as_array_mut().unwrap();
    let courses = tables
        .iter_mut()
        .find(|table| table["table"] == "courses")
        .unwrap();
    assert_eq!(courses["rows"], 20_000);
    courses["rows"] = 20_001.into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    let row = restorer.done(&house, &DrillOf::Dump(name.clone())).await;
    assert_eq!(row.state, "failed");
    assert!(row.error.as_deref().unwrap().contains("20001"), "{:?}", row.error);
    std::fs::write(&path, text).unwrap();

    // A question that the data does not answer as it should.
    let strict = Restorer::of(
        &house,
        vec![query("courses", "select count(*) from courses", 20_001)],
    );
    let row = strict.done(&house, &DrillOf::NewestDump).await;
    assert!(
        row.state == "failed"
            && row
                .error
                .as_deref()
                .unwrap()
                .contains("20000 instead of at least 20001"),
        "{row:?}"
    );

    // What is not what was stored does not even get so far.
    let dump = house.store_directory().join(format!("{name}.dump"));
    let mut bytes = std::fs::read(&dump).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&dump, bytes).unwrap();
    let row = restorer.done(&house, &DrillOf::Dump(name)).await;
    assert!(
        row.state == "failed" && row.error.as_deref().unwrap().contains("damaged"),
        "{row:?}"
    );
    assert_eq!(steps(&row), [DrillStep::Room, DrillStep::Fetch]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_is_recovered_to_the_transaction_while_more_is_written() {
    let house = House::archiving().await;
    made(&house, Method::Base).await;
    let mut connection = PgConnection::connect(&house.watched.url("app")).await.unwrap();
    sqlx::raw_sql("create table acknowledged (id int primary key)")
        .execute(&mut connection)
        .await
        .unwrap();
    let mut target = None;
    for id in 1..=400 {
        sqlx::query("insert into acknowledged values ($1)")
            .bind(id)
            .execute(&mut connection)
            .await
            .unwrap();
        if id == 150 {
            // By the server's clock, which the target is held against; the next commit comes after it.
            let now: OffsetDateTime = sqlx::query_scalar("select clock_timestamp()")
                .fetch_one(&mut connection)
                .await
                .unwrap();
            target = Some(now);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let target = target.unwrap();
    let last: OffsetDateTime = sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    // Written on, so that the segment is archived.
    sqlx::query("select pg_switch_wal()")
        .execute(&mut connection)
        .await
        .unwrap();

    // Exactly so many rows: no fewer, and no more.
    let exactly = |rows: i64| {
        vec![
            query("no fewer", "select count(*) from acknowledged", rows),
            query("no more", "select -count(*) from acknowledged", -rows),
        ]
    };
    let restorer = Restorer::of(&house, exactly(150));
    house.archived_until(&restorer.watch, target).await;
    let row = restorer.done(&house, &DrillOf::Base(Some(target))).await;
    assert_eq!(
        (row.state.as_str(), row.error.as_deref()),
        ("succeeded", None),
        "{row:?}"
    );
    assert_eq!(
        steps(&row),
        [
            DrillStep::Room,
            DrillStep::Fetch,
            DrillStep::Prepare,
            DrillStep::FetchWal,
            DrillStep::Replay,
            DrillStep::Check
        ]
    );
    assert!(row.wal_bytes > Some(0));

    // All there is.
    let all = Restorer::of(&house, exactly(400));
    let row = all.done(&house, &DrillOf::Base(None)).await;
    assert_eq!(
        (row.state.as_str(), row.error.as_deref()),
        ("succeeded", None),
        "{row:?}"
    );
    assert_eq!(house.left(), [] as [String; 0], "nothing of it stays");

    // Targets that lead nowhere are refused before anything is touched.
    let refused = async |restorer: &Restorer, at: OffsetDateTime| match restorer
        .begin(&DrillOf::Base(Some(at)))
        .await
    {
        Err(DrillError::Nothing(words)) => words,
        other => panic!("{other:?}"),
    };
    let before = refused(&all, target - time::Duration::days(1)).await;
    assert!(before.contains("before all that is stored"), "{before}");
    let past = refused(&all, last + time::Duration::seconds(1)).await;
    assert!(past.contains("past the end of the archive"), "{past}");
    let future = refused(&all, last + time::Duration::days(1)).await;
    assert!(future.contains("still to come"), "{future}");

    // A segment in the middle is lost, and what comes after it with it.
    let mut hole = None;
    for statement in [
        "insert into acknowledged select generate_series(401, 500)",
        "select pg_switch_wal()",
        "insert into acknowledged values (501)",
        "select clock_timestamp()",
        "insert into acknowledged values (502)",
        "select pg_switch_wal()",
        "insert into acknowledged values (503)",
        "select pg_switch_wal()",
    ] {
        // Each in a transaction of its own.
        if statement.contains("clock") {
            let now: OffsetDateTime = sqlx::query_scalar(statement)
                .fetch_one(&mut connection)
                .await
                .unwrap();
            hole = Some(now);
        } else {
            sqlx::query(statement).execute(&mut connection).await.unwrap();
        }
    }
    let hole = hole.unwrap();
    house.archived_until(&all.watch, hole).await;
    let lost = house.lose_segment_before(hole);
    // For a minute it may merely be late.
    let words = refused(&all, hole).await;
    assert!(
        words.contains("lies in a hole") && words.contains(&lost),
        "{lost}: {words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_that_is_cancelled_or_whose_console_dies_leaves_nothing_and_proves_nothing() {
    let house = House::start().await;
    made(&house, Method::Dump).await;
    let slow = vec![query("slow", "select 1 from pg_sleep(600)", 1)];
    let restorer = Restorer::of(&house, slow.clone());
    let id = restorer.begin(&DrillOf::NewestDump).await.unwrap();
    // One at a time, whoever asks.
    assert!(matches!(
        restorer.begin(&DrillOf::NewestDump).await,
        Err(DrillError::Busy)
    ));
    let ada = Actor::User {
        id: Uuid::from_u128(1),
        name: "ada".into(),
    };
    assert!(
        restorer
            .drills
            .cancel(id, ada.clone(), &Origin::default())
            .await
            .unwrap()
    );
    assert!(!restorer.drills.cancel(id, ada, &Origin::default()).await.unwrap());
    let row = ended(&house, id).await;
    assert_eq!(row.state, "cancelled", "{row:?}");
    assert_eq!(house.left(), [] as [String; 0], "nothing of it stays");

    // The console is gone without a word: nobody renews it, and another console gives it up.
    let dying = Restorer::of(&house, slow);
    let id = dying.begin(&DrillOf::NewestDump).await.unwrap();
    // In one transaction with giving it up, so that it is not renewed between the two.
    let mut transaction = house.pool.begin().await.unwrap();
    sqlx::query("update quarterdeck.drills set alive_until = now() - interval '1 minute' where id = $1")
        .bind(id)
        .execute(&mut *transaction)
        .await
        .unwrap();
    let lost = drills::lose(&mut *transaction, SystemClock.now()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(lost, [id]);
    let row = drills::by_id(&house.pool, id).await.unwrap().unwrap();
    assert_eq!(row.state, "lost", "{row:?}");
    dying.stop.cancel();
    // What it still does counts for nothing, and another one can begin.
    let fresh = Restorer::of(&house, vec![]);
    let row = fresh.done(&house, &DrillOf::NewestDump).await;
    assert_eq!(
        (row.state.as_str(), row.error.as_deref()),
        ("succeeded", None),
        "{row:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_nothing_is_restored() {
    let house = House::start().await;
    made(&house, Method::Dump).await;
    let mut config = drill_config(vec![]);
    config.keep_free_bytes = u64::MAX / 2;
    let row = Restorer::with(&house, config)
        .done(&house, &DrillOf::NewestDump)
        .await;
    assert_eq!(row.state, "failed");
    assert!(
        row.error.as_deref().unwrap().contains("not enough room"),
        "{row:?}"
    );
    assert_eq!(steps(&row), [DrillStep::Room]);
}
