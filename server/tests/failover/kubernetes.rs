//! Clients that come through a Service of Kubernetes without a selector.

use quarterdeck::{
    clients::routing::{ClientRouting, routing},
    config::failover::FailoverConfig,
};
use quarterdeck_domain::failover::Holding;
use serde_json::json;

use crate::fake_endpoints::FakeEndpoints;

fn means(fake: &FakeEndpoints, service: &str) -> (Box<dyn ClientRouting>, tempfile::NamedTempFile) {
    let kubeconfig = fake.kubeconfig();
    let config: FailoverConfig = toml::from_str(&format!(
        "probe_url = 'postgres://h/d'\n[kubernetes]\nnamespace = 'skillquest'\nservice = '{service}'\nkubeconfig = '{}'",
        kubeconfig.path().display()
    ))
    .unwrap();
    (routing(&config).unwrap(), kubeconfig)
}

#[tokio::test]
async fn its_endpoints_are_written_and_the_name_of_the_port_stays() {
    let fake = FakeEndpoints::start().await;
    let (means, _kubeconfig) = means(&fake, "postgres");
    let before = means.read().await.unwrap();
    assert_eq!(
        (before.to[0].host.as_str(), before.to[0].port, before.held),
        ("10.0.0.1", 5432, false)
    );
    let said = means.point_to("10.0.0.2", 5433).await.unwrap();
    assert_eq!(
        said,
        "the Kubernetes Service skillquest/postgres leads to 10.0.0.2:5433."
    );
    assert_eq!(
        fake.subsets(),
        json!([{ "addresses": [{ "ip": "10.0.0.2" }], "ports": [{ "name": "sql", "port": 5433, "protocol": "TCP" }] }])
    );
}

#[tokio::test]
async fn what_it_cannot_do_is_said_and_changes_nothing() {
    let fake = FakeEndpoints::start().await;
    let before = fake.subsets();
    let (postgres, _kubeconfig) = means(&fake, "postgres");
    let name = postgres.point_to("db-2.internal", 5432).await.unwrap_err();
    assert!(name.contains("client_address"), "{name}");
    let (other, _kubeconfig) = means(&fake, "other");
    let missing = other.point_to("10.0.0.2", 5432).await.unwrap_err();
    assert!(
        missing.contains("404") && missing.contains("check the namespace"),
        "{missing}"
    );
    assert_eq!(fake.subsets(), before);
    assert_eq!(
        postgres.cut().await.unwrap(),
        "A Service of Kubernetes can't cut clients off, and nothing was: they go on trying the old primary until they are sent to the new one."
    );
    assert_eq!(postgres.read().await.unwrap().holding, Holding::Impossible);
}
