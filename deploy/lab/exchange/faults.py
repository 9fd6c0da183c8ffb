"""Faults on request: rules that say which call of which operation meets which adversity."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from deploy.lab.exchange import answer_faults
from deploy.lab.exchange.soap import EwsError

ACTIONS: Final = frozenset(
    {
        "busy_fault", "busy_503", "busy_inner", "busy_item", "drop_before", "drop_after", "half", "delay_before",
        "delay_after", "error", "error_fault", "truncate_export", "cut_answer", "http_status", *answer_faults.ACTIONS,
    }
)  # fmt: skip
_STATUSES: Final = range(300, 600)
_SECONDS_MAX: Final = 3600.0
# What actions without values of their own set in a plan.
_FLAGS: Final = {
    "drop_before": ("drops_before",),
    "drop_after": ("drops_after",),
    "half": ("halves", "drops_after"),
    "cut_answer": ("cuts_answer",),
    "truncate_export": ("truncates_exports",),
}


class FaultRuleError(ValueError):
    """A rule that cannot be; the message says what is wrong and what is allowed."""


@dataclass(slots=True)
class FaultRule:
    """One rule: after `after` calls of `operation` ("*" for any) the next `count` calls meet `action`.

    `names`: only calls whose request holds this text, such as an item's id: one poisoned item. `status` and
    `retry_after` (a header, if not empty) belong to http_status and busy_503, `size_bytes` to large_sync_state.
    `seconds` belongs to the delays, `code` to the errors, `item` names the part of a batch that busy_item and error
    refuse (None: busy_item the first, error all), `back_off_milliseconds` goes with every form of busy.
    """

    operation: str
    action: str
    count: int = 1
    after: int = 0
    seconds: float = 0.0
    code: str = "ErrorInternalServerError"
    item: int | None = None
    back_off_milliseconds: int = 1000
    names: str = ""
    status: int = 503
    retry_after: str = ""
    size_bytes: int = 0
    hits: int = 0
    seen: int = 0

    def takes(self, operation: str, body: bytes = b"") -> bool:
        """Whether this rule strikes the call that now arrives; counts it."""
        if self.operation not in {"*", operation} or self.count <= 0 or self.names.encode() not in body:
            return False
        self.seen += 1
        if self.seen <= self.after:
            return False
        self.count -= 1
        self.hits += 1
        return True


@dataclass(slots=True)
class Plan:
    """What happens to one call."""

    delay_before_seconds: float = 0.0
    delay_after_seconds: float = 0.0
    drops_before: bool = False
    drops_after: bool = False
    halves: bool = False
    cuts_answer: bool = False
    truncates_exports: bool = False
    status: int = 0
    retry_after: str = ""
    changes: list[Callable[[bytes], bytes]] = field(default_factory=list)
    fault: EwsError | None = None
    refused_all: EwsError | None = None
    refused: EwsError | None = None
    refused_part: int = 0

    def add(self, rule: FaultRule) -> None:
        """Add what one rule does."""
        for name in _FLAGS.get(rule.action, ()):
            setattr(self, name, True)
        match rule.action:
            case "delay_before":
                self.delay_before_seconds += rule.seconds
            case "delay_after":
                self.delay_after_seconds += rule.seconds
            case "busy_fault" | "busy_item" | "busy_inner":
                self._busy(rule)
            case "error_fault":
                self.fault = EwsError(rule.code, "The request failed by fault injection.")
            case "error":
                self._refuse(rule)
            case "busy_503" | "http_status":
                self.status, self.retry_after = rule.status, rule.retry_after
            case _ if change := answer_faults.ACTIONS.get(rule.action):
                self.changes.append(lambda answer: change(answer, rule.size_bytes))

    def _busy(self, rule: FaultRule) -> None:
        back_off = (("BackOffMilliseconds", str(rule.back_off_milliseconds)),)
        text = "The server cannot service this request right now. Try again later."
        busy = EwsError("ErrorServerBusy", text, back_off)
        if rule.action == "busy_fault":
            self.fault = busy
        elif rule.action == "busy_item":
            self.refused, self.refused_part = busy, rule.item or 0
        else:
            inner = (("InnerErrorMessageText", text), ("InnerErrorResponseCode", busy.code), *back_off)
            self.refused_all = EwsError("ErrorInternalServerError", "An internal server error occurred.", inner)

    def _refuse(self, rule: FaultRule) -> None:
        error = EwsError(rule.code, "The item failed by fault injection.")
        if rule.item is None:
            self.refused_all = error
        else:
            self.refused, self.refused_part = error, rule.item


def read_rule(values: Any) -> FaultRule:
    """Read a rule from JSON; raises `FaultRuleError`."""
    if not isinstance(values, dict):
        raise FaultRuleError("a fault rule must be a JSON object")
    known = {field.name for field in fields(FaultRule)} - {"hits", "seen"}
    unknown = sorted(set(values) - known)
    if unknown:
        raise FaultRuleError(f"unknown key {unknown[0]!r}; known are: {', '.join(sorted(known))}")
    if values.get("action") not in ACTIONS:
        raise FaultRuleError(f"action must be one of: {', '.join(sorted(ACTIONS))}")
    try:
        rule = FaultRule(
            operation=str(values["operation"]),
            action=str(values["action"]),
            count=int(values.get("count", 1)),
            after=int(values.get("after", 0)),
            seconds=float(values.get("seconds", 0.0)),
            code=str(values.get("code", "ErrorInternalServerError")),
            item=None if values.get("item") is None else int(values["item"]),
            back_off_milliseconds=int(values.get("back_off_milliseconds", 1000)),
            names=str(values.get("names", "")),
            status=int(values.get("status", 503)),
            retry_after=str(values.get("retry_after", "")),
            size_bytes=int(values.get("size_bytes", 0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FaultRuleError(f"a fault rule needs an operation, and numbers where numbers belong ({error})") from error
    if rule.count < 1 or rule.after < 0 or not 0 <= rule.seconds <= _SECONDS_MAX:
        raise FaultRuleError("count must be at least 1, after at least 0, seconds 0 to 3600")
    if rule.status not in _STATUSES or rule.size_bytes < 0:
        raise FaultRuleError("status must be 300 to 599, size_bytes at least 0")
    return rule


class Faults:
    """The rules of one server, in the order in which they were added."""

    def __init__(self) -> None:
        self._rules: list[FaultRule] = []

    def add(self, rule: FaultRule) -> None:
        """Add a rule."""
        self._rules.append(rule)

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def plan(self, operation: str, body: bytes = b"") -> Plan:
        """Return what happens to the call that now arrives: every rule that strikes adds to it."""
        plan = Plan()
        for rule in self._rules:
            if rule.takes(operation, body):
                plan.add(rule)
        return plan

    def state(self) -> list[dict[str, Any]]:
        """Every rule with how many strikes are left (`count`) and how many there were (`hits`)."""
        return [asdict(rule) for rule in self._rules]
