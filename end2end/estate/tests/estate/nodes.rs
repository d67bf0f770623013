//! The two PostgreSQL nodes: each can be the primary, and the other follows it again, whatever has happened.

use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration;

use quarterdeck_estate::{Estate, Fault, NodeCommand, NodeName, NodeState};

use crate::healthy::{api, estate_json, streaming};
use crate::support::answers::get;
use crate::support::eventually::{ensure, eventually};
use NodeCommand::{Fence, Kill, Rejoin, Start, Status, Stop};
use NodeName::{Db1, Db2};

fn states(estate: &Estate) -> [NodeState; 2] {
    NodeName::ALL.map(|name| estate.operate(name, Status).unwrap())
}

/// Writes a token on a node, past PgBouncer.
fn write(estate: &Estate, node: NodeName, token: &str) {
    let sql = format!("INSERT INTO quarterdeck_probe (token) VALUES ('{token}')");
    estate.node(node).sql("skillquest", &sql).unwrap();
}

fn has(estate: &Estate, node: NodeName, token: &str) -> bool {
    let sql = format!("SELECT count(*) FROM quarterdeck_probe WHERE token = '{token}'");
    estate.node(node).sql("skillquest", &sql).unwrap() == "1"
}

fn arrives(estate: &Estate, node: NodeName, token: &str) {
    eventually(Duration::from_secs(30), || {
        ensure(has(estate, node, token), || {
            format!("{token} has not reached {node}")
        })
    });
}

/// Another directory stands in its place after a base backup, and the same after pg_rewind.
fn data_dir_inode(estate: &Estate, node: NodeName) -> u64 {
    estate.node(node).data_dir().metadata().unwrap().ino()
}

fn promote(estate: &Estate, node: NodeName) {
    assert_eq!(
        estate.node(node).sql("postgres", "SELECT pg_promote()").unwrap(),
        "t"
    );
}

pub fn a_frozen_wal_sender_lets_the_standby_fall_behind(estate: &Estate) {
    estate.fault(Fault::FrozenWalSender).unwrap();
    estate.fault(Fault::FrozenWalSender).unwrap();
    write(estate, Db1, "not sent");
    // The load writes all the time, so a sender that runs is never silent for long.
    let silent = "SELECT now() - last_msg_receipt_time > interval '3 seconds' FROM pg_stat_wal_receiver";
    eventually(Duration::from_secs(30), || {
        let silent = estate.node(Db2).sql("postgres", silent).unwrap();
        ensure(silent == "t", || "the standby still hears of its primary".into())
    });
    assert!(!has(estate, Db2, "not sent"));
    estate.mend(Fault::FrozenWalSender).unwrap();
    arrives(estate, Db2, "not sent");

    // A stop in order sends what is missing, and so lets the sender go on.
    estate.fault(Fault::FrozenWalSender).unwrap();
    write(estate, Db1, "sent at the stop");
    assert_eq!(estate.operate(Db1, Stop).unwrap(), NodeState::Down);
    assert_eq!(estate.operate(Db1, Stop).unwrap(), NodeState::Down);
    assert!(has(estate, Db2, "sent at the stop"));
    assert_eq!(estate.operate(Db1, Start).unwrap(), NodeState::Primary);
    assert_eq!(estate.operate(Db2, Rejoin).unwrap(), NodeState::Standby);
    estate.mend_all().unwrap();
}

pub fn a_fenced_primary_stays_down_and_a_diverged_one_is_rewound(estate: &Estate) {
    estate.fault(Fault::FrozenWalSender).unwrap();
    write(estate, Db1, "lost with db-1");
    estate.fault(Fault::DeadPrimary).unwrap();
    assert_eq!(states(estate), [NodeState::Down, NodeState::Standby]);
    assert_eq!(estate.operate(Db1, Fence).unwrap(), NodeState::Down);
    assert_eq!(estate.operate(Db1, Fence).unwrap(), NodeState::Down);
    promote(estate, Db2);
    write(estate, Db2, "written on db-2");

    // The fault ends, the fence does not; until somebody starts the node as it is.
    estate.mend(Fault::DeadPrimary).unwrap();
    assert_eq!(states(estate), [NodeState::Down, NodeState::Primary]);
    assert_eq!(estate.operate(Db1, Start).unwrap(), NodeState::Primary);
    assert!(has(estate, Db1, "lost with db-1") && !has(estate, Db1, "written on db-2"));
    assert_eq!(estate.primary_name().unwrap(), Db2, "the newer one of two");
    let refused = estate.operate(Db2, Rejoin).unwrap_err().to_string();
    assert!(refused.contains("newer primary"), "{refused}");

    let read_only = "ALTER SYSTEM SET default_transaction_read_only = on";
    estate.node(Db1).sql("postgres", read_only).unwrap();
    let before = data_dir_inode(estate, Db1);
    assert_eq!(estate.operate(Db1, Rejoin).unwrap(), NodeState::Standby);
    assert_eq!(
        data_dir_inode(estate, Db1),
        before,
        "it was rewound and not copied"
    );
    assert_eq!(streaming(estate), "1");
    arrives(estate, Db1, "written on db-2");
    assert!(!has(estate, Db1, "lost with db-1"));
    let ask = |node: NodeName, sql: &str| estate.node(node).sql("postgres", sql).unwrap();
    assert_eq!(ask(Db1, "SHOW default_transaction_read_only"), "off");
    let slots = "SELECT slot_name, active FROM pg_replication_slots";
    assert_eq!([ask(Db1, slots), ask(Db2, slots)], ["", "db_1|t"]);
    let pid = estate.node(Db1).pid().unwrap();
    assert_eq!(estate.operate(Db1, Rejoin).unwrap(), NodeState::Standby);
    assert_eq!(estate.node(Db1).pid(), Some(pid), "what follows is left alone");
    assert_eq!(estate_json(estate)["pids"]["postgres-db-1"], pid);
}

