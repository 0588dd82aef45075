"""One conversation in a given version: receipts, all ack modes, a transaction, goodbye.

    python conversation.py HOST:PORT VERSION
"""

import sys

from lesson import confirmed, connected, goodbye, say

address, version = sys.argv[1:]
room = f"/topic/python/{version}"
connection, frames, hello = connected(address, version, "python")
say("connected", headers=hello.headers)


def acknowledge(message, **more):
    """ACK, as the version names a message."""
    headers = message.headers
    if version == "1.0":
        connection.ack(headers["message-id"], **more)
    elif version == "1.1":
        connection.ack(headers["message-id"], headers["subscription"], **more)
    else:
        connection.ack(headers["ack"], **more)


for mode in ("auto", "client", "client-individual"):
    if version == "1.0" and mode == "client-individual":
        continue
    connection.subscribe(room, id=mode, ack=mode, headers={"receipt": f"subscribed-{mode}"})
    confirmed(frames, f"subscribed-{mode}")
    for number in range(3):
        connection.send(room, f"{mode} {number}", receipt=f"{mode}-{number}")
    # RECEIPTs and MESSAGEs are two streams; each has its order.
    receipts, messages = [], []
    while len(receipts) < 3 or len(messages) < 3:
        frame = frames.next("RECEIPT", "MESSAGE")
        (receipts if "receipt-id" in frame.headers else messages).append(frame)
    if mode != "auto":
        for number, message in enumerate(messages):
            acknowledge(message, receipt=f"acknowledged-{mode}-{number}")
            confirmed(frames, f"acknowledged-{mode}-{number}")
    connection.unsubscribe(id=mode, headers={"receipt": f"unsubscribed-{mode}"})
    confirmed(frames, f"unsubscribed-{mode}")
    say(
        "acknowledged",
        mode=mode,
        bodies=[message.body for message in messages],
        receipts=[receipt.headers["receipt-id"] for receipt in receipts],
    )

connection.subscribe(room, id="transaction", ack="auto", headers={"receipt": "subscribed"})
confirmed(frames, "subscribed")
for name, end in (("aborted", connection.abort), ("committed", connection.commit)):
    connection.begin(name)
    for number in range(2):
        connection.send(room, f"{name} {number}", transaction=name)
    end(name)
say("transaction", bodies=[frames.next("MESSAGE").body for _ in range(2)])

goodbye(connection, frames)
say("gone")
