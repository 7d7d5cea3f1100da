//! SQL types by Databricks' own words: `bigint`, `decimal(10,2)`, `array<string>`, `struct<a:int,b:string>`.
//!
//! One table serves three writers: the lower-case text of Unity Catalog (`type_text`), the names of the REST API
//! (`type_name`: `LONG`), and Spark's JSON (`type_json`, also the Delta schema).
//! Source of names and synonyms: Databricks' SQL language manual, "Data types"; `ColumnTypeName` of databricks-sdk.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

/// How deep `array<array<...>>` may go. Deeper text is refused instead of followed.
const DEEPEST: usize = 32;

/// A SQL type. Written (`Display`, serde) as lower-case Databricks text.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the variants are the field's own words
pub enum SqlType {
    Boolean,
    Byte,
    Short,
    Int,
    Long,
    Float,
    Double,
    /// Precision 1 to 38, and scale up to it.
    Decimal(u8, u8),
    String,
    Binary,
    Date,
    /// An instant, shown in the session's time zone (UTC here).
    Timestamp,
    /// A wall-clock time without a zone.
    TimestampNtz,
    /// `interval year to month`.
    YearMonthInterval,
    /// `interval day to second`.
    DayTimeInterval,
    Array(Box<SqlType>),
    Map(Box<SqlType>, Box<SqlType>),
    Struct(Vec<StructField>),
    /// The type of a bare `NULL`.
    Void,
    /// Semi-structured data. Known by name so that it can be refused by name.
    Variant,
}

/// One field of a struct.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StructField {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: SqlType,
    /// False for `NOT NULL`.
    pub nullable: bool,
}

/// Text that is no SQL type.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not a SQL data type that is supported")]
pub struct InvalidSqlType(pub String);

impl SqlType {
    /// The name in the REST API's `type_name`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Byte => "BYTE",
            Self::Short => "SHORT",
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::Decimal(..) => "DECIMAL",
            Self::String => "STRING",
            Self::Binary => "BINARY",
            Self::Date => "DATE",
            Self::Timestamp => "TIMESTAMP",
            Self::TimestampNtz => "TIMESTAMP_NTZ",
            Self::YearMonthInterval | Self::DayTimeInterval => "INTERVAL",
            Self::Array(_) => "ARRAY",
            Self::Map(..) => "MAP",
            Self::Struct(_) => "STRUCT",
            Self::Void => "NULL",
            Self::Variant => "VARIANT",
        }
    }

    /// Spark's JSON for the type: a string for a simple one, an object for a nested one.
    pub fn spark_json(&self) -> Value {
        match self {
            Self::Byte => json!("byte"),
            Self::Short => json!("short"),
            Self::Int => json!("integer"),
            Self::Long => json!("long"),
            Self::Array(element) => {
                json!({"type": "array", "elementType": element.spark_json(), "containsNull": true})
            }
            Self::Map(key, value) => json!({
                "type": "map", "keyType": key.spark_json(), "valueType": value.spark_json(), "valueContainsNull": true,
            }),
            Self::Struct(fields) => {
                let fields: Vec<Value> = (fields.iter())
                    .map(|field| spark_field(&field.name, &field.data_type, field.nullable))
                    .collect();
                json!({"type": "struct", "fields": fields})
            }
            simple => Value::String(simple.to_string()),
        }
    }
}

/// One field as Spark writes it: `{"name","type","nullable","metadata"}`.
pub fn spark_field(name: &str, data_type: &SqlType, nullable: bool) -> Value {
    json!({"name": name, "type": data_type.spark_json(), "nullable": nullable, "metadata": {}})
}

