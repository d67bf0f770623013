//! Reads all metrics of a profile in few requests, and keeps one broken query from taking the others along.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, future::join_all, stream};
use quarterdeck_domain::health::{MetricId, MetricSpec, Profile, Reading, UnknownReason};
use time::OffsetDateTime;

use super::{
    http_source::SourceError,
    prometheus::{PrometheusClient, Sample},
    promql::{self, Union},
};

/// Longest query that is sent, bytes. VictoriaMetrics refuses more than 16 KiB as it comes.
const MAX_QUERY_BYTES: usize = 15_000;
/// How often a query that was refused is tried again.
const RETRY_REFUSED: Duration = Duration::from_secs(60);
/// How many metrics are asked for at the same time when each is asked for by itself.
const SINGLES_AT_ONCE: usize = 4;

/// What one poll brought.
#[derive(Debug, Clone, PartialEq)]
pub struct PollResult {
    /// One for each metric of the profile.
    pub readings: BTreeMap<MetricId, MetricReading>,
    /// What the engine said about the queries that it refuses.
    pub refused: BTreeMap<MetricId, String>,
    /// Why some or all metrics could not be read: the engine is down, slow or confused. A refused query is
    /// not such a failure.
    pub failure: Option<SourceError>,
    /// How many requests it took.
    pub requests: u32,
}

/// One metric's part of a poll.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricReading {
    /// Its value or why there is none. Not yet judged: whether it is stale is for `assess` to say.
    pub reading: Reading,
    /// Members by name, in order of names, where the metric is a vector.
    pub members: Vec<(String, f64)>,
}

impl MetricReading {
    const fn missing(reason: UnknownReason) -> Self {
        Self {
            reading: Reading::Missing(reason),
            members: Vec::new(),
        }
    }
}

/// Reads the metrics of one profile, poll after poll.
///
/// All are asked for in one query. If the engine refuses that, each metric is asked for by itself, and those
/// that are refused again are kept out of the common query and tried again every minute: a broken query makes
/// its own metric unknown, costs one request a minute, and nothing else.
#[derive(Debug)]
pub struct MetricsReader {
    profile: Arc<Profile>,
    max_query_bytes: usize,
    refused: BTreeMap<MetricId, Refusal>,
}

#[derive(Debug)]
struct Refusal {
    message: String,
    retry_at: OffsetDateTime,
}

/// The samples of one request, and the metrics that it asked for.
type Outcome = (Union, Result<Vec<Sample>, SourceError>);

impl MetricsReader {
    /// A reader of this profile that knows nothing yet.
    #[must_use]
    pub const fn new(profile: Arc<Profile>) -> Self {
        Self {
            profile,
            max_query_bytes: MAX_QUERY_BYTES,
            refused: BTreeMap::new(),
        }
    }

    /// Asks for every metric. `now` only times the retries of refused queries: values and their ages are the
    /// engine's.
    ///
    /// Never fails: what could not be read is `Missing`, with its reason.
    pub async fn read_all(&mut self, client: &PrometheusClient, now: OffsetDateTime) -> PollResult {
        let profile = Arc::clone(&self.profile);
        let mut poll = Poll::new(&profile);

        let sound = profile
            .metrics()
            .iter()
            .filter(|m| !self.refused.contains_key(&m.id));
        let together = promql::unions(sound, self.max_query_bytes);
        let due: Vec<&MetricSpec> = profile
            .metrics()
            .iter()
            .filter(|m| self.refused.get(&m.id).is_some_and(|r| r.retry_at <= now))
            .collect();
        let (unions, retried) = tokio::join!(
            join_all(together.into_iter().map(|union| ask(client, union))),
            ask_singly(client, due),
        );

        self.take_retried(&mut poll, retried, now);
        for (union, answer) in unions {
            poll.requests += 1;
            match answer {
                Ok(samples) => poll.take(&union, samples),
                Err(SourceError::BadQuery { message }) => {
                    tracing::warn!(
                        message,
                        "the common query was refused: asking for each metric by itself"
                    );
                    self.find_culprits(&mut poll, client, &union, now).await;
                }
                Err(failure) => poll.fail(&union, failure),
            }
        }
        poll.finish(&self.refused)
    }

    /// A refused query that works again goes back among the others.
    fn take_retried(&mut self, poll: &mut Poll<'_>, retried: Vec<Outcome>, now: OffsetDateTime) {
        for (union, answer) in retried {
            poll.requests += 1;
            match answer {
                Ok(samples) => {
                    for id in &union.metrics {
                        self.refused.remove(id);
                    }
                    poll.take(&union, samples);
                }
                Err(SourceError::BadQuery { message }) => self.remember(&union, &message, now),
                Err(failure) => poll.fail(&union, failure),
            }
        }
    }

