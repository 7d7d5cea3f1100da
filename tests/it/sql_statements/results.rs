//! Results that are long, and results that are cut.

use std::collections::BTreeSet;

use brickyard_testkit::Kit;
use serde_json::{Value, json};

use super::{STATEMENTS, YAML, run};

const ANA: &str = "ana@example.com";
const MANY: u64 = 250_000;

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn a_long_result_is_fetched_chunk_by_chunk_until_no_next_one_is_named() {
    let kit = Kit::start(YAML).await;
    let ana = kit.token(ANA);
    let statement = format!("SELECT id FROM range({MANY})");
    let answer = run(&kit, ANA, json!({"statement": statement, "disposition": "EXTERNAL_LINKS"})).await;
    let id = answer["statement_id"].as_str().expect("an id");
    let manifest = &answer["manifest"];
    assert_eq!((&manifest["total_row_count"], &manifest["truncated"]), (&json!(MANY), &json!(false)));
    assert!(manifest.get("result_compression").is_none(), "{manifest}");
    let chunks = manifest["chunks"].as_array().expect("chunks");
    assert_eq!(json!(chunks.len()), manifest["total_chunk_count"]);
    assert!(chunks.len() > 2, "{manifest}");
    assert_eq!(
        chunks.iter().map(|chunk| number(&chunk["byte_count"])).sum::<u64>(),
        number(&manifest["total_byte_count"])
    );

    let mut seen = BTreeSet::new();
    let mut links = answer["result"]["external_links"].clone();
    for (index, chunk) in chunks.iter().enumerate() {
        let mut link = links[0].clone();
        assert_eq!(links.as_array().map(Vec::len), Some(1), "{links}");
        let address = link["external_link"].take();
        let path = address.as_str().and_then(|address| address.strip_prefix(&kit.url)).expect("to here");
        let fetched = kit.get(path, "").await;
        assert_eq!(fetched.text.len() as u64, number(&chunk["byte_count"]));
        let rows = fetched.json();
        let rows = rows.as_array().expect("rows");
        assert_eq!(rows.len() as u64, number(&chunk["row_count"]));
        assert_eq!(seen.len() as u64, number(&chunk["row_offset"]));
        seen.extend(rows.iter().map(|row| row[0].as_str().and_then(|id| id.parse::<u64>().ok())));

        let mut wanted = chunk.clone();
        wanted["external_link"] = json!(null);
        wanted["expiration"] = link["expiration"].clone();
        if index + 1 == chunks.len() {
            assert_eq!(link, wanted, "the last one names no next");
            break;
        }
        let next = format!("{STATEMENTS}/{id}/result/chunks/{}", index + 1);
        wanted["next_chunk_index"] = json!(index + 1);
        wanted["next_chunk_internal_link"] = json!(next);
        assert_eq!(link, wanted);
        links = kit.get(&next, &ana).await.json()["external_links"].take();
    }
    assert!(seen.into_iter().eq((0..MANY).map(Some)), "every row is there once");
    let beyond = kit.get(&format!("{STATEMENTS}/{id}/result/chunks/{}", chunks.len()), &ana).await;
    assert_eq!(
        beyond.refusal(),
        format!(
            "400 \"INVALID_PARAMETER_VALUE\" The statement {id} has no chunk {n}: its result has {n}.",
            n = chunks.len()
        )
    );
    // Inside the answer it is one piece, as long as it is small enough.
    let inline = run(&kit, ANA, json!({"statement": statement})).await;
    assert_eq!(inline["result"]["data_array"].as_array().map(Vec::len), usize::try_from(MANY).ok());
    assert_eq!(inline["manifest"]["total_chunk_count"], 1);
    assert!(inline["result"].get("next_chunk_index").is_none());
}

#[tokio::test]
async fn an_arrow_stream_is_compressed_where_the_manifest_says_so_and_nowhere_else() {
    const FRAME_OF_LZ4: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
    let kit = Kit::start(YAML).await;
    for (asked, said) in [(json!(null), None), (json!("NONE"), None), (json!("LZ4_FRAME"), Some("LZ4_FRAME"))]
    {
        let body = json!({
            "statement": "SELECT 1 AS n", "disposition": "EXTERNAL_LINKS", "format": "ARROW_STREAM",
            "result_compression": asked,
        });
        let answer = run(&kit, ANA, body).await;
        let manifest = &answer["manifest"];
        assert_eq!(manifest["format"], "ARROW_STREAM");
        assert_eq!(manifest.get("result_compression").map(Value::as_str), said.map(Some), "{asked}");
        let link = answer["result"]["external_links"][0]["external_link"].as_str().expect("a link");
        let reply = kit.client.get(link).send().await.expect("a response");
        let bytes = reply.bytes().await.expect("a body");
        assert_eq!(bytes.starts_with(&FRAME_OF_LZ4), said.is_some(), "{asked}");
    }
}

#[tokio::test]
async fn a_limit_cuts_rows_off_and_the_manifest_says_that_it_did() {
    let kit = Kit::start(YAML).await;
    for (statement, limits, rows, truncated) in [
        ("SELECT id FROM range(10)", json!({"row_limit": 3}), 3, true),
        ("SELECT id FROM range(3)", json!({"row_limit": 3}), 3, false),
        ("SELECT id FROM range(10)", json!({"row_limit": 11}), 10, false),
        // Eight bytes a row.
        ("SELECT id FROM range(10)", json!({"byte_limit": 40}), 5, true),
        ("SELECT id FROM range(10)", json!({"byte_limit": 80}), 10, false),
        ("SELECT id FROM range(10)", json!({"byte_limit": 80, "row_limit": 2}), 2, true),
        ("SELECT id FROM range(10)", json!({"byte_limit": 1}), 0, true),
    ] {
        for disposition in ["INLINE", "EXTERNAL_LINKS"] {
            let mut body = limits.clone();
            body["statement"] = json!(statement);
            body["disposition"] = json!(disposition);
            let answer = run(&kit, ANA, body).await;
            let manifest = &answer["manifest"];
            assert_eq!(
                (&manifest["total_row_count"], &manifest["truncated"]),
                (&json!(rows), &json!(truncated)),
                "{statement} {limits} {disposition}: {answer}"
            );
            if disposition == "INLINE" {
                let shown = answer["result"]["data_array"].as_array().map_or(0, Vec::len);
                assert_eq!(shown, rows, "{answer}");
            }
        }
    }
}
