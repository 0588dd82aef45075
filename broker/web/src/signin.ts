// Signing in: the card that asks who this is, and what the bar says of who it is.

import { html, nothing, type TemplateResult } from "lit-html";

import type { Connection } from "./connection.ts";
import { CODE } from "./line.ts";
import type { Page } from "./main.ts";
import { type Credentials, readToken } from "./session.ts";
import { sentence } from "./shell.ts";

interface Words {
  readonly title: string;
  readonly said: string;
}

export class SignIn {
  readonly #page: Page;
  readonly #connection: Connection;
  /** Likely who it is. */
  readonly #name: string;
  /** Asked for by the user, while all is well. */
  #isWanted = false;

  constructor(page: Page, connection: Connection, name: string) {
    this.#page = page;
    this.#connection = connection;
    this.#name = name;
  }

  /** Nothing goes on before it is known who this is. */
  get isInTheWay(): boolean {
    return this.#connection.status.is === "ended" && this.#words() !== undefined;
  }

  /** In the bar; nothing where nobody has to show who they are. */
  bar(): TemplateResult | typeof nothing {
    const { user } = this.#connection;
    const { credentials } = this.#page.session;
    if (user === undefined || !credentials) return nothing;
    // A cookie is taken away by whoever gave it.
    const out = credentials.by === "cookie" ? nothing : html`<button class="plain" @click=${this.#signOut}>Sign out</button>`;
    return html`<span class="who">signed in as <b>${user}</b></span> ${out}`;
  }

  /** Above all else: undefined as long as it is known who this is. */
  card(): TemplateResult | undefined {
    const words = this.#isWanted ? AGAIN : this.#words();
    if (words) return this.#form(words);
    if (!this.#connection.isRunningOut || this.#connection.status.is !== "connected") return undefined;
    return html`
      <section class="card note running-out" role="alert">
        <p>Your time here is over in less than a minute. Sign in again, and the lesson goes on.</p>
        <button @click=${() => this.#want(true)}>Sign in again</button>
      </section>
    `;
  }

  #words(): Words | undefined {
    const { asksWho, status, user } = this.#connection;
    if (status.is !== "ended") return undefined;
    const { trouble } = status;
    if (asksWho === "first") return { title: "Please sign in", said: "Whoever takes part in lessons here says who they are." };
    if (asksWho === "expired") {
      return { title: "Your time here is over", said: "Sign in again, and the lesson goes on where it stopped. Nothing is lost." };
    }
    if (asksWho === "again") return { title: "That did not let you in", said: sentence({ ...trouble, message: "", remedy: "" }) };
    if (trouble.code !== CODE.denied || user === undefined) return undefined;
    const said = `You are signed in as ${user}, who may not be in this classroom, or not any more. Ask your teacher, or sign in as somebody else.`;
    return { title: "You may not be here", said };
  }

  #form({ title, said }: Words): TemplateResult {
    return html`
      <section class="card sign-in" aria-labelledby="sign-in-title">
        <h2 id="sign-in-title">${title}</h2>
        <p role="alert">${said}</p>
        <form class="password" @submit=${this.#byPassword}>
          <label>Name <input name="user" required maxlength="255" autocomplete="username" .value=${this.#connection.user ?? this.#name} /></label>
          <label>Password <input name="password" type="password" required maxlength="1024" autocomplete="current-password" /></label>
          <button class="main">Sign in</button>
        </form>
        <details>
          <summary>I have a token</summary>
          <form class="token" @submit=${this.#byToken}>
            <label>
              Paste the token your teacher gave you
              <input name="token" type="password" required maxlength="8300" autocomplete="off" spellcheck="false" />
            </label>
            <button>Sign in with the token</button>
          </form>
        </details>
        ${this.#wayBack()}
      </section>
    `;
  }

  #wayBack(): TemplateResult | typeof nothing {
    if (this.#isWanted) return html`<button class="plain" @click=${() => this.#want(false)}>Not now</button>`;
    if (this.#connection.asksWho) return nothing;
    return html`<button class="plain" @click=${() => this.#connection.comeBack()}>Try again</button>`;
  }

  #want(isWanted: boolean): void {
    this.#isWanted = isWanted;
    this.#page.changed();
  }

  #enter(credentials: Credentials): void {
    this.#isWanted = false;
    this.#page.session.signIn(credentials);
    this.#connection.renew();
    this.#page.changed();
  }

  readonly #byPassword = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const [user, password] = [String(form.get("user") ?? "").trim(), String(form.get("password") ?? "")];
    if (user !== "" && password !== "") this.#enter({ by: "password", user, password });
  };

  readonly #byToken = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const field = form.elements.namedItem("token") as HTMLInputElement;
    const credentials = readToken(field.value);
    if (credentials) return this.#enter(credentials);
    field.setCustomValidity("This is no token: copy it again, from its first sign to its last.");
    field.addEventListener("input", () => field.setCustomValidity(""), { once: true });
    form.reportValidity();
  };

  readonly #signOut = (): void => {
    this.#page.session.signOut();
    this.#page.go("#/");
  };
}

const AGAIN: Words = { title: "Sign in again", said: "The lesson goes on meanwhile, as long as there is time." };
