//! One file a page.

pub mod account;
pub mod actions;
pub mod audit;
pub mod backups;
pub mod database;
pub mod emergency;
pub mod health;
pub mod not_found;
pub mod overview;
pub mod runbook;

use leptos::prelude::use_context;
use quarterdeck_domain::access::Subject;

use crate::{
    error::ConsoleError,
    ports::{ConsoleHandle, RequestContext},
};

/// What a page of somebody who is signed in needs; [`ConsoleError::SignedOut`] for everybody else, should the
/// server not have sent them to sign in already.
pub(crate) struct Signed {
    /// The door to the server.
    pub console: ConsoleHandle,
    /// The request.
    pub request: RequestContext,
    /// Who asks.
    pub subject: Subject,
}

/// Reads [`Signed`] from the context.
pub(crate) fn signed() -> Result<Signed, ConsoleError> {
    let (Some(console), Some(request)) = (use_context::<ConsoleHandle>(), use_context::<RequestContext>())
    else {
        return Err(ConsoleError::SignedOut);
    };
    let subject = request.subject.clone().ok_or(ConsoleError::SignedOut)?;
    Ok(Signed {
        console,
        request,
        subject,
    })
}
