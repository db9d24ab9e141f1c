// The page of one case: its picture, what the model says, what people say.
import { alarm, el, getJson, header, language, listen, number, score as scoreText, w } from "/assets/desk.js";
import { colour, drawBar, drawHeat, numberAt, readHeat, UNREAD, VALUE } from "/assets/heat.js";
import { boxGeometry, boxOf, Drawer, drawGeometry, regionItem, sizeOf, standing } from "/assets/regions.js";
import { Review } from "/assets/review.js";
import { openView } from "/assets/viewer.js";

const key = location.pathname.split("/")[2], $ = (id) => document.getElementById(id), api = `/api/cases/${key}`;
const state = { heat: null, opacity: 0.6, threshold: 0, colour: "", showHeat: true, showTissue: false, showRegions: true, chosen: -1, regions: [], label: "", source: "auto", scale: "absolute", waiting: null };
const heats = new Map();
let found, view, drawer, review, who;

const table = () => Uint8Array.from(atob(found.colours[state.colour]), (c) => c.charCodeAt(0));
const places = () => (state.heat ? [...state.heat.facts.top.map((t) => [t.x, t.y, t.x + state.heat.facts.tile[0], t.y + state.heat.facts.tile[1]]), ...state.heat.facts.regions.map((r) => r.box)] : []);

function draw() {
  const over = $("overlay"), scale = window.devicePixelRatio || 1, width = Math.round($("stage").clientWidth * scale), height = Math.round($("stage").clientHeight * scale);
  if (over.width !== width || over.height !== height)
    [over.width, over.height] = [width, height];
  const context = over.getContext("2d");
  context.clearRect(0, 0, width, height);
  if (!view?.shown)
    return;
  const place = (x, y) => { const p = view.place(x, y); return { x: p.x * scale, y: p.y * scale }; };
  const onPlane = !view.planes || !state.heat || state.heat.facts.plane === view.plane;
  if (state.heat?.picture && state.showHeat && onPlane)
    drawHeat(context, state.heat, place, state.opacity);
  if (state.showTissue)
    drawTissue(context, place, scale);
  if (state.showRegions)
    for (const region of state.regions.filter((r) => !view.planes || (r.plane ?? 0) === view.plane))
      drawGeometry(context, region.geometry, place, "#0b57a4", scale, `${region.label || ""} ${sizeOf(region.geometry, found.mpp)}`.trim());
  const unfinished = drawer?.unfinished ?? state.waiting;
  if (unfinished)
    drawGeometry(context, unfinished, place, "#b3182a", scale, sizeOf(unfinished, found.mpp));
  if (state.chosen >= 0 && onPlane && places()[state.chosen])
    drawGeometry(context, boxGeometry(places()[state.chosen]), place, "#b3182a", scale);
  scaleBar();
}

function drawTissue(context, place, scale) {
  context.strokeStyle = "#0f6b3c";
  context.lineWidth = 2 * scale;
  context.beginPath();
  for (const ring of found.tissue)
    ring.forEach(([x, y], i) => { const p = place(x, y); if (i) context.lineTo(p.x, p.y); else context.moveTo(p.x, p.y); });
  context.stroke();
}

// 1, 2 or 5 times a power of ten, at most a quarter of the view.
function scaleBar() {
  if (!found.mpp)
    return;
  const px = Math.abs(view.place(1000, 0).x - view.place(0, 0).x) / 1000 / found.mpp[0], most = $("stage").clientWidth / 4 / px;
  const ten = 10 ** Math.floor(Math.log10(most)), um = [5, 2, 1].find((k) => k * ten <= most) * ten;
  $("scale-bar").style.width = `${um * px}px`;
  $("scale-bar").textContent = um >= 1000 ? `${number(um / 1000)} mm` : `${number(um)} µm`;
}

function readout(event) {
  const frame = $("stage").getBoundingClientRect(), at = view.at(event.clientX - frame.left, event.clientY - frame.top);
  const inside = at.x >= 0 && at.y >= 0 && at.x < found.level0[0] && at.y < found.level0[1];
  let text = inside ? `x ${Math.floor(at.x)}, y ${Math.floor(at.y)}` : "";
  if (inside && state.heat) {
    const f = state.heat.facts, i = Math.floor(at.y / f.px_level0) * f.width + Math.floor(at.x / f.px_level0), what = state.heat.states[i];
    text += `: ${what === VALUE ? number(numberAt(state.heat, state.heat.values[i])) : what === UNREAD ? w("notRead") : w("noTissue")}`;
  }
  $("readout").textContent = text;
}

