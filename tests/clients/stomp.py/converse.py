"""The shared conversation in the words of stomp.py, over TCP or WebSocket.

    python converse.py tcp|ws ws://HOST:PORT/ws HOST:PORT

Says the same lines as `../conversation/converse.js`.
"""

import os
import sys
import threading
import traceback

from lesson import say
from queue_steps import STEPS
from steps import prepare_frozen
from talk import Talk

transport, url, tcp = sys.argv[1:]
ADDRESS = {"ws": url.removeprefix("ws://").removesuffix("/ws"), "tcp": tcp}[transport]
VERSIONS = {"ws": ("1.2",), "tcp": ("1.0", "1.1", "1.2")}[transport]

NO_HEARTBEATS = "STOMP 1.0 has no heart-beats"
CANNOT = {
    "tcp": {"1 MiB in 8 KiB chunks": "over TCP there are no messages to cut into"},
    "ws": {"1 MiB in 8 KiB chunks": "stomp.py sends each frame as one message"},
}[transport]
CANNOT_IN_1_0 = {
    "heart-beats": NO_HEARTBEATS,
    "frozen broker": NO_HEARTBEATS,
    "ack client-individual": "STOMP 1.0 has no client-individual",
    "nack": "STOMP 1.0 has no NACK",
    "dead letters": "STOMP 1.0 has no NACK",
    "escaped header": "STOMP 1.0 cannot spell a line end in a header",
}


class Lesson:
    """What a step has to work with: a classroom of its own, and connections that are gone when it is over."""

    def __init__(self, name, version):
        self.name, self.version, self.talks = name, version, []
        room = f"{name}-{version}".replace(" ", "-").replace(".", "-")
        self.room, self.queue = room, f"/queue/{room}/jobs"
        self.place, self.other_place = f"/topic/{room}/quiz", f"/topic/{room}/answers"

    def open(self, **options):
        talk = Talk(transport, ADDRESS, self.version, **options)
        self.talks.append(talk)
        return talk

    def skipped(self):
        """Why it is not taken, if so."""
        reason = CANNOT.get(self.name) or (CANNOT_IN_1_0.get(self.name) if self.version == "1.0" else None)
        if reason:
            self.say("skipped", reason)
        return reason

    def run(self, work):
        try:
            work()
            # The end of a conversation leaves a None.
            stray = [frame.headers for talk in self.talks for frame in talk.stray.queue if frame]
            assert not stray, f"a MESSAGE without its subscription: {stray}"
            self.say("passed")
        except Exception:
            self.say("failed", traceback.format_exc())
        for talk in self.talks:
            talk.drop()

    def say(self, outcome, why=None):
        say("step", version=self.version, step=self.name, outcome=outcome, why=why)


def converse(version):
    for name, run in STEPS:
        lesson = Lesson(name, version)
        if not lesson.skipped():
            lesson.run(lambda: run(lesson))


def together(tasks):
    threads = [threading.Thread(target=task, args=arguments) for task, *arguments in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


together((converse, version) for version in VERSIONS)
watched = []
for version in VERSIONS:
    lesson = Lesson("frozen broker", version)
    if not lesson.skipped():
        watched.append((lesson.run, prepare_frozen(lesson)))
say("freeze")
sys.stdin.readline()
together(watched)
say("done")
sys.stdout.flush()
# The library's threads may still wait for the frozen broker.
os._exit(0)
