"""Logs `agent.py` as an MLflow model into the folder that is given."""

import os
import shutil
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ["MLFLOW_TRACE_SAMPLING_RATIO"] = "0"

import mlflow  # noqa: E402

shutil.rmtree(sys.argv[1], ignore_errors=True)
mlflow.pyfunc.save_model(
    path=sys.argv[1],
    python_model=os.path.join(os.path.dirname(os.path.abspath(__file__)), "agent.py"),
    pip_requirements=["mlflow==3.17.2"],
)
