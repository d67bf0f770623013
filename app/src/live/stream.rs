//! The event stream of `/api/v1/events`: one for the page, reopened when it breaks, and never silently silent.

use std::{cell::RefCell, rc::Rc};

use serde::Deserialize;
use wasm_bindgen::{JsCast, prelude::Closure};
use web_sys::{EventSource, MessageEvent};

use super::browser::{after, assign, every_second, here, learn_time, now_ms, set_time};
use crate::view::health::{DeltaView, OverviewView};

/// After so long without any event the connection counts as lost, ms. The server sends one at least every 15 s.
pub const QUIET_LIMIT_MS: i64 = 40_000;

/// How the page hangs together with the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// No event yet.
    Connecting,
    /// Events come.
    Live,
    /// None came for a while, or the stream broke: what is shown may be wrong by now.
    Lost {
        /// When the last event came, Unix ms.
        as_of_ms: i64,
    },
}

/// What the stream brings.
pub enum LiveEvent {
    /// What one poll changed.
    Delta(DeltaView),
    /// Everything, when the stream could not go on from where it stopped.
    Snapshot(Box<OverviewView>),
    /// Nothing changed; when the last poll ended, Unix ms.
    Tick(i64),
    /// Something happened to the guarded action of this id.
    Action(String),
}

#[derive(Deserialize)]
struct ActionData {
    id: String,
}

#[derive(Deserialize)]
struct TickData {
    /// When the last poll ended; missing before the first.
    t: Option<i64>,
    /// The console's clock.
    now: i64,
}

type Listener = Rc<dyn Fn(&LiveEvent)>;
type Watcher = Rc<dyn Fn(Connection)>;

struct Stream {
    source: Option<EventSource>,
    /// Where to go on, should the browser not know it itself.
    last_id: String,
    last_event_ms: i64,
    connection: Connection,
    /// Attempts since the last event, for the pause before the next one.
    attempts: u32,
    listeners: Vec<Listener>,
    watchers: Vec<Watcher>,
}

thread_local! {
    static STREAM: RefCell<Stream> = const { RefCell::new(Stream {
        source: None,
        last_id: String::new(),
        last_event_ms: 0,
        connection: Connection::Connecting,
        attempts: 0,
        listeners: Vec::new(),
        watchers: Vec::new(),
    }) };
}

/// Calls `f` with every event after `since`, the id of the last one that the page already contains.
pub fn follow(since: &str, f: impl Fn(&LiveEvent) + 'static) {
    let first = STREAM.with_borrow_mut(|s| {
        s.listeners.push(Rc::new(f));
        if s.source.is_some() {
            return false;
        }
        since.clone_into(&mut s.last_id);
        s.last_event_ms = now_ms();
        true
    });
    if first {
        open();
        every_second(|now_ms| {
            let quiet = STREAM.with_borrow(|s| now_ms - s.last_event_ms > QUIET_LIMIT_MS);
            if quiet {
                lost();
                reopen(now_ms);
            }
        });
    }
}

/// Calls `f` with the id of every guarded action that something happens to, and, whenever the connection begins, with an empty
/// one: something may have happened since the page was made, or while the connection was lost.
pub fn follow_actions(since: &str, f: impl Fn(&str) + 'static) {
    let f: Rc<dyn Fn(&str)> = Rc::new(f);
    follow(since, {
        let f = f.clone();
        move |event| match event {
            LiveEvent::Action(id) => f(id),
            LiveEvent::Delta(_) | LiveEvent::Snapshot(_) | LiveEvent::Tick(_) => {}
        }
    });
    let away = std::cell::Cell::new(true);
    on_connection(move |now| match now {
        Connection::Lost { .. } => away.set(true),
        Connection::Live if away.replace(false) => f(""),
        Connection::Live | Connection::Connecting => {}
    });
}

/// Calls `f` with the state of the connection, at once and whenever it changes.
pub fn on_connection(f: impl Fn(Connection) + 'static) {
    let watcher: Watcher = Rc::new(f);
    let now = STREAM.with_borrow_mut(|s| {
        s.watchers.push(watcher.clone());
        s.connection
    });
    watcher(now);
}

