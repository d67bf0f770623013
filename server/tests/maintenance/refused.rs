//! What goes wrong between asking and serving, with a real Alertmanager and a real Redis as the switch. The service is a
//! stand-in that does what a test tells it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use quarterdeck::{
    clients::AlertmanagerClient,
    clock::{Clock, SystemClock},
    config::http_source::HttpSourceConfig,
};
use quarterdeck_estate::parts::{Alertmanager, Redis};
use redis::Commands;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    console::{Bridge, id, on, state, steps},
    deck::eventually,
};

/// A service that answers what it is told, whatever the switch says.
#[derive(Clone)]
pub struct StandIn {
    status: Arc<AtomicU16>,
    pub url: String,
}

impl StandIn {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stand_in = Self {
            status: Arc::new(AtomicU16::new(200)),
            url: format!("http://{}", listener.local_addr().unwrap()),
        };
        let status = Arc::clone(&stand_in.status);
        let answer =
            get(move || async move { StatusCode::from_u16(status.load(Ordering::Relaxed)).unwrap() });
        let router = Router::new()
            .route("/courses", answer)
            .route("/health", get(|| async { "ok" }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        stand_in
    }

    pub fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

fn section(service: &StandIn, redis: &Redis, alertmanager: &str) -> String {
    format!(
        "[alertmanager]\nurl = '{alertmanager}'\n[maintenance]\nlook_every_s = 1\nverify_within_s = 1\nsilence_tail_s = 0\n\
         probes = [{{ name = 'courses', url = '{url}/courses' }}, {{ name = 'health', url = '{url}/health', kind = 'health' }}]\n\
         [maintenance.redis]\nurl = '{redis}'\nkey = 'm'\ntimeout_s = 0.5\n",
        url = service.url,
        redis = redis.url()
    )
}

fn soon() -> time::OffsetDateTime {
    SystemClock.now() + Duration::from_secs(600)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_users_do_not_see_has_failed_and_says_what_they_see() {
    let (service, redis) = (StandIn::start().await, Redis::start().unwrap());
    let alertmanager = Alertmanager::start().unwrap();
    let bridge = Bridge::start(
        "http://127.0.0.1:9",
        &section(&service, &redis, &alertmanager.url()),
    )
    .await;
    eventually("the first look", async || {
        bridge.maintenance().await["mode"] == "off"
    })
    .await;
    // The switch is thrown, and the service does not look at it.
    let action = bridge.switch_on(soon()).await;
    assert_eq!(state(&action), "failed", "{action}");
    assert!(
        steps(&action)[2].contains("courses sees 200 instead of 503"),
        "{action}"
    );
    let view = bridge.maintenance().await;
    assert_eq!(view["mode"], "on", "{view}");
    assert!(
        view["problem"].as_str().unwrap().contains("courses sees 200"),
        "{view}"
    );

    service.answers(503);
    eventually("no problem any more", async || {
        bridge.maintenance().await["problem"].is_null()
    })
    .await;
    // Off again, but what comes is an error: that is not being served.
    service.answers(500);
    let action = bridge.switch_off().await;
    assert_eq!(state(&action), "failed", "{action}");
    assert!(
        steps(&action)[1].contains("courses sees 500 instead of served"),
        "{action}"
    );
    assert_eq!(bridge.maintenance().await["mode"], "off");
    // Who is on call hears of what is broken now.
    assert_eq!(client(&alertmanager).silences().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_switched_leaves_nothing_behind() {
    let (service, redis) = (StandIn::start().await, Redis::start().unwrap());
    let alertmanager = Alertmanager::start().unwrap();
    let bridge = Bridge::start(
        "http://127.0.0.1:9",
        &section(&service, &redis, &alertmanager.url()),
    )
    .await;
    eventually("the first look", async || {
        bridge.maintenance().await["mode"] == "off"
    })
    .await;
    // Redis reads and does not write.
    let mut eye = redis.connection().unwrap();
    redis::cmd("REPLICAOF")
        .arg("127.0.0.1")
        .arg(9)
        .exec(&mut eye)
        .unwrap();
    let action = bridge.switch_on(soon()).await;
    assert_eq!(state(&action), "failed", "{action}");
    let said = action["explanation"].as_str().unwrap();
    assert!(
        said.contains("It is off as before") && said.contains("The silences were ended"),
        "{said}"
    );
    let silences: serde_json::Value = serde_json::from_str(
        &reqwest::get(format!("{}/api/v2/silences", alertmanager.url()))
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
    )
    .unwrap();
    let states: Vec<_> = silences
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["status"]["state"].clone())
        .collect();
    assert_eq!(states, [json!("expired")]);
    let view = bridge.maintenance().await;
    assert_eq!(
        (&view["mode"], &view["switching"]),
        (&json!("off"), &json!(null)),
        "{view}"
    );
    assert_eq!(bridge.recorded("maintenance.changed_elsewhere").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_dies_before_the_start_is_noticed_then() {
    let (service, redis) = (StandIn::start().await, Redis::start().unwrap());
    let alertmanager = Alertmanager::start().unwrap();
    let bridge = Bridge::start(
        "http://127.0.0.1:9",
        &section(&service, &redis, &alertmanager.url()),
    )
    .await;
    eventually("the first look", async || {
        bridge.maintenance().await["mode"] == "off"
    })
    .await;
    let action = bridge.ask(&on(soon())).await;
    let body = json!({ "digest": action["plan"]["digest"], "comment": "" });
    let path = |what: &str| format!("/api/v1/actions/{}/{what}", id(&action));
    assert!(
        bridge
            .april
            .post_json(&path("approve"), &body)
            .await
            .status
            .is_success()
    );
    redis.kill();
    // It plans again, sees that it can't be read any more, and stops before anything is done.
    let answer = bridge.olive.post_json(&path("start"), &body).await;
    assert_eq!(answer.status.as_u16(), 409, "{}", answer.body);
    assert!(
        answer.body.contains("What switches it can be read"),
        "{}",
        answer.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_alertmanager_it_is_done_with_a_warning_or_not_at_all() {
    let (service, redis) = (StandIn::start().await, Redis::start().unwrap());
    let alertmanager = Alertmanager::start().unwrap();
    let bridge = Bridge::start(
        "http://127.0.0.1:9",
        &section(&service, &redis, &alertmanager.url()),
    )
    .await;
    eventually("the first look", async || {
        bridge.maintenance().await["mode"] == "off"
    })
    .await;
    alertmanager.kill();
    let proposal = bridge.plan(&on(soon())).await;
    assert_eq!(
        Bridge::gate(&proposal, "silences")["verdict"],
        "warned",
        "{proposal}"
    );
    service.answers(503);
    // The probes see 503 already, which is a warning of its own and no reason not to go on.
    let action = bridge.switch_on(soon()).await;
    assert_eq!(state(&action), "succeeded", "{action}");
    assert!(
        steps(&action)[0].contains("Nothing is silenced, as the plan had said"),
        "{action}"
    );
    assert_eq!(redis.connection().unwrap().get::<_, String>("m").unwrap(), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_can_not_say_how_it_is_leaves_the_outcome_unknown() {
    let (service, alertmanager) = (StandIn::start().await, Alertmanager::start().unwrap());
    let section = format!(
        "[alertmanager]\nurl = '{}'\n[maintenance]\nlook_every_s = 1\nprobes = [{{ name = 'courses', url = '{}/courses' }}]\n\
         [maintenance.command]\non = ['/bin/false']\noff = ['/bin/true']\n",
        alertmanager.url(),
        service.url
    );
    let bridge = Bridge::start("http://127.0.0.1:9", &section).await;
    eventually("the first look", async || {
        bridge.maintenance().await["mode"] == "off"
    })
    .await;
    let action = bridge.switch_on(soon()).await;
    assert_eq!(state(&action), "outcome_unknown", "{action}");
    assert!(
        action["how_to_check"].as_str().unwrap().contains("from outside"),
        "{action}"
    );
    // The silences stay until the expected end: perhaps it is on.
    assert_eq!(client(&alertmanager).silences().await.unwrap().len(), 1);
}

fn client(alertmanager: &Alertmanager) -> AlertmanagerClient {
    AlertmanagerClient::new(&HttpSourceConfig::at(alertmanager.url().parse().unwrap())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_dies_in_the_middle_leaves_a_maintenance_that_is_known() {
    let (service, redis) = (StandIn::start().await, Redis::start().unwrap());
    let alertmanager = Alertmanager::start().unwrap();
    let section = section(&service, &redis, &alertmanager.url())
        .replace("verify_within_s = 1\n", "verify_within_s = 60\n");
    let mut bridge = Bridge::start("http://127.0.0.1:9", &section).await;
    eventually("the first look", async || {
        bridge.maintenance().await["mode"] == "off"
    })
    .await;
    let action = bridge.start_switching_on(soon()).await;
    // It is switched, and the console still waits to see it from outside.
    let mut eye = redis.connection().unwrap();
    eventually("the key", async || eye.exists("m").unwrap()).await;
    bridge = bridge
        .killed_and_started_again("http://127.0.0.1:9", &section, async |_| {})
        .await;
    service.answers(503);
    let ended = bridge.ended(&id(&action)).await;
    assert_eq!(state(&ended), "outcome_unknown", "{ended}");
    let view = bridge.maintenance().await;
    assert_eq!(
        (&view["mode"], &view["elsewhere"], &view["held"]["by"]),
        (&json!("on"), &json!(false), &json!("olive")),
        "{view}"
    );
    assert_eq!(bridge.recorded("maintenance.changed_elsewhere").await.len(), 0);

    assert_eq!(client(&alertmanager).silences().await.unwrap().len(), 1);

    service.answers(200);
    let off = bridge.switch_off().await;
    assert_eq!(state(&off), "succeeded", "{off}");
    assert_eq!(client(&alertmanager).silences().await.unwrap(), []);
}
