//! Backups, made up.

use quarterdeck_app::{
    error::ConsoleError,
    view::backup::{
        ArchiveView, BackupsView, CalendarCellView, CalendarRowView, CopyFileView, CopyPageView, CopyView,
        DrillView, MapDotView, MapHoleView, MapSpanView, MapView, MethodView, RecoverabilityVerdictView,
        RpoView, RtoView, RunPageView, RunView, VerificationView,
    },
};
use quarterdeck_domain::{
    backup::{ExpectedState, Gap, Method, Missing, Newest, Run, SegmentName, TimelineContinuity},
    health::Band,
};
use time::OffsetDateTime;

use super::{FakeConsole, Scenario};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const GB: u64 = 1 << 30;

/// What the stable name of a made-up run begins with.
const RUN: &str = "0192f0c1-0000-7000-8000-0000000000";

fn instant(at_ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1_000)).expect("a time of this century")
}

fn days_ago(now_ms: i64, days: i64, hour: i64) -> i64 {
    now_ms - now_ms.rem_euclid(DAY) - days * DAY + hour * HOUR
}

fn name(method: Method, at_ms: i64) -> String {
    format!("{}/skillquest-{}", method.key(), at_ms / 1_000)
}

fn run(n: u8, method: Method, state: &str, began_at_ms: i64, took_ms: Option<i64>) -> RunView {
    RunView {
        id: format!("{RUN}{n:02}"),
        method,
        state: state.into(),
        by: if n == 3 { "ada" } else { "schedule" }.into(),
        host: "console-1".into(),
        began_at_ms,
        ended_at_ms: took_ms.map(|took| began_at_ms + took),
        phase: if state == "running" { "copying tables" } else { "" }.into(),
        done_bytes: 3 * GB,
        total_bytes: Some(4 * GB),
        rate_bytes_per_s: (state == "running").then_some(42 << 20),
        command: "pg_dump --format=custom --snapshot=00000003-1B dbname=skillquest".into(),
        exit_code: match state {
            "succeeded" => Some(0),
            "failed" => Some(1),
            _ => None,
        },
        error: (state == "failed").then(|| {
            "The disk of /var/lib/quarterdeck/backups is full: nothing was stored, and what was written was removed. Make room \
             for 4.2 GB there, and run it again."
                .into()
        }),
        backup: (state == "succeeded").then(|| name(method, began_at_ms)),
        cancelling: false,
    }
}

impl FakeConsole {
    pub(super) fn backups_view(&self) -> Result<BackupsView, ConsoleError> {
        if self.scenario == Scenario::Fresh {
            return Err(ConsoleError::NotFound(
                "Backups are not configured. Add a [backups] section to the configuration.".into(),
            ));
        }
        let now = self.now_ms;
        let copies = self.copies();
        Ok(BackupsView {
            read_at_ms: now,
            verdict: self.recoverability(),
            rpo: self.rpo(),
            rto: self.rto(),
            map: self.map(),
            methods: self.methods(),
            archive: (self.scenario != Scenario::Old).then(|| self.archive()),
            calendar: self.calendar(),
            runs: self.runs(),
            drills: self.drills(),
            copies_left_out: 0,
            others: match self.scenario {
                Scenario::Storm => vec!["dump/skillquest.sql.tmp".into(), "notes.txt".into()],
                _ => vec![],
            },
            troubles: match self.scenario {
                Scenario::Blind => vec![
                    "The store s3://skillquest-backups/prod does not answer: connection refused. What is kept there is not known.".into(),
                ],
                _ => vec![],
            },
            copies,
        })
    }

