//! Who may do what: five roles, the permissions of the console, and the one function that decides.
//!
//! Every door (page, server function, REST, worker) asks [`decide`]. It is pure: what it needs to know about the
//! asker is in the [`Subject`].

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// What an account may do, as a name. Each role is a row of the table in [`decide`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Role {
    /// Sees the state of everything.
    Viewer,
    /// Sees, and asks for guarded actions.
    Operator,
    /// Sees, and agrees to guarded actions that others asked for.
    Approver,
    /// Sees, and manages accounts and sessions.
    Admin,
    /// Sees everything, the audit log and the accounts included, and changes nothing.
    Auditor,
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role; the roles are viewer, operator, approver, admin and auditor")]
pub struct UnknownRole(pub String);

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Viewer,
        Self::Operator,
        Self::Approver,
        Self::Admin,
        Self::Auditor,
    ];

    /// The role's name: lower case, as stored and as shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// How sure the console is about the asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// The session is known to be valid now.
    Current,
    /// The session was valid when it was last checked, and the console's own database can't be asked since.
    /// Enough to look (monitoring fails open), not enough to change anything (actions fail closed).
    Outage,
}

/// What shows who the asker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// The session of this id, in a browser: the person sits there.
    Session(Uuid),
    /// An API token: a program that the person let in.
    ApiToken(Box<ApiToken>),
}

/// An API token, as far as decisions need to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its id.
    pub id: Uuid,
    /// What it is called, and its beginning, for people to know it by.
    pub label: String,
    /// When it stops working.
    pub expires_at: OffsetDateTime,
    /// What it may be used for, of what its owner may.
    pub scopes: Vec<Permission>,
}

/// A signed-in person, as far as decisions need to know them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The account's id.
    pub user_id: Uuid,
    /// The account's user name.
    pub username: String,
    /// The person's name, as shown.
    pub display_name: String,
    /// The account's role.
    pub role: Role,
    /// What shows that it is them.
    pub credential: Credential,
    /// How sure the console is that all this still holds.
    pub assurance: Assurance,
}

impl Subject {
    /// The session that the request belongs to; none for an API token.
    pub fn session_id(&self) -> Option<Uuid> {
        match &self.credential {
            Credential::Session(id) => Some(*id),
            Credential::ApiToken(_) => None,
        }
    }
}

/// Declares [`Permission`] with the stable name and the kind of each permission in one place.
macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $effect:ident;)+) => {
        /// Something that has to be allowed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Permission {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable dotted name, as it stands in the audit log.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The permission of a stable name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|permission| permission.as_str() == name)
            }

            /// Whether using it changes something.
            pub fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect,)+ }
            }
        }
    };
}

/// Whether something only looks or also changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Looks.
    Reads,
    /// Changes something.
    Changes,
    /// Changes something, and is written into the local journal while the console's own database is away.
    Journaled,
}

permissions! {
    /// See metrics, alerts, sources and their history.
    ViewHealth = "health.view", Reads;
    /// See the sessions of the watched database, and their queries as far as the configuration shows them.
    ViewDatabase = "database.view", Reads;
    /// See guarded actions, their plans, votes and steps.
    ViewActions = "actions.view", Reads;
    /// Ask for guarded actions, start and cancel them, as far as the policy lets one's role.
    RequestAction = "actions.request", Changes;
    /// Agree or say no to guarded actions that others asked for, as far as the policy lets one's role.
    ApproveAction = "actions.approve", Changes;
    /// Act without approvals while the console's own database is away: the intent goes into the local journal.
    BreakGlassWithoutDatabase = "actions.break_glass_without_database", Journaled;
    /// See what is backed up, to which instants it lets one return, and the runs that made it.
    ViewBackups = "backups.view", Reads;
    /// Make a backup now, check one, try a restore, hold one back from being deleted.
    RunBackups = "backups.run", Changes;
    /// Tell of backups that were made elsewhere.
    ReportBackups = "backups.report", Changes;
    /// See one's own account and sessions.
    ViewOwnSessions = "own_sessions.view", Reads;
    /// End one's own sessions.
    RevokeOwnSession = "own_sessions.revoke", Changes;
    /// See one's own API tokens.
    ViewOwnTokens = "own_tokens.view", Reads;
    /// Make and revoke one's own API tokens.
    ManageOwnTokens = "own_tokens.manage", Changes;
    /// See all accounts and their sessions.
    ViewAccounts = "accounts.view", Reads;
    /// Make, change and disable accounts; end other people's sessions.
    ManageAccounts = "accounts.manage", Changes;
    /// Read the audit log.
    ViewAudit = "audit.view", Reads;
    /// Take the audit log away as a file.
    ExportAudit = "audit.export", Reads;
}

/// Whether an API token can be given a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delegation {
    /// It can; what it then may be used for, in a few words.
    ToTokens(&'static str),
    /// It can't: only a person in a browser does it. Whatever agrees to something in a person's name, and whatever could
    /// make somebody who does, is of this kind.
    PersonOnly,
}

