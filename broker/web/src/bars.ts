// The answers to one question, as bars that grow.

import { html, type TemplateResult } from "lit-html";

import { type Question, tally } from "./lesson.ts";

export function bars(question: Question): TemplateResult {
  const counts = tally(question);
  const total = question.answers.size;
  return html`
    <ol class="bars" aria-label="Answers">
      ${question.options.map((option, place) => bar(option, letter(place), counts[place]!, total))}
    </ol>
  `;
}

/** A, B, C …: how options are called aloud. */
export function letter(place: number): string {
  return String.fromCharCode(65 + place);
}

function bar(option: string, name: string, count: number, total: number): TemplateResult {
  const percent = total === 0 ? 0 : Math.round((100 * count) / total);
  return html`
    <li>
      <span class="letter" aria-hidden="true">${name}</span>
      <span class="option">${option}</span>
      <span class="votes">${count}</span>
      <svg
        class="track"
        role="meter"
        aria-label=${option}
        aria-valuemin="0"
        aria-valuemax=${Math.max(total, 1)}
        aria-valuenow=${count}
        aria-valuetext="${count} of ${total} answers, ${percent} %"
      >
        <rect class="fill" width="${percent}%" height="100%" rx="6" />
      </svg>
    </li>
  `;
}
