//! A console that is killed before, in and after each step of switching maintenance mode, with a real Redis as the switch and a
//! real Alertmanager: nothing is done twice, what is on has a name and a reason, and no silence outlives a maintenance that is
//! not there.

use std::time::Duration;

use axum::{Router, http::StatusCode, routing::get};
use quarterdeck::{
    clients::{AlertmanagerClient, alertmanager::Silence},
    clock::{Clock, SystemClock},
    config::http_source::HttpSourceConfig,
};
use quarterdeck_domain::action::ActionKind;
use quarterdeck_estate::parts::{Alertmanager, Redis};
use redis::Commands;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    console::{Bridge, id, state},
    database::TestDatabase,
    deck::eventually,
};

/// How long silences stay when it is switched off.
const TAIL: Duration = Duration::from_secs(20);

/// Where a console is killed: while it waits to write this down, which then was never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// That a step begins.
    Before(&'static str),
    /// In the step `switch`, that it is about to throw the switch.
    AboutTo,
    /// In the step `switch`, that it was thrown.
    Thrown,
    /// That a step is through.
    In(&'static str),
    /// How the action ended.
    Through,
}

impl Moment {
    /// All there are for a kind, as its steps come.
    fn of(kind: ActionKind) -> Vec<Self> {
        let steps = kind.spec().steps.iter().map(|step| step.name);
        let of_step = |step| match step {
            "switch" => vec![Self::Before(step), Self::AboutTo, Self::Thrown, Self::In(step)],
            _ => vec![Self::Before(step), Self::In(step)],
        };
        steps.flat_map(of_step).chain([Self::Through]).collect()
    }

    /// The trigger that holds the write: event, table and condition.
    fn trigger(self) -> (&'static str, &'static str, String) {
        match self {
            Self::Before(step) => ("insert", "action_steps", format!("new.name = '{step}'")),
            Self::In(step) => ("update", "action_steps", format!("new.name = '{step}'")),
            Self::AboutTo => (
                "update",
                "maintenance",
                "old.switching is null and new.switching is not null".to_owned(),
            ),
            Self::Thrown => (
                "update",
                "maintenance",
                "old.switching is not null and new.switching is null".to_owned(),
            ),
            Self::Through => ("update", "actions", "new.state = 'succeeded'".to_owned()),
        }
    }
}

/// Holds a write until its session is ended.
async fn hold(database: &TestDatabase, moment: Moment) {
    let (event, table, condition) = moment.trigger();
    database
        .as_superuser(&format!(
            "create function quarterdeck.hold() returns trigger language plpgsql as
             $$ begin perform pg_sleep(600); return new; end $$;
             create trigger hold before {event} on quarterdeck.{table} for each row when ({condition})
             execute function quarterdeck.hold()"
        ))
        .await;
}

const HELD: &str = "from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

async fn is_held(database: &TestDatabase) -> bool {
    let sql = format!("select count(*) > 0 {HELD}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_one(&database.pool())
        .await
        .unwrap()
}

/// What was held is not written, and nothing is held any more.
async fn let_go(database: &TestDatabase) {
    database
        .as_superuser(&format!("select pg_terminate_backend(pid, 10000) {HELD}"))
        .await;
    database
        .as_superuser("drop function quarterdeck.hold() cascade")
        .await;
}

/// A service that looks at the switch for every request.
pub async fn service(redis: &Redis) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // The machine is busy with the start of many parts.
    let patient = Some(Duration::from_secs(20));
    let patient = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(patient)
        .set_response_timeout(patient);
    let connection = redis::Client::open(redis.url())
        .unwrap()
        .get_multiplexed_async_connection_with_config(&patient)
        .await
        .unwrap();
    let courses = get(async move || {
        let mut connection = connection.clone();
        let on: bool = redis::AsyncCommands::exists(&mut connection, "m").await.unwrap();
        if on {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        }
    });
    let router = Router::new()
        .route("/courses", courses)
        .route("/health", get(|| async { "ok" }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// How often the switch was thrown, as Redis counts.
pub fn throws(redis: &Redis, command: &str) -> u32 {
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query(&mut redis.connection().unwrap())
        .unwrap();
    let line = stats
        .lines()
        .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

pub async fn silences(alertmanager: &Alertmanager) -> Vec<Silence> {
    let config = HttpSourceConfig::at(alertmanager.url().parse().unwrap());
    AlertmanagerClient::new(&config)
        .unwrap()
        .silences()
        .await
        .unwrap()
}

/// Those of an action in the audit log, in order.
pub async fn recorded(database: &TestDatabase, action: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select action from quarterdeck.audit_events where object_kind = 'action' and object_id = $1 order by seq",
    )
    .bind(action)
    .fetch_all(&database.pool())
    .await
    .unwrap()
}

/// A console's configuration with these.
pub fn section(redis: &Redis, alertmanager: &Alertmanager, service: &str) -> String {
    format!(
        "[alertmanager]\nurl = '{}'\n[maintenance]\nlook_every_s = 1\nverify_within_s = 20\nsilence_tail_s = {}\n\
         probes = [{{ name = 'courses', url = '{service}/courses' }}, {{ name = 'health', url = '{service}/health', kind = 'health' }}]\n\
         [maintenance.redis]\nurl = '{}'\nkey = 'm'\n",
        alertmanager.url(),
        TAIL.as_secs(),
        redis.url()
    )
}

async fn killed_at(kind: ActionKind, moment: Moment) {
    let what = format!("{kind} killed at {moment:?}");
    let (redis, alertmanager) = (Redis::start().unwrap(), Alertmanager::start().unwrap());
    let url = service(&redis).await;
    let section = section(&redis, &alertmanager, &url);
    let nowhere = "http://127.0.0.1:9";
    let bridge = Bridge::start(nowhere, &section).await;
    eventually("the first look", async || {
        bridge.maintenance().await["mode"] == "off"
    })
    .await;
    let expected_end = SystemClock.now() + Duration::from_secs(1800);
    let on = kind == ActionKind::MaintenanceOn;
    let before = if on {
        Value::Null
    } else {
        let action = bridge.switch_on(expected_end).await;
        assert_eq!(state(&action), "succeeded", "{what}: {action:#}");
        action
    };
    hold(&bridge.database, moment).await;
    let action = if on {
        bridge.start_switching_on(expected_end).await
    } else {
        bridge.ask(&json!({ "kind": "maintenance_off" })).await
    };
    eventually(&what, async || is_held(&bridge.database).await).await;
    let bridge = bridge.killed_and_started_again(nowhere, &section, let_go).await;
    let ended = bridge.ended(&id(&action)).await;

    // It is known how far it came, or said not to be, and recorded once.
    let first = kind.spec().steps[0].name;
    let begun = moment != Moment::Before(first);
    let expected = if begun { "outcome_unknown" } else { "failed" };
    assert_eq!(state(&ended), expected, "{what}: {ended:#}");
    let end = format!("action.{expected}");
    let expected: &[&str] = if on {
        &["action.requested", "action.approved", "action.started", &end]
    } else {
        &["action.requested", "action.started", &end]
    };
    assert_eq!(recorded(&bridge.database, &id(&action)).await, expected, "{what}");

    // The switch was thrown once or never, and the mode is what it says, with who and why.
    let moments = Moment::of(kind);
    let place = |moment| moments.iter().position(|other| *other == moment).unwrap();
    let thrown = place(moment) >= place(Moment::Thrown);
    let command = if on { "set" } else { "del" };
    assert_eq!(throws(&redis, command), u32::from(thrown), "{what}");
    let is_on = thrown == on;
    assert_eq!(
        redis.connection().unwrap().exists::<_, bool>("m").unwrap(),
        is_on,
        "{what}"
    );
    let mode = if is_on { "on" } else { "off" };
    // The console that died may have seen the mode last, or this one sees it first.
    eventually(&what, async || {
        let view = bridge.maintenance().await;
        view["mode"] == mode && view["switching"].is_null()
    })
    .await;
    let view = bridge.maintenance().await;
    assert_eq!(view["elsewhere"], false, "{what}: {view:#}");
    if is_on {
        let by = if on { &action } else { &before };
        assert_eq!(
            (
                &view["held"]["action"]["number"],
                &view["held"]["by"],
                &view["held"]["reason"]
            ),
            (
                &by["line"]["number"],
                &json!("olive"),
                &json!("Migration of the course tables")
            ),
            "{what}: {view:#}"
        );
    } else {
        assert_eq!(view["held"], Value::Null, "{what}");
    }
    let elsewhere = bridge.recorded("maintenance.changed_elsewhere").await;
    assert_eq!(elsewhere.len(), 0, "{what}: {elsewhere:?}");

    // Silent as long as it is on, and for the tail when it was; not at all if it never was.
    let left = silences(&alertmanager).await;
    let latest = SystemClock.now() + if is_on { Duration::from_secs(1800) } else { TAIL };
    assert!(
        left.len() == usize::from(is_on || !on) && left.iter().all(|silence| silence.ends_at <= latest),
        "{what}: {left:?} {ended:#}"
    );

    // Nobody does it again, and whoever asks anew gets what they ask for.
    let again = format!("/api/v1/actions/{}/start", id(&action));
    let answer = bridge.olive.post_json(&again, &json!({})).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{what}: {}", answer.body);
    let after = if is_on {
        bridge.switch_off().await
    } else {
        bridge.switch_on(expected_end).await
    };
    assert_eq!(state(&after), "succeeded", "{what}: {after:#}");
}

/// Some at a time: each has a Redis, an Alertmanager and a console.
async fn at_each_moment_of(kind: ActionKind) {
    for some in Moment::of(kind).chunks(5) {
        futures::future::join_all(some.iter().map(|moment| killed_at(kind, *moment))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_each_step_of_switching_it_on() {
    at_each_moment_of(ActionKind::MaintenanceOn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_each_step_of_switching_it_off() {
    at_each_moment_of(ActionKind::MaintenanceOff).await;
}
