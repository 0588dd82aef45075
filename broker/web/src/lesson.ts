// The lesson: what a classroom's log says when it is read from its beginning.
//
// A pure fold. The same messages in the same order give the same lesson, whether they arrived live, were replayed
// to a late student, or were read again after a reload. Nothing here knows of sockets or of the page.

export interface Lesson {
  /** In the order they were asked. */
  readonly questions: readonly Question[];
  readonly history: readonly Entry[];
}

export interface Question {
  readonly id: string;
  readonly text: string;
  readonly options: readonly string[];
  readonly open: boolean;
  /** The option each user chose last, counted from 0. */
  readonly answers: ReadonlyMap<string, number>;
}

export interface Entry {
  readonly what: "asked" | "closed";
  readonly question: string;
  readonly arrived: Arrival;
  /** When it was published, in ms since 1970; the broker's clock. */
  readonly at: number | undefined;
  readonly offset: number | undefined;
}

/** How a message came to this page. */
export type Arrival =
  | { readonly how: "live" }
  /** Read back from the log before this reader had ever been here, or seen by it already. */
  | { readonly how: "earlier" }
  /** Published while this reader was away; `visit` counts the returns. */
  | { readonly how: "away"; readonly visit: number };

/** One message of the classroom, already parsed. */
export type Happening =
  | { readonly type: "question"; readonly id: string; readonly text: string; readonly options: readonly string[] }
  | { readonly type: "close"; readonly id: string }
  | { readonly type: "answer"; readonly question: string; readonly option: number; readonly user: string };

export interface Circumstances {
  readonly arrived: Arrival;
  readonly at?: number | undefined;
  readonly offset?: number | undefined;
}

export const OPTIONS_MAX = 9;

export const emptyLesson: Lesson = { questions: [], history: [] };

export function fold(lesson: Lesson, happening: Happening, circumstances: Circumstances): Lesson {
  switch (happening.type) {
    case "question":
      return ask(lesson, happening, circumstances);
    case "close":
      return close(lesson, happening.id, circumstances);
    case "answer":
      return answer(lesson, happening);
  }
}

/** The question that may be answered now. */
export function openQuestion(lesson: Lesson): Question | undefined {
  const last = lesson.questions.at(-1);
  return last?.open ? last : undefined;
}

export function findQuestion(lesson: Lesson, id: string): Question | undefined {
  return lesson.questions.find((question) => question.id === id);
}

/** How many users chose each option. */
export function tally(question: Question): number[] {
  const counts = question.options.map(() => 0);
  for (const option of question.answers.values()) counts[option]! += 1;
  return counts;
}

/** How many messages of a return were missed ones. */
export function missedIn(lesson: Lesson, visit: number): number {
  return lesson.history.filter(({ arrived }) => arrived.how === "away" && arrived.visit === visit).length;
}

/** Reads a message of the channel `quiz`; undefined for anything that is not a quiz event. */
export function readQuizEvent(body: string): Happening | undefined {
  const event = parse(body);
  if (typeof event?.["id"] !== "string") return undefined;
  const { id, type, text, options } = event;
  if (type === "close") return { type, id };
  if (type !== "question" || typeof text !== "string" || !Array.isArray(options)) return undefined;
  if (options.length > OPTIONS_MAX || !options.every((option) => typeof option === "string")) return undefined;
  return { type, id, text, options };
}

/** Reads a message of the channel `answers`; who sent it is the broker's word, never the message's. */
export function readAnswer(body: string, user: string | undefined): Happening | undefined {
  const event = parse(body);
  if (!user || typeof event?.["question"] !== "string" || !Number.isInteger(event["option"])) return undefined;
  return { type: "answer", question: event["question"], option: event["option"] as number, user };
}

/** A new question ends the one before it, so that at most one is open. An id that was asked before is a repeat. */
function ask(lesson: Lesson, asked: Happening & { type: "question" }, circumstances: Circumstances): Lesson {
  if (findQuestion(lesson, asked.id)) return lesson;
  const { id, text, options } = asked;
  const before = lesson.questions.map((question) => (question.open ? { ...question, open: false } : question));
  return {
    questions: [...before, { id, text, options, open: true, answers: new Map() }],
    history: [...lesson.history, entry("asked", id, circumstances)],
  };
}

function close(lesson: Lesson, id: string, circumstances: Circumstances): Lesson {
  if (!findQuestion(lesson, id)?.open) return lesson;
  return {
    questions: lesson.questions.map((question) => (question.id === id ? { ...question, open: false } : question)),
    history: [...lesson.history, entry("closed", id, circumstances)],
  };
}

/** Questions and answers share the classroom's one log, so what stands behind the close came too late for everyone. */
function answer(lesson: Lesson, { question: id, option, user }: Happening & { type: "answer" }): Lesson {
  const question = findQuestion(lesson, id);
  if (!question?.open || option < 0 || option >= question.options.length) return lesson;
  const answered = { ...question, answers: new Map(question.answers).set(user, option) };
  return { ...lesson, questions: lesson.questions.map((other) => (other.id === id ? answered : other)) };
}

function entry(what: Entry["what"], question: string, { arrived, at, offset }: Circumstances): Entry {
  return { what, question, arrived, at, offset };
}

function parse(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
