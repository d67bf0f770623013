//! Sends what is in the outbox by one way: each message until it is taken, with growing pauses, or until it is given up. What
//! was given up stays visible on the action's page. Each way has a notifier of its own, so that none waits for another.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    clients::{
        mailer::{Email, Mailer},
        webhook::Webhook,
    },
    clock::{Clock, unix_ms},
    db::{self, DbError, actions::OutboxRow},
    services::notices::{Notice, Wording},
};

/// How often it is looked for messages.
const ROUND: Duration = Duration::from_secs(1);
/// How long a message that is being sent is left alone by other consoles: longer than the longest that sending may take.
const HELD: time::Duration = time::Duration::seconds(90);

/// By what way messages go.
#[derive(Debug)]
pub enum Way {
    /// To the one receiver.
    Webhook(Webhook),
    /// To people.
    Email(Mailer),
}

impl Way {
    const fn channel(&self) -> &'static str {
        match self {
            Self::Webhook(_) => db::actions::WEBHOOK,
            Self::Email(_) => db::actions::EMAIL,
        }
    }
}

/// What sending takes.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct Notifier {
    pub pool: PgPool,
    pub way: Way,
    pub max_attempts: u32,
    /// Where the console is, for links.
    pub public_url: Url,
    pub clock: Arc<dyn Clock>,
}

/// Why a message was not taken.
enum Undelivered {
    /// It may be taken later.
    Later(String),
    /// There is nobody to take it.
    Never(String),
}

impl Notifier {
    /// Sends until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let pause = match self.one().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => ROUND,
                Err(error) => {
                    tracing::debug!(%error, "messages can't be looked for");
                    ROUND
                }
            };
            if stop
                .run_until_cancelled(tokio::time::sleep(pause))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    /// Sends the oldest message that is due: whether there was one.
    async fn one(&self) -> Result<bool, DbError> {
        let now = self.clock.now();
        let taken = db::actions::take_due(&self.pool, self.way.channel(), now, now + HELD).await?;
        let Some(row) = taken else { return Ok(false) };
        let sent = self.send(&row).await;
        let now = self.clock.now();
        let (error, next) = match sent {
            Ok(()) => {
                db::actions::delivered(&self.pool, row.id, now).await?;
                return Ok(true);
            }
            Err(Undelivered::Later(error)) => {
                let attempts = u32::try_from(row.attempts).unwrap_or(u32::MAX);
                (
                    error,
                    (attempts < self.max_attempts).then(|| now + pause(attempts)),
                )
            }
            Err(Undelivered::Never(error)) => (error, None),
        };
        if next.is_none() {
            tracing::error!(
                message = row.id,
                topic = row.topic,
                channel = row.channel,
                error,
                "a message was given up"
            );
        }
        db::actions::undelivered(&self.pool, row.id, &error, next, now).await?;
        Ok(true)
    }

    async fn send(&self, row: &OutboxRow) -> Result<(), Undelivered> {
        // Written by another version; one that can read it may take it up.
        let notice: Notice = serde_json::from_value(row.payload.clone())
            .map_err(|error| Undelivered::Later(format!("this version can't read the message: {error}")))?;
        let wording = notice.wording();
        let url = self.public_url.join(&wording.path).map_err(later)?;
        match &self.way {
            Way::Webhook(webhook) => {
                let at_s = self.clock.now().unix_timestamp();
                let body = webhook_body(row, &wording, &url);
                webhook.post(row.id, at_s, body).await.map_err(later)
            }
            Way::Email(mailer) => {
                let name = row.recipient_name.as_deref().unwrap_or("?");
                let Some(to) = row.recipient_email.as_deref() else {
                    return Err(Undelivered::Never(
                        "the account is disabled, or has no e-mail address any more".to_owned(),
                    ));
                };
                let email = Email {
                    to,
                    subject: &wording.subject,
                    text: email_text(&wording, &url, &self.public_url, name),
                    id: format!("message-{}-{}", row.id, row.created_at.unix_timestamp()),
                    thread: row.action_id.map(|id| format!("action-{id}")),
                    urgent: wording.urgent,
                };
                mailer.send(&email).await.map_err(later)
            }
        }
    }
}

fn later(error: impl std::fmt::Display) -> Undelivered {
    Undelivered::Later(error.to_string())
}

/// What the receiver is posted: the notice, with words for receivers that show it to people.
fn webhook_body(row: &OutboxRow, wording: &Wording, url: &Url) -> String {
    let mut payload = row.payload.clone();
    if let Value::Object(fields) = &mut payload {
        fields.insert("url".to_owned(), url.as_str().into());
        fields.insert("subject".to_owned(), wording.subject.as_str().into());
        fields.insert("text".to_owned(), wording.text.as_str().into());
        fields.insert("urgent".to_owned(), wording.urgent.into());
        fields.insert("at_ms".to_owned(), unix_ms(row.created_at).into());
    }
    payload.to_string()
}

/// What a person reads.
fn email_text(wording: &Wording, url: &Url, console: &Url, account: &str) -> String {
    let facts: Vec<_> = wording
        .facts
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    format!(
        "{}\n\n{}\n\n{url}\n\n-- \nWritten to the account {account} by Quarterdeck at {console}\nAnswers are not read.\n",
        wording.text,
        facts.join("\n")
    )
}

/// How long to wait after so many attempts: 5 s, 10 s, 20 s … at most 10 minutes.
fn pause(attempts: u32) -> time::Duration {
    time::Duration::seconds((5_i64 << attempts.saturating_sub(1).min(10)).min(600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_ten_minutes() {
        let seconds: Vec<_> = [1, 2, 3, 7, 8, 100].map(|n| pause(n).whole_seconds()).to_vec();
        assert_eq!(seconds, [5, 10, 20, 320, 600, 600]);
    }
}
