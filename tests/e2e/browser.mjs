// Drives Chromium for test_status_page.py: one JSON command a line on stdin, one JSON answer a line on stdout.
//   node browser.mjs FOLDER      FOLDER: has node_modules/playwright-core
import {createRequire} from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

const {chromium} = createRequire(path.join(process.argv[2], 'index.js'))('playwright-core');
const LIMIT = 30_000;
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--disable-dev-shm-usage', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])],
});
let page = null;
let problems = []; // what the page did that it must not

// Of all text that can be seen: the least contrast (WCAG 2.2, 1.4.3), and where.
function leastContrast() {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const backOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const back = parse(getComputedStyle(at).backgroundColor);
      if ((back[3] ?? 1) > 0.99) return back;
    }
    return [255, 255, 255];
  };
  let least = {contrast: 21, text: ''};
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(backOf(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < least.contrast) least = {contrast, text: texts.currentNode.data.trim()};
  }
  return least;
}

// The pixels of a canvas that are of about this CSS colour.
function pixelsOf([selector, name]) {
  const canvas = document.querySelector(`${selector} canvas`);
  if (!canvas) return 0;
  const wanted = getComputedStyle(document.documentElement).getPropertyValue(name).trim().match(/[0-9a-f]{2}/g)
    .map((digits) => parseInt(digits, 16));
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 200 && wanted.every((value, c) => Math.abs(value - data[i + c]) < 12)) ++found;
  }
  return found;
}

const commands = {
  async open({url, scheme = 'light', width = 1180, height = 900, html = null}) {
    await page?.close();
    problems = [];
    page = await browser.newPage({colorScheme: scheme, viewport: {width, height}});
    page.setDefaultTimeout(LIMIT);
    page.on('pageerror', (error) => problems.push(`error: ${error.stack}`));
    page.on('console', (said) => {
      // What a refused request looks like: the page says by itself what came of it.
      if (said.type() === 'error' && !said.text().startsWith('Failed to load resource')) problems.push(said.text());
    });
    page.on('request', (request) => {
      const {protocol, origin} = new URL(request.url());
      if (protocol !== 'data:' && origin !== new URL(url).origin) problems.push(`asked for ${request.url()}`);
    });
    // Another page at the same address, which asks the same service.
    if (html !== null) await page.route(url, (route) => route.fulfill({body: html, contentType: 'text/html'}));
    await page.goto(url);
  },
  // What can be seen of an element, as text.
  text: ({at}) => page.locator(at).innerText(),
  // What can be seen of a table's rows, without its head.
  rows: ({at}) => page.locator(`${at} > tbody > tr`).evaluateAll((rows) => rows.map((row) =>
    [...row.cells].filter((cell) => cell.checkVisibility()).map((cell) => cell.innerText.trim()))),
  // Waits until it matches, and gives it.
  async wait({pattern, at}) {
    const matches = ([selector, source]) => {
      const text = document.querySelector(selector)?.innerText ?? '';
      return new RegExp(source, 'su').test(text) ? text : null;
    };
    try {
      return await (await page.waitForFunction(matches, [at, pattern])).jsonValue();
    } catch (error) {
      throw new Error(`${at} never matched ${pattern}: ${await page.locator(at).innerText()}\n${error.message}`);
    }
  },
  async ask({route, key}) {
    await page.getByRole('combobox', {name: 'Route'}).selectOption(route);
    await page.getByRole('textbox', {name: 'Key'}).fill(key);
    await page.getByRole('textbox', {name: 'Key'}).press('Enter');
  },
  press: ({name}) => page.getByRole('button', {name}).click(),
  scheme: ({scheme}) => page.emulateMedia({colorScheme: scheme}),
  size: ({width, height}) => page.setViewportSize({width, height}),
  contrast: () => page.evaluate(leastContrast),
  pixels: ({at, colour}) => page.evaluate(pixelsOf, [at, colour]),
  style: ({at, property}) =>
    page.locator(at).evaluate((element, name) => getComputedStyle(element).getPropertyValue(name), property),
  count: ({at}) => page.locator(at).count(),
  attribute: ({at, name}) => page.locator(at).getAttribute(name),
  title: () => page.title(),
  overflow: () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
  problems: () => problems,
  async picture({file}) {
    await page.evaluate(() => { document.activeElement?.blur(); scrollTo(0, 0); });
    await page.screenshot({path: file});
  },
};

for await (const line of readline.createInterface({input: process.stdin})) {
  const {command, ...parameters} = JSON.parse(line);
  let answer;
  try {
    answer = {value: (await commands[command](parameters)) ?? null};
  } catch (error) {
    answer = {error: error.message};
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
