"""What a box says of itself, for status.json and its readers."""


def status(node):
    """dict, JSON-able."""
    ring = node.ring
    seats = []
    if ring.seat is not None:
        after, before = ring.successor(), ring.predecessor()
        seats.append({
            "slice": ring.manifest.name,
            "seat": ring.seat,
            "term": ring.term,
            "successor": [after.seat, after.id.hex()] if after else None,
            "predecessor": [before.seat, before.id.hex()] if before else None,
        })
    job = node.tasks.job
    outcome = node.aggregate.outcome
    return {
        "id": node.id.hex(),
        "uptime_ms": node.now_ms - node.started_ms,
        "members": len(node.membership.view),
        "view": [id.hex() for id in node.membership.view],
        "door": node.config.door == 1,
        "broker": node.is_door(),
        "seats": seats,
        "manifests": {m.kind + "-" + m.name: m.seq for m in node.rumours.manifests.values()},
        "tasks": {
            "open": node.tasks.open_count(),
            "running": [job.workload, job.task] if job else None,
            "done": node.counters["tasks_done"],
            "undelivered": len(node.tasks.waiting),
            # Why the box does not work now, a word (docs/agent.md).
            "busy": node.tasks.guest.reason if node.tasks.guest else None,
        },
        "fleet": {
            "size": node.aggregate.size(),
            "epoch": node.aggregate.epoch.number,
            "quick": node.aggregate.epoch.hurries(),
            "complete": outcome.number if outcome else None,
        },
        "firmware": node.update.status(),
        "attributes": dict(node.attributes),
        "counters": node.counters.nonzero(),
    }
