//! The front end's files: built by `cargo xtask front`, embedded into the binary, compressed once at build time.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "../frontend/dist/"]
struct Site;

/// How pages find their script and their style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetNames {
    /// What Leptos calls the output: `quarterdeck.<hash>`, to which it adds `.js` and `_bg.wasm`.
    pub output_name: String,
    /// Path of the style sheet.
    pub stylesheet: String,
}

impl AssetNames {
    /// Reads the names that the build gave its files. `None` when the binary was built without a front end: pages are
    /// then served without style and script.
    #[must_use]
    pub fn embedded() -> Option<Self> {
        let file = Site::get("hash.txt")?;
        let text = std::str::from_utf8(&file.data).ok()?;
        let hash = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
                .map(str::trim)
        };
        Some(Self {
            output_name: format!("quarterdeck.{}", hash("js")?),
            stylesheet: format!("/pkg/quarterdeck.{}.css", hash("css")?),
        })
    }
}

/// `GET /pkg/{file}`: a file whose name holds its hash, so that it may be kept for ever.
pub async fn package(Path(file): Path<String>, headers: HeaderMap) -> Response {
    serve(
        &format!("pkg/{file}"),
        &headers,
        "public, max-age=31536000, immutable",
    )
}

/// `GET /favicon.svg`.
pub async fn favicon(headers: HeaderMap) -> Response {
    serve("favicon.svg", &headers, "public, max-age=86400")
}

fn serve(path: &str, headers: &HeaderMap, caching: &'static str) -> Response {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let accepts = |coding: &str| {
        accepted.split(',').any(|part| {
            let mut words = part.split(';').map(str::trim);
            words.next() == Some(coding)
                && !words.any(|q| matches!(q, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
    };
    let packed = [("br", "br"), ("gzip", "gz")]
        .into_iter()
        .filter(|(coding, _)| accepts(coding));
    for (coding, suffix) in packed {
        if let Some(file) = Site::get(&format!("{path}.{suffix}")) {
            return answer(path, file, Some(coding), caching);
        }
    }
    match Site::get(path) {
        Some(file) => answer(path, file, None, caching),
        None => (
            StatusCode::NOT_FOUND,
            "There is no such file. Reload the page: the console may have been updated.\n",
        )
            .into_response(),
    }
}

fn answer(path: &str, file: EmbeddedFile, coding: Option<&'static str>, caching: &'static str) -> Response {
    let mut response = file.data.into_owned().into_response();
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(kind.as_ref()) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}
