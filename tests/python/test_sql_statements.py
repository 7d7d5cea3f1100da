"""Statements over the official SDK and the official SQL connector (its REST backend: `use_sea=True`)."""

from decimal import Decimal

import pytest
from conftest import ADMIN, BEN, TOKENS, Brickyard
from databricks import sql
from databricks.sdk.errors import NotFound, PermissionDenied
from databricks.sdk.service.sql import Disposition, Format, StatementParameterListItem, StatementState


@pytest.fixture
def warehouse(brickyard: Brickyard, fresh: str):
    """A warehouse of the admin's own."""
    warehouses = brickyard.client(ADMIN).warehouses
    made = warehouses.create(name=fresh, cluster_size="2X-Small").result()
    yield made.id
    warehouses.delete(made.id)


def connection(brickyard: Brickyard, warehouse: str, who: str = ADMIN, **options: object):
    host, _, port = brickyard.url.rpartition(":")
    return sql.connect(
        server_hostname=host,
        _port=int(port),
        http_path=f"/sql/1.0/warehouses/{warehouse}",
        access_token=TOKENS[who],
        use_sea=True,
        enable_telemetry=False,  # or it asks port 80 for feature flags first, for half a minute
        **options,
    )


def test_the_sdk_runs_a_statement_with_parameters(brickyard: Brickyard, warehouse: str):
    answer = brickyard.client(ADMIN).statement_execution.execute_statement(
        "SELECT CAST(:n AS BIGINT) AS n, :s AS s",
        warehouse,
        parameters=[
            StatementParameterListItem(name="n", value="42", type="BIGINT"),
            StatementParameterListItem(name="s", value="it's"),
        ],
    )
    assert answer.status.state == StatementState.SUCCEEDED, answer.status
    assert answer.result.data_array == [["42", "it's"]]
    assert [column.type_text for column in answer.manifest.schema.columns] == ["BIGINT", "STRING"]


def test_the_sdk_polls_and_cancels_its_own_statements_only(brickyard: Brickyard, warehouse: str):
    statements = brickyard.client(ADMIN).statement_execution
    started = statements.execute_statement("SELECT 1", warehouse, wait_timeout="0s")
    while (now := statements.get_statement(started.statement_id)).status.state != StatementState.SUCCEEDED:
        assert now.status.state in (StatementState.PENDING, StatementState.RUNNING), now.status
    assert now.result.data_array == [["1"]]
    with pytest.raises(NotFound):
        brickyard.client(BEN).statement_execution.get_statement(started.statement_id)
    endless = statements.execute_statement("SELECT sum(id % 7) FROM range(1000000000000)", warehouse, wait_timeout="0s")
    statements.cancel_execution(endless.statement_id)
    assert statements.get_statement(endless.statement_id).status.state == StatementState.CANCELED


def test_the_sdk_gets_links(brickyard: Brickyard, warehouse: str):
    statements = brickyard.client(ADMIN).statement_execution
    answer = statements.execute_statement(
        "SELECT 1 AS n", warehouse, disposition=Disposition.EXTERNAL_LINKS, format=Format.ARROW_STREAM
    )
    assert answer.status.state == StatementState.SUCCEEDED, answer.status
    [link] = answer.result.external_links
    import pyarrow
    import requests

    body = requests.get(link.external_link, timeout=30)
    body.raise_for_status()
    assert pyarrow.ipc.open_stream(body.content).read_all().to_pydict() == {"n": [1]}


def test_who_may_not_use_the_warehouse_is_told_so(brickyard: Brickyard, warehouse: str):
    with pytest.raises(PermissionDenied, match="is not authorized to use this SQL Endpoint"):
        brickyard.client(BEN).statement_execution.execute_statement("SELECT 1", warehouse)


@pytest.mark.parametrize("links", [True, False], ids=["arrow links", "json inline"])
def test_the_connector_reads_rows_of_every_kind(brickyard: Brickyard, warehouse: str, links: bool):
    statement = "SELECT 1 AS i, 'a' AS s, CAST(1.50 AS DECIMAL(10,2)) AS d, true AS b, CAST(NULL AS STRING) AS n"
    with connection(brickyard, warehouse, use_cloud_fetch=links) as connected, connected.cursor() as cursor:
        cursor.execute(statement)
        [row] = cursor.fetchall()
        assert tuple(row) == (1, "a", Decimal("1.50"), True, None)
        assert [column[0] for column in cursor.description] == ["i", "s", "d", "b", "n"]


def test_the_connector_reads_a_long_result_piece_by_piece(brickyard: Brickyard, warehouse: str):
    seen = []
    with connection(brickyard, warehouse) as connected, connected.cursor() as cursor:
        cursor.execute("SELECT id FROM range(250000)")  # three chunks of links
        while rows := cursor.fetchmany(60_000):
            assert len(rows) <= 60_000
            seen.extend(row[0] for row in rows)
    assert sorted(seen) == list(range(250_000))


def test_the_connector_tells_what_is_wrong_with_a_statement(brickyard: Brickyard, warehouse: str):
    with connection(brickyard, warehouse) as connected, connected.cursor() as cursor:
        with pytest.raises(sql.exc.ServerOperationError, match="nothing_here"):
            cursor.execute("SELECT * FROM main.sales.nothing_here")


def test_a_warehouse_is_stopped_and_started_and_given_away(brickyard: Brickyard, warehouse: str):
    admin = brickyard.client(ADMIN)
    assert admin.warehouses.stop(warehouse).result().state.value == "STOPPED"
    assert admin.warehouses.start(warehouse).result().state.value == "RUNNING"
    from databricks.sdk.service.sql import WarehouseAccessControlRequest, WarehousePermissionLevel

    give = WarehouseAccessControlRequest(user_name=BEN, permission_level=WarehousePermissionLevel.CAN_USE)
    admin.warehouses.update_permissions(warehouse, access_control_list=[give])
    assert [one.id for one in brickyard.client(BEN).warehouses.list() if one.id == warehouse]
    answer = brickyard.client(BEN).statement_execution.execute_statement("SELECT 1", warehouse)
    assert answer.result.data_array == [["1"]]
