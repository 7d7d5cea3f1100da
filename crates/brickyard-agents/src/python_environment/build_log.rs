//! The log of one build, for whoever watches it and for whoever asks later.

use std::sync::Arc;

use parking_lot::Mutex;

const MAX_BYTES: usize = 1024 * 1024;
const MAX_LINE: usize = 4 * 1024;

type Watcher = Arc<dyn Fn(&str) + Send + Sync>;

/// A bounded build log. Clones share it.
#[derive(Clone, Default)]
pub struct BuildLog {
    text: Arc<Mutex<String>>,
    watcher: Option<Watcher>,
}

impl BuildLog {
    /// An empty log; `watcher` is told each line as it comes (a terminal, for instance).
    pub fn new(watcher: Option<Watcher>) -> Self {
        Self { text: Arc::default(), watcher }
    }

    /// Adds one line. Beyond 1 MiB the oldest lines go.
    pub fn line(&self, line: impl AsRef<str>) {
        let mut line = line.as_ref();
        if line.len() > MAX_LINE {
            line = &line[..line.floor_char_boundary(MAX_LINE)];
        }
        {
            let mut text = self.text.lock();
            text.push_str(line);
            text.push('\n');
            if text.len() > MAX_BYTES {
                let from = text.floor_char_boundary(text.len() - MAX_BYTES / 2);
                let from = text[from..].find('\n').map_or(from, |end| from + end + 1);
                text.drain(..from);
            }
        }
        if let Some(watcher) = &self.watcher {
            watcher(line);
        }
    }

    /// All of it.
    pub fn text(&self) -> String {
        self.text.lock().clone()
    }

    pub(super) fn tail(&self, lines: usize) -> String {
        let text = self.text.lock();
        let from = text.trim_end().rmatch_indices('\n').nth(lines - 1).map_or(0, |(index, _)| index + 1);
        text[from..].trim_end().to_owned()
    }
}

impl std::fmt::Debug for BuildLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuildLog").field("bytes", &self.text.lock().len()).finish_non_exhaustive()
    }
}
