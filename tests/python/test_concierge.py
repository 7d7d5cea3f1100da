"""The demo's agent: stock clients, three methods, and each call under the right identity."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ADMIN, ANA, BEN, CAROL, WEATHER_CALLER

LISBON = {"input": [{"role": "user", "content": "What is the weather in Lisbon?"}]}
WHOAMI = {"input": [{"role": "user", "content": "whoami"}]}
MANUAL = [
    ("manual", "service principal OAuth", WEATHER_CALLER),
    ("manual", "personal access token", CAROL),
    ("manual", "API key", "demo-travel-agency"),
]


def identities(reply: dict) -> list[dict[str, str]]:
    return reply["custom_outputs"]["identities"]


def test_one_call_acts_under_three_methods_each_as_the_right_principal(brickyard):
    passthrough, obo, *manual = identities(brickyard.post("/serving-endpoints/concierge/invocations", ANA, LISBON).json())[:5]
    assert passthrough["method"] == "passthrough" and passthrough["principal"] not in (ANA, CAROL, WEATHER_CALLER)
    assert passthrough["answer"] == "Lisbon is lovely at this time of the year."
    assert obo == {
        "method": "on_behalf_of_user",
        "credential": "user token",
        "principal": ANA,
        "answer": "The guide to Lisbon has 12 chapters.",
    }
    assert [(one["method"], one["credential"], one.get("principal")) for one in manual] == MANUAL, manual


def test_the_agent_may_on_behalf_of_ben_only_what_ben_may(brickyard):
    passthrough, obo, *_ = identities(brickyard.post("/serving-endpoints/concierge/invocations", BEN, LISBON).json())
    assert passthrough["answer"], "the endpoint's own rights do not depend on the caller"
    assert obo["refused"].startswith(("PermissionDenied", "ResourceDoesNotExist", "NotFound"))


EVERYTHING = "AMER: 2 orders, 1630.75 ({0}); APAC: 2 orders, 1520.25 ({1}); EMEA: 4 orders, 1205.50 ({2})"
MASKED = EVERYTHING.format("***", "***", "***")


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        (ANA, "EMEA: 4 orders, 1205.50 (***)"),
        (CAROL, EVERYTHING.format("sam@harbor.example", "yuki@maple.example", "otto@alpine.example")),
        (BEN, None),
    ],
)
def test_one_statement_shows_the_endpoint_and_each_caller_their_own_rows(brickyard, who, seen):
    reply = brickyard.post("/serving-endpoints/concierge/invocations", who, LISBON).json()
    as_the_endpoint, as_the_caller = identities(reply)[5:]
    assert (as_the_endpoint["method"], as_the_endpoint["answer"]) == ("passthrough", MASKED)
    assert as_the_caller["method"] == "on_behalf_of_user"
    if seen is None:
        assert "SELECT" in as_the_caller["refused"], as_the_caller
    else:
        assert (as_the_caller["principal"], as_the_caller["answer"]) == (who, seen)


def test_callers_at_the_same_time_are_never_mixed_up(brickyard):
    callers = [ANA, BEN, CAROL, ADMIN] * 5

    def seen(who: str) -> str:
        told = identities(brickyard.post("/serving-endpoints/concierge/invocations", who, LISBON).json())
        return json.dumps([told[1], told[6]])

    with ThreadPoolExecutor(8) as pool:
        for who, said in zip(callers, pool.map(seen, callers)):
            others = {ANA, BEN, CAROL, ADMIN} - {who}
            assert not any(other in said for other in others), (who, said)


def test_a_stream_says_the_same_as_it_goes(brickyard):
    reply = brickyard.post("/serving-endpoints/concierge/invocations", ANA, {**LISBON, "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    *events, last = [line.removeprefix("data: ") for line in reply.text.splitlines() if line]
    events = [json.loads(event) for event in events]
    deltas = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert last == "[DONE]" and deltas == events[-1]["item"]["content"][0]["text"]
    assert [one.get("principal") for one in identities(events[-1])[2:5]] == [who for _, _, who in MANUAL]


def test_a_caller_without_the_declared_scope_is_not_given_it(brickyard):
    """The user token is the caller's scopes cut down to the declared ones: never wider than the caller."""
    token = brickyard.token(ANA, "model-serving")
    workspace = brickyard.client(ANA, token)
    reply = workspace.api_client.do("POST", "/serving-endpoints/echo/invocations", body=WHOAMI)
    shown = {one["method"]: one for one in json.loads(reply["output"][0]["content"][0]["text"])["identities"]}
    assert shown["on_behalf_of_user"]["principal"] == ANA
    assert shown["on_behalf_of_user"]["scopes"] == "serving.serving-endpoints"


def test_a_scripted_agent_tells_its_credentials_and_no_token(brickyard):
    text = brickyard.post("/serving-endpoints/echo/invocations", BEN, WHOAMI).json()["output"][0]["content"][0]["text"]
    shown = {one["method"]: one for one in json.loads(text)["identities"]}
    assert set(shown) == {"passthrough", "on_behalf_of_user", "manual"}
    assert shown["on_behalf_of_user"]["principal"] == BEN
    assert set(shown["on_behalf_of_user"]["scopes"].split()) == {"serving.serving-endpoints", "iam.current-user:read"}
    assert not re.search(r"eyJ|dapi|demo-weather-key", text)


@pytest.mark.parametrize("who", [ANA, BEN])
def test_explain_tells_who_acted_and_why(brickyard, who):
    reply = brickyard.post("/serving-endpoints/concierge/invocations", who, LISBON)
    explained = brickyard.get(f"/_brickyard/explain/{reply.headers['x-request-id']}", ADMIN)
    assert explained.status_code == 200
    for word in (who, "concierge", "travel-model", "guide-model", "passthrough", "on_behalf_of_user", "manual"):
        assert word in explained.text, word
    assert not re.search(r"eyJ|dapi|demo-weather-key", explained.text)
    assert brickyard.get(f"/_brickyard/explain/{reply.headers['x-request-id']}", BEN).status_code == 403


def test_a_refusal_links_to_its_explanation(brickyard):
    refused = brickyard.post("/serving-endpoints/guide-model/invocations", BEN, {"messages": []})
    assert refused.headers["x-brickyard-explain"] == f"/_brickyard/explain/{refused.headers['x-request-id']}"
    assert "CAN_QUERY" in brickyard.get(refused.headers["x-brickyard-explain"], ADMIN).text
