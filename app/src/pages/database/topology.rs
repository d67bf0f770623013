//! `/database/topology`: the nodes of the watched cluster, who streams from whom, and how far each is.

use leptos::prelude::*;
use quarterdeck_domain::{
    access::{Assurance, Permission, decide},
    action::ActionKind,
    cluster::{Archiver, Follower, NodeState, Part, PrimaryState, Receiver, Slot, StandbyState},
};

use crate::{
    components::{
        failure::Failure,
        follow::RefreshParts,
        icon::BandShape,
        moment::{Time, length},
        page::Page,
        size::bytes,
    },
    error::ConsoleError,
    pages::{Signed, signed},
    view::topology::{BehindView, ClientsView, FenceView, TopologyNodeView, TopologyView, VerdictView},
};

/// How often the page looks again, seconds.
const EVERY_S: u32 = 2;

/// The topology.
#[component]
pub fn TopologyPage() -> impl IntoView {
    let signed = signed();
    view! {
        <Page title="Database topology" name="topology">
            {Suspend::new(async move {
                match load(signed).await {
                    Ok((view, may)) => view! { <Topology view may /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

/// What the one who looks may do from here.
#[derive(Clone, Copy)]
struct May {
    /// Ask for a change of the primary.
    change: bool,
    /// Fail over without the console's own database, which is away.
    break_glass: bool,
}

async fn load(signed: Result<Signed, ConsoleError>) -> Result<(TopologyView, May), ConsoleError> {
    let Signed { console, subject, .. } = signed?;
    let view = console.topology(&subject).await?;
    // Without a way to send clients elsewhere the primary is not this console's to change.
    let may = |permission| view.clients.is_some() && decide(&subject, permission).is_allowed();
    let may = May {
        change: may(Permission::RequestAction),
        break_glass: subject.assurance == Assurance::Outage && may(Permission::BreakGlassWithoutDatabase),
    };
    Ok((view, may))
}

#[component]
fn Topology(view: TopologyView, may: May) -> impl IntoView {
    let (verdict, band) = (view.verdict.as_str(), view.verdict.band());
    let change = match view.verdict {
        VerdictView::Healthy | VerdictView::Degraded if may.change => Some(ActionKind::Switchover),
        VerdictView::NoPrimary if may.change => Some(ActionKind::Failover),
        _ => None,
    };
    let none = view.nodes.is_empty();
    let nodes = view
        .nodes
        .into_iter()
        .map(|node| view! { <Node node change /> })
        .collect_view();
    view! {
        <header class="database-head">
            <div>
                <h1>"Database topology"</h1>
                <p class="lead">"Who takes writes, who follows, and how far each is."</p>
            </div>
            <a class="button" href="/database">"Sessions"</a>
        </header>
        <div class="topology-verdict" id="verdict" data-live="part" data-band=band.as_str() data-verdict=verdict>
            <p>
                <BandShape band />
                <strong>{view.headline}</strong>
            </p>
            {(!view.why.is_empty())
                .then(|| view! { <ul>{view.why.into_iter().map(|why| view! { <li>{why}</li> }).collect_view()}</ul> })}
            <p class="note">"Looked at " <Time at_ms=view.read_at_ms /></p>
            {may.break_glass
                .then(|| {
                    view! {
                        <p>
                            <a class="button button-danger" href="/emergency">"The console's own database is away: emergency"</a>
                        </p>
                    }
                })}
        </div>
        <div class="topology-nodes" id="nodes" data-live="part">
            {nodes}
            {none
                .then(|| {
                    view! {
                        <p class="empty">
                            "No node is configured. Add a [[postgres]] entry for each to the configuration, and they appear here with \
                            role, timeline, position and lag."
                        </p>
                    }
                })}
        </div>
        <div id="clients" data-live="part">
            {view.clients.map(|clients| view! { <Clients clients /> })}
        </div>
        <div id="fences" data-live="part">
            {(!view.fences.is_empty()).then(|| view! { <Fences fences=view.fences /> })}
        </div>
        <RefreshParts every_s=EVERY_S />
    }
}

/// Where clients are sent.
#[component]
fn Clients(clients: ClientsView) -> impl IntoView {
    let nowhere = clients.to.is_empty();
    let rows = clients.to.into_iter().map(|to| {
        let node = to.node.unwrap_or_else(|| "none of the nodes above".to_owned());
        view! {
            <tr>
                <th scope="row">{to.name}</th>
                <td>{node}</td>
                <td>{to.address}</td>
            </tr>
        }
    });
    view! {
        <section class="panel topology-clients" aria-labelledby="clients-head">
            <h2 id="clients-head">"Clients"</h2>
            <p class="note">"Sent to the primary by " {clients.by}</p>
            {clients
                .held
                .then(|| {
                    view! {
                        <p class="topology-fault">
                            "Clients are held back: who begins something waits until somebody lets them go on."
                        </p>
                    }
                })}
            {match clients.trouble {
                Some(trouble) => view! { <p class="topology-fault">{trouble}</p> }.into_any(),
                None if nowhere => view! {
                    <p class="note">"Nothing is configured here that could tell where they are sent."</p>
                }
                .into_any(),
                None => view! {
                    <div class="table-frame" role="group" aria-label="Clients" tabindex="0">
                        <table class="table">
                            <thead>
                                <tr>
                                    <th scope="col">"Database"</th>
                                    <th scope="col">"Sent to"</th>
                                    <th scope="col">"Address"</th>
                                </tr>
                            </thead>
                            <tbody>{rows.collect_view()}</tbody>
                        </table>
                    </div>
                }
                .into_any(),
            }}
        </section>
    }
}

/// Nodes that were the primary.
#[component]
fn Fences(fences: Vec<FenceView>) -> impl IntoView {
    let items = fences.into_iter().map(|fence| {
        if !fence.promoted {
            return view! {
                <li>
                    <strong>{fence.node}</strong>
                    {format!(" is to take no writes once {} is the primary: ", fence.primary)}
                    <a href=format!("/actions/{}", fence.action)>"action " {fence.number}</a>
                    " is about to promote that, since "
                    <Time at_ms=fence.since_ms />
                    "."
                </li>
            }
            .into_any();
        }
        let came_back = match fence.enforced_at_ms {
            Some(at_ms) => view! { " It came back at " <Time at_ms /> " and was made read-only." }.into_any(),
            None => ().into_any(),
        };
        let lost = match (fence.lost_bytes, fence.lost_transactions) {
            (_, Some(count)) => format!(
                " {count} transactions were committed there that {} lacks.",
                fence.primary
            ),
            (Some(size), None) => format!(
                " It has {} of WAL that {} lacks.",
                bytes(u64::try_from(size).unwrap_or(0)),
                fence.primary
            ),
            (None, None) => " What only it has is measured when it can be read.".to_owned(),
        };
        view! {
            <li>
                <strong>{fence.node.clone()}</strong>
                " takes no writes: "
                {fence.primary}
                " is the primary since "
                <a href=format!("/actions/{}", fence.action)>"action " {fence.number}</a>
                " at "
                <Time at_ms=fence.since_ms />
                "."
                {came_back}
                {lost}
            </li>
        }
        .into_any()
    });
    view! {
        <section class="panel topology-fences" aria-labelledby="fences-head">
            <h2 id="fences-head">"Kept from taking writes"</h2>
            <ul>{items.collect_view()}</ul>
            <p class="note">"Until each is a standby again; the runbook " <a href="/runbooks/failover">"failover"</a> " says how."</p>
        </section>
    }
}

/// The way to the action that would make a node the primary.
#[component]
fn Change(kind: ActionKind, name: String) -> impl IntoView {
    // The one that may lose something looks like it.
    let (label, style) = match kind {
        ActionKind::Failover => (format!("Fail over to {name}"), "button button-danger"),
        _ => (format!("Switch over to {name}"), "button"),
    };
    view! {
        <form method="get" action="/actions/new">
            <input type="hidden" name="kind" value=kind.as_str() />
            <input type="hidden" name="candidate" value=name />
            <button class=style type="submit">{label} " …"</button>
        </form>
    }
}

#[component]
fn Node(node: TopologyNodeView, change: Option<ActionKind>) -> impl IntoView {
    let standby = matches!(
        node.state.as_ref().map(|state| &state.part),
        Some(Part::Standby(_))
    );
    let change = change.filter(|_| standby).map(|kind| (kind, node.name.clone()));
    let id = format!("node-{}", node.name);
    let labelled_by = id.clone();
    let role = match node.state.as_ref().map(|state| (&state.part, state.read_only)) {
        None => "does not answer",
        Some((Part::Primary(_), false)) => "primary",
        Some((Part::Primary(_), true)) => "primary, read-only",
        Some((Part::Standby(_), _)) => "standby",
    };
    let band = node.band;
    let behind = node.behind;
    view! {
        <section class="panel topology-node" data-band=band.as_str() aria-labelledby=labelled_by>
            <h2>
                <span id=id>{node.name}</span>
                <span class="band" data-band=band.as_str()>
                    <BandShape band />
                    <span class="band-word">{role}</span>
                </span>
            </h2>
            {node.faults.into_iter().map(|fault| view! { <p class="topology-fault">{fault}</p> }).collect_view()}
            {match node.state {
                Some(state) => view! { <State state behind /> }.into_any(),
                None => view! { <p class="note">"Nothing is known of it until it answers."</p> }.into_any(),
            }}
            {change.map(|(kind, name)| view! { <Change kind name /> })}
        </section>
    }
}

/// A name with its value.
fn fact(name: &'static str, value: impl Into<String>) -> impl IntoView {
    view! {
        <div>
            <dt>{name}</dt>
            <dd>{value.into()}</dd>
        </div>
    }
}

fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "not known".to_owned(), |value| value.to_string())
}

/// An age that may be less than a second.
fn age(ms: i64) -> String {
    match ms.max(0) {
        ms if ms < 1_000 => format!("{ms} ms"),
        ms => length(ms),
    }
}

#[component]
fn State(state: NodeState, behind: Option<BehindView>) -> impl IntoView {
    let NodeState {
        system_identifier,
        version,
        timeline,
        part,
        slots,
        archiver,
        ..
    } = state;
    let (facts, followers) = match part {
        Part::Primary(primary) => (primary_facts(&primary), Some(primary.followers)),
        Part::Standby(standby) => (standby_facts(&standby, behind), None),
    };
    view! {
        <dl class="topology-facts">
            {fact("Timeline", known(timeline))}
            {facts}
            {archiver.map(|archiver| fact("Archiver", archiver_text(&archiver)))}
            {fact("PostgreSQL", version.to_string())}
            {fact("System identifier", known(system_identifier))}
        </dl>
        {followers.map(|followers| view! { <Followers followers /> })}
        {(!slots.is_empty()).then(|| view! { <Slots slots /> })}
    }
}

fn primary_facts(primary: &PrimaryState) -> AnyView {
    let waits = if primary.synchronous_standby_names.is_empty() {
        "no standby: a failover can lose what was acknowledged".to_owned()
    } else {
        primary.synchronous_standby_names.clone()
    };
    let oldest = primary
        .oldest_transaction_ms
        .map_or_else(|| "none is open".to_owned(), age);
    view! {
        {fact("On disk up to", primary.flushed.to_string())}
        {fact("Commits wait for", waits)}
        {fact("Oldest transaction", oldest)}
        {primary.base_backup.then(|| fact("Base backup", "is being taken"))}
    }
    .into_any()
}

fn standby_facts(standby: &StandbyState, behind: Option<BehindView>) -> AnyView {
    let lag = behind.map_or_else(
        || "not known: no primary to hold it against".to_owned(),
        |behind| {
            format!(
                "{} to receive, {} to replay",
                bytes(behind.to_receive_bytes),
                bytes(behind.to_replay_bytes)
            )
        },
    );
    let (heard, from) = match &standby.receiver {
        None => ("not connected".to_owned(), None),
        Some(receiver) => (
            receiver
                .last_message_age_ms
                .map_or_else(|| "not known".to_owned(), |ms| format!("{} ago", age(ms))),
            Some(sender(receiver)),
        ),
    };
    let last = standby.last_transaction_age_ms.map(|ms| {
        fact(
            "Last transaction replayed",
            format!("{} ago (also grows while nobody writes)", age(ms)),
        )
    });
    view! {
        {fact("Behind", lag)}
        {fact("Heard of the primary", heard)}
        {from.map(|from| fact("Streams from", from))}
        {fact("Received up to", known(standby.received))}
        {fact("Replayed up to", known(standby.replayed))}
        {last}
    }
    .into_any()
}

fn sender(receiver: &Receiver) -> String {
    let host = receiver
        .sender_host
        .clone()
        .unwrap_or_else(|| "a hidden address".to_owned());
    let port = receiver
        .sender_port
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let slot = receiver
        .slot
        .as_ref()
        .map(|slot| format!(", slot {slot}"))
        .unwrap_or_default();
    format!("{host}{port}{slot} ({})", receiver.status)
}

fn archiver_text(archiver: &Archiver) -> String {
    let stored = match (&archiver.last_archived, archiver.last_archived_age_ms) {
        (Some(name), Some(ms)) => format!("stored {name} {} ago", age(ms)),
        (Some(_) | None, _) => "has stored nothing yet".to_owned(),
    };
    match (archiver.is_failing(), archiver.last_failed_age_ms) {
        (true, Some(ms)) => format!("fails, last {} ago; {stored}", age(ms)),
        (true | false, _) => stored,
    }
}

#[component]
fn Followers(followers: Vec<Follower>) -> impl IntoView {
    if followers.is_empty() {
        return view! { <p class="note">"Nobody streams from it."</p> }.into_any();
    }
    let rows = followers
        .into_iter()
        .map(|follower| {
            view! {
                <tr>
                    <th scope="row">{follower.application}</th>
                    <td>{format!("{}, {}", follower.state, follower.sync_state)}</td>
                    <td>{known(follower.replayed)}</td>
                    <td>{follower.reply_age_ms.map_or_else(|| "–".to_owned(), |ms| format!("{} ago", age(ms)))}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="table-frame" role="group" aria-label="Streams to" tabindex="0">
            <table class="table">
                <caption>"Streams to"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Standby"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Replayed"</th>
                        <th scope="col">"Last word"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn Slots(slots: Vec<Slot>) -> impl IntoView {
    let rows = slots
        .into_iter()
        .map(|slot| {
            view! {
                <tr>
                    <th scope="row">{slot.name}</th>
                    <td>{if slot.active { "in use" } else { "nobody uses it" }}</td>
                    <td>{slot.retained_bytes.map_or_else(|| "–".to_owned(), bytes)}</td>
                    <td>{slot.wal_status.unwrap_or_else(|| "–".to_owned())}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="table-frame" role="group" aria-label="Replication slots" tabindex="0">
            <table class="table">
                <caption>"Replication slots"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Slot"</th>
                        <th scope="col">"Use"</th>
                        <th scope="col">"WAL kept"</th>
                        <th scope="col">"State of it"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}
