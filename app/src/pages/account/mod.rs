//! Signing in, and where one is signed in.

pub mod sessions;
pub mod sign_in;
