"""A durable subscription: leaves after the first message, comes back for the rest.

    python durable.py HOST:PORT
"""

import sys

from lesson import confirmed, connected, goodbye, say

ROOM = "/topic/python/durable"
(address,) = sys.argv[1:]


def attend():
    """Subscribes under the durable name; returns the connection, its frames and the RECEIPT."""
    connection, frames, _ = connected(address, "1.2", "alice", **{"client-id": "tablet"})
    headers = {"durable-subscription-name": "lesson", "receipt": "subscribed"}
    connection.subscribe(ROOM, id="0", ack="client-individual", headers=headers)
    return connection, frames, confirmed(frames, "subscribed")


def publish(*bodies):
    """Publishes and waits for the receipts."""
    connection, frames, _ = connected(address, "1.2", "service")
    for body in bodies:
        connection.send(ROOM, body, receipt=body)
        confirmed(frames, body)
    goodbye(connection, frames)


connection, frames, first = attend()
publish("one")
message = frames.next("MESSAGE")
connection.ack(message.headers["ack"], receipt="acknowledged")
confirmed(frames, "acknowledged")
goodbye(connection, frames)

publish("two", "three")
connection, frames, second = attend()
say(
    "returned",
    first=first.headers,
    second=second.headers,
    bodies=[frames.next("MESSAGE").body for _ in range(2)],
)
goodbye(connection, frames)
