//! Whether two clocks agree.

use time::{Duration, OffsetDateTime};

use super::Finding;

/// Up to this, nobody is misled.
const TOLERABLE: Duration = Duration::seconds(2);
/// Beyond this, fresh readings look stale, or sessions expired.
const HARMFUL: Duration = Duration::seconds(10);

/// Holds another clock against ours. It was read somewhere between `before` and `after`: within that span
/// nothing is known.
pub(super) fn judge(
    area: &'static str,
    theirs: OffsetDateTime,
    before: OffsetDateTime,
    after: OffsetDateTime,
) -> Finding {
    let check = "clock";
    let skew = if theirs < before {
        theirs - before
    } else if theirs > after {
        theirs - after
    } else {
        Duration::ZERO
    };
    let direction = if skew.is_negative() { "behind" } else { "ahead of" };
    let seen = format!("{:.1} s {direction} the console's", skew.abs().as_seconds_f64());
    let mend = "Run NTP (chrony, systemd-timesyncd) on both machines.";
    match skew.abs() {
        none if none.is_zero() => Finding::ok(area, check, "agrees with the console's"),
        some if some <= TOLERABLE => Finding::ok(area, check, seen),
        some if some <= HARMFUL => Finding::warn(area, check, seen, mend),
        _ => Finding::fail(
            area,
            check,
            format!("{seen}: fresh readings look stale or from the future"),
            mend,
        ),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::{super::Outcome, *};

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:00 UTC);

    fn outcome(offset_ms: i64) -> Outcome {
        let after = NOW + Duration::milliseconds(100);
        judge("Redis", NOW + Duration::milliseconds(offset_ms), NOW, after).outcome
    }

    #[test]
    fn the_time_of_asking_is_not_held_against_a_clock() {
        assert_eq!(
            outcome(50),
            Outcome::Ok {
                seen: "agrees with the console's".into()
            }
        );
        assert_eq!(
            outcome(-1500),
            Outcome::Ok {
                seen: "1.5 s behind the console's".into()
            }
        );
        assert!(matches!(outcome(5100), Outcome::Warn { seen, .. } if seen.starts_with("5.0 s ahead of")));
        assert!(matches!(outcome(-11_000), Outcome::Fail { .. }));
    }
}
