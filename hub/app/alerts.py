"""Alerts of budgets, posted to webhooks and sent to people beside the calls that cause them."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import orjson
from sqlalchemy.exc import SQLAlchemyError

from hub.app.told import iso
from hub.core.background import Background
from hub.core.logs import get_logger
from hub.policy import Alert, BudgetRule
from hub.resources.spending import BudgetSpec, NotifySpec
from hub.store import AlertLog, Waiting
from hub.upstream.mail import Mail
from hub.upstream.webhooks import Delivery, Webhooks

log = get_logger(__name__)
_MOST_WAITING = 1000  # that the database has not taken yet
_LOOK_SECONDS = 2.0  # how long what is due may wait
_LEASE = 30.0  # longer than a try takes
_LAST_SECONDS = 2.0
_PAUSES = (1.0, 5.0, 30.0, 120.0, 600.0)  # seconds after each try that failed; the last one again and again
_GIVE_UP_SECONDS = 86_400.0


def payload(alert: Alert, rule: BudgetRule) -> dict[str, Any]:
    """What is posted. `text` says it for people: chat programs show that of what is posted to their incoming webhooks."""
    kind, name = rule.spec.scope.parts
    whose = f"{kind} {name}" if name else "the whole hub"
    period = "in all" if rule.spec.period == "total" else f"a {rule.spec.period}"
    limit, spent = f"{alert.limit / 1e6:.2f}", f"{alert.spent / 1e6:.2f}"
    return {
        "text": f"Budget {alert.budget} ({whose}): {spent} of {limit} USD {period} are spent, {alert.level} %.",
        "id": alert.id,
        "event": "budget.alert",
        "budget": alert.budget,
        "scope": {kind: name or True},
        "percent": alert.level,
        "limit_usd": f"{alert.limit / 1e6:.6f}",
        "spent_usd": f"{alert.spent / 1e6:.6f}",
        "mode": rule.spec.mode,
        "period": rule.spec.period,
        "starts_at": iso(alert.starts_at),
        "resets_at": iso(alert.resets_at),
    }


class Alerts(Background):
    """Takes alerts without waiting, writes them down, and posts each until it is taken. An async context manager.

    What a process that ended has left is posted by the next one, or by another replica: at least once, under one id.
    `budgets` are those in force: they say where an alert goes.
    """

    def __init__(
        self,
        webhooks: Webhooks,
        mail: Mail,
        log_: AlertLog,
        budgets: Callable[[], Mapping[str, BudgetSpec]],
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._webhooks = webhooks
        self._mail = mail
        self._log = log_
        self._budgets = budgets
        self._now = now
        self._waiting: deque[tuple[Alert, str]] = deque(maxlen=_MOST_WAITING)
        self._wake = asyncio.Event()

    def tell(self, alert: Alert, rule: BudgetRule) -> None:
        """A threshold was reached."""
        self._waiting.append((alert, orjson.dumps(payload(alert, rule)).decode()))
        self._wake.set()

    async def __aenter__(self) -> Self:
        """Begin with what was left."""
        self.start(self._run(), "alerts")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write down what was told; the next process posts what is left."""
        await super().__aexit__(kind, error, trace)
        with contextlib.suppress(SQLAlchemyError, OSError, TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                await self._note()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._note()
                for waiting in await self._log.take(self._now(), _LEASE):
                    self.start(self._post(waiting))
            except (SQLAlchemyError, OSError) as error:
                log.warning("alerts wait for the database", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._wake.wait()

    async def _note(self) -> None:
        while self._waiting:
            alert, body = self._waiting[0]
            due = self._now() if self._notify(alert.budget) is not None else None
            if await self._log.note(alert.id, alert.budget, body, self._now(), due):
                log.warning("a budget reached a threshold", budget=alert.budget, percent=alert.level)
            self._waiting.popleft()

    def _notify(self, budget: str) -> NotifySpec | None:
        spec = self._budgets().get(budget)
        return None if spec is None else spec.notify

    async def _tell(self, notify: NotifySpec, waiting: Waiting) -> None:
        body = waiting.body.encode()
        if notify.email:
            text = orjson.loads(body)["text"]
            await self._mail.send(notify.email, f"Budget {waiting.budget}", f"{text}\n", waiting.id)
        if notify.url is not None and notify.secret is not None:
            await self._webhooks.post(
                Delivery(notify.url, notify.secret, "budget.alert", waiting.id, body, private=notify.allow_private)
            )

    async def _post(self, waiting: Waiting) -> None:
        """One try. Nobody is asked any more about a budget that tells nobody, or about an alert of long ago."""
        notify, due = self._notify(waiting.budget), None
        try:
            if notify is not None:
                await self._tell(notify, waiting)
        except Exception as error:  # noqa: BLE001 - whatever it is, an alert may not take the hub down
            pause = _PAUSES[min(waiting.tries, len(_PAUSES) - 1)]
            due = self._now() + pause if self._now() - waiting.at < _GIVE_UP_SECONDS else None
            log.warning("an alert was not taken", budget=waiting.budget, error=str(error)[:200], again=due is not None)
        with contextlib.suppress(SQLAlchemyError, OSError):  # its lease ends, and it is posted again
            await self._log.settle(waiting.id, due)
