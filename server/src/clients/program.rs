//! Runs a program that the configuration names: an argument vector, no shell, a time limit, output captured.

use std::{collections::BTreeMap, ffi::OsString, path::Path, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

use super::http_source::excerpt;

/// The most of each output that is kept, bytes; the rest is read and thrown away, so that the program can go on.
const KEPT: usize = 16 * 1024;
/// How long outputs may stay open after the program has ended: something that it left running may hold them.
const OUTPUT_LIMIT: Duration = Duration::from_secs(1);
/// How long the program and its children have to end after they were asked to, before they are made to.
const GRACE: Duration = Duration::from_secs(2);
/// What of the console's own environment is passed on: enough to find programs and their configuration, and no secret.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// What is run.
#[derive(Debug)]
pub struct Program<'a> {
    /// Program and arguments.
    pub argv: &'a [String],
    /// Where it runs.
    pub directory: &'a Path,
    /// What is added to its environment, which holds PATH, HOME, LANG and TZ and nothing else of the console's.
    pub environment: BTreeMap<String, OsString>,
    /// Longest time that it may take; then it is ended with all that it started.
    pub limit: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with success.
    Well {
        /// What it said.
        output: String,
    },
    /// By itself, without.
    Badly {
        /// Its exit status, and the last that it said.
        how: String,
    },
    /// It could not even be started.
    NotStarted {
        /// What the operating system says.
        why: String,
    },
    /// It was ended when its time was over.
    TimedOut,
}

/// A program with all that it starts: a process group of its own, which ends with this value.
struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    /// The child that was waited for is gone, but others of its group may not be: the id stays theirs until the last has
    /// ended.
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // There may be nobody left.
            let _ = kill_process_group(id, signal);
        }
    }

    async fn end(&mut self) {
        self.signal(Signal::TERM);
        let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
        self.id = None;
    }
}

impl Drop for Group {
    /// The step was left in the middle: nothing may go on unseen.
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

impl Program<'_> {
    /// Runs it to its end, or to the end of its time.
    pub async fn run(self) -> Ended {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Ended::NotStarted {
                why: "no program is configured".to_owned(),
            };
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(
                PASSED_ON
                    .iter()
                    .filter_map(|name| Some((*name, std::env::var_os(name)?))),
            )
            .envs(&self.environment)
            .current_dir(self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                return Ended::NotStarted {
                    why: format!("{program} can't be started: {error}"),
                };
            }
        };
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let id = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let mut group = Group { child, id };
        let mut outputs = tokio::spawn(async move { tokio::join!(captured(out), captured(err)) });
        let Ok(ended) = tokio::time::timeout(self.limit, group.child.wait()).await else {
            group.end().await;
            outputs.abort();
            return Ended::TimedOut;
        };
        let outputs = tokio::time::timeout(OUTPUT_LIMIT, &mut outputs).await;
        // What it has left running on purpose goes on.
        group.id = None;
        let (out, err) = match outputs {
            Ok(Ok(texts)) => texts,
            Ok(Err(_)) | Err(_) => (String::new(), String::new()),
        };
        match ended {
            Ok(status) if status.success() => Ended::Well {
                output: if out.trim().is_empty() { err } else { out },
            },
            Ok(status) => {
                let said = if err.trim().is_empty() { out } else { err };
                Ended::Badly {
                    how: format!("{program} ended with {status} and said: {}", last_line(&said)),
                }
            }
            Err(error) => Ended::Badly {
                how: format!("{program} can't be waited for: {error}"),
            },
        }
    }
}

/// Reads to the end, and keeps the beginning.
async fn captured(source: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    if let Some(mut source) = source {
        while let Ok(read) = source.read(&mut buffer).await
            && read > 0
        {
            let room = KEPT.saturating_sub(kept.len());
            kept.extend(buffer.iter().take(read.min(room)));
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// What a program complains about stands at the end of what it says.
pub fn last_line(text: &str) -> String {
    excerpt(text.trim().lines().last().unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> impl Future<Output = Ended> {
        let argv = ["sh", "-c", script].map(str::to_owned);
        async move {
            let program = Program {
                argv: &argv,
                directory: Path::new("/"),
                environment: BTreeMap::from([("GIVEN".to_owned(), "here".into())]),
                limit,
            };
            program.run().await
        }
    }

    #[tokio::test]
    async fn its_end_its_words_and_its_environment_are_told() {
        let long = Duration::from_secs(30);
        let output = "here in /".to_owned();
        assert_eq!(
            run("printf \"$GIVEN in $(pwd)\"", long).await,
            Ended::Well { output }
        );
        let how = "sh ended with exit status: 3 and said: no such service".to_owned();
        assert_eq!(
            run("echo first >&2; echo no such service >&2; exit 3", long).await,
            Ended::Badly { how }
        );
        assert_eq!(run("sleep 60", Duration::from_millis(50)).await, Ended::TimedOut);
    }

    #[test]
    fn the_last_line_tells() {
        assert_eq!(last_line("a\nb: no such service\n\n"), "b: no such service");
    }
}
