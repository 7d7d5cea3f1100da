"""Who: every way to sign in that the official SDK knows, and the directory behind it."""

import pytest
import requests
from conftest import ADMIN, ANA, BEN, CAROL, TOKENS, WEATHER_CALLER, WEATHER_CALLER_SECRET, bearer
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, DatabricksError, NotFound, PermissionDenied
from databricks.sdk.service import iam, settings


@pytest.mark.parametrize("who", TOKENS)
def test_a_personal_access_token_is_its_owner(brickyard, who):
    workspace = brickyard.client(who)
    assert workspace.current_user.me().user_name == who
    assert workspace.get_workspace_id() == 1234567890123456


def test_a_service_principal_signs_in_with_its_secret_and_is_its_application_id(brickyard):
    workspace = WorkspaceClient(host=brickyard.url, client_id=WEATHER_CALLER, client_secret=WEATHER_CALLER_SECRET)
    me = workspace.current_user.me()
    assert (workspace.config.auth_type, me.user_name, me.display_name) == ("oauth-m2m", WEATHER_CALLER, "weather-caller")


def test_a_wrong_secret_is_invalid_client(brickyard):
    workspace = WorkspaceClient(host=brickyard.url, client_id=WEATHER_CALLER, client_secret="dose-wrong")
    with pytest.raises(ValueError, match="invalid_client"):
        workspace.current_user.me()


def test_a_secret_that_was_made_over_the_api_signs_in_until_it_is_deleted(brickyard):
    admin = brickyard.client(ADMIN)
    principal = admin.service_principals.create(display_name="nightly", active=True)
    path = f"/api/2.0/accounts/servicePrincipals/{principal.id}/credentials/secrets"
    made = admin.api_client.do("POST", path, body={"lifetime": "3600s"})

    def sign_in() -> str:
        return WorkspaceClient(
            host=brickyard.url, client_id=principal.application_id, client_secret=made["secret"]
        ).current_user.me().user_name

    assert sign_in() == principal.application_id
    assert made["secret"] not in str(admin.api_client.do("GET", path))
    admin.api_client.do("DELETE", f"{path}/{made['id']}")
    with pytest.raises(ValueError, match="invalid_client"):
        sign_in()
    admin.service_principals.delete(principal.id)


def test_a_token_is_exchanged_narrowed_introspected_and_revoked(brickyard):
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": TOKENS[ANA],
        "subject_token_type": "urn:databricks:params:oauth:token-type:personal-access-token",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "scope": "sql",
    }
    reply = requests.post(f"{brickyard.url}/oidc/v1/token", data=form, timeout=10).json()
    assert (reply["token_type"], reply["scope"]) == ("Bearer", "sql")
    token = reply["access_token"]
    workspace = brickyard.client(ANA, token)
    assert workspace.current_user.me().user_name == ANA
    with pytest.raises(PermissionDenied, match="required scopes: model-serving"):
        list(workspace.serving_endpoints.list())

    def told(**who) -> dict:
        answer = requests.post(f"{brickyard.url}/oidc/v1/introspect", data={"token": token}, timeout=10, **who)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        return answer.json()

    admin, stranger = {"headers": bearer(ADMIN)}, {"auth": (WEATHER_CALLER, WEATHER_CALLER_SECRET)}
    now = told(**admin)
    assert (now["active"], now["sub"], now["scope"]) == (True, ANA, "sql")
    assert told(**stranger) == {"active": False}, "a client learns nothing of a token that is not its own"
    # Whoever holds a token may end it (RFC 7009), and is not told whether there was one.
    for _ in range(2):
        revoked = requests.post(f"{brickyard.url}/oidc/v1/revoke", data={"token": token}, timeout=10)
        assert revoked.status_code == 200
    assert told(**admin) == {"active": False}
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        workspace.current_user.me()


def test_what_a_scoped_token_does_not_open_is_refused_by_the_scopes_name(brickyard):
    for scopes, refused in (("sql", True), ("serving.serving-endpoints", False), ("model-serving", False)):
        workspace = brickyard.client(ANA, brickyard.token(ANA, scopes))
        if refused:
            with pytest.raises(PermissionDenied, match="required scopes: model-serving"):
                workspace.serving_endpoints.get("echo")
        else:
            assert workspace.serving_endpoints.get("echo").name == "echo"


