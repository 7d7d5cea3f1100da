//! Promises that need a real mlflow.
