// The page at /doctor: do lessons get through from here, and what is to be asked of whom?

import { html, nothing, render, svg, type SVGTemplateResult, type TemplateResult } from "lit-html";

import { followTheme, shell } from "../shell.ts";
import { examine, type Progress } from "./examination.ts";
import { judge } from "./judge.ts";
import { type Door, type DoorName, DOORS, type Quiet } from "./measurements.ts";
import { doorName, headings, held, outcome, report, said, type Said } from "./words.ts";

const IDLE_SECONDS = 60;
const IDLE_SECONDS_MAX = 600;
/** The lines of quiet connections grow while they are open. */
const DRAW_MS = 500;
/** What the doors take, beside the quiet connections. */
const DOORS_SECONDS = 8;

const page = document.getElementById("page")!;
const idleSeconds = readIdle(location.search);
let progress: Progress | undefined;
let findings: readonly Said[] = [];
let copied = "";

async function measure(): Promise<void> {
  [findings, copied] = [[], ""];
  const timer = setInterval(draw, DRAW_MS);
  const measured = await examine(idleSeconds, (now) => {
    progress = now;
    draw();
  });
  clearInterval(timer);
  findings = judge(measured).map(said);
  draw();
}

function draw(): void {
  render(shell(nothing, view()), page);
}

function view(): TemplateResult {
  const isDone = progress?.step === "done";
  return html`
    <main class="doctor" data-step=${progress?.step ?? nothing}>
      <h1>Do lessons get through here?</h1>
      <p class="lead">
        This page tries every way in which messages can come, and measures each. It takes about
        ${DOORS_SECONDS + idleSeconds} seconds, enters no classroom and leaves nothing behind. Leave it in view until it is done.
      </p>
      <p class="now" role="status">${nowView()}</p>
      ${doorsView()} ${quietView()} ${isDone ? findingsView() : nothing}
    </main>
  `;
}

function nowView(): string {
  const step = progress?.step ?? "short_polling";
  if (step === "done") return "Done.";
  if (step === "quiet") return `Leaving connections quiet for ${idleSeconds} seconds, to see whether they are cut …`;
  return `Trying: ${doorName(step)} …`;
}

function doorsView(): TemplateResult {
  const doors = progress?.measured.doors;
  const worst = Math.max(...DOORS.map((name) => doors?.[name].round_trip_ms?.worst ?? 0));
  return html`
    <section class="card" aria-labelledby="doors">
      <h2 id="doors">${headings.doors}</h2>
      <ul class="bars">${DOORS.map((name) => doorView(name, doors?.[name], worst))}</ul>
    </section>
  `;
}

function doorView(name: DoorName, door: Door | undefined, worst: number): TemplateResult {
  const trip = door?.round_trip_ms;
  return html`
    <li data-door=${name} data-is=${door?.is ?? "untried"}>
      <span class="sign" aria-hidden="true">${sign(door?.is)}</span>
      <span class="option">${doorName(name)}</span>
      <span class="said">${!door || door.is === "untried" ? "" : outcome(door)}</span>
      <svg class="track" aria-hidden="true">
        ${trip ? [bar(trip.worst / worst, "reserve"), bar(trip.median / worst, "fill")] : nothing}
      </svg>
    </li>
  `;
}

function quietView(): TemplateResult {
  const quiet = progress?.measured.quiet;
  return html`
    <section class="card" aria-labelledby="quiet">
      <h2 id="quiet">${headings.quiet}</h2>
      <ul class="bars">${quietLine("WebSocket", quiet?.websocket)} ${quietLine("HTTP", quiet?.http)}</ul>
    </section>
  `;
}

function quietLine(name: string, quiet: Quiet | undefined): TemplateResult {
  const isKnown = quiet !== undefined && (quiet.is !== "untried" || progress?.step === "done");
  return html`
    <li data-quiet=${name} data-is=${quiet?.is ?? "untried"}>
      <span class="sign" aria-hidden="true">${sign(quiet?.is)}</span>
      <span class="option">${name}</span>
      <span class="said">${isKnown ? held(quiet) : ""}</span>
      <svg class="track" aria-hidden="true">${bar(openFor(quiet) / idleSeconds, "fill")}</svg>
    </li>
  `;
}

/** Seconds, so far. */
function openFor(quiet: Quiet | undefined): number {
  if (quiet && quiet.is !== "untried") return quiet.seconds;
  return progress?.step === "quiet" ? (performance.now() - progress.since) / 1_000 : 0;
}

/** In an SVG, which needs no style that the page's policy forbids. */
function bar(share: number, kind: "fill" | "reserve"): SVGTemplateResult {
  const width = `${Math.min(Math.max(share * 100, share > 0 ? 1 : 0), 100)}%`;
  return svg`<rect class=${kind} width=${width} height="100%" rx="6" />`;
}

function sign(is: Door["is"] | Quiet["is"] | undefined): string {
  if (is === undefined || is === "untried") return "·";
  return is === "works" || is === "open" ? "✓" : "✗";
}

function findingsView(): TemplateResult {
  const text = progress && findings.length > 0 ? report(progress.measured, findings) : "";
  return html`
    <section class="findings" aria-labelledby="findings">
      <h2 id="findings">${headings.findings}</h2>
      <ol>${findings.map(findingView)}</ol>
      <div class="actions">
        <button class="main" @click=${() => void copy(text)}>Copy the report for IT</button>
        <button @click=${() => void measure()}>Measure again</button>
      </div>
      <p class="receipt" role="status">${copied}</p>
      <details>
        <summary>The report</summary>
        <textarea id="report" readonly rows="16" aria-label="The report" .value=${text}></textarea>
      </details>
    </section>
  `;
}

function findingView({ id, what, set, ask }: Said): TemplateResult {
  const advice = (heading: string, texts: readonly string[]) =>
    texts.map((text) => html`<p><strong>${heading}</strong> ${text}</p>`);
  return html`<li class="card" data-finding=${id}><p>${what}</p>${advice(headings.set, set)}${advice(headings.ask, ask)}</li>`;
}

/** Browsers give pages without TLS no clipboard; there the old way is left, or the text itself. */
async function copy(text: string): Promise<void> {
  copied = (await toClipboard(text)) ? "Copied." : "This browser does not let the page copy: select the text below.";
  draw();
}

async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.querySelector<HTMLTextAreaElement>("#report")!;
    area.closest("details")!.open = true;
    area.select();
    return document.execCommand("copy");
  }
}

/** `?idle=5`, in seconds. */
function readIdle(query: string): number {
  const idle = Number(new URLSearchParams(query).get("idle") ?? IDLE_SECONDS);
  return idle >= 1 && idle <= IDLE_SECONDS_MAX ? idle : IDLE_SECONDS;
}

followTheme();
draw();
void measure();
