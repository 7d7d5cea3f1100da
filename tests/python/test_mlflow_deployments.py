"""`mlflow.deployments`, as notebooks use it."""

import pytest
import requests
from conftest import ANA, BEN, TOKENS
from mlflow.deployments import get_deploy_client

HELLO = {"messages": [{"role": "user", "content": "What is worth seeing in Lisbon?"}]}


@pytest.fixture
def ana(brickyard, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", brickyard.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKENS[ANA])
    return get_deploy_client("databricks")


def test_predicts_and_streams(ana):
    reply = ana.predict(endpoint="guide-model", inputs=HELLO)
    assert reply["choices"][0]["message"]["content"] == "The guide to Lisbon has 12 chapters."
    chunks = list(ana.predict_stream(endpoint="guide-model", inputs=HELLO))
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert text == "The guide to Lisbon has 12 chapters."


def test_lists_and_shows_endpoints(ana):
    assert {"concierge", "echo", "guide-model"} <= {endpoint["name"] for endpoint in ana.list_endpoints()}
    assert ana.get_endpoint("concierge")["state"]["ready"] == "READY"


def test_a_refusal_keeps_its_status(brickyard, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", brickyard.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKENS[BEN])
    with pytest.raises(requests.HTTPError, match="40[34]"):
        get_deploy_client("databricks").predict(endpoint="guide-model", inputs=HELLO)
