//! Long-running work beside the requests.

pub mod announcements;
pub mod backup_watch;
pub mod backups;
pub mod cluster;
pub mod database_host;
pub mod drills;
pub mod emergency;
pub mod executor;
pub mod leadership;
pub mod maintenance;
pub mod notifier;
pub mod poller;
pub mod relay;
