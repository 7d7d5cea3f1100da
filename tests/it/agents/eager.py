"""Builds the user's client while the module loads, when there is no user."""

import mlflow
from databricks.sdk import WorkspaceClient
from databricks_ai_bridge import ModelServingUserCredentials
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentResponse

USER = WorkspaceClient(credentials_strategy=ModelServingUserCredentials())


class Eager(ResponsesAgent):
    def predict(self, request):
        name = USER.current_user.me().user_name
        return ResponsesAgentResponse(output=[self.create_text_output_item(text=name, id="msg_1")])


mlflow.models.set_model(Eager())
