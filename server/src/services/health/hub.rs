//! The present state of this replica, and the changes for those who watch.
//!
//! A change is encoded once, whoever watches; a viewer's queue holds references to it. A viewer that lags too far
//! behind loses its place and is sent the whole state instead, so that nobody's slowness costs memory here.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use quarterdeck_app::view::health::OverviewView;
use tokio::sync::broadcast;

use super::push::{PushConfig, diff};

/// Something to be sent to viewers, already encoded as a frame of `text/event-stream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Arc<str>);

impl Frame {
    fn new(event: &str, id: Option<&str>, data: &str) -> Self {
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        Self(format!("event: {event}\n{id}data: {data}\n\n").into())
    }

    /// The frame's bytes as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The frame that tells a browser that its session has ended.
    #[must_use]
    pub fn signed_out() -> Self {
        Self::new("signed_out", None, "{}")
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The present state and its listeners.
#[derive(Debug)]
pub struct Hub {
    present: ArcSwap<OverviewView>,
    live: broadcast::Sender<Frame>,
    replay: Mutex<Replay>,
}

#[derive(Debug)]
struct Replay {
    /// Events in order, each with the id that a viewer has after it.
    events: VecDeque<(String, Frame)>,
    capacity: usize,
}

/// A viewer's place: what it has to catch up with, and what comes.
#[derive(Debug)]
pub struct Subscription {
    /// To be sent first.
    pub backlog: Vec<Frame>,
    /// What comes after it. When this reports a lag, send [`Hub::snapshot_frame`] and go on.
    pub live: broadcast::Receiver<Frame>,
}

impl Hub {
    /// Starts with a state in which nothing is known.
    #[must_use]
    pub fn new(initial: OverviewView, config: &PushConfig) -> Self {
        let (live, _) = broadcast::channel(config.queue_events.max(1));
        let replay = Replay {
            events: VecDeque::new(),
            capacity: config.replay_events,
        };
        Self {
            present: ArcSwap::from_pointee(initial),
            live,
            replay: Mutex::new(replay),
        }
    }

    /// Tells every viewer that something happened to a guarded action. It has no place among the events that are kept: who
    /// was away looks at the action again.
    pub fn announce_action(&self, id: &str) {
        let data = serde_json::json!({ "id": id }).to_string();
        let _ = self.live.send(Frame::new("action", None, &data));
    }

    /// The present state.
    #[must_use]
    pub fn present(&self) -> Arc<OverviewView> {
        self.present.load_full()
    }

    /// How many viewers listen.
    #[must_use]
    pub fn viewers(&self) -> usize {
        self.live.receiver_count()
    }

    /// Makes `next` the present state and sends what changed. Returns whether anything was sent.
    ///
    /// `next` must carry a new event id; when nothing changed the old id stays valid and only the time of the last
    /// poll moves on.
    pub fn publish(&self, mut next: OverviewView) -> bool {
        // Held to the end, so that a subscriber sees either the state before with the event to come, or the state after.
        let mut replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
        let present = self.present.load();
        let Some(delta) = diff(&present, &next) else {
            next.event_id.clone_from(&present.event_id);
            self.present.store(Arc::new(next));
            return false;
        };
        let Ok(data) = serde_json::to_string(&delta) else {
            return false;
        };
        let frame = Frame::new("delta", Some(&next.event_id), &data);
        replay.events.push_back((next.event_id.clone(), frame.clone()));
        while replay.events.len() > replay.capacity {
            replay.events.pop_front();
        }
        self.present.store(Arc::new(next));
        // Nobody listening is no error.
        let _ = self.live.send(frame);
        true
    }

    /// Takes a viewer in that has seen everything up to event `since`. One that is up to date catches up with
    /// nothing, one whose event is still kept with what followed it, everybody else with the whole state.
    #[must_use]
    pub fn subscribe(&self, since: Option<&str>) -> Subscription {
        let replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live.subscribe();
        let present = self.present.load();
        let backlog = match since {
            Some(id) if id == present.event_id => Vec::new(),
            Some(id) => match replay.events.iter().position(|(event, _)| event == id) {
                Some(at) => replay
                    .events
                    .iter()
                    .skip(at + 1)
                    .map(|(_, frame)| frame.clone())
                    .collect(),
                None => vec![snapshot(&present)],
            },
            None => vec![snapshot(&present)],
        };
        Subscription { backlog, live }
    }

    /// The whole state as a frame.
    #[must_use]
    pub fn snapshot_frame(&self) -> Frame {
        snapshot(&self.present.load())
    }

    /// A sign of life: the console's clock, and when the last poll ended (missing before the first).
    #[must_use]
    pub fn tick_frame(&self, now_ms: i64) -> Frame {
        let polled = self.present.load().polled_at_ms;
        let polled = polled.map(|t| format!("\"t\":{t},")).unwrap_or_default();
        Frame::new("tick", None, &format!("{{{polled}\"now\":{now_ms}}}"))
    }
}

fn snapshot(view: &OverviewView) -> Frame {
    // A view is made of strings, numbers and lists: encoding it does not fail.
    let data = serde_json::to_string(view).unwrap_or_else(|_| "{}".to_owned());
    Frame::new("snapshot", Some(&view.event_id), &data)
}

#[cfg(test)]
mod tests {
    use quarterdeck_app::view::estate::{AlertsView, SourceState, SourceView};

    use super::*;

    fn view(n: i64) -> OverviewView {
        let source = SourceView {
            name: format!("s{n}"),
            state: SourceState::Up,
            since_ms: None,
            note: None,
        };
        OverviewView {
            title: "T".into(),
            event_id: format!("e-{n}"),
            polled_at_ms: Some(n),
            poll_interval_ms: 5_000,
            groups: Vec::new(),
            alerts: AlertsView::Known { alerts: Vec::new() },
            sources: vec![source],
            databases: Vec::new(),
        }
    }

    fn hub(replay_events: usize) -> Hub {
        Hub::new(
            view(0),
            &PushConfig {
                replay_events,
                queue_events: 2,
                ..PushConfig::default()
            },
        )
    }

    #[test]
    fn a_viewer_that_is_up_to_date_catches_up_with_nothing() {
        let hub = hub(8);
        hub.publish(view(1));
        assert!(hub.subscribe(Some("e-1")).backlog.is_empty());
    }

    #[test]
    fn a_viewer_that_comes_back_gets_what_it_missed() {
        let hub = hub(8);
        for n in 1..=3 {
            hub.publish(view(n));
        }
        let backlog = hub.subscribe(Some("e-1")).backlog;
        assert_eq!(backlog.len(), 2);
        assert!(
            backlog[0]
                .as_str()
                .starts_with("event: delta\nid: e-2\ndata: {\"t\":2,"),
            "{}",
            backlog[0].as_str()
        );
    }

    #[test]
    fn a_viewer_that_was_away_too_long_gets_the_whole_state() {
        let hub = hub(2);
        for n in 1..=5 {
            hub.publish(view(n));
        }
        for since in [Some("e-1"), Some("from another console"), None] {
            let backlog = hub.subscribe(since).backlog;
            assert_eq!(backlog.len(), 1);
            assert!(backlog[0].as_str().starts_with("event: snapshot\nid: e-5\n"));
        }
    }

    #[test]
    fn what_did_not_change_is_not_sent_and_keeps_its_id() {
        let hub = hub(8);
        hub.publish(view(1));
        let mut same = view(1);
        same.event_id = "e-2".into();
        same.polled_at_ms = Some(99);
        assert!(!hub.publish(same));
        assert_eq!(
            (hub.present().event_id.as_str(), hub.present().polled_at_ms),
            ("e-1", Some(99))
        );
        assert_eq!(
            hub.tick_frame(120).as_str(),
            "event: tick\ndata: {\"t\":99,\"now\":120}\n\n"
        );
    }

    #[tokio::test]
    async fn a_slow_viewer_is_told_that_it_lost_its_place() {
        let hub = hub(8);
        let mut slow = hub.subscribe(Some("e-0")).live;
        for n in 1..=5 {
            hub.publish(view(n));
        }
        assert!(matches!(
            slow.recv().await,
            Err(broadcast::error::RecvError::Lagged(3))
        ));
    }
}
