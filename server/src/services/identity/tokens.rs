//! Access tokens: what they say, and how they are signed and read.
//!
//! JSON Web Tokens with HS256 and nothing else. Only the console reads them, so a shared secret is enough; it is
//! new each day and named by `kid`.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use quarterdeck_domain::access::{Assurance, Credential, Role, Subject};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

const ISSUER: &str = "quarterdeck";
const AUDIENCE: &str = "quarterdeck-console";
const ALGORITHM: Algorithm = Algorithm::HS256;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    /// The account's id.
    pub sub: Uuid,
    /// The session's id.
    pub sid: Uuid,
    /// The account's user name.
    pub usr: String,
    /// The person's name.
    pub name: String,
    /// The account's role.
    pub role: Role,
    /// The account's token epoch: a token with an older one is void.
    pub epoch: i64,
    /// When it was issued, in Unix seconds.
    pub iat: i64,
    /// When it expires, in Unix seconds.
    pub exp: i64,
}

impl Claims {
    /// What a token for `subject` in a session says.
    pub fn new(subject: &Subject, session_id: Uuid, epoch: i64, now: OffsetDateTime, ttl_s: u32) -> Self {
        Self {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject.user_id,
            sid: session_id,
            usr: subject.username.clone(),
            name: subject.display_name.clone(),
            role: subject.role,
            epoch,
            iat: now.unix_timestamp(),
            exp: now.unix_timestamp() + i64::from(ttl_s),
        }
    }

    /// Whether it is over at `now`, with `grace_s` seconds on top of its end.
    pub fn is_expired(&self, now: OffsetDateTime, grace_s: u32) -> bool {
        now.unix_timestamp() >= self.exp + i64::from(grace_s)
    }

    /// The person it speaks of.
    pub fn subject(self, assurance: Assurance) -> Subject {
        Subject {
            user_id: self.sub,
            username: self.usr,
            display_name: self.name,
            role: self.role,
            credential: Credential::Session(self.sid),
            assurance,
        }
    }
}

/// A key that signs tokens, ready for use.
#[derive(Clone)]
pub struct SigningKey {
    /// Its name, in the header of each token.
    pub kid: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Until when its tokens may be accepted.
    pub verify_until: OffsetDateTime,
    secret: Vec<u8>,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// Without the secret.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A key with a secret of 32 bytes.
    pub fn new(
        kid: String,
        secret: Vec<u8>,
        created_at: OffsetDateTime,
        verify_until: OffsetDateTime,
    ) -> Self {
        Self {
            encoding: EncodingKey::from_secret(&secret),
            decoding: DecodingKey::from_secret(&secret),
            kid,
            created_at,
            verify_until,
            secret,
        }
    }

    /// The secret, for deriving other codes from it.
    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

/// Signs `claims`.
///
/// # Errors
/// Only when the library can't serialise them.
pub fn sign(key: &SigningKey, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
    let header = Header {
        kid: Some(key.kid.clone()),
        ..Header::new(ALGORITHM)
    };
    jsonwebtoken::encode(&header, claims, &key.encoding)
}

/// What a token says, if one of `keys` signed it for this console. Whether it has expired is for the caller to ask,
/// who knows the time and whether there is an outage.
pub fn read(keys: &[SigningKey], token: &str, now: OffsetDateTime) -> Option<Claims> {
    let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
    let key = keys.iter().find(|key| key.kid == kid && now < key.verify_until)?;
    let mut validation = Validation::new(ALGORITHM);
    validation.algorithms = vec![ALGORITHM];
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // The library would ask the machine's clock.
    validation.validate_exp = false;
    jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation)
        .ok()
        .map(|data| data.claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use time::{Duration, macros::datetime};

    const NOW: OffsetDateTime = datetime!(2026-11-24 22:00 UTC);

    fn key(kid: &str, fill: u8) -> SigningKey {
        SigningKey::new(kid.into(), vec![fill; 32], NOW, NOW + Duration::days(1))
    }

    fn claims() -> Claims {
        let subject = Subject {
            user_id: Uuid::from_u128(1),
            username: "ada".into(),
            display_name: "Ada".into(),
            role: Role::Viewer,
            credential: Credential::Session(Uuid::from_u128(2)),
            assurance: Assurance::Current,
        };
        Claims::new(&subject, Uuid::from_u128(2), 3, NOW, 300)
    }

    #[test]
    fn reads_what_it_signed_with_any_live_key() {
        let keys = [key("new", 2), key("old", 1)];
        let token = sign(&keys[1], &claims()).unwrap();
        assert_eq!(read(&keys, &token, NOW), Some(claims()));
        assert_eq!(read(&keys[..1], &token, NOW), None, "the key is gone");
        assert_eq!(
            read(&keys, &token, NOW + Duration::days(1)),
            None,
            "the key is past its end"
        );
        assert_eq!(
            read(&[key("old", 9)], &token, NOW),
            None,
            "another secret under the same name"
        );
    }

    #[test]
    fn refuses_other_algorithms_audiences_and_changes() {
        let keys = [key("k", 1)];
        let good = sign(&keys[0], &claims()).unwrap();
        let mut parts = good.split('.');
        let (header, body, signature) = (
            parts.next().unwrap(),
            parts.next().unwrap(),
            parts.next().unwrap(),
        );

        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT","kid":"k"}"#);
        assert_eq!(read(&keys, &format!("{none}.{body}."), NOW), None);

        let stronger = Header {
            kid: Some("k".into()),
            ..Header::new(Algorithm::HS512)
        };
        let token = jsonwebtoken::encode(&stronger, &claims(), &keys[0].encoding).unwrap();
        assert_eq!(read(&keys, &token, NOW), None);

        let mut other = claims();
        other.aud = "another".into();
        assert_eq!(read(&keys, &sign(&keys[0], &other).unwrap(), NOW), None);

        let mut admin = claims();
        admin.role = Role::Admin;
        let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&admin).unwrap());
        assert_eq!(read(&keys, &format!("{header}.{forged}.{signature}"), NOW), None);
        assert!(read(&keys, &good, NOW).is_some());
    }

    #[test]
    fn expires_by_the_callers_clock() {
        assert!(!claims().is_expired(NOW + Duration::seconds(299), 0));
        assert!(claims().is_expired(NOW + Duration::seconds(300), 0));
        assert!(!claims().is_expired(NOW + Duration::seconds(3899), 3600));
        assert!(claims().is_expired(NOW + Duration::seconds(3900), 3600));
    }
}
