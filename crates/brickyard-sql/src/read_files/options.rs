//! What `read_files` and `OPTIONS (..)` say about files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use brickyard_catalog::unity::Column;
use brickyard_types::SqlType;

use crate::error::SqlError;

/// How rows are written in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    Csv,
    Json,
    Parquet,
}

/// The options that are known. Others are refused by name.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Options {
    pub format: Format,
    pub header: bool,
    pub delimiter: u8,
    pub quote: u8,
    pub escape: Option<u8>,
    pub comment: Option<u8>,
    /// Fields that are NULL.
    pub null_regex: Option<String>,
    /// A field may hold line breaks; a JSON file is one array.
    pub multi_line: bool,
    /// False: every CSV column is text.
    pub infer_types: bool,
    /// A value that a type cannot hold ends the statement instead of being NULL.
    pub fail_fast: bool,
    pub schema: Option<Vec<Column>>,
}

impl Options {
    /// Reads the options; a format that is not said is that of the first file's name.
    pub(super) fn read(files: &[PathBuf], given: BTreeMap<String, String>) -> Result<Self, SqlError> {
        let given: BTreeMap<String, String> =
            given.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        let format = match given.get("format") {
            Some(word) => format_called(word)
                .ok_or_else(|| SqlError::unsupported(format_args!("the format '{word}'")))?,
            None => {
                let extension =
                    files.first().and_then(|file| file.extension()).and_then(|word| word.to_str());
                extension.and_then(format_called).ok_or_else(|| {
                    let message = "Say which format the files have: format => 'csv', 'json' or 'parquet'.";
                    SqlError::condition("CANNOT_INFER_FORMAT", "42000", message)
                })?
            }
        };
        let mut options = Self {
            format,
            header: true,
            delimiter: b',',
            quote: b'"',
            // Two quotes in a row stand for one; a backslash before a quote is Databricks' other way.
            escape: None,
            comment: None,
            null_regex: None,
            multi_line: false,
            infer_types: true,
            fail_fast: false,
            schema: None,
        };
        for (name, value) in given {
            match name.as_str() {
                "format" => {}
                "header" => options.header = flag(&name, &value)?,
                "sep" | "delimiter" => options.delimiter = byte(&name, &value)?,
                "quote" => options.quote = byte(&name, &value)?,
                "escape" => options.escape = Some(byte(&name, &value)?),
                "comment" => options.comment = Some(byte(&name, &value)?),
                "nullvalue" => options.null_regex = Some(format!("^{}$", regex::escape(&value))),
                "multiline" => options.multi_line = flag(&name, &value)?,
                "inferschema" | "infercolumntypes" => options.infer_types = flag(&name, &value)?,
                "mode" => {
                    options.fail_fast = match value.to_uppercase().as_str() {
                        "PERMISSIVE" => false,
                        "FAILFAST" => true,
                        _ => return Err(bad(&name, &value, "PERMISSIVE or FAILFAST")),
                    }
                }
                "schema" => options.schema = Some(columns(&value)?),
                "encoding" | "charset" if value.eq_ignore_ascii_case("utf-8") => {}
                _ => {
                    return Err(SqlError::unsupported(format_args!(
                        "the option '{name}' with the value '{value}'"
                    )));
                }
            }
        }
        Ok(options)
    }
}

fn format_called(word: &str) -> Option<Format> {
    match word.to_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "json" | "jsonl" | "ndjson" => Some(Format::Json),
        "parquet" => Some(Format::Parquet),
        _ => None,
    }
}

fn bad(name: &str, value: &str, wanted: &str) -> SqlError {
    let message = format!("The option '{name}' takes {wanted}, not '{value}'.");
    SqlError::condition("INVALID_OPTION_VALUE", "42000", message)
}

fn flag(name: &str, value: &str) -> Result<bool, SqlError> {
    match value.to_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad(name, value, "true or false")),
    }
}

fn byte(name: &str, value: &str) -> Result<u8, SqlError> {
    match value.as_bytes() {
        _ if value == "\\t" => Ok(b'\t'),
        [one] => Ok(*one),
        _ => Err(bad(name, value, "one ASCII character")),
    }
}

/// Reads `a INT, b STRING`.
fn columns(text: &str) -> Result<Vec<Column>, SqlError> {
    let wrong = || bad("schema", text, "columns such as 'a INT, b STRING'");
    let mut columns = Vec::new();
    for part in split(text) {
        let part = part.trim();
        let (name, rest) = match part.strip_prefix('`') {
            Some(quoted) => quoted.split_once('`').ok_or_else(wrong)?,
            None => part.split_once(|c: char| c.is_whitespace() || c == ':').ok_or_else(wrong)?,
        };
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':').trim();
        let data_type: SqlType = rest.parse().map_err(|_| wrong())?;
        let name = name.to_owned();
        columns.push(Column {
            name,
            data_type,
            nullable: true,
            comment: None,
            mask: None,
            default: None,
            identity: None,
            tags: Default::default(),
        });
    }
    if columns.is_empty() { Err(wrong()) } else { Ok(columns) }
}

/// Splits at commas that stand in no brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_read_with_nested_types() {
        let read = columns("a INT, `b c` decimal(10,2), d struct<x:int,y:array<string>>").unwrap();
        let shown: Vec<_> =
            read.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect();
        assert_eq!(shown, ["a int", "b c decimal(10,2)", "d struct<x:int,y:array<string>>"]);
        assert!(columns("").is_err());
        assert!(columns("a").is_err());
    }

    #[test]
    fn an_option_that_is_not_known_is_refused_by_name() {
        let given =
            BTreeMap::from([("format".to_owned(), "csv".to_owned()), ("rescue".to_owned(), "x".to_owned())]);
        let error = Options::read(&[], given).unwrap_err();
        assert!(error.message().contains("rescue"), "{}", error.message());
    }
}
