//! One estate from start to stop. Starting one takes seconds and its faults change it as a whole, so it is one test
//! with steps, in an order, and not many that would have to take turns.
#![allow(clippy::unwrap_used, reason = "what can't go on fails the test")]

mod faults;
mod healthy;
mod nodes;
#[path = "../support"]
mod support {
    pub mod answers;
    pub mod eventually;
}

use std::time::{Duration, Instant};

use quarterdeck_estate::scratch::Scratch;
use quarterdeck_estate::{Estate, EstateConfig};
use support::answers::Queries;

#[test]
fn an_estate_from_start_to_stop() {
    let scratch = Scratch::private("estate").unwrap();
    let mut config = EstateConfig::new(scratch.path());
    // A rule set that other work changes would make this test fail for reasons of its own.
    config.rules_dir = scratch.path().join("no-rules");
    let estate = Estate::start(config.clone()).unwrap();
    let queries = Queries::new(estate.prometheus_url());

    healthy::databases_are_as_described(&estate);
    healthy::the_control_role_may_what_a_switchover_takes(&estate);
    healthy::redis_persists_as_the_handbook_says(&estate);
    healthy::wal_is_archived_and_never_overwritten(&estate);
    healthy::every_series_of_the_contract_is_there(&queries);
    healthy::counters_begin_at_zero(&estate);
    healthy::maintenance_answers_503_to_all_but_health(&estate);
    healthy::logs_have_the_handbooks_fields_and_traces_go_on(&estate);
    healthy::all_sixteen_metrics_are_well(&queries);

    faults::faults_beside_each_other(&estate, &queries);
    faults::slow_queries(&estate, &queries);
    faults::redis_out_of_memory(&estate, &queries);
    faults::dead_primary(&estate, &queries);

    let pids = healthy::pids(&estate);
    assert!(pids.len() >= 18, "{pids:?}");
    estate.stop();
    for (name, pid) in &pids {
        assert!(
            !std::path::Path::new(&format!("/proc/{pid}")).exists(),
            "{name} still runs"
        );
    }
    assert!(!scratch.path().join("estate.json").exists());

    let begin = Instant::now();
    let estate = Estate::start(config.clone()).unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(30),
        "a second start took {:?}",
        begin.elapsed()
    );
    assert_eq!(healthy::streaming(&estate), "1");

    nodes::a_frozen_wal_sender_lets_the_standby_fall_behind(&estate);
    nodes::a_fenced_primary_stays_down_and_a_diverged_one_is_rewound(&estate);
    nodes::faults_follow_the_primary_and_mending_all_heals_the_pair(&estate);
    nodes::db_2_is_promoted_while_db_1_is_down(&estate);
    estate.stop();
    let estate = Estate::start(config.clone()).unwrap();
    nodes::db_2_is_the_primary_after_a_restart(&estate);
    nodes::an_abandoned_timeline_is_moved_aside(&estate);
    nodes::db_1_is_made_a_standby_while_it_is_down(estate);
    let estate = Estate::start(config).unwrap();
    nodes::one_of_two_standbys_is_promoted(&estate);
}
