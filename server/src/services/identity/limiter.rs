//! How often somebody may try to sign in: counted in Redis for all consoles together, and in memory without it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::ConnectionManager;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::clock::Clock;
use crate::config::identity::IdentityConfig;

/// How long Redis may take before this console counts for itself.
const REDIS_LIMIT: Duration = Duration::from_millis(250);

/// The most counters kept in memory; beyond that the strangers share one.
const MOST_IN_MEMORY: usize = 50_000;

/// Counts one try under each key but the first and gives the longest wait in milliseconds (0: go ahead), and whether a
/// limit was crossed with just this try. The last counter, the account's from everywhere, counts what the others let pass, or one
/// address could use it up; and nothing where the first key says that the account has signed in from here. ARGV: the window in milliseconds, then a limit for each counter.
const TAKE: &str = "
local wait, crossed = 0, 0
local last = #KEYS - redis.call('EXISTS', KEYS[1])
for i = 2, last do
  if i == #KEYS and wait > 0 then break end
  local key = KEYS[i]
  local tries = redis.call('INCR', key)
  if tries == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
  local limit = tonumber(ARGV[i])
  if tries > limit then
    wait = math.max(wait, redis.call('PTTL', key), 1)
    if tries == limit + 1 then crossed = 1 end
  end
end
return {wait, crossed}";

/// Takes back a try that succeeded: the pair starts anew, the address and the account get this one try back, and the
/// account is known at this address for ARGV[1] milliseconds.
const GIVE_BACK: &str = "
if redis.call('EXISTS', KEYS[1]) == 0 and redis.call('EXISTS', KEYS[4]) == 1 then redis.call('DECR', KEYS[4]) end
redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
redis.call('DEL', KEYS[2])
if redis.call('EXISTS', KEYS[3]) == 1 then redis.call('DECR', KEYS[3]) end
return 0";

/// The answer to a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Go ahead.
    Allowed,
    /// Not now.
    Refused {
        /// When to try again.
        retry_after: Duration,
        /// Whether this is the first refused try of the window: the one that is worth a line in the audit log.
        first: bool,
    },
}

/// Who tries: three counters, and the mark that says that this account has signed in from this address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempter {
    known: String,
    pair: String,
    address: String,
    account: String,
}

impl Attempter {
    /// In the order of the scripts' keys.
    fn keys(&self) -> [&String; 4] {
        [&self.known, &self.pair, &self.address, &self.account]
    }
}

impl Attempter {
    /// Somebody at `address` who gave this user name (in lower case), whether there is such an account or not.
    pub fn new(username: &str, address: Option<IpAddr>) -> Self {
        let network = match address {
            Some(IpAddr::V4(address)) => address.to_string(),
            // Whoever has one IPv6 address has 2^64 of them.
            Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(mapped) => mapped.to_string(),
                None => format!("{:x?}", &address.segments()[..4]),
            },
            None => "unknown".to_owned(),
        };
        // Hashed: people type passwords into the field for the name, and those must not be found in Redis.
        let name = Sha256::digest(username.as_bytes());
        let name: String = name.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self {
            known: format!("known:{name}:{network}"),
            pair: format!("pair:{name}:{network}"),
            address: format!("address:{network}"),
            account: format!("account:{name}"),
        }
    }
}

/// Counts sign-ins in fixed windows: by account and address together, by address, and by account from everywhere.
///
/// The last has a much higher limit, and doesn't count where the account has signed in before: whoever knows a name can
/// use that limit up from many addresses, and must not keep its owner out with it.
#[derive(Debug)]
pub struct Limiter {
    redis: Option<Redis>,
    memory: Mutex<HashMap<String, Window>>,
    clock: Arc<dyn Clock>,
    window: Duration,
    /// How long an address stays known to an account after a sign-in.
    known_for: Duration,
    per_account: u32,
    per_address: u32,
    per_account_everywhere: u32,
}

struct Redis {
    connection: ConnectionManager,
    prefix: String,
    take: redis::Script,
    give_back: redis::Script,
}

impl Redis {
    /// The braces keep the keys of one script together on a Redis cluster.
    fn key(&self, counter: &str) -> String {
        format!("{{{}sign-in}}:{counter}", self.prefix)
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis")
    }
}

#[derive(Debug, Clone, Copy)]
struct Window {
    tries: u32,
    ends: OffsetDateTime,
}

