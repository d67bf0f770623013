//! `quarterdeck user`: accounts, from the command line. The first administrator is made here.

use std::io::{BufRead, Write};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Subcommand;
use quarterdeck_domain::access::Role;
use quarterdeck_domain::audit::Actor;

use crate::clock::SystemClock;
use crate::config::database::DatabaseConfig;
use crate::db;
use crate::entropy::SystemEntropy;
use crate::services::audit::Origin;
use crate::services::identity::{Accounts, By, NewAccount, Passwords};

/// What to do with accounts.
#[derive(Debug, Clone, Subcommand)]
pub enum UserCommand {
    /// Make an account; asks for its password twice.
    Add {
        /// User name: a-z, 0-9, '.', '_', '@', '-'.
        name: String,
        /// viewer, operator, approver, admin or auditor.
        #[arg(long)]
        role: Role,
        /// The person's name; the user name if not given.
        #[arg(long)]
        display_name: Option<String>,
        /// Whose account it is, such as an e-mail address: accounts of one person have one vote together. The user
        /// name if not given.
        #[arg(long)]
        identity: Option<String>,
        /// Where the person is written to about guarded actions, if the configuration has an [email] section.
        #[arg(long)]
        email: Option<String>,
        /// Read the password from standard input (one line) instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set a new password and end the account's sessions.
    Passwd {
        /// User name.
        name: String,
        /// Read the password from standard input (one line) instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Disable an account and end its sessions, at once.
    Disable {
        /// User name.
        name: String,
    },
    /// Enable a disabled account again.
    Enable {
        /// User name.
        name: String,
    },
    /// Give an account another role, at once.
    Role {
        /// User name.
        name: String,
        /// viewer, operator, approver, admin or auditor.
        role: Role,
    },
    /// Set where the person is written to about guarded actions.
    Email {
        /// User name.
        name: String,
        /// The address; without one, they are not written to any more.
        address: Option<String>,
    },
    /// List all accounts.
    List,
}

/// Carries a command out and writes what it did to `out`.
///
/// # Errors
/// What went wrong, in words for the person at the command line.
pub async fn run(command: UserCommand, config: &DatabaseConfig, mut out: impl Write) -> anyhow::Result<()> {
    let entropy = Arc::new(SystemEntropy);
    let pool = db::runtime_pool(config).await?;
    let passwords = Passwords::new(1, entropy.clone())?;
    let accounts = Accounts::new(pool, passwords, Arc::new(SystemClock), entropy);
    let by = By {
        actor: operator(),
        origin: Origin::default(),
    };
    match command {
        UserCommand::Add {
            name,
            role,
            display_name,
            identity,
            email,
            password_stdin,
        } => {
            let display_name = display_name.unwrap_or_else(|| name.clone());
            let password = password(password_stdin)?;
            let new = NewAccount {
                identity,
                username: name,
                display_name,
                role,
                password,
                email,
            };
            let account = accounts.add(&by, new).await?;
            writeln!(
                out,
                "Made the account {} with the role {}.",
                account.username, account.role
            )?;
        }
        UserCommand::Passwd { name, password_stdin } => {
            accounts
                .set_password(&by, &name, password(password_stdin)?)
                .await?;
            writeln!(
                out,
                "{name} has a new password; the account's sessions were ended."
            )?;
        }
        UserCommand::Disable { name } => {
            let changed = accounts.disable(&by, &name).await?;
            let text = if changed {
                "is disabled; its sessions were ended"
            } else {
                "was disabled already"
            };
            writeln!(out, "{name} {text}.")?;
        }
        UserCommand::Enable { name } => {
            let changed = accounts.enable(&by, &name).await?;
            writeln!(
                out,
                "{name} {}.",
                if changed {
                    "is enabled again"
                } else {
                    "was enabled already"
                }
            )?;
        }
        UserCommand::Role { name, role } => {
            let changed = accounts.set_role(&by, &name, role).await?;
            writeln!(
                out,
                "{name} {} the role {role}.",
                if changed { "now has" } else { "had" }
            )?;
        }
        UserCommand::Email { name, address } => {
            let changed = accounts.set_email(&by, &name, address.as_deref()).await?;
            let how = if changed { "is" } else { "was already" };
            match address {
                Some(address) => writeln!(out, "{name} {how} written to at {}.", address.trim())?,
                None => writeln!(out, "{name} {how} not written to.")?,
            }
        }
        UserCommand::List => {
            for account in accounts.list().await? {
                let state = if account.disabled_at.is_some() {
                    "disabled"
                } else {
                    "enabled"
                };
                writeln!(
                    out,
                    "{:<24} {:<9} {:<9} {:<24} {}",
                    account.username,
                    account.role,
                    state,
                    account.display_name,
                    account.email.as_deref().unwrap_or("no e-mail")
                )?;
            }
        }
    }
    Ok(())
}

/// Who sits at the command line, for the audit log.
pub fn operator() -> Actor {
    let name = ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|variable| std::env::var(variable).ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| "unknown".to_owned());
    Actor::CommandLine {
        name: format!("cli:{}", name.replace('\0', "")),
    }
}

fn password(from_stdin: bool) -> anyhow::Result<String> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .context("the password could not be read")?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    const HOW: &str = "there is no terminal to ask at; give the password with --password-stdin";
    let first = rpassword::prompt_password("Password (at least 12 characters): ").context(HOW)?;
    let second = rpassword::prompt_password("Once more: ").context(HOW)?;
    if first != second {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(first)
}
