//! Whether PostgreSQL's own tools are there, and new enough for the watched servers.

use std::time::Duration;

use tokio::{process::Command, time::timeout};

use super::Finding;

const AREA: &str = "Tools";

/// `server` is the newest major version among the watched servers.
pub(super) async fn check(server: Option<i32>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for tool in ["psql", "pg_dump", "pg_basebackup"] {
        findings.push(judge(tool, version(tool).await, server));
    }
    findings
}

/// What the tool says of its version; `None` when it is not there or says nothing.
async fn version(tool: &str) -> Option<String> {
    let output = Command::new(tool).arg("--version").kill_on_drop(true).output();
    let output = timeout(Duration::from_secs(5), output).await.ok()?.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn judge(tool: &'static str, version: Option<String>, server: Option<i32>) -> Finding {
    let mend = "Install PostgreSQL's client programs of the servers' version, or a later one (Debian: postgresql-client).";
    let Some(version) = version else {
        return Finding::warn(
            AREA,
            tool,
            "is not on the PATH: the runbooks' commands need it",
            mend,
        );
    };
    match (major_of(&version), server) {
        (Some(tool_major), Some(server)) if tool_major < server => Finding::warn(
            AREA,
            tool,
            format!("{version} is older than the watched servers ({server})"),
            mend,
        ),
        (_, _) => Finding::ok(AREA, tool, version),
    }
}

/// `pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` -> 15.
fn major_of(version: &str) -> Option<i32> {
    let (_, number) = version.split_once("(PostgreSQL) ")?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{super::Outcome, *};

    #[test]
    fn a_tool_older_than_the_server_is_warned_about() {
        let installed = || Some("pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)".to_owned());
        let warned =
            |version, server| matches!(judge("pg_dump", version, server).outcome, Outcome::Warn { .. });
        assert!(!warned(installed(), Some(15)));
        assert!(warned(installed(), Some(16)));
        assert!(!warned(installed(), None));
        assert!(warned(None, Some(15)));
        assert_eq!(major_of("psql (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("something else"), None);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_has_no_version() {
        assert_eq!(version("quarterdeck-no-such-program").await, None);
        assert_eq!(version("false").await, None);
    }
}
