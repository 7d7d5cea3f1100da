//! SQL types and Arrow types: one table, both ways.
//!
//! Times are microseconds, and an instant carries the zone `UTC`. In files and answers strings are `Utf8`: what other Delta
//! readers and Databricks' own results have. In plans a column of strings is a `Utf8View`, which the readers of files make
//! without copying each string, and which groups and joins faster.

use std::sync::Arc;

use brickyard_types::{SqlType, StructField};
use datafusion::arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};

/// The zone of an instant.
pub const UTC: &str = "UTC";

/// The Arrow type that holds values of a SQL type in a plan. An `Utf8` there is a string, too.
pub fn to_arrow(sql: &SqlType) -> DataType {
    match sql {
        SqlType::String => DataType::Utf8View,
        other => stored(other),
    }
}

/// The Arrow type that holds values of a SQL type in files and answers.
pub fn stored(sql: &SqlType) -> DataType {
    match sql {
        SqlType::Boolean => DataType::Boolean,
        SqlType::Byte => DataType::Int8,
        SqlType::Short => DataType::Int16,
        SqlType::Int => DataType::Int32,
        SqlType::Long => DataType::Int64,
        SqlType::Float => DataType::Float32,
        SqlType::Double => DataType::Float64,
        SqlType::Decimal(precision, scale) => {
            DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(0))
        }
        SqlType::String | SqlType::Variant => DataType::Utf8,
        SqlType::Binary => DataType::Binary,
        SqlType::Date => DataType::Date32,
        SqlType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        SqlType::TimestampNtz => DataType::Timestamp(TimeUnit::Microsecond, None),
        SqlType::YearMonthInterval => DataType::Interval(IntervalUnit::YearMonth),
        SqlType::DayTimeInterval => DataType::Interval(IntervalUnit::MonthDayNano),
        SqlType::Array(element) => DataType::List(Arc::new(Field::new_list_field(stored(element), true))),
        SqlType::Map(key, value) => {
            let entries = Fields::from(vec![
                Field::new("key", stored(key), false),
                Field::new("value", stored(value), true),
            ]);
            DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
        }
        SqlType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| Field::new(&field.name, stored(&field.data_type), field.nullable))
                .collect(),
        ),
        SqlType::Void => DataType::Null,
    }
}

/// The SQL type of an Arrow type; `None` for types that no SQL type holds (times of day, unions).
pub fn to_sql(arrow: &DataType) -> Option<SqlType> {
    Some(match arrow {
        DataType::Null => SqlType::Void,
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 => SqlType::Byte,
        DataType::Int16 | DataType::UInt8 => SqlType::Short,
        DataType::Int32 | DataType::UInt16 => SqlType::Int,
        DataType::Int64 | DataType::UInt32 => SqlType::Long,
        // Counts of DataFusion that are unsigned fit: Databricks has no unsigned types.
        DataType::UInt64 => SqlType::Decimal(20, 0),
        DataType::Float16 | DataType::Float32 => SqlType::Float,
        DataType::Float64 => SqlType::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            SqlType::Decimal((*precision).min(38), u8::try_from(*scale).unwrap_or(0).min(38))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            SqlType::Binary
        }
        DataType::Date32 | DataType::Date64 => SqlType::Date,
        DataType::Timestamp(_, Some(_)) => SqlType::Timestamp,
        DataType::Timestamp(_, None) => SqlType::TimestampNtz,
        DataType::Interval(IntervalUnit::YearMonth) => SqlType::YearMonthInterval,
        DataType::Interval(_) | DataType::Duration(_) => SqlType::DayTimeInterval,
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => SqlType::Array(Box::new(to_sql(element.data_type())?)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => SqlType::Map(
                Box::new(to_sql(fields[0].data_type())?),
                Box::new(to_sql(fields[1].data_type())?),
            ),
            _ => return None,
        },
        DataType::Struct(fields) => SqlType::Struct(
            (fields.iter())
                .map(|field| {
                    Some(StructField {
                        name: field.name().clone(),
                        data_type: to_sql(field.data_type())?,
                        nullable: field.is_nullable(),
                    })
                })
                .collect::<Option<_>>()?,
        ),
        DataType::Dictionary(_, value) => to_sql(value)?,
        DataType::RunEndEncoded(_, value) => to_sql(value.data_type())?,
        DataType::Time32(_) | DataType::Time64(_) | DataType::Union(..) => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sql_type_survives_the_way_through_arrow() {
        for text in [
            "boolean",
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "float",
            "double",
            "decimal(10,2)",
            "string",
            "binary",
            "date",
            "timestamp",
            "timestamp_ntz",
            "interval year to month",
            "interval day to second",
            "array<map<string,struct<a:int,b:timestamp not null>>>",
            "void",
        ] {
            let sql: SqlType = text.parse().unwrap();
            assert_eq!(to_sql(&to_arrow(&sql)), Some(sql.clone()), "{text}");
            assert_eq!(to_sql(&stored(&sql)), Some(sql), "{text}");
        }
    }
}
