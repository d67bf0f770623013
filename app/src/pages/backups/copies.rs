//! What is kept: the copies, filtered by the address, a page at a time.

use leptos::prelude::*;
use quarterdeck_domain::backup::Method;

use super::{
    asked::{Asked, CONDITIONS, PAGE},
    map::CopyLink,
    marks::{Mark, of_copy},
};
use crate::{
    components::{moment::Time, size::bytes},
    view::backup::CopyView,
};

/// How a size differs from that of the copy before.
pub(super) fn growth(percent: Option<i64>) -> String {
    match percent {
        None => "–".to_owned(),
        Some(0) => "0 %".to_owned(),
        Some(percent) if percent < 0 => format!("−{} %", percent.unsigned_abs()),
        Some(percent) => format!("+{percent} %"),
    }
}

/// Growth that somebody should look at: much less than before is a copy that lacks something.
const SHRUNK_PERCENT: i64 = -20;

/// What is kept.
#[component]
pub(super) fn Copies(
    copies: Vec<CopyView>,
    left_out: usize,
    others: Vec<String>,
    asked: Asked,
) -> impl IntoView {
    let all = copies.len();
    let fitting: Vec<CopyView> = copies.into_iter().filter(|copy| asked.fits(copy)).collect();
    let found = fitting.len();
    let pages = found.div_ceil(PAGE).max(1);
    let page = asked.page.min(pages - 1);
    let first = page * PAGE;
    let rows: Vec<_> = fitting
        .into_iter()
        .skip(first)
        .take(PAGE)
        .map(|copy| view! { <Row copy /> })
        .collect();
    let shown = match rows.len() {
        0 => String::new(),
        n => format!("{} to {} of {found}", first + 1, first + n),
    };
    let empty = match (all, asked.is_everything()) {
        (0, _) => Some(
            "No copy is kept yet. Each dump, base backup and snapshot appears here once it is stored whole: its size, whether it was \
             verified, and who pinned it.",
        ),
        (_, false) if found == 0 => Some("No copy fits this filter."),
        (_, true | false) => None,
    };
    let to_page = |page: usize, word: &'static str, rel: &'static str| {
        let href = Asked {
            page,
            ..asked.clone()
        }
        .href("#copies");
        view! { <a class="button" rel=rel href=href>{word}</a> }
    };
    let newer = (page > 0).then(|| to_page(page - 1, "Newer", "prev"));
    let older = (page + 1 < pages).then(|| to_page(page + 1, "Older", "next"));
    view! {
        <section class="panel backup-copies" id="copies" aria-labelledby="copies-title">
            <h2>
                <span id="copies-title">"Copies"</span>
                <span class="panel-count">{shown}</span>
            </h2>
            {(all > 0).then(|| view! { <FilterForm asked=asked.clone() /> })}
            {match empty {
                Some(words) => view! { <p class="empty">{words}</p> }.into_any(),
                None => view! {
                    <div class="table-frame" role="group" aria-label="Copies" tabindex="0">
                        <table class="table table-cards">
                            <thead>
                                <tr>
                                    <th scope="col">"Copy"</th>
                                    <th scope="col">"Leads back to"</th>
                                    <th scope="col">"Condition"</th>
                                    <th scope="col">"Verified"</th>
                                    <th scope="col" class="figure">"Size"</th>
                                    <th scope="col" class="figure">"Growth"</th>
                                    <th scope="col">"Pinned"</th>
                                </tr>
                            </thead>
                            <tbody>{rows}</tbody>
                        </table>
                    </div>
                }
                    .into_any(),
            }}
            <nav class="audit-pages" aria-label="Pages of the copies">{newer} {older}</nav>
            {(left_out > 0)
                .then(|| view! { <p class="note">{format!("{left_out} older copies are kept that are not listed here.")}</p> })}
            {(!others.is_empty())
                .then(|| {
                    view! {
                        <details class="backup-others">
                            <summary>{format!("{} files in the store belong to no backup", others.len())}</summary>
                            <ul>
                                {others.into_iter().map(|file| view! { <li><code>{file}</code></li> }).collect_view()}
                            </ul>
                        </details>
                    }
                })}
        </section>
    }
}

#[component]
fn FilterForm(asked: Asked) -> impl IntoView {
    let methods = Method::ALL
        .into_iter()
        .filter(|method| *method != Method::Wal)
        .map(|method| {
            view! { <option value=method.key() selected=asked.method == Some(method)>{method.label()}</option> }
        })
        .collect_view();
    let conditions = CONDITIONS.map(|(key, word)| {
        view! { <option value=key selected=asked.condition == Some(key)>{word}</option> }
    });
    let clear = Asked {
        window: asked.window,
        ..Asked::default()
    }
    .href("#copies");
    view! {
        <form class="backup-filter" method="get" action="/backups#copies" role="search" aria-label="Filter the copies">
            <input type="hidden" name="window" value=asked.window.key() />
            <label class="field">
                <span>"Method"</span>
                <select name="method">
                    <option value="">"any"</option>
                    {methods}
                </select>
            </label>
            <label class="field">
                <span>"Condition"</span>
                <select name="condition">
                    <option value="">"any"</option>
                    {conditions.collect_view()}
                </select>
            </label>
            <label class="check">
                <input type="checkbox" name="pinned" value="yes" checked=asked.pinned />
                "Pinned"
            </label>
            <button class="button" type="submit">"Filter"</button>
            {(!asked.is_everything()).then(|| view! { <a class="button" href=clear>"Show all"</a> })}
        </form>
    }
}

#[component]
fn Row(copy: CopyView) -> impl IntoView {
    let shrunk = copy
        .growth_percent
        .is_some_and(|percent| percent <= SHRUNK_PERCENT);
    let damage = copy
        .damage
        .map(|damage| view! { <p class="backup-error">{damage}</p> });
    let pinned = copy
        .pinned
        .map(|(by, reason)| view! { <span aria-hidden="true">"⚑ "</span> {reason} <span class="note">{format!(", {by}")}</span> }.into_any());
    view! {
        <tr>
            <th scope="row"><CopyLink name=copy.name /> {damage}</th>
            <td data-label="Leads back to"><Time at_ms=copy.instant_ms /></td>
            <td data-label="Condition"><Mark look=of_copy(&copy.condition) /></td>
            <td data-label="Verified">
                {match copy.verified_at_ms {
                    Some(at_ms) => view! { <Time at_ms /> }.into_any(),
                    None => "never".into_any(),
                }}
            </td>
            <td data-label="Size" class="figure">{bytes(copy.bytes)}</td>
            <td data-label="Growth" class="figure">
                {if shrunk {
                    view! {
                        <span class="backup-mark" data-band="degraded">
                            <span aria-hidden="true">"▼"</span>
                            <span>{growth(copy.growth_percent)}</span>
                            <span class="hidden">", much smaller than the one before"</span>
                        </span>
                    }
                        .into_any()
                } else {
                    growth(copy.growth_percent).into_any()
                }}
            </td>
            <td data-label="Pinned">{pinned.unwrap_or_else(|| "–".into_any())}</td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_has_its_sign() {
        assert_eq!(
            [None, Some(0), Some(3), Some(-38)].map(growth),
            ["–", "0 %", "+3 %", "−38 %"]
        );
    }
}