    fn recoverability(&self) -> RecoverabilityVerdictView {
        let (band, headline, why): (_, _, &[&str]) = match self.scenario {
            Scenario::Calm | Scenario::Fresh => (
                Band::Ok,
                "Recoverable to 22:10:21 UTC, 42 s ago, in about 11 min.",
                &[],
            ),
            Scenario::Mixed => (
                Band::Degraded,
                "Recoverable to 22:10:21 UTC, 42 s ago, in about 41 min.",
                &[
                    "From 29 Nov 04:00 UTC on, no instant before 22 Nov 04:31 UTC can be reached: the WAL since then is pruned.",
                ],
            ),
            Scenario::Storm => (
                Band::Alert,
                "Recoverable to 02:00:07 UTC, 20 h 10 min ago, in about 5 h 12 min.",
                &[
                    "The archive lacks 3 segments since 19:02 UTC: nothing after that can be reached from it.",
                    "archive_command has failed for 3 h 08 min.",
                    "The last restore took longer than 4 h.",
                ],
            ),
            Scenario::Blind => (
                Band::Unknown,
                "Whether anything could be recovered is not known.",
                &["The store has not answered for 14 min."],
            ),
            Scenario::Old => (
                Band::Alert,
                "Nothing could be recovered.",
                &["No backup was ever made."],
            ),
        };
        RecoverabilityVerdictView {
            band,
            headline: headline.into(),
            why: why.iter().map(|why| (*why).to_owned()).collect(),
        }
    }

    fn rpo(&self) -> RpoView {
        let now = self.now_ms;
        let unknown = matches!(self.scenario, Scenario::Blind | Scenario::Old);
        let (band, age, exposed) = match self.scenario {
            Scenario::Storm => (Band::Alert, 20 * HOUR + 10 * MINUTE, 3 * HOUR + 8 * MINUTE),
            Scenario::Blind | Scenario::Old => (Band::Unknown, 0, 0),
            Scenario::Mixed => (Band::Ok, 11 * MINUTE, 42_000),
            Scenario::Calm | Scenario::Fresh => (Band::Ok, 42_000, 42_000),
        };
        let storm = self.scenario == Scenario::Storm;
        let history = (0..=288)
            .map(|i| {
                let at = now - DAY + i * 5 * MINUTE;
                let value = match i {
                    100..=112 => None,
                    _ if storm && i > 250 => Some((i - 250) * 5 * MINUTE),
                    _ => Some(40_000 + (i * 7_919 % 260) * 1_000),
                };
                (at, value)
            })
            .collect();
        RpoView {
            band,
            target_ms: HOUR,
            reachable_at_ms: (!unknown).then_some(now - age),
            age_ms: (!unknown).then_some(age),
            exposed_ms: (!unknown).then_some(exposed),
            standby_ms: (!unknown).then_some(240),
            notes: match self.scenario {
                Scenario::Blind => vec!["The archive can't be looked into.".into()],
                Scenario::Mixed => vec!["Nothing was written between 22:00:03 and 22:10:21 UTC.".into()],
                _ => vec![],
            },
            worst: (self.scenario != Scenario::Old).then(|| {
                (
                    if storm { 3 * HOUR + 8 * MINUTE } else { 21 * MINUTE },
                    now - if storm { 0 } else { 6 * DAY },
                )
            }),
            history: if self.scenario == Scenario::Old {
                vec![]
            } else {
                history
            },
        }
    }

    fn rto(&self) -> RtoView {
        let now = self.now_ms;
        let (band, estimate) = match self.scenario {
            Scenario::Storm => (Band::Alert, Some(5 * HOUR + 12 * MINUTE)),
            Scenario::Blind | Scenario::Old => (Band::Unknown, None),
            Scenario::Mixed | Scenario::Calm | Scenario::Fresh => (Band::Ok, Some(41 * MINUTE)),
        };
        RtoView {
            band,
            target_ms: 4 * HOUR,
            estimate_ms: estimate,
            human_ms: 30 * MINUTE,
            spread_ms: estimate.map(|_| (9 * MINUTE, 14 * MINUTE)),
            notes: match estimate {
                Some(_) => vec![
                    "Measured by 12 drills, the last one 2 d ago, scaled from 38.1 GB to 41.0 GB.".into(),
                ],
                None => vec!["No drill has ever restored anything: how long it takes is not known.".into()],
            },
            history: estimate.map_or_else(Vec::new, |estimate| {
                (0..12)
                    .map(|week| {
                        (
                            now - (12 - week) * 7 * DAY,
                            estimate - (11 - week) * 90_000 - week % 3 * 120_000,
                        )
                    })
                    .collect()
            }),
        }
    }

