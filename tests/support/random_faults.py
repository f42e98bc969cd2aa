"""Faults of the service drawn from a seed: which reply, to which request, during which command.

A fault begins and ends with one command. It either breaks answers in a way that can be noticed, or
it lies: the answer is well-formed, and something in it is not so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from proxy import Behaviour, Proxy, Reply, Request, changed, instead, lose, twice

__all__ = ["Fault", "draw_fault"]

POST_JOB = ("POST", "*/jobs")
JOB_LIST = ("GET", "*/jobs")
MOMENTS = {
    "token": ("POST", "*/identity/token"),
    "instances": ("POST", "*/resources/search"),
    "backends": ("GET", "*/backends"),
    "configuration": ("GET", "*/backends/*/configuration"),
    "properties": ("GET", "*/backends/*/properties"),
    "status": ("GET", "*/backends/*/status"),
    "usage": ("GET", "*/usage"),
    "session opened": ("POST", "*/sessions"),
    "session read": ("GET", "*/sessions/*"),
    "session closed": ("PATCH", "*/sessions/*"),
    "job posted": POST_JOB,
    "jobs listed": JOB_LIST,
    "job read": ("GET", "*/jobs/localqpu-????????????"),
    "result": ("GET", "*/jobs/*/results"),
    "metrics": ("GET", "*/jobs/*/metrics"),
    "job cancelled": ("POST", "*/jobs/*/cancel"),
    "any GET": ("GET", "*"),
}
# The requests that each command makes; the first ones are drawn more often.
OF_COMMAND = {
    "submit": (
        "job posted|job posted|job posted|job posted|job posted|job posted|jobs listed|jobs listed|"
        "job read|job read|any GET|any GET|token|instances|backends|configuration|properties|"
        "status|usage|session opened|session read"
    ),
    "collect": (
        "job read|job read|job read|result|result|result|jobs listed|metrics|any GET|token|"
        "session closed|session read|backends"
    ),
    "resume": (
        "job read|job read|result|result|job posted|job posted|jobs listed|metrics|any GET|"
        "session closed|session read|backends|instances"
    ),
    "cancel": "job cancelled|job read|jobs listed|metrics|any GET|session closed",
    "jobs": "job read|jobs listed|metrics|any GET|token",
    "plan": "backends|configuration|properties|usage|any GET|token",
    "account": "backends|usage|instances|token|any GET",
}
STATUSES = [*range(400, 430), 431, 451, 499, *range(500, 512), 520, 524, 599]
ODD_STATUSES = [100, 201, 202, 203, 204, 205, 206, 300, 301, 302, 304, 307, 308]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 7, 1e300, 10**400, math.nan, math.inf, "", "x", "7", "null"),
    *([], [[]], {}, {"id": None}, "\x00", "é" * 300, "[bold]", "../x", "a" * 100_000, 2**63),
]
KEYS = ["id", "status", "state", "jobs", "tags", "usage", "data", "name", "errors", "é"]
BYTES = [b"", b"null", b"\xff\xfe", b"{", b"[" * 5000, b"<html>busy</html>", b" " * 10**6, b"NaN"]


@dataclass
class Fault:
    """What goes wrong in one case.

    Attributes:
        seed: The seed that draws it again.
        command: The command during which it happens.
        rules: Method, pattern, behaviour, how often, and after how many requests.
        words: The fault in words, for messages.
        sends_more: Whether the network delivers a POST twice or late.
        lies_in_charge: Whether the charge of a job may be reported wrong.
    """

    seed: int
    command: str
    rules: list[tuple[str, str, Behaviour, float, int]]
    words: str
    sends_more: bool = False
    lies_in_charge: bool = False

    def begin(self, proxy: Proxy) -> None:
        """Misbehave from now on."""
        for method, path, behaviour, times, after in self.rules:
            proxy.on(method, path, behaviour, times=times, after=after)


def draw_fault(seed: int, proxy: Proxy) -> Fault:
    """Draw a fault; the same for the same seed."""
    random = Random(seed)
    command = random.choice(["submit"] * 4 + ["collect"] * 3 + ["resume"] * 3 + list(OF_COMMAND))
    fault = Fault(seed, command, [], f"seed {seed}, {command}")
    drawn = random.sample(OF_COMMAND[command].split("|"), random.choice([1, 1, 1, 2]))
    moments = list(dict.fromkeys(drawn))
    for moment in moments:
        # One lie at a time: where the answer to a POST is lost and the list of jobs lies as well,
        # nobody can know that the job exists.
        add_rule(random, fault, moment, proxy, lies=len(moments) == 1 and moment != "any GET")
    return fault


def add_rule(random: Random, fault: Fault, moment: str, proxy: Proxy, lies: bool) -> None:
    kinds: list[tuple[str, Behaviour]] = [
        ("lost", lose),
        ("dropped", lambda request: None),
        *draw_answers(random),
    ]
    mutate = draw_mutation(random)
    if lies:
        kinds += [("changed", changed_if_json(mutate))] * 3
    if moment == "job posted" and lies:
        kinds += [("twice", twice), ("late", proxy.keep_back)]
    name, behaviour = random.choice(kinds)
    if name in ("twice", "late"):
        fault.sends_more = True
    if name == "changed":
        fault.lies_in_charge = moment in ("metrics", "session read")
    times = random.choice([1, 1, 1, 2, 3, 5, math.inf])
    after = random.choice([0, 0, 0, 1, 2, 5])
    fault.rules.append((*MOMENTS[moment], behaviour, times, after))
    fault.words += f"; {moment}: {name}, {times} times after {after}"


def draw_answers(random: Random) -> list[tuple[str, Behaviour]]:
    """Draw answers of all kinds that are not those of the service, after or without acceptance."""
    code, odd = random.choice(STATUSES), random.choice(ODD_STATUSES)
    message = {"errors": [{"message": random.choice(["no", "", "[/bold] \x1b[31m", "é" * 5000])}]}
    headers = {"Retry_After": random.choice(["0", "1", "100000", "-1", "x", "1e9"])}
    replies = [
        (f"status {code} with a message", Reply.of(message, code)),
        (f"status {code} without one", Reply.of({"errors": random.choice(VALUES)}, code)),
        (f"status {code} as HTML", Reply(code, b"<html>no</html>", {"Content-Type": "text/html"})),
        (f"status {code} and a pause", Reply.of(message, code, **headers)),
        (f"status {odd}", Reply(odd, random.choice(BYTES), {"Location": "/api/v1/elsewhere"})),
        ("bytes", Reply(200, random.choice(BYTES))),
        ("noise", Reply(200, random.randbytes(random.randint(1, 2000)))),
        ("false gzip", Reply(200, b"not gzip", {"Content-Encoding": "gzip"})),
        ("another value", Reply.of(random.choice(VALUES))),
        ("another value", Reply.of(random.choice(VALUES))),
    ]
    kinds: list[tuple[str, Behaviour]] = []
    for name, reply in replies:
        if random.random() < 0.5:
            kinds.append((name, instead(reply)))
        else:
            kinds.append((f"accepted, {name}", answer_after(reply)))
    cut = random.random()
    kinds.append(("cut", lambda request: cut_reply(request.forward(), cut)))
    return kinds


def answer_after(reply: Reply) -> Behaviour:
    def answer(request: Request) -> Reply:
        request.forward()
        return reply

    return answer


def cut_reply(reply: Reply, share: float) -> Reply:
    return Reply(reply.status, reply.body[: int(share * len(reply.body))], reply.headers)


def changed_if_json(change: Callable[[Any], Any]) -> Behaviour:
    """Change the JSON of an answer; an answer without JSON (204) passes."""
    behaviour = changed(change)

    def answer(request: Request) -> Reply | None:
        reply = request.forward()
        if not reply.body:
            return reply
        return behaviour(Forwarded(request, reply))

    return answer


class Forwarded(Request):
    """A request that has been forwarded already."""

    def __init__(self, request: Request, reply: Reply) -> None:
        super().__init__(**vars(request))
        self._reply = reply

    def forward(self) -> Reply:
        return self._reply


def draw_mutation(random: Random) -> Callable[[Any], Any]:
    """Draw a change of one to three places of some JSON, the same for every answer of its form."""
    seed, count = random.random(), random.choice([1, 1, 2, 3])

    def mutate(content: Any) -> Any:
        own = Random(seed)
        for _ in range(count):
            content = mutate_once(own, content)
        return content

    return mutate


def mutate_once(random: Random, content: Any) -> Any:
    """Replace, drop, double or rename one value somewhere in some JSON."""
    content = json.loads(json.dumps(content))
    holder, key = None, None
    place: Any = content
    while isinstance(place, dict | list) and place and random.random() < 0.8:
        holder, key = (
            place,
            random.choice(list(place) if isinstance(place, dict) else range(len(place))),
        )
        place = place[key]
    if holder is None:
        return random.choice(VALUES)
    kind = random.choice(["replace", "replace", "drop", "double", "rename", "nudge"])
    if kind == "drop":
        del holder[key]
    elif kind == "double" and isinstance(holder, list):
        holder.append(place)
    elif kind == "rename" and isinstance(holder, dict):
        holder[random.choice(KEYS)] = holder.pop(key)
    elif kind == "nudge" and isinstance(place, int | float) and not isinstance(place, bool):
        holder[key] = random.choice([-place, place + 1, place * 1e9, str(place), [place]])
    elif kind == "nudge" and isinstance(place, str):
        holder[key] = random.choice([place.upper(), place[:-1], place + "x", [place]])
    else:
        holder[key] = random.choice(VALUES)
    return content
