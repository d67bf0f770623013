//! Does what was begun while the console's own database is away, and takes the journal over when it is back.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::services::actions::Emergency;

/// How often it looks.
const ROUND: Duration = Duration::from_secs(1);

/// Works until `stop`; what is under way is done first.
pub async fn run(emergency: Arc<Emergency>, stop: CancellationToken) {
    loop {
        emergency.work().await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = emergency.rung() => {}
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}
