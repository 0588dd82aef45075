"""The steps of `../conversation/`, on stomp.py. Each has the name it has there."""

HEARTBEAT_MS = 1_000
SILENCE_SECONDS = 3
LARGEST_BYTES = 1024 * 1024
NOWHERE = "/nowhere/x"
STEPS = []


def step(name):
    """Adds a step to the conversation."""

    def add(run):
        STEPS.append((name, run))
        return run

    return add


def same(came, expected):
    """Fails with both."""
    assert came == expected, f"{came!r} instead of {expected!r}"


@step("connect")
def connect(lesson):
    talk = lesson.open()
    same(talk.hello.get("version", "1.0"), lesson.version)
    assert talk.hello["server"].startswith("homeroom/")


@step("heart-beats")
def heart_beats(lesson):
    talk = lesson.open(heartbeat=HEARTBEAT_MS)
    # Not a wait for something: the silence itself is what both sides must survive.
    assert not talk.ended.wait(SILENCE_SECONDS), "it ended in silence"
    talk.publish(lesson.place, "still here")


@step("receipt of SEND")
def receipt_of_send(lesson):
    talk = lesson.open()
    for receipt in [talk.send(lesson.place, body) for body in "abc"]:
        assert ":" in talk.confirmed(receipt)["position"]


@step("receipt of SUBSCRIBE")
def receipt_of_subscribe(lesson):
    _, receipt = lesson.open().subscribe(lesson.place)
    same(receipt["resumed"], "false")


@step("receipt of UNSUBSCRIBE")
def receipt_of_unsubscribe(lesson):
    talk = lesson.open()
    id, _ = talk.subscribe(lesson.place)
    talk.unsubscribe(id)


@step("receipt of DISCONNECT")
def receipt_of_disconnect(lesson):
    lesson.open().leave()


@step("ack auto")
def ack_auto(lesson):
    talk = lesson.open()
    id, _ = talk.subscribe(lesson.place, prefetch_count="1")
    talk.publish(lesson.place, "1", "2", "3")
    same(talk.bodies(id, 3), ["1", "2", "3"])


@step("ack client")
def ack_client(lesson):
    same(after_acknowledging_the_second(lesson, "client"), ["3", "4"])


@step("ack client-individual")
def ack_client_individual(lesson):
    same(after_acknowledging_the_second(lesson, "client-individual"), ["1", "3", "4"])


def after_acknowledging_the_second(lesson, ack):
    """Receives four messages, acknowledges the second, comes back, and returns what comes again."""
    login = f"{lesson.version}-{ack}"
    student = lesson.open(login=login)
    id, _ = student.subscribe(lesson.place, ack, id="lesson", durable="true")
    student.publish(lesson.place, "1", "2", "3", "4")
    student.ack(student.messages(id, 4)[1])
    student.drop()

    returned = lesson.open(login=login)
    id, _ = returned.subscribe(lesson.place, ack, id="lesson", durable="true")
    returned.publish(lesson.place, "5")
    repeats = []
    while (message := returned.messages(id, 1)[0]).body != "5":
        same(message.headers["redelivered"], "true")
        repeats.append(message.body)
    return repeats


@step("nack")
def nack(lesson):
    talk = lesson.open()
    id, _ = talk.subscribe(lesson.place, "client-individual")
    talk.publish(lesson.place, "1", "2")
    first, second = talk.messages(id, 2)
    talk.nack(first)
    [again] = talk.messages(id, 1)
    same(again.body, "1")
    same((again.headers["redelivered"], again.headers["delivery-count"]), ("true", "2"))
    for message in (again, second):
        talk.ack(message)


@step("transactions")
def transactions(lesson):
    teacher, noise = lesson.open(), lesson.open()
    id, _ = teacher.subscribe(lesson.place)
    transaction = teacher.connection.begin()
    for part in ("1", "2", "3"):
        teacher.connection.send(lesson.place, part, transaction=transaction)
    noise.publish(lesson.place, "meanwhile")
    same(teacher.bodies(id, 1), ["meanwhile"])
    teacher.end(teacher.connection.commit, transaction)
    parts = teacher.messages(id, 3)
    same([part.body for part in parts], ["1", "2", "3"])
    same(len({part.headers["offset"].split(".")[0] for part in parts}), 1)

    transaction = teacher.connection.begin()
    teacher.connection.send(lesson.place, "never", transaction=transaction)
    teacher.end(teacher.connection.abort, transaction)
    teacher.publish(lesson.place, "after")
    same(teacher.bodies(id, 1), ["after"])


@step("ack in a transaction")
def ack_in_a_transaction(lesson):
    login = f"{lesson.version}-transaction"
    student = lesson.open(login=login)
    quiz, _ = student.subscribe(lesson.place, "client", id="lesson", durable="true")
    answers, _ = student.subscribe(lesson.other_place)
    student.publish(lesson.place, "1", "2", "3")
    questions = student.messages(quiz, 3)
    for question, end in ((questions[0], "commit"), (questions[2], "abort")):
        transaction = student.connection.begin()
        student.connection.ack(*student.names(question), transaction=transaction)
        student.connection.send(lesson.other_place, f"{end} {question.body}", transaction=transaction)
        student.end(getattr(student.connection, end), transaction)
    student.publish(lesson.other_place, "the end")
    same(student.bodies(answers, 2), ["commit 1", "the end"])
    student.drop()

    returned = lesson.open(login=login)
    quiz, _ = returned.subscribe(lesson.place, "client", id="lesson", durable="true")
    same(returned.bodies(quiz, 2), ["2", "3"])


