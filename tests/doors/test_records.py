"""What the hub remembers, through its doors: pages, tails, files, sums, runs, notices, and the audit of looking."""

import csv
import io
import json
import threading

import pytest

from tests.support.hubs import wait_for

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "hello canary"}]}


def chat(hub, key=None, **headers):
    with hub.client(**({"key": key} if key else {})) as client:
        response = client.post("/v1/chat/completions", json=CHAT, headers={"x-request-id": "r1", **headers})
        assert response.status_code == 200, response.text
        return response


def entries(hub, **query):
    with hub.client() as client:
        response = client.get("/api/v1/logs", params=query)
        assert response.status_code == 200, response.text
        return response.json()["items"]


@pytest.fixture(scope="module")
def key(hub):
    hub.put("teams", "records", {"models": ["*"], "profiles": ["*"], "capture": "full"})
    return hub.put("keys", "recorded", {"team": "records"})["secret"]


def test_an_entry_says_who_what_and_how(hub, key):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    chat(
        hub, key, **{
            "x-hub-session": "run-1", "x-hub-tags": "app=apollo,env=prod", "x-request-id": "who-what-how",
            "traceparent": f"00-{trace}-00f067aa0ba902b7-01",
        },
    )  # fmt: skip
    found = wait_for(lambda: entries(hub, request_id="who-what-how"))
    assert len(found) == 1, found
    (entry,) = found
    assert (entry["key"], entry["team"], entry["application"], entry["session"]) == (
        "recorded", "records", "apollo", "run-1",
    )  # fmt: skip
    assert (entry["trace"], entry["parent"], entry["capture"]) == (trace, "00f067aa0ba902b7", "full")
    assert [attempt["target"] for attempt in entry["attempts"]] == ["demo/demo-1"]
    assert entry["raw_usage"]["prompt_tokens"] == entry["usage"]["input"]
    assert entries(hub, trace=trace, tag="env=prod")[0]["id"] == entry["id"]
    assert entries(hub, trace=trace, tag="env=dev") == []


def test_a_body_is_shown_to_who_may_see_it_and_the_look_is_audited(hub, key):
    chat(hub, key, **{"x-request-id": "kept"})
    (entry,) = wait_for(lambda: entries(hub, request_id="kept"))
    with hub.client() as client:
        kept = wait_for(
            lambda: (r := client.get(f"/api/v1/logs/{entry['id']}/payload")).status_code == 200 and r.json()
        )
        assert "hello canary" in kept["request"]
        rows = client.get("/api/v1/audit", params={"action": "read-bodies"}).json()["items"]
        assert rows[0]["detail"] == f"logs/{entry['id']}"
        chat(hub, key, **{"x-request-id": "less", "x-hub-capture": "off"})
        (less,) = wait_for(lambda: entries(hub, request_id="less"))
        refused = client.get(f"/api/v1/logs/{less['id']}/payload")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_kept")


def test_a_wish_about_capture_that_is_none_is_refused(hub, key):
    with hub.client(key=key) as client:
        response = client.post("/v1/chat/completions", json=CHAT, headers={"x-hub-capture": "everything"})
    assert response.status_code == 400


def test_pages_go_on_in_every_order(hub, key):
    for number in range(3):
        chat(hub, key, **{"x-hub-session": "ordered", "x-request-id": f"o{number}"})
    wait_for(lambda: len(entries(hub, session="ordered")) == 3)
    with hub.client() as client:
        for by in ("at", "duration_ms", "input", "output"):
            for order in ("asc", "desc"):
                found, cursor = [], None
                while True:
                    query = {"session": "ordered", "order_by": by, "order": order, "limit": 1}
                    page = client.get("/api/v1/logs", params=query | ({"cursor": cursor} if cursor else {})).json()
                    found += [item["id"] for item in page["items"]]
                    assert page["cut"] is False
                    assert (page["total_count"], page["total_exact"]) == (3, True)
                    cursor = page["next"]
                    if cursor is None:
                        break
                assert len(set(found)) == len(found) == 3
        assert client.get("/api/v1/logs", params={"order_by": "cost"}).status_code == 400


