//! Object storage that denies, fails, cuts, shortens and hangs.

use std::sync::Arc;

use quarterdeck::{
    clock::SystemClock,
    config::backups::{BackupsConfig, StoreConfig},
    services::backups::verification::Verdict,
};
use quarterdeck_domain::backup::Method;

use crate::{
    fake_s3::{Breaks, FakeS3},
    house::House,
};

fn in_bucket(s3: &FakeS3) -> impl FnOnce(&mut BackupsConfig) + use<> {
    let store: StoreConfig = toml::from_str(&format!(
        "url = 's3://backups/below'\nendpoint = '{}'\naccess_key_id = 'id'\nsecret_access_key = 'very secret'\ntimeout_s = 2",
        s3.endpoint
    ))
    .unwrap();
    move |config| config.store = store
}

#[tokio::test(flavor = "multi_thread")]
async fn what_object_storage_does_not_take_is_not_there_and_what_it_does_not_give_is_not_good() {
    quarterdeck::clients::install_tls_provider();
    let house = House::start().await;
    let s3 = FakeS3::start().await;
    let worker = house.worker_with(in_bucket(&s3), "backup", Arc::new(SystemClock));
    for (breaks, says) in [
        (Breaks::DeniesWrites, "refuses access"),
        (Breaks::FailsWrites, "failed at"),
        (Breaks::FailsManifests, "failed at"),
        (Breaks::Hangs, "failed at"),
    ] {
        s3.breaks(breaks);
        let id = worker.begin(Method::Dump).await.unwrap();
        let row = house.ended(id).await;
        s3.breaks(Breaks::Not);
        let said = row.error.unwrap();
        assert_eq!(row.state, "failed");
        assert!(
            said.contains(says) && said.contains("The next run tries again"),
            "{breaks:?}: {said}"
        );
        assert!(!said.contains("very secret"), "{said}");
        assert_eq!((s3.names(), s3.unfinished()), (Vec::new(), 0), "{breaks:?}");
        assert_eq!(house.left(), [] as [String; 0]);
    }

    let id = worker.begin(Method::Dump).await.unwrap();
    let row = house.ended(id).await;
    assert_eq!((row.state.as_str(), row.error), ("succeeded", None));
    let name = row.backup.unwrap();
    assert_eq!(
        s3.names(),
        [
            format!("below/{name}.dump"),
            format!("below/{name}.manifest.json")
        ]
    );
    let found = worker.verify(&name).await;
    assert_eq!(found.verdict, Verdict::Good, "{found:?}");
    for (breaks, verdict) in [
        // Nothing is known of what can't be read.
        (Breaks::CutsReads, Verdict::Unknown),
        (Breaks::Hangs, Verdict::Unknown),
        // A server that says that half of it is all.
        (Breaks::ShortensReads, Verdict::Damaged),
    ] {
        s3.breaks(breaks);
        let found = worker.verify(&name).await;
        assert_eq!(found.verdict, verdict, "{breaks:?}: {found:?}");
        assert!(found.wrong().is_some());
    }
}
