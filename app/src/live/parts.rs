//! Parts of a page that follow the server without being drawn here: the page is fetched once more, and what has changed is
//! put in its place. The server stays the only one that draws it, and the browser needs no code for it.

use wasm_bindgen::JsCast;
use web_sys::{Document, DomParser, Element, HtmlElement, SupportedType};

use super::browser::{get_text, here};

/// Fetches the shown page again and takes over its parts: elements with an id and `data-live="part"` are replaced,
/// those with `data-live="text"` get the new text (for what is read out). A part in which somebody is typing is left as it
/// is. Answers whether anything changed.
///
/// # Errors
/// What to tell the person, when the page can't be fetched.
pub async fn refresh_parts() -> Result<bool, String> {
    let html = get_text(&here()).await?;
    let shown = web_sys::window().and_then(|w| w.document());
    let fetched = DomParser::new()
        .and_then(|parser| parser.parse_from_string(&html, SupportedType::TextHtml))
        .ok();
    let (Some(shown), Some(fetched)) = (shown, fetched) else {
        return Ok(false);
    };
    let mut changed = false;
    for new in parts(&fetched) {
        let Some(old) = shown.get_element_by_id(&new.id()) else {
            continue;
        };
        if new.get_attribute("data-live").as_deref() == Some("text") {
            if old.text_content() != new.text_content() {
                old.set_text_content(new.text_content().as_deref());
                changed = true;
            }
        } else if !is_typed_in(&shown, &old) && old.outer_html() != new.outer_html() {
            let kept = Kept::of(&shown, &old);
            if old.replace_with_with_node_1(&new).is_ok() {
                kept.give(&new);
                changed = true;
            }
        }
    }
    Ok(changed)
}

/// What a person has done to a part, which is not the server's: where the focus is in it, and what is unfolded. Elements are
/// known again by their place among their like.
struct Kept {
    focus: Option<usize>,
    unfolded: Vec<bool>,
}

impl Kept {
    /// What can have the focus.
    const FOCUSABLE: &str = "a[href], button, summary, [tabindex]";

    fn of(document: &Document, part: &Element) -> Self {
        let focused = document.active_element();
        Self {
            focus: all(part, Self::FOCUSABLE)
                .iter()
                .position(|element| focused.as_ref() == Some(element)),
            unfolded: all(part, "details")
                .iter()
                .map(|details| details.has_attribute("open"))
                .collect(),
        }
    }

    fn give(&self, part: &Element) {
        for (details, unfolded) in all(part, "details").iter().zip(&self.unfolded) {
            // An attribute that can't be set leaves it as the server sent it.
            let _ = details.toggle_attribute_with_force("open", *unfolded);
        }
        if let Some(element) = self
            .focus
            .and_then(|index| all(part, Self::FOCUSABLE).into_iter().nth(index))
            .and_then(|element| element.dyn_into::<HtmlElement>().ok())
        {
            let _ = element.focus();
        }
    }
}

fn all(part: &Element, selector: &str) -> Vec<Element> {
    let Ok(found) = part.query_selector_all(selector) else {
        return Vec::new();
    };
    (0..found.length())
        .filter_map(|i| found.item(i)?.dyn_into().ok())
        .collect()
}

fn parts(document: &Document) -> Vec<Element> {
    let Ok(all) = document.query_selector_all("[id][data-live]") else {
        return Vec::new();
    };
    (0..all.length())
        .filter_map(|i| all.item(i)?.dyn_into().ok())
        .collect()
}

/// Whether the focus is in a field of this part.
fn is_typed_in(document: &Document, part: &Element) -> bool {
    document.active_element().is_some_and(|focused| {
        matches!(focused.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
            && part.contains(Some(&focused))
    })
}