function fly(box, around) { view.fly(box, around); draw(); }

async function choose(i) {
  const all = places();
  if (!all.length)
    return;
  state.chosen = (i + all.length) % all.length;
  document.querySelectorAll("#strip button, #hot button").forEach((b, k) => b.setAttribute("aria-pressed", k === state.chosen));
  const tile = state.heat.facts.top[state.chosen];
  if (view.planes && tile)
    await view.setPlane(tile.plane);
  fly(all[state.chosen], tile ? 1.5 : 0.25);
}

function recolour() {
  if (!state.heat)
    return;
  colour(state.heat, table(), state.threshold);
  drawBar($("bar"), state.heat, table(), state.threshold, state.opacity);
  draw();
}

// The engine's English in the reader's language, where there is a phrase for it; what stands in quotes stays.
function said(phrase) {
  const phrases = window.microtomeWords?.[language]?.phrases ?? {}, quoted = /“(.*)”/s.exec(phrase), found = phrases[quoted ? phrase.replace(quoted[0], "“”") : phrase];
  return !found ? phrase : quoted ? found.replace("“”", () => quoted[0]) : found;
}

function showHeat() {
  const f = state.heat.facts;
  $("map-section").hidden = false;
  $("map-title").textContent = said(f.title);
  $("meaning").textContent = `${said(f.meaning)}; ${said(f.scale)}${f.plane > 0 ? ` · ${w("plane")} ${f.plane + 1}` : ""}`;
  $("ticks").replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((share) => el("li", {}, number(numberAt(state.heat, share)))));
  $("unread").hidden = f.read >= f.tiles;
  $("unread-words").textContent = w("unreadTiles", { n: f.tiles - f.read, all: f.tiles });
  const item = (i, ...content) => el("li", {}, el("button", { type: "button", "aria-pressed": "false", onclick: () => choose(i) }, ...content));
  $("strip").replaceChildren(...f.top.slice(0, 16).map((t, i) => item(i, el("img", { src: `${api}/tile/${t.index}.jpg?${heatQuery()}`, alt: "", loading: "lazy" }), `${i + 1}. ${number(t.number)}`)));
  $("strip").hidden = !f.top.length;
  $("hot-section").hidden = !f.regions.length;
  $("hot").replaceChildren(...f.regions.slice(0, 10).map((r, k) => item(f.top.slice(0, 16).length + k, r.area_mm2 !== undefined ? `${number(r.area_mm2, 3)} mm²` : `${number(r.area_px, 3)} px²`, ` · ${w("mean")} ${number(r.mean, 3)}`)));
  state.heat.facts.top = f.top.slice(0, 16);
  state.chosen = -1;
  recolour();
}

function heatQuery() {
  const query = new URLSearchParams({ source: state.source, scale: state.scale });
  if (state.label)
    query.set("label", state.label);
  return query;
}

// Each map is asked for once.
async function loadHeat() {
  const name = heatQuery().toString();
  try {
    if (!heats.has(name))
      heats.set(name, await readHeat(key, state));
    state.heat = heats.get(name);
    showHeat();
  } catch (refused) {
    state.heat = null;
    $("meaning").textContent = w("noMap", { why: refused.message });
    $("map-section").hidden = false;
    draw();
  }
  document.documentElement.dataset.ready = "map";
}

function slider(id, word, max, value, act) {
  const out = el("output", { id: `${id}-value` }), input = el("input", { id, type: "range", min: 0, max, value });
  const show = () => { out.textContent = id === "opacity" ? `${Math.round(input.value / max * 100)} %` : number(numberAt(state.heat, input.value / max)); };
  input.addEventListener("input", () => { act(input.value / max); if (state.heat) show(); });
  if (id === "opacity")
    show();
  return [el("label", { for: id }, el("span", {}, w(word)), out), input];
}

function choice(id, word, names, value, act) {
  const select = el("select", { id, onchange: () => act(select.value) });
  for (const [name, text] of names)
    select.append(new Option(text, name, false, name === value));
  return names.length > 1 ? [el("label", { for: id }, w(word)), select] : [];
}

