//! The pages of backups, rendered with a fake console.

#![cfg(feature = "ssr")]
#![allow(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod fake;
mod rendered;

use fake::{Scenario, request};
use rendered::{get, get_as};

const PATH: &str = "/backups";
const RUN: &str = "/backups/runs/0192f0c1-0000-7000-8000-0000000000";

#[tokio::test]
async fn the_verdict_comes_first_and_then_what_it_rests_on() {
    let page = get(PATH, Scenario::Calm).await;
    assert_eq!(page.status, 200);
    page.in_order(&[
        "id=\"verdict\" data-live=\"part\" data-band=\"ok\"",
        "Recoverable to 22:10:21 UTC, 42 s ago, in about 11 min.",
        "id=\"map\"",
        "id=\"rpo\"",
        "id=\"rto\"",
        "id=\"methods\"",
        "id=\"calendar\"",
        "id=\"archive\"",
        "id=\"runs\"",
        "id=\"copies\"",
    ])
    .lacks("id=\"running-title\"");
}

#[tokio::test]
async fn the_map_is_drawn_and_told_in_words() {
    let page = get(PATH, Scenario::Storm).await;
    page.has("class=\"map-span\"")
        .has("class=\"map-span map-branch\"")
        .has("<rect data-band=\"alert\" fill=\"url(#hatch-alert)\"")
        .has("data-axis=\"")
        .has("Growing")
        .has("Segment 0000000200000016000000B3 is lost: archive_command fails.")
        .has("in which every instant can be reached");
    // The words have what the picture has.
    page.in_order(&[
        "Any instant",
        "on timeline 2",
        "Not reachable",
        "Growing",
        "Single instants",
    ]);
}

#[tokio::test]
async fn the_window_stands_in_the_address_and_cuts_the_map() {
    let day = get("/backups?window=24h", Scenario::Mixed).await;
    let month = get("/backups?window=30d", Scenario::Mixed).await;
    let dots = |page: &rendered::Rendered| {
        page.slice("<svg role=\"img\" aria-label=\"The last ", "</svg>")
            .matches("<circle")
            .count()
    };
    assert_eq!((dots(&day), dots(&month)), (1, 32));
    day.has("href=\"/backups#map\"")
        .has("href=\"/backups?window=30d#map\"");
    // A hole that is to come is told of in every window.
    for page in [&day, &month] {
        page.has("Opens in 4 d 0 h");
    }
    assert!(
        !day.slice("<svg role=\"img\" aria-label=\"The last ", "</svg>")
            .contains("map-ahead")
    );
    assert!(
        month
            .slice("<svg role=\"img\" aria-label=\"The last ", "</svg>")
            .contains("map-ahead")
    );
}

#[tokio::test]
async fn idleness_is_told_from_exposure() {
    let page = get(PATH, Scenario::Mixed).await;
    page.in_order(&[
        "id=\"rpo\"",
        "42 s",
        "against a target of 1 h",
        "11 min ago",
        "Of that only idleness",
        "10 min",
    ]);
    get(PATH, Scenario::Calm).await.lacks("Of that only idleness");
}

#[tokio::test]
async fn what_is_not_known_is_not_called_good() {
    let page = get(PATH, Scenario::Blind).await;
    page.has("id=\"verdict\" data-live=\"part\" data-band=\"unknown\"")
        .has("The store s3://skillquest-backups/prod does not answer")
        .has("id=\"rpo\" data-live=\"part\" data-band=\"unknown\"")
        .has("id=\"rto\" data-live=\"part\" data-band=\"unknown\"");
    for figure in ["id=\"rpo\"", "id=\"rto\""] {
        let part = page.slice(figure, "</section>");
        assert!(
            part.contains("not known") && !part.contains("data-band=\"ok\""),
            "{part}"
        );
        assert!(!part.contains("class=\"gauge-value\""), "{part}");
    }
    page.has("class=\"history-unknown\"");
}

#[tokio::test]
async fn the_calendar_says_what_became_of_each_day_and_leads_to_its_run() {
    let page = get(PATH, Scenario::Mixed).await;
    let calendar = page.slice("id=\"calendar\"", "</section>");
    for words in [
        "31 Oct: failed",
        "6 Nov: late",
        "12 Nov: missed",
        "16 Nov: unverified",
        "23 Nov: 96 ran",
        "to come",
    ] {
        assert!(calendar.contains(words), "{words:?} is missing in {calendar}");
    }
    assert!(
        calendar.contains(
            "<a href=\"/backups/runs/0192f0c1-0000-7000-8000-000000000001\" title=\"31 Oct: failed\""
        )
    );
    assert!(
        calendar.contains("<span title=\"12 Nov: missed\""),
        "no run, no link"
    );
}

