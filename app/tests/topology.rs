//! The page of the watched cluster's topology, rendered with a fake console.

#![cfg(feature = "ssr")]
#![allow(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod fake;
mod rendered;

use fake::Scenario;
use rendered::get;

const PATH: &str = "/database/topology";

#[tokio::test]
async fn who_takes_writes_and_how_far_each_is_stands_there() {
    let page = get(PATH, Scenario::Calm).await;
    assert_eq!(page.status, 200);
    page.has("data-verdict=\"healthy\"")
        .has("primary takes writes, and every standby streams from it.")
        .has("16/B374D848")
        .has("0 B to receive, 0 B to replay")
        .has("40 ms ago")
        .has("10.20.0.21:5432, slot standby_1 (streaming)")
        .has("streaming, async")
        .has("stored 0000000100000016000000B2 42 s ago");
}

#[tokio::test]
async fn a_standby_that_hears_nothing_is_named() {
    let page = get(PATH, Scenario::Mixed).await;
    page.has("data-verdict=\"degraded\"")
        .has("standby has heard nothing from its primary for 64 s")
        .has("6.5 kB to receive");
}

#[tokio::test]
async fn a_lost_primary_is_told_from_a_split_cluster() {
    let page = get(PATH, Scenario::Blind).await;
    page.has("data-verdict=\"no_primary\"")
        .has("No node takes writes.")
        .has("primary does not answer within 3000 ms.")
        .has("not known: no primary to hold it against");
    let page = get(PATH, Scenario::Storm).await;
    page.has("data-verdict=\"split_brain\"")
        .has("primary and standby take writes at once");
}

#[tokio::test]
async fn an_order_to_fence_says_whether_the_other_is_promoted_yet() {
    let page = get(PATH, Scenario::Blind).await;
    page.has("is to take no writes once standby is the primary: ")
        .lacks("is the primary since");
    get(PATH, Scenario::Storm)
        .await
        .has(" takes no writes: ")
        .has("is the primary since");
}

#[tokio::test]
async fn a_split_brain_is_on_every_page() {
    for path in ["/", PATH] {
        get(path, Scenario::Storm)
            .await
            .has("Split brain: primary and standby take writes at once");
        get(path, Scenario::Calm).await.lacks("Split brain:");
    }
}

#[tokio::test]
async fn without_nodes_it_says_how_to_get_them() {
    get(PATH, Scenario::Fresh)
        .await
        .has("No node is configured.")
        .has("[[postgres]]");
}
