//! The command palette (Ctrl+K) and the list of keys (`?`).

use leptos::{ev, html, prelude::*};

use crate::live;

/// Where the palette can go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    title: String,
    kind: &'static str,
    href: String,
}

fn places(pages: Vec<(String, String)>, metrics: Vec<(String, String)>) -> Vec<Place> {
    let own = [
        ("Your sessions".to_owned(), "/account/sessions".to_owned()),
        ("Your API tokens".to_owned(), "/account/tokens".to_owned()),
    ];
    let mut all: Vec<Place> = pages
        .into_iter()
        .chain(own)
        .map(|(title, href)| Place {
            title,
            kind: "page",
            href,
        })
        .collect();
    all.extend(metrics.into_iter().map(|(id, title)| Place {
        title,
        kind: "metric",
        href: format!("/health/{id}"),
    }));
    all
}

/// Whether all words of `query` occur in `text`, in any order and case.
fn matches(text: &str, query: &str) -> bool {
    let text = text.to_lowercase();
    query
        .split_whitespace()
        .all(|word| text.contains(&word.to_lowercase()))
}

/// Where a person's choice about single keys is kept, in the browser.
const SINGLE_KEYS: &str = "quarterdeck-single-keys";

/// Buttons that open the palette and the list of keys, and both dialogs.
#[island]
pub fn CommandPalette(
    /// `(title, address)` of every page that the person may see.
    pages: Vec<(String, String)>,
    /// `(id, title)` of every metric.
    metrics: Vec<(String, String)>,
) -> impl IntoView {
    let palette = NodeRef::<html::Dialog>::new();
    let field = NodeRef::<html::Input>::new();
    let keys = NodeRef::<html::Dialog>::new();
    let query = RwSignal::new(String::new());
    let chosen = RwSignal::new(0_usize);
    let single_keys = RwSignal::new(true);
    let places = StoredValue::new(places(pages, metrics));
    let found = Memo::new(move |_| {
        let query = query.get();
        places.with_value(|all| {
            all.iter()
                .filter(|p| matches(&format!("{} {}", p.title, p.href), &query))
                .cloned()
                .collect::<Vec<_>>()
        })
    });

    let open_palette = move || {
        let (Some(dialog), Some(input)) = (palette.get_untracked(), field.get_untracked()) else {
            return;
        };
        if !dialog.open() {
            query.set(String::new());
            chosen.set(0);
            input.set_value("");
            let _ = dialog.show_modal();
        }
        let _ = input.focus();
    };
    let open_keys = move || {
        if let Some(dialog) = keys.get_untracked().filter(|d| !d.open()) {
            let _ = dialog.show_modal();
        }
    };
    Effect::new(move |_| {
        single_keys.set(live::remembered(SINGLE_KEYS).as_deref() != Some("off"));
        live::on_key(move |event| {
            let plain = !event.ctrl_key() && !event.meta_key() && !event.alt_key();
            if event.key().eq_ignore_ascii_case("k") && (event.ctrl_key() || event.meta_key()) {
                event.prevent_default();
                open_palette();
            } else if event.key() == "?" && plain && single_keys.get_untracked() && !live::typing(&event) {
                event.prevent_default();
                open_keys();
            }
        });
    });

    let on_key = move |event: ev::KeyboardEvent| {
        let last = found.read().len().saturating_sub(1);
        match event.key().as_str() {
            "ArrowDown" => chosen.update(|c| *c = if *c >= last { 0 } else { *c + 1 }),
            "ArrowUp" => chosen.update(|c| *c = if *c == 0 { last } else { *c - 1 }),
            "Enter" => {
                if let Some(place) = found.read().get(chosen.get_untracked()) {
                    live::assign(&place.href);
                }
            }
            _ => return,
        }
        event.prevent_default();
    };
    let option_id = |i: usize| format!("palette-option-{i}");

    view! {
        <button type="button" class="tool needs-script" aria-keyshortcuts="Control+K" on:click=move |_| open_palette()>
            <span class="tool-word">"Jump to"</span>
            <kbd>"Ctrl K"</kbd>
        </button>
        <button
            type="button"
            class="tool tool-help needs-script"
            aria-label="Keys"
            aria-keyshortcuts="?"
            on:click=move |_| open_keys()
        >
            <kbd>"?"</kbd>
        </button>
        <dialog class="palette" aria-label="Jump to a page or metric" node_ref=palette>
            <input
                class="palette-field"
                type="text"
                role="combobox"
                aria-label="Page or metric"
                aria-expanded="true"
                aria-controls="palette-list"
                aria-autocomplete="list"
                aria-activedescendant=move || {
                    (!found.read().is_empty()).then(|| option_id(chosen.get()))
                }
                autocomplete="off"
                spellcheck="false"
                placeholder="Page or metric"
                node_ref=field
                on:input=move |event| {
                    query.set(event_target_value(&event));
                    chosen.set(0);
                }
                on:keydown=on_key
            />
            <ul class="palette-list" id="palette-list" role="listbox" aria-label="Pages and metrics">
                {move || {
                    found
                        .get()
                        .into_iter()
                        .enumerate()
                        .map(|(i, place)| {
                            let href = place.href.clone();
                            view! {
                                <li
                                    id=option_id(i)
                                    role="option"
                                    class="palette-option"
                                    aria-selected=move || (chosen.get() == i).to_string()
                                    on:pointermove=move |_| chosen.set(i)
                                    on:click=move |_| live::assign(&href)
                                >
                                    <span>{place.title}</span>
                                    <span class="palette-kind">{place.kind}</span>
                                </li>
                            }
                        })
                        .collect_view()
                }}
            </ul>
            <p class="palette-none" role="status">
                {move || {
                    if found.read().is_empty() { "Nothing of that name. Delete a letter or two, or press Esc." } else { "" }
                }}
            </p>
        </dialog>
        <dialog class="keys" aria-labelledby="keys-title" node_ref=keys>
            <h2 id="keys-title">"Keys"</h2>
            <dl>
                <div><dt><kbd>"Ctrl K"</kbd></dt><dd>"Jump to a page or metric"</dd></div>
                <div><dt><kbd>"?"</kbd></dt><dd>"This list"</dd></div>
                <div><dt><kbd>"←"</kbd> <kbd>"→"</kbd></dt><dd>"On a chart: move the cursor"</dd></div>
                <div><dt><kbd>"Home"</kbd> <kbd>"End"</kbd></dt><dd>"On a chart: first and last value"</dd></div>
                <div><dt><kbd>"Shift ←"</kbd> <kbd>"→"</kbd></dt><dd>"On a chart: mark a stretch"</dd></div>
                <div><dt><kbd>"Enter"</kbd></dt><dd>"On a chart: zoom into the marked stretch"</dd></div>
                <div><dt><kbd>"Esc"</kbd></dt><dd>"Close, or drop the cursor"</dd></div>
            </dl>
            <label class="check">
                <input
                    type="checkbox"
                    prop:checked=move || single_keys.get()
                    on:change=move |event| {
                        let on = event_target_checked(&event);
                        single_keys.set(on);
                        live::remember(SINGLE_KEYS, if on { "on" } else { "off" });
                    }
                />
                "Keys without Ctrl open things, such as ?"
            </label>
            <form method="dialog">
                <button class="button" type="submit">"Close"</button>
            </form>
        </dialog>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_order() {
        assert!(matches("API latency (p99) /health/api_latency_p99", "p99 api"));
        assert!(matches("Redis hit rate", ""));
        assert!(!matches("Redis hit rate", "redis memory"));
    }

    #[test]
    fn every_metric_has_a_place() {
        let all = places(
            vec![("Overview".into(), "/".into())],
            vec![("redis_memory".into(), "Redis memory usage".into())],
        );
        assert!(
            all.iter()
                .any(|p| p.href == "/health/redis_memory" && p.title == "Redis memory usage")
        );
        assert!(all.iter().any(|p| p.href == "/"));
    }
}