fn open() {
    let since = STREAM.with_borrow(|s| s.last_id.clone());
    let since = js_sys::encode_uri_component(&since);
    let Ok(source) = EventSource::new(&format!("/api/v1/events?since={since}")) else {
        return retry();
    };
    listen(&source, "delta", |id, data| {
        let mut delta: DeltaView = serde_json::from_str(data).ok()?;
        delta.event_id = id;
        learn_time(delta.polled_at_ms);
        Some(LiveEvent::Delta(delta))
    });
    listen(&source, "snapshot", |_, data| {
        serde_json::from_str(data)
            .ok()
            .map(|view| LiveEvent::Snapshot(Box::new(view)))
    });
    listen(&source, "tick", |_, data| {
        let TickData { t, now } = serde_json::from_str(data).ok()?;
        set_time(now);
        t.map(LiveEvent::Tick)
    });
    listen(&source, "action", |_, data| {
        let ActionData { id } = serde_json::from_str(data).ok()?;
        Some(LiveEvent::Action(id))
    });
    let signed_out = Closure::<dyn Fn()>::new(|| {
        let next = js_sys::encode_uri_component(&here());
        assign(&format!("/sign-in?error=over&next={next}"));
    });
    let _ = source.add_event_listener_with_callback("signed_out", signed_out.as_ref().unchecked_ref());
    signed_out.forget();
    let broken = Closure::<dyn Fn()>::new(|| {
        lost();
        // The browser tries again by itself, unless the answer was an error: then it gives up.
        let gave_up = STREAM.with_borrow(|s| {
            s.source
                .as_ref()
                .is_none_or(|s| s.ready_state() == EventSource::CLOSED)
        });
        if gave_up {
            retry();
        }
    });
    source.set_onerror(Some(broken.as_ref().unchecked_ref()));
    broken.forget();
    STREAM.with_borrow_mut(|s| s.source = Some(source));
}

/// Gives up a stream on which nothing comes: a connection that died without a word is never noticed by the browser.
fn reopen(now_ms: i64) {
    STREAM.with_borrow_mut(|s| {
        // Not again before this attempt had its time.
        s.last_event_ms = now_ms;
        if let Some(source) = s.source.take() {
            source.close();
        }
    });
    after(1_000, open);
}

/// Opens the stream again after 1, 2, 4 … at most 30 s.
fn retry() {
    let attempts = STREAM.with_borrow_mut(|s| {
        s.attempts = s.attempts.saturating_add(1);
        s.attempts
    });
    after((500i32 << attempts.min(6)).min(30_000), open);
}

fn listen(source: &EventSource, name: &str, read: impl Fn(String, &str) -> Option<LiveEvent> + 'static) {
    let handler = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
        let Some(data) = message.data().as_string() else {
            return;
        };
        let id = message.last_event_id();
        if let Some(event) = read(id.clone(), &data) {
            arrived(&id, &event);
        }
    });
    let _ = source.add_event_listener_with_callback(name, handler.as_ref().unchecked_ref());
    handler.forget();
}

fn arrived(id: &str, event: &LiveEvent) {
    let listeners = STREAM.with_borrow_mut(|s| {
        if !id.is_empty() {
            id.clone_into(&mut s.last_id);
        }
        s.last_event_ms = now_ms();
        s.attempts = 0;
        s.listeners.clone()
    });
    for f in listeners {
        f(event);
    }
    changed(Connection::Live);
}

fn lost() {
    let (was, as_of_ms) = STREAM.with_borrow(|s| (s.connection, s.last_event_ms));
    match was {
        Connection::Lost { .. } => {}
        Connection::Connecting | Connection::Live => changed(Connection::Lost { as_of_ms }),
    }
}

fn changed(to: Connection) {
    let watchers = STREAM.with_borrow_mut(|s| {
        if s.connection == to {
            return Vec::new();
        }
        s.connection = to;
        s.watchers.clone()
    });
    for f in watchers {
        f(to);
    }
}
