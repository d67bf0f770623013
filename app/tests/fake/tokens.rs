//! The fake's API tokens.

use quarterdeck_app::view::api_token::{ApiTokenView, ApiTokensView, ScopeView, TokenStateView};

use super::{FakeConsole, Scenario};

pub fn tokens(console: &FakeConsole) -> ApiTokensView {
    let token = |id: &str, name: &str, used: Option<i64>, state| ApiTokenView {
        id: id.into(),
        name: name.into(),
        prefix: "qd_Ab3xY9".into(),
        scopes: vec!["health.view".into(), "audit.view".into()],
        created_at_ms: console.now_ms - 86_400_000,
        expires_at_ms: console.now_ms + 86_400_000,
        last_used_at_ms: used,
        last_used_address: used.map(|_| "192.0.2.7".into()),
        state,
    };
    let past = console.now_ms - 3_600_000;
    let some = vec![
        token("t1", "nightly <b>report</b>", Some(past), TokenStateView::Works),
        token("t2", "old script", None, TokenStateView::Expired { at_ms: past }),
        token("t3", "lost laptop", None, TokenStateView::Revoked { at_ms: past }),
    ];
    ApiTokensView {
        new_id: "01a224a4-30a3-7eb2-91ce-c93dbad77fa0".into(),
        tokens: if console.scenario == Scenario::Fresh {
            vec![]
        } else {
            some
        },
        max_days: if console.scenario == Scenario::Blind {
            0
        } else {
            90
        },
        scopes: vec![ScopeView {
            name: "health.view".into(),
            words: "see metrics, alerts, sources and their history".into(),
        }],
    }
}
