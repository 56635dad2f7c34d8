"""The tasks extension of the full test server; see `tests.support.mcp_full`."""

import asyncio
import datetime as dt
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.mcp_full import TASKS, Caller, Core, Json, RpcError, form, text
from tests.support.mcp_full_tools import wants_tasks

_STRING = {"type": "string"}
_ENDED = ("completed", "failed", "cancelled")


class Task:
    """One task: what it does, asks, and has come to."""

    def __init__(self, core: Core, work: Callable[["Task"], Awaitable[Json]]) -> None:
        self.core = core
        self.id = f"task-{secrets.token_hex(8)}"
        self.status = "working"
        self.outcome: Json = {}
        self.open: dict[str, tuple[Json, asyncio.Future[Json]]] = {}
        self.created = self.updated = _now()
        self._work = asyncio.ensure_future(self._run(work))

    async def _run(self, work: Callable[["Task"], Awaitable[Json]]) -> None:
        try:
            self.outcome = {"result": await work(self)}
            self.move("completed")
        except RpcError as refused:
            self.outcome = {"error": refused.error}
            self.move("failed")

    async def ask(self, **questions: tuple[str, Json]) -> Json:
        """The answers to these questions."""
        futures: dict[str, asyncio.Future[Json]] = {}
        for key, (method, params) in questions.items():
            futures[key] = asyncio.get_running_loop().create_future()
            self.open[key] = ({"method": method, "params": params}, futures[key])
        self.move("input_required")
        answers = dict(zip(futures, await asyncio.gather(*futures.values()), strict=True))
        self.move("working")
        return answers

    def answered(self, responses: Json) -> None:
        """The client answers, some or all."""
        for key, response in responses.items():
            question = self.open.pop(key, None)
            if question is not None and not question[1].done():
                question[1].set_result(response)

    def move(self, status: str) -> None:
        """It has come to another status."""
        if self.status not in _ENDED:
            self.status, self.updated = status, _now()
            self.core.task_changed(self.shown())

    def cancel(self) -> None:
        """Stop it."""
        if self.status not in _ENDED:
            self.move("cancelled")
            self._work.cancel()

    def head(self) -> Json:
        """What is told of it when it is made."""
        times = {"createdAt": self.created, "lastUpdatedAt": self.updated}
        return {"taskId": self.id, "status": self.status, **times, "ttlMs": 600_000, "pollIntervalMs": 100}

    def shown(self) -> Json:
        """All that is told of it."""
        asked = {"inputRequests": {key: one for key, (one, _) in self.open.items()}} if self.open else {}
        ended = self.outcome if self.status in ("completed", "failed") else {}
        return {**self.head(), **asked, **ended}


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")


async def _slow(task: Task, given: Json) -> Json:
    await asyncio.sleep(float(given.get("seconds", 0)))
    return text(f"computed {given.get('label', '')}")


async def _failing(task: Task, given: Json) -> Json:
    await asyncio.sleep(0.3)
    return text("the job failed", isError=True)


async def _protocol_error(task: Task, given: Json) -> Json:
    raise RpcError(-32603, "the job broke")


async def _confirm(task: Task, given: Json) -> Json:
    answers = await task.ask(confirm=form("Delete it?", confirm={"type": "boolean"}))
    return text(json.dumps(answers["confirm"], sort_keys=True))


async def _multi(task: Task, given: Json) -> Json:
    answers = await task.ask(first=form("First?", a=_STRING), second=form("Second?", b=_STRING))
    return text(json.dumps(answers, sort_keys=True))


_WORK: dict[str, Callable[[Task, Json], Awaitable[Json]]] = {
    "slow_compute": _slow,
    "failing_job": _failing,
    "protocol_error_job": _protocol_error,
    "confirm_delete": _confirm,
    "multi_input": _multi,
}
_REQUIRED = ("failing_job", "test_tool_with_task")


def _missing() -> RpcError:
    data = {"requiredCapabilities": {"extensions": {TASKS: {}}}}
    return RpcError(-32021, "this needs a client that supports tasks", data)


async def _job(core: Core, caller: Caller, given: Json) -> Json:
    name = str(caller.params["name"])
    if wants_tasks(caller):
        return _made(core, lambda task: _WORK[name](task, given))
    if name in _REQUIRED and caller.modern:
        raise _missing()
    if name in ("confirm_delete", "multi_input"):
        answers = await caller.ask(confirm=form("Delete it?", confirm={"type": "boolean"}))
        return text(json.dumps(answers["confirm"], sort_keys=True))
    if name == "slow_compute":
        await asyncio.sleep(float(given.get("seconds", 0)))
        return text(f"computed {given.get('label', '')}")
    return text("the job failed", isError=True)


async def _asking_job(core: Core, caller: Caller, given: Json) -> Json:
    if not wants_tasks(caller) and caller.modern:
        raise _missing()
    answer = (await caller.ask(user_name=form("What is your name?", name=_STRING)))["user_name"]
    name = str((answer.get("content") or {}).get("name"))
    if not wants_tasks(caller):
        return text(f"Hello, {name}!")

    async def work(task: Task) -> Json:
        return text(f"Hello, {name}!")

    return _made(core, work)


def _made(core: Core, work: Callable[[Task], Awaitable[Json]]) -> Json:
    task = Task(core, work)
    core.tasks[task.id] = task
    return {"resultType": "task", **task.head()}


class TaskCore(Core):
    """The full server with tasks."""

    def __init__(self, era: str = "both", tools: Any = None) -> None:
        super().__init__(era, tools)
        for name in (*_WORK, "test_tool_with_task"):
            support = {"execution": {"taskSupport": "required" if name in _REQUIRED else "optional"}}
            schema = {"type": "object", "properties": {"seconds": {"type": "number"}, "label": _STRING}}
            definition = {"name": name, "description": "A long job.", "inputSchema": schema, **support}
            self.tools[name] = (definition, _asking_job if name == "test_tool_with_task" else _job)

    async def _answer(self, caller: Caller) -> Json:
        method = caller.method
        if not caller.modern or method not in ("tasks/get", "tasks/update", "tasks/cancel"):
            return await super()._answer(caller)
        if not wants_tasks(caller):
            raise _missing()
        task: Task | None = self.tasks.get(str(caller.params.get("taskId")))
        if task is None:
            raise RpcError(-32602, "Unknown task")
        if method == "tasks/get":
            return task.shown()
        if method == "tasks/update":
            task.answered(caller.params.get("inputResponses") or {})
            await asyncio.sleep(0)
        else:
            task.cancel()
        return {}
