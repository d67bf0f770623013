//! The state machine of one action: the only place where its state changes.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Agreement, Change, Digest, Failure, Outcome, Person, Plan, Quorum, Rule, Standing, Void, Vote};

/// How long after its start an execution may be begun. What no worker has taken up by then is not done later by
/// surprise.
pub const CLAIM_WITHIN: Duration = Duration::seconds(30);

/// By what an action may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreed {
    /// The policy asks for nobody's consent.
    NotNeeded,
    /// Enough people agreed.
    ByVotes,
    /// Glass was broken.
    BreakGlass,
}

/// Where an action is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Waits for consent.
    Requested,
    /// May be started.
    Approved {
        /// Since when.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// By what.
        agreed: Agreed,
    },
    /// Somebody said no.
    Rejected {
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// Who.
        by: Person,
        /// Why.
        reason: String,
    },
    /// Nobody started it in time.
    Expired {
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    /// It was taken back before it was started.
    Cancelled {
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// By whom.
        by: Person,
    },
    /// It is being done.
    Executing {
        /// Since when.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// Who started it.
        by: Person,
        /// The worker that does it; one takes it up once.
        worker: Option<Uuid>,
        /// Who wants it stopped before the next step.
        stop: Option<Person>,
    },
    /// It was done, and seen to be done.
    Succeeded {
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// What was done, in a sentence.
        summary: String,
    },
    /// It was not done, or not wholly, and it is known how far.
    Failed {
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// What went wrong.
        failure: Failure,
    },
    /// Nobody knows whether the last step that was begun took effect.
    OutcomeUnknown {
        /// Since when.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// The step that was begun last.
        step: String,
        /// What is known.
        known: String,
    },
}

impl State {
    /// The stable name.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Expired { .. } => "expired",
            Self::Cancelled { .. } => "cancelled",
            Self::Executing { .. } => "executing",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
        }
    }

    /// Whether nothing can change it any more.
    pub const fn is_terminal(&self) -> bool {
        match self {
            Self::Requested | Self::Approved { .. } | Self::Executing { .. } => false,
            Self::Rejected { .. }
            | Self::Expired { .. }
            | Self::Cancelled { .. }
            | Self::Succeeded { .. }
            | Self::Failed { .. }
            | Self::OutcomeUnknown { .. } => true,
        }
    }
}

/// That somebody went without the approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlass {
    /// Why.
    pub reason: String,
}

/// An approver's look at an action that was done without approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Who.
    pub by: Person,
    /// What they found.
    pub comment: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// What happens to an action.
#[derive(Debug, Clone)]
pub enum Event {
    /// Somebody votes.
    Vote(Vote),
    /// Somebody takes it back.
    Cancel {
        /// Who.
        by: Person,
    },
    /// Its time is over.
    Expire,
    /// Somebody starts it.
    Start {
        /// Who.
        by: Person,
        /// The plan as it would be now.
        now: Box<Plan>,
    },
    /// A worker takes it up.
    Claim {
        /// Which.
        worker: Uuid,
    },
    /// Somebody wants it stopped before the next step.
    Stop {
        /// Who.
        by: Person,
    },
    /// The worker is through.
    Finish {
        /// Which worker.
        worker: Uuid,
        /// How it ended.
        outcome: Outcome,
    },
    /// The worker is gone, or none came.
    Abandon {
        /// The step that was begun last.
        begun: Option<String>,
        /// What was taken back of what it had begun, in a sentence.
        taken_back: Option<String>,
    },
    /// An approver has looked at it afterwards.
    Review(Review),
}

/// Why an event does not apply. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is in another state by now.
    #[error("the action is {state} by now")]
    State {
        /// Which.
        state: &'static str,
    },
    /// Its time is over.
    #[error("the request has expired; ask anew")]
    Expired,
    /// The vote does not count.
    #[error("your vote does not count: {0}")]
    Vote(Void),
    /// There are not enough valid approvals.
    #[error("{missing} of {needed} approvals are missing")]
    NotAgreed {
        /// How many are missing.
        missing: usize,
        /// How many are needed.
        needed: u8,
        /// Votes that do not count any more.
        void: Vec<(Person, Void)>,
    },
    /// The world has moved.
    #[error("what would happen now is not what was agreed to")]
    Moved {
        /// What has changed.
        changes: Vec<Change>,
    },
    /// A gate refuses.
    #[error("a gate refuses: {}", reason.trim_end_matches('.'))]
    Gate {
        /// Its reason.
        reason: String,
    },
    /// Nothing is left to touch.
    #[error("everything that the plan names is gone: there is nothing left to do")]
    NothingLeft,
    /// Another worker has it, or it has been taken up before.
    #[error("another worker has taken it up")]
    Claimed,
    /// It was started too long ago to be begun now.
    #[error("it was started too long ago to be begun now")]
    TooLate,
    /// It was not done without approvals, or has been reviewed.
    #[error("there is nothing to review")]
    NothingToReview,
}

