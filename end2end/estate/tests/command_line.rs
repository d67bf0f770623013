//! The program `estate`: what it says, and what it leaves behind, which is nothing.
#![allow(clippy::unwrap_used, reason = "what can't go on fails the test")]

mod support {
    pub mod eventually;
}

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use quarterdeck_estate::port;
use quarterdeck_estate::scratch::Scratch;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::eventually::{ensure, eventually};

fn estate(arguments: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_estate"));
    command.args(arguments).arg("--dir").arg(dir);
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// An estate that is brought up in the background; killed if a test gives up.
struct Up {
    child: Child,
    dir: PathBuf,
}

impl Up {
    fn start(dir: &Path) -> Self {
        let child = estate(&["up", "--base-port", "0"], dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut up = Self {
            child,
            dir: dir.to_owned(),
        };
        eventually(Duration::from_secs(90), || {
            assert!(up.child.try_wait().unwrap().is_none(), "estate up has ended");
            let pid = up.json().map(|json| json["pid"].clone());
            ensure(pid == Some(up.child.id().into()), || {
                "estate.json is not there".into()
            })
        });
        up
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&std::fs::read(self.dir.join("estate.json")).ok()?).ok()
    }

    fn pids(&self) -> Vec<u32> {
        let pids = self.json().unwrap()["pids"].as_object().unwrap().clone();
        pids.values()
            .map(|pid| pid.as_u64().unwrap().try_into().unwrap())
            .collect()
    }

    fn pid_of(&self, name: &str) -> u32 {
        self.json().unwrap()["pids"][name]
            .as_u64()
            .unwrap()
            .try_into()
            .unwrap()
    }

    /// Sends a signal, waits for the end, and returns what was said.
    fn end(&mut self, with: Signal) -> (bool, String) {
        signal(self.child.id(), with);
        let success = self.child.wait().unwrap().success();
        let mut output = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut output)
            .unwrap();
        (success, output)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

/// Pids of processes whose command line names the directory.
fn processes_of(dir: &Path) -> Vec<u32> {
    let dir = dir.to_string_lossy();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        String::from_utf8_lossy(&command).contains(&*dir).then_some(pid)
    })
    .collect()
}

/// A process as a killed estate could have left it: running, and written down.
fn leave_behind(dir: &Path) -> Child {
    let stray = Command::new("sleep").arg("600").spawn().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", stray.id())).unwrap();
    let start_ticks: u64 = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(19)
        .unwrap()
        .parse()
        .unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let record = serde_json::json!({
        "name": "stray",
        "pid": stray.id(),
        "start_ticks": start_ticks,
        "boot": boot.trim(),
        "program": "sleep",
        "quit": false,
    });
    let path = dir.join("pids.json");
    let mut records: Vec<Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    records.push(record);
    std::fs::write(&path, serde_json::to_vec(&records).unwrap()).unwrap();
    stray
}

#[test]
fn a_taken_port_is_named_with_who_has_it() {
    let scratch = Scratch::private("taken").unwrap();
    let taken = port::free().unwrap();
    let _held = TcpListener::bind(("127.0.0.1", taken)).unwrap();
    let output = estate(&["up", "--base-port", &taken.to_string()], scratch.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = said(&output);
    assert!(
        text.contains(&format!(
            "port {taken}, wanted for postgres-db-1, is taken by process {}",
            std::process::id()
        )),
        "{text}"
    );
    assert_eq!(processes_of(scratch.path()), Vec::<u32>::new());
}

#[test]
fn a_fault_without_an_estate_says_how_to_get_one() {
    let scratch = Scratch::private("none").unwrap();
    let output = estate(&["fault", "pool"], scratch.path()).output().unwrap();
    assert!(!output.status.success());
    assert!(
        said(&output).contains("start one with `estate up"),
        "{}",
        said(&output)
    );

    let output = estate(&["fault", "gremlins"], scratch.path()).output().unwrap();
    assert!(!output.status.success());
    assert!(
        said(&output).contains("there is no fault \"gremlins\""),
        "{}",
        said(&output)
    );
}

fn psql(url: &Value, sql: &str) -> String {
    let output = Command::new("psql")
        .args(["-XAtqd", url.as_str().unwrap(), "-c", sql])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output).trim().to_owned()
}

/// A node of `estate.json` as SkillQuest signs in there.
fn skillquest(node: &Value) -> Value {
    node["url"]
        .as_str()
        .unwrap()
        .replace("quarterdeck_monitor", "skillquest")
        .into()
}

