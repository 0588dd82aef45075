// The teacher's view: put a question on, watch the answers come, close it, put on the next.

import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { bars } from "./bars.ts";
import { Connection, type Incoming, type Subscription, type Watch } from "./connection.ts";
import { channelOf, everythingOf, presenceOf, quizOf, TEACHER } from "./destinations.ts";
import { emptyLesson, fold, type Lesson, openQuestion, OPTIONS_MAX, type Question, readAnswer, readQuizEvent } from "./lesson.ts";
import { CODE } from "./line.ts";
import type { Page, View } from "./main.ts";
import { uniqueKey } from "./outbox.ts";
import { Reader } from "./reader.ts";
import { foldRoster, type Roster, rosterView } from "./roster.ts";
import { studentRoute, teacherRoute } from "./route.ts";
import { nextPrepared, type Prepared, sampleQuiz } from "./sample.ts";
import { shell, statusView, troubleView, unseenView } from "./shell.ts";
import { SignIn } from "./signin.ts";

export class TeacherView implements View {
  readonly title: string;
  readonly #classroom: string;
  readonly #page: Page;
  readonly #connection: Connection;
  readonly #signIn: SignIn;
  /** Who is signed in. */
  #user: string | undefined;
  /** The broker has not refused a question because of who asks it. */
  #mayAsk = true;
  #lesson: Lesson = emptyLesson;
  #roster: Roster | undefined;

  constructor(classroom: string, page: Page) {
    this.title = `Teacher · ${classroom} · Homeroom`;
    this.#classroom = classroom;
    this.#page = page;
    const lesson: Subscription = {
      id: "lesson",
      destination: everythingOf(classroom),
      // The page reads the whole lesson when it opens and remembers its own place: any number of teachers may look on.
      durable: false,
      reader: new Reader("page"),
      received: (incoming) => this.#received(incoming),
    };
    const presence: Watch = {
      destination: presenceOf(classroom),
      received: (body) => this.#rosterChanged(foldRoster(this.#roster, body)),
      unknown: () => this.#rosterChanged(undefined),
    };
    const { session, changed } = page;
    const member = {
      login: TEACHER,
      credentials: () => session.credentials,
      byCookie: (isWorthAsking: boolean) => session.byCookie(isWorthAsking),
      welcomed: (user?: string) => this.#welcomed(user),
    };
    this.#connection = new Connection(member, lesson, presence, changed);
    this.#signIn = new SignIn(page, this.#connection, "");
    addEventListener("online", this.#hurry);
    this.#connection.comeBack();
  }

  leave(): void {
    removeEventListener("online", this.#hurry);
    void this.#connection.goAway();
  }

  renew(): void {
    this.#connection.renew();
  }

  show(): TemplateResult {
    const open = openQuestion(this.#lesson);
    const done = this.#lesson.questions.filter((question) => question !== open).reverse();
    const next = this.#signIn.isInTheWay && this.#lesson.history.length === 0 ? nothing : this.#nextView();
    return shell(
      html`<span class="place"><b>${this.#classroom}</b> teacher</span> ${statusView(this.#connection)} ${this.#signIn.bar()}`,
      html`
        <main class="desk">
          <div class="column">
            ${this.#signIn.card() ?? troubleView(this.#connection, TEACHER)}
            ${this.#mayAsk ? nothing : this.#onlookerNote()} ${open ? this.#openView(open) : next}
            ${done.length > 0 ? html`<section class="results" aria-label="Closed questions">
              ${repeat(done, ({ id }) => id, (question) => this.#resultView(question))}
            </section>` : nothing}
          </div>
          <div class="column side">
            ${this.#joinHint()} ${rosterView(this.#roster, this.#me, this.#me)} ${unseenView(this.#connection)}
            ${this.#mayAsk ? [this.#preparedView(), this.#ownQuestion()] : nothing}
          </div>
        </main>
      `,
    );
  }

  #openView(question: Question): TemplateResult {
    return html`
      <section class="card question" aria-labelledby="question">
        <p class="quiet">Question ${this.#lesson.questions.length} is open</p>
        <h1 id="question">${question.text}</h1>
        ${bars(question)}
        <p class="answered" role="status">${this.#answered(question)}</p>
        <div class="actions" ?hidden=${!this.#mayAsk}>
          <button class="main" ?disabled=${this.#busy} @click=${() => this.#publish({ type: "close", id: question.id })}>Close the question</button>
          <button ?disabled=${this.#busy} @click=${() => this.#putOn(this.#next)}>Next question</button>
        </div>
      </section>
    `;
  }

  #nextView(): TemplateResult | typeof nothing {
    if (!this.#mayAsk) return nothing;
    const begun = this.#lesson.questions.length > 0;
    return html`
      <section class="card question waiting">
        <h1>${begun ? "Ready for the next question" : "Ready when you are"}</h1>
        <p class="quiet">Next: ${this.#next.text}</p>
        <div class="actions">
          <button class="main" ?disabled=${this.#busy} @click=${() => this.#putOn(this.#next)}>
            ${begun ? "Next question" : "Start the sample quiz"}
          </button>
        </div>
      </section>
    `;
  }

  #resultView(question: Question): TemplateResult {
    const number = this.#lesson.questions.indexOf(question) + 1;
    return html`
      <details class="card">
        <summary><b>${number}.</b> ${question.text} <span class="count">${question.answers.size}</span></summary>
        ${bars(question)}
      </details>
    `;
  }

  #joinHint(): TemplateResult {
    const address = `${location.host}${location.pathname}${studentRoute(this.#classroom)}`;
    return html`
      <section class="card join" aria-labelledby="join-title">
        <h2 id="join-title">Students join at</h2>
        <a href=${studentRoute(this.#classroom)} target="_blank">${address}</a>
      </section>
    `;
  }

  #onlookerNote(): TemplateResult {
    return html`<p class="card note onlooker" role="alert">
      You are signed in as ${this.#me}, who may look on here, but put no questions on. Sign out, and in again as the teacher of this
      classroom.
    </p>`;
  }

  #preparedView(): TemplateResult {
    return html`
      <details class="card prepared">
        <summary>Sample quiz <span class="count">${sampleQuiz.length}</span></summary>
        <ol>
          ${sampleQuiz.map(
            (prepared) => html`<li>
              <span>${prepared.text}</span>
              <button class="plain" ?disabled=${this.#busy} aria-label="Put on: ${prepared.text}" @click=${() => this.#putOn(prepared)}>Put on</button>
            </li>`,
          )}
        </ol>
      </details>
    `;
  }

  #ownQuestion(): TemplateResult {
    return html`
      <details class="card own">
        <summary>A question of your own</summary>
        <form @submit=${this.#submitOwn}>
          <label>Question <input name="text" required maxlength="300" autocomplete="off" /></label>
          <label>
            Answers, one on each line
            <textarea name="options" required rows="4"></textarea>
          </label>
          <button ?disabled=${this.#busy}>Put it on</button>
        </form>
      </details>
    `;
  }