    async fn find_culprits(
        &mut self,
        poll: &mut Poll<'_>,
        client: &PrometheusClient,
        union: &Union,
        now: OffsetDateTime,
    ) {
        let profile = Arc::clone(&self.profile);
        let suspects = union
            .metrics
            .iter()
            .filter_map(|id| profile.metric(id.as_str()))
            .collect();
        let mut refusals = Vec::new();
        let mut answered = false;
        for (single, answer) in ask_singly(client, suspects).await {
            poll.requests += 1;
            match answer {
                Ok(samples) => {
                    answered = true;
                    poll.take(&single, samples);
                }
                Err(SourceError::BadQuery { message }) => refusals.push((single, message)),
                Err(failure) => poll.fail(&single, failure),
            }
        }
        if refusals.is_empty() && answered && union.metrics.len() > 1 {
            // Nobody is to blame: together they are too much for the engine. Ask for fewer at a time.
            self.max_query_bytes = union.query.len() / 2;
        }
        for (single, message) in refusals {
            poll.refuse(&single, &message);
            // An engine that refuses everything is in a state of its own, which may pass before the minute is
            // over.
            if answered {
                self.remember(&single, &message, now);
            }
        }
    }

    fn remember(&mut self, union: &Union, message: &str, now: OffsetDateTime) {
        for id in &union.metrics {
            let known = self
                .refused
                .get(id)
                .is_some_and(|refusal| refusal.message == message);
            if !known {
                tracing::warn!(metric = %id, message, "the query of this metric is refused; mend it in the profile");
            }
            let refusal = Refusal {
                message: message.to_owned(),
                retry_at: now + RETRY_REFUSED,
            };
            self.refused.insert(id.clone(), refusal);
        }
    }
}

async fn ask(client: &PrometheusClient, union: Union) -> Outcome {
    let answer = client.instant(&union.query, None).await;
    (union, answer)
}

async fn ask_singly(client: &PrometheusClient, metrics: Vec<&MetricSpec>) -> Vec<Outcome> {
    let requests = metrics.into_iter().map(|spec| {
        ask(
            client,
            Union {
                query: promql::terms(spec),
                metrics: vec![spec.id.clone()],
            },
        )
    });
    stream::iter(requests.collect::<Vec<_>>())
        .buffered(SINGLES_AT_ONCE)
        .collect()
        .await
}

/// A poll in the making.
struct Poll<'a> {
    profile: &'a Profile,
    readings: BTreeMap<MetricId, MetricReading>,
    refused: BTreeMap<MetricId, String>,
    failure: Option<SourceError>,
    requests: u32,
}

impl<'a> Poll<'a> {
    const fn new(profile: &'a Profile) -> Self {
        Self {
            profile,
            readings: BTreeMap::new(),
            refused: BTreeMap::new(),
            failure: None,
            requests: 0,
        }
    }

    /// Readings of all metrics that the request asked for; one without a sample has no data.
    fn take(&mut self, union: &Union, samples: Vec<Sample>) {
        let asked: BTreeSet<&str> = union.metrics.iter().map(MetricId::as_str).collect();
        let find = |id: &str| {
            if asked.contains(id) {
                self.profile.metric(id)
            } else {
                None
            }
        };
        let mut answered = promql::sort_out(samples, find);
        for id in &union.metrics {
            let Some(spec) = self.profile.metric(id.as_str()) else {
                continue;
            };
            let (reading, members) = promql::reading(spec, answered.remove(id).unwrap_or_default());
            self.readings
                .insert(id.clone(), MetricReading { reading, members });
        }
    }

    fn fail(&mut self, union: &Union, failure: SourceError) {
        for id in &union.metrics {
            self.readings
                .insert(id.clone(), MetricReading::missing(UnknownReason::SourceDown));
        }
        self.failure.get_or_insert(failure);
    }

    fn refuse(&mut self, union: &Union, message: &str) {
        for id in &union.metrics {
            self.readings
                .insert(id.clone(), MetricReading::missing(UnknownReason::QueryRefused));
            self.refused.insert(id.clone(), message.to_owned());
        }
    }

    /// Adds those that were not asked for this time because they are known to be refused.
    fn finish(mut self, remembered: &BTreeMap<MetricId, Refusal>) -> PollResult {
        for (id, refusal) in remembered {
            self.readings
                .entry(id.clone())
                .or_insert(MetricReading::missing(UnknownReason::QueryRefused));
            self.refused.insert(id.clone(), refusal.message.clone());
        }
        PollResult {
            readings: self.readings,
            refused: self.refused,
            failure: self.failure,
            requests: self.requests,
        }
    }
}
