//! A page that stands alone: for when the application can't or must not be rendered. It looks like the sign-in page's
//! sibling, and has no script.

use leptos::prelude::*;

use crate::{components::icon::Mark, ports::Theme, shell::color_scheme};

/// What such a page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainText<'a> {
    /// What happened, in a few words: the heading.
    pub title: &'a str,
    /// What happened and what it means.
    pub text: &'a str,
    /// What to do.
    pub advice: &'a str,
    /// Where to go on: a path of this site, and the link's words.
    pub link: (&'a str, &'a str),
}

/// The whole document, as HTML. `stylesheet` is the path of the console's style sheet, if there is one.
#[must_use]
pub fn plain_page(said: &PlainText<'_>, theme: Theme, stylesheet: Option<String>) -> String {
    let (title, text, advice) = (
        said.title.to_owned(),
        said.text.to_owned(),
        said.advice.to_owned(),
    );
    let (path, words) = (said.link.0.to_owned(), said.link.1.to_owned());
    let page = view! {
        <html lang="en" data-theme=theme.as_str()>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content=color_scheme(theme) />
                <meta name="robots" content="noindex" />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                {stylesheet.map(|href| view! { <link rel="stylesheet" href=href /> })}
                <title>{format!("{title} · Quarterdeck")}</title>
            </head>
            <body>
                <main id="main" class="page page-sign-in">
                    <div class="sign-in">
                        <p class="sign-in-brand"><Mark /> "Quarterdeck"</p>
                        <h1>{title}</h1>
                        <p class="message" data-kind="error" role="alert">{text}</p>
                        <p>{advice}</p>
                        <a class="button" href=path>{words}</a>
                    </div>
                </main>
            </body>
        </html>
    };
    format!("<!DOCTYPE html>{}", page.to_html())
}
