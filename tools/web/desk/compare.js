// Two studies or runs side by side: views that move together, maps, objects matched and their growth.
import { alarm, el, getJson, header, language, number, score, w } from "/assets/desk.js";
import { colour, drawHeat, readHeat } from "/assets/heat.js";
import { openView } from "/assets/viewer.js";

const [, , keyA, keyB] = location.pathname.split("/"), sides = [];
let linked = true, showHeat = true, moving = false;

function draw(side) {
  const canvas = side.over, scale = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * scale;
  canvas.height = canvas.clientHeight * scale;
  const place = (x, y) => { const p = side.view.place(x, y); return { x: p.x * scale, y: p.y * scale }; };
  if (side.view.shown && side.heat && showHeat && (!side.view.planes || side.heat.facts.plane === side.view.plane))
    drawHeat(canvas.getContext("2d"), side.heat, place, 1);
}

// The same share of each picture in both.
function follow(from) {
  draw(from);
  const to = sides.find((s) => s !== from);
  if (!linked || moving || !to?.view?.shown || !from.view.shown)
    return;
  moving = true;
  if (from.view.viewer && to.view.viewer) {
    to.view.viewer.viewport.zoomTo(from.view.viewer.viewport.getZoom(true), null, true);
    to.view.viewer.viewport.panTo(from.view.viewer.viewport.getCenter(true), true);
  } else if (from.view.planes && to.view.planes) {
    to.view.zoom = from.view.zoom;
    to.view.setPlane(Math.round(from.view.plane * to.view.planes / from.view.planes));
    to.view.draw();
  }
  draw(to);
  moving = false;
}

async function side(key, word) {
  const host = el("div"), over = el("canvas"), title = el("h2", {}, w(word)), verdict = el("p", { class: "soft" });
  document.getElementById("pair").append(el("section", { "aria-label": w(word) }, title, verdict, el("div", { class: "pane" }, host, over)));
  const found = await getJson(`/api/cases/${key}?language=${language}`), h = found.headline ?? {}, one = { over, found };
  title.replaceChildren(`${w(word)}: `, el("a", { href: `/case/${key}` }, found.id));
  verdict.textContent = [w(h.decision ?? "none"), typeof h.score === "number" ? score(h.score) : "", h.encoder, h.head, h.recipe_sha256?.slice(0, 12)].filter(Boolean).join(" · ");
  if (found.problem || !found.level0 || found.picture === "none")
    verdict.textContent += ` ${found.problem ?? w("noPicture")}`;
  else {
    one.view = openView(host, found, key, () => follow(one));
    one.heat = await readHeat(key, { label: found.label }).catch(() => null);
    if (one.heat)
      colour(one.heat, Uint8Array.from(atob(found.colours.heat ?? Object.values(found.colours)[0]), (c) => c.charCodeAt(0)), 0);
    sides.push(one);
    await one.view.ready;
    draw(one);
  }
}

function cell(value, digits = 3) { return typeof value === "number" ? number(value, digits) : ""; }

async function growth() {
  const section = document.getElementById("growth");
  try {
    const g = await getJson(`/api/compare/${keyA}/${keyB}?language=${language}`), rows = g.objects ?? g.rows ?? g.growth ?? [];
    section.append(el("h2", {}, w("growth")), el("table", {}, el("thead", {}, el("tr", {}, ...["object", "state", "diameter", "extent"].map((k) => el("th", { scope: "col" }, w(k))))),
      el("tbody", {}, ...rows.map((r) => el("tr", {}, el("td", {}, r.text ?? r.label ?? ""), el("td", {}, r.state ?? ""), el("td", {}, `${cell(r.change_mm)} mm (${cell(r.change_percent)} %)`), el("td", {}, `${cell(r.extent_percent)} %`))))));
    section.append(...(g.warnings ?? []).map((t) => el("p", { class: "warning" }, t)));
  } catch (refused) {
    section.append(el("p", { class: "soft" }, w("noGrowth", { why: refused.message })));
  }
}

async function start() {
  await header();
  const box = (text, value, act) => { const input = el("input", { type: "checkbox", onchange: () => act(input.checked) }); input.checked = value; return el("label", {}, input, text); };
  document.getElementById("tools").append(box(w("linked"), true, (v) => { linked = v; }), box(w("showHeat"), true, (v) => { showHeat = v; sides.forEach(draw); }));
  try {
    await Promise.all([side(keyA, "prior"), side(keyB, "current")]);
  } catch (refused) {
    alarm(refused.message);
  }
  await growth();
  document.documentElement.dataset.ready = "compare";
}

start();
