"""Logs the agents of `agents.py` into the folder that is given: one logged model a kind."""

import os
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

import mlflow  # noqa: E402

here = os.path.dirname(os.path.abspath(__file__))
out = sys.argv[1]
kinds = sys.argv[2:] or ["responses", "outside", "chat", "old chat", "plain", "silent"]
for kind in kinds:
    extra = {}
    if kind == "plain":
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

        extra["signature"] = ModelSignature(
            inputs=Schema([ColSpec("string", "q")]),
            params=ParamSchema([ParamSpec("depth", "long", 1)]),
        )
    if kind == "responses":
        from mlflow.models.auth_policy import AuthPolicy, SystemAuthPolicy, UserAuthPolicy
        from mlflow.models.resources import DatabricksServingEndpoint

        extra["auth_policy"] = AuthPolicy(
            system_auth_policy=SystemAuthPolicy(resources=[DatabricksServingEndpoint(endpoint_name="llm")]),
            user_auth_policy=UserAuthPolicy(api_scopes=["sql"]),
        )
    config = {"AGENT_KIND": kind}
    if kind == "outside":
        # mlflow runs the file when it logs it, and this one must fail only where it is served.
        config = {"AGENT_KIND": "responses"}
    path = os.path.join(out, kind.replace(" ", "-"))
    mlflow.pyfunc.save_model(
        path=path,
        python_model=os.path.join(here, "agents.py"),
        model_config=config,
        pip_requirements=["mlflow"],
        **extra,
    )
    if kind == "outside":
        mlmodel = os.path.join(path, "MLmodel")
        with open(mlmodel) as file:
            text = file.read()
        with open(mlmodel, "w") as file:
            file.write(text.replace("AGENT_KIND: responses", "AGENT_KIND: outside"))
