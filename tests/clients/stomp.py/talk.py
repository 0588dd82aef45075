"""One connection of stomp.py in the few words that the steps use, as `../conversation/talk.js` has them."""

import queue
import threading
from contextlib import suppress
from socket import SHUT_RDWR

import stomp
from stomp.adapter.ws import WSStompConnection

# How long anything may take before it counts as missing. Generous: it only delays failures.
DEADLINE_SECONDS = 15
CONNECTIONS = {"1.0": stomp.Connection10, "1.1": stomp.Connection11, "1.2": stomp.Connection12}
# The library waits for half an interval more than was promised, which is little on a busy machine.
HEARTBEAT_SCALE = 2


class Ended(Exception):
    """The conversation ended while something was awaited."""


class Talk(stomp.ConnectionListener):
    """Opens a connection; frames come out of its queues."""

    def __init__(self, transport, address, version, login=None, heartbeat=0, binary=False):
        self.version, self.counter = version, 0
        self.receipts, self.inboxes = queue.Queue(), {}
        # Replies, and nothing else: messages of a subscription that this connection does not have.
        self.stray, self.error, self.ended = queue.Queue(), None, threading.Event()
        options = {"auto_decode": not binary}
        if version != "1.0":
            options |= {"heartbeats": (heartbeat, heartbeat), "heart_beat_receive_scale": HEARTBEAT_SCALE}
        host, port = address.rsplit(":", 1)
        if transport == "ws":
            self.connection = WSStompConnection([(host, int(port))], ws_path="/ws", binary_mode=binary, **options)
        else:
            self.connection = CONNECTIONS[version]([(host, int(port))], **options)
        self.connected = queue.Queue()
        self.connection.set_listener("talk", self)
        self.connection.connect(login, wait=True)
        self.hello = self.connected.get(timeout=DEADLINE_SECONDS).headers

    def on_connected(self, frame):
        self.connected.put(frame)

    def on_message(self, frame):
        self.inboxes.get(frame.headers.get("subscription"), self.stray).put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame)

    def on_error(self, frame):
        self.error = frame
        self.finish()

    def on_disconnected(self):
        self.finish()

    def finish(self):
        """Wakes whoever waits."""
        self.ended.set()
        for waiting in (self.receipts, self.stray, *self.inboxes.values()):
            waiting.put(None)

    def taken(self, what, waiting):
        """The next of a queue, unless the conversation ends first."""
        try:
            frame = waiting.get(timeout=DEADLINE_SECONDS)
        except queue.Empty:
            raise TimeoutError(f"{what}: nothing within {DEADLINE_SECONDS} s") from None
        if frame is None:
            raise Ended(f"{what}: the conversation ended with {self.error}")
        return frame

    def asking(self, what):
        """A fresh receipt id."""
        self.counter += 1
        return f"{what}-{self.counter}"

    def confirmed(self, receipt):
        """The headers of the next RECEIPT, which must be this one: they come in the order asked."""
        headers = self.taken(f"the RECEIPT {receipt}", self.receipts).headers
        assert headers["receipt-id"] == receipt, f"{headers} instead of {receipt}"
        return headers

    def subscribe(self, place, ack="auto", **headers):
        """Subscribes and returns the id and the RECEIPT's headers."""
        receipt = self.asking("subscribe")
        id = headers.pop("id", receipt)
        self.inboxes[id] = queue.Queue()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.subscribe(place, id=id, ack=ack, headers=headers | {"receipt": receipt})
        return id, self.confirmed(receipt)

    def unsubscribe(self, id):
        """UNSUBSCRIBE, confirmed. What comes in spite of it is astray."""
        receipt = self.asking("unsubscribe")
        inbox = self.inboxes.pop(id)
        self.connection.unsubscribe(id=id, headers={"receipt": receipt})
        self.confirmed(receipt)
        assert inbox.empty()

    def send(self, place, body, headers=None, **more):
        """Sends without waiting and returns the receipt to wait for."""
        receipt = self.asking("send")
        self.connection.send(place, body, headers=(headers or {}) | {"receipt": receipt}, **more)
        return receipt

    def publish(self, place, *bodies):
        """Sends one after the other, each confirmed."""
        for body in bodies:
            self.confirmed(self.send(place, body))

    def messages(self, id, count):
        """The next messages of a subscription."""
        return [self.taken("a MESSAGE", self.inboxes[id]) for _ in range(count)]

    def bodies(self, id, count):
        """Their bodies."""
        return [message.body for message in self.messages(id, count)]

    def ack(self, message):
        """ACK, confirmed."""
        self.answer(self.connection.ack, message)

    def nack(self, message, **headers):
        """NACK, confirmed."""
        self.answer(self.connection.nack, message, **headers)

    def answer(self, frame, message, **headers):
        receipt = self.asking("acknowledge")
        frame(*self.names(message), receipt=receipt, **headers)
        self.confirmed(receipt)

    def names(self, message):
        """How the version names a message in ACK and NACK."""
        headers = message.headers
        if self.version == "1.0":
            return (headers["message-id"],)
        return (headers["message-id"], headers["subscription"]) if self.version == "1.1" else (headers["ack"],)

    def end(self, frame, transaction):
        """COMMIT or ABORT, confirmed."""
        receipt = self.asking("end")
        frame(transaction, headers={"receipt": receipt})
        self.confirmed(receipt)

    def leave(self):
        """DISCONNECT, confirmed."""
        receipt = self.asking("disconnect")
        self.connection.disconnect(receipt=receipt)
        # The library reports the end of the socket before or after the RECEIPT.
        ends = [self.receipts.get(timeout=DEADLINE_SECONDS) for _ in range(2)]
        assert [frame.headers["receipt-id"] for frame in ends if frame] == [receipt], "no RECEIPT of DISCONNECT"

    def refusal(self):
        """The ERROR that ends the conversation."""
        assert self.ended.wait(DEADLINE_SECONDS), "no ERROR came"
        assert self.error, "it ended without an ERROR"
        return self.error

    def drop(self):
        """Breaks the line without a word."""
        # A WebSocket's descriptor is only closed, which breaks nothing while the library's thread reads from it.
        if line := getattr(self.connection.transport.socket, "sock", None):
            with suppress(OSError):
                line.shutdown(SHUT_RDWR)
        self.connection.transport.disconnect_socket()
