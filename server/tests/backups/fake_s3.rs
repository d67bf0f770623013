//! A fake of S3, in this process: it speaks as much of the protocol as the console uses, checks no signature, and breaks as it is told. A real
//! server can't be made to break at a chosen request.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use tokio::net::TcpListener;

/// How it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaks {
    /// Not at all.
    Not,
    /// Every write is refused.
    DeniesWrites,
    /// Every write fails inside.
    FailsWrites,
    /// Manifests can't be written; all else can.
    FailsManifests,
    /// Reads end in the middle, and the connection breaks.
    CutsReads,
    /// Reads end in the middle, and it says that this is all.
    ShortensReads,
    /// Nothing is ever answered.
    Hangs,
}

#[derive(Debug)]
struct Bucket {
    breaks: Breaks,
    objects: BTreeMap<String, Bytes>,
    uploads: BTreeMap<String, BTreeMap<u32, Bytes>>,
    next: u32,
}

/// A running fake with the bucket `backups`.
#[derive(Debug, Clone)]
pub struct FakeS3 {
    pub endpoint: String,
    bucket: Arc<Mutex<Bucket>>,
}

impl FakeS3 {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let bucket = Arc::new(Mutex::new(Bucket {
            breaks: Breaks::Not,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            next: 0,
        }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&bucket));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, bucket }
    }

    pub fn breaks(&self, breaks: Breaks) {
        self.bucket.lock().unwrap().breaks = breaks;
    }

    /// The names of what is in it.
    pub fn names(&self) -> Vec<String> {
        self.bucket.lock().unwrap().objects.keys().cloned().collect()
    }

    /// Uploads that were begun and neither completed nor given up.
    pub fn unfinished(&self) -> usize {
        self.bucket.lock().unwrap().uploads.len()
    }
}

fn refuse(status: StatusCode, code: &str) -> Response {
    (
        status,
        format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"),
    )
        .into_response()
}

async fn answer(State(bucket): State<Arc<Mutex<Bucket>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let path = parts.uri.path().trim_start_matches('/');
    let key = path
        .strip_prefix("backups")
        .unwrap_or(path)
        .trim_start_matches('/')
        .to_owned();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let breaks = bucket.lock().unwrap().breaks;
    let writes = matches!(parts.method, Method::PUT | Method::POST) && !query.contains_key("delete");
    match breaks {
        Breaks::Hangs => return std::future::pending().await,
        Breaks::DeniesWrites if writes => return refuse(StatusCode::FORBIDDEN, "AccessDenied"),
        Breaks::FailsWrites if writes => return refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        Breaks::FailsManifests if writes && key.ends_with(".manifest.json") => {
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
        }
        _ => {}
    }
    let mut bucket = bucket.lock().unwrap();
    match (&parts.method, query.get("uploadId")) {
        (&Method::POST, None) if query.contains_key("uploads") => {
            bucket.next += 1;
            let id = format!("upload-{}", bucket.next);
            bucket.uploads.insert(id.clone(), BTreeMap::new());
            format!("<InitiateMultipartUploadResult><Bucket>backups</Bucket><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>").into_response()
        }
        (&Method::PUT, Some(id)) => {
            let number = query["partNumber"].parse().unwrap();
            let Some(upload) = bucket.uploads.get_mut(id) else {
                return refuse(StatusCode::NOT_FOUND, "NoSuchUpload");
            };
            upload.insert(number, body);
            ([(header::ETAG, format!("\"part-{number}\""))], "").into_response()
        }
        (&Method::POST, Some(id)) => {
            let Some(upload) = bucket.uploads.remove(id) else {
                return refuse(StatusCode::NOT_FOUND, "NoSuchUpload");
            };
            let whole: Vec<u8> = upload.values().flat_map(|part| part.to_vec()).collect();
            bucket.objects.insert(key.clone(), whole.into());
            format!("<CompleteMultipartUploadResult><Bucket>backups</Bucket><Key>{key}</Key><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>").into_response()
        }
        (&Method::DELETE, Some(id)) => {
            bucket.uploads.remove(id);
            StatusCode::NO_CONTENT.into_response()
        }
        (&Method::POST, None) if query.contains_key("delete") => {
            let text = String::from_utf8_lossy(&body).into_owned();
            for part in text.split("<Key>").skip(1) {
                bucket.objects.remove(part.split("</Key>").next().unwrap());
            }
            "<DeleteResult></DeleteResult>".into_response()
        }
        (&Method::DELETE, None) => {
            bucket.objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        (&Method::PUT, None) => {
            if parts.headers.contains_key(header::IF_NONE_MATCH) && bucket.objects.contains_key(&key) {
                return refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
            }
            bucket.objects.insert(key, body);
            ([(header::ETAG, "\"whole\"")], "").into_response()
        }
        (&Method::GET, None) if key.is_empty() => {
            let prefix = query.get("prefix").cloned().unwrap_or_default();
            let contents: String = bucket
                .objects
                .iter()
                .filter(|(name, _)| name.starts_with(&prefix))
                .map(|(name, content)| {
                    format!("<Contents><Key>{name}</Key><LastModified>2026-11-29T02:00:00.000Z</LastModified><ETag>\"whole\"</ETag><Size>{}</Size></Contents>", content.len())
                })
                .collect();
            format!("<ListBucketResult><Name>backups</Name><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>").into_response()
        }
        (&Method::GET | &Method::HEAD, None) => {
            let Some(content) = bucket.objects.get(&key).cloned() else {
                return refuse(StatusCode::NOT_FOUND, "NoSuchKey");
            };
            object(&parts.method, content, breaks)
        }
        (method, _) => refuse(StatusCode::METHOD_NOT_ALLOWED, method.as_str()),
    }
}

fn object(method: &Method, content: Bytes, breaks: Breaks) -> Response {
    let sent = match breaks {
        Breaks::CutsReads | Breaks::ShortensReads => content.slice(..content.len() / 2),
        _ => content.clone(),
    };
    let said = if breaks == Breaks::ShortensReads {
        sent.len()
    } else {
        content.len()
    };
    let body = if *method == Method::HEAD {
        Body::empty()
    } else if breaks == Breaks::CutsReads {
        let broken = futures::stream::once(async { Err(std::io::Error::other("cut")) });
        Body::from_stream(futures::stream::once(async { Ok(sent) }).chain(broken))
    } else {
        Body::from(sent)
    };
    Response::builder()
        .header(header::CONTENT_LENGTH, said)
        .header(header::ETAG, "\"whole\"")
        .header(header::LAST_MODIFIED, "Sun, 29 Nov 2026 02:00:00 GMT")
        .body(body)
        .unwrap()
}
