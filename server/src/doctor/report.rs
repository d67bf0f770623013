//! What the doctor found, and how it is printed.

use std::fmt;

/// One check and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: `Prometheus`, `Metrics`, ….
    pub area: &'static str,
    /// What was checked.
    pub check: String,
    /// How it went.
    pub outcome: Outcome,
}

/// How a check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Ok {
        /// What was seen.
        seen: String,
    },
    /// Works, but not as well as it should, or not for ever.
    Warn {
        /// What was seen.
        seen: String,
        /// What to do about it.
        mend: String,
    },
    /// Keeps the console from its work.
    Fail {
        /// What was seen.
        seen: String,
        /// What to do about it.
        mend: String,
    },
}

impl Finding {
    /// As it should be.
    pub fn ok(area: &'static str, check: impl Into<String>, seen: impl Into<String>) -> Self {
        Self {
            area,
            check: check.into(),
            outcome: Outcome::Ok { seen: seen.into() },
        }
    }

    /// Works, with a reservation.
    pub fn warn(
        area: &'static str,
        check: impl Into<String>,
        seen: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            area,
            check: check.into(),
            outcome: Outcome::Warn {
                seen: seen.into(),
                mend: mend.into(),
            },
        }
    }

    /// Does not work.
    pub fn fail(
        area: &'static str,
        check: impl Into<String>,
        seen: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            area,
            check: check.into(),
            outcome: Outcome::Fail {
                seen: seen.into(),
                mend: mend.into(),
            },
        }
    }
}

/// All findings, in the order in which they are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorReport {
    /// One a check.
    pub findings: Vec<Finding>,
}

impl DoctorReport {
    /// Whether nothing has failed. Warnings do not count.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.failures() == 0
    }

    fn failures(&self) -> usize {
        self.findings
            .iter()
            .filter(|f| matches!(f.outcome, Outcome::Fail { .. }))
            .count()
    }

    fn warnings(&self) -> usize {
        self.findings
            .iter()
            .filter(|f| matches!(f.outcome, Outcome::Warn { .. }))
            .count()
    }
}

impl fmt::Display for DoctorReport {
    /// A table, with what to mend below each row that wants it. Each row stays one line for `grep`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let area_width = self
            .findings
            .iter()
            .map(|x| x.area.chars().count())
            .max()
            .unwrap_or(0);
        let check_width = self
            .findings
            .iter()
            .map(|x| x.check.chars().count())
            .max()
            .unwrap_or(0);
        for Finding { area, check, outcome } in &self.findings {
            let (mark, seen, mend) = match outcome {
                Outcome::Ok { seen } => ("ok  ", seen, None),
                Outcome::Warn { seen, mend } => ("WARN", seen, Some(mend)),
                Outcome::Fail { seen, mend } => ("FAIL", seen, Some(mend)),
            };
            let seen = seen.replace(['\n', '\r'], " ");
            writeln!(f, "{mark}  {area:area_width$}  {check:check_width$}  {seen}")?;
            if let Some(mend) = mend {
                writeln!(f, "      {:area_width$}  {:check_width$}  → {mend}", "", "")?;
            }
        }
        let checks = self.findings.len();
        writeln!(
            f,
            "{checks} checks: {} failed, {} warnings",
            self.failures(),
            self.warnings()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_make_it_unsound() {
        let mut report = DoctorReport {
            findings: vec![Finding::ok("Redis", "answers", "PONG")],
        };
        assert!(report.is_sound());
        report.findings.push(Finding::warn(
            "Tools",
            "psql",
            "is missing",
            "Install postgresql-client.",
        ));
        assert!(report.is_sound());
        report.findings.push(Finding::fail(
            "Prometheus",
            "answers",
            "refused\nat once",
            "Start it.",
        ));
        assert!(!report.is_sound());
        let text = report.to_string();
        assert!(
            text.contains("FAIL  Prometheus  answers  refused at once\n"),
            "{text}"
        );
        assert!(text.contains("→ Install postgresql-client."), "{text}");
        assert!(text.ends_with("3 checks: 1 failed, 1 warnings\n"), "{text}");
    }
}
