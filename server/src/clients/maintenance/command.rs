//! Switches maintenance mode by running a program: an argument vector, no shell, a time limit, output captured.

use std::{process::Stdio, time::Duration};

use quarterdeck_domain::maintenance::Mode;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

use super::{Driver, Order, Place, SwitchError, Work, line};
use crate::config::maintenance::CommandSwitchConfig;

/// The most of each output that is kept, bytes; the rest is read and thrown away, so that the program can go on.
const KEPT: usize = 16 * 1024;
/// How long outputs may stay open after the program has ended: something that it left running may hold them.
const OUTPUT_LIMIT: Duration = Duration::from_secs(1);
/// How long the program and its children have to end after they were asked to, before they are made to.
const GRACE: Duration = Duration::from_secs(2);
/// What of the console's own environment is passed on: enough to find programs and their configuration, and no secret.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// Programs that switch it on and off, and say how it is.
#[derive(Debug)]
pub(super) struct CommandSwitch {
    config: CommandSwitchConfig,
}

/// How a run ended.
#[derive(Debug)]
enum Ended {
    /// By itself, with success.
    Well { output: String },
    /// By itself, without.
    Badly { how: String },
    /// It could not even be started.
    NotStarted { why: String },
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

impl CommandSwitch {
    pub fn new(config: CommandSwitchConfig) -> Self {
        Self { config }
    }

    async fn run(&self, argv: &[String], order: Option<Order<'_>>) -> Ended {
        let Some((program, arguments)) = argv.split_first() else {
            return Ended::NotStarted {
                why: "no program is configured".to_owned(),
            };
        };
        let mut command = Command::new(program);
        match &order {
            Some(order) => command.args(arguments.iter().map(|argument| order.fill(argument))),
            None => command.args(arguments),
        };
        command
            .env_clear()
            .envs(
                PASSED_ON
                    .iter()
                    .filter_map(|name| Some((*name, std::env::var_os(name)?))),
            )
            .current_dir(&self.config.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(order) = &order {
            command
                .env("MAINTENANCE_MODE", if order.on { "true" } else { "false" })
                .env("MAINTENANCE_MESSAGE", order.message)
                .env("MAINTENANCE_UNTIL", order.until_text());
        }
        command.envs(&self.config.environment);
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
        let limit = Duration::from_secs(self.config.timeout_s);
        let mut outputs = tokio::spawn(async move { tokio::join!(captured(out), captured(err)) });
        let Ok(ended) = tokio::time::timeout(limit, group.child.wait()).await else {
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

    async fn place(&self) -> Place {
        let (mode, value) = if self.config.status.is_empty() {
            (Mode::Unknown, "it can't be asked".to_owned())
        } else {
            match self.run(&self.config.status, None).await {
                Ended::Well { output } => match spoken(&output) {
                    Some(on) => (if on { Mode::On } else { Mode::Off }, line(&output)),
                    None => (
                        Mode::Unknown,
                        format!("it says neither on nor off: {}", line(&output)),
                    ),
                },
                Ended::Badly { how } => (Mode::Unknown, how),
                Ended::NotStarted { why } => (Mode::Unknown, why),
                Ended::TimedOut => (
                    Mode::Unknown,
                    format!(
                        "it did not answer within {} s and was ended",
                        self.config.timeout_s
                    ),
                ),
            }
        };
        let program = self.config.on.first().map_or("", String::as_str);
        Place {
            id: format!("command {program}"),
            title: format!("the command {program}"),
            mode,
            value,
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
fn last_line(text: &str) -> String {
    line(text.trim().lines().last().unwrap_or_default())
}

/// `on` or `off`, as programs say it.
fn spoken(output: &str) -> Option<bool> {
    match output.split_whitespace().next()?.to_ascii_lowercase().as_str() {
        "on" | "true" | "1" | "yes" => Some(true),
        "off" | "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

impl Driver for CommandSwitch {
    fn describe(&self) -> String {
        let program = self.config.on.first().map_or("", String::as_str);
        format!("the command {program} in {}", self.config.directory.display())
    }

    fn expected_s(&self) -> u32 {
        30
    }

    fn read(&self) -> Work<'_, Vec<Place>> {
        Box::pin(async move { vec![self.place().await] })
    }

    fn switch<'a>(&'a self, order: Order<'a>) -> Work<'a, Result<String, SwitchError>> {
        Box::pin(async move {
            let argv = if order.on {
                &self.config.on
            } else {
                &self.config.off
            };
            let said = match self.run(argv, Some(order)).await {
                Ended::Well { output } => {
                    return Ok(format!(
                        "The command ended well and said: {}.",
                        last_line(&output)
                    ));
                }
                Ended::NotStarted { why } => {
                    return Err(SwitchError::Refused(format!("{why}. Nothing was run.")));
                }
                Ended::Badly { how } => format!("{how}."),
                Ended::TimedOut => format!(
                    "The command was not through after {} s, and was ended with all that it had started.",
                    self.config.timeout_s
                ),
            };
            // It may have come far enough, or nowhere: what it says of itself counts.
            let wanted = if order.on { Mode::On } else { Mode::Off };
            match self.place().await.mode {
                Mode::Unknown => Err(SwitchError::Unknown(said)),
                mode if mode == wanted => Ok(format!("{said} It is {} all the same.", wanted.word())),
                mode => Err(SwitchError::Refused(format!(
                    "{said} It is still {}.",
                    mode.word()
                ))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_say_it_in_many_ways() {
        assert_eq!(spoken("on\n"), Some(true));
        assert_eq!(spoken("  False since noon"), Some(false));
        assert_eq!(spoken("0"), Some(false));
        assert_eq!(spoken("only"), None);
        assert_eq!(spoken(""), None);
        assert_eq!(last_line("a\nb: no such service\n\n"), "b: no such service");
    }
}