/// One action, as far as its state goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Who asked.
    pub requester: Person,
    /// What was asked for and agreed to.
    pub plan: Plan,
    /// Its digest.
    pub digest: Digest,
    /// The policy's version.
    pub policy_version: i64,
    /// The rule that held when it was asked for.
    pub rule: Rule,
    /// Until when it can be started.
    pub expires_at: OffsetDateTime,
    /// Set if it goes without approvals.
    pub break_glass: Option<BreakGlass>,
    /// The look at that afterwards.
    pub review: Option<Review>,
    /// The votes in order.
    pub votes: Vec<Vote>,
    /// Where it is.
    pub state: State,
}

impl Case {
    /// A new request. Where the rule needs nobody's consent, or glass is broken, it is approved at once.
    pub fn request(
        requester: Person,
        (plan, digest): (Plan, Digest),
        (rule, policy_version): (Rule, i64),
        break_glass: Option<BreakGlass>,
        now: OffsetDateTime,
    ) -> Self {
        let agreed = match (&break_glass, rule.approvals) {
            (_, 0) => Some(Agreed::NotNeeded),
            (Some(_), _) => Some(Agreed::BreakGlass),
            (None, _) => None,
        };
        Self {
            requester,
            plan,
            digest,
            policy_version,
            expires_at: now + Duration::seconds(rule.expires_s.into()),
            // Where no consent is needed there is no glass to break.
            break_glass: break_glass.filter(|_| rule.approvals > 0),
            rule,
            review: None,
            votes: Vec::new(),
            state: agreed.map_or(State::Requested, |agreed| State::Approved { at: now, agreed }),
        }
    }

    /// Counts the votes as things stand now.
    pub fn quorum(&self, standing: &dyn Fn(Uuid) -> Option<Standing>) -> Quorum {
        Quorum::count(
            &self.rule,
            (self.digest, self.policy_version),
            &self.requester,
            &self.votes,
            standing,
        )
    }

    /// Whether an approver has yet to look at it.
    pub fn awaits_review(&self) -> bool {
        self.break_glass.is_some() && self.review.is_none()
    }

    /// The action after `event`, or why the event does not apply. `standing` says what an account is now.
    ///
    /// # Errors
    /// [`Refused`]; the action is then as it was.
    pub fn apply(
        &self,
        event: Event,
        now: OffsetDateTime,
        standing: &dyn Fn(Uuid) -> Option<Standing>,
    ) -> Result<Self, Refused> {
        let mut next = self.clone();
        next.state = match (event, &self.state) {
            (Event::Vote(vote), State::Requested | State::Approved { .. }) => {
                self.vote(&vote, now, standing)?;
                next.votes.push(vote.clone());
                match vote.agreement {
                    Agreement::Reject => State::Rejected {
                        at: now,
                        by: vote.voter,
                        reason: vote.comment,
                    },
                    Agreement::Approve => match &self.state {
                        State::Requested if next.quorum(standing).is_reached() => State::Approved {
                            at: now,
                            agreed: Agreed::ByVotes,
                        },
                        state => state.clone(),
                    },
                }
            }
            (Event::Cancel { by }, State::Requested | State::Approved { .. }) => {
                State::Cancelled { at: now, by }
            }
            (Event::Expire, State::Requested | State::Approved { .. }) if now >= self.expires_at => {
                State::Expired { at: now }
            }
            (Event::Start { by, now: plan }, State::Approved { agreed, .. }) => {
                self.start(&plan, *agreed, now, standing)?;
                State::Executing {
                    at: now,
                    by,
                    worker: None,
                    stop: None,
                }
            }
            (
                Event::Claim { worker },
                State::Executing {
                    at,
                    by,
                    worker: None,
                    stop,
                },
            ) => {
                if now - *at > CLAIM_WITHIN {
                    return Err(Refused::TooLate);
                }
                State::Executing {
                    at: *at,
                    by: by.clone(),
                    worker: Some(worker),
                    stop: stop.clone(),
                }
            }
            (Event::Claim { .. }, State::Executing { worker: Some(_), .. }) => return Err(Refused::Claimed),
            (
                Event::Stop { by: who },
                State::Executing {
                    at,
                    by,
                    worker,
                    stop: None,
                },
            ) => State::Executing {
                at: *at,
                by: by.clone(),
                worker: *worker,
                stop: Some(who),
            },
            (
                Event::Finish { worker, outcome },
                State::Executing {
                    worker: Some(holder), ..
                },
            ) => {
                if worker != *holder {
                    return Err(Refused::Claimed);
                }
                match outcome {
                    Outcome::Succeeded { summary } => State::Succeeded { at: now, summary },
                    Outcome::Failed(failure) => State::Failed { at: now, failure },
                    Outcome::Unknown { step, known } => State::OutcomeUnknown { at: now, step, known },
                }
            }
            (Event::Abandon { begun, taken_back }, State::Executing { at, worker, .. }) => {
                match (begun, worker) {
                    (Some(step), _) => State::OutcomeUnknown {
                        at: now,
                        known: match (self.left_at(&step), taken_back) {
                            (left, None) => left,
                            (left, Some(taken_back)) => format!("{left} {taken_back}"),
                        },
                        step,
                    },
                    (None, None) if now - *at <= CLAIM_WITHIN => {
                        return Err(Refused::State { state: "executing" });
                    }
                    (None, Some(_) | None) => State::Failed {
                        at: now,
                        failure: Failure::NotBegun {
                            reason: "The console that was to do it ended before the first step.".to_owned(),
                        },
                    },
                }
            }
            (Event::Review(review), state) => {
                if !self.awaits_review() {
                    return Err(Refused::NothingToReview);
                }
                if review.by.is(&self.requester) {
                    return Err(Refused::Vote(Void::OwnRequest));
                }
                next.review = Some(review);
                state.clone()
            }
            (
                Event::Vote(_)
                | Event::Cancel { .. }
                | Event::Expire
                | Event::Start { .. }
                | Event::Claim { .. }
                | Event::Stop { .. }
                | Event::Finish { .. }
                | Event::Abandon { .. },
                state,
            ) => {
                return Err(Refused::State {
                    state: state.as_str(),
                });
            }
        };
        Ok(next)
    }

