//! JSON texts.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Int32Array, ListBuilder, StringArray, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use serde_json::Value as Json;

use super::{Given, Made, Takes, always};
use crate::spark::json_options::Formats;
use crate::spark::json_values;

pub(super) const ALL: &[Made] = &[
    Made {
        name: "to_json",
        // The options are texts that `json_options` puts there.
        takes: &[Takes::Any, Takes::Text, Takes::Text, Takes::Text],
        least: 1,
        more: false,
        returns: |types, _| match types {
            [DataType::Struct(_) | DataType::List(_) | DataType::Map(..) | DataType::Null, ..] => {
                Ok(DataType::Utf8)
            }
            other => Err(DataFusionError::Plan(format!(
                "to_json takes a struct, an array or a map; not {other:?}"
            ))),
        },
        body: |given| {
            let (column, formats) = (&given.columns[0], formats(given, 1));
            let one = |row: usize| {
                column.is_valid(row).then(|| {
                    let mut out = String::new();
                    json_values::write(&mut out, column, row, &formats);
                    out
                })
            };
            Ok(Arc::new((0..given.rows).map(one).collect::<StringArray>()))
        },
    },
    Made {
        name: "from_json",
        takes: &[Takes::Text, Takes::Text, Takes::Text, Takes::Text],
        least: 2,
        more: false,
        returns: |_, constants| {
            let schema = constants.get(1).copied().flatten().and_then(ScalarValue::try_as_str).flatten();
            let Some(schema) = schema else {
                return Err(DataFusionError::Plan(
                    "from_json takes its schema as a constant text, like 'a INT, b STRING'".to_owned(),
                ));
            };
            match json_values::schema(schema) {
                Some(data_type) => Ok(data_type),
                None => Err(DataFusionError::Plan(format!("{schema} is no schema that from_json knows"))),
            }
        },
        body: |given| {
            let parsed: Vec<Option<Json>> = (0..given.rows)
                .map(|row| {
                    // What is no JSON is a value of which nothing is known.
                    given.text_of(0, row).map(|text| serde_json::from_str(text).unwrap_or(Json::Null))
                })
                .collect();
            json_values::column(&parsed, given.returns, &formats(given, 2))
        },
    },
    Made::new("schema_of_json", &[Takes::Text], always!(DataType::Utf8), |given| {
        let one = |row: usize| {
            let json: Json = serde_json::from_str(given.text_of(0, row)?).ok()?;
            Some(json_values::schema_of(&json))
        };
        Ok(Arc::new((0..given.rows).map(one).collect::<StringArray>()))
    }),
    Made::new("json_array_length", &[Takes::Text], always!(DataType::Int32), |given| {
        let one = |row: usize| match serde_json::from_str(given.text_of(0, row)?).ok()? {
            Json::Array(items) => i32::try_from(items.len()).ok(),
            _ => None,
        };
        Ok(Arc::new((0..given.rows).map(one).collect::<Int32Array>()))
    }),
    Made::new(
        "json_object_keys",
        &[Takes::Text],
        |_, _| Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))),
        |given| {
            let mut out = ListBuilder::new(StringBuilder::new());
            for row in 0..given.rows {
                let json = given.text_of(0, row).and_then(|text| serde_json::from_str(text).ok());
                match json {
                    Some(Json::Object(fields)) => {
                        fields.keys().for_each(|key| out.values().append_value(key));
                        out.append(true);
                    }
                    _ => out.append(false),
                }
            }
            Ok(Arc::new(out.finish()) as ArrayRef)
        },
    ),
];

/// The options of a call: they are constants, the same for every row.
fn formats(given: &Given<'_>, from: usize) -> Formats {
    let written = |at: usize| if given.has(at) && given.rows > 0 { given.text_of(at, 0) } else { None };
    Formats::new(written(from), written(from + 1), written(from + 2))
}
