//! Real programs: what they get, what of them is shown, and that none outlives its time.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use quarterdeck::clients::maintenance::{Driver, SwitchError};
use quarterdeck_domain::maintenance::Mode;

use crate::{OFF, ON, means, read};

/// A means whose commands are `sh` scripts of one argument vector each, in a directory of their own.
fn scripts(directory: &Path, on: &str, status: &str, more: &str) -> Box<dyn Driver> {
    let argv = |script: &str| serde_json::json!(["/bin/sh", "-c", script, "name", "{message}"]).to_string();
    means(&format!(
        "[command]\non = {}\noff = {}\nstatus = {}\ndirectory = '{}'\n{more}",
        argv(on),
        argv("rm -f on; echo gone"),
        argv(status),
        directory.display()
    ))
}

const STATUS: &str = "test -e on && echo on || echo off";

#[tokio::test]
async fn a_program_switches_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let on = r#"printf '%s|%s|%s|%s' "$1" "$MAINTENANCE_MODE" "$MAINTENANCE_UNTIL" "$FOR_IT" > on; env > env; echo first; echo last"#;
    let means = scripts(directory.path(), on, STATUS, "environment = { FOR_IT = 'yes' }");
    assert_eq!(read(&*means).await, (Mode::Off, "off".to_owned()));
    assert_eq!(
        means.switch(ON).await.unwrap(),
        "The command ended well and said: last."
    );
    // One argument stays one argument, whatever is in it.
    assert_eq!(
        std::fs::read_to_string(directory.path().join("on")).unwrap(),
        "Back at {until}, \"friends\"|true|2026-11-25T03:30:00Z|yes"
    );
    assert_eq!(read(&*means).await, (Mode::On, "on".to_owned()));
    // Nothing of the console's own environment but what programs need.
    let passed = std::fs::read_to_string(directory.path().join("env")).unwrap();
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    assert!(!passed.contains("CARGO") && passed.contains("PATH="), "{passed}");
    means.switch(OFF).await.unwrap();
    assert_eq!(read(&*means).await.0, Mode::Off);
}

#[tokio::test]
async fn a_failure_is_told_by_what_stands_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let failed = |script: &str, status: &str| {
        let means = scripts(directory.path(), script, status, "");
        async move { means.switch(ON).await }
    };
    let untouched = failed("echo no such service >&2; exit 3", STATUS)
        .await
        .unwrap_err();
    assert!(
        matches!(&untouched, SwitchError::Refused(text) if text.contains("no such service") && text.contains("It is still off")),
        "{untouched:?}"
    );
    let dark = failed("exit 3", "exit 1").await.unwrap_err();
    assert!(matches!(dark, SwitchError::Unknown(_)), "{dark:?}");
    let all_the_same = failed("touch on; exit 3", STATUS).await.unwrap();
    assert!(all_the_same.contains("It is on all the same"), "{all_the_same}");
    let missing = means("[command]\non = ['/no/such/program']\noff = ['/bin/true']")
        .switch(ON)
        .await
        .unwrap_err();
    assert!(
        matches!(&missing, SwitchError::Refused(text) if text.contains("can't be started")),
        "{missing:?}"
    );
}

fn alive(pid_file: &Path) -> bool {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    // A zombie has ended.
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn eventually_there(file: &Path) {
    while std::fs::read_to_string(file).map_or(true, |text| text.is_empty()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_program_that_hangs_is_ended_with_all_that_it_started() {
    let directory = tempfile::tempdir().unwrap();
    // The child ignores the polite request, and is not the one that is waited for.
    let hang = "sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1; done' & echo $$ > parent; wait";
    let means = scripts(directory.path(), hang, STATUS, "timeout_s = 1");
    let begun = Instant::now();
    let error = means.switch(ON).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(
        matches!(&error, SwitchError::Refused(text) if text.contains("not through after 1 s") && text.contains("still off")),
        "{error:?}"
    );
    tokio::time::sleep(Duration::from_millis(200)).await;
    for file in ["parent", "child"] {
        assert!(!alive(&directory.path().join(file)), "the {file} still runs");
    }
}

#[tokio::test]
async fn a_step_that_is_left_leaves_no_program_behind() {
    let directory = tempfile::tempdir().unwrap();
    let hang = "sh -c 'echo $$ > child; exec sleep 600' & echo $$ > parent; wait";
    let means = scripts(directory.path(), hang, STATUS, "timeout_s = 60");
    let child = directory.path().join("child");
    tokio::select! {
        ended = means.switch(ON) => panic!("{ended:?}"),
        () = eventually_there(&child) => {}
    }
    for _ in 0..100 {
        if !alive(&child) && !alive(&directory.path().join("parent")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("something still runs");
}

#[tokio::test]
async fn a_flood_of_output_is_read_and_cut() {
    let directory = tempfile::tempdir().unwrap();
    let flood = "touch on; head -c 5000000 /dev/zero | tr '\\0' 'x'; echo; echo the end";
    let means = scripts(directory.path(), flood, STATUS, "timeout_s = 30");
    let said = means.switch(ON).await.unwrap();
    assert!(said.len() < 400, "{} bytes", said.len());
}
