//! What can be made to go wrong.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A fault of the estate, with real causes and so with real effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The API's queries sleep in the database, and a report has been running for an hour.
    SlowQueries,
    /// One API answer in five is a 500.
    Errors,
    /// A client holds 93 % of the connections that the primary has for ordinary roles.
    Pool,
    /// Redis is full to its `maxmemory` and evicts nothing: writes are refused.
    RedisOom,
    /// The simulated AI provider answers 429 to four requests in five.
    #[serde(rename = "ai-429")]
    Ai429,
    /// A crowd of 5,400 holds a WebSocket each.
    Websockets,
    /// The primary has been killed.
    DeadPrimary,
    /// The process that sends WAL to the standby is stopped: the standby falls behind, and nothing there says so.
    FrozenWalSender,
    /// The WAL archive can't be written: `archive_command` fails.
    StuckArchiver,
    /// The console's own database has been killed.
    DeadConsoleDb,
}

impl Fault {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 10] = [
        Self::SlowQueries,
        Self::Errors,
        Self::Pool,
        Self::RedisOom,
        Self::Ai429,
        Self::Websockets,
        Self::DeadPrimary,
        Self::FrozenWalSender,
        Self::StuckArchiver,
        Self::DeadConsoleDb,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SlowQueries => "slow-queries",
            Self::Errors => "errors",
            Self::Pool => "pool",
            Self::RedisOom => "redis-oom",
            Self::Ai429 => "ai-429",
            Self::Websockets => "websockets",
            Self::DeadPrimary => "dead-primary",
            Self::FrozenWalSender => "frozen-wal-sender",
            Self::StuckArchiver => "stuck-archiver",
            Self::DeadConsoleDb => "dead-console-db",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|fault| fault.name() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::name).join(", ");
                format!("there is no fault \"{text}\"; known are {known}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_everywhere() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
            assert_eq!(serde_json::to_string(&fault).unwrap(), format!("\"{fault}\""));
        }
        assert!(
            "nonsense"
                .parse::<Fault>()
                .unwrap_err()
                .contains("stuck-archiver")
        );
    }
}
