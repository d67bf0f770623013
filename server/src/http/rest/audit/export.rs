//! `GET /api/v1/audit/export`: rows as a file, written while they are read.

use axum::{
    body::{Body, Bytes},
    extract::RawQuery,
    http::header,
    response::{IntoResponse, Response},
};
use futures::stream;
use quarterdeck_app::error::ConsoleError;
use quarterdeck_domain::audit::{
    ChainRow, Event,
    export::{end_line, row_line},
    sentence,
};
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::{super::csv, FilterQuery, read};
use crate::{
    http::{asked::Asked, auth::SignedIn, problem::Problem, rest::failure},
    services::audit::Selection,
};

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// A table.
    Csv,
    /// The rows with their texts and hashes, one JSON object a line.
    JsonLines,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/jsonl; charset=utf-8",
        }
    }

    fn read(query: &str) -> Result<Self, ConsoleError> {
        let given = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "format");
        match given.as_ref().map(|(_, value)| value.as_ref()) {
            None | Some("" | "jsonl") => Ok(Self::JsonLines),
            Some("csv") => Ok(Self::Csv),
            Some(other) => Err(ConsoleError::BadRequest(format!(
                "There is no format {other:?}. Choose csv or jsonl."
            ))),
        }
    }
}

/// All rows that fit, the oldest first, as a file. That it is taken is recorded before its first byte.
///
/// `jsonl` has a line `{"seq", "prev_hash", "hash", "event"}` a row. Of the whole log (no filter) it is the file that
/// `quarterdeck audit verify --export` checks; of a selection the last line says what was selected. A file without its
/// last line broke off. `csv` is a table for spreadsheets, in which no cell is a formula.
#[utoipa::path(get, path = "/api/v1/audit/export", tag = "audit",
    params(("format" = Option<String>, Query, description = "`jsonl` (if it is left out) or `csv`"), FilterQuery),
    responses((status = 200, content((String = "application/jsonl"), (String = "text/csv")), description = "The file"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem, description = "Nothing was exported, because it could not be recorded")))]
pub async fn export(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    RawQuery(query): RawQuery,
) -> Response {
    let wanted = read(query.as_deref())
        .and_then(|search| Ok((search.filter, Format::read(query.as_deref().unwrap_or_default())?)));
    let (filter, format) = match wanted {
        Ok(wanted) => wanted,
        Err(error) => return failure(error),
    };
    match console.export_audit(&subject, filter, format.name()).await {
        Ok(selection) => file(selection, format),
        Err(error) => failure(error),
    }
}

/// Where the writing of a file is.
struct Progress {
    selection: Selection,
    format: Format,
    rows: u64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The names of the columns; JSON Lines have none.
    Head,
    /// Rows, as long as there are any.
    Rows,
    /// Nothing more.
    Done,
}

fn file(selection: Selection, format: Format) -> Response {
    let name = format!(
        "attachment; filename=\"audit-{}-to-{}.{}\"",
        if selection.filter().is_empty() {
            "log"
        } else {
            "selection"
        },
        selection.end().seq,
        format.name()
    );
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    let progress = Progress {
        selection,
        format,
        rows: 0,
        stage: match format {
            Format::Csv => Stage::Head,
            Format::JsonLines => Stage::Rows,
        },
    };
    let pieces = stream::try_unfold(progress, |mut progress| async move {
        let piece = progress.piece().await.inspect_err(|error| {
            // The connection is cut, so that nobody takes the part for the whole.
            tracing::error!(error = &**error, "an export of the audit log broke off");
        })?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(piece.map(|piece| (piece, progress)))
    });
    (headers, Body::from_stream(pieces)).into_response()
}

impl Progress {
    async fn piece(&mut self) -> Result<Option<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
        match self.stage {
            Stage::Head => {
                self.stage = Stage::Rows;
                let mut table = csv::writer();
                table.write_record(COLUMNS)?;
                Ok(Some(csv::text(table)?.into()))
            }
            Stage::Rows => match self.selection.next().await? {
                Some(rows) => {
                    self.rows += rows.len() as u64;
                    Ok(Some(match self.format {
                        Format::Csv => table(&rows)?.into(),
                        Format::JsonLines => lines(&rows)?.into(),
                    }))
                }
                None => {
                    self.stage = Stage::Done;
                    match self.format {
                        Format::Csv => Ok(None),
                        Format::JsonLines => Ok(Some(self.last_line()?.into())),
                    }
                }
            },
            Stage::Done => Ok(None),
        }
    }

    fn last_line(&self) -> Result<String, serde_json::Error> {
        let (end, filter) = (self.selection.end(), self.selection.filter());
        let mut line = if filter.is_empty() {
            end_line(end)?
        } else {
            let pairs: serde_json::Map<_, _> = filter
                .pairs()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            json!({"selection": {"filter": pairs, "rows": self.rows, "up_to_seq": end.seq}}).to_string()
        };
        line.push('\n');
        Ok(line)
    }
}

