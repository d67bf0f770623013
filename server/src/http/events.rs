//! `GET /api/v1/events`: what changes, as it changes, by server-sent events.
//!
//! Events: `delta` (what changed), `snapshot` (everything: at first, or when a viewer was away too long or too slow), `tick` (a
//! sign of life with the console's clock and the time of the last poll, also the first of each stream), `signed_out` (the session has ended; nothing follows). `delta` and
//! `snapshot` carry an id; a viewer that sends it back as `Last-Event-ID`, or as `?since=`, goes on from there.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use quarterdeck_domain::access::{Permission, Subject};
use serde::Deserialize;
use tokio::{sync::broadcast, time::Instant};
use utoipa::IntoParams;

use super::{asked::Asked, auth::SignedIn, rest::failure, state::AppState};
use crate::{
    clock::{Clock, unix_ms},
    services::{
        health::hub::{Frame, Hub},
        identity::Identity,
    },
    telemetry::metrics::Metrics,
};

/// After this long a stream ends, and the browser comes back by itself: each time its session is looked at anew, and its
/// cookies are renewed.
const STREAM_LIFE: Duration = Duration::from_secs(600);
/// How long a revoked session may go on looking.
const VALIDITY_CHECK: Duration = Duration::from_secs(1);

/// Where a viewer goes on from.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub struct Since {
    /// The id of the last event that the viewer has seen; the header `Last-Event-ID` takes precedence.
    since: Option<String>,
}

/// Streams changes.
#[utoipa::path(get, path = "/api/v1/events", params(Since), tag = "health",
    responses((status = 200, description = "Events `delta`, `snapshot`, `tick`, `signed_out`", content_type = "text/event-stream"),
              (status = 401, body = super::problem::Problem), (status = 403, body = super::problem::Problem)))]
pub async fn stream(
    State(app): State<AppState>,
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    Query(Since { since }): Query<Since>,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = console.allow(&subject, Permission::ViewHealth) {
        return failure(error);
    }
    let last = headers
        .get("last-event-id")
        .and_then(|v| v.to_str().ok())
        .map(str::to_owned)
        .or(since);
    let subscription = app.hub.subscribe(last.as_deref());
    // At once, so that the browser knows the console's clock, and that it is live before anything changes.
    let opening = app.hub.tick_frame(unix_ms(app.clock.now()));
    app.metrics.viewers.inc();
    let viewer = Viewer {
        backlog: std::iter::once(opening).chain(subscription.backlog).collect(),
        live: subscription.live,
        hub: app.hub,
        clock: app.clock,
        identity: app.identity,
        metrics: app.metrics,
        subject,
        heartbeat: Duration::from_secs(u64::from(app.config.push.heartbeat_s)),
        sent_at: Instant::now(),
        ends_at: Instant::now() + STREAM_LIFE,
        over: false,
    };
    // A reconnect within a second: shorter than anybody's doubt.
    let reconnect = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"retry: 1000\n\n"))]);
    let frames = futures::stream::unfold(viewer, Viewer::next);
    let stop = app.stop.cancelled_owned();
    let body = Body::from_stream(futures::StreamExt::take_until(
        futures::StreamExt::chain(reconnect, frames),
        stop,
    ));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx would otherwise hold events back.
        (
            header::HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    (headers, body).into_response()
}

/// One open stream.
struct Viewer {
    backlog: VecDeque<Frame>,
    live: broadcast::Receiver<Frame>,
    hub: Arc<Hub>,
    clock: Arc<dyn Clock>,
    identity: Arc<Identity>,
    metrics: Arc<Metrics>,
    subject: Subject,
    heartbeat: Duration,
    sent_at: Instant,
    ends_at: Instant,
    over: bool,
}

impl Viewer {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.over || Instant::now() >= self.ends_at {
            return None;
        }
        let frame = loop {
            if !self.identity.is_still_valid(&self.subject) {
                self.over = true;
                break Frame::signed_out();
            }
            if let Some(frame) = self.backlog.pop_front() {
                break frame;
            }
            match tokio::time::timeout(VALIDITY_CHECK, self.live.recv()).await {
                Ok(Ok(frame)) => break frame,
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                    self.metrics.viewers_lagged.inc();
                    // Its place is after all that is in the queue: the whole state, and then what comes.
                    self.live = self.live.resubscribe();
                    break self.hub.snapshot_frame();
                }
                Ok(Err(broadcast::error::RecvError::Closed)) => return None,
                Err(_) if self.sent_at.elapsed() >= self.heartbeat => {
                    break self.hub.tick_frame(unix_ms(self.clock.now()));
                }
                Err(_) if Instant::now() >= self.ends_at => return None,
                Err(_) => {}
            }
        };
        self.sent_at = Instant::now();
        Some((Ok(Bytes::from_owner(frame)), self))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.metrics.viewers.dec();
    }
}
