//! What there is, told to whoever may know.

use super::workspace::Workspace;

async fn workspace() -> Workspace {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE TABLE main.sales.hidden_plans (a INT);
         CREATE TABLE main.private.salaries (name STRING, salary DECIMAL(10,2));
         CREATE FUNCTION main.sales.twice(x INT DEFAULT 1) RETURNS INT RETURN x * 2;
         GRANT EXECUTE ON FUNCTION main.sales.twice TO `bob@x`;
         CREATE VIEW main.sales.big AS SELECT id, amount FROM main.sales.orders WHERE amount > 20;
         CREATE CATALOG other; CREATE SCHEMA other.s; CREATE TABLE other.s.t (b BOOLEAN)",
    )
    .await;
    w
}

const OWN: &str = "SELECT table_schema, table_name, table_type FROM main.information_schema.tables \
                   WHERE table_schema <> 'information_schema'";

#[tokio::test]
async fn a_table_that_somebody_may_not_see_is_in_no_row() {
    let w = workspace().await;
    assert_eq!(w.sorted(&w.ana, OWN).await, ["sales|orders|MANAGED"]);
    assert_eq!(
        w.sorted(&w.ada, OWN).await,
        ["private|salaries|MANAGED", "sales|big|VIEW", "sales|hidden_plans|MANAGED", "sales|orders|MANAGED"]
    );
    let columns = "SELECT DISTINCT table_name FROM main.information_schema.columns WHERE table_schema <> 'information_schema'";
    assert_eq!(w.sorted(&w.ana, columns).await, ["orders"]);
    let schemata = "SELECT schema_name FROM main.information_schema.schemata";
    assert_eq!(w.sorted(&w.ana, schemata).await, ["information_schema", "sales"]);
    let everywhere = "SELECT catalog_name FROM system.information_schema.catalogs";
    assert_eq!(w.sorted(&w.ana, everywhere).await, ["main"]);
    assert_eq!(w.sorted(&w.ada, everywhere).await, ["main", "other"]);
    let counted = "SELECT count(*) FROM system.information_schema.tables WHERE table_catalog = 'other'";
    assert_eq!(w.sorted(&w.ana, counted).await, ["0"]);
    let refused = w.ask(&w.ana, "SELECT * FROM other.information_schema.tables").await.unwrap_err();
    assert!(refused.contains("USE CATALOG on Catalog 'other'"), "{refused}");
}

#[tokio::test]
async fn a_new_grant_shows_its_table_to_the_next_statement() {
    let w = workspace().await;
    assert_eq!(w.sorted(&w.ana, OWN).await.len(), 1);
    w.set_up("GRANT SELECT ON TABLE main.sales.hidden_plans TO `ana@x`").await;
    assert_eq!(w.sorted(&w.ana, OWN).await.len(), 2);
    w.set_up("REVOKE SELECT ON TABLE main.sales.hidden_plans FROM `ana@x`").await;
    assert_eq!(w.sorted(&w.ana, OWN).await.len(), 1);
}

#[tokio::test]
async fn columns_say_their_place_and_type_in_any_letter_case() {
    let w = workspace().await;
    let asked = "SELECT Column_Name, ORDINAL_POSITION, is_nullable, full_data_type, data_type, numeric_precision, numeric_scale \
                 FROM MAIN.Information_Schema.COLUMNS WHERE table_name = 'salaries' ORDER BY ordinal_position";
    assert_eq!(
        w.ask(&w.ada, asked).await.unwrap(),
        ["name|1|YES|string|STRING|NULL|NULL", "salary|2|YES|decimal(10,2)|DECIMAL|10|2"]
    );
    let joined = "SELECT t.table_type, count(*) FROM main.information_schema.tables t JOIN main.information_schema.columns c \
                  USING (table_catalog, table_schema, table_name) WHERE t.table_name = 'orders' GROUP BY t.table_type";
    assert_eq!(w.ask(&w.ana, joined).await.unwrap(), ["MANAGED|4"]);
}

#[tokio::test]
async fn a_view_over_it_shows_its_reader_the_readers_rows() {
    let w = workspace().await;
    w.set_up(
        "CREATE VIEW main.sales.what_is_here AS SELECT table_name FROM main.information_schema.tables WHERE table_schema <> 'information_schema';
         GRANT SELECT ON TABLE main.sales.what_is_here TO `account users`",
    )
    .await;
    assert_eq!(w.sorted(&w.ana, "SELECT * FROM main.sales.what_is_here").await, ["orders", "what_is_here"]);
    assert_eq!(w.sorted(&w.ada, "SELECT * FROM main.sales.what_is_here").await.len(), 5);
}

