"""What people write, mistakes included: each method is called by its name, `method argument`."""

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cached_property
from unittest import mock

import mlflow
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.credentials_provider import ModelServingUserCredentials as SdkUserCredentials
from databricks.sdk.service.serving import ChatMessage, ChatMessageRole
from databricks_ai_bridge import ModelServingUserCredentials
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentResponse, ResponsesAgentStreamEvent


class PeopleWrite(ResponsesAgent):
    def predict(self, request):
        method, *arguments = request.input[-1].model_dump()["content"].split()
        said = json.dumps(getattr(self, method)(*arguments))
        return ResponsesAgentResponse(output=[self.create_text_output_item(text=said, id="msg_1")])

    def predict_stream(self, request):
        yield ResponsesAgentStreamEvent(**self.create_text_delta("so far, ", "msg_1"))
        raise RuntimeError("the tool broke")

    def ask_anyhow(self, endpoint):
        """The user's credentials, or else whatever there is."""
        try:
            return ask(WorkspaceClient(credentials_strategy=ModelServingUserCredentials()), endpoint)
        except Exception:
            return ask(WorkspaceClient(), endpoint)

    def ask_as_the_user(self, endpoint):
        return ask(as_the_user(), endpoint)

    def ask_as_the_endpoint(self, endpoint):
        return ask(WorkspaceClient(), endpoint)

    def embed(self, endpoint):
        return len(WorkspaceClient().serving_endpoints.query(endpoint, input=["a guide to Lisbon"]).data[0].embedding)

    def who_is_the_user(self):
        return as_the_user().current_user.me().user_name

    def every_lookup_of_the_user(self):
        """ai-bridge asks the scoring server, the SDK the main thread; and tools run in threads."""
        sdk = WorkspaceClient(credentials_strategy=SdkUserCredentials())
        with ThreadPoolExecutor() as pool:
            in_a_thread = pool.submit(self.who_is_the_user).result()
        return [self.who_is_the_user(), sdk.current_user.me().user_name, in_a_thread]

    def token_file(self):
        return os.path.exists(os.environ["SERVING_CREDENTIALS_DIR"] + "/model-dependencies-oauth-token")

    def default_client(self):
        return WorkspaceClient().current_user.me().user_name

    def credentials_of_mlflow(self):
        from mlflow.utils.databricks_utils import get_databricks_host_creds

        return bool(get_databricks_host_creds("databricks").token)

    def rotate_in_the_middle(self, endpoint):
        """Two clients over a rotation: one made before it and one after."""
        old = WorkspaceClient()
        said = [ask(old, endpoint)]
        rotated = requests.post(
            os.environ["DATABRICKS_MODEL_SERVING_HOST_URL"] + "/_brickyard/rotate",
            headers={"Authorization": "Bearer " + os.environ["ADMIN_TOKEN"]},
            timeout=10,
        )
        rotated.raise_for_status()
        new = WorkspaceClient()
        said += [ask(old, endpoint), ask(new, endpoint)]
        return said + [jti(old) != jti(new)]

    @cached_property
    def remembered(self):
        return WorkspaceClient()

    def which_tokens(self, endpoint):
        """A client kept since the first call (the SDK reads its file again after 300 s), and a new one."""
        ask(self.remembered, endpoint)
        new = WorkspaceClient()
        ask(new, endpoint)
        return {"remembered": jti(self.remembered), "new": jti(new)}

    @cached_property
    def robot(self):
        host = os.environ["DATABRICKS_MODEL_SERVING_HOST_URL"]
        client = {"client_id": os.environ["ROBOT_ID"], "client_secret": os.environ["ROBOT_SECRET"]}
        return WorkspaceClient(host=host, auth_type="oauth-m2m", **client)

    def who_is_the_robot(self, minutes):
        """A service principal's client kept since the first call, when so many minutes have passed for the SDK."""

        class Later(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + timedelta(minutes=int(minutes))

        with mock.patch("databricks.sdk.oauth.datetime", Later):
            return {"name": self.robot.current_user.me().user_name, "token": jti(self.robot)}


def as_the_user():
    return WorkspaceClient(credentials_strategy=ModelServingUserCredentials())


def ask(workspace, endpoint):
    hello = ChatMessage(role=ChatMessageRole.USER, content="hello")
    return workspace.serving_endpoints.query(endpoint, messages=[hello]).choices[0].message.content


def jti(workspace):
    payload = workspace.config.authenticate()["Authorization"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=="))["jti"]


mlflow.models.set_model(PeopleWrite())
