//! What to do with a refresh token: decided purely, from what is stored about it.

use time::{Duration, OffsetDateTime};

/// What is stored about a refresh token, its session and its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenState {
    /// When the token ends by itself.
    pub expires_at: OffsetDateTime,
    /// When it was exchanged, if it was.
    pub rotated_at: Option<OffsetDateTime>,
    /// When the session ends at the latest.
    pub session_expires_at: OffsetDateTime,
    /// Whether the session was ended.
    pub session_revoked: bool,
    /// Whether the account is disabled.
    pub account_disabled: bool,
}

/// What to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// Exchange it for a new one.
    Rotate,
    /// It was exchanged a moment ago: another tab came first. Give this one a token too.
    Sibling,
    /// The session is over.
    Over,
    /// It was exchanged long ago, so somebody has a copy: end the session for everybody who holds its tokens.
    Reuse,
}

/// Decides what to do with a token that is presented at `now`.
pub fn decide(token: &TokenState, now: OffsetDateTime, grace: Duration) -> Exchange {
    if token.session_revoked
        || token.account_disabled
        || now >= token.session_expires_at
        || now >= token.expires_at
    {
        return Exchange::Over;
    }
    match token.rotated_at {
        None => Exchange::Rotate,
        // Consoles' clocks differ a little: a token may look as if it were exchanged in the future.
        Some(at) if now - at <= grace => Exchange::Sibling,
        Some(_) => Exchange::Reuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-24 22:00 UTC);
    const GRACE: Duration = Duration::seconds(10);

    fn live() -> TokenState {
        TokenState {
            expires_at: NOW + Duration::hours(1),
            rotated_at: None,
            session_expires_at: NOW + Duration::days(1),
            session_revoked: false,
            account_disabled: false,
        }
    }

    #[test]
    fn each_state_has_its_answer() {
        let rotated = |ago: i64| TokenState {
            rotated_at: Some(NOW - Duration::seconds(ago)),
            ..live()
        };
        let cases = [
            ("live", live(), Exchange::Rotate),
            ("exchanged now", rotated(0), Exchange::Sibling),
            (
                "exchanged by a console whose clock is ahead",
                rotated(-3),
                Exchange::Sibling,
            ),
            (
                "exchanged at the end of the grace",
                rotated(10),
                Exchange::Sibling,
            ),
            ("exchanged before the grace", rotated(11), Exchange::Reuse),
            (
                "idle too long",
                TokenState {
                    expires_at: NOW,
                    ..live()
                },
                Exchange::Over,
            ),
            (
                "session too old",
                TokenState {
                    session_expires_at: NOW,
                    ..live()
                },
                Exchange::Over,
            ),
            (
                "session ended",
                TokenState {
                    session_revoked: true,
                    ..live()
                },
                Exchange::Over,
            ),
            (
                "account disabled",
                TokenState {
                    account_disabled: true,
                    ..live()
                },
                Exchange::Over,
            ),
            (
                "a copy of an ended session",
                TokenState {
                    session_revoked: true,
                    ..rotated(60)
                },
                Exchange::Over,
            ),
        ];
        for (name, token, expected) in cases {
            assert_eq!(decide(&token, NOW, GRACE), expected, "{name}");
        }
    }
}
