//! A [`LocalKms`] behind the protocol of AWS KMS, on loopback: for tests, and for a first day without a cloud.
//!
//! ```text
//!   aws-sdk-kms, boto3 ... --HTTP--> Server    the listener, the fault of the moment      mod.rs
//!                                     |- Fault, Plan   what goes wrong, and for whom      fault.rs
//!                                     |- exchange      one HTTP request                   http.rs
//!                                     |- Operation     JSON 1.1 <-> LocalKms              operation.rs  message.rs
//!                                     `- Refusal       the names of AWS's errors          refusal.rs
//!   curl ...           --HTTP--> control           the fault switch                   control.rs
//! ```
//!
//! Keys have the states that AWS's have (enabled, disabled, pending deletion), and every answer a request id, which is that
//! of LocalKms's audit log. **Signatures are accepted and not verified**: whoever reaches the port can use every key. So
//! it listens on loopback only, and answers no web page: a request has to carry `X-Amz-Target` and a loopback `Host`.
//!
//! Hyper serves HTTP, for two reasons: the AWS SDK brings it along, so that there is nothing more to trust; and it leaves
//! the socket to us, so that a fault can be below HTTP. Each request has a connection of its own, and with that a fault
//! holds from the moment at which it is set.

mod control;
mod fault;
mod http;
mod message;
mod operation;
mod refusal;

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use tablecrypt::kms::LocalKms;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};

pub use self::fault::{Fault, Plan, UnknownFault};
use self::http::exchange;

/// A server on a thread of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Handle,
    ended: Option<thread::JoinHandle<io::Result<()>>>,
    alive: Option<oneshot::Sender<()>>,
}

/// What connections share.
#[derive(Debug)]
struct Shared {
    kms: Arc<LocalKms>,
    plan: watch::Sender<Plan>,
    listening: watch::Sender<bool>,
    requests: Mutex<BTreeMap<String, u64>>,
}

impl Server {
    /// Serves `kms` at this address of loopback; port 0 for any that is free.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] for an address that is not loopback's; or the system's errors.
    pub fn start(kms: Arc<LocalKms>, address: SocketAddr) -> io::Result<Self> {
        check_loopback(address)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (listener, address) = listen(runtime.handle(), address)?;
        let (plan, listening) = (watch::Sender::new(Plan::default()), watch::Sender::new(true));
        let shared = Arc::new(Shared { kms, plan, listening, requests: Mutex::default() });
        let (handle, serving) = (runtime.handle().clone(), Arc::clone(&shared));
        let (alive, end) = oneshot::channel();
        let ended = thread::Builder::new().name("tablecrypt-kms-server".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    ended = serve(listener, address, serving) => ended,
                    _ = end => Ok(()),
                }
            })
        })?;
        Ok(Self { address, shared, runtime: handle, ended: Some(ended), alive: Some(alive) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this goes wrong. When it returns, it does.
    pub fn plan(&self, plan: Plan) {
        let (shared, (set, is_set)) = (Arc::clone(&self.shared), mpsc::channel());
        self.runtime.spawn(async move {
            shared.set(plan).await;
            set.send(())
        });
        // An error: it has ended, and with it whatever goes wrong.
        let _ = is_set.recv();
    }

    /// Serves the fault switch at another address of loopback: `PUT /fault` with the words of a [`Plan`] sets it, `GET
    /// /fault` tells it, and `GET /requests` how many came for each operation. Gives the address.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn control(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        check_loopback(address)?;
        let (listener, address) = listen(&self.runtime, address)?;
        self.runtime.spawn(control::serve(listener, Arc::clone(&self.shared)));
        Ok(address)
    }

    /// How many requests came for each operation, those that a fault met among them.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.shared.requests().clone()
    }

    /// Waits until it ends, which it does by itself only where it cannot listen any more.
    ///
    /// # Errors
    /// The system's, from listening.
    pub fn join(mut self) -> io::Result<()> {
        let ended = self.ended.take().map(thread::JoinHandle::join);
        ended.and_then(Result::ok).unwrap_or_else(|| Err(io::ErrorKind::Other.into()))
    }
}

/// Binds without a runtime's help, so that a caller may be inside one.
fn listen(runtime: &Handle, address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let _runtime = runtime.enter();
    Ok((TcpListener::from_std(listener)?, address))
}

fn check_loopback(address: SocketAddr) -> io::Result<()> {
    let why = "signatures are not verified: it listens on loopback only";
    if address.ip().is_loopback() { Ok(()) } else { Err(io::Error::new(io::ErrorKind::PermissionDenied, why)) }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.ended.take() {
            // It panicked, which was printed then.
            let _ = thread.join();
        }
    }
}

impl Shared {
    async fn set(&self, plan: Plan) {
        let listens = plan.fault != Fault::Refuse;
        self.plan.send_replace(plan);
        // An error: the sender is gone, which is ours.
        let _ = self.listening.subscribe().wait_for(|listening| *listening == listens).await;
    }

    fn requests(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and says what goes wrong with it.
    fn next_fault(&self, operation: &str) -> Fault {
        *self.requests().entry(operation.to_owned()).or_default() += 1;
        let mut fault = Fault::None;
        self.plan.send_if_modified(|plan| {
            fault = plan.next(operation);
            false
        });
        fault
    }
}

/// Accepts until it cannot. While connections are to be refused there is no listener.
async fn serve(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) -> io::Result<()> {
    let mut plans = shared.plan.subscribe();
    let mut listener = Some(listener);
    loop {
        match &listener {
            Some(open) if plans.borrow_and_update().fault != Fault::Refuse => {
                shared.listening.send_replace(true);
                tokio::select! {
                    accepted = open.accept() => match accepted {
                        Ok((stream, _)) => drop(tokio::spawn(exchange(stream, Arc::clone(&shared)))),
                        // Too many descriptors, or a caller that was gone by then: the next one may do.
                        Err(_) => tokio::task::yield_now().await,
                    },
                    _ = plans.changed() => {}
                }
            }
            Some(_) => listener = None,
            None => {
                shared.listening.send_replace(false);
                let _ = plans.wait_for(|plan| plan.fault != Fault::Refuse).await;
                listener = Some(TcpListener::bind(address).await?);
            }
        }
    }
}
