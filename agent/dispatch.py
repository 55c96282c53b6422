"""Which service takes which kind of message."""

from .errors import RemoteError
from .wire import messages


def handlers(node):
    """{kind of message: what takes (Peer, message)}; may raise RemoteError."""
    return {
        messages.SHUFFLE: node.membership.on_ask,
        messages.SHUFFLED: node.membership.on_told,
        messages.DIGEST: node.rumours.on_digest,
        messages.HAVE: node.rumours.on_have,
        messages.PULL: node.chunks.on_pull,
        messages.CHUNK: node.chunks.on_chunk,
        messages.LACK: node.chunks.on_lack,
        messages.PROBE: node.ring.probes.on_probe,
        messages.ACK: node.ring.probes.on_ack,
        messages.PING: node.ring.probes.on_ping,
        messages.PONG: node.ring.probes.on_pong,
        messages.SUSPECT: node.ring.probes.on_suspect,
        messages.LIVES: node.ring.probes.on_lives,
        messages.GRANT: node.ring.grants.on_grant,
        messages.ANSWER: node.ring.grants.on_answer,
        messages.LEAVE: node.ring.on_leave,
        messages.FIND: node.lookup.on_find,
        messages.PASSED: node.lookup.on_passed,
        messages.FOUND: node.lookup.on_found,
        messages.RESULT: _on_result(node),
        messages.TAKEN: node.tasks.on_taken,
        messages.PROGRESS: node.tasks.on_progress,
        messages.AVERAGE: node.aggregate.on_average,
        messages.AVERAGED: node.aggregate.on_averaged,
        messages.POLL: node.update.on_poll,
        messages.POLLED: node.update.on_polled,
        messages.SEEK: node.update.on_seek,
        messages.SPARE: node.update.on_spare,
    }


def _on_result(node):
    """What takes a RESULT: the door, if this box is one."""

    def take(peer, message):
        if node.door is None:
            raise RemoteError("not a door")
        node.door.on_result(peer, message)

    return take
