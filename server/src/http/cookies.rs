//! The console's cookies: HttpOnly, SameSite=Strict, for the whole site, and under TLS `Secure` with the `__Host-`
//! prefix, which no other host or path can set.

use axum::http::{HeaderMap, HeaderValue, header};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

use crate::services::identity::Tokens;

/// The cookies, by what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Access,
    Refresh,
    /// A random value that forms are bound to before there is a session.
    PreLogin,
    /// A new API token on its way to the page that shows it once.
    NewToken,
}

/// Reads and writes the cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookies {
    secure: bool,
}

/// What a browser sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// The access token.
    pub access: Option<String>,
    /// The refresh token.
    pub refresh: Option<String>,
    /// The pre-login value.
    pub pre_login: Option<String>,
    /// An API token that was just made.
    pub new_token: Option<String>,
}

impl Cookies {
    /// For a site that browsers reach over TLS, or not.
    pub fn new(secure: bool) -> Self {
        Self { secure }
    }

    /// What the browser sent.
    pub fn read(self, headers: &HeaderMap) -> Sent {
        let jar = CookieJar::from_headers(headers);
        let value = |kind| {
            let value = jar.get(self.name(kind))?.value();
            // Nothing the console sets is longer; don't hash or parse what can't be its own.
            (!value.is_empty() && value.len() <= 4096).then(|| value.to_owned())
        };
        Sent {
            access: value(Kind::Access),
            refresh: value(Kind::Refresh),
            pre_login: value(Kind::PreLogin),
            new_token: value(Kind::NewToken),
        }
    }

    /// Gives the browser its tokens, and takes the pre-login value away.
    pub fn sign_in(self, headers: &mut HeaderMap, tokens: &Tokens) {
        self.renew(headers, tokens);
        self.set(headers, Kind::PreLogin, "", Some(time::Duration::ZERO));
    }

    /// Gives the browser new tokens.
    pub fn renew(self, headers: &mut HeaderMap, tokens: &Tokens) {
        let keep = time::Duration::try_from(tokens.keep).unwrap_or(time::Duration::DAY);
        self.set(headers, Kind::Access, &tokens.access, Some(keep));
        self.set(headers, Kind::Refresh, &tokens.refresh, Some(keep));
    }

    /// Takes the tokens away.
    pub fn sign_out(self, headers: &mut HeaderMap) {
        self.set(headers, Kind::Access, "", Some(time::Duration::ZERO));
        self.set(headers, Kind::Refresh, "", Some(time::Duration::ZERO));
        self.forget_new_token(headers);
    }

    /// Gives the browser a pre-login value, until it is closed.
    pub fn pre_login(self, headers: &mut HeaderMap, value: &str) {
        self.set(headers, Kind::PreLogin, value, None);
    }

    /// Gives the browser a new API token for the minute until the page has shown it: it can't stand in an address, and
    /// without scripts there is no other way over a redirect.
    pub fn new_token(self, headers: &mut HeaderMap, token: &str) {
        self.set(headers, Kind::NewToken, token, Some(time::Duration::MINUTE));
    }

    /// Takes the new API token away again: it is shown once.
    pub fn forget_new_token(self, headers: &mut HeaderMap) {
        self.set(headers, Kind::NewToken, "", Some(time::Duration::ZERO));
    }

    fn name(self, kind: Kind) -> &'static str {
        match (kind, self.secure) {
            (Kind::Access, true) => "__Host-qd_access",
            (Kind::Access, false) => "qd_access",
            (Kind::Refresh, true) => "__Host-qd_refresh",
            (Kind::Refresh, false) => "qd_refresh",
            (Kind::PreLogin, true) => "__Host-qd_pre_login",
            (Kind::PreLogin, false) => "qd_pre_login",
            (Kind::NewToken, true) => "__Host-qd_new_token",
            (Kind::NewToken, false) => "qd_new_token",
        }
    }

    fn set(self, headers: &mut HeaderMap, kind: Kind, value: &str, keep: Option<time::Duration>) {
        let mut cookie = Cookie::build((self.name(kind), value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Strict)
            .secure(self.secure);
        if let Some(keep) = keep {
            cookie = cookie.max_age(keep);
        }
        // Tokens are ASCII without separators, so this can't fail.
        if let Ok(value) = HeaderValue::from_str(&cookie.build().to_string()) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn set_cookies(secure: bool) -> Vec<String> {
        let mut headers = HeaderMap::new();
        let tokens = Tokens {
            access: "a.b.c".into(),
            refresh: "r".into(),
            keep: Duration::from_secs(60),
        };
        Cookies::new(secure).sign_in(&mut headers, &tokens);
        headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn every_cookie_has_every_guard() {
        assert_eq!(
            set_cookies(true),
            [
                "__Host-qd_access=a.b.c; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=60",
                "__Host-qd_refresh=r; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=60",
                "__Host-qd_pre_login=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0",
            ]
        );
        assert_eq!(
            set_cookies(false)[0],
            "qd_access=a.b.c; HttpOnly; SameSite=Strict; Path=/; Max-Age=60"
        );
    }

    #[test]
    fn an_insecure_name_does_not_pass_for_a_secure_one() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::COOKIE,
            "qd_access=x; __Host-qd_refresh=y".parse().unwrap(),
        );
        let sent = Cookies::new(true).read(&headers);
        assert_eq!(
            sent,
            Sent {
                access: None,
                refresh: Some("y".into()),
                pre_login: None,
                new_token: None,
            }
        );
    }
}
