//! What can be wrong with an endpoint of the configuration.

use super::problems;

pub(super) fn endpoint(entity: &str, more: &str) -> String {
    format!(
        "workspace: {{admins: [root@x]}}\n\
         service_principals: [{{display_name: s, application_id: 7f1c2b3a-0000-4000-8000-000000000001}}]\n\
         secret_scopes: [{{scope: travel, secrets: [{{key: weather-token, value: x}}]}}]\n\
         serving_endpoints: [{{name: e, config: {{served_entities: [{{{entity}}}]}}, {more}}}]\n"
    )
}

pub(super) const SAY: &str = "scripted: {task: llm/v1/chat, rules: [{say: hi}]}";

#[test]
fn every_mistake_of_an_endpoint_names_its_key_and_its_reason() {
    assert_eq!(problems(&endpoint(SAY, "")), [""; 0], "the frame itself is good");
    let e = "serving_endpoints[0]";
    let s = "serving_endpoints[0].config.served_entities[0]";
    let table: &[(&str, &str, String)] = &[
        (
            "",
            "",
            format!(
                "{s}: exactly one of entity_name, url, scripted, foundation_model, external_model is needed; found none"
            ),
        ),
        (
            "url: 'http://h:1', entity_name: m",
            "",
            format!(
                "{s}: exactly one of entity_name, url, scripted, foundation_model, external_model is needed; found entity_name and url"
            ),
        ),
        (
            "url: 'https://h:1'",
            "",
            format!("{s}.url: only http:// is spoken to agents; put a proxy before one that needs TLS"),
        ),
        ("url: nonsense", "", format!("{s}.url: a URL such as http://localhost:9000 is needed")),
        ("entity_name: m", "", format!("{s}.entity_version: missing")),
        (
            "entity_name: m, entity_version: 1",
            "",
            format!("{s}.entity_name: no model \"m\" in registered_models"),
        ),
        (
            "external_model: {}",
            "",
            format!(
                "{s}.external_model: brickyard does not stand in for external_model entities of the configuration yet"
            ),
        ),
        (
            "foundation_model: {}",
            "",
            format!(
                "{s}.foundation_model: brickyard does not stand in for foundation_model entities of the configuration yet"
            ),
        ),
        ("scripted: {}", "", format!("{s}.scripted: missing field `task`")),
        (
            &format!("{SAY}, workload_size: small"),
            "",
            format!("{s}.workload_size: \"small\" is not one of Small, Medium, Large"),
        ),
        (
            &format!("{SAY}, scale_to_zero_enabled: 'no'"),
            "",
            format!("{s}.scale_to_zero_enabled: true or false is needed here, not text"),
        ),
        (
            &format!("{SAY}, entity_version: 1"),
            "",
            format!("{s}.entity_version: belongs beside entity_name, not scripted"),
        ),
        (
            &format!("{SAY}, environment_vars: {{A: 5}}"),
            "",
            format!("{s}.environment_vars.A: text is needed here, not a number; put it in quotes"),
        ),
        (
            &format!("{SAY}, environment_vars: {{'A-B': x}}"),
            "",
            format!("{s}.environment_vars.A-B: \"A-B\" is not the name of an environment variable"),
        ),
        (
            &format!("{SAY}, environment_vars: {{A: '{{{{secrets/travel}}}}'}}"),
            "",
            format!(
                "{s}.environment_vars.A: a secret reference is the whole value and has the form {{{{secrets/<scope>/<key>}}}}"
            ),
        ),
        (
            &format!("{SAY}, environment_vars: {{A: '{{{{secrets/travle/weather-token}}}}'}}"),
            "",
            format!(
                "{s}.environment_vars.A: no secret scope travle in the configuration; did you mean travel?"
            ),
        ),
        (
            &format!("{SAY}, environment_vars: {{A: '{{{{secrets/travel/weather_token}}}}'}}"),
            "",
            format!(
                "{s}.environment_vars.A: no secret weather_token in the scope travel; did you mean weather-token?"
            ),
        ),
        (
            &format!("{SAY}, environment_vars: {{A_TOKEN: hunter22}}"),
            "",
            format!(
                "{s}.environment_vars.A_TOKEN: the name says that it holds a credential, and it is in plain text; put it into a secret scope and write {{{{secrets/<scope>/<key>}}}}"
            ),
        ),
        (
            &format!("{SAY}, auth_policy: {{user_auth_policy: {{scopes: [sql]}}}}"),
            "",
            format!("{s}.auth_policy.user_auth_policy.scopes: unknown key; did you mean api_scopes?"),
        ),
        (
            &format!("{SAY}, max_provisioned_concurrency: 1025"),
            "",
            format!("{s}.max_provisioned_concurrency: at most 1024 is needed"),
        ),
        (
            &format!("{SAY}, min_provisioned_concurrency: 8, max_provisioned_concurrency: 4"),
            "",
            format!("{s}.min_provisioned_concurrency: more than max_provisioned_concurrency"),
        ),
        (
            SAY,
            "creator: nobody",
            format!(
                "{e}.creator: no principal \"nobody\" in the configuration; add it to users, service_principals (by application_id) or groups"
            ),
        ),
        (
            SAY,
            "creator: admins",
            format!("{e}.creator: \"admins\" is a group; a user or a service principal is needed"),
        ),
        (
            SAY,
            "permissions: [{group_name: root@x, permission_level: CAN_VIEW}]",
            format!("{e}.permissions[0].group_name: \"root@x\" is not of this kind; write user_name"),
        ),
        (
            SAY,
            "permissions: [{permission_level: CAN_VIEW}]",
            format!(
                "{e}.permissions[0]: exactly one of user_name, group_name, service_principal_name is needed"
            ),
        ),
        (
            SAY,
            "permissions: [{group_name: users, permission_level: CAN_USE}]",
            format!(
                "{e}.permissions[0].permission_level: \"CAN_USE\" is not one of CAN_VIEW, CAN_QUERY, CAN_MANAGE"
            ),
        ),
        (
            SAY,
            "route_optimized: true",
            format!("{e}.route_optimized: brickyard does not stand in for route_optimized yet; remove it"),
        ),
        (
            SAY,
            "ai_gateway: {}",
            format!("{e}.ai_gateway: brickyard does not stand in for ai_gateway yet; remove it"),
        ),
        (SAY, "tags: [{key: a}, {key: a}]", format!("{e}.tags[1].key: the tag \"a\" is listed twice")),
    ];
    for (entity, more, expected) in table {
        assert_eq!(problems(&endpoint(entity, more)), [expected.as_str()], "{entity} {more}");
    }
    let typo = "serving_endpoints: [{name: e, config: {served_entites: []}}]";
    assert!(
        problems(typo)
            .contains(&format!("{e}.config.served_entites: unknown key; did you mean served_entities?"))
    );
    let traffic = format!(
        "workspace: {{admins: [root@x]}}\nserving_endpoints: [{{name: e, config: {{served_entities: [{{{SAY}}}, {{{SAY}}}], \
         traffic_config: {{routes: [{{served_model_name: e, traffic_percentage: 60}}, {{served_model_name: f, traffic_percentage: 50}}]}}}}}}]"
    );
    assert_eq!(
        problems(&traffic),
        [
            format!(
                "{e}.config.traffic_config.routes[1].served_model_name: no served entity \"f\" in this endpoint"
            ),
            format!("{e}.config.traffic_config.routes: the traffic percentages add up to 110, not 100"),
        ]
    );
}
