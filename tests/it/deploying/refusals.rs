//! What is refused when an endpoint is deployed, and in which words.

use brickyard_testkit::Kit;
use serde_json::{Value, json};

use super::{CAROL, ENDPOINTS, WORKSPACE, create, declaring, entity, said};
use crate::agents::{Logged, tells};

#[tokio::test]
async fn a_scope_that_model_serving_does_not_hand_out_is_refused_in_databricks_words() {
    let kit = Kit::start(WORKSPACE).await;
    let mut asking = entity("asking");
    asking["auth_policy"] = json!({"system_auth_policy": {}, "user_auth_policy": {"api_scopes": ["files", "sql", "all-apis", "files"]}});
    let refused = "Invalid user API scope(s) specified for model: asking. Invalid scopes: all-apis, files. Allowed scopes are: \
        sql, sql.statement-execution, sql.warehouses, mcp.genie, mcp.external, mcp.sql, mcp.vectorsearch, mcp.functions, \
        catalog.connections, vector-search, vectorsearch.vector-search-indexes, vectorsearch.vector-search-endpoints, \
        iam.current-user:read, iam.access-control:read, dashboards.genie, genie, ai-gateway, unity-catalog, apps.apps, apps, \
        model-serving, serving.serving-endpoints, workspace.workspace";
    let reply = create(&kit, CAROL, "asking", vec![asking.clone()]).await;
    assert_eq!(reply.refusal(), format!("400 \"INVALID_PARAMETER_VALUE\" {refused}"));
    assert_eq!(
        kit.get(&format!("{ENDPOINTS}/asking"), &kit.token(CAROL)).await.status,
        404,
        "nothing was made"
    );
    // An update is held to the same, and what served goes on.
    let reply = kit
        .put(&format!("{ENDPOINTS}/mine/config"), &kit.token(CAROL), &json!({"served_entities": [asking]}))
        .await;
    assert_eq!(reply.refusal(), format!("400 \"INVALID_PARAMETER_VALUE\" {refused}"));
    assert_eq!(said(&kit, "mine").await, "mine");
    kit.stop().await;
}

/// A logged model names itself in the refusal, as registered.
#[tokio::test]
async fn a_logged_model_with_such_a_scope_is_refused_by_its_registered_name() {
    let models = Logged::new();
    models.responses_agent(
        "asking",
        "",
        "auth_policy: {system_auth_policy: {}, user_auth_policy: {api_scopes: [jobs]}}",
    );
    let models = models.path().display();
    let kit = Kit::start(&format!(
        "{WORKSPACE}\nregistered_models: [{{name: main.agents.asking, versions: [{{version: \"1\", source: {models}/asking}}]}}]"
    ))
    .await;
    let reply = create(
        &kit,
        CAROL,
        "asking",
        vec![json!({"entity_name": "main.agents.asking", "entity_version": "1"})],
    )
    .await;
    tells(
        &reply.refusal(),
        &[
            "400 \"INVALID_PARAMETER_VALUE\" Invalid user API scope(s) specified for model: main.agents.asking. Invalid scopes: jobs. Allowed scopes are: ",
        ],
    );
    let reply = create(
        &kit,
        CAROL,
        "asking",
        vec![json!({"entity_name": "main.agents.asking", "entity_version": 7})],
    )
    .await;
    assert_eq!(
        reply.refusal(),
        "404 \"RESOURCE_DOES_NOT_EXIST\" Model 'main.agents.asking' version '7' does not exist."
    );
    kit.stop().await;
}

#[tokio::test]
async fn a_creator_who_lacks_rights_is_told_all_of_them_at_once() {
    let kit = Kit::start(WORKSPACE).await;
    let mut greedy = declaring(
        "greedy",
        json!({"serving_endpoint": [{"name": "first"}, {"name": "mine"}, {"name": "second"}, {"name": "absent"}]}),
    );
    greedy["environment_vars"] = json!({
        "ALLOWED": "{{secrets/open/key}}",
        "CLOSED": "{{secrets/closed/key}}",
        "GONE": "{{secrets/open/gone}}",
    });
    let reply = create(&kit, CAROL, "greedy", vec![greedy]).await;
    assert_eq!(
        reply.refusal(),
        "403 \"PERMISSION_DENIED\" The endpoint's creator carol@example.com lacks rights that the agent needs: \
         serving_endpoint absent: Endpoint 'absent' does not exist. \
         serving_endpoint first: User does not have permission 'Query' on Endpoint first. \
         serving_endpoint second: User does not have permission 'Query' on Endpoint second. \
         environment_vars.CLOSED {{secrets/closed/key}}: User does not have permission 'Read' on Scope closed. \
         environment_vars.GONE {{secrets/open/gone}}: secret {{secrets/open/gone}} does not exist."
    );
    assert_eq!(reply.header("x-brickyard-explain"), format!("/_brickyard/explain/{}", reply.request_id()));
    tells(
        &kit.explain(reply.request_id()),
        &[
            "REFUSED 403 POST /api/2.0/serving-endpoints",
            "fix: grant CAN_QUERY on serving endpoint first: permissions: [{user_name: carol@example.com, permission_level: CAN_QUERY}]",
            "fix: grant CAN_QUERY on serving endpoint second",
            "fix: databricks secrets put-acl closed carol@example.com READ",
            "hint: serving_endpoint absent: Endpoint 'absent' does not exist.",
        ],
    );
    // It is the creator's rights that count, whoever updates; and they are checked again.
    let config =
        json!({"served_entities": [declaring("mine", json!({"serving_endpoint": [{"name": "first"}]}))]});
    let reply = kit.put(&format!("{ENDPOINTS}/mine/config"), &kit.token("admin@example.com"), &config).await;
    assert_eq!(reply.status, 403, "{}", reply.text);
    tells(&reply.text, &["The endpoint's creator carol@example.com lacks"]);
    kit.stop().await;
}

