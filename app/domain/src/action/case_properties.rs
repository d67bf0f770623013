//! Every sequence of events keeps what people rely on.

use proptest::prelude::*;
use time::{Duration, OffsetDateTime, macros::datetime};
use uuid::Uuid;

use super::case::CLAIM_WITHIN;
use super::*;
use crate::access::Role;

const BEGIN: OffsetDateTime = datetime!(2026-11-25 03:00 UTC);
const POLICY: i64 = 3;

/// Six accounts of five people: the accounts 1 and 5 are one person's.
fn person(number: u8) -> Person {
    Person {
        account: Uuid::from_u128(number.into()),
        identity: format!("person {}", if number == 5 { 1 } else { number }),
        name: format!("account {number}"),
    }
}

fn plan(targets: u8, refuses: bool) -> Plan {
    Plan {
        params: Params::TerminateLongRunning {
            node: "primary".into(),
            longer_than_s: 300,
        },
        planned_at: BEGIN,
        targets: (0..targets)
            .map(|id| Target {
                kind: "backend".into(),
                id: id.to_string(),
                title: format!("backend {id}"),
                facts: vec![],
            })
            .collect(),
        left_out: vec![],
        gates: vec![Gate::new(
            "privilege",
            "may signal",
            if refuses {
                Verdict::Refused
            } else {
                Verdict::Passed
            },
            "",
        )],
        effect: String::new(),
        expected_s: 1,
        undo: String::new(),
    }
}

/// What a test does: an event, or a change of an account.
#[derive(Debug, Clone)]
enum Deed {
    Vote {
        who: u8,
        approve: bool,
        other_digest: bool,
        other_policy: bool,
    },
    Cancel(u8),
    Expire,
    Start {
        who: u8,
        targets: u8,
        refuses: bool,
    },
    Claim(u8),
    Stop(u8),
    Finish(u8, u8),
    Abandon(bool),
    Review(u8),
    Wait(i64),
    Role(u8, Role),
    Enable(u8, bool),
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let who = || 0_u8..6;
    prop_oneof![
        6 => (who(), prop::bool::weighted(0.9), prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
            |(who, approve, other_digest, other_policy)| Deed::Vote { who, approve, other_digest, other_policy }
        ),
        1 => who().prop_map(Deed::Cancel),
        1 => Just(Deed::Expire),
        5 => (who(), 0_u8..5, prop::bool::weighted(0.1))
            .prop_map(|(who, targets, refuses)| Deed::Start { who, targets, refuses }),
        4 => (0_u8..3).prop_map(Deed::Claim),
        1 => who().prop_map(Deed::Stop),
        3 => (0_u8..3, 0_u8..3).prop_map(|(worker, outcome)| Deed::Finish(worker, outcome)),
        2 => any::<bool>().prop_map(Deed::Abandon),
        2 => who().prop_map(Deed::Review),
        1 => (0_i64..400).prop_map(Deed::Wait),
        1 => (who(), prop::sample::select(Role::ALL.to_vec())).prop_map(|(who, role)| Deed::Role(who, role)),
        1 => (who(), any::<bool>()).prop_map(|(who, enabled)| Deed::Enable(who, enabled)),
    ]
}

fn event(deed: &Deed, case: &Case, now: OffsetDateTime) -> Option<Event> {
    let worker = |number: &u8| Uuid::from_u128(1000 + u128::from(*number));
    Some(match deed {
        Deed::Vote {
            who,
            approve,
            other_digest,
            other_policy,
        } => Event::Vote(Vote {
            voter: person(*who),
            agreement: if *approve {
                Agreement::Approve
            } else {
                Agreement::Reject
            },
            comment: String::new(),
            digest: if *other_digest {
                Digest::from_bytes([9; 32])
            } else {
                case.digest
            },
            policy_version: if *other_policy { POLICY + 1 } else { POLICY },
            at: now,
        }),
        Deed::Cancel(who) => Event::Cancel { by: person(*who) },
        Deed::Expire => Event::Expire,
        Deed::Start {
            who,
            targets,
            refuses,
        } => Event::Start {
            by: person(*who),
            now: Box::new(plan(*targets, *refuses)),
        },
        Deed::Claim(number) => Event::Claim {
            worker: worker(number),
        },
        Deed::Stop(who) => Event::Stop { by: person(*who) },
        Deed::Finish(number, outcome) => Event::Finish {
            worker: worker(number),
            outcome: match outcome {
                0 => Outcome::Succeeded {
                    summary: "done".into(),
                },
                1 => Outcome::Failed(Failure::Step {
                    step: "signal".into(),
                    reason: "no".into(),
                }),
                _ => Outcome::Unknown {
                    step: "signal".into(),
                    known: "nothing".into(),
                },
            },
        },
        Deed::Abandon(begun) => Event::Abandon {
            begun: begun.then(|| "signal".into()),
            taken_back: None,
        },
        Deed::Review(who) => Event::Review(Review {
            by: person(*who),
            comment: String::new(),
            at: now,
        }),
        Deed::Wait(_) | Deed::Role(..) | Deed::Enable(..) => return None,
    })
}