def test_ana_makes_a_token_uses_it_and_deletes_it(brickyard):
    ana = brickyard.client(ANA)
    made = ana.tokens.create(comment="for the tests", lifetime_seconds=600)
    assert made.token_value.startswith("dapi")
    own = brickyard.client(ANA, made.token_value)
    assert own.current_user.me().user_name == ANA
    assert made.token_info.token_id in {token.token_id for token in ana.tokens.list()}
    ana.tokens.delete(made.token_info.token_id)
    with pytest.raises(DatabricksError, match="(?i)invalid access token"):
        own.current_user.me()


def test_a_token_is_given_other_scopes_and_a_scoped_one_gives_itself_no_more(brickyard):
    ana = brickyard.client(ANA)
    made = ana.tokens.create(comment="ci", lifetime_seconds=600)
    token, path = made.token_value, f"/api/2.0/token/{made.token_info.token_id}"

    def patch(who, mask, **token):
        return who.api_client.do("PATCH", path, body={"update_mask": mask, "token": token})

    def listed():
        return next(one for one in ana.api_client.do("GET", "/api/2.0/token/list")["token_infos"] if one["comment"] == "ci2")

    assert brickyard.client(ANA, token).serving_endpoints.list() is not None
    patch(ana, "comment,scopes", comment="ci2", scopes=["authentication", "sql"])
    assert listed()["scopes"] == ["authentication", "sql"]
    with pytest.raises(PermissionDenied, match="required scopes: model-serving"):
        list(brickyard.client(ANA, token).serving_endpoints.list())
    with pytest.raises(PermissionDenied, match="does not have the scopes"):
        patch(brickyard.client(ANA, token), "scopes", scopes=["all-apis"])
    patch(brickyard.client(ANA, token), "scopes", scopes=["sql"])
    assert listed()["scopes"] == ["sql"]
    for mask, scopes in (("scopes", []), ("scopes", ["nonsense"]), ("owner", ["sql"])):
        with pytest.raises(BadRequest):
            patch(ana, mask, scopes=scopes)
    with pytest.raises(NotFound):
        patch(brickyard.client(BEN), "scopes", scopes=["sql"])
    brickyard.client(ADMIN).api_client.do(
        "PATCH",
        f"/api/2.0/token-management/tokens/{made.token_info.token_id}",
        body={"update_mask": "scopes", "token": {"scopes": ["serving.serving-endpoints"]}},
    )
    assert list(brickyard.client(ANA, token).serving_endpoints.list())
    ana.tokens.delete(made.token_info.token_id)


def test_the_last_admin_stays(brickyard, fresh):
    admin = brickyard.client(ADMIN)
    admins = next(group for group in admin.groups.list() if group.display_name == "admins")
    me = admin.current_user.me()
    operation = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

    def members(op, **rest):
        body = {"schemas": [operation], "Operations": [{"op": op, **rest}]}
        admin.api_client.do("PATCH", f"/api/2.0/preview/scim/v2/Groups/{admins.id}", body=body)

    for attempt in (
        lambda: members("remove", path=f'members[value eq "{me.id}"]'),
        lambda: members("replace", path="members", value=[]),
        lambda: admin.users.delete(me.id),
        lambda: admin.api_client.do(
            "PATCH",
            f"/api/2.0/preview/scim/v2/Users/{me.id}",
            body={"schemas": [operation], "Operations": [{"op": "replace", "path": "active", "value": False}]},
        ),
    ):
        with pytest.raises(BadRequest, match="at least one active admin"):
            attempt()
    other = admin.users.create(user_name=f"{fresh}@example.com")
    members("add", path="members", value=[{"value": other.id}])
    members("remove", path=f'members[value eq "{other.id}"]')
    admin.users.delete(other.id)
    assert admin.current_user.me().user_name == ADMIN


