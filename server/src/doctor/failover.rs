//! Whether the primary of the watched cluster could be changed from here. Nothing is changed but the probe's row.

use quarterdeck_domain::failover::Control;
use uuid::Uuid;

use super::Finding;
use crate::{
    clients::{node_control::NodeControl, patroni::Patroni, routing, write_probe::WriteProbe},
    config::{failover::FailoverConfig, patroni::PatroniConfig, postgres::PostgresNodeConfig},
};

const AREA: &str = "Switchover and failover";

/// Findings.
pub(super) async fn check(config: Option<&FailoverConfig>, nodes: &[PostgresNodeConfig]) -> Vec<Finding> {
    let Some(config) = config else {
        let seen = "there is no [failover] section: the primary can't be changed from here";
        return vec![Finding::ok(AREA, "configured", seen)];
    };
    let mut findings = Vec::new();
    match routing::routing(config) {
        Err(error) => findings.push(Finding::fail(
            AREA,
            "clients",
            error.to_string(),
            "Correct the [failover] section.",
        )),
        Ok(routing) => findings.push(match routing.read().await {
            Ok(routes) => {
                let to: Vec<_> = routes
                    .to
                    .iter()
                    .map(|to| format!("{} to {}:{}", to.name, to.host, to.port))
                    .collect();
                let seen = if routing.by_itself() {
                    format!("clients find the primary by {}", routing.describe())
                } else {
                    format!("{} sends {}", routing.describe(), to.join(", "))
                };
                if routes.held {
                    Finding::warn(
                        AREA,
                        "clients",
                        format!("{seen}, and holds clients back"),
                        "Let them go on (RESUME).",
                    )
                } else {
                    Finding::ok(AREA, "clients", seen)
                }
            }
            Err(why) => Finding::fail(
                AREA,
                "clients",
                format!("{}: {why}", routing.describe()),
                "Correct the means in [failover], or start it.",
            ),
        }),
    }
    findings.push(match WriteProbe::new(config) {
        Err(error) => Finding::fail(AREA, "probe", error.to_string(), "Correct failover.probe_url."),
        Ok(probe) => match probe.write_and_read(Uuid::nil()).await {
            Ok((server, _)) => Finding::ok(AREA, "probe", format!("a row was written and read, by {server}")),
            Err(why) => Finding::fail(
                AREA,
                "probe",
                why,
                "Give failover.probe_url a role that owns failover.probe_table; the example configuration has the statements.",
            ),
        },
    });
    if let Some(section) = &config.patroni {
        findings.push(patroni(section).await);
    }
    for node in nodes {
        // Patroni acts on the nodes itself.
        let own = config.patroni.is_none();
        if own {
            findings.push(control(node).await);
        }
        let programs = [("fence", &node.fence), ("rejoin", &node.rejoin)];
        for (what, argv) in programs.into_iter().filter(|_| own) {
            if argv.is_empty() {
                findings.push(Finding::warn(
                    AREA,
                    format!("{}: {what}", node.name),
                    "no program is configured",
                    "Give one, or do it by hand as the runbook failover says.",
                ));
            }
        }
        if node.exporter_up.is_none() {
            findings.push(Finding::warn(
                AREA,
                format!("{}: exporter_up", node.name),
                "no query is configured: one vantage less tells whether a primary is gone",
                "Set it in its [[postgres]] section.",
            ));
        }
    }
    findings
}

async fn patroni(config: &PatroniConfig) -> Finding {
    let silent = |why: String| {
        let cure = "Start Patroni, or correct [failover.patroni].";
        Finding::fail(AREA, "patroni", why, cure)
    };
    match Patroni::new(config) {
        Err(error) => silent(error.to_string()),
        Ok(patroni) => match patroni.cluster().await {
            Err(why) => silent(why),
            Ok(cluster) => {
                let members: Vec<_> = cluster
                    .members
                    .iter()
                    .map(|member| format!("{} ({member})", member.name))
                    .collect();
                let seen = format!("its members are {}", members.join(", "));
                if cluster.paused {
                    Finding::warn(
                        AREA,
                        "patroni",
                        format!("{seen}; it is paused"),
                        "Run patronictl resume.",
                    )
                } else {
                    Finding::ok(AREA, "patroni", seen)
                }
            }
        },
    }
}

async fn control(config: &PostgresNodeConfig) -> Finding {
    let check = format!("{}: control", config.name);
    let node = match NodeControl::new(config) {
        Ok(node) => node,
        Err(error) => return Finding::fail(AREA, check, error.to_string(), "Correct its control_url."),
    };
    match node.control().await {
        Control::Sufficient => Finding::ok(AREA, check, "the role may do all that is needed"),
        Control::Missing(grants) => Finding::fail(
            AREA,
            check,
            "the role may not do all that is needed",
            format!("{}.", grants.join("; ")),
        ),
        Control::NotConfigured => Finding::fail(
            AREA,
            check,
            "it has no control_url",
            "Add one to its [[postgres]] section.",
        ),
        Control::Unreachable(why) => {
            Finding::fail(AREA, check, why, "Start the node, or correct its control_url.")
        }
    }
}
