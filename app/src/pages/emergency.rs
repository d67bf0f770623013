//! `/emergency`: failing over while the console's own database is away. It needs no database and no script.

use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};
use quarterdeck_domain::action::Params;

use super::actions::Plan;
use crate::{
    components::{failure::Failure, moment::Time, page::Page},
    error::ConsoleError,
    pages::{Signed, signed},
    view::{
        action::StepView,
        emergency::{EmergencyProposalView, EmergencyView, StoryView},
        topology::TopologyView,
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
    view! {
        <Page title="Emergency" name="emergency">
            {Suspend::new(async move {
                match load(signed, &query).await {
                    Ok(loaded) => view! { <Emergency loaded /> }.into_any(),
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

async fn load(signed: Result<Signed, ConsoleError>, query: &ParamsMap) -> Result<Loaded, ConsoleError> {
    let Signed {
        console,
        request,
        subject,
    } = signed?;
    let view = console.emergency(&subject, asked(query)).await?;
    Ok(Loaded {
        csrf: request.csrf_token,
        view,
        topology: console.topology(&subject).await?,
    })
}

#[component]
fn Emergency(loaded: Loaded) -> impl IntoView {
    let Loaded { csrf, view, topology } = loaded;
    let under_way = view.stories.iter().any(|story| !story.state.is_over());
    if under_way {
        load_again();
    }
    let (answers, obstacle) = (view.database_answers, view.obstacle);
    let free = obstacle.is_none();
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
        {view
            .stories
            .into_iter()
            .map(|story| view! { <Story story /> })
            .collect_view()}
        {match view.proposal {
            Some(Ok(proposal)) => view! { <Proposal csrf proposal /> }.into_any(),
            Some(Err(why)) => {
                view! { <p class="message" data-kind="error" role="alert">"No plan could be made: " {why} "."</p> }.into_any()
            }
            None if free => view! { <Choice topology /> }.into_any(),
            None => ().into_any(),
        }}
    }
}

/// Which node is to be the primary.
#[component]
fn Choice(topology: TopologyView) -> impl IntoView {
    let nodes = topology
        .nodes
        .into_iter()
        .enumerate()
        .map(|(index, node)| {
            view! {
                <label class="check">
                    <input type="radio" name="candidate" value=node.name.clone() checked=index == 0 required />
                    <span>{node.name}</span>
                </label>
            }
        })
        .collect_view();
    view! {
        <form method="get" action="/emergency" class="panel form" aria-label="Choose the new primary">
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
    }
}

#[component]
fn Proposal(csrf: String, proposal: EmergencyProposalView) -> impl IntoView {
    let EmergencyProposalView { id, plan, refused } = proposal;
    let object = plan.object.clone();
    let params = plan.params.to_string();
    let digest = plan.digest.clone();
    view! {
        <h2>{plan.title.clone()} ": " {object.clone()}</h2>
        <div class="action-columns">
            <div class="action-main">
                <Plan plan />
            </div>
            <div class="action-side">
                {match refused {
                    Some(refused) => view! {
                        <p class="message" data-kind="error" role="alert">"A gate refuses: " {refused}</p>
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
                                <textarea name="reason" rows="3" maxlength="2000" required></textarea>
                            </label>
                            <label class="field">
                                <span>"Type " <kbd class="typed">{object}</kbd> " to confirm"</span>
                                <input type="text" name="typed" autocomplete="off" spellcheck="false" required />
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
    view! {
        <section class="panel" aria-labelledby=labelled_by data-state=story.state.word()>
            <h2 id=id>{story.title} ": " {story.object} ", " {story.state.word()}</h2>
            <p>{story.by} ", " <Time at_ms=story.at_ms /> ": " {story.reason}</p>
            {(!story.explanation.is_empty()).then(|| view! { <p>{story.explanation}</p> })}
            <ol class="gates">{story.steps.into_iter().map(|step| view! { <Step step /> }).collect_view()}</ol>
            {story.how_to_check.map(|text| view! { <p class="message" data-kind="error">{text}</p> })}
            {kept}
        </section>
    }
}

#[component]
fn Step(step: StepView) -> impl IntoView {
    let word = step.state.word();
    view! {
        <li class="gate" data-step=word>
            <span class="gate-mark" aria-hidden="true">"·"</span>
            <span class="gate-title">{step.title}</span>
            <span class="gate-word">{word}</span>
            <span class="gate-reason">{step.detail}</span>
        </li>
    }
}