#[tokio::test]
async fn a_resource_that_brickyard_does_not_stand_in_for_is_refused_by_its_type_and_name() {
    let kit = Kit::start(WORKSPACE).await;
    for kind in ["vector_search_index", "genie_space", "app", "lakebase", "uc_model_service"] {
        let reply = create(
            &kit,
            CAROL,
            "reaching",
            vec![declaring("reaching", json!({kind: [{"name": "main.travel.thing"}]}))],
        )
        .await;
        let expected = format!(
            "400 \"INVALID_PARAMETER_VALUE\" brickyard does not stand in for resources of type {kind} yet (declared: main.travel.thing)"
        );
        assert_eq!(reply.refusal(), expected);
    }
    let reply =
        create(&kit, CAROL, "reaching", vec![declaring("reaching", json!({"databse": [{"name": "x"}]}))])
            .await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert!(reply.text.contains("databse"), "{}", reply.text);
    kit.stop().await;
}

#[tokio::test]
async fn a_credential_in_plain_text_is_refused_with_a_hint_unless_that_is_switched_off() {
    let table = [
        ("WEATHER_TOKEN", "hunter22", Some("the name says that it holds a credential")),
        (
            "GREETING",
            "dapi0123456789abcdef0123456789abcdef",
            Some("the value looks like a Databricks personal access token"),
        ),
        (
            "DATABASE_URL",
            "postgres://carol:rain@db/travel",
            Some("the value looks like a URL with a password"),
        ),
        ("MAX_TOKENS", "4096", None),
        ("TOKEN_URL", "http://localhost/oidc/v1/token", None),
        ("WEATHER_KEY", "{{secrets/open/key}}", None),
    ];
    let lenient = WORKSPACE.replace("workspace: {", "workspace: {refuse_plaintext_credentials: false, ");
    let (strict, lenient) = (Kit::start(WORKSPACE).await, Kit::start(&lenient).await);
    for (number, (variable, value, reason)) in table.into_iter().enumerate() {
        let name = format!("plain-{number}");
        let mut plain = entity(&name);
        plain["environment_vars"] = json!({variable: value});
        let reply = create(&strict, CAROL, &name, vec![plain.clone()]).await;
        match reason {
            Some(reason) => {
                assert_eq!(
                    reply.refusal(),
                    format!(
                        "400 \"INVALID_PARAMETER_VALUE\" environment_vars.{variable}: {reason}, and it is in plain text; put it into a secret \
                         scope and write {{{{secrets/<scope>/<key>}}}} (or set workspace.refuse_plaintext_credentials: false)"
                    )
                );
                assert!(!reply.text.contains(value), "the value is not repeated");
            }
            None => assert_eq!(reply.status, 200, "{variable}: {}", reply.text),
        }
        assert_eq!(create(&lenient, CAROL, &name, vec![plain]).await.status, 200, "{variable}");
    }
    strict.stop().await;
    lenient.stop().await;
}