pub fn faults_follow_the_primary_and_mending_all_heals_the_pair(estate: &Estate) {
    assert_eq!(states(estate), [NodeState::Standby, NodeState::Primary]);
    let served = |estate: &Estate| {
        eventually(Duration::from_secs(60), || {
            let (status, body) = get(&api(estate, "/api/v1/courses/1"));
            ensure(status == 200, || format!("the API answers {status}: {body}"))
        });
    };
    let pgbouncer = |command: &str| {
        let url = estate_json(estate)["pgbouncer"]["admin_url"]
            .as_str()
            .unwrap()
            .to_owned();
        let output = Command::new("psql")
            .args(["-XAtqd", &url, "-c", command])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    // Clients are led to the primary, also to another than before, and a pause that somebody left is ended.
    pgbouncer("PAUSE");
    estate.mend_all().unwrap();
    served(estate);
    estate.fault(Fault::DeadPrimary).unwrap();
    estate.fault(Fault::DeadPrimary).unwrap();
    assert_eq!(states(estate), [NodeState::Standby, NodeState::Down]);
    promote(estate, Db1);
    write(estate, Db1, "written on db-1 again");
    estate.mend(Fault::DeadPrimary).unwrap();
    assert_eq!(
        states(estate),
        [NodeState::Primary, NodeState::Primary],
        "an old primary comes back as it was"
    );
    pgbouncer("PAUSE skillquest");
    estate.mend_all().unwrap();
    assert_eq!(states(estate), [NodeState::Primary, NodeState::Standby]);
    assert_eq!(streaming(estate), "1");
    arrives(estate, Db2, "written on db-1 again");
    served(estate);

    // A node whose data is gone is made from a base backup.
    estate.operate(Db2, Kill).unwrap();
    std::fs::remove_dir_all(estate.node(Db2).data_dir()).unwrap();
    assert_eq!(estate.operate(Db2, Rejoin).unwrap(), NodeState::Standby);
    arrives(estate, Db2, "written on db-1 again");
}

/// Leaves an estate whose next start has to find out who the primary is.
pub fn db_2_is_promoted_while_db_1_is_down(estate: &Estate) {
    assert_eq!(estate.operate(Db1, Stop).unwrap(), NodeState::Down);
    promote(estate, Db2);
    write(estate, Db2, "written before the restart");
}

pub fn db_2_is_the_primary_after_a_restart(estate: &Estate) {
    assert_eq!(states(estate), [NodeState::Standby, NodeState::Primary]);
    assert_eq!(streaming(estate), "1");
    arrives(estate, Db1, "written before the restart");
    let courses = "SELECT count(*) FROM courses";
    for name in NodeName::ALL {
        assert_eq!(estate.node(name).sql("skillquest", courses).unwrap(), "24");
    }
    let (status, body) = get(&api(estate, "/api/v1/courses/1"));
    assert_eq!(status, 200, "{body}");
}

/// Leaves two standbys, which nobody promotes but the next start.
pub fn db_1_is_made_a_standby_while_it_is_down(estate: Estate) {
    assert_eq!(states(&estate), [NodeState::Primary, NodeState::Standby]);
    let signal = estate.node(Db1).data_dir().join("standby.signal");
    estate.stop();
    std::fs::write(signal, "").unwrap();
}

pub fn one_of_two_standbys_is_promoted(estate: &Estate) {
    assert_eq!(states(estate), [NodeState::Primary, NodeState::Standby]);
    assert_eq!(streaming(estate), "1");
    write(estate, Db1, "after the promotion");
    arrives(estate, Db2, "after the promotion");
}

/// The history of a primary that is given up must not be followed: db-2 on timeline N + 1 is lost for good, db-1 goes on.
pub fn an_abandoned_timeline_is_moved_aside(estate: &Estate) {
    let archive = estate.dir().join("wal-archive");
    assert_eq!(states(estate), [NodeState::Standby, NodeState::Primary]);
    promote(estate, Db1);
    let timeline = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
    let abandoned = estate.node(Db1).sql("postgres", timeline).unwrap();
    let history = format!("{abandoned}.history");
    eventually(Duration::from_secs(30), || {
        ensure(archive.join(&history).exists(), || {
            format!("{history} is not archived")
        })
    });
    estate.operate(Db1, Kill).unwrap();
    assert_eq!(estate.operate(Db1, Rejoin).unwrap(), NodeState::Standby);
    assert!(!archive.join(&history).exists());
    write(estate, Db2, "on the old timeline");
    arrives(estate, Db1, "on the old timeline");
    // The name is free again.
    assert_eq!(estate.operate(Db2, Stop).unwrap(), NodeState::Down);
    promote(estate, Db1);
    assert_eq!(estate.node(Db1).sql("postgres", timeline).unwrap(), abandoned);
    eventually(Duration::from_secs(30), || {
        ensure(archive.join(&history).exists(), || {
            format!("{history} is not archived")
        })
    });
    assert_eq!(estate.operate(Db2, Rejoin).unwrap(), NodeState::Standby);
}
