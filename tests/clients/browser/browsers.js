// Debian's browsers, headless.

import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";

import { listen } from "./canaries.js";

const QUIET = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export async function openChromium(test) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium",
    args: QUIET,
    // Pages that are left go into the back/forward cache, as they do for people.
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
  });
  test.after(() => browser.close());
  // Whatever a page sends is looked for in the broker's log.
  const newContext = browser.newContext.bind(browser);
  browser.newContext = async (...options) => {
    const context = await newContext(...options);
    context.on("page", listen);
    return context;
  };
  return browser;
}

/** Firefox over WebDriver BiDi. */
export async function openFirefox(test) {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: process.env.FIREFOX_BIN ?? "/usr/bin/firefox-esr",
    headless: true,
  });
  test.after(() => browser.close());
  return browser;
}

/** Waits until `look()` holds; `what` says what was waited for, and `look`'s last answer what was there instead. */
export async function until(what, look, { within = 30_000 } = {}) {
  const end = performance.now() + within;
  let found;
  while (performance.now() < end) {
    found = await look();
    if (found === true) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited ${within} ms for ${what}; there was ${JSON.stringify(found)}`);
}
