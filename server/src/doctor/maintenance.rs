//! Whether maintenance mode can be switched, and be seen from outside. Nothing is switched.

use quarterdeck_domain::maintenance::{Mode, Sight, odd};

use super::Finding;
use crate::{
    clients::maintenance::{Place, Probes, driver},
    config::maintenance::MaintenanceConfig,
};

const AREA: &str = "Maintenance mode";

/// `silenced`: whether there is an Alertmanager that could silence what the 503s would fire.
pub(super) async fn check(config: Option<&MaintenanceConfig>, silenced: bool) -> Vec<Finding> {
    let Some(config) = config else {
        let seen = "there is no [maintenance] section: it can't be switched from here";
        return vec![Finding::ok(AREA, "configured", seen)];
    };
    let (driver, probes) = match (driver(config), Probes::new(config)) {
        (Ok(driver), Ok(probes)) => (driver, probes),
        (Err(error), _) => return vec![unusable(&format!("{error:#}"))],
        (_, Err(error)) => return vec![unusable(&error.to_string())],
    };
    let (places, sights) = tokio::join!(driver.read(), probes.look());
    let mut findings: Vec<_> = places
        .iter()
        .map(|place| reached(place, can_be_asked(config)))
        .collect();
    findings.extend(sights.iter().map(answered));
    findings.extend(agreeing(Mode::of(places.iter().map(|place| place.mode)), &sights));
    if !silenced && !config.silence_alerts.is_empty() {
        findings.push(Finding::warn(
            AREA,
            "silences",
            "there is no [alertmanager] section: the 503s of maintenance mode will fire alerts",
            "Add one, or set [maintenance] silence_alerts = [].",
        ));
    }
    findings
}

fn unusable(seen: &str) -> Finding {
    Finding::fail(AREA, "can be used", seen, "Correct the [maintenance] section.")
}

/// Whether the means says how it is, by its settings.
fn can_be_asked(config: &MaintenanceConfig) -> bool {
    let http = config
        .http
        .as_ref()
        .is_none_or(|http| !http.state_pointer.is_empty());
    let command = config
        .command
        .as_ref()
        .is_none_or(|command| !command.status.is_empty());
    http && command
}

fn reached(place: &Place, can_be_asked: bool) -> Finding {
    let check = place.title.clone();
    match place.mode {
        Mode::On | Mode::Off | Mode::Mixed => {
            let seen = format!("maintenance mode is {} ({})", place.mode.word(), place.value);
            Finding::ok(AREA, check, seen)
        }
        Mode::Unknown if can_be_asked => Finding::fail(
            AREA,
            check,
            place.value.as_str(),
            "Start it, or correct the [maintenance] table that switches it: it could not be switched now.",
        ),
        Mode::Unknown => Finding::warn(
            AREA,
            check,
            "it can't be asked: whether it works shows when it is used, and whether it is on only by the probes",
            "Set state_pointer or status if it has a way to tell.",
        ),
    }
}

fn answered(sight: &Sight) -> Finding {
    let check = format!("probe {}", sight.name);
    match sight.status {
        Some(_) => Finding::ok(AREA, check, format!("sees {}", sight.words())),
        None => Finding::fail(
            AREA,
            check,
            sight.words(),
            "Correct the probe's url, or start what it asks: without an answer no switch counts as done.",
        ),
    }
}

/// What the probes see, held against what the switch says.
fn agreeing(mode: Mode, sights: &[Sight]) -> Option<Finding> {
    let on = match mode {
        Mode::On => true,
        Mode::Off => false,
        Mode::Mixed | Mode::Unknown => return None,
    };
    let odd = odd(sights, on);
    if odd.is_empty() {
        return None;
    }
    let seen = format!(
        "it is {}, and from outside it is not so: {}",
        mode.word(),
        odd.join("; ")
    );
    let mend =
        "Set while_on and while_off of the probes to what the service answers, or find out why it does not.";
    Some(Finding::warn(AREA, "seen from outside", seen, mend))
}
