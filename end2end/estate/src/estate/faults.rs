//! Switching faults on and off.
//!
//! Some are done here (Redis, the nodes, the archive), some by a process of their own (pool, WebSockets, the long
//! query), some by the services themselves, which read the names of active faults from a file.

use std::collections::BTreeMap;

use serde_json::json;

use super::server::Ready;
use super::{EstateConfig, Inner, archive, pgbouncer, services, state};
use crate::Fault;
use crate::error::PartError;
use crate::leftovers::write_atomically;
use crate::node::{NodeCommand, NodeName, NodeState};
use crate::process::{Process, lock};

/// The policy that Redis has without the fault.
pub(super) const REDIS_POLICY: &str = "volatile-lru";
/// Keys that fill Redis begin with this.
const FILL_PREFIX: &str = "fault:redis-oom:";
/// How far past the limit Redis is filled, in bytes.
const MARGIN: u64 = 512 * 1024;
/// A larger Redis, in bytes, is not filled: it is someone's remedy, and this machine's memory.
const MOST_TO_FILL: u64 = 256 * 1024 * 1024;
/// The crowd; the alert is at 5,000 and the usual traffic adds a few dozen.
const CROWD: u64 = 5_400;

/// Which faults are on, and the processes that make them.
#[derive(Debug, Default)]
pub(super) struct Active {
    faults: BTreeMap<Fault, Option<Process>>,
    filled: u64,
    /// The node that was the primary when it was killed.
    killed: Option<NodeName>,
}

impl Active {
    /// Ends what makes the faults; they stay on the list.
    pub(super) fn end_processes(&mut self) {
        for process in self.faults.values_mut() {
            drop(process.take());
        }
    }
}

/// Tells the services which faults are on.
pub(super) fn write_active(config: &EstateConfig, faults: &[Fault]) -> Result<(), PartError> {
    write_atomically(
        &config.faults_file(),
        json!({ "active": faults }).to_string().as_bytes(),
    )
}

impl Inner {
    pub(super) fn active_faults(&self) -> Vec<Fault> {
        lock(&self.faults).faults.keys().copied().collect()
    }

    pub(super) fn is_on(&self, fault: Fault) -> bool {
        lock(&self.faults).faults.contains_key(&fault)
    }

    pub(super) fn switch_on(&self, fault: Fault) -> Result<(), PartError> {
        let mut active = lock(&self.faults);
        // Again is allowed, and brings back what someone may have mended by hand.
        let process = match (fault, active.faults.remove(&fault)) {
            (_, Some(Some(process))) if process.is_running() => Some(process),
            (Fault::SlowQueries, _) => Some(self.start_fault("long-query", Vec::new())?),
            (Fault::Pool, _) => Some(self.start_fault("pool", Vec::new())?),
            (Fault::Websockets, _) => {
                self.check_open_files()?;
                let env = vec![
                    ("API_URLS", services::api_urls(&self.ports).join(",")),
                    ("SOCKETS", CROWD.to_string()),
                ];
                Some(self.start_fault("websockets", env)?)
            }
            (Fault::Errors | Fault::Ai429, _) => None,
            (Fault::RedisOom, _) => {
                self.fill_redis(&mut active.filled)?;
                None
            }
            (Fault::DeadPrimary, _) => {
                self.kill_primary(&mut active.killed)?;
                None
            }
            (Fault::FrozenWalSender, _) => {
                self.pair.freeze_wal_sender()?;
                None
            }
            (Fault::StuckArchiver, _) => {
                archive::set_writable(&self.config.dir, false)?;
                self.finish_wal_segment();
                None
            }
            (Fault::DeadConsoleDb, _) => {
                self.console_db.kill_with_backends();
                None
            }
        };
        active.faults.insert(fault, process);
        self.publish(&active)
    }

    pub(super) fn switch_off(&self, fault: Fault) -> Result<(), PartError> {
        let mut active = lock(&self.faults);
        self.mend(&mut active, fault)?;
        self.publish(&active)
    }

