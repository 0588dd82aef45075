"""More of the steps: queues, and what is for one person or one connection."""

from steps import STEPS, same, step

__all__ = ["STEPS"]

MARKS = "/user/queue/marks"


def consume(talk, queue, window):
    """A consumer that acknowledges what it has done, the first of several: 1.0 can say that as well."""
    ack = "client" if talk.version == "1.0" else "client-individual"
    id, _ = talk.subscribe(queue, ack, prefetch_count=str(window))
    return id


@step("work queue")
def work_queue(lesson):
    leaving, staying = lesson.open(), lesson.open()
    lost, kept = consume(leaving, lesson.queue, 2), consume(staying, lesson.queue, 2)
    lesson.open().publish(lesson.queue, "1", "2", "3", "4")
    of_leaving, of_staying = leaving.messages(lost, 2), staying.messages(kept, 2)
    same(sorted(message.body for message in of_leaving + of_staying), ["1", "2", "3", "4"])
    assert not any("redelivered" in message.headers for message in of_leaving + of_staying)
    leaving.ack(of_leaving[0])
    staying.ack(of_staying[0])
    leaving.drop()

    [again] = staying.messages(kept, 1)
    same(again.body, of_leaving[1].body)
    same((again.headers["redelivered"], again.headers["delivery-count"]), ("true", "2"))
    for message in (of_staying[1], again):
        staying.ack(message)
    lesson.open().publish(lesson.queue, "5")
    same(staying.bodies(kept, 1), ["5"])


@step("dead letters")
def dead_letters(lesson):
    talk = lesson.open()
    dead, _ = talk.subscribe(f"{lesson.queue}/$dead", "client-individual")
    jobs = consume(talk, lesson.queue, 1)
    talk.confirmed(talk.send(lesson.queue, "poison", headers={"x-pupil": "7"}))
    talk.publish(lesson.queue, "good")
    talk.nack(talk.messages(jobs, 1)[0], requeue="false")
    same(talk.bodies(jobs, 1), ["good"])
    [letter] = talk.messages(dead, 1)
    told = [letter.headers[name] for name in ("dead-letter-reason", "original-destination", "x-pupil")]
    same((letter.body, told), ("poison", ["rejected", lesson.queue, "7"]))
    talk.ack(letter)


@step("browse a queue")
def browse_a_queue(lesson):
    lesson.open().publish(lesson.queue, "1", "2")
    talk = lesson.open()
    look, _ = talk.subscribe(lesson.queue, browser="true")
    same(talk.bodies(look, 2), ["1", "2"])
    [end] = talk.messages(look, 1)
    same((end.headers["browser"], end.body), ("end", ""))
    messages = talk.messages(consume(talk, lesson.queue, 2), 2)
    same([message.body for message in messages], ["1", "2"])
    assert not any("redelivered" in message.headers for message in messages)


@step("private destination")
def private_destination(lesson):
    owner, other = f"alice-{lesson.room}", f"mallory-{lesson.room}"
    alice, mallory = lesson.open(login=owner), lesson.open(login=other)
    (hers, _), (others, _) = alice.subscribe(MARKS), mallory.subscribe(MARKS)
    teacher = lesson.open(login="teacher")
    teacher.publish(f"/user/{owner}/queue/marks", "for alice")
    teacher.publish(f"/user/{other}/queue/marks", "for mallory")
    [message] = alice.messages(hers, 1)
    told = (message.body, message.headers["destination"], message.headers["user-id"])
    same(told, ("for alice", MARKS, "teacher"))
    same(mallory.bodies(others, 1), ["for mallory"])


@step("request and reply")
def request_and_reply(lesson):
    service, alice = lesson.open(), lesson.open()
    questions, _ = service.subscribe(lesson.place)
    asking = {"reply-to": "/temp-queue/answers", "correlation-id": "q1"}
    alice.confirmed(alice.send(lesson.place, "how late is it?", headers=asking))
    [question] = service.messages(questions, 1)
    address = question.headers["reply-to"]
    assert address.startswith("/reply-queue/"), address
    answering = {"correlation-id": question.headers["correlation-id"]}
    service.confirmed(service.send(address, "half past", headers=answering))
    reply = alice.taken("the reply", alice.stray)
    told = (reply.body, reply.headers["subscription"], reply.headers["correlation-id"])
    same(told, ("half past", "/temp-queue/answers", "q1"))
