"""Unity Catalog as the official clients see it: the SDK's own types, pages and errors; and unitycatalog-ai where it is
installed."""

import datetime
import json
from collections.abc import Iterator

import pytest
from conftest import ADMIN, ANA, BEN, Brickyard
from databricks.sdk.errors import BadRequest, NotFound, NotImplemented, PermissionDenied
from databricks.sdk.service import catalog as uc


@pytest.fixture
def catalog(brickyard: Brickyard, fresh: str) -> Iterator[str]:
    """A catalog of the admin's own, which Ana may use."""
    admin = brickyard.client(ADMIN)
    name = fresh.replace("-", "_")
    admin.catalogs.create(name, comment="of a test")
    admin.schemas.create("s", name)
    grant(brickyard, "catalog", name, ANA, uc.Privilege.USE_CATALOG)
    grant(brickyard, "schema", f"{name}.s", ANA, uc.Privilege.USE_SCHEMA)
    yield name
    admin.catalogs.delete(name, force=True)


def grant(brickyard: Brickyard, kind: str, name: str, who: str, *privileges: uc.Privilege) -> None:
    change = uc.PermissionsChange(principal=who, add=list(privileges))
    brickyard.client(ADMIN).grants.update(kind, name, changes=[change])


def parameter(name: str, position: int) -> uc.FunctionParameterInfo:
    return uc.FunctionParameterInfo(
        name=name, type_text="bigint", type_name=uc.ColumnTypeName.LONG, position=position, comment=f"the {name}"
    )


def make_function(brickyard: Brickyard, catalog: str, name: str, *parameters: str) -> uc.FunctionInfo:
    return brickyard.client(ADMIN).functions.create(
        uc.CreateFunction(
            name=name,
            catalog_name=catalog,
            schema_name="s",
            input_params=uc.FunctionParameterInfos([parameter(one, at) for at, one in enumerate(parameters)]),
            data_type=uc.ColumnTypeName.LONG,
            full_data_type="BIGINT",
            routine_body=uc.CreateFunctionRoutineBody.SQL,
            routine_definition=" + ".join(parameters) or "1",
            parameter_style=uc.CreateFunctionParameterStyle.S,
            is_deterministic=True,
            sql_data_access=uc.CreateFunctionSqlDataAccess.CONTAINS_SQL,
            is_null_call=False,
            security_type=uc.CreateFunctionSecurityType.DEFINER,
            specific_name=name,
            comment="adds",
        )
    )


def test_catalogs_and_schemas_are_made_listed_changed_and_dropped(brickyard: Brickyard, catalog: str) -> None:
    admin, ana = brickyard.client(ADMIN), brickyard.client(ANA)
    assert catalog in [one.name for one in ana.catalogs.list()]
    assert catalog not in [one.name for one in brickyard.client(BEN).catalogs.list()]
    assert admin.catalogs.get(catalog).owner == ADMIN
    assert [one.full_name for one in ana.schemas.list(catalog)] == [f"{catalog}.information_schema", f"{catalog}.s"]
    assert {one.name for one in admin.schemas.list(catalog)} == {"default", "information_schema", "s"}
    assert admin.schemas.update(f"{catalog}.s", comment="ours").comment == "ours"
    assert admin.schemas.get(f"{catalog}.s").comment == "ours"
    assert admin.schemas.create("gone", catalog).full_name == f"{catalog}.gone"
    admin.schemas.delete(f"{catalog}.gone")
    with pytest.raises(NotFound, match="does not exist"):
        admin.schemas.get(f"{catalog}.gone")
    with pytest.raises(BadRequest, match="already exists"):
        admin.schemas.create("s", catalog)
    with pytest.raises(PermissionDenied, match="User does not have CREATE SCHEMA on Catalog"):
        ana.schemas.create("mine", catalog)
    with pytest.raises(PermissionDenied, match="User does not have USE CATALOG on Catalog"):
        brickyard.client(BEN).catalogs.get(catalog)


def test_a_list_without_anything_is_no_error(brickyard: Brickyard, catalog: str) -> None:
    ana = brickyard.client(ANA)
    assert list(ana.tables.list(catalog, "s")) == []
    assert list(ana.tables.list_summaries(catalog)) == []
    assert list(ana.functions.list(catalog, "s")) == []
    assert list(ana.connections.list()) == []
    assert ana.tables.exists(f"{catalog}.s.none").table_exists is False
    with pytest.raises(NotFound, match="Table '.*' does not exist"):
        ana.tables.get(f"{catalog}.s.none")
    with pytest.raises(NotImplemented, match="not emulated"):
        list(ana.volumes.list(catalog, "s"))


def test_lists_come_in_pages(brickyard: Brickyard, catalog: str) -> None:
    names = [f"f{number}" for number in range(5)]
    for name in names:
        make_function(brickyard, catalog, name, "a")
    for size in (None, 0, 1, 2, 100):
        listed = brickyard.client(ADMIN).functions.list(catalog, "s", max_results=size)
        assert [one.name for one in listed] == names, size


