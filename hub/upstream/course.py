"""Which target and which credential a call tries next, until one answers or nothing may follow."""

import random
from dataclasses import replace

from hub.core.health import Failure, HealthLog
from hub.core.plan import Deployment, Plan
from hub.core.refusal import UpstreamFailed
from hub.upstream.verdicts import Failed, nobody_answered, row_of

LONGEST_WAIT = 60.0
SHARE = 0.2  # of the calls may be tried again at the same target
_MOST_SAVED = 10.0


class RetryBudget:
    """How many further tries at the same target the whole process may make: a fifth of its calls.

    A storm of failures is then never answered by a storm of tries. Other targets are not counted: a target that
    fails is soon left out by its circuit.
    """

    def __init__(self) -> None:
        self._saved = 1.0

    def earn(self) -> None:
        """A call was made."""
        if self._saved < _MOST_SAVED:
            self._saved = min(self._saved + SHARE, _MOST_SAVED)

    def spend(self) -> bool:
        """Whether one more try is within the budget; it is then taken from it."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


class Course:
    """The tries of one call. `next` gives the target, `failed` says what became of it."""

    def __init__(self, plan: Plan, session: str, health: HealthLog, budget: RetryBudget) -> None:
        self._retry = plan.retry
        self._left = list(plan.attempts)
        self._session = session
        self._health = health
        self._budget = budget
        self._used: set[str] = set()
        self._again = 0
        self.tries = 0  # that were begun
        self._tried: list[tuple[str, Failed]] = []
        self.wait = 0.0

    def next(self) -> Deployment:
        """The deployment to try, with its credential chosen."""
        deployment = self._left[0]
        self.tries += 1
        if not deployment.spares:
            return deployment
        secrets = [secret for secret in (deployment.secret, *deployment.spares) if secret not in self._used]
        if len(secrets) > 1 or (secrets and secrets[0] != deployment.secret):
            deployment = replace(deployment, secret=self._health.credential(deployment.target, secrets, self._session))
        return deployment

    def beside(self) -> Deployment | None:
        """The target to ask beside the current one, if there is one and the number of tries and the budget allow it."""
        if len(self._left) < 2 or self.tries >= self._retry.tries or not self._budget.spend():
            return None
        self.tries += 1
        return self._left[1]

    def lost(self, deployment: Deployment, failed: Failed) -> None:
        """It failed while another target is still asked."""
        self._tried.append((deployment.target, failed))
        self._left = [left for left in self._left if left.target != deployment.target]
        self._used.clear()
        self._again = 0

    def failed(self, deployment: Deployment, failed: Failed, seconds: float) -> bool:
        """Whether another try follows, after `wait` seconds. `seconds` are left of the call's time."""
        self._tried.append((deployment.target, failed))
        row = row_of(failed.kind, failed.status, self._retry)
        self.wait = 0.0
        if self.tries >= self._retry.tries or seconds <= 0:
            return False
        if row.rotate:
            self._used.add(deployment.secret)
            if any(spare not in self._used for spare in (self._left[0].secret, *self._left[0].spares)):
                return True
        if row.again and self._may_repeat(deployment, failed, seconds):
            self._again += 1
            return True
        if not row.elsewhere:
            return False
        self._leave(failed)
        self.wait = 0.0
        return bool(self._left)

    def _may_repeat(self, deployment: Deployment, failed: Failed, seconds: float) -> bool:
        """Whether the same target is tried again: within its number, its wait and the budget, while it is sound."""
        if self._again >= self._retry.same_target or not self._health.closed(deployment.target):
            return False
        backoff = min(self._retry.first * 2**self._again, self._retry.longest)
        wait = max(backoff * random.uniform(0.5, 1.0), failed.wait or 0.0)  # noqa: S311 - jitter is no secret
        if wait > min(seconds, LONGEST_WAIT) or (failed.wait or 0.0) > self._retry.longest:
            return False
        if len(self._left) > 1 and failed.wait:
            return False  # it said when, and another one can be asked now
        self.wait = wait
        return self._budget.spend()

    def _leave(self, failed: Failed) -> None:
        """Go on to the next target; after a prompt that was too long, to the next that reads a longer one."""
        left = self._left.pop(0)
        self._used.clear()
        self._again = 0
        if failed.kind is Failure.CONTEXT_WINDOW and left.context_window is not None:
            window = left.context_window
            self._left = [d for d in self._left if d.context_window is None or d.context_window > window]

    def nobody(self) -> UpstreamFailed:
        """The failure when every try failed without an answer."""
        return nobody_answered([(target, failed.refusal) for target, failed in self._tried])
