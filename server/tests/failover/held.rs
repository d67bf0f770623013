//! What becomes of clients while the primary changes, where they can be held back and where they can't.

use serde_json::{Value, json};
use sqlx::{Executor, PgConnection, postgres::PgConnectOptions};

use crate::{
    console::Bridge,
    pair::{self, Pair},
    writer::Writer,
};

fn gate<'a>(plan: &'a Value, name: &str) -> &'a Value {
    let gates = plan["plan"]["gates"].as_array().unwrap();
    gates.iter().find(|gate| gate["name"] == name).unwrap()
}

/// Programs that rewrite what PgBouncer reads, and have no way to hold anybody back.
fn by_programs(pair: &Pair) -> String {
    let file = pair.directory.path().join("databases.ini");
    let pid = pair.pgbouncer.pid().unwrap();
    let configuration = pair.configuration("", "");
    let (others, _) = configuration.split_once("[failover.pgbouncer]").unwrap();
    format!(
        "{others}[failover.command]
status = ['sed', '-nE', 's/^(app|probe) = host=([^ ]+) port=([^ ]+) .*/\\1 \\2 \\3/p', '{file}']
point = ['sh', '-c', 'sed -i \"s/host=[^ ]* port=[^ ]*/host={{host}} port={{port}}/\" {file} && kill -HUP {pid}']
",
        file = file.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn where_they_cannot_be_a_read_only_primary_is_what_loses_nothing() {
    let pair = Pair::start();
    let bridge = Bridge::start(&by_programs(&pair)).await;
    let mut writer = Writer::start(pair.through("app", "app"));
    writer.wait_for(50).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    assert_eq!(
        Bridge::complaints(&plan),
        ["rejoin: warned", "hold: warned"],
        "{plan:#}"
    );
    assert!(
        gate(&plan, "hold")["reason"]
            .as_str()
            .unwrap()
            .contains("That db-1 refuses writes is what keeps anything from being lost"),
        "{plan:#}"
    );
    let effect = plan["plan"]["effect"].as_str().unwrap();
    assert!(effect.contains("they get errors from the moment"), "{effect}");
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    let paused = action["steps"][1]["detail"].as_str().unwrap();
    assert!(
        paused.contains("can't hold clients back: they go on until the old primary is read-only"),
        "{paused}"
    );
    writer.wait_for(50).await;
    let acknowledged = writer.stop().await;
    let there = pair::rows(&pair.second).await;
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|id| there.binary_search(id).is_err())
        .collect();
    assert!(lost.is_empty(), "{lost:?} of {}", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_they_cannot_be_cut_off_the_plan_of_a_failover_says_who_keeps_them_from_writing() {
    let pair = Pair::start();
    let bridge = Bridge::start(&by_programs(&pair)).await;
    pair.first.kill();
    let params = json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true });
    let plan = bridge.plan_that_may(&params).await;
    let reason = gate(&plan, "cut")["reason"].as_str().unwrap();
    assert!(
        reason.contains("can't cut clients off, and no program takes db-1 down"),
        "{reason}"
    );
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    let fenced = action["steps"][0]["detail"].as_str().unwrap();
    assert!(
        fenced.contains("can't cut clients off, and nothing was"),
        "{fenced}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_who_keep_their_server_have_to_hang_up_and_that_is_said() {
    let pair = Pair::start();
    let bridge = Bridge::start(&pair.configuration("", "patience_s = 2")).await;
    let ini = pair.directory.path().join("pgbouncer.ini");
    let text = std::fs::read_to_string(&ini).unwrap();
    std::fs::write(
        &ini,
        text.replace("pool_mode = transaction", "pool_mode = session"),
    )
    .unwrap();
    let admin: PgConnectOptions = pair.through("admin", "pgbouncer").parse().unwrap();
    let connect = async |options: PgConnectOptions| -> PgConnection {
        sqlx::ConnectOptions::connect(&options.extra_float_digits(None))
            .await
            .unwrap()
    };
    let mut admin = connect(admin).await;
    sqlx::raw_sql("RELOAD").execute(&mut admin).await.unwrap();
    let mut client = connect(pair.through("app", "app").parse().unwrap()).await;
    client.execute(sqlx::raw_sql("SELECT 1")).await.unwrap();
    let params = json!({ "kind": "switchover", "candidate": "db-2" });
    let plan = bridge.plan_that_may(&params).await;
    let hold = gate(&plan, "hold");
    assert_eq!(hold["verdict"], "warned", "{plan:#}");
    assert!(
        hold["reason"]
            .as_str()
            .unwrap()
            .contains("pools sessions for app and probe"),
        "{hold:#}"
    );
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "failed", "{action:#}");
    assert!(
        action
            .to_string()
            .contains("who keep their server until they hang up (pool_mode = session)"),
        "{action:#}"
    );
    client.execute(sqlx::raw_sql("SELECT 1")).await.unwrap();
}
