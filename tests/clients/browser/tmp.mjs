import { test } from "node:test";
import { startBroker } from "./broker.js";
import { openChromium } from "./browsers.js";
for (let k = 0; k < 5; k++) test("t" + k, async (t) => {
  const broker = await startBroker(t);
  const browser = await openChromium(t);
  const join = async (name) => {
    const page = await (await browser.newContext()).newPage();
    page.log = [];
    const start = Date.now();
    page.on("console", (m) => page.log.push(m.text()));
    page.on("websocket", (ws) => { page.log.push(`${Date.now()-start} ws open`); ws.on("framereceived", (f) => page.log.push(`${Date.now()-start} < ` + String(f.payload).slice(0, 200))); ws.on("framesent", (f) => page.log.push(`${Date.now()-start} > ` + String(f.payload).slice(0, 200))); ws.on("close", () => page.log.push(`${Date.now()-start} ws close`)); });
    await page.goto(`${broker.url}/#/student/7b/alice`);
    await page.getByText("Connected", { exact: true }).waitFor();
    return page;
  };
  const first = await join(), second = await join();
  try {
    await first.getByText("This lesson is open somewhere else").waitFor({ timeout: 8000 });
    await first.getByText("Not connected").waitFor();
    await first.getByRole("button", { name: "Use it here" }).click();
    await first.getByText("Connected", { exact: true }).waitFor();
    await second.getByText("This lesson is open somewhere else").waitFor({ timeout: 8000 });
  } catch (e) {
    console.log("FAILED", e.message.slice(0, 200), "\nFIRST", await first.innerText("header"), JSON.stringify(first.log, null, 1), "\nSECOND", await second.innerText("header"), JSON.stringify(second.log, null, 1));
  }
});
