//! `/database/topology`: the nodes of the watched cluster, who streams from whom, and how far each is.

use leptos::prelude::*;
use quarterdeck_domain::cluster::{
    Archiver, Follower, NodeState, Part, PrimaryState, Receiver, Slot, StandbyState,
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
    view::topology::{BehindView, TopologyNodeView, TopologyView},
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
                    Ok(view) => view! { <Topology view /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(signed: Result<Signed, ConsoleError>) -> Result<TopologyView, ConsoleError> {
    let Signed { console, subject, .. } = signed?;
    console.topology(&subject).await
}

#[component]
fn Topology(view: TopologyView) -> impl IntoView {
    let (verdict, band) = (view.verdict.as_str(), view.verdict.band());
    let none = view.nodes.is_empty();
    let nodes = view
        .nodes
        .into_iter()
        .map(|node| view! { <Node node /> })
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
        <RefreshParts every_s=EVERY_S />
    }
}

#[component]
fn Node(node: TopologyNodeView) -> impl IntoView {
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
