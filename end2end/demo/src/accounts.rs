//! One account a role, for this demo alone.

use std::path::Path;

use anyhow::Result;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::console;

/// The roles in the order in which they are shown; each account is called as its role is.
const ROLES: [&str; 5] = ["viewer", "operator", "approver", "admin", "auditor"];
/// Without letters and digits that look alike.
const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// 16 of 31 characters: 79 bits.
const LENGTH: usize = 16;

/// Who can sign in, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Name to sign in with.
    pub name: String,
    /// Its one role.
    pub role: String,
    /// Password, made for this directory.
    pub password: String,
}

/// The accounts of this directory, made if need be: the passwords stay the same from one start to the next, and so do the
/// sessions.
///
/// # Errors
/// When the console refuses one, or the file `accounts.json` can't be written.
pub fn ensure(bin_dir: &Path, config: &Path, dir: &Path) -> Result<Vec<Account>> {
    let (accounts, fresh) = remembered(dir)?;
    let listed = console::run_once(bin_dir, config, &["user", "list"], "")?;
    let known: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for Account { name, role, password } in &accounts {
        let password = format!("{password}\n");
        if !known.contains(&name.as_str()) {
            console::run_once(
                bin_dir,
                config,
                &["user", "add", name, "--role", role, "--password-stdin"],
                &password,
            )?;
        } else if fresh {
            console::run_once(
                bin_dir,
                config,
                &["user", "passwd", name, "--password-stdin"],
                &password,
            )?;
        }
    }
    Ok(accounts)
}

/// The accounts in `accounts.json`, and whether they were made just now.
fn remembered(dir: &Path) -> Result<(Vec<Account>, bool)> {
    let file = dir.join("accounts.json");
    if let Ok(text) = std::fs::read(&file)
        && let Ok(accounts) = serde_json::from_slice::<Vec<Account>>(&text)
        && accounts.iter().map(|account| account.role.as_str()).eq(ROLES)
    {
        return Ok((accounts, false));
    }
    let accounts: Vec<Account> = ROLES
        .iter()
        .map(|role| Account {
            name: (*role).to_owned(),
            role: (*role).to_owned(),
            password: password(),
        })
        .collect();
    crate::write_private(&file, &serde_json::to_vec_pretty(&accounts)?)?;
    Ok((accounts, true))
}

fn password() -> String {
    let mut random = rand::rng();
    (0..LENGTH)
        .map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn passwords_stay_the_same_and_are_nobody_elses_business() {
        let dir = tempfile::tempdir().unwrap();
        let (first, fresh) = remembered(dir.path()).unwrap();
        assert!(fresh);
        assert_eq!(remembered(dir.path()).unwrap(), (first, false));
        let mode = std::fs::metadata(dir.path().join("accounts.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn each_account_and_each_directory_has_its_own_password() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut all: Vec<String> = [here.path(), there.path()]
            .into_iter()
            .flat_map(|dir| remembered(dir).unwrap().0)
            .map(|account| account.password)
            .collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 2 * ROLES.len());
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("accounts.json"), "[{\"name\":").unwrap();
        let (accounts, fresh) = remembered(dir.path()).unwrap();
        assert!(fresh && accounts.len() == ROLES.len());
    }
}
