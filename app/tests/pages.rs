//! Pages as a person gets them without scripts, rendered with a fake console.

#![cfg(feature = "ssr")]
#![allow(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod fake;
mod rendered;

use fake::{Scenario, request};
use quarterdeck_app::ports::{RequestContext, Theme};
use quarterdeck_domain::{
    access::{Role, Subject},
    action::ActionKind,
};
use rendered::{get, get_as};

#[tokio::test]
async fn the_overview_has_every_metric_and_its_thresholds() {
    let page = get("/", Scenario::Calm).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.html.matches("class=\"tile\"").count(), 16);
    page.has("All 16 metrics are well")
        .has("&gt; 2,000 ms")
        .has("href=\"/health/api_latency_p99\"");
    page.has("Nothing fires.");
}

#[tokio::test]
async fn the_worst_comes_first() {
    let page = get("/", Scenario::Mixed).await;
    page.has("1 in alert, 2 unknown, 1 degraded, 2 alerts firing");
    let list = page.slice("class=\"worst\"", "</ol>");
    let at = |what: &str| {
        list.find(what)
            .unwrap_or_else(|| panic!("{what} is missing in {list}"))
    };
    assert!(at("API latency (p99)") < at("Redis memory usage"));
    assert!(at("Redis memory usage") < at("CPU utilization"));
    assert!(at("CPU utilization") < at("ReplicationLagHigh"));
    // It is about a metric that is named already.
    assert!(!list.contains("HighAPILatency"), "{list}");
}

#[tokio::test]
async fn unknown_is_never_shown_as_healthy() {
    for scenario in [Scenario::Blind, Scenario::Fresh] {
        let page = get("/", scenario).await;
        let tiles = page.slice("class=\"groups\"", "class=\"board-side\"");
        assert_eq!(
            tiles.matches("data-band=\"unknown\" class=\"tile\"").count(),
            16,
            "{scenario:?}"
        );
        assert!(!tiles.contains(">OK<"), "{scenario:?}");
        assert!(
            page.slice("<section data-band=", "class=\"verdict\"")
                .contains("\"unknown\""),
            "{scenario:?}"
        );
        page.has("What fires is not known").lacks("Nothing fires.");
    }
    // What was known last is there, and marked.
    get("/", Scenario::Blind)
        .await
        .has("last known")
        .has("source down: Prometheus does not answer");
    get("/", Scenario::Fresh)
        .await
        .has("Nothing has been read yet")
        .lacks("last known<");
}

#[tokio::test]
async fn values_that_are_too_old_are_not_shown_as_what_is() {
    let page = get("/", Scenario::Old).await;
    page.has("Not current. At 22:10:03 UTC: All 16 metrics are well")
        .has("class=\"board is-stale\"");
    assert!(
        page.slice("<section data-band=", "class=\"verdict\"")
            .contains("\"unknown\"")
    );
    get("/", Scenario::Calm)
        .await
        .lacks("is-stale")
        .lacks("Not current");
}

#[tokio::test]
async fn what_others_name_is_escaped() {
    get("/", Scenario::Storm)
        .await
        .has("&lt;b&gt;and&lt;/b&gt;")
        .lacks("<b>and</b>");
    get("/account/sessions", Scenario::Calm)
        .await
        .has("&lt;script&gt;alert(1)")
        .lacks("<script>alert(1)");
}

#[tokio::test]
async fn a_metric_has_its_chart_without_scripts() {
    let page = get("/health/api_latency_p99", Scenario::Mixed).await;
    assert_eq!(page.status, 200);
    let chart = page.slice("<figure", "</figure>");
    for part in [
        "class=\"target\"",
        "class=\"alert\"",
        "alert &gt; 2,000 ms",
        "class=\"line line-1\"",
        "22:00",
    ] {
        assert!(chart.contains(part), "{part} is missing in {chart}");
    }
    assert!(
        !page.html.contains("style="),
        "the Content-Security-Policy refuses style attributes"
    );
    page.has("HighAPILatency")
        .has("fires after 5 min; now firing")
        .has("Dashboard in Grafana");
    page.has("/api/v1/health/api_latency_p99/range.csv?from=")
        .has("name=\"from\"")
        .has("aria-current=\"page\"");
    page.in_order(&[
        "<h1>API latency (p99)",
        "History</h2>",
        "Changes of band</h2>",
        "How it is made</h2>",
    ]);
}

#[tokio::test]
async fn each_member_has_its_line() {
    let page = get("/health/cpu_per_pod", Scenario::Storm).await;
    for i in 1..=12 {
        page.has(&format!("class=\"line line-{i}\""));
    }
    page.has("and 18 more, all better than these");
}

