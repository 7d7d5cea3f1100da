//! The format of sqllogictest, as far as files of databases use it.
//!
//! The registry's crate for it would give `clap` in brickyard itself more features than it is shipped with, and bring
//! twenty crates for the two hundred lines below. Format: the wiki of SQLite's sqllogictest, and the README of the
//! crate `sqllogictest`.

use std::path::Path;

/// One thing to do.
#[derive(Debug)]
pub(super) struct Record {
    /// `file:line`.
    pub place: String,
    pub sql: String,
    pub expected: Expected,
    /// `connection ana`: who speaks. Empty: the administrator.
    pub speaker: String,
}

/// What is right.
#[derive(Debug)]
pub(super) enum Expected {
    Ok,
    /// The text is part of the message.
    Error(String),
    Rows {
        sort: Sort,
        lines: Vec<String>,
    },
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Sort {
    No,
    Rows,
    Values,
}

/// All records of a file, those that it includes among them.
pub(super) fn read(path: &Path) -> Result<Vec<Record>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut reader = Reader { path, lines: text.lines().enumerate().peekable(), speaker: String::new() };
    let mut records = Vec::new();
    reader.records(&mut records)?;
    Ok(records)
}

struct Reader<'a, I: Iterator<Item = (usize, &'a str)>> {
    path: &'a Path,
    lines: std::iter::Peekable<I>,
    speaker: String,
}

impl<'a, I: Iterator<Item = (usize, &'a str)>> Reader<'a, I> {
    fn records(&mut self, records: &mut Vec<Record>) -> Result<(), String> {
        let mut skips = false;
        while let Some((at, line)) = self.lines.next() {
            let place = format!("{}:{}", self.path.display(), at + 1);
            let words: Vec<&str> = line.split_whitespace().collect();
            let rest = |words: usize| line.splitn(words + 1, ' ').nth(words).unwrap_or_default().to_owned();
            let (sql, expected) = match words[..] {
                [] => continue,
                [word, ..] if word.starts_with('#') => continue,
                ["halt", ..] => return Ok(()),
                ["include", file] => {
                    let folder = self.path.parent().unwrap_or(Path::new("."));
                    records.extend(read(&folder.join(file))?);
                    continue;
                }
                ["connection", who] => {
                    self.speaker = who.to_owned();
                    continue;
                }
                ["skipif", engine, ..] => {
                    skips |= engine == "brickyard";
                    continue;
                }
                ["onlyif", engine, ..] => {
                    skips |= engine != "brickyard";
                    continue;
                }
                ["hash-threshold" | "control" | "subtest" | "sleep" | "system" | "let", ..] => continue,
                ["statement", "ok", ..] | ["statement", "count", _] => (self.sql().0, Expected::Ok),
                ["statement" | "query", "error", ..] => {
                    let (sql, has_more) = self.sql();
                    let mut text = rest(2);
                    if has_more {
                        text = self.error_text();
                    }
                    (sql, Expected::Error(text))
                }
                ["query", ..] => {
                    let (sql, has_rows) = self.sql();
                    let sort = match words.get(2) {
                        Some(&"rowsort") => Sort::Rows,
                        Some(&"valuesort") => Sort::Values,
                        _ => Sort::No,
                    };
                    let lines = if has_rows { self.block() } else { Vec::new() };
                    (sql, Expected::Rows { sort, lines })
                }
                _ => return Err(format!("{place}: '{line}' is no record of sqllogictest")),
            };
            if !std::mem::take(&mut skips) {
                records.push(Record { place, sql, expected, speaker: self.speaker.clone() });
            }
        }
        Ok(())
    }

    /// A statement, and whether `----` stands behind it.
    fn sql(&mut self) -> (String, bool) {
        let mut sql = String::new();
        for (_, line) in self.lines.by_ref() {
            if line.trim().is_empty() || line.trim() == "----" {
                return (sql, line.trim() == "----");
            }
            if !sql.is_empty() {
                sql.push('\n');
            }
            sql.push_str(line);
        }
        (sql, false)
    }

    /// Lines up to an empty one.
    fn block(&mut self) -> Vec<String> {
        let lines = self.lines.by_ref().map(|(_, line)| line).take_while(|line| !line.trim().is_empty());
        lines.map(str::to_owned).collect()
    }

    /// An error of several lines ends with two empty ones; this reader takes its first paragraph.
    fn error_text(&mut self) -> String {
        let text = self.block().join("\n");
        while self.lines.peek().is_some_and(|(_, line)| {
            let first = line.split_whitespace().next().unwrap_or_default();
            !first.is_empty()
                && !["statement", "query", "#", "include", "halt", "connection"].contains(&first)
        }) {
            self.lines.next();
        }
        text
    }
}