    fn map(&self) -> MapView {
        let now = self.now_ms;
        let mut view = MapView {
            from_ms: now - 30 * DAY,
            to_ms: now + 7 * DAY,
            now_ms: now,
            spans: vec![],
            dots: vec![],
            holes: vec![],
        };
        if matches!(self.scenario, Scenario::Blind | Scenario::Old) {
            return view;
        }
        view.dots = (0..30)
            .map(|day| days_ago(now, day, 2))
            .filter(|at_ms| *at_ms < now)
            .map(|at_ms| MapDotView {
                at_ms,
                backup: name(Method::Dump, at_ms),
                kind: "dump".into(),
            })
            .collect();
        view.dots.extend([16, 23].map(|day| {
            let at_ms = days_ago(now, day, 4) + 31 * MINUTE;
            MapDotView {
                at_ms,
                backup: name(Method::Base, at_ms),
                kind: "base backup".into(),
            }
        }));
        let base = days_ago(now, 9, 4) + 31 * MINUTE;
        let pruned = now - 7 * DAY;
        let newest = days_ago(now, 2, 4) + 31 * MINUTE;
        let span = |from_ms, to_ms, timeline, base: i64, branch| MapSpanView {
            from_ms,
            to_ms,
            certain_to_ms: to_ms - 90_000,
            timeline,
            bases: vec![name(Method::Base, base)],
            branch,
        };
        let hole = |from_ms, to_ms, cause: &str, ahead| MapHoleView {
            from_ms,
            to_ms,
            cause: cause.into(),
            ahead,
        };
        let before = hole(
            now - 30 * DAY,
            Some(base),
            "The WAL of this time is pruned: only the dumps and base backups themselves can be restored.",
            false,
        );
        match self.scenario {
            Scenario::Storm => {
                let lost = now - 3 * HOUR - 8 * MINUTE;
                view.spans = vec![
                    span(base, pruned + DAY, 1, base, false),
                    span(pruned + DAY + 5 * HOUR, lost, 2, newest, false),
                    span(pruned + 2 * DAY, pruned + 3 * DAY, 3, base, true),
                ];
                view.holes = vec![
                    before,
                    hole(
                        pruned + DAY,
                        Some(pruned + DAY + 5 * HOUR),
                        "17 segments, 00000001000000160000009A to 0000000100000016000000AA, are lost.",
                        false,
                    ),
                    hole(
                        lost,
                        None,
                        "Segment 0000000200000016000000B3 is lost: archive_command fails.",
                        false,
                    ),
                ];
            }
            Scenario::Calm => {
                view.spans = vec![span(base, now - 42_000, 1, base, false)];
                view.holes = vec![before];
            }
            Scenario::Mixed | Scenario::Fresh | Scenario::Blind | Scenario::Old => {
                view.spans = vec![span(base, now - 42_000, 1, base, false)];
                view.holes = vec![
                    before,
                    hole(
                        now + 4 * DAY,
                        Some(now + 5 * DAY + 6 * HOUR),
                        "The base backup of 15 Nov goes, and the next one is not yet there: the WAL between has nothing to be replayed on.",
                        true,
                    ),
                ];
            }
        }
        view
    }

    fn methods(&self) -> Vec<MethodView> {
        let now = self.now_ms;
        let row = |method, band, state: &str, newest: Option<i64>, next: Option<i64>, schedule: &str| {
            let keep_days = match method {
                Method::Dump => 30,
                Method::Base => 28,
                Method::Wal | Method::RedisRdb => 7,
                Method::RedisAof => 3,
            };
            let copies = self.copies().iter().filter(|copy| copy.method == method).count();
            MethodView {
                method,
                band,
                state: state.into(),
                newest_at_ms: newest,
                next_at_ms: next,
                schedule: schedule.into(),
                keep_days,
                copies,
                bytes: copies as u64 * 4 * GB,
            }
        };
        let (band, state, newest) = match self.scenario {
            Scenario::Storm => (Band::Alert, "the last run failed", Some(now - 44 * HOUR)),
            Scenario::Blind => (Band::Unknown, "the store does not answer", None),
            Scenario::Old => (Band::Alert, "never made", None),
            Scenario::Calm | Scenario::Mixed | Scenario::Fresh => {
                (Band::Ok, "verified", Some(days_ago(now, 0, 2) + 7_000))
            }
        };
        let some = |at_ms: i64| newest.map(|_| at_ms);
        vec![
            row(
                Method::Base,
                band,
                state,
                some(days_ago(now, 2, 4) + 31 * MINUTE),
                Some(days_ago(now, -5, 4)),
                "0 4 * * SUN UTC",
            ),
            row(
                Method::Wal,
                band,
                if band == Band::Ok { "complete" } else { state },
                some(now - 42_000),
                None,
                "continuously",
            ),
            row(
                Method::Dump,
                band,
                state,
                newest,
                Some(days_ago(now, -1, 2)),
                "0 2 * * * UTC",
            ),
            row(
                Method::RedisRdb,
                if self.scenario == Scenario::Mixed {
                    Band::Degraded
                } else {
                    band
                },
                if self.scenario == Scenario::Mixed {
                    "not verified yet"
                } else {
                    state
                },
                some(now - 11 * MINUTE),
                Some(now + 4 * MINUTE),
                "*/15 * * * * UTC",
            ),
            row(
                Method::RedisAof,
                band,
                if band == Band::Ok {
                    "written every second"
                } else {
                    state
                },
                some(now - 1_000),
                None,
                "continuously",
            ),
        ]
    }