def test_listing_people_ends_and_shows_no_hidden_service_principal(brickyard):
    admin = brickyard.client(ADMIN)
    assert set(TOKENS) <= {user.user_name for user in admin.users.list()}
    assert [user.user_name for user in admin.users.list(filter=f'userName eq "{ANA}"')] == [ANA]
    assert {"admins", "users", "analysts"} <= {group.display_name for group in admin.groups.list()}
    assert {principal.application_id for principal in admin.service_principals.list()} == {WEATHER_CALLER}


def test_joining_a_group_counts_at_once(brickyard, fresh):
    admin = brickyard.client(ADMIN)
    user = admin.users.create(user_name=f"{fresh}@example.com")
    token = brickyard.token(user.user_name)

    def ask():
        return brickyard.client(ANA, token).api_client.do(
            "POST", "/serving-endpoints/guide-model/invocations", body={"messages": [{"role": "user", "content": "hi"}]}
        )

    with pytest.raises(DatabricksError):
        ask()
    analysts = next(group for group in admin.groups.list() if group.display_name == "analysts")
    admin.api_client.do(
        "PATCH",
        f"/api/2.0/preview/scim/v2/Groups/{analysts.id}",
        body={
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "value": {"members": [{"value": user.id}]}}],
        },
    )
    assert ask()["choices"]
    admin.users.delete(user.id)
    with pytest.raises(DatabricksError):
        ask()


def test_only_an_admin_changes_the_directory_and_mints_tokens(brickyard):
    for who in (ANA, BEN, CAROL):
        with pytest.raises(PermissionDenied):
            brickyard.client(who).users.create(user_name="x@example.com")
        assert brickyard.post("/_brickyard/tokens", who, {"as": ADMIN}).status_code == 403


def test_users_are_read_replaced_and_deactivated(brickyard, fresh):
    admin = brickyard.client(ADMIN)
    made = admin.users.create(user_name=f"{fresh}@example.com", display_name="At first")
    read = admin.users.get(made.id)
    assert (read.user_name, read.display_name, read.active) == (f"{fresh}@example.com", "At first", True)
    admin.users.update(made.id, user_name=f"{fresh}@example.com", display_name="Later", active=True)
    assert admin.users.get(made.id).display_name == "Later"
    token = brickyard.token(made.user_name)
    assert brickyard.client(ADMIN, token).current_user.me().display_name == "Later"
    # A replacement says everything: who is not active in it is not.
    admin.users.update(made.id, user_name=f"{fresh}@example.com", display_name="Later", active=False)
    assert admin.users.get(made.id).active is False
    with pytest.raises(DatabricksError, match="(?i)invalid access token"):
        brickyard.client(ADMIN, token).current_user.me()
    admin.users.delete(made.id)
    with pytest.raises(NotFound):
        admin.users.get(made.id)


def test_groups_are_made_read_replaced_and_deleted(brickyard, fresh):
    admin = brickyard.client(ADMIN)
    ana, ben = (next(admin.users.list(filter=f'userName eq "{who}"')) for who in (ANA, BEN))
    made = admin.groups.create(display_name=fresh, members=[iam.ComplexValue(value=ana.id)])

    def members() -> set[str]:
        return {member.value for member in admin.groups.get(made.id).members or []}

    assert (admin.groups.get(made.id).display_name, members()) == (fresh, {ana.id})
    assert fresh in {group.display for group in admin.users.get(ana.id).groups}
    admin.groups.update(made.id, display_name=fresh, members=[iam.ComplexValue(value=ben.id)])
    assert members() == {ben.id}
    admin.groups.update(made.id, display_name=f"{fresh}-2")
    assert (admin.groups.get(made.id).display_name, members()) == (f"{fresh}-2", set())
    admin.groups.delete(made.id)
    with pytest.raises(NotFound):
        admin.groups.get(made.id)
    assert f"{fresh}-2" not in {group.display_name for group in admin.groups.list()}


