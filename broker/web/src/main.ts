// The lesson page: one view for each address.

import { html, render, type TemplateResult } from "lit-html";
import { keyed } from "lit-html/directives/keyed.js";

import { landing } from "./landing.ts";
import { readRoute, takeToken } from "./route.ts";
import { readToken, Session, tabStorage } from "./session.ts";
import { followTheme } from "./shell.ts";
import { StudentView } from "./student.ts";
import { TeacherView } from "./teacher.ts";

/** One view while its address is shown. */
export interface View {
  readonly title: string;
  show(): TemplateResult;
  /** There is something newer that shows who this is. */
  renew?(): void;
  leave(): void;
}

/** What a view is shown on. */
export interface Page {
  readonly session: Session;
  /** Draws soon. */
  readonly changed: () => void;
  /** Shows another address in the place of this one. */
  readonly go: (hash: string) => void;
}

const root = document.getElementById("page")!;
let view: View;
let drawing = false;
/** The address of the view. */
let shown: string | undefined;
const page: Page = {
  session: new Session(tabStorage()),
  changed: draw,
  go: (hash) => {
    history.replaceState(null, "", hash);
    enter();
  },
};

function enter(): void {
  const { hash, token } = takeToken(location.hash);
  if (token !== undefined) {
    history.replaceState(null, "", hash);
    const credentials = readToken(token);
    if (credentials) page.session.signIn(credentials);
    // Whoever opened this page gives it a newer token: the lesson goes on.
    if (credentials && hash === shown && view.renew) return view.renew();
  }
  view?.leave();
  view = viewOf(location.hash);
  shown = hash;
  document.title = view.title;
  draw();
}

function viewOf(hash: string): View {
  const route = readRoute(hash);
  switch (route.at) {
    case "teacher":
      return new TeacherView(route.classroom, page);
    case "student":
      return new StudentView(route.classroom, route.name, page);
    case "door":
      // The broker says who it is.
      if (route.classroom && page.session.credentials) return new StudentView(route.classroom, "", page);
      return { title: "Homeroom", show: () => landing(route), leave: () => {} };
  }
}

/** Draws with the next frame, however many messages arrive until then. */
function draw(): void {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    render(html`${keyed(view, view.show())}`, root);
  });
}

followTheme();
addEventListener("hashchange", enter);
enter();
