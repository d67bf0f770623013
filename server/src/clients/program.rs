//! Runs a program that the configuration names: an argument vector, no shell, a time limit, output captured.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};
use tokio_util::sync::CancellationToken;

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

/// How a program is looked after that may run for hours.
pub struct Watch<'a> {
    /// Ends it.
    pub stop: &'a CancellationToken,
    /// Takes each line that it says, as it comes, whichever output it comes from.
    pub said: &'a (dyn Fn(&str) + Send + Sync),
}

/// How a watched run ended.
#[derive(Debug)]
pub enum Watched {
    /// By itself.
    Ended(ExitStatus),
    /// It could not even be started: what the operating system says.
    NotStarted(String),
    /// It was ended when its time was over.
    TimedOut,
    /// It was ended because somebody wanted that.
    Stopped,
}

/// The longest line that is passed on, bytes.
const LINE: usize = 2048;

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
    fn spawn(&self) -> Result<Group, String> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err("no program is configured".to_owned());
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
        let child = command
            .spawn()
            .map_err(|error| format!("{program} can't be started: {error}"))?;
        let id = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok(Group { child, id })
    }

    /// Runs it to its end, to the end of its time, or until it is stopped, and passes on what it says.
    pub async fn run_watched(self, watch: Watch<'_>) -> Watched {
        let mut group = match self.spawn() {
            Ok(group) => group,
            Err(why) => return Watched::NotStarted(why),
        };
        let (out, err) = (group.child.stdout.take(), group.child.stderr.take());
        let said = async {
            tokio::join!(lines(out, watch.said), lines(err, watch.said));
        };
        tokio::pin!(said);
        let mut open = true;
        let time_is_over = tokio::time::sleep(self.limit);
        tokio::pin!(time_is_over);
        let status = loop {
            tokio::select! {
                status = group.child.wait() => break status,
                () = &mut said, if open => open = false,
                () = watch.stop.cancelled() => {
                    group.end().await;
                    return Watched::Stopped;
                }
                () = &mut time_is_over => {
                    group.end().await;
                    return Watched::TimedOut;
                }
            }
        };
        if open {
            // What it left running may hold the outputs.
            let _ = tokio::time::timeout(OUTPUT_LIMIT, said).await;
        }
        group.id = None;
        match status {
            Ok(status) => Watched::Ended(status),
            Err(error) => Watched::NotStarted(format!("it can't be waited for: {error}")),
        }
    }

    /// Runs it to its end, or to the end of its time.
    pub async fn run(self) -> Ended {
        let mut group = match self.spawn() {
            Ok(group) => group,
            Err(why) => return Ended::NotStarted { why },
        };
        let program = self.argv.first().map(String::as_str).unwrap_or_default();
        let (out, err) = (group.child.stdout.take(), group.child.stderr.take());
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

/// Reads to the end, and passes on each line; lines that are overwritten on a terminal count as lines.
async fn lines(source: Option<impl AsyncRead + Unpin>, said: &(dyn Fn(&str) + Send + Sync)) {
    let Some(mut source) = source else { return };
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    let pass_on = |line: &mut Vec<u8>| {
        if !line.is_empty() {
            said(&String::from_utf8_lossy(line));
            line.clear();
        }
    };
    while let Ok(read) = source.read(&mut buffer).await
        && read > 0
    {
        for byte in buffer.iter().take(read) {
            match byte {
                b'\n' | b'\r' => pass_on(&mut line),
                _ if line.len() < LINE => line.push(*byte),
                // The rest of a line that is too long.
                _ => {}
            }
        }
    }
    pass_on(&mut line);
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

    async fn watched(script: &str, limit: Duration, stop_at: &str) -> (Watched, Vec<String>) {
        let argv = ["sh", "-c", script].map(str::to_owned);
        let program = Program {
            argv: &argv,
            directory: Path::new("/"),
            environment: BTreeMap::new(),
            limit,
        };
        let stop = CancellationToken::new();
        let heard = std::sync::Mutex::new(Vec::new());
        let said = |line: &str| {
            heard.lock().unwrap().push(line.to_owned());
            if line == stop_at {
                stop.cancel();
            }
        };
        let watch = Watch {
            stop: &stop,
            said: &said,
        };
        let ended = program.run_watched(watch).await;
        (ended, heard.into_inner().unwrap())
    }

    #[tokio::test]
    async fn what_a_watched_one_says_is_heard_and_it_ends_when_it_shall() {
        let long = Duration::from_secs(60);
        let (ended, heard) = watched("echo one; sleep 0.2; printf 'two\\rthree' >&2; exit 4", long, "").await;
        let Watched::Ended(status) = ended else {
            panic!("{ended:?}")
        };
        assert_eq!(status.code(), Some(4));
        assert_eq!(heard, ["one", "two", "three"]);
        let (ended, _) = watched("echo go; sleep 60", long, "go").await;
        assert!(matches!(ended, Watched::Stopped), "{ended:?}");
        let (ended, _) = watched("sleep 60", Duration::from_millis(50), "").await;
        assert!(matches!(ended, Watched::TimedOut), "{ended:?}");
    }

    #[test]
    fn the_last_line_tells() {
        assert_eq!(last_line("a\nb: no such service\n\n"), "b: no such service");
    }
}
