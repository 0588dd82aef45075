import assert from "node:assert/strict";
import { test } from "node:test";

import { takeToken } from "../src/route.ts";
import { authorization, connectHeaders, readToken, Session } from "../src/session.ts";

/** As a tab has it. */
function tab(): Storage {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
    get length() {
      return kept.size;
    },
  } as unknown as Storage;
}

test("a token outlives the page and no password does", () => {
  const store = tab();
  new Session(store).signIn({ by: "token", token: "a.b.c" });
  assert.deepEqual(new Session(store).credentials, { by: "token", token: "a.b.c" });
  const session = new Session(store);
  session.signIn({ by: "password", user: "alice", password: "correct horse" });
  assert.equal(session.credentials?.by, "password");
  assert.deepEqual([store.length, new Session(store).credentials], [0, undefined]);
  session.signOut();
  assert.equal(session.credentials, undefined);
  const nowhere = new Session(undefined);
  nowhere.signIn({ by: "token", token: "a.b.c" });
  assert.equal(nowhere.credentials?.by, "token", "where storage is forbidden it lasts as long as the page");
});

test("a token is taken as people paste it, and nothing else is", () => {
  for (const text of ["a.b.c", " a.b.c\n", "Bearer a.b.c", "a.\nb.c"]) assert.deepEqual(readToken(text), { by: "token", token: "a.b.c" });
  for (const text of ["", " ", "pässword", "x".repeat(9_000), "a\u0000b"]) assert.equal(readToken(text), undefined, text.slice(0, 20));
});

test("an address gives its token away and shows it no more", () => {
  assert.deepEqual(takeToken("#/student/7b&token=a.b.c"), { hash: "#/student/7b", token: "a.b.c" });
  assert.deepEqual(takeToken("#/teacher/7b&token=hr_x%2D"), { hash: "#/teacher/7b", token: "hr_x-" });
  assert.deepEqual(takeToken("#/student/7b/alice"), { hash: "#/student/7b/alice", token: undefined });
  assert.deepEqual(takeToken("#&token=a.b.c"), { hash: "#/", token: "a.b.c" });
  assert.deepEqual(takeToken(""), { hash: "#/", token: undefined });
});

test("each door is told in its own words", () => {
  const [token, password] = [{ by: "token", token: "a.b.c" }, { by: "password", user: "zoë", password: "p:w" }] as const;
  assert.deepEqual(connectHeaders("alice", undefined), { login: "alice" });
  assert.deepEqual(connectHeaders("alice", token), { passcode: "a.b.c" });
  assert.deepEqual(connectHeaders("alice", password), { login: "zoë", passcode: "p:w" });
  assert.deepEqual(connectHeaders("alice", { by: "cookie" }), {});
  assert.equal(authorization("alice", { by: "cookie" }), undefined);
  assert.equal(authorization("alice", token), "Bearer a.b.c");
  assert.equal(authorization("alice", password), `Basic ${Buffer.from("zoë:p:w").toString("base64")}`);
});