def test_the_tail_tells_of_each_call_as_it_ends(hub, key):
    heard = []

    def listen():
        with (
            hub.client() as client,
            client.stream("GET", "/api/v1/logs/tail", params={"session": "tailed"}) as response,
        ):
            for line in response.iter_lines():
                if line.startswith(": following"):
                    following.set()
                if line.startswith("data: "):
                    heard.append(json.loads(line.removeprefix("data: ")))
                    if len(heard) == 2:
                        return

    following = threading.Event()
    listener = threading.Thread(target=listen)
    listener.start()
    assert following.wait(20)
    for number in range(2):
        chat(hub, key, **{"x-hub-session": "tailed", "x-request-id": f"t{number}"})
        chat(hub, key, **{"x-hub-session": "another"})
    listener.join(30)
    assert [entry["request_id"] for entry in heard] == ["t0", "t1"]


def test_a_key_sees_its_own_calls_in_pages_files_sums_and_runs(hub, key):
    other = hub.put("keys", "stranger", {"team": "records"})["secret"]
    chat(hub, key, **{"x-hub-session": "mine", "x-request-id": "private"})
    wait_for(lambda: entries(hub, request_id="private"))
    with hub.client(key=other) as client:
        assert client.get("/api/v1/logs", params={"request_id": "private"}).json()["items"] == []
        assert client.get("/api/v1/sessions/mine").status_code == 404
        lines = client.get("/api/v1/logs/export", params={"format": "jsonl"}).text.splitlines()
        assert all(json.loads(line)["key"] == "stranger" for line in lines)
        usage = client.get("/api/v1/usage", params={"group_by": "key"}).json()["items"]
        assert {item["group"]["key"] for item in usage} <= {"stranger"}
        assert client.get("/api/v1/usage/idle").status_code == 403
        assert client.get("/api/v1/audit/export").status_code == 403


def test_files_of_calls(hub, key, tmp_path):
    chat(hub, key, **{"x-hub-session": "=cmd|calc!A1", "x-request-id": "sheet"})
    wait_for(lambda: entries(hub, request_id="sheet"))
    with hub.client() as client:
        text = client.get("/api/v1/logs/export", params={"format": "csv", "request_id": "sheet"}).text
        (row,) = csv.DictReader(io.StringIO(text))
        assert row["session"].startswith("'=")
        assert client.get("/api/v1/logs/export", params={"format": "xml"}).status_code == 400
    hub.cli("logs", "--request-id", "sheet", "--out", str(tmp_path / "calls.parquet"))
    from pyarrow import parquet

    (told,) = parquet.read_table(tmp_path / "calls.parquet").to_pylist()
    assert (told["request_id"], told["model"], told["attempts"]) == ("sheet", "demo", 1)
    assert (tmp_path / "calls.parquet").stat().st_mode & 0o777 == 0o600


def test_usage_as_a_table_and_as_csv(hub, key, tmp_path):
    chat(hub, key, **{"x-hub-tags": "project=zeus", "x-request-id": "summed"})
    wait_for(lambda: entries(hub, request_id="summed"))
    with hub.client() as client:
        (item,) = [
            item
            for item in client.get("/api/v1/usage", params={"group_by": "tag:project,team"}).json()["items"]
            if item["group"]["tag:project"] == "zeus"
        ]
        assert (item["calls"], item["cache_read_ratio"]) == (1, 0.0)
        (call,) = entries(hub, request_id="summed")
        for percent in ("p50", "p95", "p99"):
            assert item[f"duration_{percent}_ms"] == pytest.approx(call["duration_ms"], rel=0.06)
            assert item[f"ttft_{percent}_ms"] is None  # not a stream
        assert item["untimed"] == 0
        tokens = call["usage"]["output"] + call["usage"]["reasoning"]
        assert item["tokens_per_second"] == pytest.approx(tokens * 1000 / call["duration_ms"], rel=0.01)
        assert call["tokens_per_second"] == pytest.approx(item["tokens_per_second"], rel=0.01)
        text = client.get("/api/v1/usage", params={"group_by": "tag:project", "format": "csv"}).text
        assert any(row["tag:project"] == "zeus" and row["calls"] == "1" for row in csv.DictReader(io.StringIO(text)))
    about = ("--by", "tag:project", "--of-key", "recorded", "--tag", "project=zeus", "--call", "model")
    assert json.loads(hub.cli("usage", *about, "--json").stdout)[0]["calls"] == 1
    assert json.loads(hub.cli("usage", *about, "--status", "404", "--json").stdout) == []
    hub.cli("usage", *about, "--out", str(tmp_path / "usage.csv"))
    assert (tmp_path / "usage.csv").read_text().splitlines()[1].startswith("zeus,1,")


