//! Making a token: shown once, kept as a hash, recorded, and given no more than its owner may.

use quarterdeck::db;
use quarterdeck_domain::audit::{Action, Event};
use reqwest::StatusCode;

use crate::deck::{Answer, Browser, PASSWORD, eventually};
use crate::makes::{Form, Program, ask_for, console, console_with, first_id, make, revoke, shown};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_kept_as_a_hash_and_recorded() {
    let (database, deck) = console().await;
    let browser = deck.signed_in("auditor").await;
    let token = make(&browser, "nightly report", &["audit.view", "health.view"]).await;
    assert!(token.starts_with("qd_") && token.len() == 46, "{token}");
    let again = browser.get("/account/tokens?notice=made").await.body;
    assert_eq!(shown(&again), None, "it is shown once");
    assert!(!again.contains(&token) && again.contains(&token[..9]));

    let pool = database.pool();
    let kept: Vec<(String, bool)> =
        sqlx::query_as("select t::text, hash = sha256(convert_to($1, 'UTF8')) from quarterdeck.api_tokens t")
            .bind(&token)
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].1 && !kept[0].0.contains(&token[9..]), "{kept:?}");

    // What it is used for says so, and a refusal is recorded with its name.
    let program = Program::new(&deck);
    assert_eq!(program.get("/api/v1/audit", &token).await.status, StatusCode::OK);
    let refused = program.get("/api/v1/audit/export", &token).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.body.contains("the API token was not given it"),
        "{}",
        refused.body
    );
    let latest =
        async |action: Action| -> Vec<Event> { db::audit::latest(&pool, Some(action), 9).await.unwrap() };
    eventually("the record of the refusal", async || {
        latest(Action::AccessRefused).await.len() == 1
    })
    .await;
    let refusal = latest(Action::AccessRefused).await.remove(0);
    assert_eq!(refusal.actor.name(), Some("auditor"));
    assert_eq!(refusal.detail.text("reason"), Some("scope"));
    let label = format!("nightly report ({}…)", &token[..9]);
    assert_eq!(refusal.detail.text("api_token"), Some(label.as_str()));

    let id = first_id(&browser).await;
    // Two clicks revoke it once, and neither is told that it failed.
    for _ in 0..2 {
        assert_eq!(
            revoke(&browser, &id).await.location,
            "/account/tokens?notice=revoked"
        );
    }
    let made = latest(Action::ApiTokenCreated).await;
    let revoked = latest(Action::ApiTokenRevoked).await;
    assert_eq!((made.len(), revoked.len()), (1, 1));
    assert_eq!(made[0].detail.text("scopes"), Some("audit.view health.view"));
    assert_eq!(
        (made[0].object.id.as_str(), revoked[0].object.id.as_str()),
        (id.as_str(), id.as_str())
    );
    for event in made.iter().chain(&revoked) {
        assert!(
            !event.canonical().unwrap().contains(&token[9..]),
            "no secret in the log"
        );
    }
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_cannot_be_is_refused_with_what_to_change() {
    let (_database, deck) = console().await;
    let viewer = deck.signed_in("viewer").await;
    let long = "x".repeat(61);
    let scope = "It can't be given more than you may do yourself";
    for (name, days, scopes, said) in [
        ("", "7", &["health.view"][..], "1 to 60 characters"),
        (long.as_str(), "7", &["health.view"], "1 to 60 characters"),
        ("a\u{7}b", "7", &["health.view"], "1 to 60 characters"),
        ("script", "0", &["health.view"], "for how long"),
        ("script", "366", &["health.view"], "for how long"),
        ("script", "for ever", &["health.view"], "for how long"),
        ("script", "7", &[], "at least one thing"),
        ("script", "7", &["nonsense"], "not one that this console made"),
        // More than the person may, and what no token can be given.
        ("script", "7", &["health.view", "audit.view"], scope),
        ("script", "7", &["own_tokens.manage"], scope),
        ("script", "7", &["own_sessions.revoke"], scope),
    ] {
        let answer = ask_for(&viewer, name, days, scopes).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name} {days} {scopes:?}");
        assert!(
            answer.body.contains("No token was made") && answer.body.contains(said),
            "{said}: {}",
            answer.body
        );
    }
    let admin = deck.signed_in("admin").await;
    let all = ask_for(&admin, "everything", "7", &["accounts.manage"]).await;
    assert!(all.body.contains(scope), "{}", all.body);
    for i in 0..20 {
        make(&admin, &format!("token {i}"), &["health.view"]).await;
    }
    let more = ask_for(&admin, "one more", "7", &["health.view"]).await;
    assert_eq!(more.status, StatusCode::CONFLICT);
    assert!(more.body.contains("as many as anybody can have"), "{}", more.body);
    let id = first_id(&admin).await;
    // Somebody else's token is nobody's business.
    assert_eq!(
        revoke(&viewer, &id).await.location,
        "/account/tokens?error=no-such-token"
    );
    revoke(&admin, &id).await;
    make(&admin, "room again", &["health.view"]).await;
    deck.stop().await;
}