impl Permission {
    /// Whether an API token can be given it.
    pub fn delegation(self) -> Delegation {
        match self {
            Self::ViewHealth => Delegation::ToTokens("see metrics, alerts, sources and their history"),
            Self::ViewDatabase => Delegation::ToTokens("see the sessions of the watched database"),
            Self::ViewOwnSessions => Delegation::ToTokens("see whose token it is"),
            Self::ViewAccounts => Delegation::ToTokens("see all accounts and their sessions"),
            Self::ViewAudit => Delegation::ToTokens("read the audit log"),
            Self::ExportAudit => Delegation::ToTokens("take the audit log away as a file"),
            Self::ViewActions => Delegation::ToTokens("see guarded actions, their plans, votes and steps"),
            Self::ViewBackups => Delegation::ToTokens("see backups and what can be recovered"),
            Self::RunBackups => Delegation::ToTokens("make backups, check them and try restores"),
            Self::ReportBackups => Delegation::ToTokens("tell of backups that were made elsewhere"),
            Self::RequestAction => Delegation::ToTokens("ask for guarded actions, start and cancel them"),
            Self::ApproveAction
            | Self::BreakGlassWithoutDatabase
            | Self::RevokeOwnSession
            | Self::ViewOwnTokens
            | Self::ManageOwnTokens
            | Self::ManageAccounts => Delegation::PersonOnly,
        }
    }
}

/// Why something isn't allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The role doesn't include it.
    #[error("the role {role} does not include it; ask an administrator for one that does")]
    Role {
        /// The asker's role.
        role: Role,
    },
    /// The API token was not made for it.
    #[error("the API token was not given it; make one that is, on the page Your API tokens")]
    Scope,
    /// No API token can do it.
    #[error("no API token can do this; sign in and do it yourself")]
    PersonOnly,
    /// Changes are refused while the console can't reach its own database.
    #[error(
        "the console can't reach its own database, so it can't check that this session is still valid nor \
         record what is done; looking on works, changing does not until the database is back"
    )]
    Outage,
}

/// The answer to a [`Permission`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go ahead.
    Allowed,
    /// Don't, and say why.
    Refused(Refusal),
}

impl Decision {
    /// Whether it is [`Decision::Allowed`].
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }
}

/// Decides whether `subject` may use `permission`.
pub fn decide(subject: &Subject, permission: Permission) -> Decision {
    if !role_includes(subject.role, permission) {
        return Decision::Refused(Refusal::Role { role: subject.role });
    }
    if let Credential::ApiToken(token) = &subject.credential {
        match permission.delegation() {
            Delegation::PersonOnly => return Decision::Refused(Refusal::PersonOnly),
            Delegation::ToTokens(_) if !token.scopes.contains(&permission) => {
                return Decision::Refused(Refusal::Scope);
            }
            Delegation::ToTokens(_) => {}
        }
    }
    match (subject.assurance, permission.effect()) {
        (Assurance::Outage, Effect::Changes) => Decision::Refused(Refusal::Outage),
        (Assurance::Outage, Effect::Reads | Effect::Journaled)
        | (Assurance::Current, Effect::Reads | Effect::Changes | Effect::Journaled) => Decision::Allowed,
    }
}

