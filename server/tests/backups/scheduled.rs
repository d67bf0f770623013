//! When runs begin, and that no two of a method go on at once, whoever begins them.

use std::sync::Arc;

use quarterdeck::{
    clock::{Clock, ManualClock, SystemClock},
    db::backups::runs,
    services::backups::runs::{RunError, Wanted},
    workers::backups::Schedules,
};
use quarterdeck_domain::backup::Method;
use time::{Duration, OffsetDateTime};

use crate::house::House;

fn only_redis(config: &mut quarterdeck::config::backups::BackupsConfig) {
    config.dump = None;
    config.base = None;
    config.redis_aof = None;
}

async fn times(house: &House) -> Vec<(OffsetDateTime, String)> {
    sqlx::query_as("select scheduled_for, state from quarterdeck.backup_runs where scheduled_for is not null order by scheduled_for")
        .fetch_all(&house.pool)
        .await
        .unwrap()
}

async fn all_ended(house: &House) {
    loop {
        let running: i64 =
            sqlx::query_scalar("select count(*) from quarterdeck.backup_runs where state = 'running'")
                .fetch_one(&house.pool)
                .await
                .unwrap();
        if running == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_time_has_one_run_whichever_replica_makes_it_and_missed_ones_are_not_made_up_for() {
    let house = House::start().await;
    house.fill_redis(10).await;
    // A quarter of an hour is not near.
    let now = SystemClock.now().replace_nanosecond(0).unwrap();
    let base = now - Duration::seconds(now.unix_timestamp() % 900) + Duration::seconds(400);
    let clock = Arc::new(ManualClock::at(base));
    let replica = || house.worker_with(only_redis, "backup", Arc::clone(&clock) as Arc<dyn Clock>);
    let (one, two) = (replica(), replica());
    let mut schedules = [
        Schedules::new(Arc::clone(&one.runs)),
        Schedules::new(Arc::clone(&two.runs)),
    ];

    // There is nothing at all: made at once, though its time was missed.
    for schedule in &mut schedules {
        schedule.round(base).await;
    }
    all_ended(&house).await;
    let first = base - Duration::seconds(400);
    assert_eq!(times(&house).await, [(first, "succeeded".to_owned())]);

    // The next: late, but within its grace. Both want it, many times.
    let next = first + Duration::seconds(900);
    clock.advance(Duration::seconds(900));
    for schedule in &mut schedules {
        for seconds in [0, 1, 200] {
            schedule.round(next + Duration::seconds(seconds)).await;
        }
    }
    all_ended(&house).await;
    let made = [(first, "succeeded".to_owned()), (next, "succeeded".to_owned())];
    assert_eq!(times(&house).await, made);

    // Nobody was there for two hours: that is seen, and not made up for.
    let mut returned = Schedules::new(Arc::clone(&one.runs));
    returned.round(next + Duration::seconds(7200 + 400)).await;
    all_ended(&house).await;
    assert_eq!(times(&house).await.len(), 2);
    clock.advance(Duration::seconds(8100));
    returned.round(next + Duration::seconds(8100)).await;
    all_ended(&house).await;
    assert_eq!(times(&house).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_long_as_nothing_is_kept_it_is_tried_again_though_its_time_had_its_run() {
    let house = House::start().await;
    let now = SystemClock.now().replace_nanosecond(0).unwrap();
    let base = now - Duration::seconds(now.unix_timestamp() % 900) + Duration::seconds(10);
    let clock = Arc::new(ManualClock::at(base));
    let worker = house.worker_with(only_redis, "backup", Arc::clone(&clock) as Arc<dyn Clock>);
    let mut schedules = Schedules::new(Arc::clone(&worker.runs));
    let states = async || {
        let states: Vec<String> =
            sqlx::query_scalar("select state from quarterdeck.backup_runs order by began_at")
                .fetch_all(&house.pool)
                .await
                .unwrap();
        states
    };
    house.redis.kill();
    schedules.round(base).await;
    all_ended(&house).await;
    assert_eq!(states().await, ["failed"]);
    for (seconds, expected) in [(30, 2), (60, 2), (300, 2), (360, 3)] {
        if seconds == 360 {
            house.restart_redis();
        }
        clock.advance(Duration::seconds(1));
        schedules.round(base + Duration::seconds(seconds)).await;
        all_ended(&house).await;
        assert_eq!(states().await.len(), expected, "after {seconds} s");
    }
    schedules.round(base + Duration::seconds(800)).await;
    all_ended(&house).await;
    assert_eq!(states().await, ["failed", "failed", "succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_method_at_a_time_and_a_cancelled_one_leaves_nothing() {
    let house = House::start().await;
    let (one, two) = (house.worker(), house.worker());
    // A lock that the dump waits for.
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
    let id = one.begin(Method::Dump).await.unwrap();
    house.until(id, |row| row.phase.starts_with("dumping")).await;
    let refused = two.begin(Method::Dump).await.unwrap_err();
    assert!(matches!(refused, RunError::UnderWay(Method::Dump)), "{refused}");
    let scheduled = Wanted::Schedule(SystemClock.now());
    let refused = two.runs.begin(Method::Dump, scheduled).await.unwrap_err();
    assert!(matches!(refused, RunError::UnderWay(Method::Dump)), "{refused}");
    // Another method has nothing to do with it.
    let base = two.begin(Method::Base).await.unwrap();
    assert_eq!(house.ended(base).await.state, "succeeded");

    two.cancel(id).await.unwrap();
    let row = house.ended(id).await;
    assert_eq!(
        (row.state.as_str(), row.cancel_asked_by.as_deref()),
        ("cancelled", Some("ada"))
    );
    assert_eq!((row.error, row.backup), (None, None));
    assert!(matches!(two.cancel(id).await.unwrap_err(), RunError::NotRunning));
    assert_eq!(house.left(), [] as [String; 0]);
    assert!(house.stored().await.iter().all(|path| path.starts_with("base/")));
    assert!(house.audited().await.contains(&"backup.run_cancelled".to_owned()));
    // Nor anything on the server, although what it waits for is still held.
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('pg_dump', 'quarterdeck backup')";
    while house.watched.sql("postgres", waiting).unwrap() != "0" {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    drop(blocker);
    let again = two.begin(Method::Dump).await.unwrap();
    assert_eq!(house.ended(again).await.state, "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_of_a_console_that_was_killed_is_lost_and_what_it_left_goes() {
    let house = House::start().await;
    // Whose clock is a day ahead.
    let clock = ManualClock::at(SystemClock.now() + Duration::days(1));
    let survivor = house.worker_with(|_| {}, "backup", Arc::new(clock));
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
    // A runtime of its own that is torn down in the middle, as nothing in this process can be killed by itself: no task ends in an orderly way.
    let killed = std::thread::scope(|scope| {
        let house = &house;
        scope
            .spawn(move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                let id = runtime.block_on(async {
                    let pool = house.console.pool();
                    let worker = house.worker_on(pool.clone());
                    let id = worker.begin(Method::Dump).await.unwrap();
                    while !runs::by_id(&pool, id)
                        .await
                        .unwrap()
                        .unwrap()
                        .phase
                        .starts_with("dumping")
                    {
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    }
                    id
                });
                runtime.shutdown_timeout(std::time::Duration::from_millis(1));
                id
            })
            .join()
            .unwrap()
    });
    drop(blocker);
    // What a killed process leaves behind it, by the name that it had.
    let left = house
        .work_directory()
        .join(format!("quarterdeck-work-{}", uuid::Uuid::from_u128(9)));
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("in-use"), "").unwrap();
    std::fs::write(left.join("dump"), "half of it").unwrap();

    assert_eq!(
        survivor.runs.give_up_lost().await.unwrap(),
        0,
        "it may yet say something"
    );
    assert_eq!(house.row(killed).await.state, "running");
    sqlx::query("update quarterdeck.backup_runs set alive_until = now() - interval '1 s'")
        .execute(&house.pool)
        .await
        .unwrap();
    assert_eq!(survivor.runs.give_up_lost().await.unwrap(), 1);
    let row = house.row(killed).await;
    assert_eq!(row.state, "lost");
    assert!(row.error.unwrap().contains("make one now"));
    survivor.runs.remove_leftovers().await;
    assert_eq!(house.left(), [] as [String; 0]);
    assert_eq!(house.stored().await, [] as [String; 0]);
    assert!(house.audited().await.contains(&"backup.run_lost".to_owned()));
    let again = house.worker().begin(Method::Dump).await.unwrap();
    assert_eq!(house.ended(again).await.state, "succeeded");
}
