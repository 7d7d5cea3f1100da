//! What is wrong with a text, in Databricks' own words and with its place.

use std::fmt;

/// Text that is no statement.
///
/// Written as Databricks does: `[PARSE_SYNTAX_ERROR] Syntax error at or near 'x'. SQLSTATE: 42601 (line 1, pos 7)`.
/// Source of the form and of the classes: Databricks' "Error classes" page and Spark's `error-conditions.json`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct SyntaxError {
    /// Which rule was broken.
    pub class: ErrorClass,
    /// What is wrong, without class, state and place.
    pub message: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1 (`pos` in the message counts from 0).
    pub column: usize,
    /// The text at that place; empty at the end.
    pub near: String,
}

/// The error classes that a parser can give.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorClass {
    /// The text does not follow the grammar.
    Syntax,
    /// There is no statement.
    Empty,
    /// The text is legal in Databricks, and not supported here.
    Unsupported,
    /// A data type that does not exist or is not supported here.
    DataType,
    /// A name that must be written in backticks.
    Identifier,
    /// `/*` without `*/`.
    Comment,
    /// Nested too deeply, or too long.
    TooComplex,
}

impl ErrorClass {
    /// The class as Databricks calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "PARSE_SYNTAX_ERROR",
            Self::Empty => "PARSE_EMPTY_STATEMENT",
            Self::Unsupported => "UNSUPPORTED_FEATURE",
            Self::DataType => "UNSUPPORTED_DATATYPE",
            Self::Identifier => "INVALID_IDENTIFIER",
            Self::Comment => "UNCLOSED_BRACKETED_COMMENT",
            Self::TooComplex => "FAILED_TO_PARSE_TOO_COMPLEX",
        }
    }

    /// The SQL state of the class.
    pub fn sql_state(self) -> &'static str {
        match self {
            Self::Syntax | Self::Comment => "42601",
            Self::Empty => "42617",
            Self::Unsupported | Self::DataType => "0A000",
            Self::Identifier => "42602",
            Self::TooComplex => "54001",
        }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, message, line, column, .. } = self;
        let (name, state) = (class.name(), class.sql_state());
        write!(f, "[{name}] {message}. SQLSTATE: {state} (line {line}, pos {})", column.saturating_sub(1))
    }
}

/// How much of a long token an error repeats.
const LONGEST_NEAR: usize = 60;

impl SyntaxError {
    /// An error about the text that starts at byte `offset` and is `near`.
    pub(super) fn at(
        class: ErrorClass,
        message: impl Into<String>,
        text: &str,
        offset: usize,
        near: &str,
    ) -> Self {
        let (line, column) = place(text, offset);
        Self { class, message: message.into(), line, column, near: shortened(near) }
    }

    /// `Syntax error at or near 'x'`, with what was wanted if that is not obvious.
    pub(super) fn near(text: &str, offset: usize, near: &str, hint: Option<&str>) -> Self {
        let what = if near.is_empty() { "end of input".to_owned() } else { format!("'{}'", shortened(near)) };
        let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
        Self::at(ErrorClass::Syntax, format!("Syntax error at or near {what}{hint}"), text, offset, near)
    }
}

fn shortened(near: &str) -> String {
    match near.char_indices().nth(LONGEST_NEAR) {
        Some((end, _)) => format!("{}...", &near[..end]),
        None => near.to_owned(),
    }
}

/// Line and column, both from 1, of a byte of the text.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

/// The byte at a line and column as [`place`] counts them.
pub(super) fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let start = match line.checked_sub(1)? {
        0 => 0,
        skipped => text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').nth(skipped - 1)?.0 + 1,
    };
    let line = text[start..].split('\n').next().unwrap_or_default();
    let within = line.char_indices().nth(column.checked_sub(1)?).map_or(line.len(), |(at, _)| at);
    Some(start + within)
}
