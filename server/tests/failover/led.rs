//! A cluster that Patroni runs, as the console and its clients use it.

use quarterdeck::{clients::patroni::Patroni, config::patroni::PatroniConfig};
use quarterdeck_estate::parts::{PATRONI_USER, PatroniCluster, PatroniMember};

use crate::{console::Bridge, pair};

/// The cluster, with the console's roles and the clients' tables.
pub struct Led {
    pub cluster: PatroniCluster,
}

impl Led {
    pub fn start(tags_of_second: &str) -> Self {
        tokio::task::block_in_place(|| {
            let cluster = PatroniCluster::start(tags_of_second).unwrap();
            let first = &cluster.members[0];
            first.sql("postgres", "CREATE ROLE monitor LOGIN IN ROLE pg_monitor; CREATE ROLE app LOGIN; CREATE ROLE probe LOGIN").unwrap();
            first.sql("postgres", "CREATE DATABASE app OWNER app").unwrap();
            first.sql("app", pair::TABLES).unwrap();
            Self { cluster }
        })
    }

    pub fn first(&self) -> &PatroniMember {
        &self.cluster.members[0]
    }

    pub fn second(&self) -> &PatroniMember {
        &self.cluster.members[1]
    }

    /// `[failover.patroni]` with the APIs there, by port.
    fn section(ports: [u16; 2], password: &str, more: &str) -> String {
        let [first, second] = ports;
        format!(
            "members = [{{ node = 'db-1', url = 'http://127.0.0.1:{first}', name = 'pg-a' }}, {{ node = 'db-2', url = 'http://127.0.0.1:{second}', name = 'pg-b' }}]\n\
             basic_auth = {{ username = '{}', password = '{password}' }}\n{more}\n",
            PATRONI_USER.0
        )
    }

    pub fn ports(&self) -> [u16; 2] {
        [self.first().api_port(), self.second().api_port()]
    }

    /// The console's configuration without any right to act on the nodes; clients come through `address` by `routing`.
    pub fn configuration(&self, ports: [u16; 2], probe: &str, routing: &str, more: &str) -> String {
        let node = |name: &str, member: &PatroniMember| {
            format!(
                "[[postgres]]\nname = '{name}'\nurl = '{}'\n",
                member.url_as("monitor", "postgres")
            )
        };
        format!(
            "{}{}[failover]\nprobe_url = '{probe}'\n{routing}\n[failover.patroni]\n{}",
            node("db-1", self.first()),
            node("db-2", self.second()),
            Self::section(ports, PATRONI_USER.1, more)
        )
    }

    /// A console that has Patroni change the leader.
    pub async fn bridge(&self) -> Bridge {
        let probe = self.cluster.through("probe", "app");
        Bridge::start(&self.configuration(self.ports(), &probe, "", "")).await
    }

    /// Patroni alone, without a console.
    pub fn patroni(&self, password: &str) -> Patroni {
        let config: PatroniConfig = toml::from_str(&Self::section(self.ports(), password, "")).unwrap();
        Patroni::new(&config).unwrap()
    }
}
