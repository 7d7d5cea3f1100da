//! Delta tables that somebody else wrote, in folders beside the configuration.

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::operations::write::WriteBuilder;

use super::workspace::Workspace;

#[tokio::test]
async fn a_table_in_partitions_is_read_to_the_row() {
    let workspace = Workspace::empty().await;
    let fields = vec![Field::new("n", DataType::Int64, true), Field::new("region", DataType::Utf8, true)];
    let schema = Arc::new(Schema::new(fields));
    let numbers = Int64Array::from(vec![1, 2, 3, 4]);
    let regions = StringArray::from(vec![Some("EMEA"), Some("EMEA"), Some("AMER"), None]);
    let rows = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(numbers), Arc::new(regions)]).unwrap();
    let kernel: StructType = schema.as_ref().try_into_kernel().unwrap();
    let folder = workspace.folder("theirs");
    std::fs::create_dir(&folder).unwrap();
    let table = CreateBuilder::new()
        .with_location(folder.to_str().unwrap())
        .with_columns(kernel.fields().cloned())
        .with_partition_columns(["region"])
        .await
        .unwrap();
    let snapshot = table.snapshot().unwrap().snapshot().clone();
    WriteBuilder::new(table.log_store(), Some(snapshot)).with_input_batches(vec![rows]).await.unwrap();
    workspace
        .set_up("CREATE CATALOG c; CREATE SCHEMA c.s; CREATE TABLE c.s.t USING delta LOCATION 'theirs';")
        .await;
    for (query, rows) in [
        ("SELECT n, region FROM c.s.t ORDER BY n", &["1|EMEA", "2|EMEA", "3|AMER", "4|NULL"][..]),
        ("SELECT n FROM c.s.t WHERE region = 'EMEA' ORDER BY n", &["1", "2"]),
        ("SELECT 'x' FROM c.s.t LIMIT 1", &["x"]),
        ("SELECT count(*) FROM (SELECT 1 FROM c.s.t LIMIT 3)", &["3"]),
        ("SELECT count(*) FROM c.s.t", &["4"]),
        ("SELECT count(*) FROM c.s.t a JOIN c.s.t b ON a.n = NULL", &["0"]),
        ("SELECT region, sum(n) FROM c.s.t GROUP BY region ORDER BY region", &["NULL|4", "AMER|3", "EMEA|3"]),
    ] {
        assert_eq!(workspace.ask(&workspace.ada, query).await.unwrap(), rows, "{query}");
    }
}
