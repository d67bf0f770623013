//! Guarded actions as they travel: plans with their gates, votes, steps, and lists of them.

use quarterdeck_domain::{
    access::Role,
    action::{ActionKind, Risk, Verdict},
};
use serde::{Deserialize, Serialize};

/// A gate, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct GateView {
    /// Stable name.
    pub name: String,
    /// What is asked.
    pub title: String,
    /// The judgement.
    pub verdict: Verdict,
    /// Why, and what to do.
    pub reason: String,
    /// The figure it rests on, with its unit.
    pub figure: Option<String>,
}

/// Something that is known of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct FactView {
    /// Its name.
    pub name: String,
    /// Its value with its unit.
    pub value: String,
    /// Whether consent rests on it.
    pub binding: bool,
}

/// Something that would be touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct TargetView {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub title: String,
    /// What is known of it.
    pub facts: Vec<FactView>,
}

/// Something that fits and is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct LeftOutView {
    /// Its name.
    pub title: String,
    /// Why.
    pub reason: String,
}

/// What exactly would happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct PlanView {
    /// The kind.
    pub kind: ActionKind,
    /// Its name as a command.
    pub title: String,
    /// What it does and means.
    pub summary: String,
    /// How much can go wrong.
    pub risk: Risk,
    /// What is acted on, in few words; also what is typed to confirm.
    pub object: String,
    /// The parameters, to be sent back as they are.
    #[cfg_attr(feature = "ssr", schema(value_type = Object))]
    pub params: serde_json::Value,
    /// When the world was looked at, Unix ms.
    pub planned_at_ms: i64,
    /// What would be touched.
    pub targets: Vec<TargetView>,
    /// What would not.
    pub left_out: Vec<LeftOutView>,
    /// The gates in order.
    pub gates: Vec<GateView>,
    /// What will be seen.
    pub effect: String,
    /// How long it should take, seconds.
    pub expected_s: u32,
    /// How it is undone.
    pub undo: String,
    /// The digest that consent binds to.
    pub digest: String,
    /// A runbook to read.
    pub runbook: Option<String>,
}

/// What the policy says to a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct PolicyView {
    /// Version of the policy.
    pub version: i64,
    /// Who may ask and start.
    pub request: Vec<Role>,
    /// How many have to agree.
    pub approvals: u8,
    /// Whose consent counts.
    pub approve: Vec<Role>,
    /// Whether the password is needed again.
    pub reauthenticate: bool,
    /// What has to be typed, if anything.
    pub typed: Option<String>,
    /// Whether it may be done without the approvals.
    pub break_glass: bool,
    /// How long a request lives, seconds.
    pub expires_s: u32,
    /// What a freeze window says against it now.
    pub frozen: Option<String>,
}

/// A rule of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RuleView {
    /// It holds for plans that touch at least so many things; of several rules the one with the highest number that fits.
    pub min_targets: u32,
    /// Who may ask and start.
    pub request: Vec<Role>,
    /// How many have to agree.
    pub approvals: u8,
    /// Whose consent counts.
    pub approve: Vec<Role>,
    /// Whether the password is needed again.
    pub reauthenticate: bool,
    /// Whether what is acted on has to be typed.
    pub typed: bool,
    /// Whether it may be done without the approvals.
    pub break_glass: bool,
    /// How long a request lives, seconds.
    pub expires_s: u32,
}

impl PolicyView {
    /// The rule that holds for the plan.
    #[must_use]
    pub fn rule(&self) -> RuleView {
        RuleView {
            min_targets: 0,
            request: self.request.clone(),
            approvals: self.approvals,
            approve: self.approve.clone(),
            reauthenticate: self.reauthenticate,
            typed: self.typed.is_some(),
            break_glass: self.break_glass,
            expires_s: self.expires_s,
        }
    }
}

/// What the policy says of one kind of action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct KindPolicyView {
    /// The kind.
    pub kind: ActionKind,
    /// Its name as a command.
    pub title: String,
    /// What it does and means.
    pub summary: String,
    /// How much can go wrong.
    pub risk: Risk,
    /// Its rules, by how much is touched.
    pub rules: Vec<RuleView>,
    /// What a freeze window says against it now.
    pub frozen: Option<String>,
    /// What is missing for it in this installation, if something is.
    pub not_set_up: Option<String>,
    /// Whether the one who looks may ask for it.
    pub may_request: bool,
}

/// A freeze window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct FreezeWindowView {
    /// Its name.
    pub name: String,
    /// Whether it forbids while it is open; otherwise actions are allowed only while one is open.
    pub denies: bool,
    /// For which kinds; none named means all.
    pub kinds: Vec<ActionKind>,
    /// When it opens: a cron pattern of five fields, in UTC.
    pub cron: String,
    /// How long it stays open, seconds.
    pub duration_s: u32,
    /// When it closes, if it is open, Unix ms.
    pub open_until_ms: Option<i64>,
    /// When it opens next, Unix ms.
    pub opens_ms: Option<i64>,
}

/// The policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct PolicyInForceView {
    /// The version under which it is kept.
    pub version: i64,
    /// Since when, Unix ms.
    pub since_ms: i64,
    /// What it says of each kind.
    pub kinds: Vec<KindPolicyView>,
    /// The freeze windows, as configured.
    pub windows: Vec<FreezeWindowView>,
}

