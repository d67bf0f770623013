//! Everything a browser sees: rendered on the server, made live in the browser by islands.
//!
//! `server` mounts [`routes::App`] inside [`shell::shell`] with a [`ports::ConsoleHandle`] and a
//! [`ports::RequestContext`] in the Leptos context; `frontend` hydrates the islands and nothing else.

mod components;
pub mod error;
mod live;
pub mod pages;
#[cfg(feature = "ssr")]
pub mod plain;
pub mod ports;
pub mod routes;
pub mod shell;
pub mod view;

pub use components::{moment, size};
