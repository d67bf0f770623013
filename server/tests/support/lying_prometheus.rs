//! A Prometheus that lies, breaks and stalls on command: what a real one does only by accident. Tests of what
//! a real one does use a real one.
//!
//! Include it with `#[path = "support/lying_prometheus.rs"] mod lying_prometheus;`.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use quarterdeck::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// How it answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Mood {
    /// Every metric that it is asked for, with the value set for it (1 where none is), sampled just now.
    Truthful,
    /// As `Truthful`, after a pause.
    Slow(Duration),
    /// Every value is this: `NaN`, `+Inf`, or no number at all.
    Says(&'static str),
    /// No series.
    Empty,
    /// As `Truthful`, but every raw sample is this old; negative for the future.
    SampledAgo(i64),
    /// This status, with a body that is no JSON.
    Status(u16),
    /// Status 200 and half of an answer.
    Malformed,
    /// Valid JSON that never ends.
    Huge,
    /// Refuses every query that mentions one of these metrics, as it would a mistake in PromQL.
    Refuses(Vec<&'static str>),
    /// Refuses every query for more than this many metrics.
    RefusesMoreThan(usize),
}

/// A request that it was sent.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method, and path with query.
    pub method_and_path: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: String,
}

#[derive(Debug)]
struct Inner {
    mood: Mutex<Mood>,
    values: Mutex<BTreeMap<String, f64>>,
    alerts: Mutex<Vec<Value>>,
    seen: Mutex<Vec<Seen>>,
}

/// The server; listens on a loopback port until it is dropped.
#[derive(Debug)]
pub struct LyingPrometheus {
    address: SocketAddr,
    inner: Arc<Inner>,
    serving: Mutex<Option<Runtime>>,
}

impl LyingPrometheus {
    /// Starts it, truthful.
    pub fn start() -> Self {
        let inner = Arc::new(Inner {
            mood: Mutex::new(Mood::Truthful),
            values: Mutex::default(),
            alerts: Mutex::default(),
            seen: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Mutex::new(Some(serve(listener, Arc::clone(&inner))));
        Self {
            address,
            inner,
            serving,
        }
    }

    /// `http://127.0.0.1:PORT` without a slash at its end. Any path prefix after it works too.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes its mood.
    pub fn set_mood(&self, mood: Mood) {
        *lock(&self.inner.mood) = mood;
    }

    /// What it says of a metric when it is truthful.
    pub fn set_value(&self, metric: &str, value: f64) {
        lock(&self.inner.values).insert(metric.to_owned(), value);
    }

    /// Alerts, in the form of `/api/v1/alerts`.
    pub fn set_alerts(&self, alerts: Vec<Value>) {
        *lock(&self.inner.alerts) = alerts;
    }

    /// Refuses connections from now on, and breaks those that are open.
    pub fn go_down(&self) {
        if let Some(runtime) = lock(&self.serving).take() {
            runtime.shutdown_background();
        }
        while TcpStream::connect(self.address).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Listens again, on the same port.
    pub fn come_back(&self) {
        self.go_down();
        let listener = TcpListener::bind(self.address).unwrap();
        *lock(&self.serving) = Some(serve(listener, Arc::clone(&self.inner)));
    }

    /// Requests since the last call.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *lock(&self.inner.seen))
    }
}

impl Drop for LyingPrometheus {
    fn drop(&mut self) {
        if let Some(runtime) = lock(&self.serving).take() {
            runtime.shutdown_background();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A runtime of its own: ending that breaks connections, too, as the death of a process would.
fn serve(listener: TcpListener, inner: Arc<Inner>) -> Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    listener.set_nonblocking(true).unwrap();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, Router::new().fallback(answer).with_state(inner)).await
    });
    runtime
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let path = parts.uri.path().to_owned();
    lock(&inner.seen).push(Seen {
        method_and_path: format!("{} {}", parts.method, parts.uri),
        headers: parts.headers,
        body: body.clone(),
    });
    let mood = lock(&inner.mood).clone();
    if let Mood::Slow(pause) = mood {
        tokio::time::sleep(pause).await;
    }
    match &mood {
        Mood::Status(status) => {
            let status = StatusCode::from_u16(*status).unwrap();
            return (status, "<html>no</html>").into_response();
        }
        Mood::Malformed => return r#"{"status":"success","data":{"resultType":"vec"#.into_response(),
        Mood::Huge => return endless(),
        _ => {}
    }
    if path.ends_with("/api/v1/alerts") {
        return success(json!({"alerts": *lock(&inner.alerts)}));
    }
    if path.ends_with("/api/v1/rules") {
        return success(json!({"groups": []}));
    }
    if path.ends_with("/api/v1/status/buildinfo") {
        return success(json!({"version": "0.0.0-lying"}));
    }
    if path.ends_with("/api/v1/query_range") {
        return success(json!({"resultType": "matrix", "result": []}));
    }
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    query(&inner, &mood, form.get("query").map_or("", String::as_str))
}

fn query(inner: &Inner, mood: &Mood, query: &str) -> Response {
    let now = SystemClock.now().unix_timestamp_nanos() / 1_000_000;
    #[expect(clippy::cast_precision_loss)]
    let now = now as f64 / 1000.0;
    if query == "time()" {
        return success(json!({"resultType": "scalar", "result": [now, now.to_string()]}));
    }
    let asked = marked(query, "quarterdeck_metric");
    let refused = match mood {
        Mood::Refuses(ids) => asked.iter().any(|id| ids.contains(&id.as_str())),
        Mood::RefusesMoreThan(limit) => asked.len() > *limit,
        _ => false,
    };
    if refused {
        let body = json!({"status": "error", "errorType": "bad_data", "error": "invalid parameter \"query\": parse error"});
        return (StatusCode::BAD_REQUEST, axum::Json(body)).into_response();
    }
    if *mood == Mood::Empty {
        return success(json!({"resultType": "vector", "result": []}));
    }
    let mut result = Vec::new();
    for id in asked {
        let value = match mood {
            Mood::Says(text) => (*text).to_owned(),
            _ => lock(&inner.values).get(&id).copied().unwrap_or(1.0).to_string(),
        };
        result.push(json!({"metric": {"quarterdeck_metric": id}, "value": [now, value]}));
    }
    for id in marked(query, "quarterdeck_freshness") {
        #[expect(clippy::cast_precision_loss)]
        let sampled = match mood {
            Mood::SampledAgo(seconds) => now - *seconds as f64,
            _ => now,
        };
        result.push(json!({"metric": {"quarterdeck_freshness": id}, "value": [now, sampled.to_string()]}));
    }
    success(json!({"resultType": "vector", "result": result}))
}

/// The ids that a query marks with a label.
fn marked(query: &str, label: &str) -> Vec<String> {
    let mark = format!("\"{label}\", \"");
    let pieces = query.split(mark.as_str()).skip(1);
    pieces
        .filter_map(|rest| rest.split('"').next())
        .map(ToOwned::to_owned)
        .collect()
}

fn success(data: Value) -> Response {
    axum::Json(json!({"status": "success", "data": data})).into_response()
}

fn endless() -> Response {
    let head = Bytes::from_static(br#"{"status":"success","data":{"resultType":"vector","result":["#);
    let sample = Bytes::from_static(br#"{"metric":{"pod":"a"},"value":[1,"1"]},"#).repeat(1000);
    let body = futures::stream::unfold(Some(head), move |piece| {
        let next = Bytes::from(sample.clone());
        async move { piece.map(|piece| (Ok::<_, std::io::Error>(piece), Some(next))) }
    });
    Body::from_stream(body).into_response()
}
