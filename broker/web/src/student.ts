// The student's view: the question of the moment, the own answer, and the lesson so far.

import { html, nothing, type TemplateResult } from "lit-html";

import { letter } from "./bars.ts";
import { Connection, type Incoming, type Subscription, type Watch } from "./connection.ts";
import { answersOf, presenceOf, quizOf, TEACHER } from "./destinations.ts";
import { historyView } from "./history.ts";
import { emptyLesson, fold, type Lesson, missedIn, openQuestion, type Question, readQuizEvent } from "./lesson.ts";
import { CODE } from "./line.ts";
import type { Page, View } from "./main.ts";
import { Notebook } from "./notebook.ts";
import { readPosition } from "./position.ts";
import { Reader } from "./reader.ts";
import { foldRoster, type Roster, rosterView } from "./roster.ts";
import { studentRoute } from "./route.ts";
import { shell, statusView, troubleView, unseenView } from "./shell.ts";
import { SignIn } from "./signin.ts";

/** An answer that the broker has not confirmed. */
type Pending = { readonly option: number; readonly refused?: string };

export class StudentView implements View {
  readonly title: string;
  readonly #classroom: string;
  readonly #name: string;
  readonly #page: Page;
  readonly #connection: Connection;
  readonly #signIn: SignIn;
  readonly #notebook: Notebook;
  readonly #reader: Reader;
  readonly #pending = new Map<string, Pending>();
  #lesson: Lesson = emptyLesson;
  #roster: Roster | undefined;

