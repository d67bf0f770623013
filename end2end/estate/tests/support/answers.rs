//! What the estate's services and its Prometheus answer.

use std::time::Duration;

use serde_json::Value;

use super::eventually::{ensure, eventually};

/// A client for which 4xx and 5xx are answers like others.
pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into()
}

/// Status and body of a GET.
pub fn get(url: &str) -> (u16, String) {
    let mut response = agent().get(url).header("x-user-id", "usr_1").call().unwrap();
    (
        response.status().as_u16(),
        response.body_mut().read_to_string().unwrap(),
    )
}

/// Status of a POST of JSON.
pub fn post(url: &str, traceparent: &str, body: &Value) -> u16 {
    let request = agent()
        .post(url)
        .header("x-user-id", "usr_1")
        .header("traceparent", traceparent);
    request.send_json(body).unwrap().status().as_u16()
}

/// Asks Prometheus.
pub struct Queries {
    url: String,
}

impl Queries {
    /// Asks the Prometheus at this URL.
    pub fn new(url: String) -> Self {
        Self { url }
    }

    /// Labels and value of every series of an instant vector.
    pub fn vector(&self, query: &str) -> Vec<(Value, f64)> {
        let mut response = agent()
            .get(format!("{}/api/v1/query", self.url))
            .query("query", query)
            .call()
            .unwrap();
        let answer: Value = response.body_mut().read_json().unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let series = answer["data"]["result"].as_array().unwrap();
        series
            .iter()
            .map(|one| {
                (
                    one["metric"].clone(),
                    one["value"][1].as_str().unwrap().parse().unwrap(),
                )
            })
            .collect()
    }

    /// The one value of a query; an objection if there is none, or more.
    pub fn value(&self, query: &str) -> Result<f64, String> {
        match &*self.vector(query) {
            [(_, value)] => Ok(*value),
            other => Err(format!("{query} has {} values", other.len())),
        }
    }

    /// Waits until the one value of a query satisfies.
    pub fn wait(&self, query: &str, satisfies: impl Fn(f64) -> bool) {
        eventually(Duration::from_secs(60), || {
            let value = self.value(query)?;
            ensure(satisfies(value), || format!("{query} is {value}"))
        });
    }
}
