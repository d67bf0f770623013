//! HTTP: sign-in, headers, the REST API, the event stream, metrics and health of the console itself, static files.

pub mod auth;
pub mod client_address;
pub mod cookies;
pub mod csrf;
pub mod plain_page;
pub mod problem;
pub mod rate_limit;
pub mod security_headers;
pub mod sessions;
pub mod assets;
pub mod doors;
pub mod events;
pub mod pages;
pub mod probes;
pub mod request;
pub mod rest;
pub mod state;
pub mod theme;
