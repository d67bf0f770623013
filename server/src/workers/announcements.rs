//! Hears what happens to guarded actions, whichever console did it, keeps the open ones in mind, and tells those who watch
//! here.

use std::{convert::Infallible, sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio_util::sync::CancellationToken;

use crate::{
    db::{self, DbError, actions::CHANNEL},
    services::{actions::Actions, health::hub::Hub},
};

/// How long to wait before listening again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the open actions are looked at though nothing was heard: requests expire, roles change.
const ROUND: Duration = Duration::from_secs(5);

/// Listens until `stop`. While the database is away nothing can happen to an action.
pub async fn run(pool: PgPool, actions: Arc<Actions>, hub: Arc<Hub>, stop: CancellationToken) {
    loop {
        match stop.run_until_cancelled(listen(&pool, &actions, &hub)).await {
            None => return,
            Some(Ok(never)) => match never {},
            Some(Err(error)) => tracing::debug!(%error, "announcements of actions can't be heard"),
        }
        if stop
            .run_until_cancelled(tokio::time::sleep(PAUSE))
            .await
            .is_none()
        {
            return;
        }
    }
}

async fn listen(pool: &PgPool, actions: &Actions, hub: &Hub) -> Result<Infallible, DbError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    loop {
        if let Err(error) = actions.look().await {
            tracing::debug!(%error, "the open actions can't be looked at");
        }
        let Ok(heard) = tokio::time::timeout(ROUND, listener.try_recv()).await else {
            db::still_hears(&mut listener, pool).await?;
            continue;
        };
        let Some(heard) = heard? else {
            return Err(sqlx::Error::PoolClosed.into());
        };
        hub.announce_action(heard.payload());
        // One step announces itself several times: what is waiting already is told together.
        while let Some(more) = listener.next_buffered() {
            if more.payload() != heard.payload() {
                hub.announce_action(more.payload());
            }
        }
    }
}
