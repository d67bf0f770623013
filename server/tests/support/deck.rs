//! A whole console as `quarterdeck serve` runs it, on a socket, with a browser that keeps cookies.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt;
use quarterdeck::{
    clock::SystemClock,
    config::Config,
    entropy::{Entropy, SystemEntropy},
    http::doors::Door,
    services::{
        audit::Origin,
        identity::{Accounts, By, NewAccount, Passwords},
    },
    startup::Console,
};
use quarterdeck_app::view::health::{OverviewView, TileView};
use quarterdeck_domain::{access::Role, audit::Actor};
use reqwest::{StatusCode, header, redirect};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::database::TestDatabase;

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// Two metrics of one group, judged without delay, stale after three seconds.
pub const PROFILE: &str = r#"
[profile]
id = "test"
title = "Test system"
[defaults]
stale_after_s = 3
raise_after_s = 0
clear_after_s = 0
[[group]]
id = "api"
title = "API"
[[metric]]
id = "latency"
title = "Latency"
group = "api"
kind = "gauge"
unit = "milliseconds"
query = "latency_ms"
freshness = "latency_ms"
target = 50
alert = 100
direction = "lower_is_better"
[[metric]]
id = "cpu"
title = "CPU"
group = "api"
kind = "gauge"
unit = "percent"
query = "cpu_percent"
freshness = "cpu_percent"
target = 60
alert = 80
direction = "lower_is_better"
series_label = "pod"
"#;

/// A console that runs.
pub struct Deck {
    /// Its address.
    pub base: String,
    /// Every way in.
    pub doors: Vec<Door>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
    _profile: tempfile::TempPath,
}

/// What a console is started with.
pub struct Sources<'a> {
    pub database_url: String,
    pub prometheus: &'a str,
    pub redis: Option<&'a str>,
    /// More sections of the configuration.
    pub more: &'a str,
}

impl Deck {
    pub async fn start(sources: Sources<'_>) -> Self {
        Self::at("127.0.0.1:0", sources).await
    }

    /// Another one at the address of one that was killed, as after a restart.
    pub async fn start_at(base: &str, sources: Sources<'_>) -> Self {
        Self::at(base.strip_prefix("http://").unwrap(), sources).await
    }

    async fn at(address: &str, sources: Sources<'_>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (console, profile) = wired(sources, &base).await;
        let doors = console.doors.clone();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(console.serve(listener, async move {
            let _ = stopped.await;
        }));
        Self {
            base,
            doors,
            stop: Some(stop),
            task,
            _profile: profile,
        }
    }

    /// As `kill -9` does: connections break, nothing is said.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// As `SIGTERM` does.
    pub async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.task.await.unwrap().unwrap();
    }

    /// A browser in which `name` is signed in.
    pub async fn signed_in(&self, name: &str) -> Browser {
        let browser = Browser::new(&self.base);
        let page = browser.get("/sign-in").await;
        let csrf = hidden_csrf(&page.body);
        let answer = browser
            .post(
                "/sign-in",
                &[("username", name), ("password", PASSWORD), ("csrf", &csrf)],
            )
            .await;
        assert_eq!(
            (answer.status, answer.location.as_str()),
            (StatusCode::SEE_OTHER, "/"),
            "{}",
            answer.body
        );
        browser
    }
}

/// A console whose workers run and that serves nobody yet, and its profile.
pub async fn wired(sources: Sources<'_>, base: &str) -> (Console, tempfile::TempPath) {
    quarterdeck::clients::install_tls_provider();
    let profile = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(profile.path(), PROFILE).unwrap();
    let redis = sources
        .redis
        .map(|url| format!("[redis]\nurl = '{url}'\ntimeout_s = 0.3\n"))
        .unwrap_or_default();
    let config = Config::from_toml(&format!(
        "[server]\npublic_url = '{base}'\ndrain_s = 1\n\
         [database]\nurl = '{}'\nacquire_timeout_ms = 500\n\
         [prometheus]\nurl = '{}'\ntimeout_s = 1.0\n\
         [poller]\ninterval_ms = 500\nbackoff_max_ms = 1000\nelection_ms = 200\n\
         [profile]\npath = '{}'\n{redis}{}",
        sources.database_url,
        sources.prometheus,
        profile.path().display(),
        sources.more,
    ))
    .unwrap();
    let console = Console::start(config, Arc::new(SystemClock), Arc::new(SystemEntropy))
        .await
        .unwrap();
    (console, profile.into_temp_path())
}

