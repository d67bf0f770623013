//! What can be done about backups: plain forms, each of which does one thing.

use leptos::prelude::*;
use quarterdeck_domain::{
    access::{Permission, decide},
    backup::Method,
};

use crate::{pages::Signed, view::backup::CopyView};

/// What forms need; nothing for somebody who may not make or check backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct May {
    csrf: String,
}

impl May {
    /// For who asks.
    pub(super) fn of(signed: &Signed) -> Option<Self> {
        decide(&signed.subject, Permission::RunBackups)
            .is_allowed()
            .then(|| Self {
                csrf: signed.request.csrf_token.clone(),
            })
    }
}

/// A form of one button.
#[component]
fn Button(
    may: May,
    /// Where it is sent.
    action: &'static str,
    /// Its hidden fields.
    fields: Vec<(&'static str, String)>,
    /// What stands on the button.
    word: &'static str,
    /// What a screen reader says besides.
    #[prop(into)]
    of: String,
) -> impl IntoView {
    let fields = fields
        .into_iter()
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
        .collect_view();
    view! {
        <form method="post" action=action class="backup-form">
            <input type="hidden" name="csrf" value=may.csrf />
            {fields}
            <button class="button" type="submit">
                {word}
                <span class="hidden">{format!(": {of}")}</span>
            </button>
        </form>
    }
}

/// Makes a backup now. What goes on all the time can't be made.
#[component]
pub(super) fn RunNow(may: Option<May>, method: Method) -> impl IntoView {
    let makes = !matches!(method, Method::Wal | Method::RedisAof);
    may.filter(|_| makes).map(|may| {
        let fields = vec![("method", method.key().to_owned())];
        view! { <Button may action="/backups/run" fields word="Run now" of=method.label() /> }
    })
}

/// Ends a run.
#[component]
pub(super) fn CancelRun(may: Option<May>, id: String) -> impl IntoView {
    may.map(|may| view! { <Button may action="/backups/cancel" fields=vec![("run", id)] word="Cancel" of="this run" /> })
}

/// Ends a restore drill.
#[component]
pub(super) fn CancelDrill(may: Option<May>, id: String) -> impl IntoView {
    may.map(|may| view! { <Button may action="/backups/cancel" fields=vec![("drill", id)] word="Cancel" of="this drill" /> })
}

/// Begins a restore drill of the newest backup of a method.
#[component]
pub(super) fn DrillNewest(may: Option<May>) -> impl IntoView {
    may.map(|may| {
        let of = |method: Method| vec![("method", method.key().to_owned())];
        view! {
            <div class="backup-forms">
                <Button
                    may=may.clone()
                    action="/backups/drill"
                    fields=of(Method::Base)
                    word="Drill a base backup"
                    of="restore it with the WAL since, into a cluster of its own"
                />
                <Button
                    may
                    action="/backups/drill"
                    fields=of(Method::Dump)
                    word="Drill the newest dump"
                    of="restore it into a cluster of its own"
                />
            </div>
        }
    })
}

/// What can be done with a copy.
#[component]
pub(super) fn CopyForms(may: Option<May>, copy: CopyView) -> impl IntoView {
    may.map(|may| {
        let name = copy.name.clone();
        let drill = (copy.method == Method::Dump).then(|| {
            view! {
                <Button
                    may=may.clone()
                    action="/backups/drill"
                    fields=vec![("name", name.clone())]
                    word="Drill"
                    of="restore it into a cluster of its own"
                />
            }
        });
        let pin = if copy.pinned.is_some() {
            let fields = vec![("name", name.clone()), ("act", "unpin".to_owned())];
            view! { <Button may=may.clone() action="/backups/pin" fields word="Unpin" of="it goes when it is old" /> }.into_any()
        } else {
            view! {
                <form method="post" action="/backups/pin" class="backup-form">
                    <input type="hidden" name="csrf" value=may.csrf.clone() />
                    <input type="hidden" name="name" value=name.clone() />
                    <input type="hidden" name="act" value="pin" />
                    <label class="field">
                        <span>"Keep it, because"</span>
                        <input type="text" name="reason" required maxlength="500" autocomplete="off" />
                    </label>
                    <button class="button" type="submit">"Pin"</button>
                </form>
            }
            .into_any()
        };
        view! {
            <section class="panel" aria-labelledby="do-title">
                <h2 id="do-title">"What can be done"</h2>
                <div class="backup-forms">
                    <Button may action="/backups/verify" fields=vec![("name", name)] word="Verify" of="read all of it again" />
                    {drill}
                    {pin}
                </div>
            </section>
        }
    })
}
