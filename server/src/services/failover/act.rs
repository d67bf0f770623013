//! The acts: holding clients back, stopping writes, catching up, promoting, fencing, rejoining.

use std::{collections::BTreeMap, time::Duration};

use quarterdeck_domain::{
    cluster::{Lsn, NodeSight, Topology},
    failover::Loss,
};
use tokio::time::Instant;

use super::{Failover, Node};
use crate::{
    clients::{
        node_connection::NodeError,
        node_control::{Hold, WriteAttempt},
        program::{Ended, Program, last_line},
    },
    config::failover::steps::{CHECKPOINT, PROMOTION, STREAMING},
};

/// Time between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// Why an act did not come about. No text has a full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// It did not, that much is sure.
    #[error("{0}")]
    Refused(String),
    /// It is not known whether it did.
    #[error("{0}")]
    Unknown(String),
}

impl From<NodeError> for ActError {
    fn from(error: NodeError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl Failover {
    /// Writes a checkpoint on a node.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn checkpoint(&self, node: &str) -> Result<(), ActError> {
        Ok(self.node(node)?.control.checkpoint(CHECKPOINT).await?)
    }

    /// Makes a primary read-only and ends the sessions there; answers how many were ended, and how many could not be.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn stop_writes(&self, node: &str) -> Result<(i64, i64), ActError> {
        let control = &self.node(node)?.control;
        control.set_read_only(true).await?;
        let ended = control.end_sessions().await?;
        if ended.beyond_writing > 0 {
            return Err(ActError::Refused(format!(
                "{} sessions of superusers have a transaction open that writes, and can't be ended by this role; end them first",
                ended.beyond_writing
            )));
        }
        if control.try_to_write().await? == WriteAttempt::Taken {
            return Err(ActError::Refused(format!(
                "{node} still takes writes though it is read-only"
            )));
        }
        Ok((ended.ended, ended.beyond))
    }

