//! Switchover and failover as a whole console does them, on a real primary with a real standby behind a real PgBouncer, and where
//! Patroni does them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "each test binary uses its part of the shared support")]
#[path = "support/database.rs"]
mod database;
#[expect(dead_code, reason = "each test binary uses its part of the shared support")]
#[path = "support/deck.rs"]
mod deck;

#[path = "support/lying_prometheus.rs"]
mod lying_prometheus;

#[path = "failover/accepted_loss.rs"]
mod accepted_loss;
#[path = "failover/by_patroni.rs"]
mod by_patroni;
#[path = "failover/console.rs"]
mod console;
#[path = "failover/cutting.rs"]
mod cutting;
#[path = "failover/fake_endpoints.rs"]
mod fake_endpoints;
#[path = "failover/fences.rs"]
mod fences;
#[path = "failover/gone.rs"]
mod gone;
#[path = "failover/held.rs"]
mod held;
#[path = "failover/killed.rs"]
mod killed;
#[path = "failover/kubernetes.rs"]
mod kubernetes;
#[path = "failover/led.rs"]
mod led;
#[path = "failover/one_at_a_time.rs"]
mod one_at_a_time;
#[path = "failover/own_database.rs"]
mod own_database;
#[path = "failover/pair.rs"]
mod pair;
#[path = "failover/planned.rs"]
mod planned;
#[path = "failover/split.rs"]
mod split;
#[path = "failover/synchronous.rs"]
mod synchronous;
#[path = "failover/third.rs"]
mod third;
#[path = "failover/without_database.rs"]
mod without_database;
#[path = "failover/writer.rs"]
mod writer;