/// What is shown before one asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ProposalView {
    /// A new id for the request; sent twice, it asks once.
    pub id: String,
    /// What would happen.
    pub plan: PlanView,
    /// What the policy says.
    pub policy: PolicyView,
    /// Why the one who asks may not, if so.
    pub obstacle: Option<String>,
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct VoteView {
    /// Who.
    pub name: String,
    /// Whether it is a yes.
    pub approve: bool,
    /// What they said to it.
    pub comment: String,
    /// When, Unix ms.
    pub at_ms: i64,
    /// Why it does not count, if it does not.
    pub void: Option<String>,
}

/// How a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum StepStateView {
    /// Not begun.
    Waiting,
    /// Being done.
    Running,
    /// Done.
    Done,
    /// Known to have failed.
    Failed,
    /// Nobody knows.
    Unknown,
    /// Never begun, and never will be.
    Skipped,
}

impl StepStateView {
    /// The state as a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "outcome unknown",
            Self::Skipped => "not done",
        }
    }
}

/// A step of the execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct StepView {
    /// Stable name.
    pub name: String,
    /// What it does.
    pub title: String,
    /// How it is.
    pub state: StepStateView,
    /// What was seen.
    pub detail: String,
    /// When it began, Unix ms.
    pub started_at_ms: Option<i64>,
    /// When it ended, Unix ms.
    pub ended_at_ms: Option<i64>,
}

/// Where an action is, as a word that programs can rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum ActionStateView {
    /// Waits for consent.
    Requested,
    /// May be started.
    Approved,
    /// Somebody said no.
    Rejected,
    /// Not started in time.
    Expired,
    /// Taken back.
    Cancelled,
    /// Being done.
    Executing,
    /// Done and verified.
    Succeeded,
    /// Not done, or not wholly.
    Failed,
    /// Nobody knows.
    OutcomeUnknown,
}

impl ActionStateView {
    /// The state as people read it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requested => "waits for approval",
            Self::Approved => "ready to start",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Executing => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::OutcomeUnknown => "outcome unknown",
        }
    }

    /// Whether nothing can change it any more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Requested | Self::Approved | Self::Executing => false,
            Self::Rejected
            | Self::Expired
            | Self::Cancelled
            | Self::Succeeded
            | Self::Failed
            | Self::OutcomeUnknown => true,
        }
    }
}

/// A line of the list of actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ActionLineView {
    /// Its id.
    pub id: String,
    /// Its number, for people.
    pub number: i64,
    /// Its kind.
    pub kind: ActionKind,
    /// The kind's name.
    pub title: String,
    /// What is acted on.
    pub object: String,
    /// Where it is.
    pub state: ActionStateView,
    /// Who asked.
    pub requester: String,
    /// When, Unix ms.
    pub requested_at_ms: i64,
    /// Since when it is where it is, Unix ms.
    pub changed_at_ms: i64,
    /// Until when it can be agreed to and started, Unix ms.
    pub expires_at_ms: i64,
    /// Whether it goes without approvals.
    pub break_glass: bool,
    /// Whether an approver has yet to look at it.
    pub awaits_review: bool,
    /// What the one who asks could do for it now, in words; none if nothing.
    pub waiting_for_me: Option<String>,
}

/// The list of actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ActionsView {
    /// The lines, the newest first.
    pub actions: Vec<ActionLineView>,
    /// How many wait, by what they wait for.
    pub counts: ActionCountsView,
    /// Where the next page begins, if there is one: `?before=`.
    pub next_before: Option<i64>,
}

/// How many actions are open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ActionCountsView {
    /// Wait for consent.
    pub requested: u32,
    /// Ready to start.
    pub approved: u32,
    /// Being done.
    pub executing: u32,
    /// Done without approvals and not looked at yet.
    pub to_review: u32,
    /// Wait for the one who asks.
    pub waiting_for_me: u32,
}

/// What somebody may do with an action now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MayView {
    /// Vote on it.
    pub vote: bool,
    /// Why not, where that needs saying.
    pub vote_obstacle: Option<String>,
    /// Start it.
    pub start: bool,
    /// Take it back, or stop it.
    pub cancel: bool,
    /// Look at it afterwards.
    pub review: bool,
}

/// A line of the audit log about an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ActionRecordView {
    /// Number in the log.
    pub seq: i64,
    /// When, Unix ms.
    pub at_ms: i64,
    /// Who.
    pub actor: String,
    /// What, by its stable name.
    pub action: String,
    /// How it ended.
    pub outcome: String,
}

/// A message about an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MessageView {
    /// What it tells.
    pub topic: String,
    /// By what way.
    pub channel: String,
    /// User name of the one that it goes to, where it goes to one person.
    pub recipient: Option<String>,
    /// How it is: delivered, waiting, given up, with the last error.
    pub state: String,
}

/// One action with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ActionView {
    /// The line of the list.
    pub line: ActionLineView,
    /// Goes up with each change.
    pub revision: i64,
    /// The plan that consent is given to.
    pub plan: PlanView,
    /// The rule that holds for it.
    pub policy: PolicyView,
    /// Why it was asked for.
    pub reason: String,
    /// What the state means, in a sentence.
    pub explanation: String,
    /// The votes.
    pub votes: Vec<VoteView>,
    /// How many approvals are still missing.
    pub missing: u32,
    /// The steps, those to come included.
    pub steps: Vec<StepView>,
    /// How a person finds out what happened, where the console does not know.
    pub how_to_check: Option<String>,
    /// The look at it afterwards: who and what.
    pub review: Option<(String, String)>,
    /// What the one who asks may do.
    pub may: MayView,
    /// The action that takes it back, if it is done and there is one: a path.
    pub undo_path: Option<String>,
    /// Its lines in the audit log.
    pub records: Vec<ActionRecordView>,
    /// Messages about it.
    pub messages: Vec<MessageView>,
    /// Now, Unix ms.
    pub now_ms: i64,
}