    fn calendar(&self) -> Vec<CalendarRowView> {
        let now = self.now_ms;
        // The Monday of this week, and the Monday after it.
        let today = days_ago(now, 0, 0);
        let monday = today - (today / DAY + 3).rem_euclid(7) * DAY;
        let old = self.scenario == Scenario::Old;
        let state = |at_ms: i64, n: i64| match n {
            _ if at_ms > now => ExpectedState::Upcoming,
            _ if old => ExpectedState::Missed,
            5 => ExpectedState::Failed,
            11 => ExpectedState::Late,
            17 => ExpectedState::Missed,
            21 => ExpectedState::Unverified,
            _ if self.scenario == Scenario::Storm && n > 27 => ExpectedState::Failed,
            _ => ExpectedState::Ran,
        };
        let cells = |times: Vec<i64>| {
            times
                .into_iter()
                .enumerate()
                .map(|(n, at_ms)| {
                    let state = state(at_ms, n as i64);
                    let ran = !matches!(state, ExpectedState::Missed | ExpectedState::Upcoming);
                    CalendarCellView {
                        at_ms,
                        state,
                        run: ran.then(|| format!("{RUN}{:02}", n % 4)),
                    }
                })
                .collect()
        };
        let from = monday - 28 * DAY;
        let to = monday + 7 * DAY;
        let every = |first: i64, step: i64| {
            (0..)
                .map(|n| first + n * step)
                .take_while(|at| *at < to)
                .collect()
        };
        vec![
            CalendarRowView {
                method: Method::Base,
                cells: cells(every(from + 6 * DAY + 4 * HOUR, 7 * DAY)),
            },
            CalendarRowView {
                method: Method::Dump,
                cells: cells(every(from + 2 * HOUR, DAY)),
            },
            CalendarRowView {
                method: Method::RedisRdb,
                cells: cells(every(from, 15 * MINUTE)),
            },
        ]
    }

    fn runs(&self) -> Vec<RunView> {
        let now = self.now_ms;
        match self.scenario {
            Scenario::Old => vec![],
            Scenario::Storm => vec![
                run(0, Method::Base, "running", now - 8 * MINUTE, None),
                run(1, Method::Dump, "failed", days_ago(now, 0, 2), Some(7 * MINUTE)),
                run(2, Method::RedisRdb, "lost", now - 26 * MINUTE, Some(4 * MINUTE)),
                run(3, Method::Dump, "cancelled", now - 3 * HOUR, Some(2 * MINUTE)),
            ],
            Scenario::Mixed => vec![
                run(0, Method::Dump, "running", now - 73_000, None),
                run(1, Method::Dump, "failed", days_ago(now, 0, 2), Some(7 * MINUTE)),
                run(2, Method::RedisRdb, "succeeded", now - 11 * MINUTE, Some(3_000)),
                run(
                    3,
                    Method::Base,
                    "succeeded",
                    days_ago(now, 2, 4),
                    Some(31 * MINUTE),
                ),
            ],
            Scenario::Calm | Scenario::Blind | Scenario::Fresh => vec![
                run(2, Method::RedisRdb, "succeeded", now - 11 * MINUTE, Some(3_000)),
                run(
                    1,
                    Method::Dump,
                    "succeeded",
                    days_ago(now, 0, 2),
                    Some(7 * MINUTE),
                ),
            ],
        }
    }

