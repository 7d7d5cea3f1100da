//! `COPY INTO`: a file is loaded once, whoever asks again.

use super::workspace::Workspace;

async fn workspace() -> Workspace {
    let w = Workspace::empty().await;
    w.set_up("CREATE CATALOG main; CREATE SCHEMA main.s; CREATE TABLE main.s.t (id INT, code STRING DEFAULT 'none');")
        .await;
    std::fs::create_dir_all(w.folder("in")).unwrap();
    w.file("in/a.csv", "id,code\n1,007\n2,x\n");
    w
}

const COPY: &str = "COPY INTO main.s.t FROM 'in' FILEFORMAT = CSV FORMAT_OPTIONS ('header' = 'true')";

#[tokio::test]
async fn a_file_is_loaded_once() {
    let w = workspace().await;
    assert_eq!(w.ask(&w.ada, COPY).await.unwrap(), ["2|2|0"]);
    assert_eq!(w.ask(&w.ada, COPY).await.unwrap(), ["0|0|0"]);
    w.file("in/b.csv", "id,code\n3,y\n");
    // Also if it has other rows now.
    w.file("in/a.csv", "id,code\n9,9\n");
    assert_eq!(w.ask(&w.ada, COPY).await.unwrap(), ["1|1|0"]);
    assert_eq!(w.sorted(&w.ada, "SELECT * FROM main.s.t").await, ["1|007", "2|x", "3|y"]);
    // Rows that are gone were loaded all the same.
    w.set_up("DELETE FROM main.s.t; OPTIMIZE main.s.t; VACUUM main.s.t").await;
    assert_eq!(w.ask(&w.ada, COPY).await.unwrap(), ["0|0|0"]);
    let forced = format!("{COPY} COPY_OPTIONS ('force' = 'true')");
    assert_eq!(w.ask(&w.ada, &forced).await.unwrap(), ["2|2|0"]);
    // Another table that is put in its place begins again.
    w.set_up("CREATE OR REPLACE TABLE main.s.t (id INT, code STRING)").await;
    assert_eq!(w.ask(&w.ada, COPY).await.unwrap(), ["2|2|0"]);
}

#[tokio::test]
async fn a_load_that_fails_loads_nothing_and_may_be_tried_again() {
    let w = workspace().await;
    w.file("in/b.csv", "id,code\nmany,z\n");
    let failed = w.ask(&w.ada, COPY).await.unwrap_err();
    assert!(failed.contains("CAST_INVALID_INPUT"), "{failed}");
    assert_eq!(w.ask(&w.ada, "SELECT count(*) FROM main.s.t").await.unwrap(), ["0"]);
    w.file("in/b.csv", "id,code\n3,z\n");
    assert_eq!(w.ask(&w.ada, COPY).await.unwrap(), ["3|3|0"]);
}

#[tokio::test]
async fn files_columns_and_values_are_chosen() {
    let w = workspace().await;
    w.file("in/b.csv", "id,code\n5,five\n");
    w.file("in/c.json", "{\"id\": 8, \"code\": \"eight\"}\n");
    for (copy, rows) in [
        ("FROM 'in' FILEFORMAT = CSV FILES = ('b.csv') FORMAT_OPTIONS ('header' = 'true')", "5|five"),
        ("(id) FROM (SELECT id::INT + 10 FROM 'in') FILEFORMAT = CSV PATTERN = 'a*.csv'", "11|none;12|none"),
        (
            "BY POSITION FROM (SELECT id, upper(code) FROM 'in/') FILEFORMAT = JSON PATTERN = '*.json'",
            "8|EIGHT",
        ),
    ] {
        let copied = w.ask(&w.ada, &format!("COPY INTO main.s.t {copy}")).await;
        assert!(copied.is_ok(), "{copy}: {copied:?}");
        assert_eq!(w.sorted(&w.ada, "SELECT * FROM main.s.t").await.join(";"), rows, "{copy}");
        w.set_up("DELETE FROM main.s.t").await;
    }
    w.set_up("CREATE TABLE main.s.n (n BIGINT GENERATED ALWAYS AS IDENTITY, id INT)").await;
    let counted = "COPY INTO main.s.n FROM (SELECT id FROM 'in/a.csv') FILEFORMAT = CSV";
    assert_eq!(w.ask(&w.ada, counted).await.unwrap(), ["2|2|0"]);
    assert_eq!(w.sorted(&w.ada, "SELECT n, id FROM main.s.n").await, ["1|1", "2|2"]);
}

#[tokio::test]
async fn who_may_not_read_files_or_change_the_table_copies_nothing() {
    let w = workspace().await;
    let denied = w.ask(&w.ana, COPY).await.unwrap_err();
    assert!(denied.contains("Insufficient privileges"), "{denied}");
    w.set_up("GRANT ALL PRIVILEGES ON CATALOG main TO `account users`").await;
    let denied = w.ask(&w.ana, COPY).await.unwrap_err();
    assert!(denied.contains("READ FILES"), "{denied}");
    for (copy, why) in [
        ("COPY INTO main.s.t FROM '../x' FILEFORMAT = CSV", "outside the folder of files"),
        ("COPY INTO main.s.t FROM 's3://b/x' FILEFORMAT = CSV", "INVALID_PATH"),
        ("COPY INTO main.s.t FROM 'in' FILEFORMAT = AVRO", "avro"),
        ("COPY INTO main.s.t FROM 'in' FILEFORMAT = CSV FILES = ('nobody.csv')", "PATH_NOT_FOUND"),
        (
            "COPY INTO main.s.t FROM 'in' FILEFORMAT = CSV COPY_OPTIONS ('mergeSchema' = 'true')",
            "mergeschema",
        ),
        ("COPY INTO main.s.t FROM 'in'", "FILEFORMAT"),
        ("COPY INTO main.s.t FROM (SELECT a FROM 'in' WHERE a = 1) FILEFORMAT = CSV", "more than SELECT"),
    ] {
        let error = w.ask(&w.ada, copy).await.unwrap_err();
        assert!(error.to_lowercase().contains(&why.to_lowercase()), "{copy}: {error}");
    }
    assert_eq!(w.ask(&w.ada, "SELECT count(*) FROM main.s.t").await.unwrap(), ["0"]);
}
