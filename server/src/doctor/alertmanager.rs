//! Whether Alertmanager can say what is silenced.

use super::Finding;
use crate::{clients::AlertmanagerClient, config::http_source::HttpSourceConfig};

const AREA: &str = "Alertmanager";

pub(super) async fn check(config: Option<&HttpSourceConfig>) -> Vec<Finding> {
    let Some(config) = config else {
        let seen =
            "there is no [alertmanager] section: silences are not known, and what fires is shown as firing";
        return vec![Finding::warn(
            AREA,
            "configured",
            seen,
            "Add one if you run an Alertmanager.",
        )];
    };
    let client = match AlertmanagerClient::new(config) {
        Ok(client) => client,
        Err(error) => {
            return vec![Finding::fail(
                AREA,
                "can be asked",
                error.to_string(),
                "Correct the [alertmanager] section.",
            )];
        }
    };
    let answers = match client.ready().await {
        Ok(()) => match client.alerts().await {
            Ok(alerts) => Finding::ok(AREA, "answers", format!("it holds {} alerts", alerts.len())),
            Err(error) => Finding::fail(
                AREA,
                "answers",
                error.to_string(),
                "Check [alertmanager] url; version 0.16 or later is needed.",
            ),
        },
        Err(error) => Finding::fail(
            AREA,
            "answers",
            error.to_string(),
            "Start it, or correct [alertmanager] url.",
        ),
    };
    vec![answers]
}
