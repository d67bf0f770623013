//! Whether one could return to an instant.

use quarterdeck_domain::backup::{Answer, SegmentSize};
use serde::Serialize;
use time::OffsetDateTime;

use super::watch::Look;

/// What is known of one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Reach {
    /// The instant.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Whether the timeline that is written now can be returned to there; none where it is not known.
    pub reachable: Option<bool>,
    /// By what, or why not, in sentences.
    pub words: String,
    /// The same for programs; none where it is not known.
    pub answer: Option<Answer>,
}

impl Reach {
    /// Out of a look. What was not found in a place that could not be looked into may be there all the same.
    #[must_use]
    pub fn of(look: &Look, at: OffsetDateTime) -> Self {
        let answer = look.map.answer(at);
        let blind = match (&look.inventory, &look.archive) {
            (Err(error), _) | (Ok(_), Some(Err(error))) => Some(error),
            (Ok(_), Some(Ok(_)) | None) => None,
        };
        match blind.filter(|_| !answer.reachable()) {
            Some(error) => Self {
                at,
                reachable: None,
                words: format!("It is not known whether this instant can be reached: {error}."),
                answer: None,
            },
            None => {
                let size = look
                    .primary
                    .as_ref()
                    .map_or(SegmentSize::DEFAULT, |state| state.segment_size);
                Self {
                    at,
                    reachable: Some(answer.reachable()),
                    words: answer.words(at, size),
                    answer: Some(answer),
                }
            }
        }
    }
}
