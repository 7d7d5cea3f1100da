//! `COPY INTO`, as it is asked for.

use std::collections::BTreeMap;

use super::NameOrMarker;

/// `COPY INTO table FROM 'path'`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct CopyInto {
    pub table: NameOrMarker,
    /// `BY POSITION`.
    pub by_position: bool,
    pub columns: Vec<String>,
    /// What `(SELECT .. FROM 'path')` selects, as it was written.
    pub list: Option<String>,
    pub path: String,
    /// Lower case.
    pub format: String,
    pub files: Vec<String>,
    pub pattern: Option<String>,
    pub format_options: BTreeMap<String, String>,
    pub copy_options: BTreeMap<String, String>,
}
