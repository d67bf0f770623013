//! A person's API tokens.

use serde::{Deserialize, Serialize};

/// Whether a token works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenStateView {
    /// It does.
    Works,
    /// It is past its end.
    Expired {
        /// Since when, Unix ms.
        at_ms: i64,
    },
    /// Its owner revoked it, or their account was disabled.
    Revoked {
        /// When, Unix ms.
        at_ms: i64,
    },
}

/// A token, without what nobody can get again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiTokenView {
    /// Names it in the revoke form.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// How it begins.
    pub prefix: String,
    /// Names of the permissions that it was given.
    pub scopes: Vec<String>,
    /// Made at, Unix ms.
    pub created_at_ms: i64,
    /// Works until, Unix ms.
    pub expires_at_ms: i64,
    /// Last used at, Unix ms, to the minute.
    pub last_used_at_ms: Option<i64>,
    /// From where it was used then.
    pub last_used_address: Option<String>,
    /// Whether it works.
    pub state: TokenStateView,
}

/// What a token can be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeView {
    /// Name of the permission.
    pub name: String,
    /// What it may then be used for, in a few words.
    pub words: String,
}

/// A form that was refused, as it was filled in but for the password, and what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedToken {
    /// The name.
    pub name: String,
    /// For how many days, as it was chosen.
    pub days: String,
    /// What it was to be used for: names of permissions.
    pub scopes: Vec<String>,
    /// What to change.
    pub problem: String,
}

/// A person's tokens, and what a new one can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiTokensView {
    /// A new id for the form; sent twice, it makes one token.
    pub new_id: String,
    /// The tokens, the newest first.
    pub tokens: Vec<ApiTokenView>,
    /// For how many days one works at most; 0 where none can be made.
    pub max_days: u32,
    /// What one can be given.
    pub scopes: Vec<ScopeView>,
}