/// Who agrees, counted by other means than the code under test: one a person, by accounts that may now.
fn agreeing(case: &Case, accounts: &[(Role, bool); 6]) -> usize {
    let mut people: Vec<_> = case
        .votes
        .iter()
        .filter(|vote| vote.agreement == Agreement::Approve)
        .filter(|vote| vote.digest == case.digest && vote.policy_version == case.policy_version)
        .filter(|vote| accounts[vote.voter.account.as_u128() as usize] == (Role::Approver, true))
        .map(|vote| vote.voter.identity.clone())
        .filter(|identity| *identity != case.requester.identity)
        .collect();
    people.sort();
    people.dedup();
    people.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_sequence_keeps_the_promises(
        approvals in 0_u8..4,
        glass in prop::bool::weighted(0.2),
        requester in 0_u8..6,
        deeds in prop::collection::vec(any_deed(), 0..40),
    ) {
        let agreed = plan(3, false);
        let digest = agreed.digest().unwrap();
        let rule = Rule { approvals, expires_s: 900, ..ActionKind::TerminateLongRunning.default_rule() };
        let glass = glass.then(|| BreakGlass { reason: "fire".into() });
        let mut case = Case::request(person(requester), (agreed.clone(), digest), (rule, POLICY), glass, BEGIN);
        let mut accounts = [(Role::Approver, true); 6];
        let mut now = BEGIN;
        let (mut starts, mut claims) = (0, 0);

        for deed in &deeds {
            match deed {
                Deed::Wait(seconds) => now += Duration::seconds(*seconds),
                Deed::Role(who, role) => accounts[usize::from(*who)].0 = *role,
                Deed::Enable(who, enabled) => accounts[usize::from(*who)].1 = *enabled,
                Deed::Vote { .. } | Deed::Cancel(_) | Deed::Expire | Deed::Start { .. } | Deed::Claim(_) | Deed::Stop(_)
                | Deed::Finish(..) | Deed::Abandon(_) | Deed::Review(_) => {}
            }
            let Some(event) = event(deed, &case, now) else { continue };
            let standing = |account: Uuid| {
                accounts.get(account.as_u128() as usize).map(|(role, enabled)| Standing { role: *role, enabled: *enabled })
            };
            let Ok(next) = case.apply(event, now, &standing) else { continue };

            // What was asked for never changes.
            prop_assert_eq!(&next.plan, &case.plan);
            prop_assert_eq!((next.digest, next.policy_version, &next.rule), (case.digest, case.policy_version, &case.rule));
            // A terminal state stays.
            if case.state.is_terminal() {
                prop_assert_eq!(&next.state, &case.state);
            }
            let executing = |state: &State| matches!(state, State::Executing { .. });
            if executing(&next.state) && !executing(&case.state) {
                starts += 1;
                let approved = matches!(case.state, State::Approved { .. });
                prop_assert!(approved);
                prop_assert!(now < case.expires_at);
                // No execution without a valid quorum for that very digest.
                prop_assert!(
                    approvals == 0 || case.break_glass.is_some() || agreeing(&case, &accounts) >= usize::from(approvals)
                );
                let Deed::Start { targets, refuses, .. } = deed else { unreachable!() };
                prop_assert!(*targets > 0 && *targets <= 3 && !refuses);
            }
            if let (State::Executing { worker: None, .. }, State::Executing { worker: Some(_), at, .. }) = (&case.state, &next.state) {
                claims += 1;
                prop_assert!(now - *at <= CLAIM_WITHIN);
            }
            // Only the worker that took it up says how it ended.
            if let State::Succeeded { .. } = &next.state && !case.state.is_terminal() {
                let held_by_finisher = matches!((&case.state, deed),
                    (State::Executing { worker: Some(holder), .. }, Deed::Finish(number, _)) if holder.as_u128() == 1000 + u128::from(*number));
                prop_assert!(held_by_finisher);
            }
            // A no ends it.
            if let Deed::Vote { approve: false, .. } = deed {
                let rejected = matches!(next.state, State::Rejected { .. });
                prop_assert!(rejected);
            }
            // Glass that was broken stays broken, and only somebody else's review closes it.
            prop_assert_eq!(&next.break_glass, &case.break_glass);
            if let Some(review) = &next.review {
                prop_assert!(!review.by.is(&next.requester));
            }
            case = next;
        }
        prop_assert!(starts <= 1 && claims <= 1);
    }
}