const SEVEN_DAYS: (&str, &[&str]) = ("7", &["health.view"]);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_makes_one_gives_their_password_again() {
    let (database, deck) = console_with("[identity]\nattempts_per_account = 3\n").await;
    let viewer = deck.signed_in("viewer").await;
    let events = async |action: Action| -> Vec<Event> {
        db::audit::latest(&database.pool(), Some(action), 9)
            .await
            .unwrap()
    };
    let none = ask(&viewer, "").await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
    assert!(
        none.body.contains("password is needed once more"),
        "{}",
        none.body
    );

    let before = events(Action::SessionRefused).await.len();
    let wrong = ask(&viewer, "not my password").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    // What was typed is there again, but for the password.
    for there in [
        "That is not your password",
        "value=\"a &quot;b&quot; &lt;c&gt;\"",
        "value=\"7\" selected",
        "value=\"health.view\" checked",
    ] {
        assert!(wrong.body.contains(there), "{there}: {}", wrong.body);
    }
    assert!(!wrong.body.contains("not my password"), "{}", wrong.body);
    let refusals = events(Action::SessionRefused).await;
    assert_eq!(refusals.len(), before + 1, "{refusals:?}");
    assert_eq!(
        refusals[0].detail.text("reason"),
        Some("wrong_password_confirmation")
    );

    // It counts as tries to sign in do: the right one has to wait, too.
    for _ in 0..2 {
        ask(&viewer, "not my password").await;
    }
    let late = ask(&viewer, PASSWORD).await;
    assert_eq!(late.status, StatusCode::TOO_MANY_REQUESTS, "{}", late.body);
    assert!(late.body.contains("given too often"), "{}", late.body);
    assert_eq!(events(Action::ApiTokenCreated).await.len(), 0);
    deck.stop().await;
}

async fn ask(browser: &Browser, password: &str) -> Answer {
    let form = Form::open(browser).await;
    form.send(browser, "a \"b\" <c>", SEVEN_DAYS, password).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_twice_makes_one_token_and_shows_it() {
    let (database, deck) = console().await;
    let viewer = deck.signed_in("viewer").await;
    let form = Form::open(&viewer).await;
    let [first, second] = {
        let press = || form.send(&viewer, "script", SEVEN_DAYS, PASSWORD);
        let (first, second) = tokio::join!(press(), press());
        [first, second]
    };
    for answer in [first, second] {
        assert_eq!(answer.location, "/account/tokens?notice=made", "{}", answer.body);
    }
    let token = shown(&viewer.get("/account/tokens?notice=made").await.body).unwrap();
    assert_eq!(
        Program::new(&deck).get("/api/v1/health", &token).await.status,
        StatusCode::OK
    );
    let made: i64 = sqlx::query_scalar("select count(*) from quarterdeck.api_tokens")
        .fetch_one(&database.pool())
        .await
        .unwrap();
    assert_eq!(made, 1);
    let recorded = db::audit::latest(&database.pool(), Some(Action::ApiTokenCreated), 9).await;
    assert_eq!(recorded.unwrap().len(), 1);

    // Nobody else gets it by that form, and another console does not know its text.
    let admin = deck.signed_in("admin").await;
    let own = Form::open(&admin).await;
    let stolen = own
        .with_id_of(&form)
        .send(&admin, "script", SEVEN_DAYS, PASSWORD)
        .await;
    assert_eq!(stolen.location, "/account/tokens?notice=made-before");
    let page = admin.get(&stolen.location).await.body;
    assert!(
        shown(&page).is_none() && page.contains("was sent before"),
        "{page}"
    );
    deck.stop().await;
}
