//! Files of Parquet and JSON beside the configuration: rows and types as they are in the file.

use std::sync::Arc;

use datafusion::arrow::array::Int32Builder;
use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, MapBuilder, RecordBatch, StringArray, StringBuilder,
    StructArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::parquet::arrow::ArrowWriter;

use super::workspace::Workspace;

fn parquet(workspace: &Workspace, name: &str, columns: Vec<(&str, ArrayRef)>) {
    let rows = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    );
    let rows = rows.unwrap();
    let file = std::fs::File::create(workspace.folder(name)).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
}

/// The columns of a query, each with its type.
async fn types(workspace: &Workspace, query: &str) -> String {
    let rows = workspace.ask(&workspace.ada, &format!("DESCRIBE QUERY {query}")).await.unwrap();
    let columns: Vec<_> = rows.iter().map(|row| row.trim_end_matches("|NULL").replace('|', " ")).collect();
    columns.join(", ")
}

#[tokio::test]
async fn a_parquet_file_keeps_its_types_and_its_values() {
    let w = Workspace::empty().await;
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_value(5);
    map.append(true).unwrap();
    map.append(false).unwrap();
    let inside: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    let inside = StructArray::from(vec![(Arc::new(Field::new("x", DataType::Int32, true)), inside)]);
    // 2024-02-29, and half a second past 12:30 of that day.
    let (day, instant) = (19_782, 1_709_209_800_500_000);
    let decimals = Decimal128Array::from(vec![Some(1_234), None]).with_precision_and_scale(10, 2).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("tiny", Arc::new(Int8Array::from(vec![Some(-128), None]))),
        ("small", Arc::new(Int16Array::from(vec![Some(-32_768), None]))),
        ("n", Arc::new(Int32Array::from(vec![Some(i32::MIN), None]))),
        ("Big", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
        ("single", Arc::new(Float32Array::from(vec![Some(1.5), None]))),
        ("twice", Arc::new(Float64Array::from(vec![Some(-0.1), None]))),
        ("price", Arc::new(decimals)),
        ("word", Arc::new(StringArray::from(vec![Some("é, \"q\""), None]))),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(&[0_u8, 255][..]), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(day), None]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(instant), None]).with_timezone("UTC"))),
        ("clock", Arc::new(TimestampNanosecondArray::from(vec![Some(instant * 1_000), None]))),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
                Some(vec![Some(1), None]),
                None,
            ])),
        ),
        ("map", Arc::new(map.finish())),
        ("inside", Arc::new(inside)),
    ];
    parquet(&w, "all.parquet", columns);
    let read = "SELECT * FROM read_files('all.parquet')";
    let meant = "flag boolean, tiny tinyint, small smallint, n int, Big bigint, single float, twice double, \
                 price decimal(10,2), word string, bytes binary, day date, at timestamp, clock timestamp_ntz, \
                 list array<bigint>, map map<string,int>, inside struct<x:int>";
    let rows = [
        "true|-128|-32768|-2147483648|9223372036854775807|1.5|-0.1|12.34|é, \"q\"|00ff|2024-02-29|2024-02-29T12:30:00.500Z|\
         2024-02-29T12:30:00.500|[1, NULL]|{k: 5}|{x: 1}",
        "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|{x: NULL}",
    ];
    assert_eq!(types(&w, read).await, meant);
    assert_eq!(w.ask(&w.ada, read).await.unwrap(), rows);
    // A managed table of them, and an external table over them, are the same.
    w.set_up(
        "CREATE CATALOG main; CREATE SCHEMA main.s;
         CREATE TABLE main.s.copy AS SELECT * FROM read_files('all.parquet', format => 'parquet');
         CREATE TABLE main.s.there USING parquet LOCATION 'all.parquet'; GRANT ALL PRIVILEGES ON CATALOG main TO `ada@x`",
    )
    .await;
    for table in ["main.s.copy", "main.s.there"] {
        let read = format!("SELECT * FROM {table}");
        assert_eq!(types(&w, &read).await, meant, "{table}");
        assert_eq!(w.ask(&w.ada, &read).await.unwrap(), rows, "{table}");
    }
    for (query, rows) in [
        ("SELECT inside.x, list[0], map['k'] FROM read_files('all.parquet') WHERE n < 0", &["1|1|5"][..]),
        ("SELECT count(*), count(n) FROM read_files('all.parquet')", &["2|1"]),
        ("SELECT word FROM read_files('all.parquet') WHERE day = DATE'2024-02-29'", &["é, \"q\""]),
        (
            "SELECT * FROM read_files('all.parquet', schema => 'n BIGINT, absent STRING')",
            &["-2147483648|NULL", "NULL|NULL"],
        ),
    ] {
        assert_eq!(w.ask(&w.ada, query).await.unwrap(), rows, "{query}");
    }
}

#[tokio::test]
async fn a_folder_of_parquet_files_has_the_columns_of_all_of_them() {
    let w = Workspace::empty().await;
    std::fs::create_dir_all(w.folder("in")).unwrap();
    let numbers = |numbers: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(numbers)) };
    parquet(&w, "in/a.parquet", vec![("id", numbers(vec![1, 2]))]);
    let halves: ArrayRef = Arc::new(Float64Array::from(vec![2.5]));
    parquet(&w, "in/b.parquet", vec![("more", numbers(vec![7])), ("id", halves)]);
    w.file("in/notes.txt", "not one of them");
    for path in ["in/*.parquet", "in/{a,b}.parquet", "in/[ab].parquet"] {
        let read = format!("SELECT * FROM read_files('{path}')");
        assert_eq!(types(&w, &read).await, "id double, more bigint", "{path}");
        assert_eq!(w.sorted(&w.ada, &read).await, ["1.0|NULL", "2.0|NULL", "2.5|7"], "{path}");
    }
}

