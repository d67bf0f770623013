//! What is not well, in the order in which a person should look at it.

use quarterdeck_domain::{
    alert::{AlertState, Severity},
    health::{Band, UnknownReason},
};

use crate::view::{
    estate::{AlertsView, DatabaseRole, SourceState},
    health::{OverviewView, TileView},
};

/// The name of the source that metrics come from.
const PROMETHEUS: &str = "Prometheus";

/// Something that is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Worst {
    /// How it is.
    pub band: Band,
    /// What it is.
    pub title: String,
    /// Its value, or why it is unknown.
    pub detail: String,
    /// Where more is said about it.
    pub href: String,
}

/// Everything that is not well: critical alerts that fire, then metrics by urgency, then what does not answer, then
/// other alerts that fire. An alert about a metric that is in the list already is not named twice.
pub(super) fn worst_first(view: &OverviewView) -> Vec<Worst> {
    let mut ranked: Vec<(u8, Worst)> = Vec::new();
    // One dead source makes many metrics unknown: it is named, and they are counted.
    let source_down = view
        .sources
        .iter()
        .any(|s| s.name == PROMETHEUS && s.state == SourceState::Down);
    let with_it = |t: &TileView| source_down && t.reason == Some(UnknownReason::SourceDown);
    for tile in view.tiles().filter(|t| t.band != Band::Ok && !with_it(t)) {
        ranked.push((tile.band.urgency() * 2, of_tile(tile)));
    }
    let listed = |metric: &Option<String>| {
        metric
            .as_ref()
            .is_some_and(|m| view.tiles().any(|t| t.id == *m && t.band != Band::Ok))
    };
    match &view.alerts {
        AlertsView::Known { alerts } => {
            for a in alerts
                .iter()
                .filter(|a| a.state == AlertState::Firing && !listed(&a.metric))
            {
                let (rank, band) = match a.severity {
                    Severity::Critical => (7, Band::Alert),
                    Severity::Warning => (1, Band::Degraded),
                    Severity::Info => continue,
                };
                let detail = if a.labels.is_empty() {
                    "fires".to_owned()
                } else {
                    a.labels.clone()
                };
                ranked.push((
                    rank,
                    Worst {
                        band,
                        title: a.name.clone(),
                        detail,
                        href: "#alerts".to_owned(),
                    },
                ));
            }
        }
        AlertsView::Unknown { .. } => ranked.push((
            4,
            Worst {
                band: Band::Unknown,
                title: "Alerts".to_owned(),
                detail: "what fires is not known".to_owned(),
                href: "#alerts".to_owned(),
            },
        )),
    }
    let unknown = |title: &str, href: &str| Worst {
        band: Band::Unknown,
        title: title.to_owned(),
        detail: "does not answer".to_owned(),
        href: href.to_owned(),
    };
    for node in &view.databases {
        let faulty = |band| Worst {
            band,
            title: node.name.clone(),
            detail: node
                .faults
                .first()
                .cloned()
                .unwrap_or_else(|| "takes writes beside another".to_owned()),
            href: "/database/topology".to_owned(),
        };
        match (&node.role, node.band) {
            (DatabaseRole::Unreachable { .. }, _) => ranked.push((5, unknown(&node.name, "#databases"))),
            (DatabaseRole::Primary { .. } | DatabaseRole::Standby { .. }, band @ Band::Alert) => {
                ranked.push((7, faulty(band)));
            }
            (DatabaseRole::Primary { .. } | DatabaseRole::Standby { .. }, band @ Band::Degraded) => {
                ranked.push((2, faulty(band)));
            }
            (DatabaseRole::Primary { .. } | DatabaseRole::Standby { .. }, Band::Ok | Band::Unknown) => {}
        }
    }
    let lost = view.tiles().filter(|t| with_it(t)).count();
    for source in &view.sources {
        match source.state {
            SourceState::Down if lost > 0 && source.name == PROMETHEUS => {
                let detail = format!("does not answer: {lost} metrics unknown");
                ranked.push((
                    6,
                    Worst {
                        detail,
                        ..unknown(&source.name, "#sources")
                    },
                ));
            }
            SourceState::Down => ranked.push((5, unknown(&source.name, "#sources"))),
            SourceState::Up | SourceState::Unknown | SourceState::NotConfigured => {}
        }
    }
    // Stable: within a rank the order of the page.
    ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    ranked.into_iter().map(|(_, worst)| worst).collect()
}

fn of_tile(tile: &TileView) -> Worst {
    let value = tile.value.map(|v| tile.unit.text(v));
    let detail = match tile.band {
        Band::Unknown => tile
            .reason
            .as_ref()
            .map_or_else(|| "unknown".to_owned(), ToString::to_string),
        Band::Ok | Band::Degraded | Band::Alert => match (value, &tile.member) {
            (Some(value), Some(member)) => format!("{value} on {member}"),
            (Some(value), None) => value,
            (None, _) => String::new(),
        },
    };
    Worst {
        band: tile.band,
        title: tile.title.clone(),
        detail,
        href: format!("/health/{}", tile.id),
    }
}