function controls() {
  state.colour = "heat" in found.colours ? "heat" : Object.keys(found.colours)[0];
  $("controls").replaceChildren(
    ...slider("opacity", "opacity", 100, 60, (v) => { state.opacity = v; recolour(); }), ...slider("threshold", "threshold", 1000, 0, (v) => { state.threshold = v; recolour(); }),
    ...choice("colour", "colours", Object.keys(found.colours).map((n) => [n, n]), state.colour, (v) => { state.colour = v; recolour(); }),
    ...choice("label", "label", (found.labels ?? []).map((n) => [n, n]), state.label, (v) => { state.label = v; loadHeat(); }),
    ...choice("source", "map", ["auto", ...(found.maps ?? [])].map((n) => [n, n]), "auto", (v) => { state.source = v; loadHeat(); }),
    ...choice("scale", "scale", [["absolute", w("absolute")], ["percentile", w("percentile")]], "absolute", (v) => { state.scale = v; loadHeat(); }));
}

function toggle(id, word, name) {
  const box = el("input", { type: "checkbox", id, onchange: () => { state[name] = box.checked; draw(); } });
  box.checked = state[name];
  return el("label", {}, box, w(word));
}

function tools() {
  const label = el("input", { id: "region-label", "aria-label": w("regionLabel"), placeholder: w("regionLabel"), size: 14 });
  const save = el("button", { type: "button", id: "save-region", class: "main", hidden: true, onclick: async () => {
    const body = { geometry: state.waiting, plane: view.plane ?? 0, label: label.value.trim() || w("regions") };
    if (await review.send("region", body, crypto.randomUUID?.() ?? `r${Date.now()}`))
      state.waiting = null;
    save.hidden = !state.waiting;
    draw();
  } }, w("saveRegion"));
  const hint = el("span", { class: "soft", role: "status" });
  drawer = new Drawer($("overlay"), view, draw, (geometry) => { state.waiting = geometry; save.hidden = !geometry; hint.textContent = ""; draw(); if (geometry) label.focus(); });
  const start = (kind, word) => el("button", { type: "button", id: `draw-${kind}`, onclick: () => { hint.textContent = w("drawHint"); drawer.start(kind); } }, w(word));
  const mark = el("button", { type: "button", id: "mark-tile", onclick: () => { const box = places()[Math.max(state.chosen, 0)]; if (box) drawer.stop(boxGeometry(box)); } }, w("markTile"));
  $("tools").replaceChildren(toggle("show-heat", "showHeat", "showHeat"), toggle("show-tissue", "showTissue", "showTissue"), toggle("show-regions", "showRegions", "showRegions"),
    ...(who.role === "viewer" ? [start("line", "drawLine")] : [start("line", "drawLine"), start("point", "drawPoint"), start("box", "drawBox"), start("polygon", "drawPolygon"), mark, label, save]), hint);
}

// Window, mask and planes of what is no 8-bit picture.
async function planeTools() {
  if (!view.planes)
    return;
  await view.ready;
  const presets = { CT: { "": null, "soft tissue": [40, 400], lung: [-600, 1500], bone: [300, 1500], brain: [40, 80] } }[view.facts?.modality] ?? {};
  const plane = el("input", { type: "range", id: "plane", min: 0, max: view.planes - 1, value: view.plane, "aria-label": w("plane"), oninput: () => view.setPlane(Number(plane.value)) }), where = el("output");
  const centre = el("input", { type: "number", id: "window-centre", oninput: () => view.setWindow(Number(centre.value), view.window[1]) });
  const width = el("input", { type: "number", id: "window-width", min: 1, oninput: () => view.setWindow(view.window[0], Number(width.value)) });
  const preset = el("select", { "aria-label": w("preset"), onchange: () => presets[preset.value] && view.setWindow(...presets[preset.value]) }, ...Object.keys(presets).map((n) => new Option(n || w("preset"), n)));
  view.onPlane = (n) => { plane.value = n; where.textContent = `${n + 1} / ${view.planes}`; draw(); };
  view.onWindow = ([c, s]) => { centre.value = Math.round(c); width.value = Math.round(s); };
  view.masks = (found.maps ?? []).includes("segmentation");
  await view.readMask();
  const mask = el("input", { type: "checkbox", id: "show-mask", onchange: () => { view.showMask = mask.checked; view.draw(); } });
  mask.checked = true;
  $("plane-tools").replaceChildren(...(view.planes > 1 ? [el("label", {}, w("plane"), plane, where)] : []), el("label", {}, w("windowCentre"), centre), el("label", {}, w("windowWidth"), width),
    ...(Object.keys(presets).length ? [preset] : []), ...(view.masks ? [el("label", {}, mask, w("mask"))] : []));
  $("plane-tools").hidden = false;
  const sides = view.facts.edges, [fx, fy] = view.flip;
  if (sides)
    $("sides").replaceChildren(...[fx ? sides[1] : sides[0], fx ? sides[0] : sides[1], fy ? sides[3] : sides[2], fy ? sides[2] : sides[3]].map((s) => el("span", {}, s)));
  view.onPlane(view.plane);
  view.onWindow(view.window);
  view.draw();
}

