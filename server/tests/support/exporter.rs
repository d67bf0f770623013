//! A small real exporter: figures that a test sets, in Prometheus' text format, for a real Prometheus to scrape.

use std::sync::{Arc, Mutex};

use axum::{Router, routing::get};
use tokio::net::TcpListener;

/// What is exported, as text.
#[derive(Clone)]
pub struct Exporter {
    text: Arc<Mutex<String>>,
    port: u16,
}

impl Exporter {
    /// Serves `text` until the test ends.
    pub async fn start(text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let exporter = Self {
            text: Arc::new(Mutex::new(text.to_owned())),
            port: listener.local_addr().unwrap().port(),
        };
        let shared = Arc::clone(&exporter.text);
        let handler = get(move || async move { shared.lock().unwrap().clone() });
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/metrics", handler)).await });
        exporter
    }

    /// Exports something else from now on.
    pub fn set(&self, text: &str) {
        *self.text.lock().unwrap() = text.to_owned();
    }

    /// A Prometheus configuration that scrapes it twice a second.
    pub fn scraped(&self) -> String {
        format!(
            "global: {{ scrape_interval: 500ms, evaluation_interval: 500ms }}\n\
             scrape_configs:\n- job_name: test\n  static_configs:\n  - targets: ['127.0.0.1:{}']\n",
            self.port
        )
    }
}
