// Makes the picture of the README: a teacher and a student of one classroom, side by side.
//
//   HOMEROOM_BIN=target/release/homeroom node picture.js ../../../broker/web/lesson.png

import { test } from "node:test";

import { startBroker } from "./broker.js";
import { openChromium, until } from "./browsers.js";

const CLASS = { bob: 2, carol: 2, dmitri: 1, emma: 2, farid: 3, greta: 2, hugo: 1 };

test("the picture", async (t) => {
  const { url } = await startBroker(t);
  const browser = await openChromium(t);
  const enter = async (address, colorScheme = "light") => {
    const context = await browser.newContext({ viewport: { width: 800, height: 800 }, colorScheme, deviceScaleFactor: 1.25 });
    const page = await context.newPage();
    await page.goto(`${url}/${address}`);
    await page.getByText("Connected", { exact: true }).waitFor();
    return page;
  };
  const press = (page, name) => page.getByRole("button", { name, exact: true }).click();
  const shows = (page, text) => page.locator("#question").getByText(text).waitFor();

  const teacher = await enter("#/teacher/7b");
  const alice = await enter("#/student/7b/alice", "dark");
  const others = await Promise.all(Object.keys(CLASS).map((name) => enter(`#/student/7b/${name}`)));
  await press(teacher, "Start the sample quiz");
  await shows(alice, "Which planet");
  await alice.keyboard.press("2");
  await alice.locator(".receipt .tick").waitFor();
  await press(alice, "Go offline");
  await press(teacher, "Close the question");
  await press(teacher, "Next question");
  for (const [place, page] of others.entries()) {
    await shows(page, "7 × 8");
    await page.keyboard.press(String(Object.values(CLASS)[place]));
    await page.locator(".receipt .tick").waitFor();
  }
  await press(alice, "Come back");
  await alice.getByText("While you were away").waitFor();
  await alice.keyboard.press("2");
  await alice.locator(".receipt .tick").waitFor();
  await until("all answers", async () => (await teacher.locator(".answered").innerText()).startsWith("8"));
  for (const page of [teacher, alice]) {
    await page.mouse.move(0, 790);
    await page.evaluate(() => Promise.all(document.getAnimations().map(({ finished }) => finished)));
  }

  const views = await Promise.all([teacher, alice].map((page) => page.screenshot()));
  const images = views.map((png) => `<img src="data:image/png;base64,${png.toString("base64")}">`).join("");
  const sheet = await (await browser.newContext({ viewport: { width: 1640, height: 825 } })).newPage();
  await sheet.setContent(`<style>body{margin:0;padding:10px;display:flex;gap:10px;background:#8fa39d}
    img{width:805px;border-radius:10px}</style>${images}`);
  await sheet.screenshot({ path: process.argv[2] ?? "lesson.png" });
});