@step("durable subscription")
def durable_subscription(lesson):
    login = f"{lesson.version}-durable"
    student = lesson.open(login=login)
    id, _ = student.subscribe(lesson.place, "client", id="lesson", durable="true")
    student.publish(lesson.place, "1")
    student.ack(student.messages(id, 1)[0])
    student.drop()

    teacher = lesson.open(login="teacher")
    teacher.publish(lesson.place, "2", "3", "4")
    returned = lesson.open(login=login)
    id, _ = returned.subscribe(lesson.place, "client", id="lesson", durable="true")
    teacher.publish(lesson.place, "5")
    same(returned.bodies(id, 4), ["2", "3", "4", "5"])


@step("1 MiB")
def largest(lesson):
    talk = lesson.open()
    id, _ = talk.subscribe(lesson.place)
    line = "Was ist 7 × 8? – größer als 50 🙂\n"
    body = line * (LARGEST_BYTES // len(line.encode()))
    body += "." * (LARGEST_BYTES - len(body.encode()))
    talk.publish(lesson.place, body)
    assert talk.bodies(id, 1) == [body], "1 MiB comes unchanged"


@step("1 MiB in 8 KiB chunks")
def largest_in_chunks(lesson):
    raise NotImplementedError("no stomp.py has such chunks")


@step("binary body")
def binary_body(lesson):
    talk = lesson.open(binary=True)
    id, _ = talk.subscribe(lesson.place)
    body = bytes(range(256)) * 2
    talk.confirmed(talk.send(lesson.place, body, content_type="application/octet-stream"))
    same(talk.bodies(id, 1), [body])


@step("unicode body")
def unicode_body(lesson):
    talk = lesson.open()
    id, _ = talk.subscribe(lesson.place)
    body = "Grüße: 你好\n\\ 🙂\n"
    talk.publish(lesson.place, body)
    same(talk.bodies(id, 1), [body])


@step("unicode header")
def unicode_header(lesson):
    carries_header(lesson, "Grüße 你好 🙂")


@step("escaped header")
def escaped_header(lesson):
    carries_header(lesson, "one: two\nthree \\ four")


def carries_header(lesson, value):
    """Sends a header, which must come as it was."""
    talk = lesson.open()
    id, _ = talk.subscribe(lesson.place)
    talk.confirmed(talk.send(lesson.place, "see the header", headers={"x-greeting": value}))
    same(talk.messages(id, 1)[0].headers["x-greeting"], value)


@step("refused SUBSCRIBE")
def refused_subscribe(lesson):
    talk = lesson.open()
    talk.connection.subscribe(NOWHERE, id="lost", headers={"receipt": "lost"})
    same(talk.refusal().headers["message"], "unknown destination")


@step("refused SEND")
def refused_send(lesson):
    talk = lesson.open()
    talk.send(NOWHERE, "hello?")
    same(talk.refusal().headers["message"], "unknown destination")


@step("whole ERROR")
def whole_error(lesson):
    talk = lesson.open()
    receipt = talk.send(NOWHERE, "hello?")
    error = talk.refusal()
    same((error.headers["code"], error.headers["receipt-id"]), ("102", receipt))
    assert "/topic/" in error.body, "it says what to write instead"


@step("send and leave")
def send_and_leave(lesson):
    listener = lesson.open()
    id, _ = listener.subscribe(lesson.place)
    hurried = lesson.open()
    for number in (1, 2, 3):
        hurried.connection.send(lesson.place, f"parting word {number}")
    hurried.connection.disconnect()
    same(listener.bodies(id, 3), ["parting word 1", "parting word 2", "parting word 3"])


@step("unsubscribe")
def unsubscribe(lesson):
    talk = lesson.open()
    (first, _), (second, _) = talk.subscribe(lesson.place), talk.subscribe(lesson.place)
    talk.publish(lesson.place, "to both")
    same((talk.bodies(first, 1), talk.bodies(second, 1)), (["to both"], ["to both"]))
    talk.unsubscribe(first)
    talk.publish(lesson.place, "to the second", "and again")
    same(talk.bodies(second, 2), ["to the second", "and again"])


@step("two subscriptions")
def two_subscriptions(lesson):
    talk = lesson.open()
    (quiz, _), (answers, _) = talk.subscribe(lesson.place), talk.subscribe(lesson.other_place)
    for number in (1, 2):
        talk.publish(lesson.place, f"question {number}")
        talk.publish(lesson.other_place, f"answer {number}")
    same(talk.bodies(quiz, 2), ["question 1", "question 2"])
    same(talk.bodies(answers, 2), ["answer 1", "answer 2"])


def prepare_frozen(lesson):
    """The last step: connects, and returns what waits until the client has noticed that nothing comes any more."""
    talk = lesson.open(heartbeat=HEARTBEAT_MS)

    def noticed():
        assert talk.ended.wait(10 * HEARTBEAT_MS / 1_000), "the client did not notice"
        assert not talk.error, "it ends without an ERROR"

    return noticed
