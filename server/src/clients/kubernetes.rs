//! A Kubernetes cluster's API server: its credentials, its limits, and what it says when it refuses.

use std::{fmt, path::PathBuf, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::OnceCell;

use super::{http_source::excerpt, install_tls_provider};

/// Longest time for one request.
const REQUEST: Duration = Duration::from_secs(10);
/// Who the API server is told has changed something.
pub const MANAGER: &str = "quarterdeck";

/// The way to an API server.
pub struct KubernetesApi {
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    /// Made at the first use: credentials are read then, and not when the console starts.
    client: OnceCell<Client>,
}

impl fmt::Debug for KubernetesApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesApi")
            .field("kubeconfig", &self.kubeconfig)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// Why the API server gave nothing that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whether it answered, and refused.
    pub refused: bool,
    /// What it said, or why it can't be asked.
    pub text: String,
}

impl KubernetesApi {
    /// By a kubeconfig; without one by `$KUBECONFIG`, `~/.kube/config`, or the pod's own service account.
    pub fn new(kubeconfig: Option<PathBuf>, context: Option<String>) -> Self {
        Self {
            kubeconfig,
            context,
            client: OnceCell::new(),
        }
    }

    /// The client.
    ///
    /// # Errors
    /// [`Failure`] when the credentials can't be read or used.
    pub async fn client(&self) -> Result<Client, Failure> {
        self.client.get_or_try_init(|| self.connect()).await.cloned()
    }

    async fn connect(&self) -> Result<Client, Failure> {
        let refused = |text: String| Failure { refused: true, text };
        install_tls_provider();
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = match &self.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|error| refused(chain(&error)))?;
                Config::from_custom_kubeconfig(file, &options)
                    .await
                    .map_err(|error| refused(chain(&error)))
            }
            None if self.context.is_some() => Config::from_kubeconfig(&options)
                .await
                .map_err(|error| refused(chain(&error))),
            None => Config::infer().await.map_err(|error| refused(chain(&error))),
        };
        let mut config = config?;
        config.connect_timeout = Some(REQUEST);
        config.read_timeout = Some(REQUEST);
        config.reset_reader_on_write = true;
        // A request that may have changed something is not sent again by itself.
        config.default_retry = false;
        Client::try_from(config).map_err(|error| refused(chain(&error)))
    }
}

/// An error with what caused it, as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    excerpt(text.as_bytes())
}

/// Waits for an answer no longer than a request may take. `needs` is what the role must be allowed: "get and patch on the
/// deployment".
///
/// # Errors
/// [`Failure`].
pub async fn bounded<T>(
    needs: &str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => {
            let hint = match status.code {
                401 | 403 => format!(" (check the credentials and their role: {needs})"),
                404 => " (check the namespace and the name)".to_owned(),
                _ => String::new(),
            };
            Err(Failure {
                refused: status.code < 500,
                text: format!(
                    "the API server answered {}{hint}: {}",
                    status.code,
                    excerpt(status.message.as_bytes())
                ),
            })
        }
        Ok(Err(error)) => Err(Failure {
            refused: false,
            text: format!("the API server can't be asked: {}", chain(&error)),
        }),
        Err(_) => Err(Failure {
            refused: false,
            text: format!("the API server did not answer within {} s", REQUEST.as_secs()),
        }),
    }
}
