//! Long-running work beside the requests.

pub mod leadership;
pub mod poller;
pub mod relay;
