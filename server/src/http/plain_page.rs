//! Pages for when the real ones can't or must not be rendered: what happened, what it means, what to do. No script.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use quarterdeck_app::plain::{PlainText, plain_page};
use quarterdeck_app::ports::Theme;

use super::assets::AssetNames;

/// Nothing but the console's own style sheet and mark.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// A page that says what happened, what it means and what to do, and leads on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainPage {
    /// The HTTP status.
    pub status: StatusCode,
    /// What happened, in a few words.
    pub title: &'static str,
    /// What happened and what it means.
    pub text: String,
    /// What to do.
    pub advice: String,
    /// Where to go on: a path of this site, and the link's words.
    pub link: (&'static str, &'static str),
    /// The browser's choice of colours.
    pub theme: Theme,
}

impl IntoResponse for PlainPage {
    fn into_response(self) -> Response {
        let said = PlainText {
            title: self.title,
            text: &self.text,
            advice: &self.advice,
            link: self.link,
        };
        let stylesheet = AssetNames::embedded().map(|names| names.stylesheet);
        let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        (
            self.status,
            [policy],
            Html(plain_page(&said, self.theme, stylesheet)),
        )
            .into_response()
    }
}

/// A page that loads `path` again at once.
///
/// A link from another site (a chat, a mail) doesn't bring the `SameSite=Strict` cookies along; loading the page again
/// from here does.
pub fn bounce(path: &str) -> Response {
    let path = escape(path);
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"refresh\" content=\"0;url={path}\"><title>Opening – Quarterdeck</title></head>\
         <body><main><h1>Opening</h1><p><a href=\"{path}\">Go on</a></p></main></body></html>"
    ))
    .into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn html(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn what_it_is_given_stays_text() {
        let bounced = html(bounce("/health/x?a=\"><script>1</script>")).await;
        assert!(!bounced.contains("<script"), "{bounced}");
        assert!(
            bounced.contains("0;url=/health/x?a=&quot;&gt;&lt;script&gt;"),
            "{bounced}"
        );
        let page = PlainPage {
            status: StatusCode::TOO_MANY_REQUESTS,
            title: "Title",
            text: "<script>1</script>".into(),
            advice: "<b>Wait</b>".into(),
            link: ("/sign-in", "Back"),
            theme: Theme::Dark,
        };
        let page = html(page.into_response()).await;
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("data-theme=\"dark\""), "{page}");
        assert_eq!(
            page.contains("rel=\"stylesheet\""),
            AssetNames::embedded().is_some(),
            "{page}"
        );
    }
}