#[tokio::test]
async fn without_prometheus_the_page_stays() {
    let page = get("/health/api_latency_p99", Scenario::Blind).await;
    assert_eq!(page.status, 200);
    page.has("The chart can't be drawn. Prometheus does not answer")
        .has("not loaded: Prometheus does not have this rule");
    page.has("Changes of band").lacks("<figure");
}

#[tokio::test]
async fn what_is_not_there_is_a_404_that_helps() {
    for path in ["/nowhere", "/health/nowhere"] {
        let page = get(path, Scenario::Calm).await;
        assert_eq!(page.status, 404, "{path}");
        page.has("href=\"/health/redis_memory\"")
            .has("4bf92f3577b34da6a3ce929d0e0e4736");
    }
    let page = get("/health/redis_ops?range=1y", Scenario::Calm).await;
    assert_eq!(page.status, 400);
    page.has("Choose one of 15m, 1h, 6h, 24h, 7d and 30d");
}

#[tokio::test]
async fn nothing_is_shown_to_somebody_who_is_signed_out() {
    let out = |path: &str| RequestContext {
        subject: None,
        ..request(path)
    };
    for path in [
        "/",
        "/health/api_latency_p99",
        "/account/sessions",
        "/audit",
        "/audit/3",
        "/nowhere",
    ] {
        let page = get_as(path, Scenario::Mixed, out(path)).await;
        assert!(page.status >= 400, "{path}");
        page.lacks("redis_memory")
            .lacks("2,837")
            .lacks("10.20.0.14")
            .lacks("signing_key");
    }
}

#[tokio::test]
async fn signing_in_needs_no_script() {
    let path = "/sign-in?error=credentials&next=%2Fhealth%2Fredis_ops";
    let page = get_as(
        path,
        Scenario::Calm,
        RequestContext {
            subject: None,
            ..request(path)
        },
    )
    .await;
    page.has("method=\"post\" action=\"/sign-in\"")
        .has("name=\"csrf\" value=\"csrf-token\"");
    page.has("name=\"next\" value=\"/health/redis_ops\"")
        .has("role=\"alert\"")
        .has("make run");
    let path = "/sign-in";
    let plain = RequestContext {
        subject: None,
        demo: false,
        ..request(path)
    };
    get_as(path, Scenario::Calm, plain)
        .await
        .lacks("make run")
        .lacks("role=\"alert\"");
}

#[tokio::test]
async fn sessions_are_ended_by_plain_forms() {
    let page = get("/account/sessions", Scenario::Calm).await;
    page.has("action=\"/account/sessions/b2/revoke\"")
        .has("action=\"/account/sessions/revoke-others\"");
    page.has("this one")
        .has("iPhone")
        .has("action=\"/sign-out\"")
        .has("action=\"/account/theme\"");
}

#[tokio::test]
async fn the_document_has_language_title_theme_and_style() {
    let page = get_as(
        "/",
        Scenario::Calm,
        RequestContext {
            theme: Theme::Dark,
            ..request("/")
        },
    )
    .await;
    assert!(
        page.html.starts_with("<!DOCTYPE html><html"),
        "{}",
        &page.html[..200]
    );
    page.has("lang=\"en\"")
        .has("data-theme=\"dark\"")
        .has("<meta name=\"color-scheme\" content=\"dark\"");
    page.has("<title>Overview · SkillQuest · Quarterdeck</title>")
        .has("href=\"/pkg/quarterdeck.css\"");
    page.has("href=\"#main\"").has("<main id=\"main\"");
}

fn auditor(path: &str) -> RequestContext {
    let mut context = request(path);
    if let Some(subject) = &mut context.subject {
        subject.role = quarterdeck_domain::access::Role::Auditor;
    }
    context
}

#[tokio::test]
async fn the_audit_log_reads_as_sentences_with_the_raw_fields_beside_them() {
    let page = get_as("/audit", Scenario::Calm, auditor("/audit")).await;
    assert_eq!(page.status, 200);
    page.in_order(&[
        "href=\"/audit/9\"",
        "ada signed out",
        "href=\"/audit/4\"",
        "ada signed in",
    ]);
    page.has("<code>session.refused<")
        .has("href=\"/audit?actor=ada\"")
        .has("href=\"/audit?object_kind=account&amp;object_id=ada\"")
        .has("This row does not verify. Its hash does not fit its text.")
        .has("&lt;b&gt;bold&lt;/b&gt;")
        .lacks("<b>bold");
    page.has("aria-current=\"page\">Audit<").lacks("style=");
}

