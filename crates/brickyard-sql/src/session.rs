//! Who runs statements, where unqualified names are looked up, and what a statement was given.

use std::sync::Arc;

use brickyard_catalog::Asker;
use brickyard_identity::Caller;
use brickyard_types::{Principal, SqlType};
use parking_lot::Mutex;

use crate::temporary::Temporary;

/// Who runs a statement.
#[derive(Clone, Debug)]
pub enum Speaker {
    /// Somebody with a verified token.
    Caller(Caller),
    /// The metastore admin for whom the configuration speaks.
    Configuration(Principal),
}

impl Speaker {
    /// As the catalog asks.
    pub fn asker(&self) -> Asker<'_> {
        match self {
            Self::Caller(caller) => Asker::Caller(caller),
            Self::Configuration(principal) => Asker::Principal(principal),
        }
    }

    /// Who it is.
    pub fn principal(&self) -> &Principal {
        match self {
            Self::Caller(caller) => caller.principal(),
            Self::Configuration(principal) => principal,
        }
    }
}

/// One client's session: it lives for one statement, or for as long as the client says.
#[derive(Debug)]
pub struct Session {
    speaker: Speaker,
    current: Arc<Mutex<Current>>,
    temporary: Arc<Mutex<Temporary>>,
    /// False if it ends with its statement.
    lasts: bool,
}

/// Where unqualified names are looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Current {
    /// `current_catalog()`.
    pub catalog: String,
    /// `current_schema()`.
    pub schema: String,
}

impl Session {
    /// A session for one statement. It starts in `catalog` (`main` if none is said) and `schema` (`default`).
    pub fn new(speaker: Speaker, catalog: Option<String>, schema: Option<String>) -> Self {
        let catalog = catalog.unwrap_or_else(|| "main".to_owned());
        let schema = schema.unwrap_or_else(|| "default".to_owned());
        let current = Arc::new(Mutex::new(Current { catalog, schema }));
        Self { speaker, current, temporary: Arc::default(), lasts: false }
    }

    /// This session, for as many statements as come: what is temporary stays in it from one to the next.
    #[must_use]
    pub fn lasting(self) -> Self {
        Self { lasts: true, ..self }
    }

    /// This session, used with another token of the same principal: its `USE` counts here too, the token's rights do
    /// not.
    #[must_use]
    pub fn speaking(&self, speaker: Speaker) -> Self {
        let (current, temporary) = (Arc::clone(&self.current), Arc::clone(&self.temporary));
        Self { speaker, current, temporary, lasts: self.lasts }
    }

    /// As [`speaking`](Self::speaking), for a statement that says itself where its names are looked up.
    #[must_use]
    pub fn speaking_in(&self, speaker: Speaker, catalog: Option<String>, schema: Option<String>) -> Self {
        let mut current = self.current();
        current.catalog = catalog.unwrap_or(current.catalog);
        current.schema = schema.unwrap_or(current.schema);
        Self { current: Arc::new(Mutex::new(current)), ..self.speaking(speaker) }
    }

    /// Who runs its statements.
    pub fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    /// Where unqualified names are looked up now.
    pub fn current(&self) -> Current {
        self.current.lock().clone()
    }

    /// Its temporary views and variables.
    pub(crate) fn temporary(&self) -> parking_lot::MutexGuard<'_, Temporary> {
        self.temporary.lock()
    }

    /// Whether it outlives its statement.
    pub(crate) fn lasts(&self) -> bool {
        self.lasts
    }

    /// `USE`. Whoever calls it has checked that both may be used.
    pub(crate) fn set_current(&self, current: Current) {
        *self.current.lock() = current;
    }
}

/// A named parameter, `:name` in the statement.
#[derive(Clone, PartialEq, Debug)]
pub struct Parameter {
    /// Without the colon.
    pub name: String,
    /// As text; `None` is NULL.
    pub value: Option<String>,
    /// What the text is read as.
    pub data_type: SqlType,
}
