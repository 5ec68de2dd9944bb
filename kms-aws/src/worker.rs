//! The thread on which the SDK runs, so that its callers need no runtime.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use tablecrypt::kms::KmsError;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::calls::Answer;
use crate::client::AsyncCall;
use crate::session::{Session, Settings};

/// A thread with a current-thread runtime. It ends when this is dropped.
pub(crate) struct Worker {
    runtime: Handle,
    session: Arc<Session>,
    /// Dropped, it ends the thread.
    _alive: oneshot::Sender<()>,
}

impl Worker {
    pub(crate) fn start(settings: Settings) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel();
        thread::Builder::new().name("tablecrypt-kms".into()).spawn(move || {
            // An error: the sender was dropped, which is how it ends.
            let _ = runtime.block_on(ended);
            // A lookup of a name may still block one of its threads.
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, session: Arc::new(Session::new(settings)), _alive: alive })
    }

    /// Runs a call there and waits for its answer. An error: the call panicked.
    pub(crate) fn run<T: Send + 'static>(&self, call: impl AsyncCall<T>) -> Result<Answer<T>, KmsError> {
        let session = Arc::clone(&self.session);
        let limit = session.limit();
        let (sender, receiver) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            // The SDK keeps to its own timeouts; this one holds for what they leave out, such as to look for credentials.
            let answer = timeout(limit, call(session)).await.unwrap_or(Answer::of(Err(KmsError::Unreachable)));
            // Nobody waits any more in a process that is ending.
            let _ = sender.send(answer);
        });
        receiver.recv().map_err(|_| KmsError::Internal)
    }
}
