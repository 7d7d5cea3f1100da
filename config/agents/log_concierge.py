"""Logs `concierge_agent.py` as an MLflow model, the way its author would, into the folder `concierge/` beside it.

    uv run --python 3.11 --with-requirements concierge/requirements.txt log_concierge.py

The folder is committed, so that serving the demo needs no logging first. What makes it an agent with identities is
the `auth_policy`: the resources its own service principal may reach, and the scopes it asks of its callers.
"""

import os
import shutil
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = ["mlflow==3.17.2", "databricks-sdk==0.156.0", "databricks-ai-bridge==0.22.0", "requests>=2.32"]


def main() -> None:
    scratch = tempfile.mkdtemp()
    # mlflow runs the agent once on the input example: with no credentials to be found, each of its steps reports
    # that, and the developer's own workspace is left alone.
    os.environ["HOME"] = scratch
    for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
        del os.environ[name]

    import mlflow
    from mlflow.models.auth_policy import AuthPolicy, SystemAuthPolicy, UserAuthPolicy
    from mlflow.models.resources import DatabricksServingEndpoint, DatabricksSQLWarehouse, DatabricksTable

    mlflow.set_tracking_uri(f"sqlite:///{scratch}/mlflow.db")
    experiment = mlflow.create_experiment("concierge", artifact_location=f"file://{scratch}/artifacts")
    with mlflow.start_run(experiment_id=experiment):
        logged = mlflow.pyfunc.log_model(
            name="concierge",
            python_model=str(HERE / "concierge_agent.py"),
            auth_policy=AuthPolicy(
                system_auth_policy=SystemAuthPolicy(
                    resources=[
                        DatabricksServingEndpoint("travel-model"),
                        DatabricksSQLWarehouse("demo"),
                        DatabricksTable("main.sales.orders"),
                    ]
                ),
                user_auth_policy=UserAuthPolicy(
                    api_scopes=[
                        "serving.serving-endpoints",
                        "sql.statement-execution",
                        "sql.warehouses",
                        "iam.current-user:read",
                    ]
                ),
            ),
            input_example={"input": [{"role": "user", "content": "What is the weather in Lisbon?"}]},
            pip_requirements=REQUIREMENTS,
        )
    written = Path(mlflow.artifacts.download_artifacts(artifact_uri=logged.model_uri))
    shutil.rmtree(HERE / "concierge", ignore_errors=True)
    shutil.copytree(written, HERE / "concierge", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(scratch)
    print("wrote", HERE / "concierge")


if __name__ == "__main__":
    main()