    /// Lets a primary take writes again. Nothing changes if it does.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn allow_writes(&self, node: &str) -> Result<(), ActError> {
        Ok(self.node(node)?.control.set_read_only(false).await?)
    }

    /// Waits until the candidate has replayed everything that the primary has on disk; answers up to where.
    ///
    /// # Errors
    /// [`ActError`], with how far it came.
    pub async fn catch_up(
        &self,
        primary: &str,
        candidate: &str,
        patience: Duration,
    ) -> Result<Lsn, ActError> {
        let (primary, candidate) = (&self.node(primary)?.control, &self.node(candidate)?.control);
        let begun = Instant::now();
        // It also brings to disk what was acknowledged before it was there (synchronous_commit = off).
        primary.checkpoint(patience).await?;
        let aim = primary.flushed().await?;
        loop {
            let reached = candidate.replayed().await?;
            if reached >= Some(aim) {
                return Ok(aim);
            }
            if begun.elapsed() >= patience {
                let missing = reached.map_or(aim.bytes(), |reached| aim.since(reached));
                return Err(ActError::Refused(format!(
                    "{} still lacked {missing} bytes of WAL after {} s",
                    candidate.name(),
                    patience.as_secs()
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Keeps everybody else from promoting a node while the answer lives.
    ///
    /// # Errors
    /// [`ActError::Refused`], also when somebody else does.
    pub async fn hold(&self, candidate: &str) -> Result<Hold, ActError> {
        let hold = self.node(candidate)?.control.hold().await?;
        hold.ok_or_else(|| {
            ActError::Refused(format!(
                "another console, or another action, is about to promote {candidate}"
            ))
        })
    }

    /// Whether a node is a standby now.
    ///
    /// # Errors
    /// [`ActError`] when it can't be asked.
    pub async fn is_standby(&self, node: &str) -> Result<bool, ActError> {
        Ok(self.node(node)?.control.present().await?.in_recovery)
    }

    /// Whether a node is the very server that was started then; none where there is nothing to ask it by.
    ///
    /// # Errors
    /// [`ActError`] when it can't be asked.
    pub async fn is_server(&self, node: &str, started_at: &str) -> Result<Option<bool>, ActError> {
        let control = &self.node(node)?.control;
        if !control.is_configured() {
            return Ok(None);
        }
        Ok(Some(control.started_at().await? == started_at))
    }

    /// Promotes a standby in the session that keeps others from it, and waits until it takes writes. Answers up to where it had
    /// replayed.
    ///
    /// # Errors
    /// [`ActError::Unknown`] where the promotion was asked for and did not come about in time: it may still.
    pub async fn promote(&self, candidate: &str, hold: &mut Hold) -> Result<Option<Lsn>, ActError> {
        let control = &self.node(candidate)?.control;
        if !control.present().await?.in_recovery {
            return Err(ActError::Refused(format!("{candidate} is no standby any more")));
        }
        let asked = control.promote(hold, PROMOTION).await;
        let present = control.present().await;
        match (asked, present) {
            (_, Ok(present)) if !present.in_recovery => {
                if present.read_only {
                    // It was kept from writing when it was a primary before.
                    control.set_read_only(false).await.map_err(|error| {
                        ActError::Unknown(format!(
                            "{candidate} is promoted and is the primary, but stays read-only ({error}): run ALTER SYSTEM RESET default_transaction_read_only and SELECT pg_reload_conf() on {candidate}, and on no other node"
                        ))
                    })?;
                }
                // It keeps the figure from its recovery.
                Ok(control.replayed().await.ok().flatten())
            }
            (Err(NodeError::Refused { reason }), Ok(_)) => Err(ActError::Refused(format!(
                "{candidate} refuses to be promoted: {reason}"
            ))),
            (asked, _) => {
                let why = match asked {
                    Err(error) => format!("{candidate} {error}"),
                    Ok(true) => format!("{candidate} can't be asked what it is now"),
                    Ok(false) => format!("{candidate} is still in recovery after {} s", PROMOTION.as_secs()),
                };
                Err(ActError::Unknown(format!(
                    "it was asked to promote, and {why}; it may still become a primary"
                )))
            }
        }
    }

    /// Sends clients to a node.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn point_to(&self, node: &str) -> Result<String, ActError> {
        let (host, port) = &self.node(node)?.address;
        self.routing
            .point_to(host, *port)
            .await
            .map_err(ActError::Refused)
    }

    /// Takes a node down for good by its own program, because `primary` takes its place; nothing where it has none. Answers what
    /// the program said.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn fence(&self, node: &str, primary: &str) -> Result<Option<String>, ActError> {
        let limit = Duration::from_secs(self.config.fence_timeout_s);
        let argv = told_of(&self.node(node)?.fence, self.node(primary)?);
        self.run(&argv, limit).await
    }

    /// Makes a node a standby of `primary` by its own program, and waits until it streams; none where it has no such
    /// program.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn rejoin(&self, node: &str, primary: &str) -> Result<Option<String>, ActError> {
        let limit = Duration::from_secs(self.config.rejoin_timeout_s);
        // Until its first checkpoint a new primary's control file has the old timeline, and pg_rewind finds nothing to do.
        self.checkpoint(primary).await?;
        let argv = told_of(&self.node(node)?.rejoin, self.node(primary)?);
        let said = match self.run(&argv, limit).await? {
            None => return Ok(None),
            Some(said) => said,
        };
        if self.streams_within(node, STREAMING).await {
            return Ok(Some(said));
        }
        Err(ActError::Refused(format!(
            "the program ended well ({said}), but {node} does not stream after {} s",
            STREAMING.as_secs()
        )))
    }

    /// Waits until a node streams on the primary's timeline; answers whether it came to that.
    pub async fn streams_within(&self, node: &str, patience: Duration) -> bool {
        let begun = Instant::now();
        loop {
            let sights = self.cluster.look().await.sights;
            let streams = streams(&Topology::new(&sights), node);
            if streams || begun.elapsed() >= patience {
                return streams;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What became of the standbys besides `old` once `primary` is one: who follows it, and what to run on each that does not
    /// after `patience`. `began` is where it became the primary. None where there is no other.
    pub async fn others(
        &self,
        (old, primary): (&str, &str),
        began: Option<Lsn>,
        patience: Duration,
    ) -> Option<String> {
        let begun = Instant::now();
        loop {
            let sights = self.cluster.look().await.sights;
            let topology = Topology::new(&sights);
            let others = sights
                .iter()
                .filter(|sight| sight.name != old && sight.name != primary);
            let (following, left): (Vec<_>, Vec<_>) =
                others.partition(|sight| streams(&topology, &sight.name));
            if left.is_empty() || begun.elapsed() >= patience {
                let mut words = Vec::new();
                if !following.is_empty() {
                    let names: Vec<_> = following.iter().map(|sight| sight.name.as_str()).collect();
                    words.push(format!("{} on its timeline.", follow(&names)));
                }
                words.extend(
                    left.into_iter()
                        .map(|sight| self.follow_by_hand(sight, primary, began)),
                );
                return (!words.is_empty()).then(|| words.join(" "));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What makes a standby follow another primary, for somebody who does it by hand.
    fn follow_by_hand(&self, standby: &NodeSight, primary: &str, began: Option<Lsn>) -> String {
        let name = &standby.name;
        if self.patroni.is_some() {
            return format!(
                "{name} does not follow {primary} yet, which is Patroni's to see to: patronictl list."
            );
        }
        let Some((_, state)) = standby.standby() else {
            return match &standby.answer {
                Ok(_) => format!("{name} is no standby."),
                Err(silence) => format!("Whether {name} follows {primary} is not known: it {silence}."),
            };
        };
        let does_not =
            format!("{name} does not follow {primary}: it falls behind and could not take its part.");
        // Whoever still receives from the old primary has more than the new one began with, or will in a moment.
        let receives = state
            .receiver
            .as_ref()
            .is_some_and(|receiver| receiver.status == "streaming");
        if receives || began.is_none() || state.position() > began {
            return format!(
                "{does_not} It may have received more from the old primary than {primary} began with. {}",
                self.rewind_by_hand(name, primary, "")
            );
        }
        let (host, port) = self.own_address(primary);
        let slot = state
            .receiver
            .as_ref()
            .and_then(|receiver| receiver.slot.as_ref());
        let slot = slot.map_or_else(String::new, |slot| {
            format!(" First on {primary}: SELECT pg_create_physical_replication_slot('{slot}', true);")
        });
        format!(
            "{does_not}{slot} On {name} by psql, as a superuser: SELECT format('ALTER SYSTEM SET primary_conninfo = %L', \
             current_setting('primary_conninfo') || ' host={host} port={port}') \\gexec SELECT pg_reload_conf(); where SHOW recovery_target_timeline is \
             not latest, set it so and start it anew."
        )
    }

    /// The steps that make a node a standby of `primary` though its history may be another; `besides` is done before it is started.
    fn rewind_by_hand(&self, node: &str, primary: &str, besides: &str) -> String {
        let (host, port) = self.own_address(primary);
        format!(
            "Run CHECKPOINT on {primary}. On {node}: pg_ctl stop -m fast; pg_rewind --target-pgdata=$PGDATA --source-server='host={host} port={port} \
             dbname=postgres' --write-recovery-conf; {besides}pg_ctl start. It must then stream from {primary} (its replication slot there has to \
             exist)."
        )
    }

    fn own_address(&self, node: &str) -> (String, u16) {
        self.node(node)
            .map(|node| node.own.clone())
            .unwrap_or_else(|_| (node.to_owned(), 5432))
    }

    /// The steps that make `old` a standby of `new`, for somebody who does it by hand.
    pub fn rejoin_by_hand(&self, old: &str, new: &str) -> String {
        let besides = "remove default_transaction_read_only from postgresql.auto.conf; ";
        self.rewind_by_hand(old, new, besides)
    }

    /// Who takes writes by a real attempt: none is known to refuse that does not answer. None where there is no connection to
    /// try it by.
    ///
    /// # Errors
    /// [`ActError`] when it could not be tried.
    pub async fn refuses_writes(&self, node: &str) -> Result<Option<bool>, ActError> {
        let control = &self.node(node)?.control;
        if !control.is_configured() {
            return Ok(None);
        }
        Ok(Some(control.try_to_write().await? == WriteAttempt::Refused))
    }

    /// The timeline of a node; none if it does not say.
    pub async fn timeline(&self, node: &str) -> Option<i32> {
        let sights = self.cluster.look().await.sights;
        Topology::new(&sights).node(node)?.state()?.timeline
    }

    /// Who takes writes now, and what making `candidate` the primary in place of `old` would lose, by what this console has
    /// seen.
    pub async fn loss_now(&self, old: &str, candidate: &str) -> (Vec<String>, Loss) {
        let looked = self.cluster.look().await;
        self.note(&looked);
        let topology = Topology::new(&looked.sights);
        let writable = topology.writable().map(|sight| sight.name.clone()).collect();
        let standby = topology.node(candidate).and_then(NodeSight::standby);
        let position = standby.and_then(|(_, standby)| standby.position());
        let loss = position.map_or(Loss::Unknown, |position| {
            Loss::estimate(self.memory().of(old), position)
        });
        (writable, loss)
    }

    /// The primaries that take writes, by name.
    pub async fn writable(&self) -> Vec<String> {
        let sights = self.cluster.look().await.sights;
        let topology = Topology::new(&sights);
        topology.writable().map(|sight| sight.name.clone()).collect()
    }

    async fn run(&self, argv: &[String], limit: Duration) -> Result<Option<String>, ActError> {
        if argv.is_empty() {
            return Ok(None);
        }
        let program = Program {
            argv,
            directory: &self.config.directory,
            environment: BTreeMap::new(),
            limit,
        };
        match program.run().await {
            Ended::Well { output } => Ok(Some(last_line(&output))),
            Ended::Badly { how } => Err(ActError::Refused(how)),
            Ended::NotStarted { why } => Err(ActError::Refused(why)),
            Ended::TimedOut => Err(ActError::Unknown(format!(
                "the program was not through after {} s and was ended",
                limit.as_secs()
            ))),
        }
    }
}

/// Whether a node is a standby that streams on the primary's timeline.
fn streams(topology: &Topology<'_>, node: &str) -> bool {
    let timeline = topology.primary().and_then(|(_, state, _)| state.timeline);
    let standby = topology.node(node).and_then(NodeSight::standby);
    standby.is_some_and(|(state, standby)| {
        let receiver = standby.receiver.as_ref();
        state.timeline == timeline && receiver.is_some_and(|receiver| receiver.status == "streaming")
    })
}

/// "a follows", "a and b follow".
fn follow(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "follows" } else { "follow" };
    format!("{} {verb}", names.join(" and "))
}

/// A program's arguments with what stands for the new primary filled in.
fn told_of(argv: &[String], primary: &Node) -> Vec<String> {
    let (host, port) = &primary.own;
    argv.iter()
        .map(|word| {
            word.replace("{primary}", primary.control.name())
                .replace("{host}", host)
                .replace("{port}", &port.to_string())
        })
        .collect()
}
