//! The section `[identity]`: sessions, passwords and sign-in limits.

use ipnet::IpNet;
use serde::Deserialize;

/// Sessions, passwords and sign-in limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityConfig {
    /// How long an access token is valid, in seconds. Revocation doesn't wait for it.
    pub access_ttl_s: u32,
    /// How long a browser may stay away before it has to sign in again, in seconds.
    pub idle_ttl_s: u32,
    /// How long a session lasts at most, however busy, in seconds.
    pub session_ttl_s: u32,
    /// How long an exchanged refresh token may come back without being taken for a stolen copy, in seconds: several
    /// tabs refresh at once.
    pub refresh_grace_s: u32,
    /// How long expired access tokens are still good for looking, while the console's database is down, in seconds.
    pub outage_grace_s: u32,
    /// After how long a new signing key comes into use, in seconds.
    pub key_rotation_s: u32,
    /// How many passwords are checked at the same time; each check takes 19 MiB and some 20 to 50 ms.
    pub password_checks: u32,
    /// How many sign-ins one account may try from one address within the window.
    pub attempts_per_account: u32,
    /// How many sign-ins one address (an IPv6 network of /64 counts as one) may try within the window.
    pub attempts_per_address: u32,
    /// How many sign-ins one account may try within the window from all addresses where it has not signed in before.
    pub attempts_per_account_everywhere: u32,
    /// The window of the three limits above, in seconds.
    pub attempts_window_s: u32,
    /// For how many days an API token works at most; with 0 nobody can make one.
    pub api_token_max_days: u32,
    /// Reverse proxies whose `X-Forwarded-For` is believed, as networks: `["10.0.0.0/8"]`.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            access_ttl_s: 300,
            idle_ttl_s: 24 * 3600,
            session_ttl_s: 30 * 24 * 3600,
            refresh_grace_s: 10,
            outage_grace_s: 3600,
            key_rotation_s: 24 * 3600,
            password_checks: 2,
            attempts_per_account: 10,
            attempts_per_address: 30,
            attempts_per_account_everywhere: 100,
            attempts_window_s: 900,
            api_token_max_days: 365,
            trusted_proxies: Vec::new(),
        }
    }
}