    /// What is known of an execution whose last record is that `step` began.
    fn left_at(&self, step: &str) -> String {
        let steps = self.plan.params.kind().spec().steps.iter();
        let covered: Vec<_> = steps
            .skip_while(|spec| spec.name != step)
            .skip(1)
            .take_while(|spec| spec.covered)
            .map(|spec| spec.name)
            .collect();
        let or_later = if covered.is_empty() {
            String::new()
        } else {
            format!(", or of one that its record covers ({})", covered.join(", "))
        };
        format!(
            "The console that did it ended in the middle of this step{or_later}. It is not done again by itself."
        )
    }

    fn vote(
        &self,
        vote: &Vote,
        now: OffsetDateTime,
        standing: &dyn Fn(Uuid) -> Option<Standing>,
    ) -> Result<(), Refused> {
        if now >= self.expires_at {
            return Err(Refused::Expired);
        }
        if self.votes.iter().any(|cast| cast.voter.is(&vote.voter)) {
            return Err(Refused::Vote(Void::Twice));
        }
        // A no is judged like a yes: only who could agree can end it.
        let as_yes = Vote {
            agreement: Agreement::Approve,
            ..vote.clone()
        };
        let alone = Quorum::count(
            &self.rule,
            (self.digest, self.policy_version),
            &self.requester,
            std::slice::from_ref(&as_yes),
            standing,
        );
        match alone.void.first() {
            Some((_, void)) => Err(Refused::Vote(*void)),
            None => Ok(()),
        }
    }

    fn start(
        &self,
        plan: &Plan,
        agreed: Agreed,
        now: OffsetDateTime,
        standing: &dyn Fn(Uuid) -> Option<Standing>,
    ) -> Result<(), Refused> {
        if now >= self.expires_at {
            return Err(Refused::Expired);
        }
        match agreed {
            Agreed::NotNeeded | Agreed::BreakGlass => {}
            Agreed::ByVotes => {
                let quorum = self.quorum(standing);
                if !quorum.is_reached() {
                    return Err(Refused::NotAgreed {
                        missing: quorum.missing(),
                        needed: quorum.needed,
                        void: quorum.void,
                    });
                }
            }
        }
        if plan.targets.is_empty() {
            return Err(Refused::NothingLeft);
        }
        let changes = self.plan.changes(plan);
        if changes.iter().any(Change::matters) {
            return Err(Refused::Moved { changes });
        }
        match plan.refusals().next() {
            Some(gate) => Err(Refused::Gate {
                reason: gate.reason.clone(),
            }),
            None => Ok(()),
        }
    }
}
