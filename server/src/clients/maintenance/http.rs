//! Switches maintenance mode by HTTP: a POST to each address, and a GET that says whether it is on.

use quarterdeck_domain::maintenance::Mode;
use serde_json::Value;

use super::{Driver, Order, Place, SwitchError, Work, line};
use crate::{
    clients::http_source::{HttpSource, HttpSourceSetupError, SourceError},
    config::maintenance::HttpSwitchConfig,
};

#[derive(Debug)]
struct Address {
    shown: String,
    source: HttpSource,
}

/// One address or several, each with a switch of its own.
#[derive(Debug)]
pub(super) struct HttpSwitch {
    addresses: Vec<Address>,
    on: Value,
    off: Value,
    state_pointer: String,
}

impl HttpSwitch {
    /// Prepares everything but connections.
    pub fn new(config: &HttpSwitchConfig) -> Result<Self, HttpSourceSetupError> {
        let addresses = config
            .sources()
            .map(|source| {
                Ok(Address {
                    shown: source.url.to_string(),
                    source: HttpSource::new(&source)?,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            addresses,
            on: config.on.clone(),
            off: config.off.clone(),
            state_pointer: config.state_pointer.clone(),
        })
    }

    /// Whether it is on at one address; or why that can't be told.
    async fn state(&self, address: &Address) -> Result<bool, String> {
        if self.state_pointer.is_empty() {
            return Err("it can't be asked".to_owned());
        }
        let answer = address
            .source
            .get("", &[])
            .await
            .map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(answer.into_status_error().to_string());
        }
        let body: Value =
            serde_json::from_slice(&answer.body).map_err(|_| "its answer is no JSON".to_owned())?;
        match body.pointer(&self.state_pointer) {
            Some(Value::Bool(on)) => Ok(*on),
            Some(other) => Err(format!("{} is {}", self.state_pointer, line(&other.to_string()))),
            None => Err(format!("its answer has nothing at {}", self.state_pointer)),
        }
    }

    async fn throw(&self, address: &Address, body: &Value, on: bool) -> Result<(), SwitchError> {
        let posted = match address.source.post_json("", body).await {
            Ok(answer) if answer.status.is_success() => return Ok(()),
            Ok(answer) => answer.into_status_error(),
            Err(error) => error,
        };
        // Whatever was said about it: what stands there counts.
        match self.state(address).await {
            Ok(state) if state == on => Ok(()),
            Ok(_) => Err(SwitchError::Refused(format!("{}: {posted}", address.shown))),
            Err(_) => Err(match &posted {
                SourceError::HttpStatus { status: 400..500, .. } | SourceError::Token { .. } => {
                    SwitchError::Refused(format!("{}: {posted}", address.shown))
                }
                SourceError::HttpStatus { .. }
                | SourceError::Unreachable { .. }
                | SourceError::Timeout { .. }
                | SourceError::BadQuery { .. }
                | SourceError::Malformed { .. }
                | SourceError::TooLarge { .. } => {
                    SwitchError::Unknown(format!("{}: {posted}", address.shown))
                }
            }),
        }
    }
}

/// A body with what stands in braces replaced in all of its texts.
fn fill(body: &Value, order: &Order<'_>) -> Value {
    match body {
        Value::String(text) => Value::String(order.fill(text)),
        Value::Array(list) => list.iter().map(|value| fill(value, order)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), fill(value, order)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => body.clone(),
    }
}

impl Driver for HttpSwitch {
    fn describe(&self) -> String {
        format!("an HTTP switch at {} addresses", self.addresses.len())
    }

    fn expected_s(&self) -> u32 {
        5
    }

    fn read(&self) -> Work<'_, Vec<Place>> {
        Box::pin(async move {
            let states = self.addresses.iter().map(|address| self.state(address));
            let states = futures::future::join_all(states).await;
            let place = |(address, state): (&Address, Result<bool, String>)| {
                let (mode, value) = match state {
                    Ok(true) => (Mode::On, "on".to_owned()),
                    Ok(false) => (Mode::Off, "off".to_owned()),
                    Err(reason) => (Mode::Unknown, reason),
                };
                Place {
                    id: address.shown.clone(),
                    title: address.shown.clone(),
                    mode,
                    value,
                }
            };
            self.addresses.iter().zip(states).map(place).collect()
        })
    }

    fn switch<'a>(&'a self, order: Order<'a>) -> Work<'a, Result<String, SwitchError>> {
        Box::pin(async move {
            let body = fill(if order.on { &self.on } else { &self.off }, &order);
            let thrown = self
                .addresses
                .iter()
                .map(|address| self.throw(address, &body, order.on));
            let thrown = futures::future::join_all(thrown).await;
            let done = thrown.iter().filter(|result| result.is_ok()).count();
            let failures: Vec<_> = thrown.iter().filter_map(|result| result.as_ref().err()).collect();
            let word = if order.on { "on" } else { "off" };
            let count = self.addresses.len();
            if failures.is_empty() {
                return Ok(format!("All {count} addresses say that it is {word}."));
            }
            let reasons: Vec<_> = failures.iter().map(ToString::to_string).collect();
            let text = format!(
                "It is {word} at {done} of {count} addresses. The others: {}.",
                reasons.join("; ")
            );
            let known = failures
                .iter()
                .all(|failure| matches!(failure, SwitchError::Refused(_)));
            Err(if known {
                SwitchError::Refused(text)
            } else {
                SwitchError::Unknown(text)
            })
        })
    }
}
