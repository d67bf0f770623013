//! Identity as it runs in the console, on a real database, with a browser that keeps cookies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::routing::{get, post};
use axum::{Extension, Json, Router, middleware};
use quarterdeck::clock::{Clock, ManualClock, SystemClock};
use quarterdeck::config::identity::IdentityConfig;
use quarterdeck::db;
use quarterdeck::entropy::{Entropy, SystemEntropy};
use quarterdeck::http::auth::{AuthState, FormBinding, SignedIn, authenticate};
use quarterdeck::http::csrf::refuse_cross_site;
use quarterdeck::http::security_headers::{Https, security_headers};
use quarterdeck::http::sessions;
use quarterdeck::services::audit::{Origin, Recorder};
use quarterdeck::services::identity::{
    Accounts, By, Identity, IdentityParts, Limiter, NewAccount, Passwords,
};
use quarterdeck_domain::access::Role;
use quarterdeck_domain::audit::{Action, Actor, Event};
use redis::aio::ConnectionManager;
use serde_json::json;
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;
use url::Url;

use crate::database::TestDatabase;
use crate::proxy::Proxy;

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// A console's identity, with what a test needs to look behind it.
pub struct Console {
    pub database: TestDatabase,
    pub clock: Arc<ManualClock>,
    pub identity: Arc<Identity>,
    pub accounts: Accounts,
    /// Between the console and its database.
    pub proxy: Proxy,
    router: Router,
    _running: DropGuard,
}

/// What differs from test to test.
#[derive(Default)]
pub struct Setup {
    pub config: IdentityConfig,
    pub redis: Option<ConnectionManager>,
}

impl Console {
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub async fn start_with(setup: Setup) -> Self {
        let database = TestDatabase::migrated().await;
        Self::start_on(database, setup).await
    }

    /// A console on a database that is there.
    pub async fn start_on(database: TestDatabase, setup: Setup) -> Self {
        let port = database.cluster.port();
        let proxy = Proxy::before(port).await;
        let mut config = database.config();
        config.url = config
            .url
            .replace(&format!(":{port}/"), &format!(":{}/", proxy.port()));
        config.acquire_timeout_ms = 500;
        let pool = db::runtime_pool(&config).await.unwrap();
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let identity = identity(&pool, &clock, setup);
        let stop = CancellationToken::new();
        tokio::spawn({
            let (identity, stop) = (Arc::clone(&identity), stop.clone());
            async move { identity.run(stop).await }
        });
        let console = Self {
            accounts: accounts(database.pool(), &clock),
            router: router(&identity),
            clock,
            identity,
            proxy,
            _running: stop.drop_guard(),
            database,
        };
        eventually("a signing key", async || {
            console.identity.form_code("x").is_some()
        })
        .await;
        console
    }

    /// Makes an account with everybody's password.
    pub async fn account(&self, name: &str, role: Role) {
        let new = NewAccount {
            identity: None,
            username: name.into(),
            display_name: name.to_uppercase(),
            role,
            password: PASSWORD.into(),
            email: None,
        };
        self.accounts.add(&by(), new).await.unwrap();
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser {
            router: self.router.clone(),
            cookies: BTreeMap::new(),
            address: [192, 0, 2, 1],
        }
    }

    /// A browser in which `name` is signed in.
    pub async fn signed_in(&self, name: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.sign_in(name, PASSWORD).await;
        assert_eq!(
            (answer.status, answer.location().as_str()),
            (StatusCode::SEE_OTHER, "/"),
            "{}",
            answer.body
        );
        browser
    }

    /// The recorded events of one action, the newest first.
    pub async fn recorded(&self, action: Action) -> Vec<Event> {
        db::audit::latest(&self.database.pool(), Some(action), 50)
            .await
            .unwrap()
    }
}

/// Another console's identity on the same database and clock.
pub fn identity(pool: &PgPool, clock: &Arc<ManualClock>, setup: Setup) -> Arc<Identity> {
    let clock: Arc<dyn Clock> = clock.clone();
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let (recorder, _) = Recorder::start(pool.clone());
    let redis = setup.redis.map(|connection| (connection, "quarterdeck:"));
    Arc::new(Identity::new(IdentityParts {
        pool: pool.clone(),
        recorder,
        passwords: Passwords::new(2, Arc::clone(&entropy)).unwrap(),
        limiter: Limiter::new(redis, Arc::clone(&clock), &setup.config),
        clock,
        entropy,
        config: setup.config,
    }))
}

/// Accounts, as the command line changes them: in another process, on a connection of its own.
fn accounts(pool: PgPool, clock: &Arc<ManualClock>) -> Accounts {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    Accounts::new(
        pool,
        Passwords::new(2, Arc::clone(&entropy)).unwrap(),
        clock.clone(),
        entropy,
    )
}

/// The command line, as an actor.
pub fn by() -> By {
    By {
        actor: Actor::CommandLine {
            name: "cli:test".into(),
        },
        origin: Origin::default(),
    }
}

fn router(identity: &Arc<Identity>) -> Router {
    let public_url = Url::parse("http://127.0.0.1:3000").unwrap();
    let state = AuthState::new(Arc::clone(identity), public_url, &[]);
    let me = |SignedIn(subject): SignedIn| async move { Json(json!(subject)) };
    Router::new()
        .route("/", get(me))
        .route("/api/v1/me", get(me))
        .route("/api/v1/change", post(me))
        .route("/sign-in", get(form).post(sessions::sign_in))
        .route("/sign-out", post(sessions::sign_out))
        .route("/account/sessions/{id}/revoke", post(sessions::revoke))
        .route("/account/sessions/revoke-others", post(sessions::revoke_others))
        .with_state(state.clone())
        .layer(middleware::from_fn_with_state(state.clone(), refuse_cross_site))
        .layer(middleware::from_fn_with_state(state, authenticate))
        .layer(middleware::from_fn_with_state(Https(false), security_headers))
}

/// Stands for any page with a form: its code.
async fn form(State(state): State<AuthState>, Extension(binding): Extension<FormBinding>) -> String {
    binding.code(&state.identity)
}

/// Keeps cookies and says where its requests come from, as a browser does.
#[derive(Clone)]
pub struct Browser {
    router: Router,
    pub cookies: BTreeMap<String, String>,
    pub address: [u8; 4],
}

/// What a browser got.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn location(&self) -> String {
        self.headers
            .get(header::LOCATION)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub fn sets_cookies(&self) -> bool {
        self.headers.contains_key(header::SET_COOKIE)
    }
}

impl Browser {
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).header("accept", "text/html"), Body::empty())
            .await
    }

    /// Posts a form as the browser would from one of the console's own pages, with the code that the page had.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let code = self.get("/sign-in").await.body;
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", code.as_str())]).collect();
        self.post_raw(path, &fields, &[("sec-fetch-site", "same-origin")])
            .await
    }

    /// Posts exactly these fields and headers.
    pub async fn post_raw(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request, Body::from(body)).await
    }

    pub async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        self.post("/sign-in", &[("username", name), ("password", password)])
            .await
    }

    pub async fn send(&mut self, request: axum::http::request::Builder, body: Body) -> Answer {
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = request
            .header("host", "127.0.0.1:3000")
            .header("user-agent", "Testfox/1.0")
            .header("cookie", cookies.join("; "))
            .body(body)
            .unwrap();
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from((self.address, 40_000))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (pair, attributes) = text.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.into(), value.into());
            }
        }
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

/// Waits for something that happens by itself, and fails after ten seconds.
pub async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited ten seconds for {what}");
}
