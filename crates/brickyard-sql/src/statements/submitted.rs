//! A statement between its submission and the moment when nobody waits for it any more.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Entry;

/// A statement that somebody has just submitted. Dropped before its end, it goes on by itself.
pub struct Submitted {
    entry: Arc<Entry>,
    work: Option<Work>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long a statement may run on the task of whoever submitted it: no thread has to be woken for a small one, and a
/// large one keeps nobody from looking at the clock.
const HERE: Duration = Duration::from_millis(20);

impl Submitted {
    pub(super) fn new(entry: Arc<Entry>, work: Work) -> Self {
        Self { entry, work: Some(work) }
    }

    /// Its id.
    pub fn id(&self) -> &Arc<str> {
        &self.entry.id
    }

    /// Waits for its end, for at most `patience`. Over or not, whoever asks next sees the state.
    pub async fn wait(mut self, patience: Duration) -> Arc<str> {
        let id = Arc::clone(self.id());
        let here = patience.min(HERE);
        if let Some(work) = self.work.as_mut().filter(|_| !here.is_zero())
            && tokio::time::timeout(here, work).await.is_ok()
        {
            self.work = None;
            return id;
        }
        let mut ended = self.entry.ended.subscribe();
        drop(self);
        let _ = tokio::time::timeout(patience - here, ended.wait_for(|ended| *ended)).await;
        id
    }
}

impl Drop for Submitted {
    fn drop(&mut self) {
        // Without a runtime the process ends, and the statement with it.
        if let (Some(work), Ok(runtime)) = (self.work.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}
