//! The profile: which metrics are watched, from TOML into the domain's [`Profile`].
//!
//! The file format is shown by `deploy/profiles/skillquest.toml`, which is also the profile that is built in.
//! Every error names the metric, the field and the line.

use std::{collections::HashMap, ops::Range, path::PathBuf, time::Duration};

use quarterdeck_domain::{
    action::ActionKind,
    health::{
        Debounce, Direction, MetricGroup, MetricId, MetricKind, MetricSpec, Profile, ProfileError,
        Thresholds, Unit,
    },
};
use serde::Deserialize;
use toml::Spanned;

/// The profile that is built in.
const SKILLQUEST: &str = include_str!("../../../deploy/profiles/skillquest.toml");

/// `[profile]` of the console's configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileConfig {
    /// File with the profile; the SkillQuest profile that is built in where none is given.
    #[serde(default)]
    pub path: Option<PathBuf>,
}

impl ProfileConfig {
    /// Reads the profile.
    ///
    /// # Errors
    /// [`ProfileFileError`], which names the file and what is wrong in it.
    pub fn load(&self) -> Result<Profile, ProfileFileError> {
        let Some(path) = &self.path else {
            return parse("the built-in profile", SKILLQUEST);
        };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ProfileFileError::Unreadable {
            file: name.clone(),
            source,
        })?;
        parse(&name, &text)
    }
}

