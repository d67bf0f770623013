//! The WAL archive of the two nodes.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::PartError;
use crate::process::give_to_unprivileged;

/// Stores a finished WAL segment. A segment that is there already is only fine if it is the same one: overwriting
/// another would destroy what a recovery needs. `ln` refuses to replace, so also two archivers at once can't.
const SCRIPT: &str = r#"#!/bin/sh
# usage: archive-wal.sh PATH NAME ARCHIVE
target="$3/$2"
if [ -e "$target" ]; then
    cmp -s "$1" "$target" && exit 0
    echo "archive-wal: $target exists and differs; not overwritten" >&2
    exit 1
fi
part="$3/.$2.$$"
trap 'rm -f "$part"' EXIT
cp "$1" "$part" && sync "$part" && ln "$part" "$target"
"#;

/// Where the WAL archive of an estate's directory is.
pub(crate) fn archive_dir(dir: &Path) -> PathBuf {
    dir.join("wal-archive")
}

/// `archive_command` and `restore_command` of an estate's directory.
pub(crate) fn commands(dir: &Path) -> [(&'static str, String); 2] {
    let archive = archive_dir(dir);
    let script = dir.join("archive-wal.sh");
    [
        (
            "archive_command",
            format!("sh '{}' '%p' '%f' '{}'", script.display(), archive.display()),
        ),
        ("restore_command", format!("cp '{}/%f' '%p'", archive.display())),
    ]
}

/// Makes the archive, writable, and the script that fills it.
pub(crate) fn prepare(dir: &Path) -> Result<(), PartError> {
    let archive = archive_dir(dir);
    std::fs::create_dir_all(&archive).map_err(PartError::io("making the WAL archive"))?;
    give_to_unprivileged(&archive)?;
    set_writable(dir, true)?;
    std::fs::write(dir.join("archive-wal.sh"), SCRIPT).map_err(PartError::io("writing archive-wal.sh"))
}

/// Lets the archive be written, or not: how a full or lost backup disk looks to PostgreSQL.
pub(crate) fn set_writable(dir: &Path, writable: bool) -> Result<(), PartError> {
    let mode = if writable { 0o755 } else { 0o555 };
    std::fs::set_permissions(archive_dir(dir), std::fs::Permissions::from_mode(mode))
        .map_err(PartError::io("setting the permissions of the WAL archive"))
}

/// Moves what lies on timelines above `timeline` into `DIR/wal-archive-aside/N`, and returns how many files that were. It
/// is the history of a primary that is given up: a standby would follow it, and the next promotion would find its
/// names taken. Above 0 is everything.
pub(crate) fn set_aside(dir: &Path, timeline: u32) -> Result<usize, PartError> {
    let moving = || PartError::io("moving WAL of another history aside");
    let archive = archive_dir(dir);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&archive).map_err(moving())? {
        let name = entry.map_err(moving())?.file_name();
        if timeline_of(&name.to_string_lossy()).is_some_and(|of| of > timeline) {
            names.push(name);
        }
    }
    if !names.is_empty() {
        let aside = unused(&dir.join("wal-archive-aside"));
        std::fs::create_dir_all(&aside).map_err(moving())?;
        for name in &names {
            std::fs::rename(archive.join(name), aside.join(name)).map_err(moving())?;
        }
    }
    Ok(names.len())
}

/// The timeline that a file of the archive belongs to: segments, their `.partial`, `.backup` and `.history` files all
/// begin with it.
fn timeline_of(name: &str) -> Option<u32> {
    let rest = name.get(8..)?;
    let known = rest.starts_with('.') || rest.starts_with(|first: char| first.is_ascii_hexdigit());
    known.then(|| u32::from_str_radix(&name[..8], 16).ok()).flatten()
}

/// The first of the directories `DIR/1`, `DIR/2`, ... that isn't there.
fn unused(dir: &Path) -> PathBuf {
    let mut number = 1;
    loop {
        let candidate = dir.join(number.to_string());
        if !candidate.exists() {
            return candidate;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn only_what_lies_above_the_timeline_is_moved_aside() {
        let scratch = Scratch::private("archive").unwrap();
        let dir = scratch.path();
        std::fs::create_dir(archive_dir(dir)).unwrap();
        let store = |name: &str| std::fs::write(archive_dir(dir).join(name), name).unwrap();
        let kept = [
            "000000010000000000000001",
            "000000010000000000000002.00000028.backup",
            "00000002.history",
            "000000020000000000000003.partial",
            "notes.of.somebody",
        ];
        let moved = [
            "00000003.history",
            "000000030000000000000003",
            "0000001A0000000000000003",
        ];
        for name in kept.iter().chain(&moved) {
            store(name);
        }
        assert_eq!(set_aside(dir, 2).unwrap(), 3);
        assert_eq!(set_aside(dir, 2).unwrap(), 0);
        // Once more under a name that was moved before.
        store(moved[0]);
        assert_eq!(set_aside(dir, 2).unwrap(), 1);
        let aside = dir.join("wal-archive-aside");
        for name in moved {
            assert_eq!(std::fs::read_to_string(aside.join("1").join(name)).unwrap(), name);
        }
        assert!(aside.join("2").join(moved[0]).exists());
        for name in kept {
            assert!(archive_dir(dir).join(name).exists(), "{name}");
        }
    }
}
