//! The servers that the console's own database may be on, and which of them takes writes.
//!
//! A URL may name several, as libpq's do: `postgres://user@db-1:5432,db-2:5432/quarterdeck`. The one to work with is in
//! no recovery and not read-only; of two such, which is a split brain, the one on the higher timeline. Timelines only
//! rise: a primary that was replaced is not worked with again, though it may still take writes.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicI32, Ordering},
    time::Duration,
};

use futures::future::join_all;
use sqlx::{ConnectOptions, Connection, FromRow, PgConnection, PgPool, postgres::PgConnectOptions};

use super::DbError;

/// How long one server may take to say what it is.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// What a server is. A primary's control file keeps the old timeline until its first checkpoint; its WAL doesn't.
const PLACE: &str = "
    select pg_is_in_recovery() as in_recovery,
           current_setting('default_transaction_read_only')::bool as read_only,
           case when not pg_is_in_recovery()
                then ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end as timeline";

/// The servers of one setting. Shared by all that connect, so that all know the newest timeline.
pub struct Hosts {
    setting: &'static str,
    all: Vec<Host>,
    /// The highest timeline that was seen on a primary; 0 before the first look.
    timeline: AtomicI32,
}

#[derive(Clone)]
struct Host {
    /// As in the setting, with its port.
    name: String,
    options: PgConnectOptions,
}

/// Without the options: they print their password.
impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts")
            .field("setting", &self.setting)
            .field(
                "names",
                &self.all.iter().map(|host| &host.name).collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

#[derive(FromRow)]
struct Place {
    in_recovery: bool,
    read_only: bool,
    timeline: Option<i32>,
}

/// Why a server is not the one to work with.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("it is a standby")]
    Standby,
    #[error("it is read-only")]
    ReadOnly,
    #[error(
        "it is on timeline {0} and the console has worked on {1}: an old primary (if this was restored on purpose, start \
         the console anew)"
    )]
    Replaced(i32, i32),
    #[error("it does not answer within {} s", LOOK_LIMIT.as_secs())]
    Silent,
    #[error("{}", reason(.0))]
    Sql(#[from] sqlx::Error),
}

/// The driver's words without its settings.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        _ => "it could not be connected to".to_owned(),
    }
}

impl Place {
    /// The timeline, if it is fit to work with.
    fn timeline(&self, known: i32) -> Result<i32, Unfit> {
        match self.timeline {
            None => Err(Unfit::Standby),
            Some(_) if self.in_recovery => Err(Unfit::Standby),
            Some(_) if self.read_only => Err(Unfit::ReadOnly),
            Some(timeline) if timeline < known => Err(Unfit::Replaced(timeline, known)),
            Some(timeline) => Ok(timeline),
        }
    }
}

/// Connections that are kept from one look to the next, one a server.
#[derive(Debug, Default)]
pub struct Sight {
    kept: Vec<Option<PgConnection>>,
    /// The server that took writes at the last look.
    chosen: Option<usize>,
}

impl Hosts {
    /// Reads a URL. `each` adds what every connection is to be opened with.
    ///
    /// # Errors
    /// [`DbError::Url`].
    pub fn parse(
        url: &str,
        setting: &'static str,
        each: impl Fn(PgConnectOptions) -> PgConnectOptions,
    ) -> Result<Self, DbError> {
        let all = split(url)
            .into_iter()
            .map(|one| {
                let options =
                    PgConnectOptions::from_str(&one).map_err(|source| DbError::Url { setting, source })?;
                // The driver takes IPv6 addresses without their brackets.
                let host = options.get_host().trim_matches(['[', ']']).to_owned();
                let name = match options.get_socket() {
                    Some(path) => path.display().to_string(),
                    None if host.contains(':') => format!("[{host}]:{}", options.get_port()),
                    None => format!("{host}:{}", options.get_port()),
                };
                let options = if options.get_socket().is_some() {
                    options
                } else {
                    options.host(&host)
                };
                Ok(Host {
                    name,
                    options: each(options),
                })
            })
            .collect::<Result<_, DbError>>()?;
        Ok(Self {
            setting,
            all,
            timeline: AtomicI32::new(0),
        })
    }

    /// Whether there is no choice. Then nothing is asked of the server that wasn't before.
    pub fn is_one(&self) -> bool {
        self.all.len() == 1
    }

    /// The role that it connects as.
    pub(super) fn username(&self) -> &str {
        self.all.first().map_or("", |host| host.options.get_username())
    }

    /// How to connect to the first server.
    pub(super) fn first(&self) -> PgConnectOptions {
        self.all
            .first()
            .map_or_else(PgConnectOptions::new, |host| host.options.clone())
    }

    /// Connects to the server that takes writes; with one server, to that one, whatever it is.
    ///
    /// # Errors
    /// [`DbError::Unavailable`], and [`DbError::NoPrimary`] with each server's reason where there are several.
    pub async fn connect(&self, application: &str) -> Result<PgConnection, DbError> {
        if self.is_one() {
            return Ok(self.first().application_name(application).connect().await?);
        }
        let mut sight = Sight::default();
        let chosen = self.look(&mut sight, application).await?;
        let fresh = sight.kept.get_mut(chosen).and_then(Option::take);
        fresh.ok_or(DbError::Unavailable(sqlx::Error::PoolTimedOut))
    }