    pub(super) fn switch_all_off(&self) -> Result<(), PartError> {
        let mut active = lock(&self.faults);
        // The nodes first: others need a primary to be mended. Also what is not on the list is mended, as it may have
        // been broken in part.
        for fault in [Fault::DeadPrimary, Fault::FrozenWalSender] {
            drop(active.faults.remove(&fault));
        }
        active.killed = None;
        let healed = self.heal_pair();
        let order = [
            Fault::DeadConsoleDb,
            Fault::StuckArchiver,
            Fault::RedisOom,
            Fault::SlowQueries,
            Fault::Pool,
            Fault::Websockets,
            Fault::Errors,
            Fault::Ai429,
        ];
        let outcomes = order.map(|fault| self.mend(&mut active, fault));
        self.publish(&active)?;
        healed?;
        outcomes.into_iter().collect()
    }

    /// One primary, one standby that streams from it, and PgBouncer before the primary.
    fn heal_pair(&self) -> Result<(), PartError> {
        let healed = self.pair.heal();
        for node in self.pair.nodes() {
            self.register.note(node.postgres.recipe(), node.postgres.pid())?;
        }
        pgbouncer::lead_to(&self.config, &self.ports, healed?.postgres.port())
    }

    /// Kills the primary, unless the one that was killed before is down still.
    fn kill_primary(&self, killed: &mut Option<NodeName>) -> Result<(), PartError> {
        if killed.is_some_and(|name| self.pair.node(name).state() == NodeState::Down) {
            return Ok(());
        }
        let name = self.pair.primary()?.name;
        self.operate(name, NodeCommand::Kill)?;
        *killed = Some(name);
        Ok(())
    }

    /// Runs SQL on the primary; one that is down has nothing to be mended.
    fn on_primary(&self, sql: &str) {
        if let Ok(primary) = self.pair.primary() {
            let _ = primary.postgres.sql("postgres", sql);
        }
    }

    fn mend(&self, active: &mut Active, fault: Fault) -> Result<(), PartError> {
        // Dropping the process ends it.
        drop(active.faults.remove(&fault));
        match fault {
            Fault::SlowQueries => {
                // PostgreSQL doesn't notice that the client of a sleeping query is gone.
                let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'skillquest-report'";
                self.on_primary(sql);
                Ok(())
            }
            Fault::Pool | Fault::Websockets | Fault::Errors | Fault::Ai429 => Ok(()),
            Fault::RedisOom => {
                active.filled = 0;
                self.clear_redis_of_faults()
            }
            Fault::DeadPrimary => {
                // As it was, also if the other node was promoted meanwhile; but what is fenced stays down.
                match active.killed.take() {
                    Some(name) if !self.pair.node(name).is_fenced() => {
                        self.operate(name, NodeCommand::Start).map(drop)
                    }
                    Some(_) | None => Ok(()),
                }
            }
            Fault::FrozenWalSender => {
                self.pair.thaw_wal_sender();
                Ok(())
            }
            Fault::StuckArchiver => {
                archive::set_writable(&self.config.dir, true)?;
                self.finish_wal_segment();
                Ok(())
            }
            Fault::DeadConsoleDb => {
                self.console_db.start_and_wait()?;
                self.register
                    .note(self.console_db.recipe(), self.console_db.pid())
            }
        }
    }

    fn publish(&self, active: &Active) -> Result<(), PartError> {
        let faults: Vec<Fault> = active.faults.keys().copied().collect();
        write_active(&self.config, &faults)?;
        state::write(self)
    }

    fn start_fault(&self, name: &str, mut env: Vec<(&str, String)>) -> Result<Process, PartError> {
        let primary = &self.pair.primary()?.postgres;
        env.push(("PRIMARY_URL", primary.url_as("skillquest", "skillquest")));
        let script = format!("faults/{name}.js");
        let process = services::start_node(
            &self.config,
            &format!("fault-{name}"),
            &script,
            env,
            Ready::AtOnce,
        )?;
        self.register.note(process.recipe(), process.pid())?;
        Ok(process)
    }

