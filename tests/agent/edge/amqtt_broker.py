"""A stock amqtt broker on 127.0.0.1: amqtt_broker.py PORT.  Keeps nothing."""

import asyncio
import logging
import sys

from amqtt.broker import Broker


async def serve(port):
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    })
    await broker.start()
    await asyncio.Event().wait()


logging.basicConfig(level=logging.ERROR)
asyncio.run(serve(int(sys.argv[1])))
