"""What the broker tells about a fleet, put together; for `watch` and `describe`.

Manifests are believed because they are signed, results because their boxes
authenticated them.  Census and doors' words are what some door says: shown,
cleaned for a terminal, and used for nothing else.
"""

import collections
import time

from ...agent import limits
from . import census as censuses
from . import choice, firmware, push, results
from .errors import OperatorError
from .manifests import PUSHED, label, read
from .settle import Settlement

# Doors shown; a fleet needs a handful, and anybody at the broker could claim more.
DOORS = 256
# Refusals kept for the view.
REFUSALS = 8
# The broker has sent what it retains when it is silent for so long.
QUIET_S = 0.5


class Picture:
    """A fleet as the broker shows it.

    doors: {box hex: "online" or "offline"}; censuses: {box hex: what that door
    counted}, as census.read gives it; told: how many of them came; manifests: {KIND-NAME: payload}; settlements: {name: Settlement};
    refused: the newest refusals; odd: messages that were not what their topic says.
    """

    def __init__(self, fleet):
        self.fleet = fleet
        self.doors = {}
        self.censuses = {}
        self.told = 0
        self.manifests = {}
        self.settlements = {}
        self.refused = collections.deque(maxlen=REFUSALS)
        self.odd = 0

    @property
    def census(self):
        """The census to believe, None while no door has told one."""
        return censuses.newest(self.censuses, self.doors)

    def topics(self, results=True):
        """Returns what to subscribe to, with or without the results of workloads."""
        topic, tenant = self.fleet.topic, self.fleet.tenant
        if tenant:
            counted = [topic("manifest", f"{kind}-{tenant}", "+") for kind in ("slice", "workload")]
            counted.append(self.fleet.refused_topic())
        else:
            counted = [topic("manifest", "#"), topic("census", "+"), topic("door", "+"), topic("refused", "#")]
        return counted + ([topic("result", *filter(None, [tenant]), "+", "+", "+")] if results else [])

    def offer(self, message):
        """Takes one push.Message."""
        parts = message.topic.split("/")[2:]
        handler = {
            "manifest": self._manifest, "census": self._census, "door": self._door,
            "refused": self._refusal, "result": self._result,
        }.get(parts[0] if parts else "")
        if handler is None or not handler(message, parts[1:]):
            self.odd += 1

    def _manifest(self, message, _parts):
        if not message.payload:
            return True  # taken back
        try:
            payload = read(message.payload, self.fleet.keys, now_s=0)
        except OperatorError:
            return False
        if payload["kind"] not in PUSHED or len(self.manifests) >= 4 * limits.MANIFESTS:
            return False
        known = self.manifests.get(label(payload))
        if known is None or payload["seq"] > known["seq"]:
            self.manifests[label(payload)] = payload
            if payload["kind"] == "workload":
                self._settle(payload)
        return True

    def _settle(self, payload):
        """Starts from the owner's own disk where this is the owner's machine."""
        name = payload["name"]
        try:
            work = results.Work.newest(self.fleet, name)
            mine = payload["seq"] in work.settlement.sequences or payload.get("end")
        except OperatorError:
            mine = False
        settlement = work.settlement if mine else Settlement(payload, self.fleet, keep=False)
        if payload.get("end"):
            settlement.cancel()
        self.settlements[name] = settlement

    def _census(self, message, parts):
        if len(parts) != 1 or len(self.censuses) >= DOORS and parts[0] not in self.censuses:
            return False
        if not message.payload:
            self.censuses.pop(parts[0], None)  # the door has left
            return True
        census = censuses.read(message.payload)
        if census is None or census["door"] != parts[0]:
            return False
        self.censuses[parts[0]] = census
        self.told += 1
        return True

    def _door(self, message, parts):
        word = push.clean(message.payload.decode("utf-8", "replace"), 16)
        if len(parts) != 1 or word not in ("online", "offline") or len(self.doors) >= DOORS:
            return False
        self.doors[push.clean(parts[0], 32)] = word
        return True

    def _refusal(self, message, _parts):
        refusal = push.read_refusal(message)
        if refusal:
            self.refused.append(refusal)
        return refusal is not None

    def _result(self, message, parts):
        settlement = self.settlements.get("/".join(parts[:-2]))
        if settlement:
            settlement.offer(message.topic, message.payload)
        return True

    def load(self, session, results=True):
        """Takes everything that the broker retains."""
        session.subscribe(*self.topics(results))
        while (message := session.receive(QUIET_S)) is not None:
            session.done(message)
            self.offer(message)

    def slices(self):
        """Returns a JSON-able row for each slice, ended ones left out."""
        return [slice_row(payload) for payload in self._live("slice")]

    def queries(self):
        """Returns a JSON-able row for each standing query, ended ones left out."""
        return [query_row(payload) for payload in self._live("query")]

    def firmware(self):
        """Returns a JSON-able row for each firmware that may still be installed."""
        return [firmware.row(payload) for payload in self._live("firmware")]

    def workloads(self):
        """Returns a JSON-able row for each workload, ended ones too."""
        return [
            workload_row(self.manifests[f"workload-{name}"], settlement)
            for name, settlement in sorted(self.settlements.items())
        ]

    def _live(self, kind):
        now_s = time.time()
        return [
            payload for _, payload in sorted(self.manifests.items())
            if payload["kind"] == kind and not payload.get("end") and payload["expires"] > now_s
        ]


def common_row(payload):
    """Returns what all manifests have, for people, JSON-able."""
    return {
        "name": payload["name"], "sequence": payload["seq"], "issued": payload["issued"],
        "expires": payload["expires"], "ended": bool(payload.get("end")),
    }


def slice_row(payload):
    """Returns a slice's manifest for people, JSON-able; "seats" is None for a share of the fleet."""
    return {
        **common_row(payload), "seats": payload.get("seats"),
        "share": choice.show_share(payload["share"]) if "share" in payload else None,
        "where": choice.show(choice.of(payload)), "regions": payload.get("regions", []),
        "absorbs": [row[0] for row in payload.get("absorbs", [])], "from": payload.get("from", [None])[0],
    }


def query_row(payload):
    """Returns a query's manifest for people, JSON-able."""
    return {**common_row(payload), "choice": choice.show(choice.of(payload)) or "count"}


def workload_row(payload, settlement):
    """Returns a workload's manifest and state for people, JSON-able."""
    return {
        **common_row(payload), "slice": payload["slice"],
        "program": payload["program"].hex(), "tasks": payload["tasks"], "replicas": payload["replicas"],
        "quorum": payload["quorum"], "limits": payload["limits"], "args": payload["args"],
        "deterministic": payload["deterministic"], "deadline": payload["issued"] + payload["deadline_s"],
        "state": settlement.state, "states": settlement.counts(),
        "messages": dict(settlement.verdicts),
    }


def open_picture(fleet, broker, results=True):
    """Returns (Picture, open Session) with everything retained already in it.

    results: whether workloads' results are followed too.
    """
    session = push.Session(broker)
    picture = Picture(fleet)
    try:
        picture.load(session, results)
    except BaseException:
        session.close()
        raise
    return picture, session
