"""Rows of the HTTP side: throughput at 32 connections, and what one connection notices."""

import base64
import json
from contextlib import ExitStack

from machine import PEERS, SERVER_CORE, Server, brickyard, free_port
from measure import check, interleave, post, probe, says, wrk
from workspace_config import ADMIN, BODY, scripted


def invocations(name):
    return f"/serving-endpoints/{name}/invocations"


def asked(text):
    return {"input": [{"role": "user", "content": text}]}


def token_of(url, user="ana@example.com"):
    status, _, answer = post(url, "/_brickyard/tokens", {"as": user, "ttl": "1h"}, ADMIN)
    assert status == 200, answer
    return answer["token"]


def claims(token):
    head, body, _ = token.split(".")
    decode = lambda part: json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))  # noqa: E731
    return {**decode(head), **decode(body)}


def good_scripts(server, token):
    for name, methods in {
        "plain": [], "passthrough": ["passthrough"], "user": ["on_behalf_of_user"], "both": ["passthrough", "on_behalf_of_user"],
    }.items():
        def ask(number, name=name):
            return says(post(server.url, invocations(name), asked(f"call {number}"), token)[2]), f"You said: call {number}"

        check(f"{server.name}, {name}", ask)
        told = says(post(server.url, invocations(name), asked("whoami"), token)[2])
        given = [word for word in ("passthrough", "on_behalf_of_user") if word in told]
        if given != methods:
            raise SystemExit(f"{name}: was given {given} instead of {methods}: {told}")


def good_remote(server, token, algorithm):
    seen = set()

    def ask(_):
        user = claims(post(server.url, invocations("seen"), asked("who?"), token)[2]["token"])
        seen.add(user["jti"])
        return [user["alg"], user["sub"], user["scope"]], [algorithm, "ana@example.com", "serving.serving-endpoints"]

    check(f"{server.name}, signed user tokens", ask)
    if len(seen) != 100:
        raise SystemExit("a user token was handed out twice")


def throughput(report, cores, load_cores, label, full):
    """Everything at 32 connections; servers on `cores`, wrk on `load_cores`."""
    with ExitStack() as stack:
        start = lambda server: stack.enter_context(server)  # noqa: E731
        port = free_port()
        echo = start(Server(f"echo {label}", [PEERS, "echo", f"127.0.0.1:{port}"], port, ready="/", cores=cores)).wait()
        es256 = start(brickyard(f"brickyard ES256 {label}", scripted(echo.url), cores)).wait()
        token = token_of(es256.url)
        bearer = f"Bearer {token}"
        check("echo", lambda n: (post(echo.url, invocations("any"), asked(f"call {n}"), token)[2], asked(f"call {n}")))
        good_scripts(es256, token)
        calls = {
            "echo": lambda: wrk(echo, invocations("passthrough"), BODY, bearer, cores=load_cores),
            "passthrough": lambda: wrk(es256, invocations("passthrough"), BODY, bearer, cores=load_cores),
            "user": lambda: wrk(es256, invocations("user"), BODY, bearer, cores=load_cores),
        }
        if full:
            good_remote(es256, token, "ES256")
            eddsa = start(brickyard(f"brickyard EdDSA {label}", scripted(echo.url, "EdDSA"), cores)).wait()
            eddsa_bearer = f"Bearer {token_of(eddsa.url)}"
            good_remote(eddsa, eddsa_bearer.removeprefix("Bearer "), "EdDSA")
            calls["plain"] = lambda: wrk(es256, invocations("plain"), BODY, bearer, cores=load_cores)
            calls["both"] = lambda: wrk(es256, invocations("both"), BODY, bearer, cores=load_cores)
            calls["user EdDSA"] = lambda: wrk(eddsa, invocations("user"), BODY, eddsa_bearer, cores=load_cores)
            calls["remote"] = lambda: wrk(es256, invocations("remote"), BODY, bearer, cores=load_cores)
            calls["remote EdDSA"] = lambda: wrk(eddsa, invocations("remote"), BODY, eddsa_bearer, cores=load_cores)
            for algorithm in ("ES256", "EdDSA"):
                signing = start(signing_stack(algorithm, cores)).wait()
                good_signing(signing, algorithm)
                pat = f"Bearer dapi{0:032x}"
                calls[f"signed {algorithm}"] = lambda signing=signing, pat=pat: wrk(
                    signing, invocations("e0"), BODY, pat, cores=load_cores)
        figures = interleave(calls)
        rate = {name: [one["rate"] for one in rounds] for name, rounds in figures.items()}
        ratio = lambda text, name, bar=None: report.ratio(text, rate[name], rate["echo"], bar)  # noqa: E731
        report.begin(f"32 connections, against a bare axum echo; {label}")
        ratio("scripted agent, passthrough", "passthrough", 0.60)
        ratio("scripted agent, on behalf of the user, token minted for each call and signed only if asked for", "user", 0.22)
        if full:
            ratio("the same, ES256 token signed for each call (brickyard's stack, the signing added by the bench)", "signed ES256", 0.22)
            ratio("the same, EdDSA", "signed EdDSA", 0.5)
            ratio("url: agent, an ES256 token signed for each call, the hop to the agent (the echo) included", "remote")
            ratio("the same, EdDSA", "remote EdDSA")
            ratio("scripted agent, on behalf of the user, EdDSA, signed only if asked for", "user EdDSA")
            ratio("scripted agent, passthrough and user", "both")
            ratio("scripted agent that declares nothing", "plain")
            for name in ("echo", "passthrough", "user", "signed ES256"):
                report.figure(f"CPU time of the server for each call: {name}", [one["cpu_us"] for one in figures[name]], unit="us")
            report.figure("memory after the load", [es256.resident_mb()], unit="MB")


