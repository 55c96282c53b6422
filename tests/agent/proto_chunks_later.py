"""A source that does not have the blob yet and will: a door that asks its broker."""

from backfence.agent.wire import messages
from proto_chunks import BLOB, DIGEST, fetch, on_disk, world


class Door:
    def __init__(self, id):
        self.id = id


def doors(lan, numbers, comes_ms):
    """Makes nodes doors, as far as chunks see it: who is asked has the blob so many ms later, by its number; never if None.

    Returns the list of who was asked, while it lacked it."""
    asked = []

    def door(i):
        node = lan.nodes[i]
        serve = node._handlers[messages.PULL]

        def pull(peer, message):
            if node.store.has(DIGEST):
                return serve(peer, message)
            if i not in asked and comes_ms[i] is not None:
                came[i] = lan.now_ms + comes_ms[i]
            asked.append(i)
            if i in came and lan.now_ms >= came[i]:
                node.store.put(BLOB)
                return serve(peer, message)
            node.send(peer.id, peer.addr, messages.LACK, message[1], 1)

        return pull

    came = {}
    known = [Door(lan.nodes[i].id) for i in numbers]
    lan.nodes[0].membership.door_list = lambda: known
    for i in numbers:
        lan.nodes[i]._handlers[messages.PULL] = door(i)
    return asked


def test_who_says_later_is_asked_again_and_nobody_else_fetches_it_too():
    lan, ended = world(4, [])
    asked = doors(lan, (1, 2, 3), {1: 700, 2: 700, 3: 700})
    fetch(lan, ended, [1, 2, 3])
    lan.run(1500)
    assert ended == [True] and on_disk(lan) == BLOB and set(asked) == {1}
    assert lan.nodes[0].counters["sources_changed"] == 0


def test_who_says_later_for_too_long_makes_way():
    lan, ended = world(3, [])
    asked = doors(lan, (1, 2), {1: None, 2: 300})
    fetch(lan, ended, [1, 2])
    lan.run(4000)
    assert ended == [True] and on_disk(lan) == BLOB and set(asked) == {1, 2}


def test_meanwhile_boxes_that_are_no_doors_are_asked():
    lan, ended = world(3, [2])
    asked = doors(lan, (1,), {1: None})
    fetch(lan, ended, [1, 2])
    lan.run(1000)
    assert ended == [True] and on_disk(lan) == BLOB and asked == [1]
