"""Deploying and querying endpoints, through the official SDK."""

import pytest
import requests
from conftest import ADMIN, ANA, BEN, CAROL, bearer, deploy_scripted
from databricks.sdk.errors import (
    BadRequest,
    DatabricksError,
    InvalidParameterValue,
    NotFound,
    NotImplemented,
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceConflict,
    ResourceDoesNotExist,
)
from databricks.sdk.service.serving import (
    ChatMessage,
    ChatMessageRole,
    EndpointCoreConfigInput,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    EndpointTag,
    ServedEntityInput,
    ServingEndpointAccessControlRequest,
    ServingEndpointPermissionLevel,
)

HIDDEN = (PermissionDenied, ResourceDoesNotExist)
HELLO = [ChatMessage(role=ChatMessageRole.USER, content="What is worth seeing in Lisbon?")]


def concierge(**environment: str) -> ServedEntityInput:
    return ServedEntityInput(
        name="concierge",
        entity_name="main.agents.concierge",
        entity_version="1",
        workload_size="Small",
        scale_to_zero_enabled=False,
        environment_vars=environment,
    )


def test_the_demos_endpoints_are_ready_and_listed(brickyard):
    workspace = brickyard.client(ADMIN)
    endpoints = {endpoint.name: endpoint for endpoint in workspace.serving_endpoints.list()}
    for name in ("concierge", "travel-model", "guide-model", "echo"):
        assert endpoints[name].state.ready == EndpointStateReady.READY, name
        assert endpoints[name].state.config_update == EndpointStateConfigUpdate.NOT_UPDATING, name
    detail = workspace.serving_endpoints.get("concierge")
    entity = detail.config.served_entities[0]
    assert (detail.creator, entity.entity_name, entity.entity_version) == (CAROL, "main.agents.concierge", "1")
    assert entity.environment_vars["WEATHER_API_KEY"] == "{{secrets/travel/weather-api-key}}"


def test_who_may_query_gets_an_answer_and_who_may_not_gets_none(brickyard):
    for who, endpoint, may in (
        (ANA, "guide-model", True),
        (BEN, "guide-model", False),
        (CAROL, "travel-model", True),
        (ANA, "travel-model", False),
        (ADMIN, "travel-model", True),
    ):
        query = brickyard.client(who).serving_endpoints.query
        if may:
            assert "Lisbon" in query(endpoint, messages=HELLO).choices[0].message.content
        else:
            with pytest.raises(HIDDEN):
                query(endpoint, messages=HELLO)


def test_carol_deploys_an_agent_updates_it_and_deletes_it(brickyard, fresh):
    carol = brickyard.client(CAROL)
    made = carol.serving_endpoints.create_and_wait(
        name=fresh,
        config=EndpointCoreConfigInput(name=fresh, served_entities=[concierge(WEATHER_API_KEY="{{secrets/travel/weather-api-key}}")]),
        tags=[EndpointTag(key="team", value="travel")],
    )
    assert made.state.ready == EndpointStateReady.READY and made.config.served_entities[0].creator == CAROL
    updated = carol.serving_endpoints.update_config_and_wait(fresh, served_entities=[concierge(GREETING="hello")])
    assert updated.config.config_version == made.config.config_version + 1
    assert updated.config.served_entities[0].environment_vars == {"GREETING": "hello"}
    carol.serving_endpoints.patch(fresh, add_tags=[EndpointTag(key="stage", value="test")], delete_tags=["team"])
    assert [(tag.key, tag.value) for tag in carol.serving_endpoints.get(fresh).tags] == [("stage", "test")]
    assert isinstance(carol.serving_endpoints.logs(fresh, "concierge").logs, str)
    assert isinstance(carol.serving_endpoints.build_logs(fresh, "concierge").logs, str)
    assert b"request_count_total" in carol.serving_endpoints.export_metrics(fresh).contents.read()
    carol.serving_endpoints.delete(fresh)
    with pytest.raises(ResourceDoesNotExist):
        carol.serving_endpoints.get(fresh)


def test_a_creator_is_told_everything_that_is_missing_at_once(brickyard, fresh):
    """Ana may neither query what the agent declares nor read the secret it refers to."""
    entity = concierge(WEATHER_API_KEY="{{secrets/travel/weather-api-key}}")
    with pytest.raises(PermissionDenied) as refused:
        brickyard.client(ANA).serving_endpoints.create(name=fresh, config=EndpointCoreConfigInput(name=fresh, served_entities=[entity]))
    assert "travel-model" in str(refused.value) and "travel/weather-api-key" in str(refused.value)
    with pytest.raises(ResourceDoesNotExist):
        brickyard.client(ADMIN).serving_endpoints.get(fresh)


def declare(*scopes: str) -> dict:
    return {"auth_policy": {"user_auth_policy": {"api_scopes": list(scopes)}}}


