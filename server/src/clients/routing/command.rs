//! Sends clients elsewhere by running programs: DNS, a floating address, a load balancer.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use quarterdeck_domain::failover::{Holding, Routed, Routes};

use super::{ClientRouting, Work, not_cut, not_held};
use crate::{
    clients::program::{Ended, Program, last_line},
    config::failover::CommandRoutingConfig,
};

/// Programs that send clients elsewhere.
#[derive(Debug)]
pub(super) struct CommandRouting {
    config: CommandRoutingConfig,
    directory: PathBuf,
}

impl CommandRouting {
    pub fn new(config: CommandRoutingConfig, directory: PathBuf) -> Self {
        Self { config, directory }
    }

    async fn run(&self, argv: &[String]) -> Result<String, String> {
        let program = Program {
            argv,
            directory: &self.directory,
            environment: BTreeMap::new(),
            limit: Duration::from_secs(self.config.timeout_s),
        };
        match program.run().await {
            Ended::Well { output } => Ok(output),
            Ended::Badly { how } => Err(how),
            Ended::NotStarted { why } => Err(why),
            Ended::TimedOut => Err(format!(
                "{} was not through after {} s and was ended",
                argv.first().map_or("the program", String::as_str),
                self.config.timeout_s
            )),
        }
    }

    async fn optional(&self, argv: &[String], without: String) -> Result<String, String> {
        if argv.is_empty() {
            return Ok(without);
        }
        let said = self.run(argv).await?;
        Ok(format!("The program ended well and said: {}.", last_line(&said)))
    }
}

/// Lines `NAME HOST PORT`, and `held` where clients are held back.
fn routes(output: &str, holding: Holding) -> Result<Routes, String> {
    let mut routes = Routes {
        to: Vec::new(),
        held: false,
        holding,
    };
    for line in output.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["held"] => routes.held = true,
            [name, host, port] if port.parse::<u16>().is_ok() => routes.to.push(Routed {
                name: (*name).to_owned(),
                host: (*host).to_owned(),
                port: port.parse().unwrap_or(0),
            }),
            _ => return Err(format!("{:?} is no line NAME HOST PORT", last_line(line))),
        }
    }
    if routes.to.is_empty() {
        return Err("it names nothing that clients use".to_owned());
    }
    Ok(routes)
}

impl ClientRouting for CommandRouting {
    fn describe(&self) -> String {
        format!(
            "the program {}",
            self.config.point.first().map_or("", String::as_str)
        )
    }

    fn holds(&self) -> bool {
        !self.config.hold.is_empty()
    }

    fn read(&self) -> Work<'_, Result<Routes, String>> {
        Box::pin(async move {
            let holding = if self.holds() {
                Holding::Transactions
            } else {
                Holding::Impossible
            };
            routes(&self.run(&self.config.status).await?, holding)
        })
    }

    fn hold(&self, _: Duration) -> Work<'_, Result<String, String>> {
        Box::pin(self.optional(
            &self.config.hold,
            not_held("Without a program for it (hold) this means"),
        ))
    }

    fn cut(&self) -> Work<'_, Result<String, String>> {
        Box::pin(self.optional(
            &self.config.hold,
            not_cut("Without a program for it (hold) this means"),
        ))
    }

    fn point_to<'a>(&'a self, host: &'a str, port: u16) -> Work<'a, Result<String, String>> {
        Box::pin(async move {
            let fill = |word: &String| word.replace("{host}", host).replace("{port}", &port.to_string());
            let argv: Vec<_> = self.config.point.iter().map(fill).collect();
            self.run(&argv).await?;
            let routes = self.read().await?;
            match routes
                .to
                .iter()
                .find(|to| (to.host.as_str(), to.port) != (host, port))
            {
                None => Ok(format!("Clients are sent to {host}:{port}.")),
                Some(to) => Err(format!(
                    "the program ended well, but {} is still sent to {}:{}",
                    to.name, to.host, to.port
                )),
            }
        })
    }

    fn release(&self) -> Work<'_, Result<String, String>> {
        Box::pin(self.optional(&self.config.release, "Clients were not held back.".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn programs_are_asked_told_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("to"), "app db-1 5432\n").unwrap();
        let sh = |script: &str| ["sh", "-c", script].map(str::to_owned).to_vec();
        let mut config = CommandRoutingConfig {
            status: sh("cat to"),
            point: sh("echo app {host} {port} >to"),
            hold: Vec::new(),
            release: Vec::new(),
            timeout_s: 10,
        };
        let routing = CommandRouting::new(config.clone(), dir.path().to_owned());
        assert_eq!(routing.read().await.unwrap().to[0].host, "db-1");
        routing.point_to("db-2", 5433).await.unwrap();
        let to = &routing.read().await.unwrap().to[0];
        assert_eq!((to.host.as_str(), to.port), ("db-2", 5433));
        config.point = sh("true");
        let lying = CommandRouting::new(config.clone(), dir.path().to_owned());
        assert!(
            lying
                .point_to("db-1", 5432)
                .await
                .unwrap_err()
                .contains("still sent to db-2:5433")
        );
        config.status = sh("echo nonsense");
        let nonsense = CommandRouting::new(config, dir.path().to_owned());
        assert!(nonsense.read().await.unwrap_err().contains("NAME HOST PORT"));
    }
}
