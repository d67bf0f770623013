//! The estate's ports.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::PartError;
use crate::port;

macro_rules! ports {
    ($($(#[$doc:meta])* $field:ident $name:literal),+ $(,)?) => {
        /// A port on 127.0.0.1 for everything that listens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Ports {
            $($(#[$doc])* pub $field: u16),+
        }

        impl Ports {
            /// One after the other, beginning with `base`.
            ///
            /// # Errors
            /// When they would go past 65535.
            pub fn from_base(base: u16) -> Result<Self, PartError> {
                let mut ports = base..=u16::MAX;
                let mut next = || {
                    ports.next().ok_or_else(|| PartError::Unexpected {
                        part: "ports".into(),
                        message: format!("there are not enough ports after the base port {base}"),
                    })
                };
                Ok(Self { $($field: next()?),+ })
            }

            /// Any that are free.
            ///
            /// # Errors
            /// When there are not enough.
            pub fn free() -> Result<Self, PartError> {
                Ok(Self { $($field: port::free()?),+ })
            }

            /// Each with the name of the part that uses it.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u16)> {
                vec![$(($name, self.$field)),+]
            }
        }
    };
}

ports! {
    /// PostgreSQL, node db-1.
    db_1 "postgres-db-1",
    /// PostgreSQL, node db-2.
    db_2 "postgres-db-2",
    /// PgBouncer before the primary.
    pgbouncer "pgbouncer",
    /// SkillQuest's Redis.
    redis "redis",
    /// Prometheus.
    prometheus "prometheus",
    /// Alertmanager.
    alertmanager "alertmanager",
    /// node_exporter.
    node_exporter "node-exporter",
    /// postgres_exporter of db-1.
    exporter_db_1 "postgres-exporter-db-1",
    /// postgres_exporter of db-2.
    exporter_db_2 "postgres-exporter-db-2",
    /// redis_exporter.
    redis_exporter "redis-exporter",
    /// First API process.
    api_0 "skillquest-api-0",
    /// Second API process.
    api_1 "skillquest-api-1",
    /// Switch of the first API process.
    api_0_admin "skillquest-api-0-admin",
    /// Switch of the second API process.
    api_1_admin "skillquest-api-1-admin",
    /// AI service.
    ai "skillquest-ai-0",
    /// The simulated AI provider.
    upstream "simulated-upstream",
    /// The stand-in for cAdvisor and kube-state-metrics.
    kubelet "kubelet-stand-in",
    /// The console's own PostgreSQL.
    console_db "console-db",
    /// The console's own Redis.
    console_redis "console-redis",
}

impl Ports {
    /// Sees that all are free, giving what is just ending up to `patience`.
    pub(crate) fn check(&self, patience: Duration) -> Result<(), PartError> {
        let begin = Instant::now();
        loop {
            let Some((part, port)) = self.named().into_iter().find(|(_, port)| !port::is_free(*port)) else {
                return Ok(());
            };
            if begin.elapsed() >= patience {
                return Err(PartError::PortTaken {
                    port,
                    part: part.into(),
                    holder: port::holder(port),
                });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