def test_a_function_is_shown_to_whoever_may_execute_it(brickyard: Brickyard, catalog: str) -> None:
    name = make_function(brickyard, catalog, "add", "a", "b").full_name
    ana = brickyard.client(ANA)
    with pytest.raises(PermissionDenied, match="User does not have EXECUTE on Routine or Model"):
        ana.functions.get(name)
    grant(brickyard, "function", name, ANA, uc.Privilege.EXECUTE)
    shown = ana.functions.get(name)
    assert [(one.name, one.type_text, one.position) for one in shown.input_params.parameters] == [
        ("a", "bigint", 0),
        ("b", "bigint", 1),
    ]
    assert (shown.data_type, shown.full_data_type) == (uc.ColumnTypeName.LONG, "BIGINT")
    assert shown.routine_definition == "a + b"


def test_grants_are_read_and_changed(brickyard: Brickyard, catalog: str) -> None:
    admin, ana = brickyard.client(ADMIN), brickyard.client(ANA)
    grant(brickyard, "catalog", catalog, "account users", uc.Privilege.SELECT)
    held = {one.principal: one.privileges for one in admin.grants.get("CATALOG", catalog).privilege_assignments}
    assert held == {ANA: [uc.Privilege.USE_CATALOG], "account users": [uc.Privilege.SELECT]}
    effective = admin.grants.get_effective("schema", f"{catalog}.s", principal=ANA).privilege_assignments
    assert [one.privilege for one in effective[0].privileges] == [uc.Privilege.USE_SCHEMA]
    inherited = admin.grants.get_effective("schema", f"{catalog}.s", principal="account users").privilege_assignments
    assert [(one.privilege, one.inherited_from_type, one.inherited_from_name) for one in inherited[0].privileges] == [
        (uc.Privilege.SELECT, uc.SecurableType.CATALOG, catalog)
    ]
    with pytest.raises(PermissionDenied, match="User does not have MANAGE on Catalog"):
        ana.grants.update("catalog", catalog, changes=[uc.PermissionsChange(principal=ANA, add=[uc.Privilege.MANAGE])])
    with pytest.raises(NotFound, match="Could not find principal with name nobody@example.com"):
        grant(brickyard, "catalog", catalog, "nobody@example.com", uc.Privilege.SELECT)
    with pytest.raises(BadRequest, match="not applicable"):
        grant(brickyard, "schema", f"{catalog}.s", ANA, uc.Privilege.CREATE_CATALOG)


def test_a_connections_secret_is_not_shown(brickyard: Brickyard, fresh: str) -> None:
    admin = brickyard.client(ADMIN)
    options = {"host": "https://api.example.com", "port": "443", "bearer_token": "canary-19"}
    made = admin.connections.create(fresh, uc.ConnectionType.HTTP, options)
    assert made.options == {"host": "https://api.example.com", "port": "443"}
    assert admin.connections.get(fresh).credential_type == uc.CredentialType.BEARER_TOKEN
    assert fresh in [one.name for one in admin.connections.list()]
    with pytest.raises(PermissionDenied, match="User does not have USE CONNECTION on Connection"):
        brickyard.client(ANA).connections.get(fresh)
    admin.connections.delete(fresh)


def test_the_metastore_is_the_workspaces(brickyard: Brickyard) -> None:
    ana = brickyard.client(ANA)
    assert ana.metastores.current().metastore_id == ana.metastores.summary().metastore_id


def test_a_toolkit_is_made_from_a_function(brickyard: Brickyard, catalog: str) -> None:
    databricks = pytest.importorskip("unitycatalog.ai.core.databricks")
    toolkit = pytest.importorskip("unitycatalog.ai.openai.toolkit")
    add = make_function(brickyard, catalog, "add", "a", "b").full_name
    one = make_function(brickyard, catalog, "one").full_name
    # The default mode opens a Spark Connect session over TLS before it asks for anything.
    client = databricks.DatabricksFunctionClient(client=brickyard.client(ADMIN), execution_mode="local")
    assert client.get_function(add).full_name == add
    tools = toolkit.UCFunctionToolkit(function_names=[add, one], client=client).tools
    described = {tool["function"]["name"]: tool["function"]["parameters"]["properties"] for tool in tools}
    assert set(described[add.replace(".", "__")]) == {"a", "b"}
    assert described[one.replace(".", "__")] == {}
    assert len(toolkit.UCFunctionToolkit(function_names=[f"{catalog}.s.*"], client=client).tools) == 2


