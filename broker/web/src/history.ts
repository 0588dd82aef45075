// The lesson so far, in the order of the log, and where this reader was away.

import { html, nothing, type TemplateResult } from "lit-html";

import { type Entry, findQuestion, type Lesson, missedIn, type Question } from "./lesson.ts";

export function historyView(lesson: Lesson, chosen: (question: Question) => number | undefined): TemplateResult {
  const { history } = lesson;
  if (history.length === 0) return html``;
  return html`
    <section class="card history" aria-labelledby="history-title">
      <h2 id="history-title">The lesson so far</h2>
      <ol>
        ${history.map((entry, place) => [marker(lesson, history[place - 1], entry), line(lesson, entry, chosen)])}
      </ol>
    </section>
  `;
}

/** A line across the history where a way of arriving begins or ends. */
function marker(lesson: Lesson, before: Entry | undefined, { arrived }: Entry): TemplateResult | typeof nothing {
  if (before && place(before.arrived) === place(arrived)) return nothing;
  if (arrived.how === "away") {
    const missed = missedIn(lesson, arrived.visit);
    return html`<li class="marker away">
      While you were away <span class="count">${missed} ${missed === 1 ? "message" : "messages"}</span>
    </li>`;
  }
  if (arrived.how === "earlier") return html`<li class="marker">Before you came</li>`;
  return before ? html`<li class="marker">Live again</li>` : nothing;
}

function place(arrived: Entry["arrived"]): string {
  return arrived.how === "away" ? `away ${arrived.visit}` : arrived.how;
}

function line(lesson: Lesson, entry: Entry, chosen: (question: Question) => number | undefined): TemplateResult {
  const question = findQuestion(lesson, entry.question)!;
  const number = lesson.questions.indexOf(question) + 1;
  const option = chosen(question);
  return html`
    <li class="entry" data-arrived=${entry.arrived.how} data-what=${entry.what} data-offset=${entry.offset ?? ""}>
      <time>${clock(entry.at)}</time>
      <div>
        ${entry.what === "asked" ? html`<b>${number}.</b> ${question.text}` : html`<span class="quiet">Question ${number} was closed</span>`}
        ${entry.what === "asked" && option !== undefined
          ? html`<div class="mine">Your answer: ${question.options[option]}</div>`
          : nothing}
      </div>
    </li>
  `;
}

function clock(at: number | undefined): string {
  if (at === undefined) return "";
  return new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}
