//! Passwords: the rule for new ones, hashing and checking.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::entropy::Entropy;

/// The fewest characters of a new password.
pub const MIN_CHARACTERS: usize = 12;

/// The most bytes of a password that are looked at; longer ones are refused.
pub const MAX_BYTES: usize = 256;

/// How long a check waits for its turn.
const TURN_LIMIT: Duration = Duration::from_secs(5);

/// OWASP's parameters for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Why a new password won't do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRule {
    /// Too short.
    #[error("a password needs at least {MIN_CHARACTERS} characters; a few random words are easy to remember")]
    TooShort,
    /// Too long.
    #[error("a password can have at most {MAX_BYTES} bytes")]
    TooLong,
    /// It contains the user name.
    #[error("a password must not contain the user name")]
    ContainsName,
}

/// Why a password couldn't be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many sign-ins at once.
    #[error("too many people are signing in at this moment; try again in a few seconds")]
    Busy,
    /// The hashing itself failed.
    #[error("the password could not be hashed: {0}")]
    Hashing(String),
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Right,
    /// It is the password, and this is its hash with today's parameters, to be stored.
    RightRehashed(String),
    /// It isn't, or there is no such account.
    Wrong,
}

/// Whether a new password for `username` will do.
///
/// # Errors
/// The [`PasswordRule`] that it breaks.
pub fn check_new(username: &str, password: &str) -> Result<(), PasswordRule> {
    if password.len() > MAX_BYTES {
        return Err(PasswordRule::TooLong);
    }
    if password.chars().count() < MIN_CHARACTERS {
        return Err(PasswordRule::TooShort);
    }
    if password.to_lowercase().contains(username) {
        return Err(PasswordRule::ContainsName);
    }
    Ok(())
}

/// Hashes and checks passwords, a few at a time and off the runtime's threads.
#[derive(Debug, Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    entropy: Arc<dyn Entropy>,
    /// The hash of a password that nobody has: checked when there is no such account, so that it takes as long.
    nobodys: Arc<str>,
}

impl Passwords {
    /// With `at_once` checks at the same time (at least one).
    ///
    /// # Errors
    /// When hashing doesn't work on this machine.
    pub fn new(at_once: u32, entropy: Arc<dyn Entropy>) -> Result<Self, PasswordError> {
        let nobodys = hash(&entropy.bytes::<32>(), &entropy.bytes())?;
        Ok(Self {
            turns: Arc::new(Semaphore::new(at_once.max(1) as usize)),
            entropy,
            nobodys: nobodys.into(),
        })
    }

    /// The hash of a password, as a PHC string.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let salt = self.entropy.bytes();
        self.in_turn(move || hash(password.as_bytes(), &salt)).await
    }

    /// Checks a password against an account's hash, or, without one, against nobody's in the same time.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub async fn check(
        &self,
        account_hash: Option<String>,
        password: String,
    ) -> Result<Verdict, PasswordError> {
        let nobodys = Arc::clone(&self.nobodys);
        let salt = self.entropy.bytes();
        self.in_turn(move || {
            let text = account_hash.as_deref().unwrap_or(&nobodys);
            let stored =
                PasswordHash::new(text).map_err(|error| PasswordError::Hashing(error.to_string()))?;
            let fits = password.len() <= MAX_BYTES
                && argon2()?.verify_password(password.as_bytes(), &stored).is_ok();
            match (fits, account_hash.is_some()) {
                (true, true) if is_current(&stored) => Ok(Verdict::Right),
                (true, true) => hash(password.as_bytes(), &salt).map(Verdict::RightRehashed),
                (true, false) | (false, true | false) => Ok(Verdict::Wrong),
            }
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = tokio::time::timeout(TURN_LIMIT, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| PasswordError::Busy)?
            .map_err(|error| PasswordError::Hashing(error.to_string()))?;
        tokio::task::spawn_blocking(move || {
            // Held in here: a request that was given up still takes its memory until the hash is done.
            let _turn = turn;
            work()
        })
        .await
        .map_err(|error| PasswordError::Hashing(error.to_string()))?
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let parameters = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| PasswordError::Hashing(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}

fn hash(password: &[u8], salt: &[u8; 16]) -> Result<String, PasswordError> {
    let hash: PasswordHash = argon2()?
        .hash_password_with_salt(password, salt)
        .map_err(|error| PasswordError::Hashing(error.to_string()))?;
    Ok(hash.to_string())
}

fn is_current(stored: &PasswordHash) -> bool {
    Params::try_from(stored).is_ok_and(|parameters| {
        (parameters.m_cost(), parameters.t_cost(), parameters.p_cost()) == (MEMORY_KIB, PASSES, LANES)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn passwords() -> Passwords {
        Passwords::new(1, Arc::new(SystemEntropy)).unwrap()
    }

    #[test]
    fn new_passwords_follow_the_rule() {
        assert_eq!(check_new("ada", "correct horse battery"), Ok(()));
        assert_eq!(check_new("ada", "elevenchars"), Err(PasswordRule::TooShort));
        assert_eq!(check_new("ada", &"x".repeat(257)), Err(PasswordRule::TooLong));
        assert_eq!(
            check_new("ada", "my-name-is-ADA"),
            Err(PasswordRule::ContainsName)
        );
    }

    #[tokio::test]
    async fn knows_the_right_password_from_a_wrong_one() {
        let passwords = passwords();
        let stored = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let check = |password: &str| passwords.check(Some(stored.clone()), password.to_owned());
        assert_eq!(check("correct horse battery").await.unwrap(), Verdict::Right);
        assert_eq!(check("correct horse batterz").await.unwrap(), Verdict::Wrong);
        assert_eq!(
            passwords.check(None, "anything".into()).await.unwrap(),
            Verdict::Wrong
        );
    }

    #[tokio::test]
    async fn an_old_hash_is_renewed_at_the_next_sign_in() {
        let weak = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(8, 1, 1, None).unwrap(),
        );
        let old: PasswordHash = weak
            .hash_password_with_salt(b"correct horse battery", &[1; 16])
            .unwrap();
        let verdict = passwords()
            .check(Some(old.to_string()), "correct horse battery".into())
            .await
            .unwrap();
        let Verdict::RightRehashed(new) = verdict else {
            panic!("{verdict:?}")
        };
        assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
    }
}
