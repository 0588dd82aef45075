// The door: which classroom, who, and in which role.

import { html, type TemplateResult } from "lit-html";

import { TEACHER } from "./destinations.ts";
import { type Role, studentRoute, teacherRoute } from "./route.ts";
import { shell } from "./shell.ts";

export interface Door {
  readonly role?: Role;
  readonly classroom?: string;
}

export function landing({ role = "student", classroom = "" }: Door): TemplateResult {
  return shell(
    html``,
    html`
      <main class="door">
        <h1>A lesson that waits for everyone</h1>
        <p class="lead">
          The teacher puts questions on, students answer. Whoever loses the connection, or comes late, gets everything
          missed, in order, once.
        </p>
        <form class="card" @submit=${enter}>
          <fieldset class="roles">
            <legend>I am the</legend>
            ${roleChoice("student", role)} ${roleChoice("teacher", role)}
          </fieldset>
          <label>Classroom <input name="classroom" required maxlength="40" autocomplete="off" placeholder="7b" .value=${classroom} /></label>
          <label class="for-students">
            Your name
            <input name="name" maxlength="40" autocomplete="nickname" placeholder="alice" ?autofocus=${classroom !== ""} />
          </label>
          <button class="main">Enter the classroom</button>
        </form>
        <p class="quiet">
          To see both sides at once, open <a href=${teacherRoute("7b")} target="_blank">the teacher's view</a> and
          <a href=${studentRoute("7b", "alice")} target="_blank">a student's view</a> of classroom 7b beside each other.
        </p>
      </main>
    `,
  );
}

function roleChoice(role: Role, chosen: Role): TemplateResult {
  return html`<label><input type="radio" name="role" value=${role} ?checked=${role === chosen} /> ${role}</label>`;
}

function enter(event: SubmitEvent): void {
  event.preventDefault();
  const form = event.target as HTMLFormElement;
  const field = (name: string): string => String(new FormData(form).get(name) ?? "").trim();
  if (field("classroom") === "") return;
  if (field("role") === "teacher") {
    location.hash = teacherRoute(field("classroom"));
    return;
  }
  const name = form.elements.namedItem("name") as HTMLInputElement;
  name.setCustomValidity(objection(field("name")));
  name.addEventListener("input", () => name.setCustomValidity(""), { once: true });
  if (form.reportValidity()) location.hash = studentRoute(field("classroom"), field("name"));
}

function objection(name: string): string {
  if (name === "") return "Please say your name.";
  return name.toLowerCase() === TEACHER ? "That name is the teacher's." : "";
}