    /// Whether a connection leads to the server to work with. With one server it is only whether it answers.
    ///
    /// # Errors
    /// [`DbError`]: it has to be given up.
    pub(super) async fn still_leads(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.is_one() {
            return connection.ping().await;
        }
        match self.judge(connection).await {
            Ok(_) => Ok(()),
            Err(Unfit::Sql(error)) => Err(error),
            Err(unfit) => Err(sqlx::Error::Io(std::io::Error::other(unfit.to_string()))),
        }
    }

    async fn judge(&self, connection: &mut PgConnection) -> Result<i32, Unfit> {
        let place: Place = sqlx::query_as(PLACE).fetch_one(connection).await?;
        let timeline = place.timeline(self.timeline.load(Ordering::Relaxed))?;
        self.timeline.fetch_max(timeline, Ordering::Relaxed);
        Ok(timeline)
    }

    /// Looks at all servers at once; answers the one that takes writes.
    async fn look(&self, sight: &mut Sight, application: &str) -> Result<usize, DbError> {
        sight.kept.resize_with(self.all.len(), || None);
        let looks = self.all.iter().zip(&mut sight.kept).map(async |(host, kept)| {
            let work = async {
                let mut open = match kept.take() {
                    Some(open) => open,
                    None => {
                        host.options
                            .clone()
                            .application_name(application)
                            .connect()
                            .await?
                    }
                };
                let judged = self.judge(&mut open).await;
                if !matches!(judged, Err(Unfit::Sql(_))) {
                    *kept = Some(open);
                }
                judged
            };
            tokio::time::timeout(LOOK_LIMIT, work)
                .await
                .unwrap_or(Err(Unfit::Silent))
        });
        let seen = join_all(looks).await;
        let fit = |position: &usize| seen.get(*position).and_then(|judged| judged.as_ref().ok());
        // Of two on the same timeline the one that is worked with already.
        let best = (0..seen.len())
            .filter(|position| fit(position).is_some())
            .max_by_key(|position| {
                (
                    fit(position),
                    Some(*position) == sight.chosen,
                    usize::MAX - position,
                )
            });
        if let Some(best) = best {
            sight.chosen = Some(best);
            return Ok(best);
        }
        let reasons: Vec<_> = self
            .all
            .iter()
            .zip(&seen)
            .filter_map(|(host, judged)| {
                let unfit = judged.as_ref().err()?;
                Some(format!("{}: {unfit}", host.name))
            })
            .collect();
        Err(DbError::NoPrimary {
            setting: self.setting,
            reasons: reasons.join("; "),
        })
    }

    /// Looks at all servers, and has `pool` connect to the one that takes writes from now on. Answers its name if it is
    /// another one than at the last look.
    ///
    /// # Errors
    /// [`DbError::NoPrimary`]; the pool stays as it was.
    pub async fn lead(&self, pool: &PgPool, sight: &mut Sight) -> Result<Option<&str>, DbError> {
        let before = sight.chosen;
        let chosen = self.look(sight, "quarterdeck-hosts").await?;
        let Some(host) = self.all.get(chosen).filter(|_| before != Some(chosen)) else {
            return Ok(None);
        };
        pool.set_connect_options(host.options.clone());
        Ok(Some(&host.name))
    }
}

/// A URL for each host of a URL that may name several. What is no such URL is left as it is.
fn split(url: &str) -> Vec<String> {
    let whole = || vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else {
        return whole();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    hosts
        .split(',')
        .map(|host| format!("{scheme}://{user}{host}{path}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(url: &str) -> Vec<String> {
        let hosts = Hosts::parse(url, "database.url", |options| options).unwrap();
        hosts.all.iter().map(|host| host.name.clone()).collect()
    }

    #[test]
    fn a_url_may_name_several_hosts() {
        assert_eq!(names("postgres://u@db-1/quarterdeck"), ["db-1:5432"]);
        assert_eq!(
            names("postgres://u:p%2C@db-1:6000,db-2,[::1]:7000,[fe80::2]/q?sslmode=disable"),
            ["db-1:6000", "db-2:5432", "[::1]:7000", "[fe80::2]:5432"]
        );
    }

    #[test]
    fn each_has_what_is_common_to_all() {
        let hosts = Hosts::parse(
            "postgres://u:p%2C@db-1,[::1]:7000/q?sslmode=disable",
            "database.url",
            |options| options,
        )
        .unwrap();
        for host in &hosts.all {
            assert_eq!(host.options.get_username(), "u");
            assert_eq!(host.options.get_database(), Some("q"));
            assert!(matches!(
                host.options.get_ssl_mode(),
                sqlx::postgres::PgSslMode::Disable
            ));
        }
        assert_eq!(hosts.all[1].options.get_host(), "::1");
    }

    #[test]
    fn a_wrong_host_is_refused_and_named_by_its_setting() {
        let error = Hosts::parse("postgres://u@db-1,db-2:x/q", "database.owner_url", |options| {
            options
        })
        .unwrap_err()
        .to_string();
        assert!(error.contains("database.owner_url"), "{error}");
    }

    #[test]
    fn what_replaces_a_primary_is_on_a_higher_timeline() {
        let place = |timeline, read_only| Place {
            in_recovery: false,
            read_only,
            timeline: Some(timeline),
        };
        assert_eq!(place(3, false).timeline(3).unwrap(), 3);
        assert!(matches!(place(2, false).timeline(3), Err(Unfit::Replaced(2, 3))));
        assert!(matches!(place(3, true).timeline(3), Err(Unfit::ReadOnly)));
        let standby = Place {
            in_recovery: true,
            read_only: false,
            timeline: None,
        };
        assert!(matches!(standby.timeline(0), Err(Unfit::Standby)));
    }
}
