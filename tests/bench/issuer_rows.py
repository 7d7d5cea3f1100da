"""Rows of the issuer: client_credentials tokens a second, against the npm package oidc-provider."""

import base64
import json
import os
import subprocess
from contextlib import ExitStack

from http_rows import claims
from machine import HERE, SCRATCH, SERVER_CORE, Server, brickyard, free_port
from measure import check, interleave, post, wrk
from workspace_config import CLIENT_ID, CLIENT_SECRET, scripted

VERSION = "9.13.3"
FORM = "grant_type=client_credentials&scope=all-apis"
BASIC = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
TYPE = "application/x-www-form-urlencoded"


def install():
    folder = SCRATCH / "npm"
    manifest = folder / "node_modules/oidc-provider/package.json"
    if not manifest.exists() or json.loads(manifest.read_text())["version"] != VERSION:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), f"oidc-provider@{VERSION}"]
        subprocess.run(command, check=True)
    return folder


def good(server, path):
    seen = set()

    def ask(_):
        status, _, answer = post(server.url, path, FORM, headers={"Content-Type": TYPE, "Authorization": BASIC})
        assert status == 200, answer
        token = claims(answer["access_token"])
        seen.add(token["jti"])
        return [token["alg"], token["typ"], token["client_id"], token["scope"]], ["ES256", "at+jwt", CLIENT_ID, "all-apis"]

    check(server.name, ask)
    if len(seen) != 100:
        raise SystemExit(f"{server.name}: a token was handed out twice")


def issuers(report):
    folder = install()
    with ExitStack() as stack:
        port = free_port()
        env = {"BENCH_NPM": str(folder), "BENCH_CLIENT_ID": CLIENT_ID, "BENCH_CLIENT_SECRET": CLIENT_SECRET, "NODE_ENV": "production"}
        theirs = Server("oidc-provider", ["node", HERE / "oidc_provider.mjs", port], port, env=env, cores=SERVER_CORE, ready="/jwks")
        stack.enter_context(theirs).wait()
        ours = stack.enter_context(brickyard("brickyard issuer", scripted("http://127.0.0.1:1"), SERVER_CORE)).wait()
        good(theirs, "/token")
        good(ours, "/oidc/v1/token")
        # Node compiles what runs often; let it.
        wrk(theirs, "/token", FORM, BASIC, kind=TYPE)
        figures = interleave({
            "ours": lambda: wrk(ours, "/oidc/v1/token", FORM, BASIC, kind=TYPE),
            "theirs": lambda: wrk(theirs, "/token", FORM, BASIC, kind=TYPE),
        })
        rate = {name: [one["rate"] for one in rounds] for name, rounds in figures.items()}
        report.begin("Issuer, 32 connections, pinned: client_credentials, ES256 at+jwt, in memory")
        report.ratio(f"tokens a second, against the npm oidc-provider {VERSION}", rate["ours"], rate["theirs"], 3.0, unit="tokens/s")
        report.figure("brickyard, p99", [one["p99_us"] / 1e3 for one in figures["ours"]], beside=[one["p99_us"] / 1e3 for one in figures["theirs"]])
