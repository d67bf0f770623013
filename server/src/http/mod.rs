//! HTTP: sign-in, headers, the REST API, the event stream, metrics and health of the console itself, static files.

pub mod actions;
pub mod api_tokens;
pub mod asked;
pub mod assets;
pub mod auth;
pub mod backups;
pub mod client_address;
pub mod cookies;
pub mod csrf;
pub mod doors;
pub mod emergency;
pub mod events;
pub mod pages;
pub mod plain_page;
pub mod probes;
pub mod problem;
pub mod rate_limit;
pub mod request;
pub mod rest;
pub mod security_headers;
pub mod sessions;
pub mod state;
pub mod theme;
