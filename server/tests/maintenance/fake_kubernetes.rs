//! A fake of the Kubernetes API server, since no cluster can be installed here: one deployment, with the semantics of
//! GET and of the strategic merge patch that the console relies on, and a rollout that gets on with each look.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How the fake behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// The rollout gets on.
    Well,
    /// The new pods never become available.
    Stuck,
    /// Patches are forbidden.
    Forbidden,
    /// Patches are carried out, and the answer is an error.
    LosesAnswers,
}

#[derive(Debug)]
struct Cluster {
    mood: Mood,
    deployment: Value,
    looks: u32,
}

/// The token that it wants.
pub const TOKEN: &str = "fake-token";

/// A running fake.
#[derive(Clone)]
pub struct FakeKubernetes {
    cluster: Arc<Mutex<Cluster>>,
    pub url: String,
}

impl FakeKubernetes {
    pub async fn start(mood: Mood) -> Self {
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "api", "namespace": "skillquest", "generation": 7, "resourceVersion": "100" },
            "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "api" } }, "template": {
                "metadata": { "labels": { "app": "api" } },
                "spec": { "containers": [
                    { "name": "sidecar", "image": "sidecar:1" },
                    { "name": "api", "image": "api:1", "env": [{ "name": "PORT", "value": "3000" }] }
                ] } } },
            "status": { "observedGeneration": 7, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3 }
        });
        let cluster = Arc::new(Mutex::new(Cluster {
            mood,
            deployment,
            looks: 0,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route(
                "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
                get(read).patch(patch),
            )
            .with_state(Arc::clone(&cluster));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { cluster, url }
    }

    /// The variables of a container as they stand.
    pub fn env(&self, container: &str) -> Value {
        let cluster = self.cluster.lock().unwrap();
        let containers = &cluster.deployment["spec"]["template"]["spec"]["containers"];
        let found = containers
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["name"] == container)
            .unwrap();
        found["env"].clone()
    }

    /// Sets a variable as somebody else would.
    pub fn set(&self, entry: Value) {
        let mut cluster = self.cluster.lock().unwrap();
        cluster.deployment["spec"]["template"]["spec"]["containers"][1]["env"] = json!([entry]);
    }

    /// A kubeconfig that leads here.
    pub fn kubeconfig(&self) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "other",
            "clusters": [
                { "name": "here", "cluster": { "server": self.url } },
                { "name": "nowhere", "cluster": { "server": "http://127.0.0.1:9" } }
            ],
            "users": [{ "name": "console", "user": { "token": TOKEN } }],
            "contexts": [
                { "name": "here", "context": { "cluster": "here", "user": "console" } },
                { "name": "other", "context": { "cluster": "nowhere", "user": "console" } }
            ]
        });
        std::fs::write(file.path(), config.to_string()).unwrap();
        file
    }
}

fn failure(code: StatusCode, reason: &str, message: &str) -> Response {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code.as_u16() });
    (code, Json(body)).into_response()
}

fn refused(headers: &HeaderMap, namespace: &str, name: &str) -> Option<Response> {
    let bearer = format!("Bearer {TOKEN}");
    if headers
        .get(header::AUTHORIZATION)
        .is_none_or(|value| value != bearer.as_str())
    {
        return Some(failure(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized"));
    }
    if (namespace, name) != ("skillquest", "api") {
        let message = format!("deployments.apps \"{name}\" not found");
        return Some(failure(StatusCode::NOT_FOUND, "NotFound", &message));
    }
    None
}

async fn read(
    State(cluster): State<Arc<Mutex<Cluster>>>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = refused(&headers, &namespace, &name) {
        return refused;
    }
    let mut cluster = cluster.lock().unwrap();
    cluster.roll();
    Json(cluster.deployment.clone()).into_response()
}

async fn patch(
    State(cluster): State<Arc<Mutex<Cluster>>>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
    Json(patch): Json<Value>,
) -> Response {
    if let Some(refused) = refused(&headers, &namespace, &name) {
        return refused;
    }
    if headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind != "application/strategic-merge-patch+json")
    {
        return failure(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            "another kind of patch",
        );
    }
    let mut cluster = cluster.lock().unwrap();
    if cluster.mood == Mood::Forbidden {
        let message = "deployments.apps \"api\" is forbidden: User \"console\" cannot patch resource";
        return failure(StatusCode::FORBIDDEN, "Forbidden", message);
    }
    let before = cluster.deployment["spec"].clone();
    merge(&mut cluster.deployment, &patch);
    if cluster.deployment["spec"] != before {
        let generation = cluster.deployment["metadata"]["generation"].as_i64().unwrap() + 1;
        cluster.deployment["metadata"]["generation"] = generation.into();
        cluster.looks = 0;
    }
    match cluster.mood {
        Mood::LosesAnswers => failure(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "etcd timed out",
        ),
        Mood::Well | Mood::Stuck | Mood::Forbidden => Json(cluster.deployment.clone()).into_response(),
    }
}

/// As the API server merges: maps by key, lists of things with a name by that name, everything else is replaced.
fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(target), Value::Array(patch))
            if patch.iter().all(|item| item.get("name").is_some()) =>
        {
            for item in patch {
                match target.iter_mut().find(|other| other["name"] == item["name"]) {
                    Some(other) => merge(other, item),
                    None => target.push(item.clone()),
                }
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

impl Cluster {
    /// One look further: the controller sees the generation, makes new pods, ends old ones.
    fn roll(&mut self) {
        let generation = self.deployment["metadata"]["generation"].clone();
        if self.deployment["status"]["observedGeneration"] == generation && self.looks >= 3 {
            return;
        }
        self.looks += 1;
        let figures = match (self.mood, self.looks) {
            // Not observed yet: the figures are the old ones.
            (_, 1) => return,
            (_, 2) => (4, 1, 3),
            (Mood::Stuck, _) => (4, 1, 3),
            (_, _) => (3, 3, 3),
        };
        let mut status = json!({ "observedGeneration": generation, "replicas": figures.0, "updatedReplicas": figures.1,
            "availableReplicas": figures.2 });
        if self.mood == Mood::Stuck && self.looks >= 3 {
            status["conditions"] = json!([{ "type": "Progressing", "status": "False",
                "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"api-2\" has timed out progressing." }]);
        }
        self.deployment["status"] = status;
    }
}