def test_the_last_day_beside_the_week_before(hub, key):
    chat(hub, key, **{"x-request-id": "changed"})
    wait_for(lambda: entries(hub, request_id="changed"))
    with hub.client() as client, hub.client(key) as own:
        items = client.get("/api/v1/usage/changes", params={"key": "recorded"}).json()["items"]
        theirs = own.get("/api/v1/usage/changes").json()["items"]
        assert client.get("/api/v1/usage/changes", params={"since": "2026-01-01"}).json()["code"] == "malformed"
    assert {(one["key"], one["usual_cost_usd"], tuple(one["alerts"])) for one in items} == {("recorded", None, ())}
    assert ("demo", 0.0, 0.0) in {(one["model"], one["cache_read_ratio"], one["error_ratio"]) for one in items}
    assert {one["key"] for one in theirs} == {"recorded"}
    assert "stands out" in hub.cli("usage", "changes").stdout


def test_usage_and_runs_go_on_past_their_first_page(hub, key):
    for number in range(3):
        chat(hub, key, **{"x-hub-session": f"paged-{number}", "x-hub-tags": "paged=yes"})
    wait_for(lambda: len(entries(hub, tag="paged=yes")) == 3)
    with hub.client() as client:
        for path, query in (("usage", {"group_by": "session", "tag": "paged=yes"}), ("sessions", {"tag": "paged=yes"})):
            found, cursor = [], ""
            while cursor is not None:
                page = client.get(f"/api/v1/{path}", params={**query, "limit": 2, "cursor": cursor}).json()
                found += [item.get("session") or item["group"]["session"] for item in page["items"]]
                cursor = page["next"]
            assert sorted(found) == ["paged-0", "paged-1", "paged-2"], path
        assert client.get("/api/v1/sessions", params={"cursor": "?"}).json()["code"] == "malformed"
        whole = client.get("/api/v1/usage", params={"group_by": "session", "tag": "paged=yes", "format": "csv"}).text
        assert len(whole.splitlines()) == 4
        short = client.get("/api/v1/usage", params={"group_by": "session", "format": "csv", "limit": 2})
        assert (short.status_code, short.json()["code"]) == (400, "malformed")


def test_who_has_not_called(hub, key):
    hub.put("keys", "sleeper", {"team": "records"})
    with hub.client() as client:
        idle = client.get("/api/v1/usage/idle").json()
    names = {item["name"]: item["last_used"] for item in idle["keys"]}
    assert names["sleeper"] is None
    assert "recorded" not in names


