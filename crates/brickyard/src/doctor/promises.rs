//! What the doctor promises, on small logged models that a test writes.

use std::fs;

use brickyard_ledger::Method;
use tempfile::TempDir;

use super::*;
use crate::config::{NoEnvironment, from_text};

const FLAVOR: &str = "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.loaders.code_model\n    model_code_path: /home/dev/agent.py\nmlflow_version: 3.17.2\n";

/// A user policy with these scopes, and these system resources.
fn policy(resources: &str, scopes: &str) -> String {
    format!(
        "auth_policy:\n  system_auth_policy:\n    resources: {{api_version: '1', databricks: {{{resources}}}}}\n  user_auth_policy: {{api_scopes: [{scopes}]}}\n"
    )
}

/// The older layout.
fn resources(resources: &str) -> String {
    format!("resources: {{api_version: '1', databricks: {{{resources}}}}}\n")
}

fn folder(mlmodel: &str, code: &str, requirements: &str) -> TempDir {
    let dir = TempDir::new().expect("a folder");
    for (name, text) in [
        ("MLmodel", format!("{FLAVOR}{mlmodel}")),
        ("agent.py", code.to_owned()),
        ("requirements.txt", requirements.to_owned()),
    ] {
        fs::write(dir.path().join(name), text).expect("written");
    }
    dir
}

fn judged(mlmodel: &str, code: &str, requirements: &str) -> Report {
    judge(folder(mlmodel, code, requirements).path(), None).expect("a model")
}

fn rules(report: &Report, weight: Weight) -> Vec<String> {
    let of = report.findings.iter().filter(|finding| finding.weight == weight);
    of.map(|finding| format!("{} {}", finding.place, finding.rule)).collect()
}

const USERS: &str = "from databricks.sdk import WorkspaceClient\nfrom databricks_ai_bridge import ModelServingUserCredentials\n";
const IN_PREDICT: &str = "class Agent:\n    def predict(self, q):\n        return WorkspaceClient(\n            credentials_strategy=ModelServingUserCredentials(),\n        )\n";

