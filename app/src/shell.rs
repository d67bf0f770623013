//! The document around every page.

use leptos::prelude::*;
use leptos_meta::MetaTags;

use crate::{
    ports::{RequestContext, Theme},
    routes::App,
};

/// Which colours the browser's own parts may take.
pub(crate) const fn color_scheme(theme: Theme) -> &'static str {
    match theme {
        Theme::System => "dark light",
        Theme::Dark => "dark",
        Theme::Light => "light",
    }
}

/// The whole document. The theme is on `<html>` before the first paint, so that nothing flashes.
///
/// Needs [`RequestContext`] (and for the pages [`crate::ports::ConsoleHandle`]) in the context; scripts carry the
/// nonce that `leptos_axum` provides there.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let request = use_context::<RequestContext>();
    let theme = request.as_ref().map(|r| r.theme).unwrap_or_default();
    let stylesheet = request.map(|r| r.stylesheet);
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme.as_str()>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content=color_scheme(theme) />
                <meta name="robots" content="noindex" />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                {stylesheet.map(|href| view! { <link rel="stylesheet" href=href /> })}
                <HydrationScripts options islands=true />
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}
