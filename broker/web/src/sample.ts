// A prepared quiz, so that one click starts a lesson.

import type { Question } from "./lesson.ts";

export interface Prepared {
  readonly text: string;
  readonly options: readonly string[];
}

export const sampleQuiz: readonly Prepared[] = [
  { text: "Which planet has the shortest year?", options: ["Venus", "Mercury", "Mars", "Earth"] },
  { text: "What is 7 × 8?", options: ["54", "56", "58", "64"] },
  { text: "Who wrote the first published algorithm for a machine?", options: ["Charles Babbage", "Alan Turing", "Ada Lovelace"] },
  { text: "Water boils at 100 °C. On a high mountain it boils …", options: ["earlier", "later", "at the same heat"] },
  { text: "How sure do you feel about today's lesson?", options: ["Very", "Mostly", "A little", "Not yet"] },
];

/** The place of the next sample question: behind the one that was asked last, and from the top after the end. */
export function nextPrepared(asked: readonly Question[], quiz = sampleQuiz): number {
  for (const question of [...asked].reverse()) {
    const place = quiz.findIndex(({ text }) => text === question.text);
    if (place >= 0) return (place + 1) % quiz.length;
  }
  return 0;
}
