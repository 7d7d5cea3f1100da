//! The thread that workers are born from.
//!
//! A worker asks Linux to be killed when its parent dies, and to Linux the parent is the *thread* that started the
//! process. The threads of an async runtime come and go, so every worker of a pool is started from this one, which
//! lives exactly as long as the pool.

use std::io;
use std::sync::mpsc;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

struct Order {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// A handle to the thread; the thread ends when it is dropped, and its workers with it.
#[derive(Debug)]
pub(crate) struct Spawner(mpsc::Sender<Order>);

impl Spawner {
    pub(crate) fn new() -> io::Result<Self> {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::Builder::new().name("brickyard-births".to_owned()).spawn(move || {
            for mut order in orders {
                let _runtime = order.runtime.enter();
                // Nobody waits any more: the child is dropped, which kills it.
                let _ = order.reply.send(order.command.spawn());
            }
        })?;
        Ok(Self(sender))
    }

    pub(crate) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, child) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts workers has ended");
        self.0.send(Order { command, runtime: Handle::current(), reply }).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }
}
