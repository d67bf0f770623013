//! Asking real PostgreSQL nodes what they are, through everything that befalls a cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what can't go on fails the test"
)]

use std::{os::unix::fs::PermissionsExt, path::PathBuf, process::Command, time::Duration};

use quarterdeck::{
    clients::{PostgresNode, cluster_node::ClusterNode},
    clock::{Clock, SystemClock},
    config::postgres::PostgresNodeConfig,
};
use quarterdeck_app::view::estate::{DatabaseNodeView, DatabaseRole};
use quarterdeck_domain::cluster::{NodeSight, Topology, TopologyVerdict};
use quarterdeck_estate::{
    parts::{Postgres, PostgresOptions},
    process::{RunAs, run_tool},
};
use tokio::time::Instant;

/// A role that may watch and nothing else.
const WATCHER: &str = "watcher";

fn server(name: &str, url: &str, timeout_s: f64) -> PostgresNode {
    let mut config = PostgresNodeConfig::new(name, url);
    config.timeout_s = timeout_s;
    PostgresNode::new(&config).unwrap()
}

fn node(name: &str, url: &str, timeout_s: f64) -> ClusterNode {
    ClusterNode::new(server(name, url, timeout_s).connection())
}

/// A directory that is removed when the test ends.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A streaming standby of `primary`.
fn standby_of(primary: &Postgres) -> (Postgres, Directory) {
    // Tests run side by side, each with a primary on a port of its own.
    let name = format!("quarterdeck-standby-{}-{}", std::process::id(), primary.port());
    let directory = Directory(std::env::temp_dir().join(name));
    std::fs::create_dir_all(&directory.0).unwrap();
    std::fs::set_permissions(&directory.0, std::fs::Permissions::from_mode(0o777)).unwrap();
    let data = directory.0.join("data");
    let (data, url) = (data.to_string_lossy(), primary.url("postgres"));
    let copy = [
        "pg_basebackup",
        "-D",
        &*data,
        "-d",
        &url,
        "-R",
        "-X",
        "stream",
        "-c",
        "fast",
        "--no-sync",
    ];
    run_tool(&copy, RunAs::Unprivileged, &directory.0).unwrap();
    let options = PostgresOptions {
        name: "standby".into(),
        dir: Some(directory.0.clone()),
        ..PostgresOptions::default()
    };
    (Postgres::start_with(&options).unwrap(), directory)
}