    fn drills(&self) -> Vec<DrillView> {
        let now = self.now_ms;
        let drill = |n: u8, state: &str, began_at_ms: i64, took_ms: Option<i64>| DrillView {
            id: format!("{RUN}{n:02}"),
            backup: name(Method::Base, days_ago(now, 2, 4)),
            began_at_ms,
            ended_at_ms: took_ms.map(|took| began_at_ms + took),
            by: "schedule".into(),
            state: state.into(),
            target_at_ms: Some(began_at_ms - 5 * MINUTE),
            steps: vec![
                ("Fetch the backup".into(), 94_000),
                ("Start and replay".into(), 8 * MINUTE),
            ],
            checks: match state {
                "succeeded" => vec!["31 tables: 31, as it should be".into()],
                "failed" => vec!["public.answers: 8,112,000 rows instead of 8,112,904".into()],
                _ => vec![],
            },
            error: (state == "failed")
                .then(|| "What was restored is not what was backed up: see the checks.".into()),
            cancelling: false,
        };
        match self.scenario {
            Scenario::Calm | Scenario::Mixed => {
                vec![drill(20, "succeeded", days_ago(now, 2, 6), Some(11 * MINUTE))]
            }
            Scenario::Storm => vec![
                drill(22, "running", now - 3 * MINUTE, None),
                drill(21, "failed", days_ago(now, 1, 6), Some(14 * MINUTE)),
            ],
            Scenario::Blind | Scenario::Old | Scenario::Fresh => vec![],
        }
    }

    fn copies(&self) -> Vec<CopyView> {
        let now = self.now_ms;
        if matches!(self.scenario, Scenario::Old | Scenario::Blind) {
            return vec![];
        }
        let copy = |method, at_ms: i64, bytes, growth| CopyView {
            name: name(method, at_ms),
            method,
            instant_ms: at_ms,
            bytes,
            growth_percent: growth,
            condition: "good".into(),
            damage: None,
            verified_at_ms: Some(at_ms + 12 * MINUTE),
            pinned: None,
        };
        let mut copies: Vec<CopyView> = (0..40)
            .map(|n| {
                copy(
                    Method::RedisRdb,
                    now - 11 * MINUTE - n * 15 * MINUTE,
                    61 << 20,
                    Some(0),
                )
            })
            .collect();
        copies.extend((0..30).map(|day| {
            let growth = if day == 3 { -38 } else { 1 };
            copy(Method::Dump, days_ago(now, day, 2) + 7_000, 4 * GB, Some(growth))
        }));
        copies.extend([2, 9, 16, 23].map(|day| {
            copy(
                Method::Base,
                days_ago(now, day, 4) + 31 * MINUTE,
                11 * GB,
                (day != 23).then_some(2),
            )
        }));
        copies.sort_by_key(|copy| -copy.instant_ms);
        if self.scenario != Scenario::Calm {
            copies[1].condition = "unverified".into();
            copies[1].verified_at_ms = None;
            copies[42].condition = "damaged".into();
            copies[42].damage =
                Some("It ends after 3.1 GB of 4.0 GB: pg_restore reads 14 of 31 tables.".into());
            copies[44].pinned = Some(("ada".into(), "before the migration to 15.14".into()));
        }
        copies
    }

    fn archive(&self) -> ArchiveView {
        let now = self.now_ms;
        let segment = |timeline, number| SegmentName { timeline, number };
        let stretch = |timeline, first, last, from_ms: i64, to_ms: i64| Run {
            first: segment(timeline, first),
            last: segment(timeline, last),
            first_stored_at: instant(from_ms),
            last_stored_at: instant(to_ms),
            newest: Newest {
                certain: Some(instant(to_ms - 9_000)),
                at_most: instant(to_ms),
            },
        };
        let storm = self.scenario == Scenario::Storm;
        let mut timelines = vec![TimelineContinuity {
            timeline: 1,
            began: None,
            left_at: None,
            history_missing: false,
            runs: vec![stretch(1, 5_100, 5_810, now - 9 * DAY, now - 42_000)],
            gaps: vec![],
        }];
        if storm {
            timelines[0].runs = vec![
                stretch(1, 5_100, 5_780, now - 9 * DAY, now - 6 * DAY),
                stretch(1, 5_798, 5_810, now - 6 * DAY, now - 4 * HOUR),
            ];
            timelines[0].gaps = vec![Gap {
                timeline: 1,
                first: 5_781,
                last: 5_797,
                missing: Missing::Lost,
            }];
        }
        ArchiveView {
            place: "file:///srv/wal-archive".into(),
            segments: 711,
            bytes: 11 * GB,
            gaps: if storm {
                vec!["17 segments, 000000010000001600000095 to 0000000100000016000000A5, are lost".into()]
            } else {
                vec![]
            },
            timelines,
            waiting: match self.scenario {
                Scenario::Storm => Some(214),
                Scenario::Blind => None,
                _ => Some(0),
            },
            failing: storm.then(|| {
                "archive_command has failed for 3 h 08 min, last at 22:10:58 UTC: cp: No space left on device.".into()
            }),
            findings: if storm {
                vec!["0000000100000016000000B0 has 8.0 MB instead of 16.0 MB.".into()]
            } else {
                vec![]
            },
        }
    }

