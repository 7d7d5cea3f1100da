//! What a configuration promises to the person who writes it.

mod endpoint_mistakes;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use brickyard_types::{EnvironmentValue, SignedDuration};
use proptest::prelude::*;
use tempfile::TempDir;

use self::endpoint_mistakes::{SAY, endpoint};
use super::*;

/// The example of the design's interface page, without what is not built, and with carol in it.
const EXAMPLE: &str = r#"
workspace:
  id: "1234567890123456"
  host: http://localhost:8080
  admins: [admin@example.com]
  tokens: {access_token_ttl: 1h, passthrough_ttl: 1h, signing_algorithm: ES256}
  profile: databricks-2026-08

users:
  - user_name: ana@example.com
    display_name: Ana
    groups: [analysts]
    personal_access_tokens: [{value: dapi0123456789abcdef, scopes: [sql, genie], lifetime: 30m}]
  - user_name: carol@example.com
service_principals:
  - display_name: weather-caller
    application_id: 7f1c2b3a-0000-4000-8000-000000000001
    secrets: [{env: WEATHER_SP_SECRET}]
groups:
  - {display_name: analysts, members: [ana@example.com]}

secret_scopes:
  - scope: travel
    secrets: [{key: weather-token, env: WEATHER_TOKEN}, {key: from-file, file: secret.txt}]
    acls: [{principal: carol@example.com, permission: READ}]

sql_warehouses:        []
connections:
registered_models:
  - name: main.agents.concierge
    versions: [{version: "1", source: agents/concierge}]
serving_endpoints:
  - name: concierge
    creator: carol@example.com
    config:
      served_entities:
        - entity_name: main.agents.concierge
          entity_version: "1"
          environment_vars: {WEATHER_TOKEN: "{{secrets/travel/weather-token}}"}
          workload_size: Small
          scale_to_zero_enabled: false
    permissions: [{group_name: users, permission_level: CAN_QUERY}]
  - name: scripted
    config:
      served_entities:
        - scripted:
            task: llm/v1/chat
            rules:
              - when: {user: "weather in (?P<city>\\w+)", offered: get_weather}
                call: {name: get_weather, arguments: {city: "{city}"}}
              - wait: 0s
                say: "I do not know."
          auth_policy:
            system_auth_policy: {resources: {api_version: "1", databricks: {serving_endpoint: [{name: concierge}]}}}
            user_auth_policy: {api_scopes: [sql]}
"#;

fn environment() -> HashMap<String, String> {
    [("WEATHER_SP_SECRET", "sp-secret-of-weather"), ("WEATHER_TOKEN", "sunny")]
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("agents/concierge")).expect("created");
    fs::write(folder.path().join("agents/concierge/MLmodel"), "flavors: {}").expect("written");
    fs::write(folder.path().join("secret.txt"), "from a file\n").expect("written");
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("written");
}

/// The problems of a text, without the file's name.
fn problems(text: &str) -> Vec<String> {
    match from_text("c.yaml", text, &environment()) {
        Ok(_) => Vec::new(),
        Err(error) => {
            error.to_string().lines().map(|line| line.trim_start_matches("c.yaml: ").to_owned()).collect()
        }
    }
}

#[test]
fn the_example_of_the_interface_page_is_read() {
    let folder = folder();
    write(folder.path(), "brickyard.yaml", EXAMPLE);
    let config = load(&[folder.path().to_owned()], &environment()).expect("good");
    assert_eq!(config.workspace.id.0, 1_234_567_890_123_456);
    assert_eq!(config.workspace.host.as_deref(), Some("http://localhost:8080"));
    let names: Vec<&str> = config.users.iter().map(|user| user.user_name.as_str()).collect();
    assert_eq!(names, ["ana@example.com", "carol@example.com", "admin@example.com"], "admins are users");
    let token = &config.users[0].personal_access_tokens[0];
    assert_eq!(token.scopes.as_ref().expect("scopes").to_string(), "genie sql");
    assert_eq!(token.lifetime, Some(SignedDuration::from_mins(30)));
    assert_eq!(config.service_principals[0].secrets[0].value.expose(), b"sp-secret-of-weather");
    let secrets = &config.secret_scopes[0].secrets;
    assert_eq!(secrets[1].value.expose(), b"from a file", "the line break at the end is not the secret's");
    let endpoint = &config.serving_endpoints[0];
    assert!(matches!(&endpoint.creator, PrincipalRef::User(name) if name.as_str() == "carol@example.com"));
    let entity = &endpoint.served_entities[0];
    assert_eq!(entity.name.as_str(), "concierge-1");
    assert!(
        matches!(&entity.kind, ServedKind::Model { folder: source, .. } if source.starts_with(folder.path()))
    );
    assert!(matches!(entity.environment_vars["WEATHER_TOKEN"], EnvironmentValue::Secret(_)));
    let scripted = &config.serving_endpoints[1];
    assert!(
        matches!(&scripted.creator, PrincipalRef::User(name) if name.as_str() == "admin@example.com"),
        "the first admin"
    );
    assert_eq!(scripted.served_entities[0].name.as_str(), "scripted");
    assert!(scripted.served_entities[0].auth_policy.is_some());
    assert!(!format!("{config:?}").contains("sunny"), "secrets cannot print");
}

