//! A page as the server sends it.

#![allow(dead_code, reason = "shared by several tests, each of which needs a part")]

use axum::{body::Body, http::Request};
use leptos::prelude::*;
use quarterdeck_app::{ports::RequestContext, shell::shell};

use crate::fake::{Scenario, console, request};

/// A page: status and HTML.
pub struct Rendered {
    pub status: u16,
    pub html: String,
}

impl Rendered {
    pub fn has(&self, part: &str) -> &Self {
        assert!(self.html.contains(part), "{part:?} is missing in {}", self.html);
        self
    }

    pub fn lacks(&self, part: &str) -> &Self {
        assert!(!self.html.contains(part), "{part:?} is there: {}", self.html);
        self
    }

    /// The parts stand in this order.
    pub fn in_order(&self, parts: &[&str]) -> &Self {
        let mut from = 0;
        for part in parts {
            let at = self.html[from..].find(part);
            from += at.unwrap_or_else(|| panic!("{part:?} does not follow in {}", self.html));
        }
        self
    }

    /// The element with everything in it that begins with `start`, as far as `end`.
    pub fn slice(&self, start: &str, end: &str) -> &str {
        let from = self
            .html
            .find(start)
            .unwrap_or_else(|| panic!("{start:?} is missing in {}", self.html));
        let to = self.html[from..]
            .find(end)
            .unwrap_or_else(|| panic!("{end:?} does not follow"));
        &self.html[from..from + to]
    }
}

pub async fn get_as(path: &str, scenario: Scenario, context: RequestContext) -> Rendered {
    let _ = any_spawner::Executor::init_tokio();
    let provide = move || {
        provide_context(console(scenario));
        provide_context(context.clone());
    };
    let options = LeptosOptions::builder().output_name("quarterdeck").build();
    let handler = leptos_axum::render_app_async_with_context(provide, move || shell(options.clone()));
    let response = handler(Request::get(path).body(Body::empty()).unwrap()).await;
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    Rendered {
        status,
        html: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub async fn get(path: &str, scenario: Scenario) -> Rendered {
    get_as(path, scenario, request(path)).await
}