#[tokio::test]
async fn json_is_read_as_deep_as_it_is() {
    let w = Workspace::empty().await;
    w.file(
        "lines.json",
        "{\"b\": {\"y\": [1, 2], \"x\": null}, \"a\": 1, \"t\": true, \"w\": \"v\"}\n\n\
         {\"a\": 2.5, \"b\": {\"x\": \"deep\"}, \"late\": [{\"k\": \"1\", \"never\": null}]}\n{}\n",
    );
    w.file("array.json", "[\n  {\"a\": {\"b\": [1]},\n   \"s\": \"two\\nlines\"},\n  {\"a\": null}\n]\n");
    w.file("big.json", "{\"n\": 9223372036854775807, \"d\": \"2024-02-29\"}\n");
    for (query, meant, rows) in [
        (
            // Columns come in order of their names, as Spark has them.
            "SELECT * FROM read_files('lines.json')",
            "a double, b struct<x:string,y:array<bigint>>, late array<struct<k:string,never:string>>, t boolean, w string",
            &[
                "1.0|{x: NULL, y: [1, 2]}|NULL|true|v",
                "2.5|{x: deep, y: NULL}|[{k: 1, never: NULL}]|NULL|NULL",
                "NULL|NULL|NULL|NULL|NULL",
            ][..],
        ),
        (
            "SELECT * FROM read_files('array.json', format => 'json', multiLine => true)",
            "a struct<b:array<bigint>>, s string",
            &["{b: [1]}|two\nlines", "NULL|NULL"],
        ),
        ("SELECT * FROM read_files('big.json')", "d string, n bigint", &["2024-02-29|9223372036854775807"]),
        (
            "SELECT * FROM read_files('lines.json', schema => 'w STRING, a DOUBLE, b STRUCT<z: INT, x: STRING>, none DATE')",
            "w string, a double, b struct<z:int,x:string>, none date",
            &["v|1.0|{z: NULL, x: NULL}|NULL", "NULL|2.5|{z: NULL, x: deep}|NULL", "NULL|NULL|NULL|NULL"],
        ),
        (
            "SELECT b.x, b.y[1] AS second, late[0].k FROM read_files('lines.json') ORDER BY a",
            "x string, second bigint, late[0].k string",
            &["NULL|NULL|NULL", "NULL|2|NULL", "deep|NULL|1"],
        ),
    ] {
        assert_eq!(types(&w, query).await, meant, "{query}");
        assert_eq!(w.ask(&w.ada, query).await.unwrap(), rows, "{query}");
    }
    let made = "CREATE TABLE main.s.deep AS SELECT * FROM read_files('lines.json')";
    w.set_up(&format!(
        "CREATE CATALOG main; CREATE SCHEMA main.s; {made}; GRANT ALL PRIVILEGES ON CATALOG main TO `ada@x`"
    ))
    .await;
    let deep = "SELECT b.y FROM main.s.deep WHERE b.y[0] = 1";
    assert_eq!(w.ask(&w.ada, deep).await.unwrap(), ["[1, 2]"]);
}

#[tokio::test]
async fn objects_of_several_json_files_have_the_fields_of_all_of_them() {
    let w = Workspace::empty().await;
    std::fs::create_dir_all(w.folder("in")).unwrap();
    w.file("in/a.json", "{\"o\": {\"y\": 1}, \"l\": [{\"b\": 1}], \"n\": 1}\n");
    w.file("in/b.json", "{\"o\": {\"x\": true, \"y\": 2.5}, \"l\": [{\"a\": \"t\"}], \"n\": null}\n");
    for (query, meant, rows) in [(
        "SELECT * FROM read_files('in')",
        "l array<struct<a:string,b:bigint>>, n bigint, o struct<x:boolean,y:double>",
        &["[{a: NULL, b: 1}]|1|{x: NULL, y: 1.0}", "[{a: t, b: NULL}]|NULL|{x: true, y: 2.5}"][..],
    )] {
        assert_eq!(types(&w, query).await, meant, "{query}");
        assert_eq!(w.sorted(&w.ada, query).await, rows, "{query}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_what_it_is_said_to_be_is_an_error_in_plain_words() {
    let w = Workspace::empty().await;
    w.file("text.parquet", "no parquet");
    w.file("mixed.json", "{\"m\": 1}\n{\"m\": \"x\"}\n");
    w.file("half.json", "{\"a\": 1}\n{\"a\": \n");
    for (query, why) in [
        ("SELECT * FROM read_files('text.parquet')", "text.parquet"),
        ("SELECT * FROM read_files('half.json')", "half.json"),
        ("SELECT * FROM read_files('half.json', multiLine => true)", "half.json"),
        // Spark would read both as text.
        ("SELECT * FROM read_files('mixed.json')", "field 'm'"),
        ("SELECT * FROM read_files('half.json', schemaHints => 'a INT')", "schemahints"),
        ("SELECT * FROM read_files('half.json', format => 'orc')", "orc"),
        ("SELECT * FROM read_files('nothing/*.json')", "PATH_NOT_FOUND"),
    ] {
        let refused = w.ask(&w.ada, query).await.unwrap_err();
        assert!(refused.contains(why) && !refused.contains("INTERNAL_ERROR"), "{query}: {refused}");
        assert!(!refused.contains(w.folder("").to_str().unwrap()), "{query}: {refused}");
    }
}
