import assert from "node:assert/strict";
import { test } from "node:test";

import { channelOf, quizOf } from "../src/destinations.ts";
import { readRoute, studentRoute, teacherRoute } from "../src/route.ts";
import { nextPrepared } from "../src/sample.ts";

test("the address says who enters which classroom", () => {
  assert.deepEqual(readRoute("#/teacher/7b"), { at: "teacher", classroom: "7b" });
  assert.deepEqual(readRoute("#/student/7b/alice"), { at: "student", classroom: "7b", name: "alice" });
  assert.deepEqual(readRoute("#/student/7b"), { at: "door", role: "student", classroom: "7b" });
  assert.deepEqual(readRoute("#/teacher/"), { at: "door" });
  assert.deepEqual(readRoute("#/student/%zz/x"), { at: "student", classroom: "%zz", name: "x" });
});

test("any name survives the address", () => {
  const [classroom, name] = ["7/b ü", "Åsa #1"];
  assert.deepEqual(readRoute(studentRoute(classroom, name)), { at: "student", classroom, name });
  assert.deepEqual(readRoute(teacherRoute(classroom)), { at: "teacher", classroom });
});

test("a classroom is one segment whatever its name", () => {
  assert.equal(quizOf("7b"), "/topic/7b/quiz");
  assert.equal(quizOf("7.b/*"), "/topic/7%2Eb%2F%2A/quiz");
});

test("both spellings name the same channel", () => {
  assert.equal(channelOf("/topic/7b/quiz"), "quiz");
  assert.equal(channelOf("/topic/7b.quiz"), "quiz");
  assert.equal(channelOf("/topic/7b/quiz/7"), "quiz/7");
});

test("the sample quiz goes on behind the question asked last, and begins again", () => {
  const quiz = ["a", "b", "c"].map((text) => ({ text, options: [] }));
  const asked = (...texts: string[]) => texts.map((text) => ({ id: text, text, options: [], open: false, answers: new Map() }));
  assert.equal(nextPrepared([], quiz), 0);
  assert.equal(nextPrepared(asked("a", "b", "my own"), quiz), 2);
  assert.equal(nextPrepared(asked("a", "b", "c"), quiz), 0);
});