/// The code that a page's forms carry.
pub fn hidden_csrf(html: &str) -> String {
    let tag = html
        .split("<input")
        .find_map(|rest| rest.split('>').next().filter(|tag| tag.contains("name=\"csrf\"")))
        .unwrap_or_else(|| panic!("no form code in {html}"));
    tag.split("value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap()
        .to_owned()
}

/// Makes an account with everybody's password.
pub async fn account(database: &TestDatabase, name: &str, role: Role) {
    account_in(database.pool(), name, role).await;
}

/// Makes an account in the database that a pool leads to.
pub async fn account_in(pool: sqlx::PgPool, name: &str, role: Role) {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let passwords = Passwords::new(2, Arc::clone(&entropy)).unwrap();
    let accounts = Accounts::new(pool, passwords, Arc::new(SystemClock), entropy);
    let by = By {
        actor: Actor::CommandLine {
            name: "cli:test".into(),
        },
        origin: Origin::default(),
    };
    let new = NewAccount {
        identity: None,
        username: name.into(),
        display_name: name.into(),
        role,
        password: PASSWORD.into(),
        email: None,
    };
    accounts.add(&by, new).await.unwrap();
}

/// Keeps cookies, follows no redirect.
pub struct Browser {
    base: String,
    client: reqwest::Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What a browser got.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub location: String,
    pub content_type: String,
    pub body: String,
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> Self {
        let text = |name| {
            response
                .headers()
                .get(name)
                .map_or("", |v: &header::HeaderValue| v.to_str().unwrap())
                .to_owned()
        };
        Self {
            status: response.status(),
            location: text(header::LOCATION),
            content_type: text(header::CONTENT_TYPE),
            body: response.text().await.unwrap(),
        }
    }
}

impl Browser {
    pub fn new(base: &str) -> Self {
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            base: base.to_owned(),
            client,
            cookies: Mutex::default(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let request = self.client.get(format!("{}{path}", self.base));
        self.answer(request.header("accept", "text/html,*/*")).await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(body);
        self.answer(request).await
    }

    /// As a program calls the API, with a browser's session.
    pub async fn post_json(&self, path: &str, body: &serde_json::Value) -> Answer {
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .header("content-type", "application/json")
            .body(body.to_string());
        self.answer(request).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        Answer::of(self.send(request).await).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let cookies: Vec<String> = self
            .cookies
            .lock()
            .unwrap()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let response = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let (pair, rest) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let mut jar = self.cookies.lock().unwrap();
            if rest.contains("Max-Age=0") {
                jar.remove(name)
            } else {
                jar.insert(name.into(), value.into())
            };
        }
        response
    }

    /// What the overview shows.
    pub async fn overview(&self) -> OverviewView {
        let answer = self.get("/api/v1/health").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// One tile of it.
    pub async fn tile(&self, id: &str) -> TileView {
        self.overview()
            .await
            .tiles()
            .find(|t| t.id == id)
            .unwrap()
            .clone()
    }

    /// The event stream from an event on, as it comes.
    pub async fn events(&self, since: &str) -> Events {
        let response = self
            .send(
                self.client
                    .get(format!("{}/api/v1/events?since={since}", self.base)),
            )
            .await;
        assert_eq!(response.status(), StatusCode::OK);
        Events::of(response)
    }
}

/// An open event stream.
pub struct Events {
    body: futures::stream::BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    text: String,
}

/// One event.
#[derive(Debug, Default, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: String,
}

impl Events {
    pub fn of(response: reqwest::Response) -> Self {
        Self {
            body: response.bytes_stream().boxed(),
            text: String::new(),
        }
    }

    /// The next event; `None` when the stream ends. Fails the test after twenty seconds of silence.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut event = Event::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("event", value)) => event.name = value.into(),
                        Some(("id", value)) => event.id = value.into(),
                        Some(("data", value)) => event.data = value.into(),
                        Some(_) | None => {}
                    }
                }
                self.text = rest.to_owned();
                if !event.name.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.body.next())
                .await
                .expect("silence");
            match chunk {
                Some(Ok(bytes)) => self.text.push_str(std::str::from_utf8(&bytes).unwrap()),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next event of a name.
    pub async fn next_named(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.expect("the stream ended");
            if event.name == name {
                return event;
            }
        }
    }
}

/// Waits for something that happens by itself, and fails after thirty seconds.
pub async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    for _ in 0..300 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("waited thirty seconds for {what}");
}