#[tokio::test]
async fn a_search_stands_in_the_address_in_the_form_and_in_the_links() {
    let path =
        "/audit?actor=ada&action=session.*&outcome=refused&object_id=a%26b&from=2026-11-24T22%3A00&before=40";
    let page = get_as(path, Scenario::Storm, auditor(path)).await;
    page.has("name=\"actor\" value=\"ada\"")
        .has("value=\"session.*\" selected")
        .has("value=\"refused\" selected")
        .has("name=\"object_id\" value=\"a&amp;b\"")
        .has("name=\"from\" step=\"1\" value=\"2026-11-24T22:00:00\"");
    let same = "actor=ada&amp;action=session.*&amp;object_id=a%26b&amp;outcome=refused&amp;from=2026-11-24T22%3A00%3A00";
    page.has(&format!("/api/v1/audit/export?format=csv&amp;{same}\""))
        .has(&format!("/audit?{same}&amp;before=1234567\""))
        .has(&format!("/audit?{same}&amp;after=9\""));
    page.has("looked back to row 1234567").has("Search on");
}

#[tokio::test]
async fn a_search_without_rows_says_so_and_nonsense_is_a_400() {
    get_as(
        "/audit?actor=nobody",
        Scenario::Calm,
        auditor("/audit?actor=nobody"),
    )
    .await
    .has("No row fits this search");
    get_as("/audit", Scenario::Fresh, auditor("/audit"))
        .await
        .has("Nothing has been recorded here yet");
    let path = "/audit?outcome=great";
    let page = get_as(path, Scenario::Calm, auditor(path)).await;
    assert_eq!(page.status, 400);
    page.has("succeeded, refused and failed");
}

