// Who is here: a fold over the classroom's `$presence`, and how it is shown.

import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

export interface Roster {
  /** In the order of their names. */
  readonly here: readonly string[];
  readonly anonymous: number;
}

/** A snapshot begins anew; a diff continues. Anything else leaves the roster as it is. */
export function foldRoster(roster: Roster | undefined, body: string): Roster | undefined {
  let notice: { type?: unknown; here?: unknown; joined?: unknown; left?: unknown; anonymous?: unknown };
  try {
    notice = JSON.parse(body) ?? {};
  } catch {
    return roster;
  }
  const anonymous = typeof notice.anonymous === "number" ? notice.anonymous : (roster?.anonymous ?? 0);
  if (notice.type === "snapshot") {
    return { here: sorted(list(notice.here).map((person) => (person as { user?: unknown }).user)), anonymous };
  }
  if (notice.type !== "diff") return roster;
  const left = new Set(list(notice.left));
  const stayed = (roster?.here ?? []).filter((user) => !left.has(user));
  return { here: sorted([...stayed, ...list(notice.joined)]), anonymous };
}

export function rosterView(roster: Roster | undefined, teacher: string, me: string): TemplateResult | typeof nothing {
  if (!roster) return nothing;
  const students = roster.here.filter((user) => user !== teacher);
  return html`
    <section class="card roster" aria-labelledby="roster-title">
      <h2 id="roster-title">Here now <span class="count">${students.length + roster.anonymous}</span></h2>
      ${students.length + roster.anonymous === 0 ? html`<p class="quiet">Nobody yet.</p>` : nothing}
      <ul>
        ${repeat(
          students,
          (user) => user,
          (user) => html`<li>
            <span class="face" aria-hidden="true">${[...user][0]?.toUpperCase()}</span>${user}
            ${user === me ? html`<span class="tag">you</span>` : nothing}
          </li>`,
        )}
        ${roster.anonymous > 0 ? html`<li class="quiet">and ${roster.anonymous} without a name</li>` : nothing}
      </ul>
    </section>
  `;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function sorted(users: unknown[]): string[] {
  const names = new Set(users.filter((user) => typeof user === "string"));
  return [...names].sort((one, other) => one.localeCompare(other));
}
