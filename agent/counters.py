"""What the box counts: every drop, refusal and retry has a public name."""

from .errors import LocalError

# name: what it means.  docs/counters.md is made from this table.
NAMES = {
    "datagrams_in": "datagrams received",
    "datagrams_out": "datagrams queued for sending",
    "bytes_in": "bytes of UDP payload received",
    "bytes_out": "bytes of UDP payload queued",
    "datagrams_unsent": "dropped, the queue to the edge was full",
    "datagrams_bad": "not a datagram of ours: unknown kind, wrong length, other fleet",
    "messages_bad": "authentic but malformed message: the peer is wrong",
    "events_unsent": "dropped, the event queue to the edge was full",
    "seal_bad": "tag did not verify",
    "seal_replayed": "counter already seen or too old",
    "seal_unknown": "session index is not ours",
    "cookie_bad": "hello with a stale or forged cookie",
    "hello_bad": "hello or welcome that does not hold: proof, length, tag",
    "hello_unencrypted": "peer refused: this fleet demands encryption",
    "hellos": "handshakes completed",
    "strangers_limited": "hello not answered, or only with other boxes' names, by the token bucket",
    "resets": "peers that forgot our session and were greeted anew",
    "peers_evicted": "pair keys dropped for a newer peer",
    "peers_full": "newcomer refused, every peer was in use",
    "peers_unreachable": "handshakes given up",
    "pending_full": "message dropped, too many wait for a handshake",
    "hails_full": "message dropped, too many handshakes under way",
    "work_full": "long computation refused, the queue was full",
    "shuffles": "view exchanges begun",
    "shuffle_retries": "view exchanges asked again",
    "shuffle_timeouts": "peers dropped from the view, silent",
    "shuffles_answered": "view exchanges answered",
    "swaps_limited": "view exchanges answered without taking links: asked too often",
    "epochs": "epochs of aggregation begun",
    "epochs_refused": "epochs of others not followed: our own is not complete",
    "averages": "exchanges of averages begun",
    "averages_repeated": "exchanges of averages asked again",
    "averages_answered": "exchanges of averages answered",
    "averages_full": "exchange of averages left out, too many wait for an answer",
    "averages_stale": "questions of averages that came rounds late, not averaged",
    "averages_dropped": "answers dropped while their question might yet be repeated",
    "queries_full": "query not counted, the limit is reached",
    "manifests_accepted": "manifests verified and taken",
    "manifests_bad": "manifest refused: malformed, or signature does not hold",
    "manifests_old": "manifest refused: sequence number not above the floor",
    "manifests_expired": "manifest refused or dropped: expired",
    "manifests_full": "manifest refused: the fleet limit is reached",
    "rumours_told": "announcements of a new manifest sent",
    "rumours_known": "announcements of a manifest that was known already",
    "rumours_busy": "announcement dropped, enough wait to be fetched",
    "rumours_shunned": "announcement ignored, its sender served badly",
    "rumours_refused": "announcement ignored, its body was refused a while ago",
    "rumours_late": "slow fetch of a manifest that made way for another",
    "fetches_full": "fetch refused, all slots are taken",
    "fetches_failed": "blobs given up: no source had them",
    "blobs_bad": "blobs whose hash did not hold",
    "blobs_fetched": "blobs fetched from peers",
    "chunks_in": "chunks received that were asked for",
    "chunks_unasked": "chunks received that were not asked for",
    "chunks_out": "chunks served",
    "chunks_asked_again": "chunks asked for again",
    "chunks_limited": "chunks not served, this second's share was spent",
    "sources_changed": "fetches begun anew from another box",
    "sources_shunned": "boxes found to serve badly, nothing is taken from them for a while",
    "store_full": "blob refused, the store had no room",
    "store_evicted": "blobs dropped for newer ones",
    "store_errors": "the disk refused an operation",
    "hints_dropped": "seat or candidate hints over the cap or stale",
    "seats_taken": "seats this box took",
    "seats_left": "seats this box left",
    "seats_lost": "seats given up to a higher term",
    "seats_moved": "seats renumbered by a merge or a split",
    "terms_refused": "claims with a term or seat out of reach",
    "sizes_refused": "sizes of a slice that cannot be true",
    "lookups_dropped": "lookups refused or given up",
    "grants_made": "grants accepted by their candidate",
    "grants_refused": "grants answered busy or unknown",
    "grants_dead": "grants whose candidate never answered",
    "probes": "ring probes sent",
    "ring_suspects": "ring neighbours suspected",
    "ring_deaths": "ring neighbours declared dead",
    "tasks_started": "tasks started",
    "tasks_done": "tasks finished and taken by a door",
    "tasks_failed": "tasks that ended in anything but ok",
    "results_waiting_full": "no further task started, results wait for a door",
    "results_retried": "results offered to a door again",
    "door_full": "result refused by this door, it carries enough",
    "door_wants_full": "blob request refused by this door",
    "door_published": "results this door brought to the broker",
    "door_manifests_late": "manifests for which this door had no room; the broker is asked again",
    "door_messages_bad": "MQTT messages this door refused",
    "seeds_asked": "questions to the controller",
    "seeds_bad": "seed lists that did not hold",
    "updates_foreign": "firmware manifests for another vendor, class or component",
    "updates_refused": "firmware manifests refused: old, failed here before, too large, or broken",
    "updates_broken": "firmware images that are not what was signed",
    "updates_unwritten": "updates put off, the disk refused the slot or the record",
    "updates_installed": "firmware images put on trial",
    "updates_confirmed": "trials that proved themselves",
    "slot_bytes": "bytes written to the slots (flash)",
    "state_bytes": "bytes written to the state directory (flash)",
    "udp_receive_errors": "errors of the UDP socket while receiving",
    "udp_send_errors": "datagrams the kernel did not take",
    "udp_no_route": "datagrams to an IPv6 peer from an IPv4 socket",
    "mqtt_connects": "broker connections made",
    "mqtt_failures": "broker connections not had",
    "mqtt_losses": "broker connections lost",
    "mqtt_unwelcome": "broker connections the broker refused",
    "mqtt_refused": "MQTT messages passed over and subscriptions refused",
    "mqtt_skipped_bytes": "bytes of MQTT messages passed over",
    "mqtt_answers_unasked": "MQTT answers to nothing we asked",
    "mqtt_outbox_full": "publish refused, the MQTT outbox was full",
    "mqtt_unsendable": "publish refused: over the cap, or QoS 0 without a connection",
    "programs_admitted": "programs decoded, validated and translated",
    "memory_shed": "times memory ran out and a job or the cached programs went",
    "log_dropped": "lines of the log over its rate",
    "beats_unwritten": "signs of life to the launcher that the disk refused",
    "status_unwritten": "status files the disk refused",
    "mqtt_topics_full": "subscription refused, too many topics are held",
}


class Counters:
    """A fixed set of counters; an unknown name is our own bug."""

    def __init__(self):
        self._values = {}

    def bump(self, name, count=1):
        """Add count (int) to the counter called name."""
        try:
            self._values[name] += count
        except KeyError:
            # The first time: the usual case must not look twice.
            if name not in NAMES:
                raise LocalError("no such counter: " + name)
            self._values[name] = count

    def __getitem__(self, name):
        """The value of a counter, 0 if it never moved."""
        if name not in NAMES:
            raise LocalError("no such counter: " + name)
        return self._values.get(name, 0)

    def nonzero(self):
        """dict of the counters that moved."""
        return dict(self._values)
