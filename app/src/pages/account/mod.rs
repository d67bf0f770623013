//! Signing in, where one is signed in, and what one lets programs do.

pub mod sessions;
pub mod sign_in;
pub mod tokens;
