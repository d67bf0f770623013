//! Asking a signed-in person for the password again, before something dangerous.

use quarterdeck_domain::access::Subject;

use super::limiter::Attempter;
use super::passwords::Verdict;
use super::{DB_LIMIT, Identity, IdentityError};
use crate::db;
use crate::services::audit::Origin;

impl Identity {
    /// Checks the password of the person who is signed in. It counts against the limits of signing in, and a wrong one
    /// is recorded.
    ///
    /// # Errors
    /// [`IdentityError::WrongCredentials`], [`IdentityError::TooManyAttempts`], or that it can't be done now.
    pub async fn confirm_password(
        &self,
        subject: &Subject,
        password: String,
        origin: &Origin,
    ) -> Result<(), IdentityError> {
        let attempter = Attempter::new(&subject.username, origin.address);
        self.take_attempt(&attempter, origin).await?;
        let user = db::within(DB_LIMIT, db::users::by_id(&self.pool, subject.user_id)).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        match (self.passwords.check(hash, password).await?, user) {
            (Verdict::Right | Verdict::RightRehashed(_), Some(user)) if user.disabled_at.is_none() => {
                self.limiter.give_back(&attempter).await;
                Ok(())
            }
            (Verdict::Right | Verdict::RightRehashed(_) | Verdict::Wrong, user) => {
                self.record_refusal(origin, user.as_ref(), "wrong_password_confirmation")
                    .await?;
                Err(IdentityError::WrongCredentials)
            }
        }
    }
}
