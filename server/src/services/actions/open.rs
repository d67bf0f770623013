//! The actions that are open, in memory: every page shows how many there are, and none waits for the database for it.

use std::collections::HashMap;

use quarterdeck_app::view::action::ActionCountsView;
use quarterdeck_domain::{
    access::Subject,
    action::{Case, Person, State},
};
use uuid::Uuid;

use super::{
    ActionError, Actions,
    views::{cases, waiting_for},
};
use crate::db;

/// The most open actions that are looked at.
const MOST: i64 = 1000;

/// What is open, as of the last look.
#[derive(Debug, Default)]
pub(super) struct Open {
    cases: Vec<Case>,
    identities: HashMap<Uuid, String>,
}

impl Actions {
    /// Looks again at what is open.
    ///
    /// # Errors
    /// That the database is away; then what was known stays.
    pub async fn look(&self) -> Result<(), ActionError> {
        let mut connection = self.pool.acquire().await?;
        let rows = db::actions::open(&mut *connection, None, MOST).await?;
        let cases = cases(&mut connection, rows)
            .await?
            .into_iter()
            .map(|(_, case)| case)
            .collect();
        let identities = db::users::identities(&mut *connection)
            .await?
            .into_iter()
            .collect();
        self.open.store(std::sync::Arc::new(Open { cases, identities }));
        Ok(())
    }

    /// How many actions are open, and how many wait for this person; as of the last look.
    pub fn counts(&self, subject: &Subject) -> ActionCountsView {
        let open = self.open.load();
        let me = Person {
            account: subject.user_id,
            identity: open
                .identities
                .get(&subject.user_id)
                .unwrap_or(&subject.username)
                .clone(),
            name: subject.username.clone(),
        };
        let count = |which: &dyn Fn(&Case) -> bool| {
            u32::try_from(open.cases.iter().filter(|case| which(case)).count()).unwrap_or(u32::MAX)
        };
        ActionCountsView {
            requested: count(&|case| matches!(case.state, State::Requested)),
            approved: count(&|case| matches!(case.state, State::Approved { .. })),
            executing: count(&|case| matches!(case.state, State::Executing { .. })),
            to_review: count(&Case::awaits_review),
            waiting_for_me: count(&|case| waiting_for(case, subject, &me).is_some()),
        }
    }
}