#[test]
fn an_agent_that_declares_what_it_uses_is_not_refused() {
    let mlmodel = policy(
        "serving_endpoint: [{name: travel-model}]",
        "serving.serving-endpoints, 'iam.current-user:read'",
    );
    let code = format!("{USERS}{IN_PREDICT}    def other(self):\n        return WorkspaceClient()\n");
    let report = judged(&mlmodel, &code, "mlflow==3.17.2\n");
    assert!(!report.will_be_refused() && report.findings.is_empty(), "{report}");
    let text = report.to_string();
    for line in [
        "supports passthrough?               yes",
        "applies: passthrough; used: passthrough, on_behalf_of_user",
        "verdict: nothing will be refused",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn each_resource_gets_the_method_that_the_documented_flow_ends_at() {
    use Method::{Manual, OnBehalfOfUser, Passthrough};
    let table: [(String, Method, &[Method], &[&str]); 6] = [
        (resources("serving_endpoint: [{name: a}]"), Passthrough, &[Passthrough], &[]),
        (
            resources("serving_endpoint: [{name: a, on_behalf_of_user: true}]"),
            OnBehalfOfUser,
            &[],
            &["scope-not-declared"],
        ),
        (
            policy("serving_endpoint: [{name: a}]", "serving.serving-endpoints"),
            Passthrough,
            &[Passthrough, OnBehalfOfUser],
            &[],
        ),
        (policy("lakebase: [{name: memory}]", "sql"), Passthrough, &[Passthrough], &["not-here-yet"]),
        (
            resources("lakebase: [{name: memory, on_behalf_of_user: true}]"),
            Manual,
            &[],
            &["not-here-yet", "not-on-behalf-of-user"],
        ),
        (
            resources("serving_endpoint: [{name: 'https://x/y'}]"),
            Passthrough,
            &[Passthrough],
            &["no-such-name"],
        ),
    ];
    for (mlmodel, applies, used, refusals) in table {
        let report = judged(&mlmodel, "", "");
        let verdict = &report.resources[0];
        assert_eq!((verdict.applies, &verdict.used[..]), (applies, used), "{mlmodel}");
        let found: Vec<&str> = report
            .findings
            .iter()
            .filter(|f| f.weight == Weight::Refused)
            .map(|finding| finding.rule)
            .collect();
        assert_eq!(found, refusals, "{mlmodel}");
        assert_eq!(verdict.refused, !refusals.is_empty());
    }
}

#[test]
fn every_type_of_a_responses_agent_is_walked_and_what_is_not_here_is_refused_by_name() {
    let mlmodel = policy(
        "app: [{name: app1}], function: [{name: cat.sch.fn}], genie_space: [{name: 01ef}], lakebase: [{name: lb1}], \
         serving_endpoint: [{name: databricks-claude-sonnet-4}], sql_warehouse: [{name: wh123}], table: [{name: cat.sch.tbl}], \
         uc_connection: [{name: conn1}], uc_model_service: [{name: cat.sch.svc}], vector_search_index: [{name: cat.sch.idx}]",
        "serving.serving-endpoints, vectorsearch.vector-search-endpoints, vectorsearch.vector-search-indexes, sql.warehouses, \
         sql.statement-execution, dashboards.genie, catalog.connections",
    );
    let report = judged(&mlmodel, "", "");
    assert_eq!(report.resources.len(), 10);
    let refused: Vec<&str> = report
        .findings
        .iter()
        .filter(|finding| finding.rule == "not-here-yet" && finding.weight == Weight::Refused)
        .map(|finding| &*finding.place)
        .collect();
    assert_eq!(refused.len(), 5, "{refused:?}");
    for here in [
        "serving_endpoint databricks-claude-sonnet-4",
        "sql_warehouse wh123",
        "table cat.sch.tbl",
        "function cat.sch.fn",
        "uc_connection conn1",
    ] {
        assert!(!refused.contains(&here), "{here}");
    }
}

#[test]
fn an_index_without_its_embedding_endpoint_is_pointed_at() {
    let report = judged(&resources("vector_search_index: [{name: a.b.c}], genie_space: [{name: x}]"), "", "");
    assert_eq!(
        rules(&report, Weight::Hint),
        ["vector_search_index a.b.c transitive-dependency", "genie_space x transitive-dependency"]
    );
    let report =
        judged(&resources("vector_search_index: [{name: a.b.c}], serving_endpoint: [{name: gte}]"), "", "");
    assert!(rules(&report, Weight::Hint).is_empty(), "{report}");
}

#[test]
fn a_scope_off_the_list_is_refused_with_what_to_write_instead() {
    let report = judged(&policy("", "files, ai-search, genie, serving.serving-endpoints"), "", "");
    let text = report.to_string();
    for (rule, fix) in [
        ("scope-not-allowed", "files: volumes and files cannot be reached on behalf of the user"),
        ("scope-not-allowed", "ai-search: write vector-search and mcp.vectorsearch"),
        ("scope-spelling", "genie: write dashboards.genie"),
    ] {
        assert!(
            report.findings.iter().any(|finding| finding.rule == rule && finding.fix.starts_with(fix)),
            "{fix}: {text}"
        );
    }
    assert_eq!(report.count(Weight::Refused), 2, "{text}");
}

#[test]
fn an_mlflow_from_before_users_is_refused() {
    let users = policy("", "serving.serving-endpoints");
    for (requirements, refused) in [
        ("mlflow==2.21.3", true),
        ("mlflow>=2.13,<2.22", true),
        ("mlflow==2.22.1", false),
        ("mlflow", false),
        ("databricks-sdk==0.94.0", false),
    ] {
        assert_eq!(judged(&users, "", requirements).will_be_refused(), refused, "{requirements}");
    }
    assert!(!judged("", "", "mlflow==2.13.0").will_be_refused(), "nothing is done for the user");
}

/// Code, and the places and rules of its hints. Every model here declares an endpoint and a user policy.
const HINTS: &[(&str, &[&str])] = &[
    (
        "client = WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\n",
        &["agent.py:1 user-client-too-early"],
    ),
    (
        "class Agent:\n    def __init__(self):\n        self.client = WorkspaceClient(\n            credentials_strategy=ModelServingUserCredentials()\n        )\n",
        &["agent.py:3 user-client-too-early"],
    ),
    (
        "class Agent:\n    def load_context(self, context):\n        if context:\n            self.w = get_user_workspace_client()\n",
        &["agent.py:4 user-client-too-early"],
    ),
    (
        "class Agent:\n    w = WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\n",
        &["agent.py:2 user-client-too-early"],
    ),
    (
        "strategy = ModelServingUserCredentials()\nclass Agent:\n    def __init__(self):\n        self.w = WorkspaceClient(credentials_strategy=strategy)\n",
        &["agent.py:4 user-client-too-early"],
    ),
    (
        "strategy = ModelServingUserCredentials()\ndef predict(q):\n    return WorkspaceClient(credentials_strategy=strategy)\n",
        &[],
    ),
    (
        "class Agent:\n    def predict(self, q):\n        # at import: WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\n        w = WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\n",
        &[],
    ),
    (
        "def predict(q):\n    return WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\nif __name__ == '__main__':\n    w = WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\n",
        &[],
    ),
    (
        "def client():\n    try:\n        return WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\n    except Exception as error:\n        log(error)\n        return WorkspaceClient()\n",
        &["agent.py:6 fail-open"],
    ),
    (
        "def client():\n    try:\n        return WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\n    except:\n        pass\n    return WorkspaceClient()\n",
        &["agent.py:6 fail-open"],
    ),
    (
        "def client():\n    try: w = WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\n    except ValueError: w = WorkspaceClient()\n    return w\n",
        &["agent.py:3 fail-open"],
    ),
    (
        "def client():\n    try:\n        w = WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\n    except Exception:\n        log()\n        raise\n    return w, WorkspaceClient()\n",
        &[],
    ),
    (
        "def client():\n    try:\n        x = 1\n    except Exception:\n        return WorkspaceClient()\n    return WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\n",
        &[],
    ),
    ("w = WorkspaceClient()\n", &["agent.py user-policy-unused"]),
    (
        "from databricks_ai_bridge import (Other, ModelServingUserCredentials)\n",
        &["agent.py user-policy-unused"],
    ),
    (
        "from databricks_ai_bridge import ModelServingUserCredentials as User\nw = WorkspaceClient(credentials_strategy=User())\n",
        &["agent.py:2 user-client-too-early"],
    ),
    (
        "from databricks_ai_bridge import ModelServingUserCredentials as User\ndef client(kind):\n    return WorkspaceClient(credentials_strategy=kind())\ndef predict(q):\n    return client(User), client(kind=User)\n",
        &[],
    ),
    (
        "def predict(q):\n    u = WorkspaceClient(credentials_strategy=ModelServingUserCredentials())\n    return DatabricksVectorSearch(index_name='a.b.other')\n",
        &["agent.py:3 undeclared-resource"],
    ),
];

/// What a user's token reaches here is not said to be missing.
#[test]
fn a_scope_that_opens_something_here_is_not_called_missing() {
    for (scopes, missing) in [
        ("sql.statement-execution, sql.warehouses", false),
        ("catalog.connections", false),
        ("serving.serving-endpoints, 'iam.current-user:read'", false),
        ("dashboards.genie", true),
        ("vectorsearch.vector-search-indexes", true),
    ] {
        let report = judged(&policy("", scopes), "", "");
        let said = report.findings.iter().any(|finding| finding.rule == "not-here-yet");
        assert_eq!(said, missing, "{report}");
    }
}

#[test]
fn the_code_is_read_for_what_goes_wrong_for_people() {
    let mlmodel = policy("serving_endpoint: [{name: guide}]", "serving.serving-endpoints");
    for (code, expected) in HINTS {
        let report = judged(&mlmodel, code, "");
        assert_eq!(rules(&report, Weight::Hint), *expected, "{code}");
        assert!(!report.will_be_refused(), "a hint is no verdict: {code}");
    }
}

#[test]
fn a_forgotten_declaration_is_pointed_at_with_its_line() {
    let code = "llm = ChatDatabricks(endpoint=\"gte\")\ndef predict(q):\n    w = WorkspaceClient()\n    w.serving_endpoints.query('guide', messages=[])\n    w.serving_endpoints.query(name=\"guide\")\n    ChatDatabricks(endpoint='mine', workspace_client=w)\n";
    let report = judged("", code, "");
    assert_eq!(
        rules(&report, Weight::Hint),
        ["agent.py:1 nothing-declared", "agent.py:1 undeclared-resource", "agent.py:4 undeclared-resource"]
    );
    assert!(report.to_string().contains("resources=[DatabricksServingEndpoint(endpoint_name=\"guide\")]"));
    let report = judged(&resources("serving_endpoint: [{name: guide}, {name: gte}]"), code, "");
    assert!(report.findings.is_empty(), "{report}");
    let report = judged(&resources("serving_endpoint: [{name: guide}]"), &format!("{USERS}{IN_PREDICT}"), "");
    assert_eq!(rules(&report, Weight::Hint), ["agent.py:5 user-policy-missing"]);
}

const CONFIG: &str = r#"
workspace: {admins: [admin@example.com]}
users:
  - {user_name: carol@example.com, groups: [authors]}
  - {user_name: dora@example.com}
groups:
  - {display_name: authors}
  - {display_name: everyone-who-writes, members: [authors]}
secret_scopes:
  - {scope: travel, secrets: [{key: k, value: v}], acls: [{principal: carol@example.com, permission: READ}]}
registered_models:
  - {name: main.agents.it, versions: [{version: "1", source: FOLDER}]}
serving_endpoints:
  - name: it
    creator: CREATOR
    config:
      served_entities:
        - {entity_name: main.agents.it, entity_version: "1", environment_vars: {KEY: "{{secrets/travel/k}}"}}
  - name: guide
    creator: admin@example.com
    config: {served_entities: [{url: "http://127.0.0.1:9"}]}
    permissions: [{group_name: everyone-who-writes, permission_level: CAN_QUERY}]
"#;

#[test]
fn with_a_configuration_the_creator_is_held_against_what_the_model_declares() {
    let code = "import os\nos.environ['SET'] = 'x'\nkey, other = os.environ['KEY'], os.environ[\"OTHER\"]\n";
    let mlmodel =
        resources("serving_endpoint: [{name: guide}, {name: nobody}, {name: databricks-gte-large-en}]");
    let dir = folder(&mlmodel, code, "");
    let missing = "endpoint it no-such-endpoint";
    for (creator, expected) in [
        ("admin@example.com", vec![missing]),
        ("carol@example.com", vec![missing]),
        (
            "dora@example.com",
            vec!["endpoint it creator-may-not-query", missing, "endpoint it creator-may-not-read"],
        ),
    ] {
        let text = CONFIG.replace("CREATOR", creator).replace("FOLDER", &dir.path().display().to_string());
        let config = from_text("brickyard.yaml", &text, &NoEnvironment).expect("a configuration");
        let report = judge(dir.path(), Some(&config)).expect("a model");
        assert_eq!(rules(&report, Weight::Refused), expected, "{creator}");
        assert_eq!(report.endpoints.as_deref(), Some(&["it".to_owned()][..]));
        let unset: Vec<&Finding> =
            report.findings.iter().filter(|finding| finding.rule == "variable-not-set").collect();
        assert!(matches!(&unset[..], [one] if one.what.contains("OTHER (line 3)")), "{unset:?}");
    }
}

#[test]
fn a_folder_without_a_model_is_an_error_that_names_the_file() {
    let empty = TempDir::new().expect("a folder");
    let error = judge(empty.path(), None).expect_err("no model");
    assert!(error.to_string().contains("MLmodel: not found"));
}
