//! Pages for when the real ones can't or must not be rendered: a heading, a sentence, a link. No script, no style.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

/// A page that says what happened, what it means, and leads on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainPage {
    /// The HTTP status.
    pub status: StatusCode,
    /// What happened.
    pub title: &'static str,
    /// What it means and what to do.
    pub text: String,
    /// Where to go on: a path of this site, and the link's words.
    pub link: (&'static str, &'static str),
}

impl IntoResponse for PlainPage {
    fn into_response(self) -> Response {
        let (title, text) = (escape(self.title), escape(&self.text));
        let (path, words) = (escape(self.link.0), escape(self.link.1));
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
             <title>{title} – Quarterdeck</title></head><body><main><h1>{title}</h1><p>{text}</p>\
             <p><a href=\"{path}\">{words}</a></p></main></body></html>"
        );
        (self.status, Html(html)).into_response()
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

    #[tokio::test]
    async fn what_it_is_given_stays_text() {
        let response = bounce("/health/x?a=\"><script>1</script>");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let html = String::from_utf8(body.to_vec()).unwrap();
        assert!(!html.contains("<script"), "{html}");
        assert!(
            html.contains("0;url=/health/x?a=&quot;&gt;&lt;script&gt;"),
            "{html}"
        );
    }
}
