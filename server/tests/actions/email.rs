//! E-mail to those whom an action concerns, by a real SMTP server.

use std::time::Duration;

use quarterdeck::{
    clients::mailer::{Email, Mailer, MailerError},
    config::email::EmailConfig,
};
use serde_json::json;

use crate::{
    console::{Bridge, act, asked, ended, id, look, state},
    deck::eventually,
    smtp::{PASSWORD, SmtpOptions, SmtpServer, USERNAME},
};

fn mailer(server: &SmtpServer, more: &str) -> Mailer {
    let section = server.section(more);
    let config: EmailConfig = toml::from_str(section.strip_prefix("[email]").unwrap()).unwrap();
    config.check().unwrap();
    Mailer::new(&config).unwrap()
}

fn hello() -> Email<'static> {
    Email {
        to: "april@example.org",
        subject: "Hällo",
        text: "Grüße\n".into(),
        id: "message-7".into(),
        thread: None,
        urgent: false,
    }
}

fn trusting(server: &SmtpServer) -> String {
    format!("tls_ca_file = '{}'", server.authority().display())
}

#[tokio::test]
async fn a_message_is_encrypted_and_the_sender_signs_in() {
    for tls in ["starttls", "implicit"] {
        let server = SmtpServer::start(SmtpOptions {
            tls,
            sign_in: true,
            ..SmtpOptions::default()
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{PASSWORD}\n")).unwrap();
        let trusting = trusting(&server);
        for secret in [
            format!("password = '{PASSWORD}'"),
            format!("password_file = '{}'", file.path().display()),
        ] {
            let mailer = mailer(
                &server,
                &format!("tls = '{tls}'\n{trusting}\nusername = '{USERNAME}'\n{secret}"),
            );
            assert!(mailer.ready().await.unwrap());
            mailer.send(&hello()).await.unwrap();
        }
        let taken = server.taken_for("april@example.org");
        assert_eq!(taken.len(), 2, "{tls}");
        for message in taken {
            assert_eq!(
                (&message["encrypted"], &message["signed_in"]),
                (&json!(true), &json!(true)),
                "{message}"
            );
            assert_eq!(message["from"], "quarterdeck@example.org");
            assert_eq!(message["headers"]["subject"], "Hällo");
            assert_eq!(message["text"], "Grüße\n");
        }
    }
}

#[tokio::test]
async fn a_way_that_is_not_safe_is_not_taken() {
    let server = SmtpServer::start(SmtpOptions {
        tls: "starttls",
        sign_in: true,
        ..SmtpOptions::default()
    });
    // The system's authorities do not know this one.
    let strange = mailer(&server, "tls = 'starttls'")
        .send(&hello())
        .await
        .unwrap_err();
    assert!(matches!(strange, MailerError::Server(_)), "{strange}");
    let wrong = format!(
        "tls = 'starttls'\n{}\nusername = '{USERNAME}'\npassword = 'hunter2'",
        trusting(&server)
    );
    let wrong = mailer(&server, &wrong).send(&hello()).await.unwrap_err();
    let text = format!("{wrong} {wrong:?}");
    assert!(text.contains("535") && !text.contains("hunter2"), "{text}");

    // Somebody on the way who leaves STARTTLS out gets nothing.
    let plain = SmtpServer::start(SmtpOptions::default());
    let stripped = mailer(&plain, "tls = 'starttls'")
        .send(&hello())
        .await
        .unwrap_err();
    assert!(matches!(stripped, MailerError::Server(_)), "{stripped}");
    assert_eq!((server.taken(), plain.taken()), (vec![], vec![]));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let config =
        format!("host = '127.0.0.1'\nport = {port}\ntls = 'none'\nfrom = 'a@example.org'\ntimeout_s = 0.2");
    let mailer = Mailer::new(&toml::from_str(&config).unwrap()).unwrap();
    let slow = mailer.send(&hello()).await.unwrap_err();
    assert!(
        matches!(slow, MailerError::TooSlow(limit) if limit == Duration::from_millis(200)),
        "{slow}"
    );
}

async fn writes_to(bridge: &Bridge, names: &[&str]) {
    for name in names {
        sqlx::query("update quarterdeck.users set email = username || '@example.org' where username = $1")
            .bind(name)
            .execute(&bridge.database.pool())
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_whom_it_concerns_are_written_to_and_nobody_else() {
    // The first attempt is refused, as by greylisting.
    let server = SmtpServer::start(SmtpOptions {
        refuse: 1,
        ..SmtpOptions::default()
    });
    let bridge = Bridge::with(&server.section("tls = 'none'")).await;
    writes_to(&bridge, &["olive", "oscar", "april", "vera"]).await;
    let (olive, action) = asked(&bridge).await;
    eventually("the message to the approver", async || {
        !server.taken_for("april@example.org").is_empty()
    })
    .await;
    let message = &server.taken_for("april@example.org")[0];
    let subject = message["headers"]["subject"].as_str().unwrap();
    assert!(
        subject.starts_with("Approval wanted by ")
            && subject.contains("medium risk: Terminate all long-running"),
        "{subject}"
    );
    assert_eq!(message["headers"]["importance"], "high");
    assert_eq!(message["headers"]["auto-submitted"], "auto-generated");
    let text = message["text"].as_str().unwrap();
    let link = format!("{}/actions/{}", bridge.deck.base, id(&action));
    assert!(
        text.contains(&link) && text.contains("Reason: The pool is exhausted."),
        "{text}"
    );

    let april = bridge.browser("april").await;
    assert!(act(&april, &action, "approve").await.status.is_success());
    assert!(act(&olive, &action, "start").await.status.is_success());
    assert_eq!(state(&ended(&olive, &id(&action)).await), "succeeded");
    eventually("all messages", async || {
        let action = look(&olive, &id(&action)).await;
        let messages = action["messages"].as_array().unwrap();
        messages.iter().all(|message| message["state"] == "delivered") && messages.len() == 5
    })
    .await;
    let subjects = |address: &str| -> Vec<String> {
        let taken = server.taken_for(address);
        let heads = taken.iter().map(|message| {
            let subject = message["headers"]["subject"].as_str().unwrap();
            subject
                .split([':', ','])
                .next()
                .unwrap()
                .split(" by ")
                .next()
                .unwrap()
                .to_owned()
        });
        let mut heads: Vec<_> = heads.collect();
        heads.sort_unstable();
        heads
    };
    // What somebody does themselves they are not told.
    assert_eq!(subjects("olive@example.org"), ["Approved", "Done"]);
    assert_eq!(
        subjects("april@example.org"),
        ["Approval wanted", "Done", "Started"]
    );
    assert_eq!(server.taken().len(), 5, "{:?}", server.taken());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_can_not_be_sent_is_given_up_where_it_is_seen() {
    let server = SmtpServer::start(SmtpOptions {
        refuse: u32::MAX,
        ..SmtpOptions::default()
    });
    let bridge = Bridge::with(&server.section("tls = 'none'\nmax_attempts = 1")).await;
    writes_to(&bridge, &["april"]).await;
    let (olive, action) = asked(&bridge).await;
    eventually("that it is given up", async || {
        let action = look(&olive, &id(&action)).await;
        let message = &action["messages"][0];
        message["recipient"] == "april"
            && message["state"]
                .as_str()
                .is_some_and(|state| state.starts_with("given up after 1 attempts") && state.contains("451"))
    })
    .await;
    let page = olive.get(&format!("/actions/{}", id(&action))).await.body;
    assert!(page.contains("requested by email to april: given up"), "{page}");
}
