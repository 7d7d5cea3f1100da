//! What brickyard answers to a record, and whether that is what the file says.

use brickyard_testkit::Kit;
use serde_json::{Value, json};

use super::records::{Expected, Record, Sort};

const STATEMENTS: &str = "/api/2.0/sql/statements";

/// How exactly an answer is compared.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Comparison {
    /// brickyard's own files: the text that a client gets, and part of the error's message.
    Exact,
    /// Files of another database: numbers, timestamps and nested values are written in other ways there, and errors are
    /// in other words.
    Lenient,
}

/// Rows of text, or the message of an error.
pub(super) type Answer = Result<Vec<Vec<Option<String>>>, String>;

/// Asks for a record's rows.
pub(super) async fn ask(kit: &Kit, token: &str, schema: &str, sql: &str) -> Answer {
    let body = json!({
        "statement": sql, "warehouse_id": "w1", "catalog": "slt", "schema": schema,
        "disposition": "INLINE", "format": "JSON_ARRAY", "wait_timeout": "50s", "on_wait_timeout": "CANCEL",
    });
    let reply = kit.post(STATEMENTS, token, &body).await;
    let answer: Value = serde_json::from_str(&reply.text).map_err(|_| reply.text.clone())?;
    if reply.status != 200 {
        return Err(format!("{} {}", reply.status, reply.text));
    }
    if answer["status"]["state"] != "SUCCEEDED" {
        let error = &answer["status"]["error"];
        let message = error["message"].as_str().unwrap_or_default();
        let code = error["error_code"].as_str().unwrap_or_default();
        return Err(format!("{} {code} {message}", answer["status"]["state"].as_str().unwrap_or_default()));
    }
    let mut rows = rows_of(&answer["result"]["data_array"]);
    let id = answer["statement_id"].as_str().unwrap_or_default();
    for chunk in 1..answer["manifest"]["total_chunk_count"].as_u64().unwrap_or(1) {
        let more = kit.get(&format!("{STATEMENTS}/{id}/result/chunks/{chunk}"), token).await;
        rows.extend(rows_of(&more.json()["data_array"]));
    }
    Ok(rows)
}

fn rows_of(array: &Value) -> Vec<Vec<Option<String>>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let row = |row: &Value| row.as_array().into_iter().flatten().map(text).collect();
    array.as_array().into_iter().flatten().map(row).collect()
}

/// Nothing, or what is wrong.
pub(super) fn wrong(record: &Record, answer: Answer, comparison: Comparison) -> Option<String> {
    match (&record.expected, answer) {
        (Expected::Ok, Ok(_)) => None,
        (Expected::Error(text), Err(message)) => {
            let fits = comparison == Comparison::Lenient || message.contains(text.trim());
            (!fits).then(|| format!("the error is {message}\n    and not {text}"))
        }
        (Expected::Error(text), Ok(rows)) => Some(format!("no error, but {rows:?}\n    and not {text}")),
        (_, Err(message)) => Some(message),
        (Expected::Rows { sort, lines }, Ok(rows)) => {
            let (found, wanted) = lines_of(rows, *sort, lines);
            let same = found.len() == wanted.len()
                && found.iter().zip(&wanted).all(|(found, wanted)| match comparison {
                    Comparison::Exact => found == wanted,
                    Comparison::Lenient => alike(found, wanted),
                });
            (!same).then(|| differing(&found, &wanted))
        }
    }
}

/// Both sides as lines with one space between values.
fn lines_of(rows: Vec<Vec<Option<String>>>, sort: Sort, expected: &[String]) -> (Vec<String>, Vec<String>) {
    let shown = |value: Option<String>| match value {
        None => "NULL".to_owned(),
        Some(text) if text.is_empty() => "(empty)".to_owned(),
        Some(text) => text.replace('\n', "\\n"),
    };
    let spaced = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let width = rows.first().map_or(1, Vec::len);
    // SQLite's files have one value a line.
    let by_value = sort == Sort::Values || (width > 1 && expected.len() == rows.len() * width);
    let mut found: Vec<String> = if by_value {
        rows.into_iter().flatten().map(|value| spaced(&shown(value))).collect()
    } else {
        rows.into_iter()
            .map(|row| spaced(&row.into_iter().map(shown).collect::<Vec<_>>().join(" ")))
            .collect()
    };
    let mut wanted: Vec<String> = expected.iter().map(|line| spaced(line)).collect();
    if sort != Sort::No {
        found.sort_unstable();
        wanted.sort_unstable();
    }
    (found, wanted)
}

/// The same value in another spelling.
fn alike(found: &str, wanted: &str) -> bool {
    if found == wanted {
        return true;
    }
    let plain = |line: &str| {
        let line = line.to_lowercase().replace(['"', '\'', ' '], "").replace("(empty)", "");
        line.replace(".000z", "")
            .replace(".000", "")
            .replace('z', "")
            .replace(['t', ':', '-'], "")
            .replace("00:", "")
    };
    let numbers = |line: &str| -> Vec<String> {
        line.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (left, right) = (numbers(found), numbers(wanted));
    let close = |left: &str, right: &str| match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => left == right || (left - right).abs() <= 1e-9 * left.abs().max(right.abs()),
        _ => plain(left) == plain(right),
    };
    (left.len() == right.len() && left.iter().zip(&right).all(|(left, right)| close(left, right)))
        || plain(found) == plain(wanted)
}

fn differing(found: &[String], wanted: &[String]) -> String {
    let at = (0..found.len().max(wanted.len())).find(|at| found.get(*at) != wanted.get(*at)).unwrap_or(0);
    let line = |lines: &[String]| lines.get(at).map_or("nothing".to_owned(), |line| format!("'{line}'"));
    format!(
        "row {} of {} is {}\n    and not {} (of {})",
        at + 1,
        found.len(),
        line(found),
        line(wanted),
        wanted.len()
    )
}