  /** Something is on its way to the log; pressing again would only do it twice. */
  get #busy(): boolean {
    return this.#connection.unsent > 0;
  }

  get #next(): Prepared {
    return sampleQuiz[nextPrepared(this.#lesson.questions)]!;
  }

  get #me(): string {
    return this.#user ?? TEACHER;
  }

  #answered(question: Question): string {
    const students = (this.#roster?.here ?? []).filter((user) => user !== this.#me).length;
    const answers = question.answers.size;
    if (students >= answers && students > 0) return `${answers} of ${students} have answered`;
    return answers === 1 ? "1 answer" : `${answers} answers`;
  }

  #putOn({ text, options }: Prepared): void {
    this.#publish({ type: "question", id: uniqueKey(), text, options });
  }

  #publish(event: object): void {
    this.#connection.publish(quizOf(this.#classroom), event).catch(() => {
      // Any other refusal is shown as the connection's trouble.
      if (this.#connection.trouble?.code === CODE.denied) {
        this.#mayAsk = false;
        this.#connection.trouble = undefined;
      }
      this.#page.changed();
    });
  }

  readonly #submitOwn = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const field = (name: string): string => String(new FormData(form).get(name) ?? "").trim();
    const options = field("options").split("\n").map((option) => option.trim()).filter((option) => option !== "");
    if (field("text") === "" || options.length === 0) return;
    this.#putOn({ text: field("text"), options: options.slice(0, OPTIONS_MAX) });
    form.reset();
  };

  /** Who is another begins anew: what waits to be sent is not theirs. */
  #welcomed(user: string | undefined): void {
    const { session, go } = this.#page;
    if (session.credentials && user === undefined) session.signOut();
    else if (this.#user === undefined || this.#user === user) return void (this.#user = user);
    void this.#connection.goAway();
    go(teacherRoute(this.#classroom));
  }

  #received({ destination, body, user, position, arrived, at }: Incoming): void {
    const happening = channelOf(destination) === "quiz" ? readQuizEvent(body) : readAnswer(body, user);
    if (happening) this.#lesson = fold(this.#lesson, happening, { arrived, at, offset: position?.offset });
    this.#page.changed();
  }

  #rosterChanged(roster: Roster | undefined): void {
    this.#roster = roster;
    this.#page.changed();
  }

  readonly #hurry = (): void => this.#connection.hurry();
}