#[tokio::test]
async fn functions_parameters_views_and_policies_are_described() {
    let w = workspace().await;
    let routines = "SELECT routine_name, data_type, routine_body, routine_definition FROM main.information_schema.routines";
    assert_eq!(w.sorted(&w.bob, routines).await, ["twice|INT|SQL|NULL"], "the text is the owner's");
    assert_eq!(w.sorted(&w.ada, routines).await.len(), 3);
    let parameters = "SELECT parameter_name, ordinal_position, parameter_mode, full_data_type, parameter_default \
                      FROM main.information_schema.parameters WHERE specific_name = 'twice'";
    assert_eq!(w.sorted(&w.bob, parameters).await, ["x|1|IN|int|1"]);
    assert!(w.sorted(&w.ana, parameters).await.is_empty());
    let views = "SELECT table_name, view_definition FROM main.information_schema.views";
    assert_eq!(
        w.sorted(&w.ada, views).await,
        ["big|SELECT id, amount FROM main.sales.orders WHERE amount > 20"]
    );
    let filters = "SELECT table_name, filter_schema, filter_name, filter_col_usage FROM main.information_schema.row_filters";
    assert_eq!(w.sorted(&w.ana, filters).await, ["orders|sales|sees|region"]);
    let masks = "SELECT column_name, mask_name, mask_col_usage FROM main.information_schema.column_masks";
    assert_eq!(w.sorted(&w.ana, masks).await, ["email|hidden|NULL"]);
}

#[tokio::test]
async fn privileges_are_everybodys_for_who_manages_and_ones_own_otherwise() {
    let w = workspace().await;
    w.set_up(
        "GRANT SELECT ON TABLE main.sales.orders TO analysts; GRANT MODIFY ON SCHEMA main.sales TO `bob@x`",
    )
    .await;
    let asked = "SELECT grantee, privilege_type, inherited_from, is_grantable FROM main.information_schema.table_privileges \
                 WHERE table_name = 'orders'";
    assert_eq!(w.sorted(&w.ana, asked).await, ["account users|SELECT|NONE|NO"]);
    assert_eq!(
        w.sorted(&w.ada, asked).await,
        ["account users|SELECT|NONE|NO", "analysts|SELECT|NONE|NO", "bob@x|MODIFY|SCHEMA|NO"]
    );
    let catalog = "SELECT grantee, privilege_type FROM main.information_schema.catalog_privileges";
    assert_eq!(w.sorted(&w.ana, catalog).await, ["account users|USE_CATALOG"]);
    let routine =
        "SELECT grantee, routine_name, privilege_type FROM main.information_schema.routine_privileges";
    assert_eq!(w.sorted(&w.bob, routine).await, ["bob@x|twice|EXECUTE"]);
    let schema = "SELECT grantee, privilege_type FROM main.information_schema.schema_privileges WHERE schema_name = 'sales'";
    assert_eq!(w.sorted(&w.ana, schema).await, ["account users|USE_SCHEMA"]);
}

#[tokio::test]
async fn every_relation_can_be_read_and_described() {
    let w = workspace().await;
    for relation in w.sorted(&w.ana, "SHOW TABLES IN main.information_schema").await {
        let name = relation.split('|').nth(1).unwrap().to_owned();
        for catalog in ["main", "system"] {
            for who in [&w.ada, &w.ana] {
                w.sorted(who, &format!("SELECT * FROM {catalog}.information_schema.{name}")).await;
            }
        }
        assert!(!w.sorted(&w.ana, &format!("DESCRIBE main.information_schema.{name}")).await.is_empty());
        assert!(
            !w.sorted(&w.ana, &format!("SHOW COLUMNS IN main.information_schema.{name}")).await.is_empty()
        );
    }
    assert_eq!(w.ask(&w.ana, "SHOW SCHEMAS IN main LIKE 'inf*'").await.unwrap(), ["information_schema"]);
    let missing = w.ask(&w.ana, "SELECT * FROM main.information_schema.nothing").await.unwrap_err();
    assert!(missing.starts_with("[TABLE_OR_VIEW_NOT_FOUND]"), "{missing}");
    let not_here = w.ask(&w.ana, "SELECT * FROM main.information_schema.volumes").await.unwrap_err();
    assert!(not_here.contains("does not support information_schema.volumes"), "{not_here}");
}

#[tokio::test]
async fn nothing_in_it_can_be_made_changed_or_granted_not_even_by_an_admin() {
    let w = workspace().await;
    for statement in [
        "INSERT INTO main.information_schema.catalogs (catalog_name) VALUES ('x')",
        "UPDATE main.information_schema.tables SET table_name = 'x'",
        "DELETE FROM main.information_schema.tables",
        "TRUNCATE TABLE main.information_schema.tables",
        "DROP TABLE IF EXISTS main.information_schema.tables",
        "DROP VIEW main.information_schema.tables",
        "DROP SCHEMA main.information_schema CASCADE",
        "DROP SCHEMA IF EXISTS system.information_schema",
        "CREATE SCHEMA IF NOT EXISTS main.Information_Schema",
        "CREATE TABLE main.information_schema.mine (a INT)",
        "CREATE OR REPLACE VIEW main.INFORMATION_SCHEMA.tables AS SELECT 1 AS a",
        "CREATE FUNCTION main.information_schema.f() RETURNS INT RETURN 1",
        "ALTER TABLE main.information_schema.tables SET OWNER TO `ana@x`",
        "GRANT SELECT ON TABLE main.information_schema.tables TO `ana@x`",
        "GRANT USE SCHEMA ON SCHEMA main.information_schema TO `ana@x`",
    ] {
        let refused = w.ask(&w.ada, statement).await.unwrap_err();
        assert!(refused.contains("read it with SELECT"), "{statement}: {refused}");
    }
}
