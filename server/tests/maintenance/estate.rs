//! On a real estate: SkillQuest's own API is switched, its Prometheus fires, its Alertmanager is told to be silent. One
//! test with steps in an order, as an estate takes a while to start.

use std::time::Duration;

use quarterdeck::{
    clients::AlertmanagerClient,
    clock::{Clock, SystemClock},
    config::http_source::HttpSourceConfig,
};
use quarterdeck_domain::alert::AlertState;
use quarterdeck_estate::{Estate, EstateConfig, scratch::Scratch};
use serde_json::{Value, json};

use crate::{
    console::{Bridge, on, state, steps},
    deck::eventually,
};

const RULES: &str = include_str!("../../../deploy/prometheus/rules/api-alerts.yml");

struct Scene {
    // Stopped before the directory goes.
    _estate: Estate,
    _scratch: Scratch,
    urls: Vec<String>,
    admin_urls: Vec<String>,
    prometheus: String,
    alertmanager: String,
}

impl Scene {
    fn start() -> Self {
        let scratch = Scratch::private("maintenance").unwrap();
        // The rules that are shipped, in a hurry: what they look at and wait for is seconds instead of minutes.
        let rules = scratch.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        let hurried = RULES
            .replace("[5m]", "[10s]")
            .replace("for: 5m", "for: 1s")
            .replace("for: 1m", "for: 1s");
        assert_ne!(hurried, RULES);
        std::fs::write(rules.join("api.yml"), hurried).unwrap();
        let mut config = EstateConfig::new(scratch.path().join("estate"));
        config.rules_dir = rules;
        let estate = Estate::start(config).unwrap();
        let text = std::fs::read(estate.dir().join("estate.json")).unwrap();
        let facts: Value = serde_json::from_slice(&text).unwrap();
        let list = |value: &Value| {
            let list = value.as_array().unwrap().iter();
            list.map(|url| url.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        Self {
            urls: list(&facts["api"]["urls"]),
            admin_urls: list(&facts["api"]["admin_urls"]),
            prometheus: facts["prometheus"]["url"].as_str().unwrap().to_owned(),
            alertmanager: facts["alertmanager"]["url"].as_str().unwrap().to_owned(),
            _estate: estate,
            _scratch: scratch,
        }
    }

    fn section(&self) -> String {
        let probes: Vec<_> = self
            .urls
            .iter()
            .enumerate()
            .flat_map(|(number, url)| {
                [
                    format!("{{ name = 'courses {number}', url = '{url}/api/v1/courses' }}"),
                    format!("{{ name = 'health {number}', url = '{url}/health', kind = 'health' }}"),
                ]
            })
            .collect();
        let switches: Vec<_> = self
            .admin_urls
            .iter()
            .map(|url| format!("'{url}/maintenance'"))
            .collect();
        format!(
            "[alertmanager]\nurl = '{}'\n[maintenance]\nlook_every_s = 1\nsilence_tail_s = 20\nremind_before_s = 60\n\
             probes = [{}]\n[maintenance.http]\nurls = [{}]\n",
            self.alertmanager,
            probes.join(", "),
            switches.join(", ")
        )
    }

    /// What users get at each process: courses and health.
    async fn outside(&self) -> Vec<(u16, u16)> {
        let mut seen = Vec::new();
        for url in &self.urls {
            let status = async |path: &str| {
                reqwest::get(format!("{url}{path}"))
                    .await
                    .unwrap()
                    .status()
                    .as_u16()
            };
            seen.push((status("/api/v1/courses").await, status("/health").await));
        }
        seen
    }

    /// Somebody at the switches.
    async fn by_other_means(&self, switches: usize, enabled: bool) {
        for url in self.admin_urls.iter().take(switches) {
            let request = reqwest::Client::new().post(format!("{url}/maintenance"));
            let answer = request.json(&json!({ "enabled": enabled })).send().await.unwrap();
            assert!(answer.status().is_success());
        }
    }

    fn alertmanager(&self) -> AlertmanagerClient {
        AlertmanagerClient::new(&HttpSourceConfig::at(self.alertmanager.parse().unwrap())).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_real_estate() {
    let scene = tokio::task::spawn_blocking(Scene::start).await.unwrap();
    let bridge = Bridge::start(&scene.prometheus, &scene.section()).await;
    it_is_known_to_be_off(&bridge).await;
    it_is_switched_on_by_two_people_and_what_it_would_fire_is_silent(&scene, &bridge).await;
    it_is_switched_off_and_the_silence_ends(&scene, &bridge).await;
    other_means_are_noticed(&scene, &bridge).await;
    an_overrun_is_told(&scene, &bridge).await;
}

async fn it_is_known_to_be_off(bridge: &Bridge) {
    eventually("the first look", async || {
        bridge.maintenance().await["mode"] == "off"
    })
    .await;
    let view = bridge.maintenance().await;
    assert_eq!(
        (&view["held"], &view["problem"], &view["elsewhere"]),
        (&json!(null), &json!(null), &json!(false))
    );
    let page = bridge.olive.get("/").await.body;
    assert!(
        page.contains("courses 0") && page.contains("/actions/new?kind=maintenance_on"),
        "{page}"
    );
    assert!(!page.contains("Maintenance mode is on"));

    let off = bridge.plan(&json!({ "kind": "maintenance_off" })).await;
    assert_eq!(Bridge::gate(&off, "present")["verdict"], "refused", "{off}");
    let late = bridge.plan(&on(SystemClock.now() - Duration::from_secs(5))).await;
    assert_eq!(Bridge::gate(&late, "end")["verdict"], "refused", "{late}");
}

async fn it_is_switched_on_by_two_people_and_what_it_would_fire_is_silent(scene: &Scene, bridge: &Bridge) {
    let end = SystemClock.now() + Duration::from_secs(1800);
    let proposal = bridge.plan(&on(end)).await;
    let gates = proposal["plan"]["gates"].as_array().unwrap();
    assert!(gates.iter().all(|gate| gate["verdict"] == "passed"), "{proposal}");
    let targets = proposal["plan"]["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 2);
    assert!(
        targets[0].to_string().contains(&scene.admin_urls[0]),
        "{proposal}"
    );

    let action = bridge.switch_on(end).await;
    assert_eq!(state(&action), "succeeded", "{action}");
    let said = steps(&action);
    assert!(
        said[0].contains("HighAPIErrorRate") && said[1].contains("All 2 addresses say that it is on"),
        "{said:?}"
    );
    assert!(
        said[2].contains("courses 1 503") && said[2].contains("health 1 200"),
        "{said:?}"
    );
    assert_eq!(scene.outside().await, [(503, 200), (503, 200)]);

    let view = bridge.maintenance().await;
    assert_eq!(
        (&view["mode"], &view["elsewhere"]),
        (&json!("on"), &json!(false)),
        "{view}"
    );
    assert_eq!(
        (&view["held"]["by"], &view["held"]["stage"]),
        (&json!("olive"), &json!("in_time")),
        "{view}"
    );
    for path in ["/", "/actions", "/account/sessions", "/health/latency"] {
        let page = bridge.april.get(path).await.body;
        assert!(
            page.contains("Maintenance mode is on") && page.contains("Migration of the course tables"),
            "{path}: {page}"
        );
    }
    let again = bridge.plan(&on(end)).await;
    assert_eq!(Bridge::gate(&again, "present")["verdict"], "refused", "{again}");

    // The 503s fire the alert in Prometheus, and nobody is paged.
    let alertmanager = scene.alertmanager();
    eventually("the alert, silenced", async || {
        let alerts = alertmanager.alerts().await.unwrap();
        let mine = alerts
            .iter()
            .find(|alert| alert.labels["alertname"] == "HighAPIErrorRate");
        if let Some(alert) = mine {
            assert_eq!(alert.state, AlertState::Silenced, "{alert:?}");
        }
        mine.is_some()
    })
    .await;
}

async fn silences(scene: &Scene, bridge: &Bridge) -> Vec<quarterdeck::clients::alertmanager::Silence> {
    let mine = format!("quarterdeck at {}/", bridge.deck.base);
    let mut silences = scene.alertmanager().silences().await.unwrap();
    silences.retain(|silence| silence.created_by == mine);
    silences
}

async fn it_is_switched_off_and_the_silence_ends(scene: &Scene, bridge: &Bridge) {
    let before = silences(scene, bridge).await;
    assert_eq!(before.len(), 1, "{before:?}");
    assert!(
        before[0].comment.contains("olive") && before[0].comment.contains("Migration"),
        "{before:?}"
    );
    assert!(
        before[0].ends_at > SystemClock.now() + Duration::from_secs(1500),
        "{before:?}"
    );

    let action = bridge.switch_off().await;
    assert_eq!(state(&action), "succeeded", "{action}");
    assert_eq!(scene.outside().await, [(200, 200), (200, 200)]);
    let view = bridge.maintenance().await;
    assert_eq!(
        (&view["mode"], &view["held"]),
        (&json!("off"), &json!(null)),
        "{view}"
    );

    // It stays for as long as the rule looks back, and not until the expected end.
    let after = silences(scene, bridge).await;
    assert_eq!(after.len(), 1, "{after:?}");
    assert!(
        after[0].ends_at <= SystemClock.now() + Duration::from_secs(21),
        "{after:?}"
    );
    eventually("the silence's end, with nothing left to fire", async || {
        let alerts = scene.alertmanager().alerts().await.unwrap();
        let firing = alerts.iter().find(|alert| {
            alert.labels["alertname"] == "HighAPIErrorRate" && alert.state == AlertState::Firing
        });
        assert_eq!(firing, None, "somebody is paged for what is over");
        silences(scene, bridge).await.is_empty()
    })
    .await;
}

async fn other_means_are_noticed(scene: &Scene, bridge: &Bridge) {
    scene.by_other_means(2, true).await;
    eventually("that it was noticed", async || {
        bridge.maintenance().await["elsewhere"] == true
    })
    .await;
    let recorded = bridge.recorded("maintenance.changed_elsewhere").await;
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert_eq!(
        (&recorded[0]["was"], &recorded[0]["now"]),
        (&json!("off"), &json!("on"))
    );
    let page = bridge.olive.get("/account/sessions").await.body;
    assert!(page.contains("was not switched on by this console"), "{page}");

    scene.by_other_means(1, false).await;
    eventually("that a part serves", async || {
        bridge.maintenance().await["mode"] == "mixed"
    })
    .await;
    assert_eq!(bridge.recorded("maintenance.changed_elsewhere").await.len(), 2);
    let page = bridge.olive.get("/account/sessions").await.body;
    assert!(page.contains("Maintenance mode is on in part"), "{page}");

    let off = bridge.plan(&json!({ "kind": "maintenance_off" })).await;
    assert_eq!(Bridge::gate(&off, "present")["verdict"], "warned", "{off}");
    let action = bridge.switch_off().await;
    assert_eq!(state(&action), "succeeded", "{action}");
    assert_eq!(scene.outside().await, [(200, 200), (200, 200)]);
    // What an action does is not by other means.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(bridge.recorded("maintenance.changed_elsewhere").await.len(), 2);
}

async fn an_overrun_is_told(scene: &Scene, bridge: &Bridge) {
    let action = bridge
        .switch_on(SystemClock.now() + Duration::from_secs(15))
        .await;
    assert_eq!(state(&action), "succeeded", "{action}");
    assert_eq!(bridge.maintenance().await["held"]["stage"], "nears_end");
    let page = bridge.olive.get("/account/sessions").await.body;
    assert!(page.contains("its expected end is near"), "{page}");
    eventually("the overrun", async || {
        !bridge.recorded("maintenance.overran").await.is_empty()
    })
    .await;
    let page = bridge.olive.get("/account/sessions").await.body;
    assert!(page.contains("on for longer than expected"), "{page}");
    assert_eq!(scene.outside().await, [(503, 200), (503, 200)]);
    let action = bridge.switch_off().await;
    assert_eq!(state(&action), "succeeded", "{action}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(bridge.recorded("maintenance.overran").await.len(), 1);
    assert_eq!(bridge.recorded("maintenance.changed_elsewhere").await.len(), 2);
}