#[tokio::test]
async fn a_row_shows_its_hashes_its_neighbours_and_whether_it_verifies() {
    let page = get_as("/audit/3", Scenario::Calm, auditor("/audit/3")).await;
    assert_eq!(page.status, 200);
    page.has("Verifies")
        .has("href=\"/audit/2\"")
        .has("href=\"/audit/4\"")
        .has(&format!("<code>{:064x}<", 3 * 7_919))
        .has("session.refused")
        .has("&lt;script&gt;alert(1)")
        .lacks("<script>alert(1)")
        .lacks("Does not verify");
    get_as("/audit/4", Scenario::Calm, auditor("/audit/4"))
        .await
        .has("Does not verify")
        .has(&"ab".repeat(32));
    for path in ["/audit/99", "/audit/x"] {
        assert_eq!(
            get_as(path, Scenario::Calm, auditor(path)).await.status,
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_audit_log_is_not_offered_to_roles_without_it() {
    for path in ["/audit", "/audit/3"] {
        let page = get(path, Scenario::Calm).await;
        assert_eq!(page.status, 403, "{path}");
        page.has("the role operator does not include it")
            .lacks("signing_key");
    }
    get("/", Scenario::Calm).await.lacks("href=\"/audit\"");
    get_as("/", Scenario::Calm, auditor("/"))
        .await
        .has("href=\"/audit\"");
}

#[tokio::test]
async fn tokens_are_made_and_revoked_by_plain_forms() {
    let page = get("/account/tokens", Scenario::Calm).await;
    assert_eq!(page.status, 200);
    page.has("method=\"post\" action=\"/account/tokens\"")
        .has("action=\"/account/tokens/t1/revoke\"")
        .lacks("action=\"/account/tokens/t2/revoke\"")
        .lacks("action=\"/account/tokens/t3/revoke\"")
        .has("name=\"scope\" value=\"health.view\"")
        .has("&lt;b&gt;report&lt;/b&gt;")
        .lacks("<b>report")
        .lacks("shown this once");
    // No longer than the configuration lets it.
    page.has("value=\"90\"").lacks("value=\"365\"");
    page.in_order(&[
        "nightly",
        "Works until",
        "old script",
        "Expired",
        "lost laptop",
        "Revoked",
    ]);
    get("/account/tokens", Scenario::Blind)
        .await
        .has("lets nobody make tokens")
        .lacks("action=\"/account/tokens\"");
    get("/account/tokens", Scenario::Fresh)
        .await
        .has("You have no API token");
}

#[tokio::test]
async fn a_new_token_is_shown_on_the_page_that_brings_it_and_a_refusal_says_what_to_change() {
    let made = RequestContext {
        new_token: Some("qd_secret".into()),
        ..request("/account/tokens?notice=made")
    };
    get_as("/account/tokens?notice=made", Scenario::Calm, made)
        .await
        .has("value=\"qd_secret\"")
        .has("shown this once");
    get("/account/tokens?error=no-such-token", Scenario::Calm)
        .await
        .has("role=\"alert\"")
        .has("does not work any more");
}

#[tokio::test]
async fn maintenance_mode_is_told_on_every_page_while_it_is_on() {
    for path in ["/", "/actions", "/health/api_latency_p99", "/account/sessions"] {
        let page = get(path, Scenario::Mixed).await;
        page.has("Maintenance mode is on")
            .has("by olive")
            .has("Migration of the course tables")
            .has("until <time")
            .has("data-tone=\"in_time\"")
            .has("href=\"/actions/new?kind=maintenance_off\"");
        let page = get(path, Scenario::Calm).await;
        page.lacks("Maintenance mode is on").lacks("Switch it off</a>");
    }
    let late = get("/account/sessions", Scenario::Storm).await;
    late.has("on for longer than expected")
        .has("it was expected to be over at <time")
        .has("data-tone=\"overrun\"");
    let odd = get("/account/sessions", Scenario::Blind).await;
    odd.has("was not switched on by this console")
        .has("data-tone=\"odd\"");
}

#[tokio::test]
async fn the_overview_says_how_maintenance_mode_is_and_leads_to_switching_it() {
    let page = get("/", Scenario::Calm).await;
    page.has("id=\"maintenance\"")
        .has("should be served")
        .has("href=\"/actions/new?kind=maintenance_on\"");
    let page = get("/", Scenario::Fresh).await;
    page.lacks("id=\"maintenance\"");
}

#[tokio::test]
async fn the_policy_says_for_every_kind_who_asks_and_who_agrees() {
    let page = get_as("/actions/policy", Scenario::Storm, request("/actions/policy")).await;
    assert_eq!(page.status, 200);
    page.has("Version 3").has("<code>0 6 * * MON");
    for kind in ActionKind::ALL {
        page.has(&format!("<h2 id=\"{kind}\">{}", kind.spec().title));
    }
    // The rule for many things comes after the one for few.
    page.in_order(&[
        "id=\"terminate_long_running\"",
        "Whatever it touches",
        "One other person has to agree: approver.",
        "When it touches 10 or more",
        "2 other people have to agree: approver.",
        "id=\"maintenance_on\"",
        "What is acted on has to be typed to confirm.",
        "forbids it until 10:00 UTC",
    ]);
    page.has("data-holds=\"true\"");
    let calm = get_as("/actions/policy", Scenario::Calm, request("/actions/policy")).await;
    calm.has("no time is forbidden").lacks("policy-frozen");
    let blind = get_as("/actions/policy", Scenario::Blind, request("/actions/policy")).await;
    blind.has("It can't be done here: how maintenance mode is switched is not configured.");
}

#[tokio::test]
async fn what_can_be_done_stands_where_the_need_arises_for_those_who_may() {
    let page = get("/", Scenario::Mixed).await;
    // Two ways: the tile leads to where both stand. One way: it leads there at once.
    page.has("<a href=\"/health/api_latency_p99#actions\" title=\"see what can be done\" class=\"tile-act\"");
    page.has("<a href=\"/database\" title=\"Cancel queries, end sessions\" class=\"tile-act\"");
    let alerts = page
        .slice("<table role=\"table\" class=\"alerts\"", "</table>")
        .to_owned();
    let of = |name: &str| {
        let row = alerts.split("<tr").find(|row| row.contains(name)).unwrap();
        row.matches("class=\"remedy\"").count()
    };
    assert_eq!(
        (
            of("HighAPILatency"),
            of("ReplicationLagHigh"),
            of("RedisMemoryHigh")
        ),
        (2, 0, 1)
    );
    let metric = get("/health/api_latency_p99", Scenario::Mixed).await;
    let ways = metric.slice("id=\"actions\"", "</dd>");
    assert!(
        ways.contains("href=\"/database\"") && ways.contains("href=\"/actions/new?kind=maintenance_on\""),
        "{ways}"
    );

    let viewer = |path: &str| {
        let mut context = request(path);
        context.subject = context.subject.map(|subject| Subject {
            role: Role::Viewer,
            ..subject
        });
        context
    };
    for path in ["/", "/health/api_latency_p99"] {
        let page = get_as(path, Scenario::Mixed, viewer(path)).await;
        page.lacks("tile-act")
            .lacks("class=\"remedy\"")
            .lacks("id=\"actions\"");
    }
}