FUNCTIONS = """
CREATE FUNCTION {s}.reversed(word STRING) RETURNS STRING LANGUAGE PYTHON AS $$ return word[::-1] $$;
CREATE FUNCTION {s}.fails(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$ raise ValueError("not today") $$;
CREATE FUNCTION {s}.up_to(most BIGINT) RETURNS TABLE (n BIGINT, word STRING)
    RETURN SELECT * FROM VALUES (1, 'one'), (2, 'two'), (3, 'three') AS v(n, word) WHERE n <= most ORDER BY n;
CREATE FUNCTION {s}.largest(xs ARRAY<BIGINT>) RETURNS BIGINT RETURN array_max(xs);
CREATE FUNCTION {s}.in_hex(b BINARY) RETURNS STRING RETURN hex(b);
CREATE FUNCTION {s}.day_after(d DATE) RETURNS DATE RETURN date_add(d, 1);
CREATE FUNCTION {s}.later(d TIMESTAMP, i INTERVAL DAY TO SECOND) RETURNS TIMESTAMP RETURN d + i;
CREATE FUNCTION {s}.greet(name STRING COMMENT 'whom', greeting STRING DEFAULT 'Hello', mark STRING DEFAULT '!')
    RETURNS STRING COMMENT 'greets' RETURN concat(greeting, ' ', name, mark)
"""


@pytest.fixture
def tools(brickyard: Brickyard, catalog: str, fresh: str) -> Iterator[object]:
    """Ana's client of unitycatalog-ai, which runs functions on a warehouse that she may use."""
    databricks = pytest.importorskip("unitycatalog.ai.core.databricks")
    from databricks.sdk.service.sql import WarehouseAccessControlRequest, WarehousePermissionLevel

    admin = brickyard.client(ADMIN)
    warehouse = admin.warehouses.create(name=fresh, cluster_size="2X-Small").result().id
    give = WarehouseAccessControlRequest(user_name=ANA, permission_level=WarehousePermissionLevel.CAN_USE)
    admin.warehouses.update_permissions(warehouse, access_control_list=[give])
    for statement in FUNCTIONS.format(s=f"{catalog}.s").split(";\n"):
        made = admin.statement_execution.execute_statement(statement, warehouse)
        assert made.status.state.value == "SUCCEEDED", made.status
    make_function(brickyard, catalog, "add", "a", "b")
    make_function(brickyard, catalog, "one")
    grant(brickyard, "schema", f"{catalog}.s", ANA, uc.Privilege.EXECUTE)
    yield databricks.DatabricksFunctionClient(client=brickyard.client(ANA), warehouse_id=warehouse)
    admin.warehouses.delete(warehouse)


# The client warns of functions and parameters without a comment.
undescribed = pytest.mark.filterwarnings("ignore:The .* not have :UserWarning")


@undescribed
def test_a_tool_runs_its_function_on_a_warehouse(catalog: str, tools):
    day, moment = datetime.date(2024, 2, 28), datetime.datetime(2024, 2, 28, 17, 30)
    for name, arguments, value in [
        ("add", {"a": 1, "b": 2}, "3"),
        ("one", {}, "1"),
        ("reversed", {"word": "drawer"}, "reward"),
        ("up_to", {"most": 2}, "n,word\n1,one\n2,two\n"),
        ("largest", {"xs": [1, 5, 3]}, "5"),
        ("in_hex", {"b": b"\x00\xff"}, "00FF"),
        ("day_after", {"d": day}, "2024-02-29"),
        ("later", {"d": moment, "i": datetime.timedelta(days=1, hours=2)}, "2024-02-29T19:30:00.000Z"),
        ("greet", {"name": "Ana"}, "Hello Ana!"),
        ("greet", {"name": "Ana", "mark": "?"}, "Hello Ana?"),
    ]:
        ran = tools.execute_function(f"{catalog}.s.{name}", arguments)
        assert (ran.error, ran.value, ran.truncated) == (None, value, False), name


@undescribed
def test_a_tool_tells_its_model_why_there_is_no_answer(brickyard: Brickyard, catalog: str, tools):
    ran = tools.execute_function(f"{catalog}.s.fails", {"x": 1})
    assert "BAD_REQUEST" in ran.error and "ValueError: not today" in ran.error, ran.error
    # Its owner took the right back after the tool was made: the client reads the function before it calls it.
    add = f"{catalog}.s.add"
    grant(brickyard, "catalog", catalog, ANA, uc.Privilege.BROWSE)
    change = uc.PermissionsChange(principal=ANA, remove=[uc.Privilege.EXECUTE])
    brickyard.client(ADMIN).grants.update("schema", f"{catalog}.s", changes=[change])
    with pytest.raises(PermissionError, match=f"User does not have EXECUTE on Routine or Model '{add}'"):
        tools.execute_function(add, {"a": 1, "b": 2})


@undescribed
def test_a_toolkit_calls_its_tools_on_a_warehouse(catalog: str, tools):
    toolkit = pytest.importorskip("unitycatalog.ai.openai.toolkit")
    made = toolkit.UCFunctionToolkit(function_names=[f"{catalog}.s.*"], client=tools)
    described = {tool["function"]["name"]: tool["function"]["parameters"] for tool in made.tools}
    greet = described[f"{catalog}__s__greet"]["properties"]
    assert greet["name"]["description"] == "whom" and "Hello" in json.dumps(greet["greeting"]), greet
    assert tools.execute_function(f"{catalog}.s.greet", {"name": "Ben"}).value == "Hello Ben!"
