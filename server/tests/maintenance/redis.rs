//! The key, in a real Redis.

use quarterdeck::clients::maintenance::SwitchError;
use quarterdeck_domain::maintenance::Mode;
use quarterdeck_estate::parts::Redis;
use redis::Commands;

use crate::{OFF, ON, means, read};

#[tokio::test(flavor = "multi_thread")]
async fn the_key_comes_and_goes() {
    let server = Redis::start().unwrap();
    let mut eye = server.connection().unwrap();
    let means = means(&format!(
        "[redis]\nurl = '{}'\nkey = 'maintenance'\nexpire_s = 600",
        server.url()
    ));
    assert_eq!(read(&*means).await, (Mode::Off, "not there".to_owned()));

    let said = means.switch(ON).await.unwrap();
    assert_eq!(said, "The key maintenance is “true”.");
    assert_eq!(eye.get::<_, String>("maintenance").unwrap(), "true");
    let left: i64 = eye.ttl("maintenance").unwrap();
    assert!((590..=600).contains(&left), "{left}");
    let (mode, value) = read(&*means).await;
    assert_eq!(mode, Mode::On);
    assert!(value.contains("goes by itself in"), "{value}");

    means.switch(OFF).await.unwrap();
    assert!(!eye.exists::<_, bool>("maintenance").unwrap());

    // Somebody else's value is not taken for either.
    eye.set::<_, _, ()>("maintenance", "perhaps").unwrap();
    assert_eq!(read(&*means).await, (Mode::Unknown, "“perhaps”".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_may_tell_users_why() {
    let server = Redis::start().unwrap();
    let mut eye = server.connection().unwrap();
    let means = means(&format!(
        "[redis]\nurl = '{}'\nkey = 'm'\non = '{{message}} ({{until}})'\noff = 'no'",
        server.url()
    ));
    means.switch(ON).await.unwrap();
    let value: String = eye.get("m").unwrap();
    assert_eq!(value, "Back at {until}, \"friends\" (2026-11-25T03:30:00Z)");
    assert_eq!(read(&*means).await.0, Mode::On);
    means.switch(OFF).await.unwrap();
    assert_eq!(eye.get::<_, String>("m").unwrap(), "no");
    assert_eq!(read(&*means).await.0, Mode::Off);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_refuses_is_known_and_a_dead_redis_is_not() {
    let server = Redis::start().unwrap();
    let means = means(&format!(
        "[redis]\nurl = '{}'\nkey = 'm'\ntimeout_s = 0.5",
        server.url()
    ));
    // A replica reads and does not write.
    let mut eye = server.connection().unwrap();
    redis::cmd("REPLICAOF")
        .arg("127.0.0.1")
        .arg(9)
        .exec(&mut eye)
        .unwrap();
    redis::cmd("CONFIG")
        .arg("SET")
        .arg("replica-serve-stale-data")
        .arg("yes")
        .exec(&mut eye)
        .unwrap();
    let refused = means.switch(ON).await.unwrap_err();
    assert!(
        matches!(&refused, SwitchError::Refused(text) if text.contains("refused")),
        "{refused:?}"
    );

    server.kill();
    let unknown = means.switch(ON).await.unwrap_err();
    assert!(
        matches!(&unknown, SwitchError::Unknown(text) if text.contains("does not answer")),
        "{unknown:?}"
    );
    let (mode, value) = read(&*means).await;
    assert!(
        mode == Mode::Unknown && value.contains("does not answer"),
        "{value}"
    );
}