#[tokio::test]
async fn names_and_numbers_are_held_to_the_documented_limits() {
    let kit = Kit::start(WORKSPACE).await;
    let with_variables = |count: usize, name: &str| {
        let mut many = entity(name);
        many["environment_vars"] = (0..count)
            .map(|number| (format!("V{number}"), json!("x")))
            .collect::<serde_json::Map<_, _>>()
            .into();
        many
    };
    let many = |count: usize| (0..count).map(|number| entity(&format!("e{number}"))).collect::<Vec<_>>();
    let shares = |first: u8, second: u8| {
        json!({"routes": [
            {"served_entity_name": "a", "traffic_percentage": first},
            {"served_model_name": "b", "traffic_percentage": second},
        ]})
    };
    let body = |name: &str, entities: Vec<Value>, traffic: Value| json!({"name": name, "config": {"served_entities": entities, "traffic_config": traffic}});
    let two = || vec![entity("a"), entity("b")];
    let units = |least: u32, most: u32| {
        let mut wide = entity("e");
        wide["min_provisioned_concurrency"] = json!(least);
        wide["max_provisioned_concurrency"] = json!(most);
        wide
    };
    let twice = json!({"routes": [{"served_entity_name": "a", "traffic_percentage": 50}, {"served_entity_name": "a", "traffic_percentage": 50}]});
    let refused = [
        (
            body("one", vec![with_variables(31, "e")], Value::Null),
            "400 \"INVALID_PARAMETER_VALUE\" served entity 'e' has 31 environment variables; the limit is 30",
        ),
        (
            body("one", vec![units(1, 1025)], Value::Null),
            "400 \"INVALID_PARAMETER_VALUE\" served entity 'e' asks for a provisioned concurrency of 1025; the limit is 1024",
        ),
        (
            body("one", vec![units(3, 2)], Value::Null),
            "400 \"INVALID_PARAMETER_VALUE\" served entity 'e': min_provisioned_concurrency 3 is more than \
             max_provisioned_concurrency 2",
        ),
        (
            body("one", many(16), Value::Null),
            "400 \"INVALID_PARAMETER_VALUE\" served_models cannot contain more than 15 elements",
        ),
        (body("one", vec![], Value::Null), "400 \"INVALID_PARAMETER_VALUE\" served_entities cannot be empty"),
        (
            body("mine", vec![entity("e")], Value::Null),
            "400 \"RESOURCE_ALREADY_EXISTS\" Endpoint with name 'mine' already exists.",
        ),
        (
            body("one", vec![entity("e"), entity("e")], shares(50, 50)),
            "400 \"INVALID_PARAMETER_VALUE\" served entity name 'e' is used twice",
        ),
        (
            body("one", two(), Value::Null),
            "400 \"INVALID_PARAMETER_VALUE\" traffic_config is needed when there is more than one served entity",
        ),
        (
            body("one", two(), shares(50, 49)),
            "400 \"INVALID_PARAMETER_VALUE\" the traffic percentages sum up to 99, and must to 100",
        ),
        (body("one", two(), twice), "400 \"INVALID_PARAMETER_VALUE\" traffic_config names 'a' twice"),
        (
            body("one", vec![entity("a")], shares(50, 50)),
            "400 \"INVALID_PARAMETER_VALUE\" traffic_config names 'b', which is not served",
        ),
        (json!({"name": "one"}), "400 \"INVALID_PARAMETER_VALUE\" config is required"),
    ];
    for (body, expected) in refused {
        assert_eq!(kit.post(ENDPOINTS, &kit.token(CAROL), &body).await.refusal(), expected);
    }
    for name in ["", "with space", "with/slash", "../up", "ünï", &"x".repeat(64)] {
        let reply = create(&kit, CAROL, name, vec![entity("e")]).await;
        assert_eq!(
            (reply.status, reply.json()["error_code"].as_str()),
            (400, Some("INVALID_PARAMETER_VALUE")),
            "{name}: {}",
            reply.text
        );
    }
    // The last values that are good.
    assert_eq!(create(&kit, CAROL, &"x".repeat(63), vec![with_variables(30, "e")]).await.status, 200);
    let mut routes: Vec<_> = (0..15)
        .map(|number| json!({"served_entity_name": format!("e{number}"), "traffic_percentage": 0}))
        .collect();
    routes[0]["traffic_percentage"] = json!(100);
    assert_eq!(
        kit.post(ENDPOINTS, &kit.token(CAROL), &body("full", many(15), json!({"routes": routes})))
            .await
            .status,
        200
    );
    kit.stop().await;
}

#[tokio::test]
async fn a_body_of_4_mb_is_an_agents_limit() {
    let kit = Kit::start(WORKSPACE).await;
    let padded = |size: usize| {
        let body = json!({"messages": [{"role": "user", "content": ""}]}).to_string();
        let (before, after) = body.split_at(body.find("\"\"").expect("the empty content") + 1);
        format!("{before}{}{after}", "x".repeat(size - body.len()))
    };
    let limit = 4 << 20;
    for (path, size, status) in [
        ("/serving-endpoints/mine/invocations", limit, 200),
        ("/serving-endpoints/mine/invocations", limit + 1, 413),
        ("/serving-endpoints/mine/served-models/mine/invocations", limit + 1, 413),
    ] {
        let request = kit.client.post(format!("{}{path}", kit.url)).bearer_auth(kit.token(CAROL));
        let reply = request
            .header("content-type", "application/json")
            .body(padded(size))
            .send()
            .await
            .expect("a response");
        assert_eq!(reply.status().as_u16(), status, "{path} with {size}");
        if status == 413 {
            assert_eq!(
                reply.json::<Value>().await.expect("JSON")["message"],
                "Request body is larger than the limit of 4 MB"
            );
        }
    }
    kit.stop().await;
}
