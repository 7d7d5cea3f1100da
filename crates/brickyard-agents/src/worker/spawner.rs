//! The thread that workers are born from.
//!
//! A worker asks Linux to be killed when its parent dies, and to Linux the parent is the *thread* that started the
//! process. The threads of an async runtime come and go, so every worker of a pool is started from this one, which
//! lives exactly as long as the pool. What a worker may not open is closed to this thread first: its children inherit it.

use std::io;
use std::sync::{Once, mpsc};

use brickyard_sandbox::{Entered, Sandbox};
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
    /// # Errors
    /// If the thread cannot be started, or cannot give up what `sandbox` closes: then nothing is started from it.
    pub(crate) fn new(sandbox: Option<Sandbox>) -> io::Result<Self> {
        let (sender, orders) = mpsc::channel::<Order>();
        let (told, entered) = mpsc::channel();
        std::thread::Builder::new().name("brickyard-births".to_owned()).spawn(move || {
            let entered = sandbox.map_or(Ok(None), |sandbox| sandbox.enter().map(Some));
            let failed = entered.is_err();
            let _ = told.send(entered);
            if failed {
                return;
            }
            for mut order in orders {
                let _runtime = order.runtime.enter();
                // Nobody waits any more: the child is dropped, which kills it.
                let _ = order.reply.send(order.command.spawn());
            }
        })?;
        let gone = |_| io::Error::other("the thread that starts workers has ended");
        if let Some(entered) = entered.recv().map_err(gone)?.map_err(io::Error::other)? {
            say(&entered);
        }
        Ok(Self(sender))
    }

    pub(crate) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, child) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts workers has ended");
        self.0.send(Order { command, runtime: Handle::current(), reply }).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }
}

/// Who relies on closed folders has to know that here they are not; once is enough.
fn say(entered: &Entered) {
    static SAID: Once = Once::new();
    match entered {
        Entered::Closed => {}
        Entered::InSharedFolder(folder) => SAID.call_once(|| {
            tracing::warn!(
                "agents can read brickyard's own folder (the journal, the master key, managed tables), because it lies in {}, \
                 where everybody writes; --data-dir elsewhere keeps them out",
                folder.display()
            );
        }),
        Entered::Unsupported => SAID.call_once(|| {
            tracing::warn!(
                "agents can read brickyard's own folder (the journal, the master key, managed tables): this system has no \
                 Landlock (Linux 5.19 or newer)"
            );
        }),
    }
}
