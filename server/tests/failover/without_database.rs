//! The primary is dead, and the console's own database with it: an approver who was signed in breaks glass, and the journal
//! has it until the database is back.

use std::{path::Path, sync::Arc};

use quarterdeck::{
    clock::{Clock, SystemClock},
    entropy::{Entropy, SystemEntropy},
    services::{audit::verify_database, journal::Journal},
};
use quarterdeck_domain::{
    access::Role,
    action::{Params, Plan, Target},
    journal::{Actor, Entry, Intent, StepEnd},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::{
    console::Bridge,
    deck::{Answer, Browser, account_in, eventually, hidden_csrf},
    own_database::OwnDatabase,
    pair::Pair,
};

fn journal_at(path: &Path) -> String {
    format!("[journal]\npath = '{}'\n", path.display())
}

/// The value of a hidden field of a page, as a browser would send it.
fn hidden(html: &str, name: &str) -> String {
    let tag = html
        .split("<input")
        .find_map(|rest| {
            rest.split('>')
                .next()
                .filter(|tag| tag.contains(&format!("name=\"{name}\"")))
        })
        .unwrap_or_else(|| panic!("no field {name} in {html}"));
    let value = tag.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    value
        .replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
}

/// Waits for the form, and sends it.
async fn break_glass(browser: &Browser) -> (String, Answer) {
    let mut page = String::new();
    eventually("the form that breaks glass", async || {
        page = browser
            .get("/emergency?candidate=db-2&accept_loss=true")
            .await
            .body;
        page.contains("Break glass: fail over now")
    })
    .await;
    assert!(
        page.contains("your password can&#x27;t be checked")
            || page.contains("your password can't be checked"),
        "{page}"
    );
    let id = hidden(&page, "id");
    let fields = [
        ("csrf", hidden_csrf(&page)),
        ("id", id.clone()),
        ("params", hidden(&page, "params")),
        ("digest", hidden(&page, "digest")),
        (
            "reason",
            "The machine is gone, and the console's database was on it.".to_owned(),
        ),
        ("typed", "db-2".to_owned()),
    ];
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    (id, browser.post("/emergency", &fields).await)
}

/// What the audit log has from a journal, in order, with the numbers of its lines; the chain holds.
async fn from_journal(pool: &PgPool) -> Vec<(String, i64)> {
    let mut connection = pool.acquire().await.unwrap();
    verify_database(&mut connection, None).await.unwrap();
    sqlx::query_as(
        "select action, split_part(canonical::json #>> '{detail,journal_line}', ':', 1)::bigint
         from quarterdeck.audit_events where canonical::json #>> '{detail,from_journal}' = 'true' order by seq",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap()
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap().lines().count()
}

/// Waits until all of a journal is in the log, and that it is there once and in order.
async fn merged(pool: &PgPool, path: &Path) -> Vec<String> {
    eventually("the journal in the audit log", async || {
        from_journal(pool).await.len() >= lines(path)
    })
    .await;
    let told = from_journal(pool).await;
    let numbers: Vec<_> = told.iter().map(|(_, line)| *line).collect();
    let all: Vec<_> = (1..).take(lines(path)).collect();
    assert_eq!(numbers, all, "each line once, in order");
    told.into_iter().map(|(action, _)| action).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_fails_over_and_it_is_recorded_afterwards() {
    let pair = Pair::start();
    let own = OwnDatabase::on(&pair).await;
    let path = pair.directory.path().join("journal.jsonl");
    let more = format!("{}{}", pair.configuration("", ""), journal_at(&path));
    let bridge = Bridge::upon(&own, &more).await;
    eventually("the journal's first line in the log", async || {
        from_journal(&bridge.own).await.len() == 1
    })
    .await;
    // With the database the ordinary way is the only one.
    let page = bridge.april.get("/emergency?candidate=db-2").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("ask in the ordinary way"), "{}", page.body);
    assert!(!page.body.contains("Break glass: fail over now"));

    pair.first.kill();
    let (id, answer) = break_glass(&bridge.april).await;
    assert_eq!(
        (answer.status, answer.location.as_str()),
        (StatusCode::SEE_OTHER, "/emergency"),
        "{}",
        answer.body
    );
    // An operator is not let in, database or not.
    assert_eq!(bridge.olive.get("/emergency").await.status, StatusCode::FORBIDDEN);
    eventually("its end, on the page", async || {
        let page = bridge.april.get("/emergency").await.body;
        assert!(!page.contains("data-state=\"failed\""), "{page}");
        page.contains("data-state=\"succeeded\"")
    })
    .await;
    assert_eq!(
        pair.second.sql("postgres", "SELECT pg_is_in_recovery()").unwrap(),
        "f"
    );
    let pool = own.pool().await;
    let told = merged(&pool, &path).await;
    assert_eq!(told[..2], ["journal.opened", "action.started"]);
    assert_eq!(told.last().unwrap(), "action.succeeded");
    assert_eq!(
        told.iter()
            .filter(|action| *action == "action.step_ended")
            .count(),
        5
    );
    eventually("the page to lead to the action", async || {
        let page = bridge.april.get("/emergency").await.body;
        page.contains(&format!("/actions/{id}"))
    })
    .await;
    // It is an action like any other whose glass was broken.
    let action = bridge.action(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    assert_eq!(action["line"]["break_glass"], true, "{action:#}");
    assert_eq!(action["line"]["awaits_review"], true, "{action:#}");
    assert_eq!(action["line"]["requester"], "april");
    assert_eq!(action["steps"].as_array().unwrap().len(), 5);
    account_in(pool, "arthur", Role::Approver).await;
    let arthur = bridge.deck.signed_in("arthur").await;
    let review = json!({ "comment": "It had to be." });
    let path = format!("/api/v1/actions/{id}/review");
    assert_eq!(
        bridge.april.post_json(&path, &review).await.status,
        StatusCode::FORBIDDEN
    );
    let reviewed = arthur.post_json(&path, &review).await;
    assert_eq!(reviewed.status, StatusCode::OK, "{}", reviewed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_step_it_is_unknown_and_never_done_again() {
    let pair = Pair::start();
    let own = OwnDatabase::on(&pair).await;
    let (path, fenced) = (
        pair.directory.path().join("journal.jsonl"),
        pair.directory.path().join("fenced"),
    );
    let fence = format!(
        "fence = ['sh', '-c', 'echo once >> {}; sleep 60']",
        fenced.display()
    );
    let more = format!("{}{}", pair.configuration(&fence, ""), journal_at(&path));
    let bridge = Bridge::upon(&own, &more).await;
    pair.first.kill();
    let (id, answer) = break_glass(&bridge.april).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    eventually("the fence", async || fenced.exists()).await;
    // While it is done, the page shows how far it is, and nothing else can be begun.
    let page = bridge.april.get("/emergency?candidate=db-2").await.body;
    assert!(page.contains("data-state=\"running\" class=\"step\""), "{page}");
    assert!(page.contains("another action is under way"), "{page}");
    tokio::task::block_in_place(|| pair.first.restart()).unwrap();
    let bridge = bridge.killed_and_started_again(&more).await;
    let told = merged(&own.pool().await, &path).await;
    assert_eq!(
        told,
        [
            "journal.opened",
            "action.started",
            "action.step_begun",
            "action.outcome_unknown"
        ]
    );
    let action = bridge.action(&id).await;
    assert_eq!(action["line"]["state"], "outcome_unknown", "{action:#}");
    assert!(action["how_to_check"].is_string(), "{action:#}");
    assert_eq!(lines(&fenced), 1, "it was done once");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_nothing_is_done() {
    let pair = Pair::start();
    let own = OwnDatabase::on(&pair).await;
    let missing = pair.directory.path().join("no-such-directory/journal.jsonl");
    let cases = [
        (String::new(), "no journal is configured"),
        (journal_at(&missing), "No such file or directory"),
    ];
    for (index, (section, why)) in cases.into_iter().enumerate() {
        let more = format!("{}{section}", pair.configuration("", ""));
        let deck = Bridge::console(own.config.url.clone(), "http://127.0.0.1:9", &more).await;
        let name = format!("adam-{index}");
        account_in(own.pool().await, &name, Role::Admin).await;
        let adam = deck.signed_in(&name).await;
        let page = adam.get("/emergency?candidate=db-2").await;
        assert!(page.body.contains(why), "{}", page.body);
        let csrf = hidden_csrf(&adam.get("/account/sessions").await.body);
        let params = json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true }).to_string();
        let id = new_id().to_string();
        let fields = [
            ("csrf", csrf.as_str()),
            ("id", &id),
            ("params", &params),
            ("digest", &"0".repeat(64)),
            ("reason", "x"),
            ("typed", "db-2"),
        ];
        let answer = adam.post("/emergency", &fields).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.body.contains(why), "{}", answer.body);
        deck.stop().await;
    }
}

fn new_id() -> Uuid {
    let entropy: &dyn Entropy = &SystemEntropy;
    entropy.uuid(SystemClock.now())
}

fn plan() -> Plan {
    Plan {
        params: Params::Failover {
            candidate: "db-2".to_owned(),
            accept_loss: false,
            at_most: None,
        },
        planned_at: SystemClock.now(),
        targets: vec![Target {
            kind: "standby".to_owned(),
            id: "db-2".to_owned(),
            title: "db-2, the standby".to_owned(),
            facts: Vec::new(),
        }],
        left_out: Vec::new(),
        gates: Vec::new(),
        effect: "db-2 takes writes.".to_owned(),
        expected_s: 10,
        undo: "Not possible.".to_owned(),
    }
}

/// A journal as a console leaves it that is killed after so many steps were through.
async fn left(path: &Path, by: Uuid, through: usize) -> Uuid {
    let mut journal = None;
    // Connections of a console that was just killed may still hold it for a moment.
    eventually("the journal to be free", async || {
        journal = Journal::open(path, Arc::new(SystemClock), &SystemEntropy).ok();
        journal.is_some()
    })
    .await;
    let journal = Arc::new(journal.unwrap());
    let (action, plan) = (new_id(), plan());
    let steps = plan.params.kind().spec().steps;
    let intent = Intent {
        action,
        digest: plan.digest().unwrap(),
        plan,
        reason: "Both are down.".to_owned(),
        by: Actor {
            account: by,
            name: "april".to_owned(),
            role: Role::Approver,
            session: Uuid::nil(),
            address: None,
            user_agent: String::new(),
            trace_id: None,
        },
    };
    journal.append(Entry::Intent(Box::new(intent))).await.unwrap();
    for (position, step) in (0_u16..).zip(&steps[..through]) {
        let name = step.name.to_owned();
        let begun = Entry::StepBegun {
            action,
            position,
            name: name.clone(),
        };
        journal.append(begun).await.unwrap();
        let ended = Entry::StepEnded {
            action,
            position,
            name,
            end: StepEnd::Done,
            detail: "Seen.".to_owned(),
            data: json!({ "seconds": 0.5 }),
        };
        journal.append(ended).await.unwrap();
    }
    action
}

async fn account(pool: &PgPool, name: &str) -> Uuid {
    sqlx::query_scalar("select id from quarterdeck.users where username = $1")
        .bind(name)
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_two_steps_it_is_known_how_far_it_came() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.jsonl");
    let more = journal_at(&path);
    let mut bridge = Bridge::start("").await;
    let by = account(&bridge.own, "april").await;
    for (through, said) in [
        (0, "Nothing was done. The console ended before the first step."),
        (
            1,
            "It failed at the step “promote”: The console ended before this step; “fence” was done.",
        ),
        (5, "Seen."),
    ] {
        let action = left(&path, by, through).await;
        bridge = bridge.killed_and_started_again(&more).await;
        merged(&bridge.own, &path).await;
        let action = bridge.action(&action.to_string()).await;
        let explanation = action["explanation"].as_str().unwrap();
        assert!(explanation.starts_with(said), "{explanation}");
        let seen: Vec<&Value> = action["steps"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|step| step["state"] == "done")
            .collect();
        assert_eq!(seen.len(), through, "{action:#}");
        // The journal is one console's at a time.
        bridge = bridge.killed_and_started_again("").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_is_taken_over_it_is_taken_over_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.jsonl");
    let more = journal_at(&path);
    let bridge = Bridge::start("").await;
    // Somebody who does not sign in meanwhile: their row is locked.
    account_in(bridge.own.clone(), "arthur", Role::Approver).await;
    let action = left(&path, account(&bridge.own, "arthur").await, 2).await;
    // A place of an uncommitted transaction: the second step of two.
    let database = bridge.database();
    let hold = "create function quarterdeck.hold() returns trigger language plpgsql as
                $$ begin perform pg_sleep(4); return new; end $$;
                create trigger hold before insert on quarterdeck.action_steps for each row when (new.position = 1)
                execute function quarterdeck.hold()";
    database.as_superuser(hold).await;
    let bridge = bridge.killed_and_started_again(&more).await;
    let waiting = "select count(*) from pg_stat_activity where query like '%insert into quarterdeck.action_steps%' and wait_event = 'PgSleep'";
    eventually("it to be in the middle", async || {
        let mut superuser = bridge.database().superuser().await;
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(waiting))
            .fetch_one(&mut superuser)
            .await
            .unwrap();
        count == 1
    })
    .await;
    let bridge = bridge.killed_and_started_again("").await;
    bridge
        .database()
        .as_superuser("drop trigger hold on quarterdeck.action_steps")
        .await;
    assert_eq!(from_journal(&bridge.own).await, []);
    let bridge = bridge.killed_and_started_again(&more).await;
    let told = merged(&bridge.own, &path).await;
    assert_eq!(told.len(), lines(&path));
    // And not again, whoever has it next.
    let bridge = bridge.killed_and_started_again(&more).await;
    eventually("the page", async || {
        let action = bridge.action(&action.to_string()).await;
        action["line"]["state"] == "failed"
    })
    .await;
    assert_eq!(merged(&bridge.own, &path).await, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_changed_is_kept_aside_and_the_log_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.jsonl");
    let bridge = Bridge::start("").await;
    left(&path, account(&bridge.own, "april").await, 1).await;
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("Both are down.", "Nobody is down.")).unwrap();
    let bridge = bridge.killed_and_started_again(&journal_at(&path)).await;
    assert_eq!(merged(&bridge.own, &path).await, ["journal.opened"]);
    let kept: String = sqlx::query_scalar(
        "select canonical::json #>> '{detail,kept_aside}' from quarterdeck.audit_events where action = 'journal.opened'",
    )
    .fetch_one(&bridge.own)
    .await
    .unwrap();
    assert!(kept.contains("line 2 does not fit its hash"), "{kept}");
}
