//! A console with accounts, and tokens made as a person makes them.

use quarterdeck_domain::access::Role;
use reqwest::StatusCode;

use crate::database::TestDatabase;
use crate::deck::{Answer, Browser, Deck, Events, PASSWORD, Sources, account, hidden_csrf};

/// A console with an account for each role, called as the role is.
pub async fn console() -> (TestDatabase, Deck) {
    console_with("").await
}

/// The same with more of a configuration.
pub async fn console_with(more: &str) -> (TestDatabase, Deck) {
    let database = TestDatabase::migrated().await;
    for role in Role::ALL {
        account(&database, role.as_str(), role).await;
    }
    let deck = Deck::start(Sources {
        database_url: database.config().url,
        prometheus: "http://127.0.0.1:9",
        redis: None,
        more,
    })
    .await;
    (database, deck)
}

/// A program that has an API token and no cookies.
pub struct Program {
    base: String,
    client: reqwest::Client,
}

impl Program {
    pub fn new(deck: &Deck) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            base: deck.base.clone(),
            client,
        }
    }

    async fn send(&self, path: &str, token: &str) -> reqwest::Response {
        let request = self.client.get(format!("{}{path}", self.base));
        request.bearer_auth(token).send().await.unwrap()
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        Answer::of(self.send(path, token).await).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, token: &str, body: &'static str) -> Answer {
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .header("content-type", "application/json")
            .body(body);
        Answer::of(request.bearer_auth(token).send().await.unwrap()).await
    }

    pub async fn events(&self, token: &str) -> Events {
        let response = self.send("/api/v1/events", token).await;
        assert_eq!(response.status(), StatusCode::OK);
        Events::of(response)
    }
}

/// The form as it stands on a page.
pub struct Form {
    csrf: String,
    id: String,
}

impl Form {
    pub async fn open(browser: &Browser) -> Self {
        let page = browser.get("/account/tokens").await.body;
        let id = page.split("name=\"id\" value=\"").nth(1).expect("a form");
        Self {
            id: id.split('"').next().unwrap().to_owned(),
            csrf: hidden_csrf(&page),
        }
    }

    /// This form with another's id, as nobody's browser would send it.
    pub fn with_id_of(self, other: &Self) -> Self {
        Self {
            id: other.id.clone(),
            ..self
        }
    }

    /// Filled in and sent.
    pub async fn send(
        &self,
        browser: &Browser,
        name: &str,
        (days, scopes): (&str, &[&str]),
        password: &str,
    ) -> Answer {
        let mut fields = vec![
            ("csrf", self.csrf.as_str()),
            ("id", &self.id),
            ("name", name),
            ("days", days),
            ("password", password),
        ];
        fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
        browser.post("/account/tokens", &fields).await
    }
}

/// Sends the form.
pub async fn ask_for(browser: &Browser, name: &str, days: &str, scopes: &[&str]) -> Answer {
    let form = Form::open(browser).await;
    form.send(browser, name, (days, scopes), PASSWORD).await
}

/// Makes a token, and reads it from the page that shows it.
pub async fn make(browser: &Browser, name: &str, scopes: &[&str]) -> String {
    let answer = ask_for(browser, name, "7", scopes).await;
    assert_eq!(
        (answer.status, answer.location.as_str()),
        (StatusCode::SEE_OTHER, "/account/tokens?notice=made")
    );
    shown(&browser.get(&answer.location).await.body).expect("the token is shown")
}

/// The token that a page shows, if it does.
pub fn shown(html: &str) -> Option<String> {
    let rest = html.split("value=\"qd_").nth(1)?;
    Some(format!("qd_{}", rest.split('"').next()?))
}

/// The id of the first token in the list, out of its revoke form.
pub async fn first_id(browser: &Browser) -> String {
    let html = browser.get("/account/tokens").await.body;
    let rest = html
        .split("action=\"/account/tokens/")
        .nth(1)
        .expect("a token to revoke");
    rest.split('/').next().unwrap().to_owned()
}

pub async fn revoke(browser: &Browser, id: &str) -> Answer {
    let csrf = hidden_csrf(&browser.get("/account/tokens").await.body);
    browser
        .post(&format!("/account/tokens/{id}/revoke"), &[("csrf", &csrf)])
        .await
}
