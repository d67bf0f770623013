//! Where Patroni runs the cluster, it performs the change: a real one, with etcd, and HAProxy before it.

use quarterdeck::clients::patroni::{LeaderChange, LeaderChangeError, Patroni};
use quarterdeck_estate::parts::{PATRONI_USER, PatroniMember};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::{console::Bridge, cutting::CuttingProxy, deck::eventually, led::Led, pair, writer::Writer};

fn details(action: &serde_json::Value) -> String {
    action["steps"].to_string()
}

async fn rows(member: &PatroniMember) -> Vec<i64> {
    let mut connection = PgConnection::connect(&member.url_as("postgres", "app"))
        .await
        .unwrap();
    sqlx::query_scalar("SELECT id FROM rows ORDER BY id")
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

fn lost(acknowledged: &[i64], there: &[i64]) -> Vec<i64> {
    let missing = acknowledged.iter().filter(|id| there.binary_search(id).is_err());
    missing.copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_switches_over_under_load_and_no_acknowledged_row_is_lost() {
    let led = Led::start("");
    let bridge = led.bridge().await;
    let mut writer = Writer::start(led.cluster.through("app", "app"));
    writer.wait_for(50).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    assert_eq!(Bridge::complaints(&plan), [""; 0], "{plan:#}");
    assert!(
        plan.to_string().contains("leader, running, timeline 1"),
        "{plan:#}"
    );
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    for said in [
        "Patroni stops db-1 in order",
        "Patroni has made db-2 the leader",
        "Patroni has made db-1 a standby",
        "Whether db-1 refuses them was not tried",
    ] {
        assert!(details(&action).contains(said), "{said}: {action:#}");
    }
    writer.wait_for(50).await;
    let acknowledged = writer.stop().await;
    assert_eq!(lost(&acknowledged, &rows(led.second()).await), [0; 0]);
    let standby = led
        .first()
        .sql(
            "postgres",
            "SELECT pg_is_in_recovery(), status FROM pg_stat_wal_receiver",
        )
        .unwrap();
    assert_eq!(standby, "t|streaming");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_pgbouncer_wait_and_are_sent_to_the_new_leader() {
    let led = Led::start("");
    let directory = pair::directory();
    let (_pgbouncer, port) = pair::pgbouncer(directory.path(), led.first().port());
    let at = |role: &str, database: &str| format!("postgres://{role}@127.0.0.1:{port}/{database}");
    let routing = pair::pgbouncer_section(directory.path(), &at("admin", "pgbouncer"));
    let configuration = led.configuration(led.ports(), &at("probe", "probe"), &routing, "");
    let bridge = Bridge::start(&configuration).await;
    let mut writer = Writer::start(at("app", "app"));
    writer.wait_for(50).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    writer.wait_for(50).await;
    let acknowledged = writer.stop().await;
    assert_eq!(lost(&acknowledged, &rows(led.second()).await), [0; 0]);
    let tries = acknowledged.last().copied().unwrap_or_default();
    assert_eq!(
        i64::try_from(acknowledged.len()).unwrap(),
        tries,
        "clients were held back, so that none of their writes failed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_killed_is_replaced_on_request_where_patroni_is_paused() {
    let led = Led::start("");
    let bridge = led.bridge().await;
    let mut writer = Writer::start(led.cluster.through("app", "app"));
    writer.wait_for(50).await;
    tokio::task::block_in_place(|| led.cluster.pause()).unwrap();
    let switchover = json!({ "kind": "switchover", "candidate": "db-2" });
    eventually("a pause that forbids a switchover", async || {
        Bridge::complaints(&bridge.plan(&switchover).await) == ["patroni_running: refused"]
    })
    .await;
    tokio::task::block_in_place(|| led.first().kill());
    let params = json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true });
    let plan = bridge.plan_that_may(&params).await;
    assert!(
        Bridge::complaints(&plan).contains(&"patroni_running: warned".to_owned()),
        "{plan:#}"
    );
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    let promoted = action["steps"][1]["detail"].as_str().unwrap();
    assert!(
        promoted.contains("Estimated loss: ") && promoted.contains("What was lost in fact is not measured"),
        "{promoted}"
    );
    writer.wait_for(50).await;
    writer.stop().await;
    assert_eq!(
        led.second()
            .sql("postgres", "SELECT pg_is_in_recovery()")
            .unwrap(),
        "f"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_patroni_refuses_is_said_in_its_own_words() {
    let led = Led::start("nofailover: true");
    let bridge = led.bridge().await;
    let plan = bridge
        .plan(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    assert_eq!(Bridge::complaints(&plan), ["patroni_candidate: refused"]);
    assert!(plan.to_string().contains("db-2 is tagged nofailover"), "{plan:#}");
    let plan = bridge
        .plan(&json!({ "kind": "switchover", "candidate": "db-1" }))
        .await;
    assert!(
        Bridge::complaints(&plan).contains(&"primary_healthy: refused".to_owned()),
        "{plan:#}"
    );

    // The gates passed by: Patroni itself refuses.
    let change = |leader, candidate| LeaderChange::Switchover { leader, candidate };
    let refused = async |patroni: &Patroni, change| match patroni.change(change).await {
        Err(LeaderChangeError::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    let patroni = led.patroni(PATRONI_USER.1);
    let why = refused(&patroni, change("db-1", "db-2")).await;
    assert!(
        why.contains("no good candidates have been found\" (status 412)"),
        "{why}"
    );
    let why = refused(&patroni, change("db-2", "db-1")).await;
    assert!(why.contains("leader name does not match"), "{why}");
    let why = refused(&led.patroni("wrong"), change("db-1", "db-2")).await;
    assert!(why.contains("(status 401)") && !why.contains("wrong"), "{why}");
    tokio::task::block_in_place(|| led.second().kill());
    let why = refused(&patroni, change("db-1", "db-2")).await;
    assert!(why.contains("Patroni on db-2 does not answer"), "{why}");
    let primary = led.first().sql("postgres", "SELECT pg_is_in_recovery()").unwrap();
    assert_eq!(primary, "f");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_no_failure_while_another_member_tells_how_it_ended() {
    let led = Led::start("");
    let [first, second] = led.ports();
    let proxy = CuttingProxy::before(second).await;
    let configuration = led.configuration([first, proxy.port], &led.cluster.through("probe", "app"), "", "");
    let bridge = Bridge::start(&configuration).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert!(proxy.has_cut(), "the answer has to be lost");
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_api_gone_in_the_middle_the_outcome_is_unknown_and_nothing_is_done_again() {
    let led = Led::start("");
    let [first, second] = led.ports();
    let second = CuttingProxy::before(second).await;
    let first = CuttingProxy::together_with(&second, first).await;
    let configuration = led.configuration(
        [first.port, second.port],
        &led.cluster.through("probe", "app"),
        "",
        "change_timeout_s = 3",
    );
    let bridge = Bridge::start(&configuration).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "outcome_unknown", "{action:#}");
    let text = action.to_string();
    assert!(
        text.contains("Patroni on db-2 was told, and then") && text.contains("it still may"),
        "{action:#}"
    );
    // It had heard, and did it.
    eventually("the leader that Patroni makes", async || {
        tokio::task::block_in_place(|| led.second().sql("postgres", "SELECT pg_is_in_recovery()"))
            .is_ok_and(|recovers| recovers == "f")
    })
    .await;
    let plan = bridge
        .plan(&json!({ "kind": "switchover", "candidate": "db-1" }))
        .await;
    assert!(
        Bridge::complaints(&plan).contains(&"patroni: refused".to_owned()),
        "without Patroni's word nothing may be promoted: {plan:#}"
    );
}