/// A rejoin leaves a data directory that is half of this and half of that when it is killed in the middle.
#[test]
fn a_rejoin_that_was_killed_is_ended_by_the_next_start() {
    let scratch = Scratch::private("rejoin").unwrap();
    let dir = scratch.path();
    let node = |name: &str, command: &str| said(&estate(&["node", name, command], dir).output().unwrap());
    let mut first = Up::start(dir);
    let nodes = first.json().unwrap()["postgres"]["nodes"].clone();
    assert_eq!(
        (node("db-1", "status"), node("db-2", "status")),
        ("primary\n".into(), "standby\n".into())
    );
    assert_eq!(node("db-1", "kill"), "down\n");
    assert_eq!(psql(&nodes[1]["superuser_url"], "SELECT pg_promote()"), "t");
    psql(&skillquest(&nodes[1]), "CREATE TABLE kept AS SELECT 42 AS answer");
    // What rejoins a node is not in the way of others.
    let mut rejoin = estate(&["node", "db-1", "rejoin"], dir).spawn().unwrap();
    eventually(Duration::from_secs(30), || {
        ensure(dir.join("db-1/rejoining").exists(), || {
            "the rejoin has not begun".into()
        })
    });
    assert_eq!(node("db-2", "status"), "primary\n");
    first.end(Signal::KILL);
    assert!(!rejoin.wait().unwrap().success());
    assert!(dir.join("db-1/rejoining").exists(), "it was killed in the middle");

    let second = Up::start(dir);
    assert_eq!(
        (node("db-1", "status"), node("db-2", "status")),
        ("standby\n".into(), "primary\n".into())
    );
    let nodes = second.json().unwrap()["postgres"]["nodes"].clone();
    eventually(Duration::from_secs(30), || {
        let answer = psql(&skillquest(&nodes[0]), "SELECT answer FROM kept");
        ensure(answer == "42", || answer)
    });
}

#[test]
fn what_a_killed_estate_leaves_is_found_and_removed() {
    let scratch = Scratch::private("killed").unwrap();
    let dir = scratch.path();
    let mut first = Up::start(dir);
    let pids = first.pids();
    let temporary = std::env::temp_dir().join(format!("quarterdeck-estate-{}-0", first.child.id()));
    assert!(temporary.exists());

    // A second one in the same directory is refused.
    let output = estate(&["up", "--base-port", "0"], dir).output().unwrap();
    let expected = format!("already (process {})", first.child.id());
    assert!(
        !output.status.success() && said(&output).contains(&expected),
        "{}",
        said(&output)
    );

    // Faults by the command line, and a process that a fault has started.
    let output = estate(&["fault", "pool"], dir).output().unwrap();
    assert_eq!(said(&output), "pool\n");
    assert_eq!(said(&estate(&["fault"], dir).output().unwrap()), "pool\n");

    // A frozen process may miss its parent's death; all others go at once.
    let frozen = first.pid_of("postgres-db-1");
    signal(frozen, Signal::STOP);
    first.end(Signal::KILL);
    eventually(Duration::from_secs(10), || {
        let mut left = processes_of(dir);
        left.extend(
            pids.iter()
                .filter(|pid| Path::new(&format!("/proc/{pid}")).exists()),
        );
        left.retain(|pid| *pid != frozen);
        ensure(left.is_empty(), || format!("{left:?} still run"))
    });
    eventually(Duration::from_secs(10), || {
        ensure(!temporary.exists(), || {
            format!("{} is still there", temporary.display())
        })
    });
    assert!(dir.join("estate.json").exists(), "it had no time to tidy up");
    let mut stray = leave_behind(dir);

    let mut second = Up::start(dir);
    // What it left is ended; until its new parent has asked how, its number is still taken.
    let stat = std::fs::read_to_string(format!("/proc/{frozen}/stat")).unwrap_or_default();
    let runs = !stat.is_empty() && !stat.contains(") Z ");
    assert!(!runs, "{stat}");
    assert!(!stray.wait().unwrap().success(), "what was left has been ended");
    assert_eq!(
        said(&estate(&["fault"], dir).output().unwrap()),
        "no fault is on\n"
    );
    assert_eq!(
        said(&estate(&["fault", "none"], dir).output().unwrap()),
        "no fault is on\n"
    );

    let (success, output) = second.end(Signal::TERM);
    assert!(success, "{output}");
    assert!(
        output.contains(&format!("ended stray (process {}), left by", stray.id())),
        "{output}"
    );
    assert!(output.ends_with("stopped\n"), "{output}");
    assert_eq!(processes_of(dir), Vec::<u32>::new());
    assert!(!dir.join("estate.json").exists() && !dir.join("control.sock").exists());
}
