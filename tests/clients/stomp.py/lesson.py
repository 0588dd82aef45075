"""What the scripts share: a stomp.py connection whose frames come out of a queue."""

import json
import os
import queue
import sys

import stomp

CONNECTIONS = {"1.0": stomp.Connection10, "1.1": stomp.Connection11, "1.2": stomp.Connection12}
DEADLINE_SECONDS = 20


def say(event, **details):
    """Tells the test what happened: a line in one write, since several threads may have something to say."""
    sys.stdout.write(json.dumps({"event": event, **details}) + "\n")
    sys.stdout.flush()


class Frames(stomp.ConnectionListener):
    """Puts what comes from the broker into a queue, in order."""

    def __init__(self):
        self.received = queue.Queue()

    def on_connected(self, frame):
        self.received.put(("CONNECTED", frame))

    def on_message(self, frame):
        self.received.put(("MESSAGE", frame))

    def on_receipt(self, frame):
        self.received.put(("RECEIPT", frame))

    def on_error(self, frame):
        self.received.put(("ERROR", frame))

    def on_disconnected(self):
        self.received.put(("END", None))

    def next(self, *wanted):
        """The next frame, which must be one of the wanted commands."""
        command, frame = self.received.get(timeout=DEADLINE_SECONDS)
        if command not in wanted:
            sys.exit(f"{command} {frame and (frame.headers, frame.body)} instead of {wanted}")
        return frame


def connected(address, version, login, **headers):
    """A connection and its frames, once CONNECTED has come."""
    host, port = address.rsplit(":", 1)
    connection = CONNECTIONS[version]([(host, int(port))])
    if "HOMEROOM_CA" in os.environ:
        connection.set_ssl([(host, int(port))], ca_certs=os.environ["HOMEROOM_CA"])
    frames = Frames()
    connection.set_listener("frames", frames)
    connection.connect(login, "secret", headers=headers)
    return connection, frames, frames.next("CONNECTED")


def confirmed(frames, receipt):
    """The RECEIPT with this id."""
    frame = frames.next("RECEIPT")
    if frame.headers["receipt-id"] != receipt:
        sys.exit(f"receipt {frame.headers} instead of {receipt}")
    return frame


def goodbye(connection, frames):
    """DISCONNECT with a receipt. The library reports the end of the socket before or after the RECEIPT."""
    connection.disconnect(receipt="bye")
    ends = [frames.next("RECEIPT", "END") for _ in range(2)]
    if [frame.headers["receipt-id"] for frame in ends if frame] != ["bye"]:
        sys.exit("no receipt of DISCONNECT")
