//! Log lines in the handbook's own format: one JSON object a line with timestamp, level, service, traceId, spanId, method,
//! path, statusCode, duration_ms, userId, tenantId and message, and whatever else an event carries after them.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::trace;
use crate::clock::Clock;

/// The name under which the console's lines are found.
const SERVICE: &str = "quarterdeck";

/// Formats events as the handbook says.
#[derive(Debug)]
pub struct HandbookFormat {
    clock: Arc<dyn Clock>,
}

impl HandbookFormat {
    /// Takes the time of each line from `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl<S, N> FormatEvent<S, N> for HandbookFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = Map::new();
        // Three digits of a second, as in the handbook.
        let now = self.clock.now();
        let now = now.replace_millisecond(now.millisecond()).unwrap_or(now);
        let mut timestamp = now.format(&Rfc3339).map_err(|_| fmt::Error)?;
        if now.millisecond() == 0 {
            timestamp.insert_str(timestamp.len() - 1, ".000");
        }
        line.insert("timestamp".into(), timestamp.into());
        line.insert("level".into(), level(*event.metadata().level()).into());
        line.insert("service".into(), SERVICE.into());
        if let Some(context) = trace::current() {
            line.insert("traceId".into(), context.trace_id().into());
            line.insert("spanId".into(), context.span_id().into());
        }
        for key in [
            "method",
            "path",
            "statusCode",
            "duration_ms",
            "userId",
            "tenantId",
        ] {
            if let Some(value) = fields.0.remove(key) {
                line.insert(key.into(), value);
            }
        }
        let message = fields
            .0
            .remove("message")
            .unwrap_or_else(|| event.metadata().name().into());
        line.insert("message".into(), message);
        line.insert("target".into(), event.metadata().target().into());
        line.extend(fields.0);
        let text = serde_json::to_string(&Value::Object(line)).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

/// The handbook has four levels.
const fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        // Names that Rust cannot write: `status_code` in the source is `statusCode` in the log.
        let name = match field.name() {
            "status_code" => "statusCode",
            "user_id" => "userId",
            "tenant_id" => "tenantId",
            other => other,
        };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        // The whole chain, once: what happened, and why.
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        self.put(field, text.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Mutex, PoisonError},
    };

    use time::macros::datetime;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::{clock::ManualClock, telemetry::trace::TraceContext};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_request_is_logged_in_the_fields_of_the_handbook() {
        let lines = Lines::default();
        let writer = lines.clone();
        let clock = Arc::new(ManualClock::at(datetime!(2026-01-02 03:04:05 UTC)));
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .event_format(HandbookFormat::new(clock));
        let subscriber = tracing_subscriber::registry().with(layer);
        let context = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        trace::scope(context, async {
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(
                    method = "GET",
                    path = "/",
                    status_code = 200_u64,
                    duration_ms = 1.5,
                    user_id = "u",
                    "served \"it\""
                );
            });
        })
        .await;
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line: Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert_eq!(line["timestamp"], "2026-01-02T03:04:05.000Z");
        assert_eq!(line["level"], "info");
        assert_eq!(line["service"], "quarterdeck");
        assert_eq!(line["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(
            (&line["statusCode"], &line["duration_ms"], &line["userId"]),
            (&200.into(), &1.5.into(), &"u".into())
        );
        assert_eq!(line["message"], "served \"it\"");
    }
}
