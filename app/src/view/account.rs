//! Who is signed in, and from where.

use quarterdeck_domain::access::Role;
use serde::{Deserialize, Serialize};

/// The person who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MeView {
    /// Name used to sign in.
    pub username: String,
    /// Name shown to others.
    pub display_name: String,
    /// What they may do.
    pub role: Role,
}

/// A signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Names the session in the revoke form.
    pub id: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// What the browser calls itself.
    pub user_agent: String,
    /// Where it came from.
    pub address: String,
    /// Signed in at, Unix ms.
    pub created_at_ms: i64,
    /// Last seen at, Unix ms.
    pub last_seen_at_ms: i64,
}
