//! What `databricks.agents.deploy` asks, in its order, without its Python: the model's files, the endpoint with an
//! inference table, and the record of the deployment.

use brickyard_testkit::Kit;
use serde_json::{Value, json};

use super::{ANA, CAROL, ENDPOINTS, WORKSPACE};
use crate::agents::{Logged, tells};

const MODEL: &str = "main.agents.one";
const DEPLOYMENTS: &str = "/api/2.0/agents/deployments";

async fn start(models: &Logged, more: &str) -> Kit {
    let workspace = WORKSPACE.replace("workspace: {", &format!("workspace: {{{more}"));
    let folder = models.path().display();
    let yaml = format!(
        "{workspace}\nregistered_models: [{{name: {MODEL}, versions: [{{version: \"1\", source: {folder}/agent}}]}}]"
    );
    let grants = "CREATE CATALOG main; CREATE SCHEMA main.agents;
        GRANT USE CATALOG ON CATALOG main TO `account users`;
        GRANT USE SCHEMA, EXECUTE ON SCHEMA main.agents TO `carol@example.com`;";
    Kit::builder(&yaml).sql(grants).start().await
}

#[tokio::test]
async fn a_registered_models_files_are_read_by_those_who_may_execute_it() {
    let models = Logged::new();
    models.responses_agent("agent", "print()", "");
    let kit = start(&models, "").await;
    let carol = kit.token(CAROL);
    let flag = "/api/2.0/mlflow/unity-catalog/registered-models:is-databricks-sdk-models-artifact-repository-enabled";
    let flag = kit.get(flag, &carol).await.json();
    assert_eq!(flag, json!({"is_databricks_sdk_models_artifact_repository_enabled": true}));
    let folder = "/api/2.0/fs/directories/Models/main/agents/one/1";
    let listed = kit.get(folder, &carol).await.json();
    let names: Vec<_> =
        listed["contents"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["MLmodel", "agent.py", "requirements.txt"]);
    assert_eq!(listed["contents"][1]["path"], "/Models/main/agents/one/1/agent.py");
    assert_eq!(
        (&listed["contents"][1]["file_size"], &listed["contents"][1]["is_directory"]),
        (&json!(7), &json!(false))
    );
    let file = "/api/2.0/fs/files/Models/main/agents/one/1";
    assert_eq!(kit.get(&format!("{file}/agent.py"), &carol).await.text, "print()");
    for (path, status) in [
        (format!("{folder}/agent.py"), 404),
        (file.to_owned(), 404),
        (format!("{file}/nothing"), 404),
        (format!("{file}/%2e%2e/%2e%2e/etc/passwd"), 404),
        ("/api/2.0/fs/files/Models/main/agents/one/2/agent.py".to_owned(), 404),
        ("/api/2.0/fs/files/Models/main/agents".to_owned(), 404),
        ("/api/2.0/fs/files/Volumes/main/agents/one".to_owned(), 501),
    ] {
        assert_eq!(kit.get(&path, &carol).await.status, status, "{path}");
    }
    let lineage = "/api/2.0/mlflow/unity-catalog/model-versions/emit-lineage";
    let read =
        json!({"name": MODEL, "version": "1", "model_version_lineage_info": {"direction": "DOWNSTREAM"}});
    assert_eq!(kit.post(lineage, &carol, &read).await.status, 200);
    for reply in [
        kit.get(&format!("{file}/agent.py"), &kit.token(ANA)).await,
        kit.post(lineage, &kit.token(ANA), &read).await,
    ] {
        assert_eq!(
            reply.refusal(),
            "403 \"PERMISSION_DENIED\" User does not have USE SCHEMA on Schema 'main.agents'."
        );
        tells(
            &kit.explain(reply.request_id()),
            &["fix: GRANT USE SCHEMA ON SCHEMA main.agents TO `ana@example.com`"],
        );
    }
    kit.stop().await;
}

#[tokio::test]
async fn an_endpoint_is_made_without_its_inference_table_only_if_the_workspace_says_so() {
    let models = Logged::new();
    models.responses_agent("agent", "", "");
    let body = json!({
        "name": "agents_main-agents-one",
        "config": {"served_entities": [{
            "name": "main-agents-one_1", "entity_name": MODEL, "entity_version": "1", "workload_size": "Small",
            "scale_to_zero_enabled": false, "environment_vars": {"ENABLE_MLFLOW_TRACING": "true"}, "python": "/nonexistent/python",
        }]},
        "ai_gateway": {"inference_table_config": {"enabled": true, "catalog_name": "main", "schema_name": "agents", "table_name_prefix": "one"}},
    });
    let kit = start(&models, "").await;
    let refused = kit.post(ENDPOINTS, &kit.token(CAROL), &body).await;
    tells(
        &refused.refusal(),
        &[
            "501 \"NOT_IMPLEMENTED\" ai_gateway.inference_table_config",
            "workspace.refuse_inference_tables: false",
        ],
    );
    kit.stop().await;

    let kit = start(&models, "refuse_inference_tables: false, ").await;
    let carol = kit.token(CAROL);
    let made = kit.post(ENDPOINTS, &carol, &body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(made.json().get("ai_gateway"), None, "nothing is shown that is not there");
    let deployed = |version: Value, entity: &str| {
        json!({
            "model_name": MODEL, "model_version": version, "endpoint_name": "agents_main-agents-one",
            "served_entity_name": entity, "query_endpoint": "", "workspace_url": kit.url,
        })
    };
    let wrong = kit.post(DEPLOYMENTS, &carol, &deployed(json!(2), "main-agents-one_1")).await;
    assert_eq!(
        wrong.refusal(),
        "400 \"INVALID_STATE\" Endpoint 'agents_main-agents-one' does not serve version 2 of model main.agents.one as 'main-agents-one_1'."
    );
    let chain = kit.post(DEPLOYMENTS, &carol, &deployed(json!(1), "main-agents-one_1")).await.json();
    assert_eq!(chain["deployed_chain"]["endpoint_name"], "agents_main-agents-one", "{chain}");
    let listed = |reply: Value| reply["chain_deployments"].as_array().map_or(0, Vec::len);
    for (path, count) in [
        (DEPLOYMENTS.to_owned(), 1),
        (format!("{DEPLOYMENTS}/{MODEL}"), 1),
        (format!("{DEPLOYMENTS}/{MODEL}/versions/1"), 1),
        (format!("{DEPLOYMENTS}/{MODEL}/versions/2"), 0),
    ] {
        assert_eq!(listed(kit.get(&path, &carol).await.json()), count, "{path}");
        // Whoever may not see the endpoint sees no deployment either.
        assert_eq!(listed(kit.get(&path, &kit.token(ANA)).await.json()), 0, "{path}");
    }
    let one = format!("{DEPLOYMENTS}/{MODEL}");
    tells(&kit.delete(&one, &carol).await.refusal(), &["400 \"INVALID_STATE\"", "still serves version 1"]);
    assert_eq!(kit.delete(&format!("{ENDPOINTS}/agents_main-agents-one"), &carol).await.status, 200);
    assert_eq!(kit.delete(&one, &carol).await.json(), json!({}));
    kit.stop().await;
}
