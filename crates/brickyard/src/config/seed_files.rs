//! The `*.sql` files of a configuration: read and parsed with everything else, run when the workspace starts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brickyard_sql::parse;
use brickyard_sql::statement::Statement;

use super::problem::{Problem, Problems};

/// How much of a statement an error repeats.
const WORDS: usize = 6;

/// One file of statements.
#[derive(Clone)]
pub struct SeedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: Arc<str>,
    /// Its statements in order.
    pub statements: Vec<SeedStatement>,
}

/// One statement of a file.
#[derive(Clone)]
pub struct SeedStatement {
    /// The statement.
    pub statement: Statement,
    /// The line that it begins on, from 1.
    pub line: usize,
    /// Its first words.
    pub words: String,
}

impl fmt::Debug for SeedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A statement may create a connection, whose options are secret.
        f.debug_struct("SeedFile")
            .field("path", &self.path)
            .field("statements", &self.statements.len())
            .finish()
    }
}

/// Parses one file's text.
pub(super) fn read(path: &Path, text: &str, problems: &Problems) -> Option<SeedFile> {
    match parse(text) {
        Ok(parsed) => {
            let statements = parsed
                .into_iter()
                .map(|(statement, range)| {
                    let (line, words) = begins(text, range.start, range.end);
                    SeedStatement { statement, line, words }
                })
                .collect();
            Some(SeedFile { path: path.to_owned(), text: text.into(), statements })
        }
        Err(error) => {
            problems.note(Problem {
                file: path.display().to_string(),
                position: Some((error.line, error.column)),
                key: String::new(),
                reason: error.to_string(),
            });
            None
        }
    }
}

/// The line that a statement begins on, and its first words.
fn begins(text: &str, start: usize, end: usize) -> (usize, String) {
    let line = text.get(..start).unwrap_or_default().bytes().filter(|byte| *byte == b'\n').count() + 1;
    let bare = text
        .get(start..end)
        .unwrap_or_default()
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default());
    let words: Vec<&str> = bare.flat_map(str::split_whitespace).take(WORDS).collect();
    (line, words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_the_line_of_its_first_word_whatever_stands_above_it() {
        let text = "-- the catalog\n\nCREATE CATALOG -- once\n  IF NOT EXISTS main; -- done\n GRANT ALL PRIVILEGES ON CATALOG main TO `x`";
        let problems = Problems::default();
        let file = read(Path::new("a.sql"), text, &problems).expect("good");
        let begun: Vec<_> = file.statements.iter().map(|one| (one.line, &*one.words)).collect();
        assert_eq!(
            begun,
            [(3, "CREATE CATALOG IF NOT EXISTS main"), (5, "GRANT ALL PRIVILEGES ON CATALOG main")]
        );
    }

    #[test]
    fn a_file_of_comments_only_is_no_mistake() {
        for text in ["", "-- later\n\n  -- more", ";;"] {
            let problems = Problems::default();
            assert_eq!(
                read(Path::new("a.sql"), text, &problems).map(|file| file.statements.len()),
                Some(0),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_mistake_is_named_with_file_line_and_column() {
        let problems = Problems::default();
        assert!(read(Path::new("a.sql"), "SELECT 1;\nSELEKT 2;\n", &problems).is_none());
        let error = problems.finish(Some(())).expect_err("a mistake").to_string();
        assert!(error.starts_with("a.sql:2:1: [PARSE_SYNTAX_ERROR]"), "{error}");
    }
}
