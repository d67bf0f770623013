//! Switches maintenance mode by running a program.

use std::{collections::BTreeMap, time::Duration};

use quarterdeck_domain::maintenance::Mode;

use super::{Driver, Order, Place, SwitchError, Work, line};
use crate::{
    clients::program::{Ended, Program, last_line},
    config::maintenance::CommandSwitchConfig,
};

/// Programs that switch it on and off, and say how it is.
#[derive(Debug)]
pub(super) struct CommandSwitch {
    config: CommandSwitchConfig,
}

impl CommandSwitch {
    pub fn new(config: CommandSwitchConfig) -> Self {
        Self { config }
    }

    async fn run(&self, argv: &[String], order: Option<Order<'_>>) -> Ended {
        let mut argv = argv.to_vec();
        let mut environment = BTreeMap::new();
        if let Some(order) = &order {
            for argument in argv.iter_mut().skip(1) {
                *argument = order.fill(argument);
            }
            let mode = if order.on { "true" } else { "false" };
            environment.extend([
                ("MAINTENANCE_MODE".to_owned(), mode.into()),
                ("MAINTENANCE_MESSAGE".to_owned(), order.message.into()),
                ("MAINTENANCE_UNTIL".to_owned(), order.until_text().into()),
            ]);
        }
        let own = self.config.environment.iter();
        environment.extend(own.map(|(name, value)| (name.clone(), value.into())));
        let program = Program {
            argv: &argv,
            directory: &self.config.directory,
            environment,
            limit: Duration::from_secs(self.config.timeout_s),
        };
        program.run().await
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
    }
}