function verdict() {
  const h = found.headline ?? {}, score = h.score, label = h.positive ?? "";
  $("title").textContent = found.id;
  document.title = `${found.id}: microtome`;
  if (found.hidden)
    $("verdict").textContent = w("hiddenScore");
  else if (typeof score !== "number")
    $("verdict").textContent = w("noScore");
  else
    $("verdict").replaceChildren(el("span", { class: `tag ${h.decision}` }, w(h.decision ?? "none")), " ", typeof h.threshold === "number"
      ? w(score >= h.threshold ? "aboveThreshold" : "belowThreshold", { score: scoreText(score), label, threshold: number(h.threshold) }) : w("noThreshold", { score: scoreText(score), label }));
  const notes = [h.withheld ? w("withheldNote", { why: h.withheld }) : "", h.status && !["ok", "withheld"].includes(h.status) ? w(h.status) : "", h.audit ? w("audit") : "",
    h.invalid_tiles ? w("invalid", { n: h.invalid_tiles, all: h.tiles }) : "", found.picture_problem ? w("storedPicture", { why: found.picture_problem }) : ""];
  $("note").textContent = notes.filter(Boolean).join(" · ");
  for (const question of ["what", "where", "size", "sure", "limits", "change", "next"])
    if (found.impression?.[question]?.length)
      $("impression").append(el("h2", {}, w(question)), ...found.impression[question].map((sentence) => el("p", {}, sentence)));
  $("purpose").textContent = w(h.demonstration ? "demonstration" : "purpose");
  $("footer").classList.toggle("demonstration", Boolean(h.demonstration));
  $("version").textContent = `microtome ${who.version}`;
}

function facts() {
  const h = found.headline ?? {}, p = found.provenance ?? {};
  const rows = { encoder: h.encoder, head: h.head, precision: h.precision, "recipe SHA-256": h.recipe_sha256, "model SHA-256": h.model_sha256, "head SHA-256": h.head_sha256, "input SHA-256": h.input_sha256,
    engine: [p.engine, p.engine_version].filter(Boolean).join(" "), "µm/px": found.mpp?.map((v) => number(v)).join(" x "), tissue: h.tissue_mm2 ? `${number(h.tissue_mm2, 3)} mm²` : undefined, tiles: h.tiles,
    ...Object.fromEntries(Object.entries(found.columns ?? {}).filter(() => !found.hidden)), ...(found.diagnosis ? { [w("diagnosis")]: found.diagnosis } : {}) };
  for (const [name, value] of Object.entries(rows))
    if (value !== undefined && value !== null && value !== "")
      $("facts").append(el("dt", {}, name), el("dd", {}, String(value)));
}

function downloads() {
  const files = { overlayPng: "overlay.png", heatGeojson: "heat.geojson", heatCsv: "heat.csv", regionsGeojson: "regions.geojson", reportPdf: `report.pdf?language=${language}`, reportHtml: `report.html?language=${language}`, srDcm: "sr.dcm" };
  $("downloads").replaceChildren(...Object.entries(files).filter(([word]) => !found.hidden || word === "regionsGeojson").map(([word, file]) => el("li", {}, el("a", { href: `${api}/${file}`, download: word === "reportHtml" ? undefined : "" }, w(word)))));
}

