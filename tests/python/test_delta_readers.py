"""A managed table is an ordinary Delta table: another reader opens the folder that `DESCRIBE DETAIL` names."""

import pytest
from conftest import ADMIN, BEN, Brickyard
from databricks.sdk.service.sql import WarehouseAccessControlRequest, WarehousePermissionLevel

deltalake = pytest.importorskip("deltalake")


@pytest.fixture
def run(brickyard: Brickyard, fresh: str):
    """Runs statements in a schema of the admin's own and answers with the rows of the last."""
    admin = brickyard.client(ADMIN)
    warehouse = admin.warehouses.create(name=fresh, cluster_size="2X-Small").result().id
    name = fresh.replace("-", "_")

    def run(*texts: str, who: str = ADMIN) -> list[list[str]]:
        for text in texts:
            answer = brickyard.client(who).statement_execution.execute_statement(
                text, warehouse, catalog=name, schema="s"
            )
            assert answer.status.error is None, f"{text}: {answer.status}"
        return answer.result.data_array or [] if answer.result else []

    admin.statement_execution.execute_statement(f"CREATE CATALOG {name}", warehouse)
    run("CREATE SCHEMA s")
    run.warehouse, run.catalog = warehouse, name
    yield run
    run(f"DROP CATALOG {name} CASCADE")
    admin.warehouses.delete(warehouse)


def location(run, table: str, who: str = ADMIN) -> str | None:
    columns = "format, id, name, description, location".split(", ")
    return dict(zip(columns, run(f"DESCRIBE DETAIL {table}", who=who)[0], strict=False))["location"]


def rows_elsewhere(folder: str, *columns: str) -> list[list[str]]:
    """What the reader of the `deltalake` package finds, as the warehouse writes values in JSON."""

    def shown(value: object) -> str | None:
        return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    found = deltalake.DeltaTable(folder).to_pyarrow_table(columns=list(columns)).to_pylist()
    return sorted(([shown(row[column]) for column in columns] for row in found), key=str)


def same(run, table: str, *columns: str) -> None:
    ours = sorted(run(f"SELECT {', '.join(columns)} FROM {table}"), key=str)
    assert ours, "there are rows to compare"
    assert rows_elsewhere(location(run, table), *columns) == ours


@pytest.mark.parametrize(
    ("steps", "columns"),
    [
        (["INSERT INTO t VALUES (4, 'd', 4.25, DATE '2026-04-04', false)"], ["id", "name", "price", "day", "good"]),
        (["UPDATE t SET name = 'x' WHERE id = 2"], ["id", "name"]),
        (["DELETE FROM t WHERE id < 3"], ["id", "name", "good"]),
        (
            [
                "CREATE TABLE u AS SELECT 3 AS id, 'merged' AS name UNION ALL SELECT 9, 'new'",
                "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET name = u.name "
                "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (u.id, u.name)",
            ],
            ["id", "name", "price"],
        ),
        (["ALTER TABLE t RENAME COLUMN name TO title"], ["id", "title"]),
        (["ALTER TABLE t DROP COLUMN price", "ALTER TABLE t ADD COLUMN price STRING"], ["id", "price"]),
        (["ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0)", "INSERT INTO t (id) VALUES (5)"], ["id", "name"]),
        (["INSERT OVERWRITE t VALUES (7, 'g', 7.00, NULL, NULL)", "OPTIMIZE t"], ["id", "name", "day"]),
        (["DELETE FROM t WHERE id = 1", "RESTORE TABLE t TO VERSION AS OF 1"], ["id", "name"]),
    ],
    ids=["insert", "update", "delete", "merge", "rename column", "drop and add", "check", "overwrite", "restore"],
)
def test_another_reader_finds_the_rows_that_the_warehouse_shows(run, steps: list[str], columns: list[str]) -> None:
    run(
        "CREATE TABLE t (id INT, name STRING, price DECIMAL(10,2), day DATE, good BOOLEAN)",
        "INSERT INTO t VALUES (1, 'a', 1.50, DATE '2026-01-01', true), (2, 'b', NULL, NULL, false), (3, NULL, 3.00, NULL, NULL)",
        *steps,
    )
    same(run, "t", *columns)


def test_identity_columns_and_nested_values_are_there_for_another_reader(run) -> None:
    run(
        "CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY, tags ARRAY<STRING>, at STRUCT<x: INT, y: INT>)",
        "INSERT INTO t (tags, at) VALUES (array('a', 'b'), named_struct('x', 1, 'y', 2))",
        "INSERT INTO t (tags, at) VALUES (NULL, named_struct('x', 3, 'y', NULL))",
    )
    found = deltalake.DeltaTable(location(run, "t")).to_pyarrow_table().to_pylist()
    assert sorted(found, key=lambda row: row["id"]) == [
        {"id": 1, "tags": ["a", "b"], "at": {"x": 1, "y": 2}},
        {"id": 2, "tags": None, "at": {"x": 3, "y": None}},
    ]


def test_where_the_files_are_is_not_told_past_a_row_filter(brickyard: Brickyard, run) -> None:
    run(
        "CREATE TABLE t AS SELECT 1 AS id",
        "CREATE FUNCTION nobody(id INT) RETURNS BOOLEAN RETURN false",
        "ALTER TABLE t SET ROW FILTER nobody ON (id)",
        f"GRANT USE CATALOG ON CATALOG {run.catalog} TO `{BEN}`",
        f"GRANT USE SCHEMA ON SCHEMA s TO `{BEN}`",
        f"GRANT SELECT ON TABLE t TO `{BEN}`",
    )
    give = WarehouseAccessControlRequest(user_name=BEN, permission_level=WarehousePermissionLevel.CAN_USE)
    brickyard.client(ADMIN).warehouses.update_permissions(run.warehouse, access_control_list=[give])
    assert location(run, "t", who=BEN) is None
    assert location(run, "t") is not None
    run("ALTER TABLE t DROP ROW FILTER")
    assert location(run, "t", who=BEN) == location(run, "t")
