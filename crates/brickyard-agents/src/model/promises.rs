//! What the `MLmodel` reader promises, on folders that a test writes.

use tempfile::TempDir;

use super::*;

const MINIMAL: &str = "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.loaders.code_model\n";

fn folder(mlmodel: &str) -> TempDir {
    let dir = TempDir::new().expect("a folder");
    fs::write(dir.path().join(MLMODEL), mlmodel).expect("written");
    dir
}

fn refusal(mlmodel: &str) -> String {
    let dir = folder(mlmodel);
    let error = LoggedModel::read(dir.path()).expect_err(mlmodel);
    error.to_string().replace(&dir.path().display().to_string(), "DIR")
}

#[test]
fn a_responses_agent_as_mlflow_writes_it() {
    let dir = folder(
        "auth_policy:
  system_auth_policy:
    resources:
      api_version: '1'
      databricks:
        serving_endpoint:
        - name: databricks-claude-sonnet-4
        table:
        - name: cat.sch.tbl
        uc_model_service:
        - name: cat.sch.svc
  user_auth_policy:
    api_scopes: [sql.warehouses, sql.warehouses, dashboards.genie]
env_vars: [OPENAI_API_KEY]
flavors:
  python_function:
    code: null
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.pyfunc.loaders.code_model
    model_code_path: /home/dev/agents/agent_resp.py
    python_version: 3.11.7
    streamable: true
metadata: {k: v, task: agent/v1/responses}
mlflow_version: 3.17.2
model_id: m-1
prompts: null
signature: {inputs: '[]', outputs: '[]', params: null}
",
    );
    fs::write(dir.path().join("agent_resp.py"), "").expect("written");
    fs::write(dir.path().join("requirements.txt"), "# comment\nmlflow==3.17.2\n\ndatabricks-sdk\n")
        .expect("written");
    let model = LoggedModel::read(dir.path()).expect("a model");
    assert_eq!(model.task.as_deref(), Some("agent/v1/responses"));
    assert_eq!(model.code, Some(dir.path().join("agent_resp.py")));
    assert_eq!(model.python_version.as_deref(), Some("3.11.7"));
    assert_eq!(model.requirements, ["mlflow==3.17.2", "databricks-sdk"]);
    assert_eq!(model.env_vars, ["OPENAI_API_KEY"]);
    assert!(model.streamable && model.has_signature);
    assert_eq!(model.auth_policy.api_scopes, ["sql.warehouses", "dashboards.genie"]);
    assert!(model.auth_policy.user_auth);
    let names: Vec<String> =
        model.auth_policy.resources.iter().map(|resource| resource.kind.python(&resource.name)).collect();
    assert_eq!(
        names,
        [
            r#"DatabricksServingEndpoint(endpoint_name="databricks-claude-sonnet-4")"#,
            r#"DatabricksTable(table_name="cat.sch.tbl")"#,
            r#"DatabricksUCModelService(model_service_name="cat.sch.svc")"#
        ]
    );
}

#[test]
fn the_older_layout_declares_resources_some_of_them_on_behalf_of_the_user() {
    let dir = folder(&format!(
        "{MINIMAL}resources:\n  api_version: '1'\n  databricks:\n    table:\n    - name: a.b.c\n    - {{name: a.b.d, on_behalf_of_user: true}}\n"
    ));
    let policy = LoggedModel::read(dir.path()).expect("a model").auth_policy;
    assert_eq!(policy.resources.iter().map(|r| r.on_behalf_of_user).collect::<Vec<_>>(), [false, true]);
    assert!(policy.user_auth && policy.api_scopes.is_empty());
}

#[test]
fn a_model_without_a_policy_declares_nothing() {
    let policy = LoggedModel::read(folder(MINIMAL).path()).expect("a model").auth_policy;
    assert_eq!(policy, AuthPolicy::default());
    let empty =
        folder(&format!("{MINIMAL}auth_policy: {{system_auth_policy: {{}}, user_auth_policy: {{}}}}\n"));
    assert_eq!(LoggedModel::read(empty.path()).expect("a model").auth_policy, AuthPolicy::default());
}

#[test]
fn every_refusal_names_the_file_the_key_and_the_reason() {
    let with = |text: &str| format!("{MINIMAL}{text}");
    let table = [
        ("- a", "DIR/MLmodel: a mapping is needed at the top"),
        ("flavors: {sklearn: {}}", "DIR/MLmodel: flavors.python_function: missing"),
        ("flavors: {python_function: {}}", "DIR/MLmodel: flavors.python_function.loader_module: missing"),
        (&with("    streamable: maybe\n"), "DIR/MLmodel: flavors.python_function.streamable: true or false"),
        (
            &with("    model_code_path: /a/..\n"),
            "DIR/MLmodel: flavors.python_function.model_code_path: \"/a/..\" does not",
        ),
        (
            &with("    model_code_path: /a/b.py\n"),
            "DIR/MLmodel: flavors.python_function.model_code_path: the file \"b.py\"",
        ),
        (
            &with("resources: {api_version: '2', databricks: {}}\n"),
            "DIR/MLmodel: resources: api_version: \"2\" is not known",
        ),
        (&with("resources: {databricks: {}}\n"), "DIR/MLmodel: resources: api_version: missing"),
        (
            &with("resources: {api_version: '1', databricks: {cluster: [{name: x}]}}\n"),
            "DIR/MLmodel: resources: databricks.cluster: no such resource type",
        ),
        (
            &with("resources: {api_version: '1', databricks: {table: [{name: x, id: 1}]}}\n"),
            "DIR/MLmodel: resources: databricks.table[0]: unknown field `id`",
        ),
        (
            &with("auth_policy: {user_auth_policy: {scopes: [sql]}}\n"),
            "DIR/MLmodel: auth_policy: user_auth_policy: unknown field `scopes`",
        ),
        (
            &with("auth_policy: {}\nresources: {api_version: '1'}\n"),
            "DIR/MLmodel: resources: given beside auth_policy",
        ),
    ];
    for (mlmodel, start) in table {
        let text = refusal(mlmodel);
        assert!(text.starts_with(start), "{text}");
    }
    let empty = TempDir::new().expect("a folder");
    assert!(
        LoggedModel::read(empty.path())
            .expect_err("nothing there")
            .to_string()
            .contains("MLmodel: not found")
    );
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_the_model() {
    let outside = TempDir::new().expect("a folder");
    fs::write(outside.path().join("secret.py"), "").expect("written");
    for name in ["agent.py", "requirements.txt"] {
        let dir = folder(&format!("{MINIMAL}    model_code_path: /x/agent.py\n"));
        if name != "agent.py" {
            fs::write(dir.path().join("agent.py"), "").expect("written");
        }
        std::os::unix::fs::symlink(outside.path().join("secret.py"), dir.path().join(name)).expect("linked");
        let text = LoggedModel::read(dir.path()).expect_err(name).to_string();
        assert!(text.contains(name) && text.contains("outside the model's folder"), "{text}");
    }
}

#[test]
fn a_yaml_bomb_and_a_huge_file_are_refused() {
    let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..9 {
        let (own, below) = (char::from(b'a' + level), char::from(b'a' + level - 1));
        bomb.push_str(&format!("{own}: &{own} [*{below},*{below},*{below},*{below},*{below},*{below},*{below},*{below},*{below}]\n"));
    }
    assert!(refusal(&bomb).contains("MLmodel: not valid YAML"));
    assert!(refusal(&" ".repeat(5 << 20)).contains("is larger than"));
}
