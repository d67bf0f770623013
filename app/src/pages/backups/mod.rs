//! Backups: `/backups`, `/backups/runs/<id>` and `/backups/copies?name=…`.

mod archive;
mod asked;
mod calendar;
mod copies;
mod copy;
mod drills;
mod figures;
mod forms;
mod history;
mod map;
mod marks;
mod methods;
mod run;
mod runs;
mod verdict;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

pub use copy::CopyPage;
pub use run::RunPage;

use self::{
    archive::Archive,
    asked::Asked,
    calendar::Calendar,
    copies::Copies,
    drills::Drills,
    figures::{Rpo, Rto},
    forms::May,
    map::Map,
    methods::Methods,
    runs::{Running, Runs},
    verdict::Verdict,
};
use crate::{
    components::{failure::Failure, follow::RefreshParts, page::Page},
    error::ConsoleError,
    pages::{Signed, signed},
    view::backup::BackupsView,
};

/// Time between two looks while somebody looks, seconds.
const EVERY_S: u32 = 5;

/// What could be recovered now, and what makes it so.
#[component]
pub fn BackupsPage() -> impl IntoView {
    let signed = signed();
    let query = use_query_map().get_untracked();
    let asked = Asked::read(|name| query.get(name).filter(|value| !value.is_empty()));
    view! {
        <Page title="Backups" name="backups">
            {Suspend::new(async move {
                match load(signed).await {
                    Ok((view, may)) => view! { <Board view asked may /> }.into_any(),
                    Err(ConsoleError::NotFound(_)) => view! { <NotConfigured /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(signed: Result<Signed, ConsoleError>) -> Result<(BackupsView, Option<May>), ConsoleError> {
    let signed = signed?;
    let view = signed.console.backups(&signed.subject).await?;
    Ok((view, May::of(&signed)))
}

/// What would be here, and how to get it.
#[component]
fn NotConfigured() -> impl IntoView {
    view! {
        <section class="panel backup-nothing">
            <h1>"Backups are not configured"</h1>
            <p>
                "Here stands to which instants the watched database could be restored, how much would be lost and how long it would take: \
                measured on what is really stored, and by restores that were really done."
            </p>
            <p>
                "Add a " <code>"[backups]"</code> " section to the configuration. It says what is backed up ("
                <code>"[backups.dump]"</code> ", " <code>"[backups.base]"</code> ", " <code>"[backups.wal]"</code> ", "
                <code>"[backups.redis_rdb]"</code> ", " <code>"[backups.redis_aof]"</code> ") and where it is kept ("
                <code>"[backups.store]"</code> ", " <code>"[backups.wal_archive]"</code>
                "). quarterdeck.example.toml explains every setting; " <code>"quarterdeck doctor"</code> " says whether they work."
            </p>
        </section>
    }
}

#[component]
fn Board(view: BackupsView, asked: Asked, may: Option<May>) -> impl IntoView {
    let now_ms = view.read_at_ms;
    view! {
        <Verdict view=view.verdict read_at_ms=now_ms troubles=view.troubles />
        <Running runs=view.runs.clone() now_ms may=may.clone() />
        <Map view=view.map asked=asked.clone() />
        <div class="recovery-figures">
            <Rpo view=view.rpo now_ms />
            <Rto view=view.rto now_ms />
        </div>
        <Methods methods=view.methods asked=asked.clone() now_ms may=may.clone() />
        <div class="backup-columns">
            <Calendar rows=view.calendar />
            <Archive archive=view.archive />
        </div>
        <Runs runs=view.runs now_ms />
        <Drills drills=view.drills may />
        <Copies copies=view.copies left_out=view.copies_left_out others=view.others asked />
        <RefreshParts every_s=EVERY_S />
    }
}