/// Looks until it is as wished.
async fn until(node: &ClusterNode, wished: impl Fn(&NodeSight) -> bool) -> NodeSight {
    let begin = Instant::now();
    loop {
        let sight = node.look().await;
        if wished(&sight) {
            return sight;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "not in 60 s: {sight:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn streams_to(count: usize) -> impl Fn(&NodeSight) -> bool {
    move |sight| {
        sight
            .primary()
            .is_some_and(|(_, primary)| primary.followers.len() == count)
    }
}

fn streams(sight: &NodeSight) -> bool {
    let receiver = sight.standby().and_then(|(_, standby)| standby.receiver.as_ref());
    receiver.is_some_and(|receiver| receiver.status == "streaming" && receiver.last_message_age_ms.is_some())
}

fn answers(sight: &NodeSight) -> bool {
    sight.answer.is_ok()
}

/// Both nodes in short, as the overview shows them.
async fn roles(nodes: [&ClusterNode; 2]) -> [DatabaseRole; 2] {
    let sights = [nodes[0].look().await, nodes[1].look().await];
    let [a, b]: [_; 2] = DatabaseNodeView::all(&sights, 0, &[]).try_into().unwrap();
    [a.role, b.role]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_seen_as_it_is_through_lag_loss_and_split() {
    let (primary, standby, _directory) = tokio::task::block_in_place(|| {
        let primary = Postgres::start().unwrap();
        primary
            .sql(
                "postgres",
                "CREATE ROLE watcher LOGIN IN ROLE pg_monitor; CREATE TABLE t (x text)",
            )
            .unwrap();
        let (standby, directory) = standby_of(&primary);
        (primary, standby, directory)
    });
    let first = node("first", &primary.url_as(WATCHER, "postgres"), 20.0);
    let second = node("second", &standby.url_as(WATCHER, "postgres"), 20.0);

    let facts = until(&first, streams_to(1)).await.answer.unwrap();
    let follower = until(&second, streams).await.answer.unwrap();
    assert!(facts.system_identifier.is_some());
    assert_eq!(facts.system_identifier, follower.system_identifier);
    assert_eq!((facts.timeline, follower.timeline), (Some(1), Some(1)));
    let [role, _] = roles([&first, &second]).await;
    assert_eq!(
        role,
        DatabaseRole::Primary {
            streaming_standbys: 1
        }
    );

    // Replay held up: what is received but not replayed is lag, too.
    let write = || {
        primary
            .sql(
                "postgres",
                "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 1000)",
            )
            .unwrap()
    };
    standby.sql("postgres", "SELECT pg_wal_replay_pause()").unwrap();
    write();
    let [_, role] = roles([&first, &second]).await;
    let DatabaseRole::Standby {
        lag_bytes: Some(lag),
        last_message_age_ms: Some(age),
    } = role
    else {
        panic!("{role:?}")
    };
    assert!(lag > 1_000_000, "{lag} bytes for a megabyte of rows");
    assert!(age < 60_000, "{age} ms");
    standby.sql("postgres", "SELECT pg_wal_replay_resume()").unwrap();
    let begin = Instant::now();
    while !matches!(
        roles([&first, &second]).await[1],
        DatabaseRole::Standby {
            lag_bytes: Some(0),
            ..
        }
    ) {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "the standby does not catch up"
        );
    }

    // A frozen node costs its time limit, and is itself again when it thaws: both where a connection is kept,
    // whose server process freezes, and where one would have to be made.
    let kept = node("second", &standby.url_as(WATCHER, "postgres"), 0.5);
    until(&kept, answers).await;
    let backends =
        "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = 'quarterdeck'";
    let backends = standby.sql("postgres", backends).unwrap();
    let signal = |name: &str| {
        let pids = backends.split(' ');
        assert!(
            Command::new("kill")
                .arg(name)
                .args(pids)
                .status()
                .unwrap()
                .success()
        );
    };
    signal("-STOP");
    standby.freeze();
    let frozen = Err("does not answer within 500 ms".to_owned());
    assert_eq!(kept.look().await.answer, frozen);
    let anew = node("second", &standby.url_as(WATCHER, "postgres"), 0.5);
    assert_eq!(anew.look().await.answer, frozen);
    standby.thaw();
    signal("-CONT");
    until(&kept, answers).await;

    // The primary dies: the standby has nobody to measure itself against, and knows that it hears nothing.
    tokio::task::block_in_place(|| primary.kill());
    let gone = first.look().await;
    assert!(
        !gone.refuses
            && gone
                .answer
                .as_ref()
                .is_err_and(|why| why.starts_with("cannot be reached")),
        "{gone:?}"
    );
    until(&second, |sight| {
        sight
            .standby()
            .is_some_and(|(_, standby)| standby.receiver.is_none())
    })
    .await;
    let [role, follower] = roles([&first, &second]).await;
    assert!(matches!(role, DatabaseRole::Unreachable { .. }), "{role:?}");
    assert_eq!(
        follower,
        DatabaseRole::Standby {
            lag_bytes: None,
            last_message_age_ms: None
        }
    );

    // Promotion, and the old primary comes back unfenced: both take writes, and both are shown to.
    standby.sql("postgres", "SELECT pg_promote()").unwrap();
    let promoted = until(&second, streams_to(0)).await;
    assert_eq!(promoted.state().unwrap().timeline, Some(2));
    tokio::task::block_in_place(|| primary.restart()).unwrap();
    until(&first, answers).await;
    let both = roles([&first, &second]).await;
    assert_eq!(
        both,
        [
            DatabaseRole::Primary {
                streaming_standbys: 0
            },
            DatabaseRole::Primary {
                streaming_standbys: 0
            }
        ]
    );
}

/// Looks at both until they make of themselves what is wished.
async fn topology_until(
    nodes: &[ClusterNode],
    wished: impl Fn(&TopologyVerdict, &[NodeSight]) -> bool,
) -> Vec<NodeSight> {
    let begin = Instant::now();
    loop {
        let sights = futures::future::join_all(nodes.iter().map(ClusterNode::look)).await;
        let verdict = Topology::new(&sights).verdict();
        if wished(&verdict, &sights) {
            return sights;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "still {verdict:?}: {sights:#?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topology_names_who_takes_writes_and_what_is_wrong() {
    let (primary, standby, _directory) = tokio::task::block_in_place(|| {
        let primary = Postgres::start().unwrap();
        let sql = "CREATE ROLE watcher LOGIN IN ROLE pg_monitor; CREATE TABLE t (x text); \
                   SELECT pg_create_physical_replication_slot('spare', true)";
        primary.sql("postgres", sql).unwrap();
        let (standby, directory) = standby_of(&primary);
        (primary, standby, directory)
    });
    let nodes = [("first", &primary), ("second", &standby)]
        .map(|(name, server)| node(name, &server.url_as(WATCHER, "postgres"), 20.0));

    let healthy = TopologyVerdict::Healthy {
        primary: "first".to_owned(),
    };
    let sights = topology_until(&nodes, |verdict, _| *verdict == healthy).await;
    let (state, seen) = sights[0].primary().unwrap();
    assert_eq!(state.timeline, Some(1));
    assert!(state.archiver.is_none(), "archiving is off: {state:?}");
    assert_eq!(
        (state.slots[0].name.as_str(), state.slots[0].active),
        ("spare", false)
    );
    assert!(state.slots[0].retained_bytes.is_some_and(|bytes| bytes > 0));
    let follower = &seen.followers[0];
    assert_eq!(
        (follower.state.as_str(), follower.sync_state.as_str()),
        ("streaming", "async")
    );
    let (_, seen) = sights[1].standby().unwrap();
    let receiver = seen.receiver.as_ref().unwrap();
    assert_eq!(receiver.sender_port, Some(i32::from(primary.port())));
    assert!(receiver.last_message_age_ms.is_some_and(|age| age < 60_000));

    // Held up in replay it has received everything: nothing would be lost, and readers see the past.
    standby.sql("postgres", "SELECT pg_wal_replay_pause()").unwrap();
    let write = "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 1000)";
    primary.sql("postgres", write).unwrap();
    let sights = topology_until(&nodes, |_, sights| {
        matches!(Topology::new(sights).behind("second"), Some((0, to_replay)) if to_replay > 1_000_000)
    })
    .await;
    let faults = Topology::new(&sights).faults();
    assert!(
        faults
            .iter()
            .any(|(_, fault)| fault.contains("somebody has paused it")),
        "{faults:?}"
    );
    standby.sql("postgres", "SELECT pg_wal_replay_resume()").unwrap();

    // A primary that is kept from being written to is none that clients can use.
    let read_only = "ALTER SYSTEM SET default_transaction_read_only = on";
    primary.sql("postgres", read_only).unwrap();
    primary.sql("postgres", "SELECT pg_reload_conf()").unwrap();
    topology_until(&nodes, |verdict, _| matches!(verdict, TopologyVerdict::NoPrimary { why } if why[0].contains("takes no writes"))).await;
    primary
        .sql("postgres", "ALTER SYSTEM RESET default_transaction_read_only")
        .unwrap();
    primary.sql("postgres", "SELECT pg_reload_conf()").unwrap();
    topology_until(&nodes, |verdict, _| *verdict == healthy).await;

    primary.kill();
    topology_until(&nodes, |verdict, sights| {
        matches!(verdict, TopologyVerdict::NoPrimary { .. })
            && sights[1]
                .standby()
                .is_some_and(|(_, standby)| standby.receiver.is_none())
    })
    .await;
    standby.sql("postgres", "SELECT pg_promote()").unwrap();
    let sights = topology_until(
        &nodes,
        |verdict, _| matches!(verdict, TopologyVerdict::Degraded { primary, .. } if primary == "second"),
    )
    .await;
    assert_eq!(sights[1].state().unwrap().timeline, Some(2));
    tokio::task::block_in_place(|| primary.restart().unwrap());
    let split = TopologyVerdict::SplitBrain {
        primaries: vec!["first".to_owned(), "second".to_owned()],
    };
    topology_until(&nodes, |verdict, _| *verdict == split).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_see_says_so_instead_of_zero() {
    let shared = tokio::task::block_in_place(|| Postgres::shared().unwrap());
    shared.create_role("blind", "").unwrap();
    shared.create_role("sighted", "IN ROLE pg_monitor").unwrap();
    let blind = node("a", &shared.url_as("blind", "postgres"), 20.0).look().await;
    assert!(
        blind.refuses
            && blind
                .answer
                .as_ref()
                .is_err_and(|why| why.ends_with("GRANT pg_monitor TO blind")),
        "{blind:?}"
    );
    let sighted = node("a", &shared.url_as("sighted", "postgres"), 20.0);
    assert!(answers(&sighted.look().await));

    let (clock_ms, major) = server("a", &shared.url("postgres"), 20.0)
        .clock_and_version()
        .await
        .unwrap();
    assert!((SystemClock.now().unix_timestamp() * 1000 - clock_ms).abs() < 10_000);
    assert!(major >= 15, "{major}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_hold_no_password() {
    let shared = tokio::task::block_in_place(|| Postgres::shared().unwrap());
    let url = format!(
        "postgres://nobody_here:hunter2@127.0.0.1:{}/postgres",
        shared.port()
    );
    let sight = node("a", &url, 20.0).look().await;
    assert!(
        sight.refuses
            && sight
                .answer
                .as_ref()
                .is_err_and(|why| why.contains("nobody_here")),
        "{sight:?}"
    );
    assert!(!format!("{sight:?} {:?}", server("a", &url, 1.0)).contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_broke_is_made_anew() {
    let server = tokio::task::block_in_place(|| Postgres::shared().unwrap());
    server.create_role("cut_off", "IN ROLE pg_monitor").unwrap();
    let node = node("a", &server.url_as("cut_off", "postgres"), 20.0);
    assert!(answers(&node.look().await));
    let backend =
        "SELECT pid FROM pg_stat_activity WHERE usename = 'cut_off' AND application_name = 'quarterdeck'";
    let before = server.sql("postgres", backend).unwrap();
    assert!(answers(&node.look().await));
    assert_eq!(
        server.sql("postgres", backend).unwrap(),
        before,
        "the connection is kept"
    );
    let end = format!("SELECT pg_terminate_backend({before}, 10000)");
    assert_eq!(server.sql("postgres", &end).unwrap(), "t");
    assert!(answers(&node.look().await));
    assert_ne!(server.sql("postgres", backend).unwrap(), before);
}
