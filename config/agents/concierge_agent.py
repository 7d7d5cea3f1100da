"""A travel concierge that acts under three identities in one call, and says which.

An ordinary `ResponsesAgent` on the stock `databricks-sdk`, `databricks-ai-bridge` and `mlflow`: the same file is
logged to, and served by, a Databricks workspace. `log_concierge.py` beside it logs it.

| method            | the client                                                    | who acts                              |
|-------------------|---------------------------------------------------------------|---------------------------------------|
| passthrough       | `WorkspaceClient()`                                           | the endpoint's own service principal  |
| on_behalf_of_user | `WorkspaceClient(credentials_strategy=ModelServingUser...())` | whoever called the endpoint           |
| manual            | credentials from environment variables (secret scopes)        | whom each of those belongs to         |

Each step stands alone: when one is refused, the report says so, and no step ever falls back to another identity.
"""

import os
import re
from collections.abc import Callable, Generator
from functools import cached_property
from typing import Any
from uuid import uuid4

import mlflow
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError
from databricks.sdk.service.serving import ChatMessage, ChatMessageRole
from databricks.sdk.service.sql import StatementState
from databricks_ai_bridge import ModelServingUserCredentials
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentRequest, ResponsesAgentResponse, ResponsesAgentStreamEvent

TRAVEL_MODEL = "travel-model"  # declared as a resource when the agent is logged: reached by passthrough
GUIDE_MODEL = "guide-model"  # not declared: each caller needs CAN_QUERY on it
WAREHOUSE = "demo"  # declared, and so is the table below: the endpoint may read it, and its caller with rights of their own
SALES = """
    SELECT region, count(*) AS orders, sum(amount) AS revenue, max(customer_email) AS customer
    FROM main.sales.orders GROUP BY region ORDER BY region
"""

Answer = tuple[str, str]  # who acted, and what came of it


class Concierge(ResponsesAgent):
    """Asks five services about a city, and one table twice, each under the identity that fits."""

    def predict(self, request: ResponsesAgentRequest) -> ResponsesAgentResponse:
        done = [event for event in self.predict_stream(request) if event.type == "response.output_item.done"]
        return ResponsesAgentResponse(output=[event.item for event in done], custom_outputs=done[-1].custom_outputs)

    def predict_stream(
        self, request: ResponsesAgentRequest
    ) -> Generator[ResponsesAgentStreamEvent, None, None]:
        question = last_user_text(request)
        item_id, lines, identities = f"msg_{uuid4().hex}", [], []
        for method, credential, step in (
            ("passthrough", "model dependencies token", self.as_the_endpoint),
            ("on_behalf_of_user", "user token", self.as_the_caller),
            ("manual", "service principal OAuth", self.as_a_service_principal),
            ("manual", "personal access token", self.as_a_token_owner),
            ("manual", "API key", self.with_an_api_key),
            ("passthrough", "model dependencies token", self.sales_as_the_endpoint),
            ("on_behalf_of_user", "user token", self.sales_as_the_caller),
        ):
            found = report(step, question)
            identities.append({"method": method, "credential": credential, **found})
            lines.append(f"{method} ({credential}): " + " -> ".join(found.values()) + "\n")
            yield ResponsesAgentStreamEvent(**self.create_text_delta(lines[-1], item_id))
        yield ResponsesAgentStreamEvent(
            type="response.output_item.done",
            item=self.create_text_output_item("".join(lines), item_id),
            custom_outputs={"identities": identities},
        )

    def as_the_endpoint(self, question: str) -> Answer:
        """Passthrough: nothing is configured, and only declared resources answer."""
        workspace = WorkspaceClient()
        return whoami(workspace), ask(workspace, TRAVEL_MODEL, question)

    def as_the_caller(self, question: str) -> Answer:
        """On behalf of the user: built inside `predict`, because before it there is no user."""
        workspace = WorkspaceClient(credentials_strategy=ModelServingUserCredentials())
        return whoami(workspace), ask(workspace, GUIDE_MODEL, question)

    def as_a_service_principal(self, question: str) -> Answer:
        """Manual: a service principal's OAuth client; the SDK fetches and refreshes its tokens."""
        return whoami(self.weather_caller), "signed in with a client secret"

    def as_a_token_owner(self, question: str) -> Answer:
        """Manual: somebody's personal access token."""
        return whoami(self.reporter), "signed in with a personal access token"

    def with_an_api_key(self, question: str) -> Answer:
        """Manual: the key of a service outside the workspace."""
        reply = requests.get(
            f"{os.environ['WEATHER_URL']}/weather",
            params={"city": city_in(question)},
            headers={"X-Api-Key": os.environ["WEATHER_API_KEY"]},
            timeout=5,
        )
        reply.raise_for_status()
        weather = reply.json()
        return weather["account"], f"{weather['city']}: {weather['sky']}, {weather['celsius']} C"

    def sales_as_the_endpoint(self, question: str) -> Answer:
        """Passthrough: the declared table, with the rows that the endpoint's service principal may see."""
        workspace = WorkspaceClient()
        return whoami(workspace), sales(workspace)

    def sales_as_the_caller(self, question: str) -> Answer:
        """On behalf of the user: the same statement, and the caller's rows."""
        workspace = WorkspaceClient(credentials_strategy=ModelServingUserCredentials())
        return whoami(workspace), sales(workspace)

    @cached_property
    def weather_caller(self) -> WorkspaceClient:
        # Not named DATABRICKS_CLIENT_*: the SDK would pick those up by itself, and passthrough would be lost.
        return WorkspaceClient(
            host=this_workspace(),
            client_id=os.environ["WEATHER_CLIENT_ID"],
            client_secret=os.environ["WEATHER_CLIENT_SECRET"],
            auth_type="oauth-m2m",
        )

    @cached_property
    def reporter(self) -> WorkspaceClient:
        return WorkspaceClient(host=this_workspace(), token=os.environ["REPORTS_TOKEN"], auth_type="pat")


def report(step: Callable[[str], Answer], question: str) -> dict[str, str]:
    """What a step found, or why it found nothing."""
    try:
        principal, answer = step(question)
        return {"principal": principal, "answer": answer}
    except (DatabricksError, requests.RequestException, ValueError, KeyError) as error:
        return {"refused": f"{type(error).__name__}: {error}"}


def whoami(workspace: WorkspaceClient) -> str:
    return workspace.current_user.me().user_name


def this_workspace() -> str:
    return WorkspaceClient().config.host


def ask(workspace: WorkspaceClient, endpoint: str, question: str) -> str:
    reply = workspace.serving_endpoints.query(
        endpoint, messages=[ChatMessage(role=ChatMessageRole.USER, content=question)]
    )
    return reply.choices[0].message.content


def sales(workspace: WorkspaceClient) -> str:
    reply = workspace.statement_execution.execute_statement(SALES, WAREHOUSE, wait_timeout="30s")
    if reply.status.state is not StatementState.SUCCEEDED:
        # A statement that somebody may not run is an answer, not an HTTP error.
        error = reply.status.error
        raise ValueError(error.message if error else reply.status.state)
    rows = reply.result.data_array or []
    return "; ".join(f"{region}: {orders} orders, {revenue} ({customer})" for region, orders, revenue, customer in rows)


def last_user_text(request: ResponsesAgentRequest) -> str:
    for item in reversed(request.input):
        message: dict[str, Any] = item.model_dump()
        if message.get("role") == "user":
            content = message["content"]
            return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    return ""


def city_in(question: str) -> str:
    found = re.search(r"\bin ([A-Z]\w+)", question)
    return found[1] if found else "Lisbon"


mlflow.models.set_model(Concierge())