impl SqlType {
    /// As a definition is shown: words in capitals, names of fields as they are.
    pub fn in_capitals(&self) -> String {
        match self {
            Self::Array(element) => format!("ARRAY<{}>", element.in_capitals()),
            Self::Map(key, value) => format!("MAP<{}, {}>", key.in_capitals(), value.in_capitals()),
            Self::Struct(fields) => {
                let fields = fields.iter().map(|field| {
                    let plain = field.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                    let data_type = field.data_type.in_capitals();
                    if plain && !field.name.is_empty() {
                        format!("{}: {data_type}", field.name)
                    } else {
                        format!("`{}`: {data_type}", field.name.replace('`', "``"))
                    }
                });
                format!("STRUCT<{}>", fields.collect::<Vec<_>>().join(", "))
            }
            simple => simple.to_string().to_ascii_uppercase(),
        }
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Boolean => "boolean",
            Self::Byte => "tinyint",
            Self::Short => "smallint",
            Self::Int => "int",
            Self::Long => "bigint",
            Self::Float => "float",
            Self::Double => "double",
            Self::Decimal(precision, scale) => return write!(f, "decimal({precision},{scale})"),
            Self::String => "string",
            Self::Binary => "binary",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::TimestampNtz => "timestamp_ntz",
            Self::YearMonthInterval => "interval year to month",
            Self::DayTimeInterval => "interval day to second",
            Self::Array(element) => return write!(f, "array<{element}>"),
            Self::Map(key, value) => return write!(f, "map<{key},{value}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    let plain = field.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                    if plain && !field.name.is_empty() {
                        write!(f, "{comma}{}:{}", field.name, field.data_type)?;
                    } else {
                        write!(f, "{comma}`{}`:{}", field.name.replace('`', "``"), field.data_type)?;
                    }
                    if !field.nullable {
                        f.write_str(" not null")?;
                    }
                }
                ">"
            }
            Self::Void => "void",
            Self::Variant => "variant",
        };
        f.write_str(word)
    }
}

impl FromStr for SqlType {
    type Err = InvalidSqlType;