/// Why a profile file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileFileError {
    /// The file cannot be read.
    #[error("the profile {file} cannot be read: {source}; check profile.path and the file's permissions")]
    Unreadable {
        /// The file.
        file: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong type. The text holds line, column and the line
    /// itself.
    #[error("the profile {file} cannot be used: {source}")]
    Syntax {
        /// The file.
        file: String,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A field of a metric that is missing or makes no sense.
    #[error("the profile {file} cannot be used: line {line}, metric {metric}, {field}: {problem}")]
    Metric {
        /// The file.
        file: String,
        /// Line of the field, or of the metric where the field is missing; from 1.
        line: usize,
        /// The metric's id, or its place where the id itself is missing.
        metric: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Something outside the metrics.
    #[error("the profile {file} cannot be used: {problem}")]
    Other {
        /// The file.
        file: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    profile: RawHead,
    defaults: RawDefaults,
    #[serde(default)]
    group: Vec<RawGroup>,
    #[serde(default)]
    metric: Vec<Spanned<RawMetric>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHead {
    id: String,
    title: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDefaults {
    stale_after_s: u64,
    raise_after_s: u64,
    clear_after_s: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    id: String,
    title: String,
}

/// Fields that must be there are optional here, so that the error can name the metric that lacks one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMetric {
    id: Option<Spanned<String>>,
    title: Option<Spanned<String>>,
    group: Option<Spanned<String>>,
    description: Option<String>,
    kind: Option<MetricKind>,
    unit: Option<Unit>,
    query: Option<Spanned<String>>,
    freshness: Option<Spanned<String>>,
    target: Option<f64>,
    alert: Option<Spanned<f64>>,
    direction: Option<Direction>,
    series_label: Option<Spanned<String>>,
    rule: Option<String>,
    runbook: Option<String>,
    #[serde(default)]
    actions: Vec<ActionKind>,
    grafana: Option<u32>,
    range_max: Option<f64>,
    stale_after_s: Option<Spanned<u64>>,
    raise_after_s: Option<u64>,
    clear_after_s: Option<u64>,
}

/// Reads a profile. `file` is its name in messages.
///
/// # Errors
/// [`ProfileFileError`] for what is not TOML, not known, missing, or contradicts itself.
pub fn parse(file: &str, text: &str) -> Result<Profile, ProfileFileError> {
    let raw: RawFile = toml::from_str(text).map_err(|source| ProfileFileError::Syntax {
        file: file.to_owned(),
        source: Box::new(source),
    })?;
    let defaults = &raw.defaults;
    let mut lines_of_ids = HashMap::new();
    let mut metrics = Vec::with_capacity(raw.metric.len());
    for (index, metric) in raw.metric.into_iter().enumerate() {
        let span = metric.span();
        let metric = metric.into_inner();
        let name = metric
            .id
            .as_ref()
            .map_or_else(|| format!("number {}", index + 1), |id| id.get_ref().clone());
        let place = Place {
            file,
            text,
            name,
            span,
        };
        if let Some(id) = &metric.id
            && let Some(first) = lines_of_ids.insert(id.get_ref().clone(), line_of(text, id.span().start))
        {
            let problem =
                format!("the id is taken by the metric on line {first}; give each metric an id of its own");
            return Err(place.wrong("id", Some(id.span()), problem));
        }
        if let Some(group) = &metric.group
            && !raw.group.iter().any(|g| g.id == *group.get_ref())
        {
            let problem = format!(
                "there is no group {:?}; add a [[group]] with that id",
                group.get_ref()
            );
            return Err(place.wrong("group", Some(group.span()), problem));
        }
        metrics.push(metric.into_spec(defaults, &place)?);
    }
    let groups = raw
        .group
        .into_iter()
        .map(|g| MetricGroup {
            id: g.id,
            title: g.title,
        })
        .collect();
    Profile::new(raw.profile.id, raw.profile.title, groups, metrics).map_err(|error| {
        ProfileFileError::Other {
            file: file.to_owned(),
            problem: error.to_string(),
        }
    })
}

/// Where a metric stands in the file: what its errors need.
struct Place<'a> {
    file: &'a str,
    text: &'a str,
    name: String,
    span: Range<usize>,
}

impl Place<'_> {
    fn wrong(&self, field: &'static str, span: Option<Range<usize>>, problem: String) -> ProfileFileError {
        let at = span.unwrap_or_else(|| self.span.clone()).start;
        ProfileFileError::Metric {
            file: self.file.to_owned(),
            line: line_of(self.text, at),
            metric: self.name.clone(),
            field,
            problem,
        }
    }

    fn required<T>(&self, field: &'static str, value: Option<T>) -> Result<T, ProfileFileError> {
        value.ok_or_else(|| self.wrong(field, None, "is missing; every metric needs it".to_owned()))
    }

    /// A text that must be there and not blank.
    fn text(&self, field: &'static str, value: Option<Spanned<String>>) -> Result<String, ProfileFileError> {
        let value = self.required(field, value)?;
        if value.get_ref().trim().is_empty() {
            return Err(self.wrong(
                field,
                Some(value.span()),
                "is empty; every metric needs it".to_owned(),
            ));
        }
        Ok(value.into_inner())
    }
}

impl RawMetric {
    fn into_spec(self, defaults: &RawDefaults, place: &Place<'_>) -> Result<MetricSpec, ProfileFileError> {
        let id = place.required("id", self.id)?;
        let id_span = id.span();
        let id =
            MetricId::new(id.into_inner()).map_err(|e| place.wrong("id", Some(id_span), e.to_string()))?;
        let alert = place.required("alert", self.alert)?;
        let alert_span = alert.span();
        let direction = place.required("direction", self.direction)?;
        let thresholds = Thresholds::new(self.target, alert.into_inner(), direction)
            .map_err(|e: ProfileError| place.wrong("alert", Some(alert_span), e.to_string()))?;
        if let Some(freshness) = &self.freshness
            && !is_plain_selector(freshness.get_ref())
        {
            let problem = "must be a plain series selector such as up{job=\"api\"}: of a function's result Prometheus knows no age";
            return Err(place.wrong("freshness", Some(freshness.span()), problem.to_owned()));
        }
        if let Some(label) = &self.series_label
            && !is_label_name(label.get_ref())
        {
            let problem = "must be the name of a label: letters, digits and underscores, no digit first";
            return Err(place.wrong("series_label", Some(label.span()), problem.to_owned()));
        }
        if let Some(limit) = &self.stale_after_s
            && *limit.get_ref() == 0
        {
            let problem = "must be at least 1: with 0 every reading would be stale".to_owned();
            return Err(place.wrong("stale_after_s", Some(limit.span()), problem));
        }
        if defaults.stale_after_s == 0 {
            let problem = "[defaults] stale_after_s must be at least 1: with 0 every reading would be stale";
            return Err(ProfileFileError::Other {
                file: place.file.to_owned(),
                problem: problem.to_owned(),
            });
        }
        let seconds = |own: Option<u64>, default: u64| Duration::from_secs(own.unwrap_or(default));
        Ok(MetricSpec {
            id,
            title: place.text("title", self.title)?,
            group: place.text("group", self.group)?,
            description: self.description,
            kind: place.required("kind", self.kind)?,
            unit: place.required("unit", self.unit)?,
            query: place.text("query", self.query)?.trim().to_owned(),
            freshness: self.freshness.map(|f| f.into_inner().trim().to_owned()),
            thresholds,
            series_label: self.series_label.map(Spanned::into_inner),
            stale_after: seconds(
                self.stale_after_s.map(Spanned::into_inner),
                defaults.stale_after_s,
            ),
            debounce: Debounce {
                raise_after: seconds(self.raise_after_s, defaults.raise_after_s),
                clear_after: seconds(self.clear_after_s, defaults.clear_after_s),
            },
            rule: self.rule,
            runbook: self.runbook,
            actions: self.actions,
            grafana: self.grafana,
            range_max: self.range_max,
        })
    }
}

/// Line of a byte offset, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|b| **b == b'\n').count() + 1
}

fn is_label_name(name: &str) -> bool {
    let starts = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    starts && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `name`, `name{…}` or `{…}`: nothing before the name, no operator, no range and no offset after it. What
/// stands between the braces is Prometheus' to judge.
fn is_plain_selector(text: &str) -> bool {
    let text = text.trim();
    let name_end = text.find('{').unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    let name = name.trim_end();
    let named = name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
    if rest.is_empty() {
        return named;
    }
    (name.is_empty() || named) && closing_brace(rest) == Some(rest.len() - 1)
}

/// Offset of the brace that closes the one at the start; braces in quotes do not count.
fn closing_brace(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (offset, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(q) if c == '\\' && q != '`' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None => match c {
                '"' | '\'' | '`' => quote = Some(c),
                '}' => return Some(offset),
                _ => {}
            },
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "[profile]\nid='p'\ntitle='P'\n[defaults]\nstale_after_s=30\nraise_after_s=10\nclear_after_s=20\n[[group]]\nid='g'\ntitle='G'\n";
    const METRIC: &str = "[[metric]]\nid='a'\ntitle='A'\ngroup='g'\nkind='gauge'\nunit='count'\nquery='up'\nalert=5\ndirection='lower_is_better'\n";

    fn refused(metric: &str) -> String {
        parse("test.toml", &format!("{HEAD}{metric}"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn defaults_hold_where_a_metric_says_nothing() {
        let own = METRIC.replace("id='a'", "id='b'\nstale_after_s=99\nraise_after_s=0");
        let profile = parse("test.toml", &format!("{HEAD}{METRIC}{own}")).unwrap();
        let [a, b] = profile.metrics() else {
            panic!("two metrics")
        };
        assert_eq!(
            (a.stale_after.as_secs(), a.debounce.raise_after.as_secs()),
            (30, 10)
        );
        assert_eq!(
            (b.stale_after.as_secs(), b.debounce.raise_after.as_secs()),
            (99, 0)
        );
        assert_eq!(b.debounce.clear_after.as_secs(), 20);
    }

    #[test]
    fn errors_name_metric_field_and_line() {
        let missing = refused(&METRIC.replace("alert=5\n", ""));
        assert_eq!(
            missing,
            "the profile test.toml cannot be used: line 11, metric a, alert: is missing; every metric needs it"
        );
        let contradiction = refused(&METRIC.replace("alert=5", "target=9\nalert=5"));
        assert!(
            contradiction.contains("line 19, metric a, alert: target Some(9.0) and alert 5"),
            "{contradiction}"
        );
        let group = refused(&METRIC.replace("group='g'", "group='x'"));
        assert!(
            group.contains("line 14, metric a, group: there is no group \"x\""),
            "{group}"
        );
        let twice = refused(&format!("{METRIC}{METRIC}"));
        assert!(
            twice.contains("line 21, metric a, id: the id is taken by the metric on line 12"),
            "{twice}"
        );
        let id = refused(&METRIC.replace("id='a'", "id='A b'"));
        assert!(id.contains("line 12, metric A b, id: "), "{id}");
        let freshness = refused(&METRIC.replace("alert=5", "alert=5\nfreshness='rate(up[1m])'"));
        assert!(
            freshness.contains("line 19, metric a, freshness: must be a plain series selector"),
            "{freshness}"
        );
        let blank = refused(&METRIC.replace("query='up'", "query='  '"));
        assert!(blank.contains("line 17, metric a, query: is empty"), "{blank}");
        let nameless = refused(&METRIC.replace("id='a'\n", ""));
        assert!(nameless.contains("metric number 1, id: is missing"), "{nameless}");
    }

    #[test]
    fn unknown_keys_and_words_are_refused_with_their_line() {
        let key = refused(&METRIC.replace("alert=5", "alert=5\nalrt=6"));
        assert!(
            key.contains("line 19") && key.contains("unknown field `alrt`"),
            "{key}"
        );
        let word = refused(&METRIC.replace("'lower_is_better'", "'downwards'"));
        assert!(
            word.contains("line 19") && word.contains("unknown variant `downwards`"),
            "{word}"
        );
        let number = refused(&METRIC.replace("alert=5", "alert='5'"));
        assert!(number.contains("line 18"), "{number}");
        assert!(refused("").contains("no metric"));
    }

    #[test]
    fn selectors_are_told_from_expressions() {
        for plain in [
            "up",
            " up ",
            "a:b_c{x=\"y\"}",
            "{__name__=~\"a}b\"}",
            "up {a='(\\'}'}",
            "m{a=`\\`}",
        ] {
            assert!(is_plain_selector(plain), "{plain}");
        }
        for other in [
            "",
            "1",
            "rate(up[1m])",
            "up[1m]",
            "up offset 1m",
            "up + up",
            "up{a=\"b\"} or up",
            "up{a=\"}",
            "-up",
            "sum(up)",
        ] {
            assert!(!is_plain_selector(other), "{other}");
        }
    }

    proptest! {
        /// Whatever stands in the file, the answer is a profile or an error.
        #[test]
        fn nonsense_never_panics(cut in 0usize..20_000, insert in "\\PC{0,12}") {
            let at = (0..=cut.min(SKILLQUEST.len())).rev().find(|i| SKILLQUEST.is_char_boundary(*i)).unwrap_or(0);
            let (before, after) = SKILLQUEST.split_at(at);
            let _ = parse("mutated", &format!("{before}{insert}{after}"));
            let _ = parse("cut", before);
        }
    }
}