def test_a_run_joins_models_and_tools_by_session(hub, key):
    chat(hub, key, **{"x-hub-session": "joined"})
    with hub.client(key=key) as client:
        call = {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {
                "name": "new__echo", "arguments": {"text": "hi"},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        }  # fmt: skip
        headers = {
            "x-hub-session": "joined", "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call",
            "mcp-name": "new__echo", "accept": "application/json, text/event-stream",
        }  # fmt: skip
        answer = client.post("/mcp/both", json=call, headers=headers)
        assert answer.status_code == 200, answer.text
    chat(hub, key, **{"x-hub-session": "joined"})

    def run():
        with hub.client() as client:
            found = client.get("/api/v1/sessions/joined")
            return found.status_code == 200 and len(found.json()["turns"]) == 2 and found.json()

    told = wait_for(run)
    assert (told["models"], told["tools"]) == (2, 1)
    assert [[call["call"] for call in turn["calls"]] for turn in told["turns"]] == [["model", "tool"], ["model"]]
    assert told["turns"][1]["offset_ms"] > 0
    with hub.client() as client:
        lines = client.get("/api/v1/sessions").json()["items"]
    assert any(line["session"] == "joined" and line["calls"] == 3 for line in lines)
    shown = hub.cli("session", "joined").stdout
    assert "2 model calls, 1 tool calls" in shown


def test_the_diet_of_a_profile(hub, key):
    def told():
        with hub.client() as client:
            report = client.get("/api/v1/profiles/both/diet").json()
        return (
            any(tool["verdict"] == "never" for tool in report["tools"]) and report
        )  # once the servers have listed theirs

    report = wait_for(told)
    assert report["unused_tokens_per_turn"] == sum(
        tool["tokens"] for tool in report["tools"] if tool["verdict"] != "used"
    )
    assert report["diff"]
    used = sorted(tool["own"] for tool in report["tools"] if tool["verdict"] == "used" and tool["server"] == "new")
    assert "echo" in used
    assert report["proposal"]["servers"]["new"]["tools"] == used
    assert "tokens a turn are for idle tools" in hub.cli("diet", "both").stdout


def test_notices_reach_those_they_are_for_while_they_hold(hub, key):
    hub.put("announcements", "all", {"title": "Maintenance", "severity": "warning"})
    hub.put("announcements", "worst", {"title": "Leak", "severity": "critical"})
    hub.put("announcements", "later", {"title": "Later", "starts_at": "2999-01-01T00:00:00Z"})
    hub.put("announcements", "past", {"title": "Past", "ends_at": "2001-01-01T00:00:00Z"})
    hub.put("announcements", "filed", {"title": "Filed", "archived": True})
    hub.put("announcements", "theirs", {"title": "Theirs", "teams": ["others"]})
    with hub.client(key=key) as client:
        items = client.get("/api/v1/me/announcements").json()["items"]
    assert [item["name"] for item in items] == ["worst", "all"]
    with hub.client() as client:
        assert client.get("/api/v1/announcements/filed").json()["status"] == {"current": False}


def test_costs_are_worked_out_anew(hub, key):
    hub.put("models", "repriced", {"targets": [{"model": "demo/demo-1"}], "price": {"input": "1", "output": "1"}})
    with hub.client(key=key) as client:
        call = {**CHAT, "model": "repriced"}
        assert client.post("/v1/chat/completions", json=call, headers={"x-request-id": "again"}).status_code == 200
    (before,) = wait_for(lambda: entries(hub, request_id="again"))
    hub.put("models", "repriced", {"targets": [{"model": "demo/demo-1"}], "price": {"input": "2", "output": "2"}})
    dry = json.loads(hub.cli("usage", "recompute", "--model", "repriced", "--dry-run", "--json").stdout)
    assert (dry["changed"], dry["dry_run"]) == (1, True)
    assert entries(hub, request_id="again")[0]["cost_micro_usd"] == before["cost_micro_usd"]
    assert "1 changed" in hub.cli("usage", "recompute", "--model", "repriced").stdout
    (after,) = entries(hub, request_id="again")
    assert after["cost_micro_usd"] == 2 * before["cost_micro_usd"]
    assert after["repriced"][0]["cost_micro_usd"] == before["cost_micro_usd"]
    with hub.client() as client:
        assert client.get("/api/v1/audit", params={"action": "recompute-costs"}).json()["items"]


def test_denied_attempts_are_audited_reads_too(hub, key):
    with hub.client(key=key) as client:
        assert client.get("/api/v1/audit").status_code == 403
        assert client.put("/api/v1/providers/x", json={"spec": {"kind": "demo"}}).status_code == 403
        assert client.get("/metrics").status_code == 403
    with hub.client() as client:
        rows = client.get("/api/v1/audit", params={"action": "denied", "actor": "key:recorded"}).json()["items"]
    assert {"GET /api/v1/audit", "PUT /api/v1/providers/x", "GET /metrics"} <= {row["detail"] for row in rows}


def test_the_audit_trail_as_a_file(hub, tmp_path):
    hub.cli("audit", "export", str(tmp_path / "audit.jsonl"))
    rows = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == list(range(1, len(rows) + 1))
    assert "create" in {row["action"] for row in rows}
    assert "chain is whole" in hub.cli("audit", "verify").stdout


def test_an_invoice_is_compared_with_what_was_counted(hub, tmp_path):
    hub.put("providers", "billing", {"kind": "demo"})
    hub.put("models", "billed", {"targets": [{"model": "billing/demo-1"}], "price": {"input": "10", "output": "10"}})
    secret = hub.put("keys", "billed", {"team": "records"})["secret"]
    hub.put("teams", "records", {"models": ["demo", "billed"]})
    with hub.client(secret) as client:
        body = {"model": "billed", "messages": [{"role": "user", "content": "hello " * 3000}]}
        assert client.post("/v1/chat/completions", json=body, headers={"x-request-id": "billed"}).status_code == 200
    (call,) = wait_for(lambda: entries(hub, request_id="billed"))
    day, cost = call["at"][:10], call["cost_micro_usd"]
    assert cost > 20_000
    file = tmp_path / "bill.csv"

    def compared(*lines, columns="usage_date_utc,model,cost_usd"):
        file.write_text("\n".join([columns, *lines]))
        done = hub.cli("usage", "reconcile", str(file), "--provider", "billing", "--json", check=False)
        return done, json.loads(done.stdout) if done.stdout.startswith("{") else {}

    done, same = compared(f"{day}T00:00:00Z,demo-1,{cost // 2 / 1e6}", f"{day},demo-1,${(cost - cost // 2) / 1e6}")
    (line,) = [item for item in same["items"] if item["model"] == "demo-1"]
    assert (done.returncode, line["difference_usd"], line["calls"] >= 1) == (0, "0.000000", True)
    done, more = compared(f'{day},"demo-1, output",1.5', f"{day},other,2")
    assert (done.returncode, more["charged_usd"]) == (1, "3.500000")
    told = {item["model"]: (item["charged_usd"], item["calls"] >= 1) for item in more["items"]}
    assert told == {"demo-1": ("1.500000", True), "other": ("2.000000", False)}
    done, daily = compared(f"{day},0.5", columns="Date,Amount")
    assert [item["model"] for item in daily["items"]] == [None]
    assert daily["items"][0]["calls"] >= 1
    shown = hub.cli("usage", "reconcile", str(file), "--provider", "billing", check=False)
    assert "1 of 1 lines differ" in shown.stdout
    for lines, columns, why in (
        ((f"{day},x",), "Date,Amount", "no amount"),
        (("yesterday,1",), "Date,Amount", "YYYY-MM-DD"),
        (("1,1",), "a,b", "--day"),
        (("2026-02-30,1",), "Date,Amount", "no day"),
        (("2020-01-01,1", f"{day},1"), "Date,Amount", "days apart"),
    ):
        done, _ = compared(*lines, columns=columns)
        assert (done.returncode, why in done.stderr + done.stdout) == (1, True), why
    with hub.client(secret) as client:
        assert client.post("/api/v1/usage/reconcile", json={"provider": "demo", "rows": []}).status_code == 403
    with hub.client() as client:
        for bad in ({}, {"provider": "demo", "rows": []}, {"provider": "demo", "rows": [{"day": day, "cost_usd": 1}]}):
            assert client.post("/api/v1/usage/reconcile", json=bad).json()["code"] == "malformed"
        missing = {"provider": "none", "rows": [{"day": day, "cost_usd": "1"}]}
        assert client.post("/api/v1/usage/reconcile", json=missing).status_code == 404
