//! From what is not well to the guarded actions that can help: links into the flow that plans them.

use leptos::prelude::*;
use quarterdeck_domain::action::ActionKind;

/// Where an action of a kind begins, and what the way there is called. What is meant has to be chosen first where there are
/// many: sessions, nodes.
const fn beginning(kind: ActionKind) -> (&'static str, &'static str) {
    match kind {
        ActionKind::CancelQuery | ActionKind::TerminateBackend | ActionKind::TerminateLongRunning => {
            ("/database", "Cancel queries, end sessions")
        }
        ActionKind::MaintenanceOn => ("/actions/new?kind=maintenance_on", "Switch maintenance mode on"),
        ActionKind::MaintenanceOff => ("/actions/new?kind=maintenance_off", "Switch maintenance mode off"),
        ActionKind::Switchover | ActionKind::Failover => ("/database/topology", "Change the primary"),
        ActionKind::DeleteOldBackups => ("/actions/new?kind=delete_old_backups", "Delete old backups"),
    }
}

/// The beginnings of `actions`, as far as they are among those that somebody may ask for: path and words, each path once.
pub fn remedies(actions: &[ActionKind], may: &[ActionKind]) -> Vec<(&'static str, &'static str)> {
    let mut ways: Vec<(&'static str, &'static str)> = Vec::new();
    for way in actions
        .iter()
        .filter(|kind| may.contains(kind))
        .map(|kind| beginning(*kind))
    {
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways
}

/// The links; nothing where there are none.
#[component]
pub fn Remedies(
    /// The actions that can help.
    actions: Vec<ActionKind>,
    /// Those that the person may ask for.
    may: Vec<ActionKind>,
) -> impl IntoView {
    let ways = remedies(&actions, &may);
    (!ways.is_empty()).then(|| {
        let links = ways
            .into_iter()
            .map(|(path, words)| view! { <a class="remedy" href=path>{words}</a> })
            .collect_view();
        view! { <span class="remedies">{links}</span> }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_named_once_and_only_to_those_who_may_go_it() {
        let actions = [
            ActionKind::CancelQuery,
            ActionKind::TerminateLongRunning,
            ActionKind::MaintenanceOn,
        ];
        let paths = |may: &[ActionKind]| -> Vec<_> {
            remedies(&actions, may)
                .into_iter()
                .map(|(path, _)| path)
                .collect()
        };
        assert_eq!(
            paths(ActionKind::ALL),
            ["/database", "/actions/new?kind=maintenance_on"]
        );
        assert_eq!(paths(&[ActionKind::TerminateLongRunning]), ["/database"]);
        assert!(paths(&[ActionKind::MaintenanceOff]).is_empty());
    }
}
