//! Requests and replies: JSON between brickyard and `brickyard_functions.py`.

use brickyard_types::SqlType;
use serde::Deserialize;
use serde_json::{Value, json};

use super::PythonFunction;
use super::encode::Column;

/// Rows of one request, at most ...
const MOST_ROWS: usize = 1024;
/// ... and no more of them than make this many bytes (one row goes whatever its size).
const ENOUGH_BYTES: usize = 4 << 20;
/// How much of an exception's text is kept.
const LONGEST_TEXT: usize = 8 << 10;

pub(super) struct Request;

impl Request {
    /// Rows from `row` on, as many as fit, and how many they are. A worker gets a function's definition once.
    pub(super) fn call(
        number: u32,
        definition: Option<Value>,
        columns: &[Column],
        row: usize,
        rows: usize,
    ) -> (Vec<u8>, usize) {
        let mut text = format!("{{\"function\":{number},").into_bytes();
        if let Some(definition) = definition {
            text.extend_from_slice(format!("\"define\":{definition},").as_bytes());
        }
        text.extend_from_slice(b"\"rows\":[");
        let mut taken = 0;
        while row + taken < rows && taken < MOST_ROWS && (taken == 0 || text.len() < ENOUGH_BYTES) {
            text.extend_from_slice(if taken == 0 { b"[" } else { b",[" });
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                column.write(row + taken, &mut text);
            }
            text.push(b']');
            taken += 1;
        }
        text.extend_from_slice(b"]}");
        (text, taken)
    }

    /// Only compile it.
    pub(super) fn check(function: &PythonFunction) -> Vec<u8> {
        json!({"check": true, "define": definition(function)}).to_string().into_bytes()
    }
}

/// What a worker must know of a function.
pub(super) fn definition(function: &PythonFunction) -> Value {
    let parameters: Vec<Value> =
        function.parameters.iter().map(|(name, data_type)| json!([name, description(data_type)])).collect();
    json!({"parameters": parameters, "returns": description(&function.returns), "body": &*function.body})
}

fn description(data_type: &SqlType) -> Value {
    let text = data_type.to_string();
    match data_type {
        SqlType::Boolean => json!({"kind": "boolean", "text": text}),
        SqlType::Byte => json!({"kind": "integer", "text": text, "bits": 8}),
        SqlType::Short => json!({"kind": "integer", "text": text, "bits": 16}),
        SqlType::Int => json!({"kind": "integer", "text": text, "bits": 32}),
        SqlType::Long => json!({"kind": "integer", "text": text, "bits": 64}),
        SqlType::Float => json!({"kind": "float", "text": text, "bits": 32}),
        SqlType::Double => json!({"kind": "float", "text": text, "bits": 64}),
        SqlType::Decimal(precision, scale) => {
            json!({"kind": "decimal", "text": text, "precision": precision, "scale": scale})
        }
        // Of these the last is refused before it comes here.
        SqlType::String | SqlType::Variant => json!({"kind": "string", "text": text}),
        SqlType::Binary => json!({"kind": "binary", "text": text}),
        SqlType::Date => json!({"kind": "date", "text": text}),
        SqlType::Timestamp => json!({"kind": "timestamp", "text": text}),
        SqlType::TimestampNtz => json!({"kind": "timestamp_ntz", "text": text}),
        // Of these the first is refused before it comes here.
        SqlType::YearMonthInterval | SqlType::DayTimeInterval => json!({"kind": "interval", "text": text}),
        SqlType::Array(element) => json!({"kind": "array", "text": text, "element": description(element)}),
        SqlType::Map(key, value) => {
            json!({"kind": "map", "text": text, "key": description(key), "value": description(value)})
        }
        SqlType::Struct(fields) => {
            let fields: Vec<Value> = (fields.iter())
                .map(|field| {
                    let data_type = description(&field.data_type);
                    json!({"name": field.name, "type": data_type, "nullable": field.nullable})
                })
                .collect();
            json!({"kind": "struct", "text": text, "fields": fields})
        }
        SqlType::Void => json!({"kind": "void", "text": text}),
    }
}

/// What kind of error a worker reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Code,
    Syntax,
    Memory,
    Input,
    Result,
}

/// One answer. A body can write here whatever it likes: nothing of it is believed.
#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    #[serde(default)]
    pub(super) values: Vec<Value>,
    #[serde(default)]
    pub(super) error: Option<Kind>,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) stack: String,
    /// True if the process must not be used again.
    #[serde(default)]
    pub(super) leave: bool,
}

impl Reply {
    pub(super) fn read(answer: &[u8]) -> Result<Self, String> {
        let mut reply: Self = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
        for text in [&mut reply.message, &mut reply.stack] {
            text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        }
        Ok(reply)
    }
}

/// What a worker says when it is ready.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    pub(super) python: String,
    pub(super) memory_limited: bool,
}
