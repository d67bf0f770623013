//! Sign-ins are limited by account and by address, in Redis, and without it in memory.

use axum::http::StatusCode;
use quarterdeck::config::{identity::IdentityConfig, redis::RedisConfig};
use quarterdeck_domain::access::Role;
use quarterdeck_domain::audit::Action;
use quarterdeck_estate::parts::Redis;
use redis::aio::ConnectionManager;

use crate::console::{Console, PASSWORD, Setup};

fn limits() -> IdentityConfig {
    IdentityConfig {
        attempts_per_account: 3,
        attempts_per_address: 6,
        attempts_per_account_everywhere: 4,
        attempts_window_s: 600,
        ..IdentityConfig::default()
    }
}

fn connection(redis: &Redis) -> ConnectionManager {
    let config = RedisConfig {
        timeout_s: 0.2,
        ..RedisConfig::at(redis.url())
    };
    config.connection().unwrap()
}

async fn guess(console: &Console, name: &str, address: u8) -> crate::console::Answer {
    let mut browser = console.browser();
    browser.address = [198, 51, 100, address];
    browser.sign_in(name, "not the password").await
}

async fn limits_hold(console: &Console) {
    console.account("ada", Role::Viewer).await;
    console.account("bob", Role::Viewer).await;
    console.signed_in("ada").await;
    // The same for an account that there is and one that there isn't.
    for (name, first) in [("ada", 10), ("nobody", 20)] {
        for _ in 1..=3 {
            assert_eq!(
                guess(console, name, first).await.location(),
                "/sign-in?error=credentials"
            );
        }
        let refused = guess(console, name, first).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
        let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((590..=600).contains(&seconds), "{seconds}");
        assert!(refused.body.contains("10 minutes"), "{}", refused.body);
        // From elsewhere once more, and then it is too much from everywhere.
        assert_eq!(
            guess(console, name, first + 1).await.location(),
            "/sign-in?error=credentials",
            "{name}"
        );
        for address in [first + 2, first + 3] {
            let refused = guess(console, name, address).await;
            assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
        }
    }
    // The right password doesn't help, or guessing would go on.
    let mut stranger = console.browser();
    stranger.address = [198, 51, 100, 5];
    assert_eq!(
        stranger.sign_in("ada", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    // But where the account has signed in before, strangers elsewhere do not keep it out.
    console.signed_in("ada").await;
    // Others sign in as ever, from elsewhere; success doesn't use tries up.
    for _ in 0..8 {
        console.signed_in("bob").await;
    }
    // An address is limited whatever the names.
    for n in 0..6 {
        assert_eq!(
            guess(console, &format!("name{n}"), 99).await.location(),
            "/sign-in?error=credentials"
        );
    }
    assert_eq!(
        guess(console, "name9", 99).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );

    let refused = console.recorded(Action::SessionRefused).await;
    let limited = refused
        .iter()
        .filter(|event| event.detail.text("reason") == Some("too_many_attempts"))
        .count();
    assert_eq!(
        limited, 5,
        "once for each limit that was crossed, however often it was tried on"
    );
}

#[tokio::test]
async fn in_memory() {
    limits_hold(
        &Console::start_with(Setup {
            config: limits(),
            redis: None,
        })
        .await,
    )
    .await;
}

#[tokio::test]
async fn in_redis_for_all_consoles_together() {
    let redis = Redis::start().unwrap();
    let setup = || Setup {
        config: limits(),
        redis: Some(connection(&redis)),
    };
    let console = Console::start_with(setup()).await;
    limits_hold(&console).await;

    // A second console knows what the first one counted.
    let second = Console::start_on(crate::database::TestDatabase::migrated().await, setup()).await;
    assert_eq!(
        guess(&second, "ada", 50).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    second.account("ada", Role::Viewer).await;
    second.signed_in("ada").await;

    // What stands in Redis ends by itself, and holds no name.
    let mut direct = redis.connection().unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut direct).unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        assert!(
            key.starts_with("{quarterdeck:sign-in}:") && !key.contains("ada"),
            "{key}"
        );
        let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut direct).unwrap();
        let longest = if key.contains(":known:") {
            i64::from(limits().session_ttl_s) * 1000
        } else {
            600_000
        };
        assert!((1..=longest).contains(&left), "{key}: {left}");
    }
}

#[tokio::test]
async fn without_redis_the_console_counts_for_itself() {
    let redis = Redis::start().unwrap();
    let console = Console::start_with(Setup {
        config: limits(),
        redis: Some(connection(&redis)),
    })
    .await;
    console.account("ada", Role::Viewer).await;
    console.signed_in("ada").await;
    redis.stop();
    console.signed_in("ada").await;
    for _ in 1..=3 {
        assert_eq!(
            guess(&console, "ada", 4).await.location(),
            "/sign-in?error=credentials"
        );
    }
    assert_eq!(
        guess(&console, "ada", 4).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    console.signed_in("ada").await;
}