    fn check_open_files(&self) -> Result<(), PartError> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        match limit {
            Some(limit) if limit < CROWD + 200 => Err(PartError::Unexpected {
                part: "fault websockets".into(),
                message: format!(
                    "it needs {} open files a process and the hard limit is {limit}; raise it with `ulimit -Hn`",
                    CROWD + 200
                ),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Has the archiver try at once, rather than when a segment is full.
    fn finish_wal_segment(&self) {
        // Without new WAL a switch does nothing.
        let sql = "SELECT pg_logical_emit_message(true, 'estate', 'switch'); SELECT pg_switch_wal();";
        self.on_primary(sql);
    }

    /// Fills Redis past its `maxmemory`, with nothing evicted.
    fn fill_redis(&self, filled: &mut u64) -> Result<(), PartError> {
        let mut redis = self.redis.connection().map_err(redis_error)?;
        let limit = max_memory(&mut redis).map_err(redis_error)?;
        if !(1..=MOST_TO_FILL).contains(&limit) {
            return Err(PartError::Unexpected {
                part: "fault redis-oom".into(),
                message: format!("maxmemory is {limit} bytes; it fills at most {MOST_TO_FILL}"),
            });
        }
        set(&mut redis, "maxmemory-policy", "noeviction").map_err(redis_error)?;
        // Redis refuses when it is over its limit before a command, and the buffers of clients count: filled just to
        // the limit it would take a write now and then.
        set(&mut redis, "maxmemory", &(limit + MARGIN).to_string()).map_err(redis_error)?;
        let outcome = fill(&mut redis, filled);
        set(&mut redis, "maxmemory", &limit.to_string()).map_err(redis_error)?;
        outcome.map_err(redis_error)
    }

    /// Tops Redis up while the fault is on, as other keys expire. Settings are left alone: who mends it by another
    /// policy shall see that it helped.
    pub(super) fn keep_redis_full(&self) {
        let mut active = lock(&self.faults);
        if active.faults.contains_key(&Fault::RedisOom)
            && let Ok(mut redis) = self.redis.connection()
            && max_memory(&mut redis).is_ok_and(|limit| (1..=MOST_TO_FILL).contains(&limit))
            && get(&mut redis, "maxmemory-policy").is_ok_and(|policy| policy == "noeviction")
        {
            // Redis may be restarting; the next second tries again.
            let _ = fill(&mut redis, &mut active.filled);
        }
    }

    /// Removes what the fault put into Redis; also after a start, as the append-only file keeps it.
    pub(super) fn clear_redis_of_faults(&self) -> Result<(), PartError> {
        let mut redis = self.redis.connection().map_err(redis_error)?;
        let mut cursor = 0_u64;
        let mut found = false;
        loop {
            let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
                .arg(cursor)
                .arg(&["MATCH", &format!("{FILL_PREFIX}*"), "COUNT", "500"])
                .query(&mut redis)
                .map_err(redis_error)?;
            if !keys.is_empty() {
                found = true;
                redis::cmd("UNLINK")
                    .arg(&keys)
                    .exec(&mut redis)
                    .map_err(redis_error)?;
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        set(&mut redis, "maxmemory-policy", REDIS_POLICY).map_err(redis_error)?;
        if found {
            // The file would keep the rubbish until it has doubled. Refused while a save runs; then it waits.
            let _ = redis::cmd("BGREWRITEAOF").exec(&mut redis);
        }
        Ok(())
    }
}

/// Writes ever smaller values until Redis refuses even those.
fn fill(redis: &mut redis::Connection, filled: &mut u64) -> Result<(), redis::RedisError> {
    for size in [256 * 1024, 16 * 1024, 1024] {
        let value = vec![b'x'; size];
        loop {
            match redis::cmd("SET")
                .arg(format!("{FILL_PREFIX}{filled}"))
                .arg(&value)
                .exec(redis)
            {
                Ok(()) => *filled += 1,
                Err(error) if error.code() == Some("OOM") => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn get(redis: &mut redis::Connection, setting: &str) -> Result<String, redis::RedisError> {
    let (_, value): (String, String) = redis::cmd("CONFIG").arg(&["GET", setting]).query(redis)?;
    Ok(value)
}

fn set(redis: &mut redis::Connection, setting: &str, value: &str) -> Result<(), redis::RedisError> {
    redis::cmd("CONFIG").arg(&["SET", setting, value]).exec(redis)
}

/// In bytes; 0 is no limit.
fn max_memory(redis: &mut redis::Connection) -> Result<u64, redis::RedisError> {
    Ok(get(redis, "maxmemory")?.parse().unwrap_or(0))
}

fn redis_error(error: redis::RedisError) -> PartError {
    PartError::Unexpected {
        part: "redis".into(),
        message: error.to_string(),
    }
}
