//! The deployment's variable, against the fake API server.

use quarterdeck::clients::maintenance::{Driver, SwitchError};
use quarterdeck_domain::maintenance::Mode;
use serde_json::json;

use crate::{
    OFF, ON,
    fake_kubernetes::{FakeKubernetes, Mood},
    means, read,
};

/// The means, and the kubeconfig that it reads.
async fn switch(mood: Mood) -> (FakeKubernetes, Box<dyn Driver>, tempfile::NamedTempFile) {
    let fake = FakeKubernetes::start(mood).await;
    let kubeconfig = fake.kubeconfig();
    let means = means(&format!(
        "[kubernetes]\nnamespace = 'skillquest'\ndeployment = 'api'\ncontainer = 'api'\nrollout_s = 10\ncontext = 'here'\n\
         kubeconfig = '{}'",
        kubeconfig.path().display()
    ));
    (fake, means, kubeconfig)
}

#[tokio::test]
async fn the_variable_is_set_and_the_rollout_waited_for() {
    let (fake, means, _kubeconfig) = switch(Mood::Well).await;
    assert_eq!(
        read(&*means).await,
        (Mode::Off, "MAINTENANCE_MODE is not set".to_owned())
    );
    let said = means.switch(ON).await.unwrap();
    assert_eq!(
        said,
        "MAINTENANCE_MODE=true is rolled out: generation 8 observed, 3 of 3 pods updated, 3 available, 0 old ones left."
    );
    // The other variable and the other container are as they were.
    assert_eq!(
        fake.env("api"),
        json!([{ "name": "PORT", "value": "3000" }, { "name": "MAINTENANCE_MODE", "value": "true" }])
    );
    assert_eq!(fake.env("sidecar"), json!(null));
    assert_eq!(
        read(&*means).await,
        (Mode::On, "MAINTENANCE_MODE=true".to_owned())
    );
    means.switch(OFF).await.unwrap();
    assert_eq!(
        read(&*means).await,
        (Mode::Off, "MAINTENANCE_MODE=false".to_owned())
    );

    fake.set(json!({ "name": "MAINTENANCE_MODE", "valueFrom": { "configMapKeyRef": { "name": "api", "key": "mode" } } }));
    let (mode, value) = read(&*means).await;
    assert!(mode == Mode::Unknown && value.contains("valueFrom"), "{value}");
    fake.set(json!({ "name": "MAINTENANCE_MODE", "value": "maybe" }));
    assert_eq!(
        read(&*means).await,
        (Mode::Unknown, "MAINTENANCE_MODE=maybe".to_owned())
    );
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    let (_fake, means, _kubeconfig) = switch(Mood::Stuck).await;
    let stuck = means.switch(ON).await.unwrap_err();
    assert!(
        matches!(&stuck, SwitchError::Refused(text) if text.contains("timed out progressing") && text.contains("1 of 3 pods updated")),
        "{stuck:?}"
    );

    let (fake, means, _kubeconfig) = switch(Mood::Forbidden).await;
    let forbidden = means.switch(ON).await.unwrap_err();
    assert!(
        matches!(&forbidden, SwitchError::Refused(text) if text.contains("403") && text.contains("get and patch")),
        "{forbidden:?}"
    );
    assert_eq!(fake.env("api"), json!([{ "name": "PORT", "value": "3000" }]));

    // The patch was carried out and the answer says otherwise: nobody here can know.
    let (fake, means, _kubeconfig) = switch(Mood::LosesAnswers).await;
    let lost = means.switch(ON).await.unwrap_err();
    assert!(
        matches!(&lost, SwitchError::Unknown(text) if text.contains("500")),
        "{lost:?}"
    );
    assert_eq!(fake.env("api")[1]["value"], "true");
}

#[tokio::test]
async fn without_credentials_or_a_cluster_it_says_so() {
    let (fake, _, _kubeconfig) = switch(Mood::Well).await;
    let kubeconfig = fake.kubeconfig();
    let table = |deployment: &str, context: &str| {
        format!(
            "[kubernetes]\nnamespace = 'skillquest'\ndeployment = '{deployment}'\ncontext = '{context}'\nkubeconfig = '{}'",
            kubeconfig.path().display()
        )
    };
    let (mode, value) = read(&*means(&table("web", "here"))).await;
    assert!(mode == Mode::Unknown && value.contains("404"), "{value}");
    let (mode, value) = read(&*means(&table("api", "other"))).await;
    assert!(
        mode == Mode::Unknown && value.contains("can't be asked"),
        "{value}"
    );
    let (mode, value) = read(&*means(&table("api", "no-such-context"))).await;
    assert!(mode == Mode::Unknown && value.contains("context"), "{value}");
    std::fs::write(kubeconfig.path(), "no: [kubeconfig").unwrap();
    let (mode, _) = read(&*means(&table("api", "here"))).await;
    assert_eq!(mode, Mode::Unknown);
}
