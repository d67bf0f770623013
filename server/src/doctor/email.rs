//! Whether people can be written to.

use super::Finding;
use crate::{
    clients::mailer::Mailer,
    config::{database::DatabaseConfig, email::EmailConfig},
    db,
};

const AREA: &str = "E-mail";

pub(super) async fn check(config: Option<&EmailConfig>, database: &DatabaseConfig) -> Vec<Finding> {
    let Some(config) = config else {
        let seen =
            "there is no [email] section: people are told in the console, and by webhook if there is one";
        return vec![Finding::ok(AREA, "configured", seen)];
    };
    let mailer = match Mailer::new(config) {
        Ok(mailer) => mailer,
        Err(error) => {
            return vec![Finding::fail(
                AREA,
                "can send",
                error.to_string(),
                "Correct the [email] section.",
            )];
        }
    };
    let mend = "Correct [email] host, port, tls and credentials, or find out why the server refuses.";
    let server = match mailer.ready().await {
        Ok(true) => Finding::ok(
            AREA,
            "server",
            format!("{} port {} takes messages", config.host, config.port()),
        ),
        Ok(false) => Finding::fail(AREA, "server", "it breaks the connection off", mend),
        Err(error) => Finding::fail(AREA, "server", error.to_string(), mend),
    };
    vec![server, addresses(database).await]
}

/// A server alone tells nobody anything.
async fn addresses(config: &DatabaseConfig) -> Finding {
    let check = "addresses";
    let counted = async {
        let pool = db::runtime_pool(config).await?;
        let users = db::users::all(&pool).await;
        pool.close().await;
        users
    };
    match counted.await {
        Ok(users) => {
            let in_use: Vec<_> = users.iter().filter(|user| user.disabled_at.is_none()).collect();
            let reached = in_use.iter().filter(|user| user.email.is_some()).count();
            let seen = format!("{reached} of {} accounts in use have one", in_use.len());
            if reached == 0 {
                let mend = "Run quarterdeck user email NAME ADDRESS for those who agree to actions and ask for them.";
                Finding::warn(AREA, check, seen, mend)
            } else {
                Finding::ok(AREA, check, seen)
            }
        }
        Err(error) => Finding::warn(
            AREA,
            check,
            error.to_string(),
            "Mend the console's database first.",
        ),
    }
}