def signing_stack(algorithm, cores):
    port = free_port()
    command = [PEERS, "workspace", f"127.0.0.1:{port}", "sign=yes", f"algorithm={algorithm}"]
    return Server(f"signing {algorithm}", command, port, cores=cores)


def good_signing(server, algorithm):
    seen = set()

    def ask(number):
        _, headers, answer = post(server.url, invocations("e0"), asked(f"call {number}"), f"dapi{0:032x}")
        token = claims(headers["x-bench-user-token"])
        seen.add(token["jti"])
        return [says(answer), token["alg"], token["sub"]], [f"You said: call {number}", algorithm, "u0@example.com"]

    check(server.name, ask)
    if len(seen) != 100:
        raise SystemExit("a user token was made twice")


def added_latency(report):
    """End to end minus direct, at one connection."""
    with ExitStack() as stack:
        port = free_port()
        echo = stack.enter_context(
            Server("echo latency", [PEERS, "echo", f"127.0.0.1:{port}"], port, ready="/", cores=SERVER_CORE)).wait()
        ours = stack.enter_context(brickyard("brickyard latency", scripted(echo.url), SERVER_CORE)).wait()
        token = token_of(ours.url)
        good_scripts(ours, token)
        figures = interleave({
            "echo": lambda: probe(echo, invocations("user"), BODY, token),
            "passthrough": lambda: probe(ours, invocations("passthrough"), BODY, token),
            "user": lambda: probe(ours, invocations("user"), BODY, token),
            "remote": lambda: probe(ours, invocations("remote"), BODY, token),
        })
        report.begin("Added latency, 1 connection, 1,000 calls a second (open loop: counted from when a call was due)")
        for name, text in [
            ("passthrough", "scripted agent, passthrough"),
            ("user", "scripted agent, on behalf of the user"),
            ("remote", "url: agent (the echo), on behalf of the user, signed ES256; the hop included"),
        ]:
            for key, bar in [("p50_us", 0.15), ("p99_us", 1.0), ("p999_us", None)]:
                pairs = zip(figures[name], figures["echo"])
                added = [(one[key] - direct[key]) / 1e3 for one, direct in pairs]
                direct = [one[key] / 1e3 for one in figures["echo"]]
                report.figure(f"{text}, {key.removesuffix('_us')} beyond the echo's", added, bar, beside=direct)