impl Limiter {
    /// With the limits of `config`; without `redis` (a connection and the prefix of its keys), or while it doesn't
    /// answer, this console counts for itself.
    pub fn new(
        redis: Option<(ConnectionManager, &str)>,
        clock: Arc<dyn Clock>,
        config: &IdentityConfig,
    ) -> Self {
        Self {
            redis: redis.map(|(connection, prefix)| Redis {
                connection,
                prefix: prefix.to_owned(),
                take: redis::Script::new(TAKE),
                give_back: redis::Script::new(GIVE_BACK),
            }),
            memory: Mutex::new(HashMap::new()),
            clock,
            window: Duration::from_secs(u64::from(config.attempts_window_s)),
            known_for: Duration::from_secs(u64::from(config.session_ttl_s)),
            per_account: config.attempts_per_account,
            per_address: config.attempts_per_address,
            per_account_everywhere: config.attempts_per_account_everywhere,
        }
    }

    /// Counts a try, before anything is looked up.
    pub async fn take(&self, who: &Attempter) -> Attempt {
        let (wait_ms, crossed) = match self.take_in_redis(who).await {
            Some(answer) => answer,
            None => self.take_in_memory(who),
        };
        if wait_ms == 0 {
            return Attempt::Allowed;
        }
        Attempt::Refused {
            retry_after: Duration::from_millis(wait_ms),
            first: crossed,
        }
    }

    /// Takes a try back that succeeded.
    pub async fn give_back(&self, who: &Attempter) {
        {
            let now = self.clock.now();
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.remove(&who.pair);
            let counted_everywhere = memory.get(&who.known).is_none_or(|known| known.ends <= now);
            let counters = [Some(&who.address), counted_everywhere.then_some(&who.account)];
            for counter in counters.into_iter().flatten() {
                if let Some(window) = memory.get_mut(counter) {
                    window.tries = window.tries.saturating_sub(1);
                }
            }
            let ends = now + self.known_for;
            memory.insert(who.known.clone(), Window { tries: 0, ends });
        }
        if let Some(redis) = &self.redis {
            let mut connection = redis.connection.clone();
            let mut call = redis.give_back.prepare_invoke();
            for key in who.keys() {
                call.key(redis.key(key));
            }
            call.arg(u64::try_from(self.known_for.as_millis()).unwrap_or(u64::MAX));
            let answer = tokio::time::timeout(REDIS_LIMIT, call.invoke_async::<i64>(&mut connection)).await;
            if !matches!(answer, Ok(Ok(_))) {
                tracing::warn!("Redis did not take a successful sign-in back from its limits");
            }
        }
    }

