//! Everything a browser sees: rendered on the server, made live in the browser by islands.

pub mod error;
pub mod ports;
pub mod view;