fn lines(rows: &[ChainRow]) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for row in rows {
        // A text that is no JSON was tampered with: it is evidence all the same, and the verifier stops at it.
        let line = row_line(row).or_else(|_| {
            serde_json::to_string(&json!({
                "seq": row.seq,
                "prev_hash": row.prev_hash.to_string(),
                "hash": row.hash.to_string(),
                "not_json": row.canonical,
            }))
        })?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

const COLUMNS: [&str; 15] = [
    "seq",
    "recorded_at",
    "sentence",
    "actor_kind",
    "actor_name",
    "actor_id",
    "action",
    "object_kind",
    "object_id",
    "outcome",
    "source",
    "trace_id",
    "detail",
    "prev_hash",
    "hash",
];

fn table(rows: &[ChainRow]) -> Result<String, csv::TableError> {
    let mut table = csv::writer();
    for row in rows {
        let (seq, prev_hash, hash) = (
            row.seq.to_string(),
            row.prev_hash.to_string(),
            row.hash.to_string(),
        );
        let mut cells: [String; 15] = Default::default();
        match Event::from_canonical(&row.canonical) {
            Ok(event) => {
                let middle = [
                    event
                        .recorded_at
                        .format(&Rfc3339)
                        .map_err(|error| csv::TableError::Value(error.into()))?,
                    sentence(&event),
                    event.actor.kind().to_owned(),
                    event.actor.name().unwrap_or_default().to_owned(),
                    event.actor.id().map(|id| id.to_string()).unwrap_or_default(),
                    event.action.as_str().to_owned(),
                    event.object.kind.clone(),
                    event.object.id.clone(),
                    event.outcome.as_str().to_owned(),
                    event.source.map(|source| source.to_string()).unwrap_or_default(),
                    event.trace_id.clone().unwrap_or_default(),
                    serde_json::to_string(event.detail.as_map())
                        .map_err(|error| csv::TableError::Value(error.into()))?,
                ];
                for (cell, text) in cells[1..13].iter_mut().zip(middle) {
                    *cell = csv::harmless(&text).into_owned();
                }
            }
            // Tampered with: the text itself, as it is.
            Err(_) => cells[12] = csv::harmless(&row.canonical).into_owned(),
        }
        (cells[0], cells[13], cells[14]) = (seq, prev_hash, hash);
        table.write_record(&cells)?;
    }
    csv::text(table)
}

#[cfg(test)]
mod tests {
    use quarterdeck_domain::audit::{Action, Actor, Detail, Object, Outcome, Sha256Hash};
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    fn row(canonical: String) -> ChainRow {
        ChainRow {
            seq: 1,
            canonical,
            prev_hash: Sha256Hash([0; 32]),
            hash: Sha256Hash([1; 32]),
            columns: None,
        }
    }

    fn event() -> Event {
        Event {
            id: Uuid::nil(),
            recorded_at: datetime!(2026-11-24 22:00 UTC),
            actor: Actor::CommandLine {
                name: "=cmd|'/c calc'!A1".into(),
            },
            action: Action::AccountDisabled,
            object: Object::new("account", "-2+3"),
            outcome: Outcome::Succeeded,
            detail: Detail::none().with("note", "a \"quoted\"\r\nline"),
            source: None,
            trace_id: None,
        }
    }

    #[test]
    fn a_table_reads_back_and_holds_no_formula() {
        let rows = [row(event().canonical().unwrap()), row("not json".into())];
        let text = table(&rows).unwrap();
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(text.as_bytes());
        let read: Vec<Vec<String>> = reader
            .records()
            .map(|record| record.unwrap().iter().map(str::to_owned).collect())
            .collect();
        assert_eq!(read[0].len(), COLUMNS.len());
        assert_eq!(
            (read[0][4].as_str(), read[0][8].as_str()),
            ("'=cmd|'/c calc'!A1", "'-2+3")
        );
        assert_eq!(read[0][12], r#"{"note":"a \"quoted\"\r\nline"}"#);
        assert_eq!(read[1][12], "not json");
        for cell in read.iter().flatten() {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
        }
    }

    #[test]
    fn a_text_that_is_no_json_is_kept_as_evidence() {
        let text = lines(&[row("not json".into())]).unwrap();
        assert!(text.contains(r#""not_json":"not json""#), "{text}");
    }

    #[test]
    fn formats_are_named() {
        assert_eq!(Format::read("format=csv&actor=x").ok(), Some(Format::Csv));
        assert_eq!(Format::read("actor=csv").ok(), Some(Format::JsonLines));
        assert!(
            Format::read("format=xlsx")
                .unwrap_err()
                .to_string()
                .contains("csv or jsonl")
        );
    }
}
