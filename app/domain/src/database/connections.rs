//! How many connections there are, of how many there can be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Backend, BackendKind, Snapshot};

/// How many clients can be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Capacity {
    /// `max_connections`.
    pub max_connections: u32,
    /// `superuser_reserved_connections`.
    pub superuser_reserved: u32,
    /// `reserved_connections`, kept for `pg_use_reserved_connections`; zero before PostgreSQL 16.
    pub reserved: u32,
}

impl Capacity {
    /// How many an ordinary role can have: what is reserved is not for it.
    #[must_use]
    pub const fn usable(self) -> u32 {
        self.max_connections
            .saturating_sub(self.superuser_reserved)
            .saturating_sub(self.reserved)
    }
}

/// A name and how many connections bear it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Count {
    /// The name; empty where there is none.
    pub name: String,
    /// How many.
    pub count: u32,
}

/// Client connections, counted in four ways; each list has the largest first, and adds up to `used`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectionCounts {
    /// How many clients are connected. WAL senders and processes of the server have places of their own and are not
    /// counted.
    pub used: u32,
    /// By what they are at.
    pub by_state: Vec<Count>,
    /// By role.
    pub by_user: Vec<Count>,
    /// By application.
    pub by_application: Vec<Count>,
    /// By address.
    pub by_address: Vec<Count>,
}

/// Counts clients' connections.
#[must_use]
pub fn count_connections(snapshot: &Snapshot) -> ConnectionCounts {
    let clients: Vec<&Backend> = snapshot
        .backends
        .iter()
        .filter(|b| b.kind == BackendKind::Client)
        .collect();
    let by = |name: fn(&Backend) -> String| {
        let mut counts = BTreeMap::<String, u32>::new();
        for client in &clients {
            *counts.entry(name(client)).or_default() += 1;
        }
        let mut list: Vec<Count> = counts
            .into_iter()
            .map(|(name, count)| Count { name, count })
            .collect();
        // Stable: names stay in order among equals.
        list.sort_by_key(|c| std::cmp::Reverse(c.count));
        list
    };
    ConnectionCounts {
        used: u32::try_from(clients.len()).unwrap_or(u32::MAX),
        by_state: by(|b| b.state.as_str().to_owned()),
        by_user: by(|b| b.user.clone().unwrap_or_default()),
        by_application: by(|b| b.application.clone()),
        by_address: by(|b| b.address.map(|a| a.to_string()).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::backend::tests::{NOW, client},
        *,
    };

    #[test]
    fn what_is_reserved_is_not_usable() {
        let capacity = |max_connections, superuser_reserved, reserved| {
            Capacity {
                max_connections,
                superuser_reserved,
                reserved,
            }
            .usable()
        };
        assert_eq!(capacity(100, 3, 0), 97);
        assert_eq!(capacity(100, 3, 5), 92);
        assert_eq!(capacity(2, 3, 5), 0);
    }

    #[test]
    fn each_way_of_counting_adds_up() {
        let mut walsender = client(9, 0);
        walsender.kind = BackendKind::WalSender;
        let mut local = client(3, 0);
        (local.address, local.application) = (None, "psql".into());
        let snapshot = Snapshot {
            at: NOW,
            backends: vec![local, client(1, 0), walsender, client(2, 0)],
        };
        let counts = count_connections(&snapshot);
        assert_eq!(counts.used, 3);
        let count = |name: &str, count| Count {
            name: name.into(),
            count,
        };
        assert_eq!(counts.by_application, [count("api", 2), count("psql", 1)]);
        assert_eq!(counts.by_address, [count("10.0.0.7", 2), count("", 1)]);
        for list in [
            &counts.by_state,
            &counts.by_user,
            &counts.by_application,
            &counts.by_address,
        ] {
            assert_eq!(list.iter().map(|c| c.count).sum::<u32>(), counts.used);
        }
    }
}