async function neighbours() {
  const others = (found.patient_cases ?? []).filter((c) => c.case !== key);
  const decided = (c) => (c.decision ? el("span", { class: `tag ${c.decision}` }, w(c.decision)) : "");
  $("patient-section").hidden = !others.length;
  $("patient-cases").append(...others.map((c) => el("li", {}, el("a", { href: `/case/${c.case}` }, c.id), " ", decided(c), c.score !== undefined ? ` ${scoreText(c.score)} ` : " ", el("a", { href: `/compare/${c.case}/${key}`, "aria-label": `${w("compareWith")} ${c.id}` }, w("compareWith")))));
  const like = found.hidden ? null : await getJson(`${api}/similar`).catch(() => null);
  $("similar-section").hidden = !like?.hits?.length;
  $("similar").append(...(like?.hits ?? []).map((c) => el("li", {}, c.case ? el("a", { href: `/case/${c.case}` }, c.id) : c.id, " ", decided(c), el("span", { class: "soft" }, ` ${w("sameAs", { n: number(c.score, 3) })} `),
    c.case ? el("a", { href: `/compare/${c.case}/${key}`, "aria-label": `${w("compareWith")} ${c.id}` }, w("compareWith")) : "")));
}

function showFindings() {
  const list = found.findings?.findings ?? [], measures = found.findings?.measures ?? [];
  $("finding-section").hidden = !list.length && !measures.length;
  $("findings").replaceChildren(...list.slice(0, 50).map((f) => el("li", {}, f.box ? el("button", { type: "button", onclick: async () => {
    if (view.planes)
      await view.setPlane(Math.round(f.centre?.[2] ?? f.box[2]));
    fly([f.box[0], f.box[1], f.box[3], f.box[4]], 0.5);
  } }, f.text ?? f.label) : f.text ?? f.label)), ...measures.map((m) => el("li", {}, m.text ?? `${m.name} ${number(m.value)} ${m.unit ?? ""}`)));
}

function takeReview({ events }) {
  state.regions = standing(events);
  $("region-list").replaceChildren(...(state.regions.length ? state.regions.map((r) => regionItem(r, found.mpp, async () => { if (view.planes) await view.setPlane(r.plane ?? 0); fly(boxOf(r.geometry), 0.5); },
    who.role !== "viewer" && !review.state.signed ? () => review.send("region", { geometry: null }, r.region) : null)) : [el("li", { class: "soft" }, w("noRegions"))]));
  draw();
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName))
    return;
  if (event.key === "n" || event.key === "p")
    choose(state.chosen + (event.key === "n" ? 1 : state.chosen < 0 ? 0 : -1));
  else if (event.key === "h")
    $("show-heat").click();
  else if (event.key === "Escape" && drawer?.kind)
    drawer.stop(null);
  else if (event.key === "Enter" && drawer?.kind)
    drawer.end();
}

async function start() {
  who = await header();
  try {
    found = await getJson(`${api}?language=${language}`);
  } catch (refused) {
    alarm(refused.status === 404 ? w("gone") : refused.message);
    document.documentElement.dataset.ready = "trouble";
    return;
  }
  verdict();
  facts();
  downloads();
  review = new Review(key, $("review"), who.role !== "viewer", found.all_labels ?? found.labels ?? [], takeReview);
  review.hidden = found.hidden;
  if (found.problem)
    alarm(w("problem", { why: found.problem }));
  else if (found.picture === "none" || !found.level0)
    $("note").textContent += ` ${w("noPicture")}`;
  if (found.level0 && found.picture && found.picture !== "none") {
    view = openView($("viewer"), found, key, draw, "navigator");
    $("stage").addEventListener("pointermove", readout);
    tools();
    new ResizeObserver(draw).observe($("stage"));
  }
  await review.load();
  window.deskPage = { view, state, found, review, get place() { return (x, y) => view.place(x, y); } };
  document.addEventListener("keydown", keys);
  showFindings();
  state.label = found.label ?? "";
  if (view && !found.hidden && !found.no_map && found.maps?.length) {
    controls();
    await Promise.all([view.ready, loadHeat()]);
  } else
    document.documentElement.dataset.ready = found.problem ? "trouble" : "case";
  await view?.ready;
  draw();
  planeTools();
  neighbours();
  listen({ review: (e) => { if (e.case === key && e.version > review.latest && !document.activeElement?.closest("#review")) review.load(true); } });
}

start();