@pytest.mark.parametrize(
    ("entity", "error", "message"),
    [
        (declare("sql", "files.files"), InvalidParameterValue, "Invalid user API scope.*files.files"),
        (declare("all-apis"), InvalidParameterValue, "Invalid user API scope.*all-apis"),
        ({"environment_vars": {"WEATHER_TOKEN": "in plain text"}}, BadRequest, "WEATHER_TOKEN"),
        ({"environment_vars": {f"V{n}": "x" for n in range(31)}}, BadRequest, "30"),
        ({"environment_vars": {"X": "{{secrets/travel/nothing}}"}}, DatabricksError, "travel/nothing"),
        ({"url": "http://127.0.0.1:1"}, BadRequest, "scripted"),
    ],
)
def test_a_bad_entity_is_refused_with_the_reason(brickyard, fresh, entity, error, message):
    with pytest.raises(error, match=message):
        deploy_scripted(brickyard, fresh, CAROL, **entity)


def test_a_table_as_csv_is_read_by_logged_models_and_by_no_other(brickyard):
    """mlflow's scoring server reads it; an agent whose input is no table is told so in mlflow's words."""
    for endpoint, content_type, status, words in (
        ("concierge", "text/csv", 400, "Pandas DataFrame"),
        ("echo", "text/csv", 415, "application/json"),
        ("concierge", "text/plain", 415, "application/json"),
    ):
        headers = {**bearer(ANA), "Content-Type": content_type}
        url = f"{brickyard.url}/serving-endpoints/{endpoint}/invocations"
        reply = requests.post(url, headers=headers, data="city\nLisbon\n", timeout=60)
        assert (reply.status_code, words in reply.json()["message"]) == (status, True), reply.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rate_limits", [{"calls": 5, "renewal_period": "minute"}]),
        ("ai_gateway", {"usage_tracking_config": {"enabled": True}}),
        ("route_optimized", True),
        ("config.auto_capture_config", {"catalog_name": "main", "schema_name": "a", "enabled": True}),
    ],
)
def test_what_would_not_be_done_is_refused_by_name(brickyard, fresh, field, value):
    entity = {"name": "it", "scripted": {"task": "llm/v1/chat", "rules": [{"say": "x"}]}}
    body = {"name": fresh, "config": {"served_entities": [entity]}}
    place = body["config"] if field.startswith("config.") else body
    place[field.removeprefix("config.")] = value
    with pytest.raises(NotImplemented, match=field.removeprefix("config.")):
        brickyard.client(CAROL).api_client.do("POST", "/api/2.0/serving-endpoints", body=body)


def test_permissions_are_read_merged_and_replaced(brickyard, scripted):
    carol, ben = brickyard.client(CAROL), brickyard.client(BEN)
    endpoint = carol.serving_endpoints.get(scripted)
    levels = carol.serving_endpoints.get_permission_levels(endpoint.id).permission_levels
    assert {str(level.permission_level.value) for level in levels} == {"CAN_VIEW", "CAN_QUERY", "CAN_MANAGE"}

    def ben_asks() -> str:
        return ben.serving_endpoints.query(scripted, messages=HELLO).choices[0].message.content

    with pytest.raises(HIDDEN):
        ben_asks()
    entry = ServingEndpointAccessControlRequest(
        user_name=BEN, permission_level=ServingEndpointPermissionLevel.CAN_QUERY
    )
    carol.serving_endpoints.update_permissions(endpoint.id, access_control_list=[entry])
    assert ben_asks() == f"This is {scripted}."
    shown = carol.serving_endpoints.get_permissions(endpoint.id).access_control_list
    assert {CAROL, BEN} <= {entry.user_name for entry in shown}
    carol.serving_endpoints.set_permissions(endpoint.id, access_control_list=[])
    with pytest.raises(HIDDEN):
        ben_asks()
    with pytest.raises(PermissionDenied):
        ben.permissions.get("serving-endpoints", endpoint.id)


@pytest.mark.parametrize(
    ("method", "path", "body", "error", "code"),
    [
        ("GET", "/api/2.0/serving-endpoints/nobody", None, ResourceDoesNotExist, "RESOURCE_DOES_NOT_EXIST"),
        ("POST", "/serving-endpoints/nobody/invocations", {"messages": []}, ResourceDoesNotExist, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "/api/2.0/no/such/api", None, NotFound, "ENDPOINT_NOT_FOUND"),
        ("GET", "/_brickyard/clock", None, NotImplemented, "NOT_IMPLEMENTED"),
        ("POST", "/api/2.0/serving-endpoints", {"name": "a b", "config": {}}, InvalidParameterValue, "INVALID_PARAMETER_VALUE"),
    ],
)
def test_each_error_is_the_class_that_the_sdk_knows(brickyard, method, path, body, error, code):
    with pytest.raises(error) as refused:
        brickyard.client(ADMIN).api_client.do(method, path, body=body)
    assert refused.value.error_code == code


def test_a_name_that_is_taken_stays_with_its_owner(brickyard, scripted):
    with pytest.raises((ResourceAlreadyExists, ResourceConflict)):
        deploy_scripted(brickyard, scripted, CAROL)
