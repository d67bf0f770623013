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
                // A rejoin takes long, and others are answered meanwhile. The scope ends when all are answered.
                std::thread::scope(|scope| {
                    for stream in socket.incoming().flatten() {
                        if ending.load(Ordering::Acquire) {
                            break;
                        }
                        // Who hangs up early gets no answer.
                        scope.spawn(|| answer(&inner, stream));
                    }
                });
            }
        })
        .map_err(PartError::io("starting the control thread"))?;
    Ok(Listener { ending, path, thread })
}

fn answer(inner: &Inner, mut stream: UnixStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
    let request: Request = receive(&stream)?;
    let active = |outcome: Result<(), PartError>| outcome.map(|()| Answer::Active(inner.active_faults()));
    let outcome = match request {
        Request::List => active(Ok(())),
        Request::On(fault) => active(inner.switch_on(fault)),
        Request::Off(fault) => active(inner.switch_off(fault)),
        Request::AllOff => active(inner.switch_all_off()),
        Request::Node(name, command) => inner.operate(name, command).map(Answer::Node),
    };
    let answer = outcome.unwrap_or_else(|error| Answer::Failed(with_causes(&error)));
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