#[tokio::test]
async fn copies_are_filtered_and_turned_over_by_the_address() {
    let all = get(PATH, Scenario::Mixed).await;
    all.has("1 to 15 of 74")
        .has("rel=\"next\" href=\"/backups?page=2#copies\"");
    let last = get("/backups?page=5", Scenario::Mixed).await;
    last.has("61 to 74 of 74")
        .has("rel=\"prev\" href=\"/backups?page=4#copies\"")
        .lacks("rel=\"next\"");
    let damaged = get("/backups?method=redis_rdb&condition=unverified", Scenario::Mixed).await;
    damaged
        .has("1 to 1 of 1")
        .has("<option value=\"redis_rdb\" selected>")
        .has("<option value=\"unverified\" selected>");
    get("/backups?method=redis_aof", Scenario::Mixed)
        .await
        .has("No copy fits this filter.");
    get("/backups?pinned=yes", Scenario::Mixed)
        .await
        .has("before the migration to 15.14")
        .has("1 to 1 of 1");
}

#[tokio::test]
async fn a_run_that_is_under_way_shows_how_far_it_is() {
    get(PATH, Scenario::Mixed)
        .await
        .has("id=\"running-title\"")
        .has("3.0 GB of 4.0 GB, 75 %, 42.0 MB/s, about 24 s left");
}

#[tokio::test]
async fn only_who_may_is_offered_to_do_something() {
    const FORMS: [&str; 3] = ["/backups/run", "/backups/drill", "/backups/cancel"];
    let page = get(PATH, Scenario::Storm).await;
    for action in FORMS {
        page.has(&format!("<form method=\"post\" action=\"{action}\""));
    }
    assert!(
        !page.html.contains("<p class=\"backup-forms\">"),
        "a paragraph holds no form"
    );
    let methods = page.slice("id=\"methods\"", "</section>");
    assert_eq!(
        methods.matches("action=\"/backups/run\"").count(),
        3,
        "WAL and AOF go on by themselves"
    );
    let mut context = request(PATH);
    if let Some(subject) = &mut context.subject {
        subject.role = quarterdeck_domain::access::Role::Viewer;
    }
    get_as(PATH, Scenario::Storm, context)
        .await
        .has("id=\"methods\"")
        .lacks("method=\"post\" action=\"/backups/");
}

#[tokio::test]
async fn a_copy_can_be_verified_pinned_and_let_go() {
    let list = get("/backups?pinned=yes", Scenario::Mixed).await;
    let row = list.slice("id=\"copies\"", "</section>").to_owned();
    let link = row
        .split('"')
        .find(|part| part.starts_with("/backups/copies?name="))
        .unwrap();
    get(link, Scenario::Mixed)
        .await
        .has("action=\"/backups/verify\"")
        .has("name=\"act\" value=\"unpin\"")
        .lacks("name=\"reason\"");
    get(link, Scenario::Calm)
        .await
        .has("name=\"act\" value=\"pin\"")
        .has("name=\"reason\"");
}

#[tokio::test]
async fn every_empty_part_says_what_would_be_there() {
    let page = get(PATH, Scenario::Old).await;
    page.has("Nothing could be recovered.")
        .has("No instant is known to which one could return.")
        .has("Its history appears here")
        .has("Each restore drill appears here as a dot")
        .has("No archive is configured. Give [backups.wal_archive]")
        .has("No run has been seen yet.")
        .has("No copy is kept yet.");
    let page = get(PATH, Scenario::Fresh).await;
    assert_eq!(page.status, 200);
    page.has("Backups are not configured").has("[backups.store]");
}

#[tokio::test]
async fn a_run_has_a_page_of_its_own() {
    let failed = get(&format!("{RUN}01"), Scenario::Mixed).await;
    assert_eq!(failed.status, 200);
    failed
        .has("<h1>Run: <!>Dump")
        .has("Make room for 4.2 GB there, and run it again.")
        .has("7 min, usually 6 min")
        .has("pg_dump --format=custom")
        .has("&lt;answers&gt;")
        .lacks("id=\"copy-title\"");
    get(&format!("{RUN}02"), Scenario::Mixed)
        .await
        .has("id=\"copy-title\"")
        .has("No program said anything.");
    assert_eq!(get(&format!("{RUN}99"), Scenario::Mixed).await.status, 404);
}

#[tokio::test]
async fn a_copy_has_a_page_of_its_own_by_its_name_with_a_slash() {
    let list = get("/backups?condition=damaged", Scenario::Mixed).await;
    let row = list.slice("id=\"copies\"", "</section>").to_owned();
    let link = row
        .split('"')
        .find(|part| part.starts_with("/backups/copies?name="))
        .unwrap();
    assert!(link.contains("%2F"), "{link}");
    let page = get(link, Scenario::Mixed).await;
    assert_eq!(page.status, 200);
    page.has("It ends after 3.1 GB of 4.0 GB: pg_restore reads 14 of 31 tables.")
        .has("s3://skillquest-backups/prod")
        .has("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
        .in_order(&["Verifications", "damaged", "verified", "Restore drills", "failed"]);
    assert_eq!(
        get("/backups/copies?name=nope", Scenario::Mixed).await.status,
        404
    );
}
