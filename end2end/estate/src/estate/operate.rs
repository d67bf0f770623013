//! What somebody asks of a node: stop, kill, start, fence, rejoin.

use super::{Inner, state};
use crate::error::PartError;
use crate::node::{NodeCommand, NodeName, NodeState};

impl Inner {
    /// Does something to a node, and returns what it is then. One thing at a time is done to each.
    pub(super) fn operate(&self, name: NodeName, command: NodeCommand) -> Result<NodeState, PartError> {
        let node = self.pair.node(name);
        let outcome = match command {
            NodeCommand::Status => return Ok(node.state()),
            NodeCommand::Rejoin => self.pair.rejoin(name),
            NodeCommand::Stop => {
                let _work = node.work();
                self.pair.stop_node(node);
                Ok(())
            }
            NodeCommand::Kill => {
                let _work = node.work();
                node.kill();
                Ok(())
            }
            NodeCommand::Fence => {
                let _work = node.work();
                node.fence();
                Ok(())
            }
            NodeCommand::Start => {
                let _work = node.work();
                node.start()
            }
        };
        // Also after a failure: what runs may be another process than before.
        self.register.note(node.postgres.recipe(), node.postgres.pid())?;
        state::write(self)?;
        outcome.map(|()| node.state())
    }
}