    fn from_str(text: &str) -> Result<Self, InvalidSqlType> {
        let mut reader = Reader { rest: text };
        let found = reader.data_type(0).filter(|_| reader.rest.trim().is_empty());
        found.ok_or_else(|| InvalidSqlType(text.to_owned()))
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn eat(&mut self, symbol: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(symbol)?;
        Some(())
    }

    fn word(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
        if end == 0 {
            return None;
        }
        self.rest = &text[end..];
        Some(&text[..end])
    }

    fn word_if(&mut self, wanted: &str) -> bool {
        let before = self.rest;
        match self.word() {
            Some(word) if word.eq_ignore_ascii_case(wanted) => true,
            _ => {
                self.rest = before;
                false
            }
        }
    }

    fn number(&mut self) -> Option<u8> {
        self.word()?.parse().ok()
    }

    fn name(&mut self) -> Option<String> {
        if self.eat('`').is_none() {
            return self.word().map(str::to_owned);
        }
        let mut name = String::new();
        loop {
            let end = self.rest.find('`')?;
            name.push_str(&self.rest[..end]);
            self.rest = &self.rest[end + 1..];
            if !self.rest.starts_with('`') {
                return Some(name);
            }
            name.push('`');
            self.rest = &self.rest[1..];
        }
    }

    fn data_type(&mut self, depth: usize) -> Option<SqlType> {
        if depth > DEEPEST {
            return None;
        }
        let word = self.word()?.to_ascii_lowercase();
        Some(match word.as_str() {
            "boolean" | "bool" => SqlType::Boolean,
            "tinyint" | "byte" => SqlType::Byte,
            "smallint" | "short" => SqlType::Short,
            "int" | "integer" => SqlType::Int,
            "bigint" | "long" => SqlType::Long,
            "float" | "real" => SqlType::Float,
            "double" => {
                self.word_if("precision");
                SqlType::Double
            }
            "decimal" | "dec" | "numeric" => self.decimal()?,
            "string" | "text" => SqlType::String,
            "varchar" | "char" | "character" => {
                if self.eat('(').is_some() {
                    self.word()?.parse::<u32>().ok()?;
                    self.eat(')')?;
                }
                SqlType::String
            }
            "binary" => SqlType::Binary,
            "date" => SqlType::Date,
            "timestamp" | "timestamp_ltz" => SqlType::Timestamp,
            "timestamp_ntz" => SqlType::TimestampNtz,
            "interval" => self.interval()?,
            "void" | "null" => SqlType::Void,
            "variant" => SqlType::Variant,
            "array" => {
                self.eat('<')?;
                let element = self.data_type(depth + 1)?;
                self.eat('>')?;
                SqlType::Array(Box::new(element))
            }
            "map" => {
                self.eat('<')?;
                let key = self.data_type(depth + 1)?;
                self.eat(',')?;
                let value = self.data_type(depth + 1)?;
                self.eat('>')?;
                SqlType::Map(Box::new(key), Box::new(value))
            }
            "struct" => self.fields(depth)?,
            _ => return None,
        })
    }

    fn decimal(&mut self) -> Option<SqlType> {
        if self.eat('(').is_none() {
            return Some(SqlType::Decimal(10, 0));
        }
        let precision = self.number()?;
        let scale = if self.eat(',').is_some() { self.number()? } else { 0 };
        self.eat(')')?;
        ((1..=38).contains(&precision) && scale <= precision).then_some(SqlType::Decimal(precision, scale))
    }

    fn interval(&mut self) -> Option<SqlType> {
        let is_years = |unit: &str| ["year", "month"].iter().any(|one| unit.eq_ignore_ascii_case(one));
        let is_days =
            |unit: &str| ["day", "hour", "minute", "second"].iter().any(|one| unit.eq_ignore_ascii_case(one));
        let unit = self.word()?;
        let end = if self.word_if("to") { self.word()? } else { unit };
        match () {
            () if is_years(unit) && is_years(end) => Some(SqlType::YearMonthInterval),
            () if is_days(unit) && is_days(end) => Some(SqlType::DayTimeInterval),
            () => None,
        }
    }

    fn fields(&mut self, depth: usize) -> Option<SqlType> {
        self.eat('<')?;
        let mut fields = Vec::new();
        if self.eat('>').is_some() {
            return Some(SqlType::Struct(fields));
        }
        loop {
            let name = self.name()?;
            // Databricks takes `a:int` and `a int`.
            let _ = self.eat(':');
            let data_type = self.data_type(depth + 1)?;
            let nullable = !self.word_if("not");
            if !nullable && !self.word_if("null") {
                return None;
            }
            fields.push(StructField { name, data_type, nullable });
            if self.eat(',').is_none() {
                self.eat('>')?;
                return Some(SqlType::Struct(fields));
            }
        }
    }
}

impl Serialize for SqlType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SqlType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_written_in_capitals_and_the_names_of_its_fields_as_they_are() {
        for (text, expected) in [
            ("bigint", "BIGINT"),
            ("decimal(10,2)", "DECIMAL(10,2)"),
            ("array<map<string,int>>", "ARRAY<MAP<STRING, INT>>"),
            ("struct<myField:string>", "STRUCT<myField: STRING>"),
            ("interval day to second", "INTERVAL DAY TO SECOND"),
        ] {
            assert_eq!(text.parse::<SqlType>().expect("a type").in_capitals(), expected);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "bigint",
            "decimal(10,2)",
            "array<map<string,struct<a:int,`b c`:timestamp not null>>>",
            "interval day to second",
            "struct<>",
        ] {
            assert_eq!(text.parse::<SqlType>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn synonyms_and_spaces_are_understood_and_nonsense_is_refused() {
        assert_eq!("DECIMAL( 4 , 1 )".parse(), Ok(SqlType::Decimal(4, 1)));
        assert_eq!("varchar(20)".parse(), Ok(SqlType::String));
        assert_eq!("STRUCT<a INT>".parse::<SqlType>().unwrap().to_string(), "struct<a:int>");
        let deep = format!("{}int{}", "array<".repeat(100), ">".repeat(100));
        for text in
            ["", "blob", "decimal(39,0)", "decimal(2,3)", "array<int", "int int", "array", deep.as_str()]
        {
            assert!(text.parse::<SqlType>().is_err(), "{text}");
        }
    }

    #[test]
    fn sparks_json_uses_sparks_names() {
        assert_eq!(SqlType::Long.spark_json(), json!("long"));
        assert_eq!(SqlType::Decimal(10, 2).spark_json(), json!("decimal(10,2)"));
        assert_eq!(SqlType::Array(Box::new(SqlType::Int)).spark_json()["elementType"], "integer");
    }
}