    async fn take_in_redis(&self, who: &Attempter) -> Option<(u64, bool)> {
        let redis = self.redis.as_ref()?;
        let mut connection = redis.connection.clone();
        let mut call = redis.take.prepare_invoke();
        for key in who.keys() {
            call.key(redis.key(key));
        }
        call.arg(u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX))
            .arg(self.per_account)
            .arg(self.per_address)
            .arg(self.per_account_everywhere);
        match tokio::time::timeout(REDIS_LIMIT, call.invoke_async::<(u64, u8)>(&mut connection)).await {
            Ok(Ok((wait_ms, crossed))) => Some((wait_ms, crossed == 1)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "Redis refused to count a sign-in; counting in memory");
                None
            }
            Err(_) => {
                tracing::warn!("Redis did not answer in time; counting sign-ins in memory");
                None
            }
        }
    }

    fn take_in_memory(&self, who: &Attempter) -> (u64, bool) {
        let now = self.clock.now();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= MOST_IN_MEMORY {
            memory.retain(|_, window| window.ends > now);
        }
        let full = memory.len() >= MOST_IN_MEMORY;
        let mut wait_ms = 0;
        let mut crossed = false;
        let known = memory.get(&who.known).is_some_and(|known| known.ends > now);
        let counters = [
            (&who.pair, self.per_account),
            (&who.address, self.per_address),
            (&who.account, self.per_account_everywhere),
        ];
        for (key, limit) in counters {
            if key == &who.account && (known || wait_ms > 0) {
                break;
            }
            let key = if full && !memory.contains_key(key) {
                "strangers"
            } else {
                key
            };
            let fresh = Window {
                tries: 0,
                ends: now + self.window,
            };
            let window = memory.entry(key.to_owned()).or_insert(fresh);
            if window.ends <= now {
                *window = fresh;
            }
            window.tries = window.tries.saturating_add(1);
            if window.tries > limit {
                let left = (window.ends - now).whole_milliseconds();
                wait_ms = wait_ms.max(u64::try_from(left).unwrap_or_default()).max(1);
                crossed |= window.tries == limit + 1;
            }
        }
        (wait_ms, crossed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use time::macros::datetime;

    fn limiter(clock: &Arc<ManualClock>) -> Limiter {
        let config = IdentityConfig {
            attempts_per_account: 3,
            attempts_per_address: 5,
            attempts_per_account_everywhere: 6,
            attempts_window_s: 60,
            ..IdentityConfig::default()
        };
        Limiter::new(None, Arc::clone(clock) as Arc<dyn Clock>, &config)
    }

    fn who(name: &str, last: u8) -> Attempter {
        Attempter::new(name, Some([10, 0, 0, last].into()))
    }

    #[tokio::test]
    async fn an_account_is_limited_at_each_address_and_more_loosely_everywhere() {
        let clock = Arc::new(ManualClock::at(datetime!(2026-11-24 22:00 UTC)));
        let limiter = limiter(&clock);
        for address in [1, 1, 1, 2, 2, 3] {
            assert_eq!(limiter.take(&who("ada", address)).await, Attempt::Allowed);
        }
        let minute = Duration::from_secs(60);
        let refused = |first| Attempt::Refused {
            retry_after: minute,
            first,
        };
        assert_eq!(limiter.take(&who("ada", 4)).await, refused(true));
        assert_eq!(limiter.take(&who("ada", 5)).await, refused(false));
        assert_eq!(limiter.take(&who("bob", 6)).await, Attempt::Allowed);
        clock.advance(time::Duration::seconds(60));
        assert_eq!(limiter.take(&who("ada", 7)).await, Attempt::Allowed);
    }

    #[tokio::test]
    async fn one_address_does_not_use_up_the_tries_of_another() {
        let clock = Arc::new(ManualClock::at(datetime!(2026-11-24 22:00 UTC)));
        let limiter = limiter(&clock);
        for _ in 0..3 {
            assert_eq!(limiter.take(&who("ada", 1)).await, Attempt::Allowed);
        }
        assert!(matches!(
            limiter.take(&who("ada", 1)).await,
            Attempt::Refused { first: true, .. }
        ));
        // What was refused there doesn't count everywhere.
        for _ in 0..20 {
            limiter.take(&who("ada", 1)).await;
        }
        assert_eq!(limiter.take(&who("ada", 2)).await, Attempt::Allowed);
    }

    #[tokio::test]
    async fn where_an_account_has_signed_in_strangers_elsewhere_do_not_lock_it_out() {
        let clock = Arc::new(ManualClock::at(datetime!(2026-11-24 22:00 UTC)));
        let limiter = limiter(&clock);
        let home = who("ada", 1);
        assert_eq!(limiter.take(&home).await, Attempt::Allowed);
        limiter.give_back(&home).await;
        for address in 2..=8 {
            limiter.take(&who("ada", address)).await;
        }
        assert!(matches!(
            limiter.take(&who("ada", 9)).await,
            Attempt::Refused { .. }
        ));
        // As often as one address may, and no more.
        for _ in 0..3 {
            assert_eq!(limiter.take(&home).await, Attempt::Allowed);
        }
        assert!(matches!(limiter.take(&home).await, Attempt::Refused { .. }));
    }

    #[tokio::test]
    async fn an_address_is_limited_whatever_the_account() {
        let clock = Arc::new(ManualClock::at(datetime!(2026-11-24 22:00 UTC)));
        let limiter = limiter(&clock);
        for name in ["a", "b", "c", "d", "e"] {
            assert_eq!(limiter.take(&who(name, 1)).await, Attempt::Allowed);
        }
        assert!(matches!(
            limiter.take(&who("f", 1)).await,
            Attempt::Refused { first: true, .. }
        ));
    }

    #[tokio::test]
    async fn success_gives_the_try_back() {
        let clock = Arc::new(ManualClock::at(datetime!(2026-11-24 22:00 UTC)));
        let limiter = limiter(&clock);
        for _ in 0..20 {
            assert_eq!(limiter.take(&who("ada", 1)).await, Attempt::Allowed);
            limiter.give_back(&who("ada", 1)).await;
        }
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let at = |address: &str| Attempter::new("ada", Some(address.parse().unwrap()));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
    }
}