  /** A `name` that is empty becomes known when the broker says it. */
  constructor(classroom: string, name: string, page: Page) {
    this.title = [name, classroom, "Homeroom"].filter((part) => part !== "").join(" · ");
    this.#classroom = classroom;
    this.#name = name;
    this.#page = page;
    this.#notebook = new Notebook(classroom, name);
    this.#reader = new Reader("broker", this.#notebook.seen);
    const lesson: Subscription = {
      // The durable name. A second tab of the same student continues it, and this one is told.
      id: `lesson-${classroom}`,
      destination: quizOf(classroom),
      durable: true,
      reader: this.#reader,
      received: (incoming) => this.#received(incoming),
    };
    const presence: Watch = {
      destination: presenceOf(classroom),
      received: (body) => this.#rosterChanged(foldRoster(this.#roster, body)),
      unknown: () => this.#rosterChanged(undefined),
    };
    const { session, changed } = page;
    const member = {
      login: name,
      credentials: () => session.credentials,
      byCookie: (isWorthAsking: boolean) => session.byCookie(isWorthAsking),
      welcomed: (user?: string) => this.#welcomed(user),
    };
    this.#connection = new Connection(member, lesson, presence, changed);
    this.#signIn = new SignIn(page, this.#connection, name);
    addEventListener("keydown", this.#keyPressed);
    addEventListener("online", this.#hurry);
    this.#connection.comeBack();
  }

  leave(): void {
    removeEventListener("keydown", this.#keyPressed);
    removeEventListener("online", this.#hurry);
    void this.#connection.goAway();
  }

  renew(): void {
    this.#connection.renew();
  }

  show(): TemplateResult {
    const question = openQuestion(this.#lesson);
    const missed = missedIn(this.#lesson, this.#reader.visit);
    const waiting = this.#signIn.isInTheWay && this.#lesson.history.length === 0 ? nothing : waitingView();
    return shell(
      html`
        <span class="place"><b>${this.#classroom}</b> ${this.#name}</span>
        ${statusView(this.#connection)} ${this.#presenceSwitch()} ${this.#signIn.bar()}
      `,
      html`
        <main class="desk">
          <div class="column">
            ${this.#signIn.card() ?? troubleView(this.#connection, this.#name)} ${this.#awayNote()}
            ${question ? this.#questionView(question) : waiting}
            <p class="unseen" role="status">
              ${missed > 0 ? `${missed} missed messages arrived. ` : nothing}${question ? `New question: ${question.text}` : nothing}
            </p>
            ${historyView(this.#lesson, (asked) => this.#answerTo(asked))}
          </div>
          <div class="column side">${rosterView(this.#roster, TEACHER, this.#name)} ${unseenView(this.#connection)}</div>
        </main>
      `,
    );
  }

  #presenceSwitch(): TemplateResult | typeof nothing {
    const { status } = this.#connection;
    if (status.is === "ended") return nothing;
    return status.is === "away"
      ? html`<button class="switch" data-is="away" @click=${() => this.#connection.comeBack()}>Come back</button>`
      : html`<button class="switch" @click=${() => this.#connection.goAway()}>Go offline</button>`;
  }

  #awayNote(): TemplateResult | typeof nothing {
    if (this.#connection.status.is !== "away") return nothing;
    return html`<p class="card note">
      You are offline. The lesson goes on; everything you miss waits for you in the classroom.
    </p>`;
  }

  #questionView(question: Question): TemplateResult {
    const chosen = this.#answerTo(question);
    return html`
      <section class="card question" aria-labelledby="question">
        <p class="quiet">Question ${this.#lesson.questions.length}</p>
        <h1 id="question">${question.text}</h1>
        <div class="options" role="group" aria-labelledby="question">
          ${question.options.map(
            (option, place) => html`
              <button aria-pressed=${place === chosen} aria-keyshortcuts=${place + 1} @click=${() => this.#answer(question, place)}>
                <span class="letter" aria-hidden="true">${letter(place)}</span><span>${option}</span>
                <kbd aria-hidden="true">${place + 1}</kbd>
              </button>
            `,
          )}
        </div>
        <p class="receipt" role="status">${this.#receiptView(question)}</p>
      </section>
    `;
  }

  #receiptView(question: Question): TemplateResult | string {
    const pending = this.#pending.get(question.id);
    if (pending?.refused !== undefined) return `Your answer was not taken: ${pending.refused}`;
    if (pending && this.#connection.status.is === "connected") return "Sending …";
    if (pending) return "Your answer waits and is sent when you are back.";
    const confirmed = this.#notebook.answer(question.id);
    if (!confirmed) return "Tap an answer, or press its number. You may change it until the question is closed.";
    const place = readPosition(confirmed.position)?.offset;
    return html`<span class="tick" aria-hidden="true">✓</span> Received
      <span class="quiet">and stored${place === undefined ? "" : ` as message ${place}`}</span>`;
  }

  #answer(question: Question, option: number): void {
    const pending = { option };
    this.#pending.set(question.id, pending);
    this.#connection.publish(answersOf(this.#classroom), { question: question.id, option }).then(
      (position) => {
        this.#notebook.noteAnswer(question.id, { option, position: position ?? "" });
        if (this.#pending.get(question.id) === pending) this.#pending.delete(question.id);
        this.#page.changed();
      },
      (error: Error) => {
        const refused = this.#mayNot() ?? error.message;
        if (this.#pending.get(question.id) === pending) this.#pending.set(question.id, { option, refused });
        this.#page.changed();
      },
    );
  }

  /** In plain words, if the answer was refused because of who this is. */
  #mayNot(): string | undefined {
    if (this.#connection.trouble?.code !== CODE.denied) return undefined;
    this.#connection.trouble = undefined;
    return `${this.#connection.user ?? "you"} may not answer in this classroom. Ask your teacher.`;
  }

  #answerTo(question: Question): number | undefined {
    return this.#pending.get(question.id)?.option ?? this.#notebook.answer(question.id)?.option;
  }

  /** The page of who is signed in, whatever name the address had: nobody answers as another. */
  #welcomed(user: string | undefined): void {
    const { session, go } = this.#page;
    if (!session.credentials || user === this.#name) return;
    if (user === undefined) session.signOut();
    void this.#connection.goAway();
    go(studentRoute(this.#classroom, user ?? this.#name));
  }

  #received({ body, position, arrived, at }: Incoming): void {
    const happening = readQuizEvent(body);
    if (happening) this.#lesson = fold(this.#lesson, happening, { arrived, at, offset: position?.offset });
    if (position) this.#notebook.note(position);
    this.#page.changed();
  }

  #rosterChanged(roster: Roster | undefined): void {
    this.#roster = roster;
    this.#page.changed();
  }

  readonly #hurry = (): void => this.#connection.hurry();

  readonly #keyPressed = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.target instanceof HTMLInputElement) return;
    const question = openQuestion(this.#lesson);
    const option = Number(event.key) - 1;
    if (question && option in question.options) this.#answer(question, option);
  };
}

function waitingView(): TemplateResult {
  return html`
    <section class="card question waiting">
      <p class="dots" aria-hidden="true"><span></span><span></span><span></span></p>
      <h1>Waiting for the next question</h1>
      <p class="quiet">It appears here by itself.</p>
    </section>
  `;
}
