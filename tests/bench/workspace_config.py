"""The workspaces that are measured."""

ADMIN = "dapi000000000000000000000000000000ad"
CLIENT_ID, CLIENT_SECRET = "7f1c0de0-0000-4000-8000-00000000000b", "dose000000000000000000000000benc"
BODY = '{"input":[{"role":"user","content":"hello"}]}'

HEAD = f"""
workspace: {{id: "1", admins: [admin@example.com], tokens: {{signing_algorithm: ALGORITHM}}}}
users:
  - {{user_name: admin@example.com, personal_access_tokens: [{{value: {ADMIN}}}]}}
  - {{user_name: ana@example.com}}
service_principals:
  - {{display_name: bench, application_id: {CLIENT_ID}, secrets: [{{value: {CLIENT_SECRET}}}]}}
"""

SCRIPT = """{task: agent/v1/responses, rules: [
            {when: {user: whoami}, identities: true}, {when: {user: "(?P<words>.+)"}, say: "You said: {words}"}, {say: "?"}]}"""
PASSTHROUGH = """system_auth_policy: {resources: {api_version: "1", databricks: {serving_endpoint: [{name: model}]}}}"""
USER = "user_auth_policy: {api_scopes: [serving.serving-endpoints]}"


def sql(mebibytes):
    """A warehouse, and a group that nobody is in."""
    head = HEAD.replace("ALGORITHM", "ES256").replace("tokens:", f"sql_memory: {mebibytes}MiB, tokens:")
    return head + """
groups: [{display_name: managers}]
sql_warehouses: [{id: w, name: w, permissions: [{group_name: users, permission_level: CAN_USE}]}]
"""


def endpoint(name, kind, *policies):
    lines = [
        f"  - name: {name}",
        "    creator: admin@example.com",
        "    permissions: [{group_name: users, permission_level: CAN_QUERY}]",
        "    config:",
        "      served_entities:",
        f"        - name: {name}",
        f"          {kind}",
    ]
    if policies:
        lines.append("          auth_policy:")
        lines.extend(f"            {policy}" for policy in policies)
    return "\n".join(lines) + "\n"


def scripted(echo_url, algorithm="ES256"):
    """Agents that need no Python, and one that the echo server runs."""
    text = HEAD.replace("ALGORITHM", algorithm) + "serving_endpoints:\n"
    text += endpoint("model", "scripted: {task: llm/v1/chat, rules: [{say: hello}]}")
    text += endpoint("plain", f"scripted: {SCRIPT}")
    text += endpoint("passthrough", f"scripted: {SCRIPT}", PASSTHROUGH)
    text += endpoint("user", f"scripted: {SCRIPT}", USER)
    text += endpoint("both", f"scripted: {SCRIPT}", PASSTHROUGH, USER)
    text += endpoint("remote", f"url: {echo_url}", USER)
    text += endpoint("seen", f"url: {echo_url}/seen", USER)
    return text


def python(model, interpreter, workers, traced):
    """One logged model in at most so many workers."""
    text = HEAD.replace("ALGORITHM", "ES256")
    text += f"""
registered_models: [{{name: main.bench.agent, versions: [{{version: "1", source: {model}}}]}}]
serving_endpoints:
  - name: agent
    creator: admin@example.com
    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]
    config:
      served_entities:
        - entity_name: main.bench.agent
          entity_version: "1"
          python: {interpreter}
          workload_size: Small
"""
    if workers:
        text += f"          max_provisioned_concurrency: {workers}\n"
    if traced:
        text += '          environment_vars: {ENABLE_MLFLOW_TRACING: "true"}\n'
    return text
