//! `/emergency`: failing over while the console's own database is away. It needs no database and no script.

use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};
use quarterdeck_domain::{action::Params, cluster::Part};

use super::actions::{Plan, Step, mark, state_name};
use crate::{
    components::{failure::Failure, moment::Time, page::Page, text_area::TextArea},
    error::ConsoleError,
    pages::{Signed, signed},
    ports::RefusedRequest,
    view::{
        emergency::{EmergencyProposalView, EmergencyView, StoryView},
        topology::{TopologyNodeView, TopologyView},
    },
};

/// How often the page is loaded again while something is under way, seconds.
#[cfg(feature = "ssr")]
const EVERY_S: &str = "2";

struct Loaded {
    csrf: String,
    view: EmergencyView,
    topology: TopologyView,
}

/// The page.
#[component]
pub fn EmergencyPage() -> impl IntoView {
    let signed = signed();
    let query = use_query_map().get_untracked();
    let refused = use_context::<RefusedRequest>();
    view! {
        <Page title="Emergency" name="action">
            {Suspend::new(async move {
                let asked = match &refused {
                    Some(refused) => Some(refused.params.clone()),
                    None => asked(&query),
                };
                match load(signed, asked).await {
                    Ok(loaded) => view! { <Emergency loaded refused /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

/// Has the browser load the page again: without scripts, that is a header's work.
fn load_again() {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        let every = http::HeaderValue::from_static(EVERY_S);
        response.insert_header(http::header::REFRESH, every);
    }
}

/// What the address asks for: the candidate is chosen on the page itself.
fn asked(query: &ParamsMap) -> Option<Params> {
    Some(Params::Failover {
        candidate: query.get("candidate").filter(|name| !name.is_empty())?,
        accept_loss: query.get("accept_loss").as_deref() == Some("true"),
        at_most: None,
    })
}

async fn load(signed: Result<Signed, ConsoleError>, asked: Option<Params>) -> Result<Loaded, ConsoleError> {
    let Signed {
        console,
        request,
        subject,
    } = signed?;
    let view = console.emergency(&subject, asked).await?;
    Ok(Loaded {
        csrf: request.csrf_token,
        view,
        topology: console.topology(&subject).await?,
    })
}

#[component]
fn Emergency(loaded: Loaded, refused: Option<RefusedRequest>) -> impl IntoView {
    let Loaded { csrf, view, topology } = loaded;
    let under_way = view.stories.iter().any(|story| !story.state.is_over());
    if under_way {
        load_again();
    }
    let (answers, obstacle) = (view.database_answers, view.obstacle);
    let free = obstacle.is_none();
    // What is in the audit log by now comes last.
    let (recorded, present): (Vec<_>, Vec<_>) = view.stories.into_iter().partition(|story| story.merged);
    // Said where the form is, if there is one.
    let elsewhere = view.proposal.is_none();
    let problem = refused
        .as_ref()
        .filter(|_| elsewhere)
        .map(|refused| refused.problem.clone());
    view! {
        <header class="action-head" data-risk="high">
            <p class="action-kicker">"Without the console's own database"</p>
            <h1>"Emergency"</h1>
            <p class="lead">
                "When the console's own database is away nobody can be asked to agree, and no password can be checked. An approver or \
                 administrator who was signed in before can fail over all the same. What is done goes into a journal on this console's \
                 disk first, and into the audit log when the database is back; another approver reviews it then."
            </p>
        </header>
        {problem.map(|problem| view! { <p class="message" data-kind="error" role="alert">{problem}</p> })}
        {obstacle
            .map(|obstacle| {
                view! {
                    <p class="message" data-kind=if answers { "info" } else { "error" } role="status">
                        "Nothing can be begun here now: " {obstacle} "."
                    </p>
                }
            })}
        {answers
            .then(|| view! { <p><a class="button button-primary" href="/database/topology">"Open the topology page"</a></p> })}
        {stories(present)}
        {match view.proposal {
            Some(Ok(proposal)) => view! { <Proposal csrf proposal refused_form=refused /> }.into_any(),
            Some(Err(why)) => {
                view! { <p class="message" data-kind="error" role="alert">"No plan could be made: " {why} "."</p> }.into_any()
            }
            None if free => view! { <Choice topology /> }.into_any(),
            None => ().into_any(),
        }}
        {stories(recorded)}
    }
}

fn stories(stories: Vec<StoryView>) -> impl IntoView {
    stories
        .into_iter()
        .map(|story| view! { <Story story /> })
        .collect_view()
}

/// What is seen of a node, in few words.
fn seen(node: &TopologyNodeView) -> &'static str {
    match node.state.as_ref().map(|state| &state.part) {
        None => "does not answer",
        Some(Part::Standby(_)) => "a standby",
        Some(Part::Primary(_)) => "a primary already",
    }
}

/// Which node is to be the primary.
#[component]
fn Choice(topology: TopologyView) -> impl IntoView {
    let standby = |node: &TopologyNodeView| {
        let part = node.state.as_ref().map(|state| &state.part);
        matches!(part, Some(Part::Standby(_)))
    };
    let first = topology.nodes.iter().position(standby);
    let nodes = topology
        .nodes
        .into_iter()
        .enumerate()
        .map(|(index, node)| {
            let seen = seen(&node);
            view! {
                <label class="check">
                    <input type="radio" name="candidate" value=node.name.clone() checked=Some(index) == first required />
                    <span><strong>{node.name}</strong> ", " {seen}</span>
                </label>
            }
        })
        .collect_view();
    view! {
        <section class="panel" aria-labelledby="choose">
            <h2 id="choose">"Choose the new primary"</h2>
            <p class="note">{topology.headline}</p>
            <form method="get" action="/emergency" class="form emergency-choice" aria-labelledby="choose">
                <fieldset class="field">
                    <legend>"The node that becomes the primary"</legend>
                    {nodes}
                </fieldset>
                <label class="check">
                    <input type="checkbox" name="accept_loss" value="true" />
                    <span>"Accept a loss over the limit; the plan says how much it is"</span>
                </label>
                <button class="button button-primary" type="submit">"Show what would happen"</button>
                <p class="note">"Nothing happens yet."</p>
            </form>
        </section>
    }
}

#[component]
fn Proposal(
    csrf: String,
    proposal: EmergencyProposalView,
    refused_form: Option<RefusedRequest>,
) -> impl IntoView {
    let EmergencyProposalView { id, plan, refused } = proposal;
    let (reason, had_typed, problem) = refused_form
        .map(|refused| (refused.reason, refused.typed, Some(refused.problem)))
        .unwrap_or_default();
    let accepts = plan
        .params
        .get("accept_loss")
        .and_then(serde_json::Value::as_bool)
        == Some(true);
    let accepted = if accepts { "&accept_loss=true" } else { "" };
    let again = format!("/emergency?candidate={}{accepted}", plan.object);
    let object = plan.object.clone();
    let params = plan.params.to_string();
    let digest = plan.digest.clone();
    view! {
        <h2>{plan.title.clone()} ": " {object.clone()}</h2>
        <a class="action-jump" href="#decide">"To what you can do"</a>
        <div class="action-columns">
            <div class="action-main">
                <Plan plan />
            </div>
            <div class="action-side" id="decide">
                {problem.map(|problem| view! { <p class="message" data-kind="error" role="alert">{problem}</p> })}
                {match refused {
                    Some(refused) => view! {
                        <p class="message" data-kind="error" role="alert">"A gate refuses: " {refused}</p>
                        <p class="action-ways">
                            <a class="button" href=again>"Look again"</a>
                            <a class="button" href="/emergency">"Choose again"</a>
                        </p>
                        {(!reason.is_empty())
                            .then(|| view! { <p class="note">"The reason that you gave: " {reason}</p> })}
                    }
                    .into_any(),
                    None => view! {
                        <form method="post" action="/emergency" class="panel form" aria-label="Do it without the database">
                            <input type="hidden" name="csrf" value=csrf />
                            <input type="hidden" name="id" value=id />
                            <input type="hidden" name="params" value=params />
                            <input type="hidden" name="digest" value=digest />
                            <p class="note">
                                "Your session is all that says who you are: your password can't be checked now, and the record will say so."
                            </p>
                            <label class="field">
                                <span>"Reason"</span>
                                <TextArea name="reason" rows="3" required=true text=reason />
                            </label>
                            <label class="field">
                                <span>"Type " <kbd class="typed">{object}</kbd> " to confirm"</span>
                                <input
                                    type="text"
                                    name="typed"
                                    value=had_typed
                                    autocomplete="off"
                                    spellcheck="false"
                                    required
                                />
                            </label>
                            <button class="button button-glass" type="submit">"Break glass: fail over now"</button>
                        </form>
                    }
                    .into_any(),
                }}
            </div>
        </div>
    }
}

#[component]
fn Story(story: StoryView) -> impl IntoView {
    let id = format!("story-{}", story.id);
    let labelled_by = id.clone();
    let kept = if story.merged {
        let path = format!("/actions/{}", story.id);
        view! { <p class="note">"It is in the audit log, and open for review: " <a href=path>"open the action"</a></p> }.into_any()
    } else {
        view! { <p class="note">"It is in this console's journal, and goes into the audit log when the database is back."</p> }.into_any()
    };
    let state = story.state;
    view! {
        <section class="panel story" aria-labelledby=labelled_by>
            <h2 id=id>{story.title} ": " {story.object}</h2>
            <p class="action-state" data-state=state_name(state) role="status">
                <span class="action-mark" aria-hidden="true">{mark(state)}</span>
                <strong>{state.word()}</strong>
                <span class="action-explanation">{story.explanation}</span>
            </p>
            {story
                .how_to_check
                .map(|text| {
                    view! { <p class="message" data-kind="error"><strong>"How to find out: "</strong> {text}</p> }
                })}
            <p class="note">"Begun by " {story.by} ", " <Time at_ms=story.at_ms /> ": " {story.reason}</p>
            <ol class="steps">{story.steps.into_iter().map(|step| view! { <Step step /> }).collect_view()}</ol>
            {kept}
        </section>
    }
}
