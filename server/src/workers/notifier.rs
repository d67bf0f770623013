//! Sends what is in the outbox: each message until it is taken, with growing pauses, or until it is given up. What was given
//! up stays visible on the action's page.

use std::time::Duration;

use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    clients::webhook::Webhook,
    clock::Clock,
    db::{self, DbError, actions::OutboxRow},
};

/// How often it is looked for messages.
const ROUND: Duration = Duration::from_secs(1);
/// How long a message that is being sent is left alone by other consoles.
const HELD: time::Duration = time::Duration::seconds(90);
/// The most that are sent in one round.
const AT_ONCE: i64 = 20;

/// What sending takes.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct Notifier {
    pub pool: PgPool,
    pub webhook: Webhook,
    pub max_attempts: u32,
    /// Where the console is, for links.
    pub public_url: Url,
    pub clock: std::sync::Arc<dyn Clock>,
}

impl Notifier {
    /// Sends until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            match self.round().await {
                Ok(()) => {}
                Err(error) => tracing::debug!(%error, "messages can't be looked for"),
            }
            if stop
                .run_until_cancelled(tokio::time::sleep(ROUND))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    async fn round(&self) -> Result<(), DbError> {
        let now = self.clock.now();
        for row in db::actions::take_due(&self.pool, "webhook", now, now + HELD, AT_ONCE).await? {
            let at = self.clock.now();
            match self
                .webhook
                .post(row.id, at.unix_timestamp(), self.body(&row))
                .await
            {
                Ok(()) => db::actions::delivered(&self.pool, row.id, self.clock.now()).await?,
                Err(error) => {
                    let attempts = u32::try_from(row.attempts).unwrap_or(u32::MAX);
                    let next = (attempts < self.max_attempts).then(|| self.clock.now() + pause(attempts));
                    if next.is_none() {
                        tracing::error!(message = row.id, topic = row.topic, %error, "a message was given up");
                    }
                    let now = self.clock.now();
                    db::actions::undelivered(&self.pool, row.id, &error.to_string(), next, now).await?;
                }
            }
        }
        Ok(())
    }

    fn body(&self, row: &OutboxRow) -> String {
        let mut payload = row.payload.clone();
        if let Value::Object(fields) = &mut payload {
            let url = self.public_url.join(&format!("/actions/{}", row.action_id)).ok();
            fields.insert(
                "url".to_owned(),
                url.map_or(Value::Null, |url| Value::String(url.into())),
            );
            fields.insert("text".to_owned(), Value::String(text(&row.payload)));
            fields.insert("at_ms".to_owned(), crate::clock::unix_ms(row.created_at).into());
        }
        payload.to_string()
    }
}

/// How long to wait after so many attempts: 5 s, 10 s, 20 s … at most 10 minutes.
fn pause(attempts: u32) -> time::Duration {
    time::Duration::seconds((5_i64 << attempts.saturating_sub(1).min(10)).min(600))
}

/// The message in a sentence, for receivers that show it to people.
fn text(payload: &Value) -> String {
    let field = |name: &str| {
        payload
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or("?")
            .replace('_', " ")
    };
    let what = format!(
        "{} ({}, action {})",
        field("kind"),
        field("what"),
        payload["number"]
    );
    let glass = if payload["break_glass"] == true {
        " GLASS WAS BROKEN: it goes without approvals, and has to be reviewed."
    } else {
        ""
    };
    let said = match payload.get("topic").and_then(Value::as_str).unwrap_or_default() {
        "requested" => format!("{} asks for {what}: {}", field("requester"), field("reason")),
        "approved" => format!(
            "{what} is approved, and can be started by {} or another operator.",
            field("requester")
        ),
        topic => format!("{what}: {}", topic.replace('_', " ")),
    };
    format!("{said}{glass}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pauses_grow_to_ten_minutes() {
        let seconds: Vec<_> = [1, 2, 3, 7, 8, 100].map(|n| pause(n).whole_seconds()).to_vec();
        assert_eq!(seconds, [5, 10, 20, 320, 600, 600]);
    }

    #[test]
    fn broken_glass_is_said_aloud() {
        let payload = json!({
            "topic": "requested", "kind": "maintenance_on", "what": "the service", "number": 7, "requester": "olive",
            "reason": "fire", "break_glass": true
        });
        let text = text(&payload);
        assert!(
            text.starts_with("olive asks for maintenance on (the service, action 7): fire"),
            "{text}"
        );
        assert!(text.contains("GLASS WAS BROKEN"), "{text}");
    }
}