#[test]
fn no_configuration_is_an_empty_workspace() {
    for text in ["", "# nothing\n", "---\n", "\n---\n# x\n", "users:\n", "{}"] {
        let config = from_text("c.yaml", text, &NoEnvironment).expect("empty is good");
        assert!(config.users.is_empty() && config.serving_endpoints.is_empty(), "{text:?}");
    }
}

#[test]
fn every_mistake_names_its_key_and_its_reason() {
    const SP: &str =
        "service_principals: [{display_name: a, application_id: 7f1c2b3a-0000-4000-8000-000000000001";
    let table: &[(&str, &str)] = &[
        ("user: []", "user: unknown key; did you mean users?"),
        ("served_endpoints: []", "served_endpoints: unknown key; did you mean serving_endpoints?"),
        (
            "zzz: []",
            "zzz: unknown key; known here: workspace, users, service_principals, groups, secret_scopes, sql_warehouses, registered_models, serving_endpoints, vector_search_endpoints, vector_search_indexes, genie_spaces, connections, database_instances",
        ),
        ("users: {}", "users: a list is needed here, not a map"),
        ("users: [5]", "users[0]: a map is needed here, not a number"),
        ("users: [{}]", "users[0].user_name: missing"),
        (
            "users: [{user_name: 5}]",
            "users[0].user_name: text is needed here, not a number; put it in quotes",
        ),
        ("users: [{user_name: a, grups: []}]", "users[0].grups: unknown key; did you mean groups?"),
        (
            "users: [{user_name: 'a b'}]",
            "users[0].user_name: user name \"a b\" is not valid: 1 to 255 printable ASCII characters without spaces, not shaped like an application id",
        ),
        (
            "users: [{user_name: a}, {user_name: a}]",
            "users[1].user_name: the name \"a\" is taken; the first is c.yaml: users[0].user_name",
        ),
        (
            "users: [{user_name: a}]\ngroups: [{display_name: a}]",
            "users[0].user_name: the name \"a\" is taken; the first is c.yaml: groups[0].display_name",
        ),
        (
            "groups: [{display_name: users, members: []}]",
            "groups[0].members: every user and service principal is in the group users; remove the list",
        ),
        (
            "users: [{user_name: a, groups: [nobody]}]",
            "users[0].groups[0]: no group \"nobody\" in the configuration; add it to groups",
        ),
        (
            "groups: [{display_name: g, members: [anna]}]\nusers: [{user_name: ana}]",
            "groups[0].members[0]: no principal \"anna\" in the configuration; did you mean ana?",
        ),
        (
            "groups: [{display_name: g, members: [h]}, {display_name: h, members: [g]}]",
            "groups[0].display_name: groups are members of each other in a circle: g, h",
        ),
        (
            "groups: [{display_name: g, members: [g]}]",
            "groups[0].members[0]: the group g cannot be a member of g",
        ),
        (
            "users: [{user_name: a, personal_access_tokens: [{}]}]",
            "users[0].personal_access_tokens[0]: exactly one of value, env, file is needed; found none",
        ),
        (
            "users: [{user_name: a, personal_access_tokens: [{value: x, env: Y}]}]",
            "users[0].personal_access_tokens[0]: exactly one of value, env, file is needed; found value and env",
        ),
        (
            "users: [{user_name: a, personal_access_tokens: [{env: NOT_THERE}]}]",
            "users[0].personal_access_tokens[0].env: the environment variable \"NOT_THERE\" is not set",
        ),
        (
            "users: [{user_name: a, personal_access_tokens: [{value: 12345678}]}]",
            "users[0].personal_access_tokens[0].value: text is needed here, not a number; put it in quotes",
        ),
        (
            "users: [{user_name: a, personal_access_tokens: [{file: no/such}]}]",
            "users[0].personal_access_tokens[0].file: no/such cannot be read: No such file or directory (os error 2)",
        ),
        (
            "users: [{user_name: a, personal_access_tokens: [{file: /dev/zero}]}]",
            "users[0].personal_access_tokens[0].file: /dev/zero is not a file",
        ),
        (
            "users: [{user_name: a, personal_access_tokens: [{value: secret-of-a}]}]",
            "users[0].personal_access_tokens[0]: a personal access token is `dapi` and more, 12 to 512 printable ASCII characters without spaces",
        ),
        (
            "users: [{user_name: a, personal_access_tokens: [{value: dapi0123456789, scopes: [sql, sequel]}]}]",
            "users[0].personal_access_tokens[0].scopes: \"sequel\" is not an API scope",
        ),
        (
            "users: [{user_name: a, personal_access_tokens: [{value: dapi0123456789}]}, {user_name: b, personal_access_tokens: [{value: dapi0123456789}]}]",
            "users[1].user_name: has a personal access token that a has too; give each their own",
        ),
        (
            "service_principals: [{display_name: a, application_id: 7f1c0de0-0000-4000-8000-000000000001, secrets: [{value: short}]}]",
            "service_principals[0].secrets[0]: a client secret has 12 to 512 printable ASCII characters without spaces",
        ),
        (
            "users: [{user_name: a, personal_access_tokens: [{value: dapi0123456789, lifetime: 1 hour}]}]",
            "users[0].personal_access_tokens[0].lifetime: a duration such as 1h, 30m, 90s or 1h30m is needed (units: d, h, m, s, ms)",
        ),
        (
            "service_principals: [{display_name: a, application_id: xyz}]",
            "service_principals[0].application_id: \"xyz\" is not a UUID",
        ),
        ("workspace: {id: abc}", "workspace.id: \"abc\" is not a workspace id: digits are needed"),
        (
            "workspace: {host: 'localhost:8080/x'}",
            "workspace.host: \"localhost:8080/x\" is not http://host[:port] without a path",
        ),
        (
            "workspace: {tokens: {passthrough_ttl: 9m}}",
            "workspace.tokens.passthrough_ttl: between 10m and 1d is needed",
        ),
        (
            "workspace: {tokens: {signing_algorithm: HS256}}",
            "workspace.tokens.signing_algorithm: \"HS256\" is not one of ES256, RS256, EdDSA",
        ),
        (
            "workspace: {sql_memory: 512}",
            "workspace.sql_memory: text is needed here, not a number; put it in quotes",
        ),
        (
            "workspace: {sql_memory: 1GB}",
            "workspace.sql_memory: a size such as 512MiB or 2GiB is needed (units: MiB, GiB)",
        ),
        ("workspace: {sql_memory: 1MiB}", "workspace.sql_memory: between 64MiB and 1024GiB is needed"),
        (
            "workspace: {profile: x}",
            "workspace.profile: no profile \"x\"; known are databricks-2026-05, databricks-2026-08",
        ),
        (
            "secret_scopes: [{scope: a/b}]",
            "secret_scopes[0].scope: secret scope name \"a/b\" is not valid: 1 to 128 letters, digits, dashes, underscores, dots or @",
        ),
        ("secret_scopes: [{scope: a}, {scope: A}]", "secret_scopes[1].scope: the scope A is listed twice"),
        (
            "secret_scopes: [{scope: a, secrets: [{key: k, value: x}, {key: k, value: y}]}]",
            "secret_scopes[0].secrets[1].key: the key k is listed twice",
        ),
        (
            "secret_scopes: [{scope: a, acls: [{principal: users, permission: ALL}]}]",
            "secret_scopes[0].acls[0].permission: \"ALL\" is not one of READ, WRITE, MANAGE",
        ),
        (
            "registered_models: [{name: a.b, versions: []}]",
            "registered_models[0].name: \"a.b\" is not a model name; write catalog.schema.model",
        ),
        (
            "registered_models: [{name: m, versions: [{version: 1, source: no/such}]}]",
            "registered_models[0].versions[0].source: no folder no/such",
        ),
        (
            "registered_models: [{name: m, versions: [{version: 1, source: /tmp}]}]",
            "registered_models[0].versions[0].source: no MLmodel in /tmp; name the folder of a logged MLflow model",
        ),
        (
            "registered_models: [{name: m, versions: [{version: v1, source: /tmp}]}]",
            "registered_models[0].versions[0].version: \"v1\" is not a version: digits are needed",
        ),
        ("sql_warehouses: [{name: demo}]", "sql_warehouses[0].id: missing"),
        (
            "sql_warehouses: [{id: a b}]",
            "sql_warehouses[0].id: \"a b\" is not an id: 1 to 100 letters, digits, '_' and '-'",
        ),
        (
            "sql_warehouses: [{id: a}, {id: a, name: b}]",
            "sql_warehouses[1].id: the id a is taken; the first is c.yaml: sql_warehouses[0].id",
        ),
        (
            "sql_warehouses: [{id: a}, {id: b, name: a}]",
            "sql_warehouses[1].name: the name \"a\" is taken; the first is c.yaml: sql_warehouses[0].name",
        ),
        (
            "sql_warehouses: [{id: a, cluster_size: Small}]",
            "sql_warehouses[0].cluster_size: brickyard's warehouses have no cluster_size; remove it",
        ),
        (
            "sql_warehouses: [{id: a, permissions: [{group_name: users, permission_level: CAN_QUERY}]}]",
            "sql_warehouses[0].permissions[0].permission_level: \"CAN_QUERY\" is not one of CAN_VIEW, CAN_MONITOR, CAN_USE, CAN_MANAGE",
        ),
        ("genie_spaces: [{}]", "genie_spaces: brickyard does not stand in for Genie spaces yet; remove them"),
        (
            "vector_search_indexes: [{}]",
            "vector_search_indexes: brickyard does not stand in for vector search indexes yet; remove them",
        ),
        ("connections: [{}]", "connections: brickyard does not stand in for connections yet; remove them"),
        (
            "database_instances: [{}]",
            "database_instances: brickyard does not stand in for database instances yet; remove them",
        ),
        ("users: !env X", "users: YAML tags (!...) are not read"),
        (
            "x: &x {user_name: a}\nusers: [{<<: *x}]",
            "users[0]: merge keys (<<) are not read; write the fields out",
        ),
        ("users: []\nusers: []", "users: the key \"users\" stands here twice"),
        ("workspace: {id: '1', id: '2'}", "workspace.id: the key \"id\" stands here twice"),
        ("1: x", "a key must be text, not a number; put it in quotes"),
        ("[a]: x", "a key must be text, not a list; put it in quotes"),
        ("- a", "a map of collections is needed, not a list"),
        ("workspace: {id: .nan}", "workspace.id: not a finite number; if text is meant, put it in quotes"),
    ];
    for (text, expected) in table {
        let found = problems(text);
        assert!(found.iter().any(|line| line == expected), "{text}\nexpected: {expected}\nfound: {found:#?}");
    }
    assert_eq!(problems(&format!("{SP}, secrets: [{{env: NO}}]}}]")).len(), 1);
}

