"""The agent of the isolation and reliability tests: it says whose request it believes to run.

The first word of the message says what to do, the second is the caller's canary. It knows nothing of brickyard.
"""

import base64
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import mlflow
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentResponse, ResponsesAgentStreamEvent

if os.environ.get("AT_IMPORT") == "exit":
    os._exit(7)
if os.environ.get("SIGNALS") == "ignored":
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)


def of_the_scoring_server():
    """The lookup of databricks-ai-bridge."""
    from mlflowserving.scoring_server.agent_utils import fetch_obo_token

    return fetch_obo_token()


def of_the_main_thread():
    """The lookup of databricks-sdk."""
    return threading.main_thread().__dict__["invokers_token"]


def subject(token):
    claims = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]


def system_token():
    with open(os.path.join(os.environ["SERVING_CREDENTIALS_DIR"], "model-dependencies-oauth-token")) as file:
        return json.load(file)["OAUTH_TOKEN"][0]["oauthTokenValue"]


def fetch(token, path, body=None):
    request = urllib.request.Request(
        os.environ["DATABRICKS_MODEL_SERVING_HOST_URL"] + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as reply:
        return json.load(reply)


def me(token):
    return fetch(token, "/api/2.0/preview/scim/v2/Me")["userName"]


def act(word, canary):
    users = [subject(of_the_scoring_server()), subject(of_the_main_thread())]
    report = {"canary": canary, "pid": os.getpid(), "version": os.environ.get("VERSION")}
    if word == "slow":
        time.sleep(random.random() * 0.02)
    elif word == "me":
        users.append(me(of_the_scoring_server()))
    elif word == "sdk":
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.credentials_provider import ModelServingUserCredentials
        from databricks_ai_bridge import ModelServingUserCredentials as OfAiBridge

        for strategy in (ModelServingUserCredentials(), OfAiBridge()):
            users.append(WorkspaceClient(credentials_strategy=strategy).current_user.me().user_name)
    elif word == "model":
        body = {"input": [{"role": "user", "content": canary}]}
        answer = fetch(system_token(), "/serving-endpoints/echo/invocations", body)
        report["model"] = answer["output"][0]["content"][0]["text"]
    elif word == "die":
        os._exit(9)
    elif word == "flood":
        block = b"noise " * 20_000 + b"\n"
        for _ in range(100 * 1024 * 1024 // len(block)):
            os.write(1, block)
    elif word == "orphan":
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        report["pids"] = [child.pid]
    # Whose request is it by now?
    users += [subject(of_the_scoring_server()), subject(of_the_main_thread())]
    return report | {"users": users}


class Canary(ResponsesAgent):
    def predict(self, request):
        word, canary = request.input[-1].content.split()
        text = json.dumps(act(word, canary))
        return ResponsesAgentResponse(output=[self.create_text_output_item(text=text, id="msg-1")])

    def predict_stream(self, request):
        word, canary = request.input[-1].content.split()
        ticks = {"ticks": 20, "callback": 1}.get(word, 2)
        for tick in range(ticks):
            token = of_the_scoring_server()
            delta = json.dumps({"canary": canary, "tick": tick, "users": [subject(token)]})
            yield ResponsesAgentStreamEvent(**self.create_text_delta(delta=delta, item_id="msg-1"))
            if word == "ticks":
                time.sleep(0.05)
        if word == "callback":
            # Until the test says that it has told brickyard to stop.
            while not os.path.exists(os.environ["GO"]):
                time.sleep(0.01)
            word = "me"
        text = json.dumps(act(word, canary))
        item = self.create_text_output_item(text=text, id="msg-1")
        yield ResponsesAgentStreamEvent(type="response.output_item.done", item=item)


mlflow.models.set_model(Canary())
