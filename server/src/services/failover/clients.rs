//! Where clients are sent, as pages show it.

use quarterdeck_app::view::topology::{ClientsView, RoutedView};

use super::Failover;

impl Failover {
    /// Where clients are sent, at most a second old.
    pub async fn clients(&self) -> ClientsView {
        self.routes.get(self.ask_for_clients()).await
    }

    async fn ask_for_clients(&self) -> ClientsView {
        let by = self.routing.describe();
        match self.routing.read().await {
            Err(why) => ClientsView {
                by,
                to: Vec::new(),
                held: false,
                trouble: Some(format!("{why}.")),
            },
            Ok(routes) => ClientsView {
                by,
                held: routes.held,
                trouble: None,
                to: routes
                    .to
                    .into_iter()
                    .map(|to| RoutedView {
                        node: self
                            .nodes
                            .iter()
                            .find(|node| {
                                (node.address.0.as_str(), node.address.1) == (to.host.as_str(), to.port)
                            })
                            .map(|node| node.control.name().to_owned()),
                        name: to.name,
                        address: format!("{}:{}", to.host, to.port),
                    })
                    .collect(),
            },
        }
    }
}