/// A configuration with one endpoint whose entity, and whose endpoint, have these further fields.
#[test]
fn plain_text_credentials_pass_when_the_workspace_says_so() {
    let text = endpoint(&format!("{SAY}, environment_vars: {{A_TOKEN: hunter22}}"), "");
    assert_eq!(problems(&text).len(), 1);
    let switched = text.replace("admins: [root@x]", "admins: [root@x], refuse_plaintext_credentials: false");
    assert_eq!(problems(&switched), [""; 0]);
}

#[test]
fn all_problems_are_told_at_once() {
    let found =
        problems("users: [{user_name: a, x: 1}, {}]\nworkspace: {id: x}\ngenie_spaces: [{}]\nnope: 1\n");
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn text_that_is_not_yaml_says_where() {
    let error = from_text("config/x.yaml", "users:\n  - a: [\n", &NoEnvironment).expect_err("bad");
    assert!(error.to_string().starts_with("config/x.yaml:3:1: not YAML: "), "{error}");
    let error = from_text("x.yaml", "users: []\n---\nusers: []\n", &NoEnvironment).expect_err("bad");
    assert_eq!(error.to_string(), "x.yaml: one document a file: remove the second `---`");
}

#[test]
fn files_are_merged_by_key_and_a_contradiction_names_both() {
    let folder = folder();
    write(folder.path(), "a.yaml", "workspace: {id: '7', admins: [x]}\nusers: [{user_name: a}]\n");
    write(folder.path(), "b.yaml", "workspace: {admins: [y]}\nusers: [{user_name: b}]\n");
    write(folder.path(), ".hidden.yaml", "nonsense: 1\n");
    let config = load(&[folder.path().to_owned()], &NoEnvironment).expect("good");
    assert_eq!(config.workspace.id.0, 7);
    assert_eq!(config.workspace.admins.len(), 2);
    assert_eq!(config.users.len(), 4);
    assert_eq!(config.files.len(), 2);
    write(folder.path(), "c.yaml", "workspace: {id: '8'}\n");
    let error = load(&[folder.path().to_owned()], &NoEnvironment).expect_err("contradiction").to_string();
    let (a, c) = (folder.path().join("a.yaml"), folder.path().join("c.yaml"));
    assert_eq!(
        error,
        format!("{}: workspace.id: {} gives another value; keep one of the two", c.display(), a.display())
    );
}

#[test]
fn what_cannot_be_read_from_a_folder_is_said_and_not_skipped() {
    let folder = folder();
    write(folder.path(), "a.sql", "SELECT 1;\nCREATE TABEL x");
    write(folder.path(), "b.yml", "users: []");
    fs::write(folder.path().join("c.yaml"), [0xff, 0xfe, 0x00]).expect("written");
    let missing = folder.path().join("missing");
    let error = load(&[folder.path().to_owned(), missing], &NoEnvironment).expect_err("bad").to_string();
    for part in [
        "a.sql:2:8: [PARSE_SYNTAX_ERROR]",
        "b.yml: only *.yaml and *.sql are read from a folder; rename it",
        "c.yaml: is not UTF-8 (byte 0)",
        "missing: cannot be read: No such file",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let words = prop::sample::select(vec![
        "name",
        "config",
        "served_entities",
        "user_name",
        "groups",
        "members",
        "scope",
        "secrets",
        "key",
        "value",
        "env",
        "file",
        "scripted",
        "task",
        "llm/v1/chat",
        "rules",
        "say",
        "url",
        "http://h:1",
        "a",
        "users",
        "admins",
        "tokens",
        "id",
        "creator",
        "environment_vars",
        "{{secrets/a/b}}",
        "1h",
        "auth_policy",
        "display_name",
        "permissions",
        "traffic_config",
        "routes",
        "versions",
        "version",
        "entity_name",
        "entity_version",
        "source",
        ".",
        "/",
        "",
        "\0",
        "<<",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        words.clone().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::vec((words.clone(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_whatever_can_make_the_reader_panic(sections in prop::collection::vec((0_usize..13, any_value()), 0..6)) {
        const KEYS: [&str; 13] = [
            "workspace", "users", "service_principals", "groups", "secret_scopes", "registered_models", "serving_endpoints",
            "sql_warehouses", "vector_search_endpoints", "vector_search_indexes", "genie_spaces", "connections", "database_instances",
        ];
        let map: serde_json::Map<_, _> = sections.into_iter().map(|(key, value)| (KEYS[key].to_owned(), value)).collect();
        let text = serde_yaml_ng::to_string(&map).expect("JSON is YAML");
        let _ = from_text("c.yaml", &text, &NoEnvironment);
    }

    #[test]
    fn no_text_whatever_can_make_the_reader_panic(text in "[-\\[\\]{}:&*!|>%@`'\"#a-c0-9?, \\n\\t\\x00-\\x1f]{0,80}") {
        let _ = from_text("c.yaml", &text, &NoEnvironment);
    }
}
