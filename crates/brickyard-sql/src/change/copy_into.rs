//! `COPY INTO`: files that are not in the table yet, each of them once.
//!
//! Which files were loaded is kept beside the table, as Databricks keeps it: a list for each load, numbered. The number of
//! the last list is in the commit that wrote its rows: a list whose commit never was does not count, and the next load writes
//! over it. So a file's rows are there exactly if the file is in a list that counts.

use std::collections::HashSet;
use std::path::PathBuf;

use datafusion::arrow::array::RecordBatch;
use datafusion::sql::sqlparser::ast;
use futures_util::TryStreamExt;

use crate::change::counts;
use crate::delta;
use crate::error::SqlError;
use crate::front;
use crate::read_files;
use crate::run::{Rows, Run, rows_from};
use crate::statement::CopyInto;

/// The number of the last load, among the marks of a table.
pub(crate) const MARK: &str = "brickyard.copy_into";

/// Where the lists are, in a table's folder. What starts with `_` is nothing that `VACUUM` removes.
const FOLDER: &str = "_copy_into_log";

impl Run<'_> {
    pub(crate) async fn copy_into(&self, copy: CopyInto) -> Result<Rows, SqlError> {
        let (object, _) = self.changed_table(&copy.table, false)?;
        self.may_read_files(&self.session.speaker().asker())?;
        let mut force = false;
        for (name, value) in &copy.copy_options {
            match (name.to_lowercase().as_str(), value.to_lowercase().as_str()) {
                ("force", "true") => force = true,
                ("force" | "mergeschema", "false") => {}
                _ => {
                    return Err(SqlError::unsupported(format_args!("the copy option '{name}' = '{value}'")));
                }
            }
        }
        let _writer = self.sql.writers.only(object.id).await;
        let object = self.again(&object)?;
        let columns = object.table().map(|table| table.columns.clone()).unwrap_or_default();
        let folder = self.sql.options.tables.join(&*object.uid).join(FOLDER);
        let last = delta::mark(self.sql, &object.uid, MARK).await?.unwrap_or(0);
        let loaded = if force { HashSet::new() } else { loaded(&folder, last).await? };
        let mut new = read_files::chosen(self.sql, &copy.path, &copy.files, copy.pattern.as_deref()).await?;
        new.retain(|file| !loaded.contains(file));
        if new.is_empty() {
            return answer(0);
        }
        let plan = self.plan_query(&query(&copy, &new)?).await?;
        let by_name = copy.columns.is_empty() && !copy.by_position;
        let (plan, generated) = self.inserted(plan, &columns, &copy.columns, by_name, &[]).await?;
        let (schema, rows) = self.rows_of(plan).await?;
        let rows: Vec<RecordBatch> = rows.try_collect().await?;
        let (rows, mut marks) = self.counted(&object, &columns, &generated, rows).await?;
        let rows = rows_from(rows.first().map_or(schema, RecordBatch::schema), rows);
        let rows = self.checked(&object, &columns, rows).await?;
        let next = last + 1;
        keep(&folder, next, &new).await?;
        marks.push((MARK.to_owned(), next));
        let how = delta::Write::Append;
        answer(delta::write_with(self.sql, &object.uid, &columns, rows, how, marks).await?)
    }
}

fn answer(written: u64) -> Result<Rows, SqlError> {
    counts(&[
        ("num_affected_rows", written),
        ("num_inserted_rows", written),
        ("num_skipped_corrupt_files", 0),
    ])
}

/// The rows of these files, as the statement selects them.
fn query(copy: &CopyInto, files: &[String]) -> Result<ast::Query, SqlError> {
    let literal = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut options = copy.format_options.clone();
    // Text stays text until a column's type reads it: '007' in a STRING is no number.
    let says = |name: &str| options.keys().any(|key| key.eq_ignore_ascii_case(name));
    if copy.format == "csv" && !says("inferSchema") && !says("schema") {
        options.insert("inferSchema".to_owned(), "false".to_owned());
    }
    let mut arguments = vec![literal(&copy.path), format!("format => {}", literal(&copy.format))];
    for (name, value) in &options {
        arguments.push(format!("`{}` => {}", name.replace('`', "``"), literal(value)));
    }
    arguments.push(format!("`{}` => {}", read_files::ONLY, literal(&files.join("\n"))));
    let list = copy.list.as_deref().unwrap_or("*");
    // The list alone, first: what would end it early is a syntax error of its own.
    front::parse_query(&format!("SELECT {list}"))
        .or_else(|error| if list.trim() == "*" { front::parse_query("SELECT 1") } else { Err(error) })?;
    Ok(front::parse_query(&format!("SELECT {list} FROM read_files({})", arguments.join(", ")))?)
}

/// The files in the lists up to a number.
async fn loaded(folder: &std::path::Path, last: i64) -> Result<HashSet<String>, SqlError> {
    let mut found = HashSet::new();
    for number in 1..=last {
        let text = tokio::fs::read(list(folder, number)).await.map_err(lost)?;
        let files: Vec<String> = serde_json::from_slice(&text).map_err(|error| lost(error.into()))?;
        found.extend(files);
    }
    Ok(found)
}

async fn keep(folder: &std::path::Path, number: i64, files: &[String]) -> Result<(), SqlError> {
    let text = serde_json::to_vec(files).map_err(|error| lost(error.into()))?;
    tokio::fs::create_dir_all(folder).await.map_err(lost)?;
    let path = list(folder, number);
    let file = tokio::fs::File::create(&path).await.map_err(lost)?;
    let mut file = tokio::io::BufWriter::new(file);
    tokio::io::AsyncWriteExt::write_all(&mut file, &text).await.map_err(lost)?;
    tokio::io::AsyncWriteExt::flush(&mut file).await.map_err(lost)?;
    // The commit that makes it count must not be there without it.
    file.get_ref().sync_all().await.map_err(lost)
}

fn list(folder: &std::path::Path, number: i64) -> PathBuf {
    folder.join(format!("{number:020}.json"))
}

fn lost(error: std::io::Error) -> SqlError {
    SqlError::condition(
        "INTERNAL_ERROR",
        "XX000",
        format!("The list of the files that COPY INTO loaded cannot be read or written: {error}."),
    )
}
