// Drives Chromium over a page of `heatmap --to html` for test_heatmap_page.py: prints what it saw as JSON.
// usage: heatmap_page.js PLAYWRIGHT CHROMIUM PAGE PICTURES
"use strict";
const [playwright, chromium, file, pictures] = process.argv.slice(2);

async function settle(page) {
  await page.waitForFunction(() => document.documentElement.dataset.ready === "map" && microtomePage.viewer.world.getItemCount() > 0 &&
    microtomePage.viewer.world.getItemAt(0).getFullyLoaded() && !microtomePage.viewer.isAnimating?.() );
  await page.waitForTimeout(150);
}

async function set(page, id, value) {
  await page.$eval(`#${id}`, (input, to) => { input.value = to; input.dispatchEvent(new Event("input")); input.dispatchEvent(new Event("change")); }, value);
}

async function stage(page, path) {
  await (await page.$("#stage")).screenshot({ path: `${pictures}/${path}.png` });
}

async function main() {
  const browser = await require(playwright).chromium.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
  const page = await browser.newPage({ viewport: { width: 1300, height: 850 }, locale: "en-US" });
  const seen = { console: [], outside: [], failed: [], places: {} };
  page.on("console", (message) => seen.console.push(message.text()));
  page.on("pageerror", (error) => seen.console.push(String(error)));
  page.on("request", (request) => { if (!/^(file|data|blob):/.test(request.url())) seen.outside.push(request.url()); });
  page.on("requestfailed", (request) => seen.failed.push(request.url().slice(0, 200)));
  await page.goto(`file://${file}`);
  await settle(page);
  await page.screenshot({ path: `${pictures}/page.png` });
  seen.title = await page.title();
  seen.texts = await page.$$eval("#case, #verdict, #title, #meaning, #scale, #unread, #purpose, #scale-bar", (all) => Object.fromEntries(all.map((e) => [e.id, e.hidden ? null : e.textContent.trim()])));
  seen.ticks = await page.$$eval("#ticks li", (all) => all.map((e) => e.textContent));
  seen.tiles = await page.$$eval("#tiles button", (all) => all.map((e) => e.textContent));
  seen.regions = await page.$$eval("#regions li", (all) => all.map((e) => e.textContent));
  seen.unlabelled = await page.$$eval("input, select", (all) => all.filter((e) => !e.labels.length).map((e) => e.id));

  await page.$eval("#scale-bar", (bar) => { bar.style.visibility = "hidden"; });
  await page.evaluate(() => { microtomePage.viewer.navigator.element.style.display = "none"; });
  for (const [name, zoom] of [["whole", 1], ["near", 3], ["close", 9]]) {
    await page.evaluate((to) => {
      const view = microtomePage.viewer.viewport;
      view.goHome(true);
      view.panTo(view.imageToViewportCoordinates(new OpenSeadragon.Point(...microtomeHot)), true);
      view.zoomTo(view.getHomeZoom() * to, null, true);
    }, zoom).catch(() => {});
    await settle(page);
    await set(page, "threshold", 500);
    await set(page, "opacity", 0);
    await stage(page, `${name}-slide`);
    await set(page, "opacity", 100);
    await stage(page, `${name}-heat`);
  }
  await page.keyboard.press("n");
  await page.waitForTimeout(900);
  seen.pressed = await page.$$eval("#tiles button", (all) => all.findIndex((e) => e.getAttribute("aria-pressed") === "true"));
  seen.centre = await page.evaluate(() => {
    const view = microtomePage.viewer.viewport, c = view.viewportToImageCoordinates(view.getCenter());
    return [c.x / microtomeCase.slide.scale_x, c.y / microtomeCase.slide.scale_y];
  });
  await page.click("#tiles li:nth-child(3) button");
  await page.waitForTimeout(900);
  seen.second = await page.$$eval("#tiles button", (all) => all.findIndex((e) => e.getAttribute("aria-pressed") === "true"));
  await set(page, "threshold", 0);
  await set(page, "colour", "viridis");
  await stage(page, "viridis");
  await page.selectOption("#language", "ko");
  seen.korean = await page.textContent("#purpose");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: `${pictures}/dark-korean.png` });
  await browser.close();
  console.log(JSON.stringify(seen));
}

main().catch((error) => { console.error(error); process.exit(1); });
