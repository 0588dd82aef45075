// The lesson page: one view for each address.

import { html, render, type TemplateResult } from "lit-html";
import { keyed } from "lit-html/directives/keyed.js";

import { landing } from "./landing.ts";
import { readRoute } from "./route.ts";
import { followTheme } from "./shell.ts";
import { StudentView } from "./student.ts";
import { TeacherView } from "./teacher.ts";

/** One view while its address is shown. */
export interface View {
  readonly title: string;
  show(): TemplateResult;
  leave(): void;
}

const page = document.getElementById("page")!;
let view: View;
let drawing = false;

function enter(): void {
  view?.leave();
  view = viewOf(location.hash);
  document.title = view.title;
  draw();
}

function viewOf(hash: string): View {
  const route = readRoute(hash);
  switch (route.at) {
    case "teacher":
      return new TeacherView(route.classroom, draw);
    case "student":
      return new StudentView(route.classroom, route.name, draw);
    case "door":
      return { title: "Homeroom", show: () => landing(route), leave: () => {} };
  }
}

/** Draws with the next frame, however many messages arrive until then. */
function draw(): void {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    render(html`${keyed(view, view.show())}`, page);
  });
}

followTheme();
addEventListener("hashchange", enter);
enter();
