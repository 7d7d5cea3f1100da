//! The warehouse, asked with the credentials that brickyard hands to an agent: the endpoint's own token reaches what
//! was declared, as nobody's colleague; the caller's narrowed token opens the APIs that its scopes name.

use brickyard_testkit::{Kit, Reply};
use serde_json::{Value, json};

use crate::hostile::upstream::Agent;

const STATEMENTS: &str = "/api/2.0/sql/statements";
const WAREHOUSES: &str = "/api/2.0/sql/warehouses";
const ANA: &str = "ana@example.com";

const SALES: &str = "
CREATE CATALOG main;
CREATE SCHEMA main.sales;
USE main.sales;
CREATE TABLE orders AS SELECT 7 AS id;
CREATE TABLE refunds AS SELECT 8 AS id;
CREATE FUNCTION twice(x INT) RETURNS INT RETURN x * 2;
CREATE FUNCTION thrice(x INT) RETURNS INT RETURN x * 3;
-- All that follows reaches people; a hidden service principal is no account user.
GRANT USE CATALOG, USE SCHEMA, SELECT, EXECUTE ON CATALOG main TO `account users`;
";

/// An agent that somebody runs over HTTP, behind an endpoint with these policies.
fn endpoint(name: &str, agent: &Agent, system: &str, user: &str) -> String {
    format!(
        "  - name: {name}\n    creator: carol@example.com\n    config:\n      served_entities:\n        - url: {}\n          \
         auth_policy: {{system_auth_policy: {{{system}}}, user_auth_policy: {{{user}}}}}\n    \
         permissions: [{{user_name: {ANA}, permission_level: CAN_QUERY}}]\n",
        agent.url
    )
}

async fn workspace(endpoints: &str) -> Kit {
    let yaml = format!(
        "workspace: {{admins: [admin@example.com]}}\n\
         users: [{{user_name: {ANA}}}, {{user_name: carol@example.com}}]\n\
         sql_warehouses:\n  \
         - {{id: demo, permissions: [{{group_name: users, permission_level: CAN_USE}}]}}\n  \
         - {{id: closed, permissions: [{{user_name: carol@example.com, permission_level: CAN_USE}}]}}\n\
         serving_endpoints:\n{endpoints}"
    );
    Kit::builder(&yaml).sql(SALES).start().await
}

/// What the agent was handed in a header when Ana asked the endpoint.
async fn handed(kit: &Kit, agent: &Agent, endpoint: &str, header: &str) -> String {
    let reply = kit.invoke(endpoint, &kit.token(ANA), &json!({})).await;
    assert_eq!(reply.status, 200, "{endpoint}: {}", reply.text);
    agent.last().one(header).to_owned()
}

async fn ask(kit: &Kit, token: &str, warehouse: &str, statement: &str) -> Reply {
    kit.post(STATEMENTS, token, &json!({"statement": statement, "warehouse_id": warehouse})).await
}

#[tokio::test]
async fn an_agents_own_token_runs_statements_on_what_it_declared_and_on_nothing_else() {
    let agent = Agent::start().await;
    let resources = "resources: {api_version: '1', databricks: {sql_warehouse: [{name: demo}], table: [{name: main.sales.orders}], \
                     function: [{name: main.sales.twice}]}}";
    let kit = workspace(&endpoint("seller", &agent, resources, "")).await;
    let token = handed(&kit, &agent, "seller", "x-brickyard-passthrough-token").await;
    for (statement, rows) in [
        ("SELECT id, main.sales.twice(id) FROM main.sales.orders", json!([["7", "14"]])),
        ("SELECT is_member('users'), is_account_group_member('account users')", json!([["true", "false"]])),
        (
            "SELECT is_account_group_member('users'), current_user() = session_user()",
            json!([["false", "true"]]),
        ),
    ] {
        let answer = ask(&kit, &token, "demo", statement).await.json();
        assert_eq!(answer["result"]["data_array"], rows, "{statement}: {answer}");
    }
    for (statement, refusal) in [
        ("SELECT id FROM main.sales.refunds", "SELECT on Table 'main.sales.refunds'"),
        ("SELECT main.sales.thrice(1)", "EXECUTE on Routine or Model 'main.sales.thrice'"),
        ("INSERT INTO main.sales.orders VALUES (9)", "MODIFY on Table 'main.sales.orders'"),
    ] {
        let answer = ask(&kit, &token, "demo", statement).await.json();
        let message = format!(
            "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have {refusal}. SQLSTATE: 42501"
        );
        assert_eq!(
            answer["status"],
            json!({
                "state": "FAILED",
                "error": {"error_code": "BAD_REQUEST", "message": message},
                "sql_state": "42501",
            }),
            "{statement}"
        );
    }
    // Its creator may use the other warehouse; by whom it is called does not matter either.
    let me = kit.get("/api/2.0/preview/scim/v2/Me", &token).await.json();
    let name = me["userName"].as_str().expect("a name");
    assert_eq!(
        ask(&kit, &token, "closed", "SELECT 1").await.refusal(),
        format!(
            "403 \"PERMISSION_DENIED\" {name} is not authorized to use this SQL Endpoint. Please contact your administrator."
        )
    );
    // What Ana may, she still may.
    let anas = ask(&kit, &kit.token(ANA), "demo", "SELECT id FROM main.sales.refunds").await.json();
    assert_eq!(anas["result"]["data_array"], json!([["8"]]));
}

/// A user's token is cut to the scopes that its agent declared. Which opens what, and the refusal word for word.
#[tokio::test]
async fn a_users_token_opens_the_sql_apis_that_the_agents_scopes_name() {
    let agent = Agent::start().await;
    let kinds = [
        ("statements", "sql.statement-execution"),
        ("warehouses", "sql.warehouses"),
        ("both", "sql.statement-execution, sql.warehouses"),
        ("coarse", "sql"),
        ("neither", "dashboards.genie"),
    ];
    let endpoints: String = (kinds.iter())
        .map(|(name, scopes)| endpoint(name, &agent, "", &format!("api_scopes: [{scopes}]")))
        .collect();
    let kit = workspace(&endpoints).await;
    let scopeless = |reply: &Reply| {
        let id = reply.request_id();
        assert_eq!(
            reply.json(),
            json!({
                "error_code": 403,
                "message": format!("Provided OAuth token does not have required scopes: sql [ReqId: {id}]"),
            })
        );
        assert!(!id.is_empty(), "{}", reply.text);
    };
    for (name, statement, list) in [
        ("statements", 200, 403),
        ("warehouses", 403, 200),
        ("both", 200, 200),
        ("coarse", 200, 200),
        ("neither", 403, 403),
    ] {
        let token = handed(&kit, &agent, name, "x-forwarded-access-token").await;
        let ran = ask(&kit, &token, "demo", "SELECT current_user()").await;
        assert_eq!(ran.status, statement, "{name}: {}", ran.text);
        match statement {
            200 => assert_eq!(ran.json()["result"]["data_array"], json!([[ANA]]), "it is Ana who asks"),
            _ => scopeless(&ran),
        }
        let listed = kit.get(WAREHOUSES, &token).await;
        assert_eq!(listed.status, list, "{name}: {}", listed.text);
        match list {
            200 => {
                let ids: Vec<Value> = (listed.json()["warehouses"].as_array().expect("a list").iter())
                    .map(|one| one["id"].clone())
                    .collect();
                assert_eq!(ids, ["demo"], "what Ana may see");
            }
            _ => scopeless(&listed),
        }
    }
}
