import assert from "node:assert/strict";
import { test } from "node:test";

import { emptyLesson, fold, type Happening, type Lesson, missedIn, openQuestion, readAnswer, readQuizEvent, tally } from "../src/lesson.ts";

const live = { arrived: { how: "live" } } as const;

function question(id: string): Happening {
  return { type: "question", id, text: `What is ${id}?`, options: ["one", "two", "three"] };
}

function answer(id: string, user: string, option: number): Happening {
  return { type: "answer", question: id, option, user };
}

function lessonOf(...happenings: Happening[]): Lesson {
  return happenings.reduce((lesson, happening) => fold(lesson, happening, live), emptyLesson);
}

test("the last answer of each student counts", () => {
  const lesson = lessonOf(question("q1"), answer("q1", "alice", 0), answer("q1", "bob", 1), answer("q1", "alice", 1));
  assert.deepEqual(tally(lesson.questions[0]!), [0, 2, 0]);
});

test("an answer behind the close does not count", () => {
  const lesson = lessonOf(question("q1"), answer("q1", "alice", 0), { type: "close", id: "q1" }, answer("q1", "bob", 0));
  assert.deepEqual(tally(lesson.questions[0]!), [1, 0, 0]);
  assert.equal(openQuestion(lesson), undefined);
});

test("the next question ends the one before", () => {
  const lesson = lessonOf(question("q1"), question("q2"), answer("q1", "alice", 0));
  assert.equal(openQuestion(lesson)?.id, "q2");
  assert.deepEqual(lesson.questions.map(({ open }) => open), [false, true]);
  assert.deepEqual(tally(lesson.questions[0]!), [0, 0, 0]);
});

test("a repeat changes nothing", () => {
  const lesson = lessonOf(question("q1"), answer("q1", "alice", 0), { type: "close", id: "q1" });
  assert.equal(fold(lesson, question("q1"), live), lesson);
  assert.equal(fold(lesson, { type: "close", id: "q1" }, live), lesson);
});

test("options that the question does not have are not counted", () => {
  const lesson = lessonOf(question("q1"), answer("q1", "alice", 3), answer("q1", "bob", -1), answer("q9", "bob", 0));
  assert.equal(lesson.questions[0]!.answers.size, 0);
});

test("the messages of one return are counted apart", () => {
  const away = (visit: number) => ({ arrived: { how: "away", visit } }) as const;
  let lesson = fold(emptyLesson, question("q1"), live);
  lesson = fold(lesson, question("q2"), away(2));
  lesson = fold(lesson, { type: "close", id: "q2" }, away(2));
  lesson = fold(lesson, question("q3"), away(3));
  assert.equal(missedIn(lesson, 2), 2);
  assert.equal(missedIn(lesson, 3), 1);
  assert.deepEqual(lesson.history.map(({ what, question }) => `${what} ${question}`), ["asked q1", "asked q2", "closed q2", "asked q3"]);
});

test("what is not a quiz event is passed over", () => {
  const many = Array.from({ length: 10 }, String);
  for (const body of ["", "hello", "null", "[]", '{"type":"question","id":"q1"}', '{"type":"close"}', JSON.stringify({ type: "question", id: "q", text: "t", options: many })]) {
    assert.equal(readQuizEvent(body), undefined, body);
  }
  assert.deepEqual(readQuizEvent('{"type":"close","id":"q1"}'), { type: "close", id: "q1" });
});

test("who answered is the broker's word", () => {
  assert.deepEqual(readAnswer('{"question":"q1","option":2,"user":"mallory"}', "alice"), answer("q1", "alice", 2));
  assert.equal(readAnswer('{"question":"q1","option":2}', undefined), undefined);
  assert.equal(readAnswer('{"question":"q1","option":1.5}', "alice"), undefined);
});
