//! Takes requests on the control socket.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::Inner;
use crate::control::{Answer, Request, receive, send, socket_path};
use crate::error::PartError;

/// The thread that listens.
#[derive(Debug)]
pub(super) struct Listener {
    ending: Arc<AtomicBool>,
    path: PathBuf,
    thread: JoinHandle<()>,
}

/// Listens on the control socket of the estate's directory.
pub(super) fn listen(inner: &Arc<Inner>) -> Result<Listener, PartError> {
    let path = socket_path(&inner.config.dir);
    // One that a killed estate left; the directory's lock is ours.
    let _ = std::fs::remove_file(&path);
    let socket =
        UnixListener::bind(&path).map_err(PartError::io(format!("listening on {}", path.display())))?;
    let ending = Arc::new(AtomicBool::new(false));
    let thread = std::thread::Builder::new()
        .name("control".into())
        .spawn({
            let (inner, ending) = (inner.clone(), ending.clone());
            move || {
                for stream in socket.incoming().flatten() {
                    if ending.load(Ordering::Acquire) {
                        break;
                    }
                    // Who hangs up early gets no answer.
                    let _ = answer(&inner, stream);
                }
            }
        })
        .map_err(PartError::io("starting the control thread"))?;
    Ok(Listener { ending, path, thread })
}

fn answer(inner: &Inner, mut stream: UnixStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
    let request: Request = receive(&stream)?;
    let outcome = match request {
        Request::List => Ok(()),
        Request::On(fault) => inner.switch_on(fault),
        Request::Off(fault) => inner.switch_off(fault),
        Request::AllOff => inner.switch_all_off(),
    };
    let answer = match outcome {
        Ok(()) => Answer::Active(inner.active_faults()),
        Err(error) => Answer::Failed(with_causes(&error)),
    };
    send(&mut stream, &answer)
}

/// An error with everything that led to it, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

impl Listener {
    /// Ends the thread and removes the socket.
    pub(super) fn end(self) {
        self.ending.store(true, Ordering::Release);
        // Wakes it from waiting for a request.
        let _ = UnixStream::connect(&self.path);
        let _ = self.thread.join();
        let _ = std::fs::remove_file(&self.path);
    }
}