def test_service_principals_are_read_renamed_patched_and_replaced(brickyard, fresh):
    admin = brickyard.client(ADMIN)
    made = admin.service_principals.create(display_name=fresh, active=True)
    read = admin.service_principals.get(made.id)
    assert (read.application_id, read.display_name, read.active) == (made.application_id, fresh, True)
    admin.service_principals.update(
        made.id, application_id=made.application_id, display_name=f"{fresh}-2", active=True
    )
    assert admin.service_principals.get(made.id).display_name == f"{fresh}-2"
    off = iam.Patch(op=iam.PatchOp.REPLACE, path="active", value="false")
    admin.service_principals.patch(
        made.id, operations=[off], schemas=[iam.PatchSchema.URN_IETF_PARAMS_SCIM_API_MESSAGES_2_0_PATCH_OP]
    )
    assert admin.service_principals.get(made.id).active is False
    admin.service_principals.delete(made.id)
    with pytest.raises(NotFound):
        admin.service_principals.get(made.id)


def test_a_service_principals_secrets_are_the_same_below_the_account(brickyard, fresh):
    admin = brickyard.client(ADMIN)
    principal = admin.service_principals.create(display_name=fresh, active=True)
    account = requests.get(f"{brickyard.url}/.well-known/databricks-config", timeout=10).json()["account_id"]
    below = f"/api/2.0/accounts/{account}/servicePrincipals/{principal.id}/credentials/secrets"
    made = admin.api_client.do("POST", below, body={})
    assert made["secret"].startswith("dose")
    listed = admin.api_client.do("GET", f"/api/2.0/accounts/servicePrincipals/{principal.id}/credentials/secrets")
    assert [secret["id"] for secret in listed["secrets"]] == [made["id"]]
    assert admin.api_client.do("GET", below) == listed
    admin.api_client.do("DELETE", f"{below}/{made['id']}")
    assert not admin.api_client.do("GET", below).get("secrets")
    other = below.replace(account, "00000000-0000-4000-8000-000000000000")
    with pytest.raises(NotFound):
        admin.api_client.do("GET", other)
    admin.service_principals.delete(principal.id)


def test_a_manager_of_tokens_sees_everybodys_and_makes_one_for_a_service_principal(brickyard):
    admin, ana = brickyard.client(ADMIN), brickyard.client(ANA)
    made = ana.tokens.create(comment="anas own", lifetime_seconds=600)
    mine = made.token_info.token_id
    listed = {token.token_id: token for token in admin.token_management.list(created_by_username=ANA)}
    assert (listed[mine].comment, listed[mine].created_by_username) == ("anas own", ANA)
    assert mine in {token.token_id for token in admin.token_management.list()}
    assert mine not in {token.token_id for token in admin.token_management.list(created_by_username=BEN)}
    assert admin.token_management.get(mine).token_info.comment == "anas own"
    with pytest.raises(PermissionDenied):
        list(ana.token_management.list())
    admin.token_management.delete(mine)
    with pytest.raises(DatabricksError, match="(?i)invalid access token"):
        brickyard.client(ANA, made.token_value).current_user.me()

    robots = admin.token_management.create_obo_token(WEATHER_CALLER, comment="nightly", lifetime_seconds=600)
    assert brickyard.client(ANA, robots.token_value).current_user.me().user_name == WEATHER_CALLER
    admin.token_management.delete(robots.token_info.token_id)
    with pytest.raises(NotFound):
        admin.token_management.get(robots.token_info.token_id)


def test_who_may_have_tokens_is_a_permission(brickyard):
    admin = brickyard.client(ADMIN)
    before = admin.token_management.get_permissions()
    assert before.object_type == "tokens"
    assert "CAN_USE" in {level.permission_level.value for level in admin.token_management.get_permission_levels().permission_levels}
    ben = settings.TokenAccessControlRequest(
        user_name=BEN, permission_level=settings.TokenPermissionLevel.CAN_USE
    )
    after = admin.token_management.update_permissions(access_control_list=[ben])
    assert BEN in {entry.user_name for entry in after.access_control_list}
    kept = [
        settings.TokenAccessControlRequest(
            group_name=entry.group_name, user_name=entry.user_name, permission_level=permission.permission_level
        )
        for entry in before.access_control_list
        for permission in entry.all_permissions
        if not permission.inherited
    ]
    restored = admin.token_management.set_permissions(access_control_list=kept)
    assert BEN not in {entry.user_name for entry in restored.access_control_list}
