"""The agent's MQTT client by hand: commands on stdin, events on stdout, a line each.

    mqtt_driver.py HOST:PORT [USER PASSWORD [CA]]

CA is a PEM file: then it speaks TLS.

Runs on both interpreters.  Commands, each answered by `["did", result]`:

    sub TOPIC / unsub TOPIC / pub TOPIC SIZE QOS RETAIN TOKEN / state
"""

import gc
import json
import os
import select
import sys

from backfence.agent.counting import Counters
from backfence.agent.config import check_address
from backfence.agent.edge import broker, mqtt, tls_socket
from backfence.agent.edge.clock import Clock
from backfence.agent.rng import Rng


def say(*words):
    print(json.dumps(words))
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()


def obey(line, client, counters, turns):
    words = line.split()
    if words[0] == "sub":
        return client.subscribe(words[1])
    if words[0] == "unsub":
        return client.unsubscribe(words[1])
    if words[0] == "pub":
        size, qos, retain = int(words[2]), int(words[3]), words[4] == "1"
        return client.publish(words[1], b"p" * size, retain, qos, words[5])
    gc.collect()
    used = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0
    return [client.state, client.unsent(), used, counters.nonzero(), turns]


def make_tls():
    if len(sys.argv) < 5:
        return None
    with open(sys.argv[4], "rb") as file:
        return tls_socket.make(file.read(), check_address(sys.argv[1])[0])


def main():
    counters = Counters()
    clock = Clock()
    user, password = sys.argv[2:4] if len(sys.argv) > 3 else ("", "")
    client = mqtt.Client("bfdriver" + os.urandom(4).hex(), Rng(os.urandom(32)), counters, clock.now(),
                         ("test/will", b"offline"), user, password)
    poller = select.poll()
    link = broker.Link(client, sys.argv[1], poller, make_tls())
    poller.register(0, select.POLLIN)
    turns = 0
    while True:
        turns += 1
        wait_ms = max(0, min(200, link.deadline() - clock.now()))
        ready = 0
        for event in poller.poll(wait_ms):
            if event[0] == link.fileno:
                ready = event[1]
            elif event[0] == 0:
                line = sys.stdin.readline()
                if not line:
                    return
                say("did", obey(line, client, counters, turns))
        link.pump(ready, clock.now())
        for event in client.events():
            if event[0] == "message":
                say("message", event[1], len(event[2]), event[2][:20].decode(), event[3])
            else:
                say(*event)


main()
