//! A fake of the Kubernetes API server, since no cluster can be installed here: the Endpoints of one Service, with GET and
//! the JSON merge patch.

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

/// A running fake.
pub struct FakeEndpoints {
    endpoints: Arc<Mutex<Value>>,
    url: String,
}

impl FakeEndpoints {
    /// The Service `postgres` of the namespace `skillquest` leads to `10.0.0.1:5432`.
    pub async fn start() -> Self {
        let endpoints = Arc::new(Mutex::new(json!({
            "apiVersion": "v1", "kind": "Endpoints", "metadata": { "name": "postgres", "namespace": "skillquest" },
            "subsets": [{ "addresses": [{ "ip": "10.0.0.1" }], "ports": [{ "name": "sql", "port": 5432, "protocol": "TCP" }] }]
        })));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route(
                "/api/v1/namespaces/{namespace}/endpoints/{name}",
                get(read).patch(patch),
            )
            .with_state(Arc::clone(&endpoints));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoints, url }
    }

    /// Its subsets as they stand.
    pub fn subsets(&self) -> Value {
        self.endpoints.lock().unwrap()["subsets"].clone()
    }

    /// A kubeconfig that leads here.
    pub fn kubeconfig(&self) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{ "name": "here", "cluster": { "server": self.url } }],
            "users": [{ "name": "console", "user": {} }],
            "contexts": [{ "name": "here", "context": { "cluster": "here", "user": "console" } }]
        });
        std::fs::write(file.path(), config.to_string()).unwrap();
        file
    }
}

fn missing(namespace: &str, name: &str) -> Option<Response> {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound", "code": 404,
        "message": format!("endpoints \"{name}\" not found") });
    ((namespace, name) != ("skillquest", "postgres"))
        .then(|| (StatusCode::NOT_FOUND, Json(body)).into_response())
}

async fn read(
    State(endpoints): State<Arc<Mutex<Value>>>,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    missing(&namespace, &name).unwrap_or_else(|| Json(endpoints.lock().unwrap().clone()).into_response())
}

async fn patch(
    State(endpoints): State<Arc<Mutex<Value>>>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
    Json(patch): Json<Value>,
) -> Response {
    if let Some(missing) = missing(&namespace, &name) {
        return missing;
    }
    assert_eq!(headers[header::CONTENT_TYPE], "application/merge-patch+json");
    // A merge patch replaces lists as a whole.
    let mut endpoints = endpoints.lock().unwrap();
    endpoints["subsets"] = patch["subsets"].clone();
    Json(endpoints.clone()).into_response()
}
