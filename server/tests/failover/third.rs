//! A cluster of three: what becomes of the standby that is not chosen.

use quarterdeck_estate::parts::Postgres;
use serde_json::{Value, json};

use crate::{
    console::Bridge,
    deck::eventually,
    pair::{self, Pair},
};

struct Three {
    pair: Pair,
    third: Postgres,
    bridge: Bridge,
}

impl Three {
    async fn start() -> Self {
        let pair = Pair::start();
        let third = pair.third();
        let configuration = format!(
            "{}{}",
            pair.configuration("", ""),
            pair::section("db-3", &third, "")
        );
        let bridge = Bridge::start(&configuration).await;
        eventually("three that are well", async || {
            bridge.topology().await["verdict"] == "healthy"
        })
        .await;
        Self { pair, third, bridge }
    }

    /// Does what the text says for the third node.
    fn do_as_told(&self, text: &str) {
        let (_, said) = text.split_once("On db-3 by psql, as a superuser: ").unwrap();
        let (select, said) = said.split_once(" \\gexec ").unwrap();
        let (reload, _) = said.split_once(';').unwrap();
        let alter = self.third.sql("postgres", select).unwrap();
        self.third.sql("postgres", &alter).unwrap();
        self.third.sql("postgres", reload).unwrap();
    }

    /// Whether the third node has what is written on the second.
    async fn follows(&self) {
        self.pair
            .second
            .sql("app", "CREATE TABLE after_the_change ()")
            .unwrap();
        eventually("the third to follow the second", async || {
            self.third.sql("app", "SELECT FROM after_the_change").is_ok()
        })
        .await;
    }
}

fn gate<'a>(plan: &'a Value, name: &str) -> &'a Value {
    let gates = plan["plan"]["gates"].as_array().unwrap();
    gates.iter().find(|gate| gate["name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_switchover_it_is_named_with_what_makes_it_follow() {
    let three = Three::start().await;
    let bridge = &three.bridge;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    let others = gate(&plan, "others");
    assert_eq!(others["verdict"], "warned", "{others:#}");
    assert!(
        others["reason"]
            .as_str()
            .unwrap()
            .contains("db-3 streams from db-1 itself and has to be told of db-2"),
        "{others:#}"
    );
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    // The old primary is still there and goes on sending to it: what that writes by itself the new one does not have.
    let last = action["steps"][8]["detail"].as_str().unwrap();
    assert!(
        last.contains("db-3 does not follow db-2")
            && last.contains("On db-3: pg_ctl stop -m fast; pg_rewind"),
        "{last}"
    );
    tokio::task::block_in_place(|| three.pair.rejoin(&three.third));
    three.follows().await;

    tokio::task::block_in_place(|| three.pair.rejoin_first());
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-3" }))
        .await;
    let others = gate(&plan, "others");
    assert!(
        others["reason"]
            .as_str()
            .unwrap()
            .contains("db-1 streams from db-2 itself"),
        "{others:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_too() {
    let three = Three::start().await;
    let bridge = &three.bridge;
    three.pair.first.kill();
    let plan = bridge
        .plan_that_may(&json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true }))
        .await;
    assert_eq!(gate(&plan, "others")["verdict"], "warned", "{plan:#}");
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    let last = action["steps"][4]["detail"].as_str().unwrap();
    assert!(last.contains("db-3 does not follow db-2"), "{last}");
    // It may have received more than the new primary had when that was promoted; then it is told otherwise.
    if last.contains("On db-3: pg_ctl stop -m fast; pg_rewind") {
        tokio::task::block_in_place(|| three.pair.rejoin(&three.third));
    } else {
        three.do_as_told(last);
    }
    three.follows().await;
}
