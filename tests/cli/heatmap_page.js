// Drives Chromium over pages of `heatmap --to html` for test_heatmap_page.py: prints what it saw of each as JSON.
// usage: heatmap_page.js PLAYWRIGHT CHROMIUM PICTURES look|zooms|all PAGE...
"use strict";
const [playwright, chromium, pictures, how, ...files] = process.argv.slice(2);

async function settle(page) {
  await page.waitForFunction(() => document.documentElement.dataset.ready === "map" && microtomePage.viewer.world.getItemCount() > 0 &&
    microtomePage.viewer.world.getItemAt(0).getFullyLoaded());
  await page.waitForTimeout(150);
}

async function set(page, id, value) {
  await page.$eval(`#${id}`, (input, to) => { input.value = to; input.dispatchEvent(new Event("input")); input.dispatchEvent(new Event("change")); }, value);
}

async function stage(page, path) {
  await (await page.$("#stage")).screenshot({ path: `${pictures}/${path}.png` });
}

// Which texts stand out from what is behind them by less than 4.5 : 1 (WCAG AA).
function faint() {
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const found = [];
  for (const element of document.querySelectorAll("h1, h2, p, label, output, li, button, b, span, select")) {
    if (!element.textContent.trim() || !element.checkVisibility() || element.closest("#stage"))
      continue;
    let behind = element, back;
    do {
      back = parts(getComputedStyle(behind).backgroundColor);
      behind = behind.parentElement;
    } while (back[3] === 0 && behind);
    const a = light(parts(getComputedStyle(element).color)), b = light(back);
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5)
      found.push(element.textContent.slice(0, 30));
  }
  return found;
}

async function read(page, name) {
  await page.screenshot({ path: `${pictures}/${name}.png` });
  return {
    title: await page.title(),
    texts: await page.$$eval("#case, #verdict, #title, #meaning, #scale, #unread, #purpose, #scale-bar, #trouble", (all) =>
      Object.fromEntries(all.map((e) => [e.id, e.hidden ? null : e.textContent.trim()]))),
    ticks: await page.$$eval("#ticks li", (all) => all.map((e) => e.textContent)),
    tiles: await page.$$eval("#tiles button", (all) => all.map((e) => e.textContent)),
    regions: await page.$$eval("#regions li", (all) => all.map((e) => e.textContent)),
    unlabelled: await page.$$eval("input, select", (all) => all.filter((e) => !e.labels.length).map((e) => e.id)),
    faint: await page.evaluate(faint)
  };
}

// The slide and the heat on it, around a hot tile.
async function zooms(page) {
  await page.$eval("#scale-bar", (bar) => { bar.style.visibility = "hidden"; });
  await page.evaluate(() => { microtomePage.viewer.navigator.element.style.display = "none"; });
  await set(page, "threshold", 500);
  for (const [name, zoom] of [["whole", 1], ["near", 3], ["close", 9]]) {
    await page.evaluate((to) => {
      const view = microtomePage.viewer.viewport, tile = microtomeCase.tiles[1], middle = (at, k) => (at + microtomeCase.tile[k] / 2) * microtomeCase.slide["scale_" + "xy"[k]];
      view.panTo(view.imageToViewportCoordinates(new OpenSeadragon.Point(middle(tile.x, 0), middle(tile.y, 1))), true);
      view.zoomTo(view.getHomeZoom() * to, null, true);
    }, zoom);
    await set(page, "opacity", 0);
    await settle(page);
    await stage(page, `${name}-slide`);
    await set(page, "opacity", 100);
    await stage(page, `${name}-heat`);
  }
}

async function pressed(page) {
  await page.waitForTimeout(900);
  return page.evaluate(() => {
    const view = microtomePage.viewer.viewport, c = view.viewportToImageCoordinates(view.getCenter());
    return { button: [...document.querySelectorAll("#tiles button, #regions button")].findIndex((e) => e.getAttribute("aria-pressed") === "true"),
      centre: [c.x / microtomeCase.slide.scale_x, c.y / microtomeCase.slide.scale_y] };
  });
}

async function reach(page) {
  const order = [];
  await page.evaluate(() => document.activeElement.blur());
  for (let k = 0; k < 7; k++) {
    await page.keyboard.press("Tab");
    order.push(await page.evaluate(() => document.activeElement.id || document.activeElement.closest("[id]").id));
    if (order[order.length - 1] === "viewer")
      await stage(page, "focus");
  }
  return order;
}

async function controls(page) {
  const seen = {};
  seen.order = await reach(page);
  await page.keyboard.press("n");
  seen.key = await pressed(page);
  await page.click("#tiles li:nth-child(3) button");
  seen.click = await pressed(page);
  await page.click("#regions li:nth-child(1) button");
  seen.region = await pressed(page);
  await page.focus("#tiles li:nth-child(2) button");
  await page.keyboard.press("Enter");
  seen.enter = await pressed(page);
  await set(page, "threshold", 0);
  await set(page, "colour", "viridis");
  await stage(page, "viridis");
  await page.selectOption("#language", "ko");
  await page.emulateMedia({ colorScheme: "dark" });
  seen.korean = await read(page, "dark-korean");
  return seen;
}

async function drive(browser, file) {
  const page = await browser.newPage({ viewport: { width: 1300, height: 850 }, locale: "en-US" });
  const log = { console: [], outside: [], failed: [] };
  page.on("console", (message) => log.console.push(message.text()));
  page.on("pageerror", (error) => log.console.push(String(error)));
  page.on("request", (request) => { if (!/^(file|data|blob):/.test(request.url())) log.outside.push(request.url()); });
  page.on("requestfailed", (request) => log.failed.push(request.url().slice(0, 200)));
  await page.goto(`file://${file}`);
  await settle(page);
  const seen = { log, ...await read(page, file.split("/").slice(-2)[0]) };
  if (how !== "look")
    await zooms(page);
  if (how === "all")
    Object.assign(seen, await controls(page));
  await page.close();
  return seen;
}

async function main() {
  const browser = await require(playwright).chromium.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
  const all = [];
  for (const file of files)
    all.push(await drive(browser, file));
  await browser.close();
  console.log(JSON.stringify(all));
}

main().catch((error) => { console.error(error); process.exit(1); });
