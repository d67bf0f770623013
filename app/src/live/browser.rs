//! Thin calls of the browser. What fails here has no remedy on the page, so it is left out silently: the page is
//! complete without it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use wasm_bindgen::{JsCast, prelude::Closure};

type OnSecond = Rc<dyn Fn(i64)>;

thread_local! {
    /// Console time minus browser time, ms, as far as is known: what is shown is the console's time also where the
    /// browser's clock is off.
    static SKEW_MS: Cell<Option<i64>> = const { Cell::new(None) };
    static SECONDS: RefCell<Vec<OnSecond>> = const { RefCell::new(Vec::new()) };
}

#[allow(clippy::cast_possible_truncation)]
fn browser_ms() -> i64 {
    js_sys::Date::now() as i64
}

/// The console's time now, Unix ms, as far as the browser can tell. Differences below two seconds are the network's.
#[must_use]
pub fn now_ms() -> i64 {
    browser_ms() + SKEW_MS.get().filter(|skew| skew.abs() > 2_000).unwrap_or(0)
}

/// Learns from a time that the console wrote some while ago. It is never ahead of the console's clock, so the
/// largest difference seen is the nearest to the truth; an old time (the last poll of a poller that died) teaches nothing.
pub fn learn_time(console_ms: i64) {
    let skew = console_ms - browser_ms();
    SKEW_MS.set(Some(SKEW_MS.get().map_or(skew, |known| known.max(skew))));
}

/// Takes over the console's clock as it was a moment ago: whatever was learnt before may be from before the
/// browser's own clock was set.
pub fn set_time(console_now_ms: i64) {
    SKEW_MS.set(Some(console_now_ms - browser_ms()));
}

/// The browser's zone now, seconds east of UTC.
#[must_use]
#[allow(clippy::cast_possible_truncation)]
pub fn local_offset_s() -> i32 {
    -(js_sys::Date::new_0().get_timezone_offset() as i32) * 60
}

/// Calls `f` with [`now_ms`] at once and every second.
pub fn every_second(f: impl Fn(i64) + 'static) {
    f(now_ms());
    let first = SECONDS.with_borrow_mut(|all| {
        all.push(Rc::new(f));
        all.len() == 1
    });
    if first {
        let tick = Closure::<dyn Fn()>::new(|| {
            // A listener may add another one, so the list is not held while they run.
            let all = SECONDS.with_borrow(Clone::clone);
            for f in all {
                f(now_ms());
            }
        });
        if let Some(window) = web_sys::window() {
            let _ = window
                .set_interval_with_callback_and_timeout_and_arguments_0(tick.as_ref().unchecked_ref(), 1_000);
        }
        tick.forget();
    }
}

/// Calls `f` once, after `ms`.
pub(super) fn after(ms: i32, f: impl FnOnce() + 'static) {
    if let Some(window) = web_sys::window() {
        let _ = window
            .set_timeout_with_callback_and_timeout_and_arguments_0(&Closure::once_into_js(f).into(), ms);
    }
}

/// Goes to another page.
pub fn assign(url: &str) {
    if let Some(window) = web_sys::window() {
        let _ = window.location().assign(url);
    }
}

/// Asks for this page again.
pub fn reload() {
    if let Some(window) = web_sys::window() {
        let _ = window.location().reload();
    }
}

/// Path and query of this page.
pub(super) fn here() -> String {
    let Some(window) = web_sys::window() else {
        return "/".to_owned();
    };
    let location = window.location();
    location.pathname().unwrap_or_default() + &location.search().unwrap_or_default()
}

/// Calls `f` for every key that goes down on the page.
pub fn on_key(f: impl Fn(web_sys::KeyboardEvent) + 'static) {
    let listener = Closure::<dyn Fn(web_sys::KeyboardEvent)>::new(f);
    if let Some(window) = web_sys::window() {
        let _ = window.add_event_listener_with_callback("keydown", listener.as_ref().unchecked_ref());
    }
    listener.forget();
}

/// Whether a key goes into a field, and so is not meant for the page.
#[must_use]
pub fn typing(event: &web_sys::KeyboardEvent) -> bool {
    event
        .target()
        .and_then(|t| t.dyn_into::<web_sys::Element>().ok())
        .is_some_and(|e| matches!(e.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT"))
}

/// Whether the pointer or the focus is on an element or in it. Asked of the page itself, so that it holds also for what came
/// there before any script ran.
#[must_use]
pub fn attended(element: &web_sys::Element) -> bool {
    element.matches(":hover, :focus-within").unwrap_or(false)
}

/// Calls `f` with an element's width and height, at once and whenever they change.
pub fn on_resize(element: &web_sys::Element, f: impl Fn(f64, f64) + 'static) {
    let watched = element.clone();
    let measure = move || {
        let rect = watched.get_bounding_client_rect();
        f(rect.width(), rect.height());
    };
    measure();
    let changed = Closure::<dyn Fn()>::new(measure);
    if let Ok(observer) = web_sys::ResizeObserver::new(changed.as_ref().unchecked_ref()) {
        observer.observe(element);
        std::mem::forget(observer);
    }
    changed.forget();
}

/// Rewrites the content of every element that a selector finds with what `f` makes of one of its attributes; where it makes
/// nothing, it stays.
pub fn rewrite(selector: &str, attribute: &str, f: impl Fn(&str) -> Option<String>) {
    let Some(document) = web_sys::window().and_then(|w| w.document()) else {
        return;
    };
    let Ok(all) = document.query_selector_all(selector) else {
        return;
    };
    for i in 0..all.length() {
        if let Some(element) = all.item(i).and_then(|n| n.dyn_into::<web_sys::Element>().ok())
            && let Some(content) = element.get_attribute(attribute).and_then(|value| f(&value))
        {
            element.set_inner_html(&content);
        }
    }
}

/// The body of a GET, or what to tell the person.
///
/// # Errors
/// The `detail` of a problem+json answer, or a sentence of its own when nothing came.
pub async fn get_text(url: &str) -> Result<String, String> {
    const NOTHING: &str = "The console did not answer. What is shown is as it was; it will be asked again.";
    let window = web_sys::window().ok_or(NOTHING)?;
    let answer = wasm_bindgen_futures::JsFuture::from(window.fetch_with_str(url))
        .await
        .map_err(|_| NOTHING)?;
    let answer: web_sys::Response = answer.dyn_into().map_err(|_| NOTHING)?;
    let body = answer.text().map_err(|_| NOTHING)?;
    let body = wasm_bindgen_futures::JsFuture::from(body)
        .await
        .map_err(|_| NOTHING)?
        .as_string()
        .unwrap_or_default();
    if answer.ok() {
        return Ok(body);
    }
    let problem: Option<Problem> = serde_json::from_str(&body).ok();
    Err(problem
        .and_then(|p| p.detail.or(p.title))
        .unwrap_or_else(|| NOTHING.to_owned()))
}

/// The parts of a problem+json answer that a person reads.
#[derive(serde::Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

fn storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok()?
}

/// A choice kept in this browser.
#[must_use]
pub fn remembered(key: &str) -> Option<String> {
    storage()?.get_item(key).ok()?
}

/// Keeps a choice in this browser.
pub fn remember(key: &str, value: &str) {
    if let Some(storage) = storage() {
        let _ = storage.set_item(key, value);
    }
}