fn role_includes(role: Role, permission: Permission) -> bool {
    match permission {
        Permission::ViewHealth
        | Permission::ViewDatabase
        | Permission::ViewActions
        | Permission::ViewBackups
        | Permission::ViewOwnSessions
        | Permission::RevokeOwnSession
        | Permission::ViewOwnTokens
        | Permission::ManageOwnTokens => match role {
            Role::Viewer | Role::Operator | Role::Approver | Role::Admin | Role::Auditor => true,
        },
        // Which of these may ask for which action is the policy's to say.
        Permission::RequestAction | Permission::ApproveAction => match role {
            Role::Operator | Role::Approver | Role::Admin => true,
            Role::Viewer | Role::Auditor => false,
        },
        Permission::RunBackups | Permission::ReportBackups => match role {
            Role::Operator => true,
            Role::Viewer | Role::Approver | Role::Admin | Role::Auditor => false,
        },
        Permission::ViewAccounts | Permission::ViewAudit | Permission::ExportAudit => match role {
            Role::Admin | Role::Auditor => true,
            Role::Viewer | Role::Operator | Role::Approver => false,
        },
        Permission::BreakGlassWithoutDatabase => match role {
            Role::Approver | Role::Admin => true,
            Role::Viewer | Role::Operator | Role::Auditor => false,
        },
        Permission::ManageAccounts => match role {
            Role::Admin => true,
            Role::Viewer | Role::Operator | Role::Approver | Role::Auditor => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who may do what, written out by hand. A new role or permission makes this table incomplete, and the test
    /// below fail, until somebody has decided.
    const TABLE: &[(Permission, [bool; 5])] = &[
        //                              viewer operator approver admin auditor
        (Permission::ViewHealth, [true, true, true, true, true]),
        (Permission::ViewDatabase, [true, true, true, true, true]),
        (Permission::ViewActions, [true, true, true, true, true]),
        (Permission::RequestAction, [false, true, true, true, false]),
        (Permission::ApproveAction, [false, true, true, true, false]),
        (
            Permission::BreakGlassWithoutDatabase,
            [false, false, true, true, false],
        ),
        (Permission::ViewBackups, [true, true, true, true, true]),
        (Permission::RunBackups, [false, true, false, false, false]),
        (Permission::ReportBackups, [false, true, false, false, false]),
        (Permission::ViewOwnSessions, [true, true, true, true, true]),
        (Permission::RevokeOwnSession, [true, true, true, true, true]),
        (Permission::ViewOwnTokens, [true, true, true, true, true]),
        (Permission::ManageOwnTokens, [true, true, true, true, true]),
        (Permission::ViewAccounts, [false, false, false, true, true]),
        (Permission::ManageAccounts, [false, false, false, true, false]),
        (Permission::ViewAudit, [false, false, false, true, true]),
        (Permission::ExportAudit, [false, false, false, true, true]),
    ];

    fn subject(role: Role, assurance: Assurance) -> Subject {
        Subject {
            user_id: Uuid::from_u128(1),
            username: "ada".into(),
            display_name: "Ada".into(),
            role,
            credential: Credential::Session(Uuid::from_u128(2)),
            assurance,
        }
    }

    fn with_token(role: Role, scopes: &[Permission]) -> Subject {
        let token = ApiToken {
            id: Uuid::from_u128(3),
            label: "nightly report (qd_abcdef…)".into(),
            expires_at: OffsetDateTime::UNIX_EPOCH,
            scopes: scopes.to_vec(),
        };
        Subject {
            credential: Credential::ApiToken(Box::new(token)),
            ..subject(role, Assurance::Current)
        }
    }

    /// What no token can hold, written out by hand.
    const PERSON_ONLY: &[Permission] = &[
        Permission::ApproveAction,
        Permission::BreakGlassWithoutDatabase,
        Permission::RevokeOwnSession,
        Permission::ViewOwnTokens,
        Permission::ManageOwnTokens,
        Permission::ManageAccounts,
    ];

    #[test]
    fn a_token_may_what_it_was_given_and_never_more_than_its_owner() {
        for role in Role::ALL {
            for permission in Permission::ALL {
                let owner = decide(&subject(role, Assurance::Current), *permission);
                let none = decide(&with_token(role, &[]), *permission);
                let all = decide(&with_token(role, Permission::ALL), *permission);
                if !owner.is_allowed() {
                    assert_eq!((none, all), (owner, owner), "{role} {permission:?}");
                } else if PERSON_ONLY.contains(permission) {
                    let refused = Decision::Refused(Refusal::PersonOnly);
                    assert_eq!((none, all), (refused, refused), "{role} {permission:?}");
                } else {
                    assert_eq!(none, Decision::Refused(Refusal::Scope), "{role} {permission:?}");
                    assert_eq!(all, Decision::Allowed, "{role} {permission:?}");
                }
            }
        }
    }

    #[test]
    fn the_table_is_complete_and_holds() {
        let listed: Vec<_> = TABLE.iter().map(|(permission, _)| *permission).collect();
        assert_eq!(listed, Permission::ALL);
        for (permission, row) in TABLE {
            for (role, allowed) in Role::ALL.into_iter().zip(row) {
                let decision = decide(&subject(role, Assurance::Current), *permission);
                assert_eq!(decision.is_allowed(), *allowed, "{role} {permission:?}");
                if !allowed {
                    assert_eq!(decision, Decision::Refused(Refusal::Role { role }));
                }
            }
        }
    }

    #[test]
    fn an_outage_takes_away_changes_that_no_journal_records_and_nothing_else() {
        for role in Role::ALL {
            for permission in Permission::ALL {
                let current = decide(&subject(role, Assurance::Current), *permission);
                let outage = decide(&subject(role, Assurance::Outage), *permission);
                match permission.effect() {
                    Effect::Reads => assert_eq!(outage, current),
                    Effect::Changes if current.is_allowed() => {
                        assert_eq!(outage, Decision::Refused(Refusal::Outage));
                    }
                    Effect::Changes | Effect::Journaled => assert_eq!(outage, current),
                }
            }
        }
    }

    #[test]
    fn an_auditor_changes_nothing_but_their_own_sessions_and_tokens() {
        let own = [Permission::RevokeOwnSession, Permission::ManageOwnTokens];
        for permission in Permission::ALL {
            if permission.effect() != Effect::Reads && !own.contains(permission) {
                let decision = decide(&subject(Role::Auditor, Assurance::Current), *permission);
                assert!(!decision.is_allowed(), "{permission:?}");
            }
        }
    }

    #[test]
    fn roles_read_back() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(UnknownRole("root".into())));
    }
}