    pub(super) fn backup_run_page(&self, id: &str) -> Result<RunPageView, ConsoleError> {
        let run = self
            .runs()
            .into_iter()
            .find(|run| run.id == id)
            .ok_or_else(|| ConsoleError::NotFound(format!("There is no run {id:?}.")))?;
        let copy = match &run.backup {
            Some(_) => self.copies().into_iter().find(|copy| copy.method == run.method),
            None => None,
        };
        Ok(RunPageView {
            read_at_ms: self.now_ms,
            log: if run.method == Method::Dump {
                "pg_dump: saving encoding = UTF8\npg_dump: dumping contents of table \"public.<answers>\"\n"
                    .into()
            } else {
                String::new()
            },
            usual_ms: Some(6 * MINUTE),
            copy: copy.map(|copy| self.copy_page(copy)),
            run,
        })
    }

    pub(super) fn backup_copy_page(&self, name: &str) -> Result<CopyPageView, ConsoleError> {
        let copy = self.copies().into_iter().find(|copy| copy.name == name);
        copy.map(|copy| self.copy_page(copy))
            .ok_or_else(|| ConsoleError::NotFound(format!("There is no copy {name:?}.")))
    }

    fn copy_page(&self, copy: CopyView) -> CopyPageView {
        let damaged = copy.condition == "damaged";
        let mut verifications = vec![VerificationView {
            began_at_ms: copy.instant_ms + 10 * MINUTE,
            ended_at_ms: copy.instant_ms + 12 * MINUTE,
            by: "schedule".into(),
            condition: "good".into(),
            findings: vec![
                "1 file of 4.0 GB has the size and the checksum that it was stored with.".into(),
                "pg_restore reads all 31 tables.".into(),
            ],
        }];
        if damaged {
            verifications.insert(
                0,
                VerificationView {
                    began_at_ms: self.now_ms - HOUR,
                    ended_at_ms: self.now_ms - HOUR + 94_000,
                    by: "ada".into(),
                    condition: "damaged".into(),
                    findings: vec![
                        "It ends after 3.1 GB of 4.0 GB: pg_restore reads 14 of 31 tables.".into(),
                    ],
                },
            );
        }
        CopyPageView {
            place: "s3://skillquest-backups/prod".into(),
            run: Some(format!("{RUN}03")),
            facts: vec![
                ("Server".into(), "primary, PostgreSQL 15.14".into()),
                ("Database".into(), "skillquest, 31 tables, 8,112,904 rows".into()),
            ],
            files: vec![CopyFileView {
                path: format!("{}.dump", copy.name),
                bytes: copy.bytes,
                sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
            }],
            drills: vec![DrillView {
                id: format!("{RUN}07"),
                backup: copy.name.clone(),
                cancelling: false,
                began_at_ms: copy.instant_ms + DAY,
                ended_at_ms: Some(copy.instant_ms + DAY + 11 * MINUTE),
                by: "schedule".into(),
                state: if damaged { "failed" } else { "succeeded" }.into(),
                target_at_ms: None,
                steps: vec![
                    ("fetch".into(), 94_000),
                    ("restore".into(), 8 * MINUTE),
                    ("check".into(), 71_000),
                ],
                checks: vec!["31 of 31 tables have the rows and the checksum of the source.".into()],
                error: damaged.then(|| "pg_restore ended with 1: unexpected end of file.".into()),
            }],
            verifications,
            copy,
        }
    }
}
