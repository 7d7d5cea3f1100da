"""Secret scopes, through the official SDK."""

import base64

import pytest
from conftest import ADMIN, ANA, BEN, CAROL, TOKENS
from databricks.sdk.errors import PermissionDenied, ResourceAlreadyExists, ResourceDoesNotExist
from databricks.sdk.service.workspace import AclPermission


def test_a_scope_is_its_makers_until_they_share_it(brickyard, fresh):
    ana, ben = brickyard.client(ANA), brickyard.client(BEN)
    ana.secrets.create_scope(fresh)
    with pytest.raises(ResourceAlreadyExists):
        ana.secrets.create_scope(fresh)
    assert fresh in {scope.name for scope in ana.secrets.list_scopes()}

    ana.secrets.put_secret(fresh, "text", string_value="grüße")
    ana.secrets.put_secret(fresh, "bytes", bytes_value=base64.b64encode(b"\x00\xff").decode())
    assert {secret.key for secret in ana.secrets.list_secrets(fresh)} == {"text", "bytes"}
    assert base64.b64decode(ana.secrets.get_secret(fresh, "bytes").value) == b"\x00\xff"
    assert ana.dbutils.secrets.get(fresh, "text") == "grüße"

    with pytest.raises(PermissionDenied):
        ben.secrets.get_secret(fresh, "text")
    ana.secrets.put_acl(fresh, BEN, AclPermission.READ)
    assert ben.dbutils.secrets.get(fresh, "text") == "grüße"
    with pytest.raises(PermissionDenied):
        ben.secrets.put_secret(fresh, "text", string_value="mine now")
    with pytest.raises(PermissionDenied):
        list(ben.secrets.list_acls(fresh))
    acls = {(acl.principal, acl.permission) for acl in ana.secrets.list_acls(fresh)}
    assert acls == {(ANA, AclPermission.MANAGE), (BEN, AclPermission.READ)}

    ana.secrets.delete_acl(fresh, BEN)
    with pytest.raises(PermissionDenied):
        ben.secrets.get_secret(fresh, "text")
    ana.secrets.delete_secret(fresh, "text")
    with pytest.raises(ResourceDoesNotExist):
        ana.secrets.get_secret(fresh, "text")
    ana.secrets.delete_scope(fresh)
    assert fresh not in {scope.name for scope in ana.secrets.list_scopes()}


@pytest.mark.parametrize(("who", "may"), [(ADMIN, True), (CAROL, True), (ANA, False), (BEN, False)])
def test_the_demos_secrets_are_read_by_who_the_acl_names_and_by_admins(brickyard, who, may):
    if may:
        assert brickyard.client(who).dbutils.secrets.get("travel", "weather-api-key") == "demo-weather-key"
    else:
        with pytest.raises(PermissionDenied):
            brickyard.client(who).secrets.get_secret("travel", "weather-api-key")


def test_a_rotated_secret_reaches_the_agent_with_the_next_update(brickyard, fresh):
    """Also with one that changes nothing else: nobody has to invent a change to rotate a credential."""
    carol = brickyard.client(CAROL)
    carol.secrets.create_scope(fresh)
    carol.secrets.put_secret(fresh, "token", string_value=TOKENS[ANA])
    script = {"task": "agent/v1/responses", "rules": [{"identities": True}]}
    declared = {"system_auth_policy": {"resources": {"api_version": "1", "databricks": {"serving_endpoint": [{"name": "travel-model"}]}}}}
    entity = {
        "name": "it",
        "scripted": script,
        "auth_policy": declared,
        "environment_vars": {"REPORTS_TOKEN": "{{secrets/%s/token}}" % fresh},
    }
    path = "/api/2.0/serving-endpoints"
    carol.api_client.do("POST", path, body={"name": fresh, "config": {"served_entities": [entity]}})

    def who() -> list[str]:
        carol.serving_endpoints.wait_get_serving_endpoint_not_updating(fresh)
        answer = carol.api_client.do("POST", f"/serving-endpoints/{fresh}/invocations", body={"input": [{"role": "user", "content": "?"}]})
        return sorted(name for name in (ANA, BEN) if name in str(answer))

    def update() -> None:
        carol.api_client.do("PUT", f"{path}/{fresh}/config", body={"served_entities": [entity]})

    assert who() == [ANA]
    carol.secrets.put_secret(fresh, "token", string_value=TOKENS[BEN])
    assert who() == [ANA], "a running agent keeps what it was started with"
    update()
    assert who() == [BEN]
    update()
    assert who() == [BEN], "the endpoint's own service principal is still there"
    carol.serving_endpoints.delete(fresh)
    carol.secrets.delete_scope(fresh)
