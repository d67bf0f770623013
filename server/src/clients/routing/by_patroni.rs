//! Clients that find the leader by themselves where Patroni runs the cluster: through HAProxy or another load balancer that asks
//! Patroni, or by trying each node. Nothing is done for them.

use std::time::Duration;

use quarterdeck_domain::failover::{Holding, Routes};

use super::{ClientRouting, Work};

/// Clients on their own.
#[derive(Debug)]
pub(super) struct ByPatroni;

impl ClientRouting for ByPatroni {
    fn describe(&self) -> String {
        "what asks Patroni for the leader".to_owned()
    }

    fn by_itself(&self) -> bool {
        true
    }

    fn holds(&self) -> bool {
        false
    }

    fn read(&self) -> Work<'_, Result<Routes, String>> {
        Box::pin(async {
            Ok(Routes {
                to: Vec::new(),
                held: false,
                holding: Holding::Impossible,
            })
        })
    }

    fn hold(&self, _: Duration) -> Work<'_, Result<String, String>> {
        Box::pin(async {
            Ok(
                "Nothing holds clients back: they go on until Patroni stops the leader, and get errors until they find the new one."
                    .to_owned(),
            )
        })
    }

    fn cut(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async {
            Ok("Nothing was cut off: clients try the old leader until they find the new one.".to_owned())
        })
    }

    fn point_to<'a>(&'a self, _: &'a str, _: u16) -> Work<'a, Result<String, String>> {
        Box::pin(async { Ok("Clients find the new leader by themselves.".to_owned()) })
    }

    fn release(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async { Ok("Clients were not held back.".to_owned()) })
    }
}
