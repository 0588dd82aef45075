// What every view stands in: the bar at the top, the state of the connection in plain words, light and dark.

import { html, nothing, type TemplateResult } from "lit-html";

import type { Connection, Status } from "./connection.ts";
import { CODE, type LineName, type Trouble } from "./line.ts";
import { load, save } from "./notebook.ts";

const THEME = "homeroom/theme";

const LINE_IN_WORDS: Record<LineName, { readonly words: string; readonly more: string }> = {
  websocket: { words: "live", more: "Over a WebSocket: everything is shown at once." },
  stream: { words: "live, over HTTP", more: "WebSockets do not get through here. Everything is shown at once." },
  polling: { words: "asking every few seconds", more: "Neither WebSockets nor streams get through here. Nothing is missed." },
};

export function shell(place: TemplateResult | typeof nothing, main: TemplateResult): TemplateResult {
  return html`
    <header class="bar">
      <a class="brand" href="/#/">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="8" />
          <path d="M8 22V10M24 22V10M8 16h16" />
          <circle cx="16" cy="16" r="3.4" />
        </svg>
        Homeroom
      </a>
      ${place}
      <button class="plain theme" aria-label="Light or dark" title="Light or dark" @click=${toggleTheme}>
        <svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="8" /><path d="M12 4a8 8 0 0 1 0 16z" /></svg>
      </button>
    </header>
    ${main}
  `;
}

export function statusView(connection: Connection): TemplateResult {
  const { status } = connection;
  return html`
    <span class="status" data-is=${status.is} role="status">${inWords(status)}</span>
    ${status.is === "connected" ? lineView(status.line) : nothing}
    ${status.is === "lost" ? html`<button class="plain" @click=${() => connection.hurry()}>Try now</button>${whyView()}` : nothing}
  `;
}

/** What the line in use cannot show. */
export function unseenView({ status }: Connection): TemplateResult | typeof nothing {
  if (status.is !== "connected" || status.line === "websocket") return nothing;
  return html`<p class="card note unlisted">
    Who is here is not shown: this network lets no WebSocket through. Questions and answers all arrive. ${whyView()}
  </p>`;
}

/** To the page that finds out, and says what to ask of the school's IT. */
function whyView(): TemplateResult {
  return html`<a class="why" href="/doctor" target="_blank">Why?</a>`;
}

/** Why the connection ended, or what was refused last, and the way back. */
export function troubleView(connection: Connection, name: string): TemplateResult | typeof nothing {
  const { status, trouble } = connection;
  if (status.is === "ended" && status.trouble.code === CODE.takenOver) {
    const said = `Another tab or device has joined as ${name} and goes on where this one stopped. Nothing is lost.`;
    return ending("elsewhere", "This lesson is open somewhere else", said, "Use it here", connection);
  }
  if (status.is === "ended") {
    return ending("refused", "The connection was ended", sentence(status.trouble), "Connect again", connection);
  }
  return trouble ? html`<p class="card trouble" role="alert">${sentence(trouble)}</p>` : nothing;
}

function ending(kind: string, title: string, said: string, wayBack: string, connection: Connection): TemplateResult {
  return html`
    <section class="card trouble ${kind}" role="alert">
      <h2>${title}</h2>
      <p>${said}</p>
      <button class="main" @click=${() => connection.comeBack()}>${wayBack}</button>
    </section>
  `;
}

/** The theme chosen here, or else the system's, also when that changes. */
export function followTheme(): void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = (): void => setTheme(load(THEME) ?? (system.matches ? "dark" : "light"));
  system.addEventListener("change", apply);
  apply();
}

function toggleTheme(): void {
  const theme = document.documentElement.dataset["theme"] === "dark" ? "light" : "dark";
  setTheme(theme);
  save(THEME, theme);
}

function setTheme(theme: string): void {
  document.documentElement.dataset["theme"] = theme;
}

function lineView(line: LineName): TemplateResult {
  const { words, more } = LINE_IN_WORDS[line];
  return html`<span class="line" data-line=${line} title=${more}>${words}</span>`;
}

function inWords(status: Status): string {
  switch (status.is) {
    case "connecting":
      return "Connecting …";
    case "connected":
      return "Connected";
    case "lost":
      return "Connection lost, trying again …";
    case "away":
      return "Offline";
    case "ended":
      return "Not connected";
  }
}

/** Without words, that it is over. */
export function sentence({ message, reason, remedy }: Trouble): string {
  const whole = (part: string): string => part.trim().replace(/\.$/, "").replace(/^./u, (first) => first.toUpperCase());
  const parts = [message, reason, remedy].map(whole).filter((part) => part !== "");
  return parts.length === 0 ? "The broker closed the connection." : `${parts.join(". ")}.`;
}
