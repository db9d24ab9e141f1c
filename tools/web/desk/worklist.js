// Every case of the folder: sorted, searched, filtered; live while a batch runs.  Only the rows in view are in the page.
import { alarm, el, getJson, header, listen, number, percent, say, score as scoreText, w } from "/assets/desk.js";

const $ = (id) => document.getElementById(id), HEIGHT = 40, SPARE = 10;
const state = { rows: [], shown: [], at: 0, generation: -1, search: "", decision: "", review: "", columnState: "", byPatient: false, sort: "", down: false };
let extra = [];
try { extra = JSON.parse(localStorage.getItem("columns") || "[]"); } catch { /* private window */ }

const reviewed = (row) => row.review?.state ?? "unread";
const tag = (name, text) => el("span", { class: `tag ${name}` }, text ?? w(name));
const score = (row) => row.hidden ? w("hiddenScore") : row.score === undefined ? "" : row.score_low !== undefined ? `${scoreText(row.score)} (${number(row.score_low, 2)}–${number(row.score_high, 2)})` : scoreText(row.score);

// A column: words, what is shown, what is sorted by.
const COLUMNS = {
  case: { show: (r) => el("a", { href: `/case/${r.case}`, tabindex: "-1" }, r.id), by: (r) => r.id },
  patient: { show: (r) => r.patient ?? "", by: (r) => r.patient ?? "\uffff" },
  decision: { show: (r) => (r.decision ? tag(r.decision) : r.state === "failed" ? tag("failed") : r.state === "running" ? `${w("running")}${r.share !== undefined ? ` ${percent(r.share)}` : ""}` : r.state === "pending" ? w("pending") : ""), by: (r) => r.order },
  score: { show: score, by: (r) => -(r.score ?? -1) },
  status: { show: (r) => (r.state === "failed" ? r.reason ?? "" : r.withheld ? w("withheld") : r.status ? w(r.status) : ""), by: (r) => r.status ?? r.state },
  quality: { show: (r) => [r.audit ? w("audit") : "", r.discordant ? w("discordant") : "", r.invalid_tiles ? w("invalid", { n: r.invalid_tiles, all: r.tiles }) : ""].filter(Boolean).join("; "), by: (r) => (r.audit || r.discordant ? 0 : 1) },
  reviewed: { show: (r) => tag(reviewed(r)), by: reviewed },
  reviewerName: { show: (r) => r.review?.user ?? "", by: (r) => r.review?.user ?? "\uffff" }
};

function columns() {
  const named = extra.map((name) => [name, { show: (r) => r.columns?.[name] ?? "", by: (r) => r.columns?.[name] ?? "\uffff", own: true }]);
  return [...Object.entries(COLUMNS), ...(state.rows.some((r) => r.diagnosis) ? [["diagnosis", { show: (r) => r.diagnosis ?? "", by: (r) => r.diagnosis ?? "\uffff" }]] : []), ...named];
}

function heads() {
  const row = el("tr");
  for (const [name, column] of columns()) {
    const sorted = state.sort === name;
    row.append(el("th", { scope: "col", "aria-sort": sorted ? (state.down ? "descending" : "ascending") : "none" }, el("button", { type: "button", class: "head", onclick: () => {
      state.down = sorted && !state.down;
      state.sort = name;
      filter();
      heads();
    } }, `${column.own ? name : w(name)}${sorted ? (state.down ? " ▾" : " ▴") : ""}`)));
  }
  document.querySelector("#list thead").replaceChildren(row);
}

function matches(row) {
  const words = state.search.toLowerCase();
  return (!words || row.text.includes(words)) && (!state.decision || row.decision === state.decision) && (!state.review || reviewed(row) === state.review || (state.review === "audit" && row.audit && reviewed(row) !== "signed")) &&
    (!state.columnState || row.state === state.columnState);
}

// Of patients the most urgent case says where they stand; their other cases follow it.
function grouped(rows) {
  const patients = new Map();
  for (const row of rows) {
    const key = row.patient ?? `\u0000${row.id}`;
    patients.set(key, [...(patients.get(key) ?? []), row]);
  }
  return [...patients.values()].flat();
}

function filter() {
  const column = Object.fromEntries(columns())[state.sort], keep = state.shown[state.at]?.case;
  let rows = state.rows.filter(matches);
  if (column)
    rows = rows.map((r) => [column.by(r), r]).sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x.order - y.order) * (state.down ? -1 : 1)).map(([, r]) => r);
  state.shown = state.byPatient ? grouped(rows) : rows;
  state.at = Math.max(0, state.shown.findIndex((r) => r.case === keep));
  $("count").textContent = w("shown", { n: state.shown.length, all: state.rows.length });
  draw();
}

function drawRow(row, i) {
  const line = el("tr", { "aria-selected": i === state.at, "aria-rowindex": i + 2, "data-case": row.case, class: row.review?.state === "signed" ? "done" : undefined, onclick: () => { location.href = `/case/${row.case}`; } });
  const same = state.byPatient && i > 0 && row.patient && state.shown[i - 1].patient === row.patient;
  for (const [name, column] of columns())
    line.append(el("td", { class: name === "score" ? "number" : undefined }, name === "patient" && same ? "″" : column.show(row)));
  return line;
}

function draw() {
  const scroll = $("scroll"), body = document.querySelector("#list tbody"), first = Math.max(0, Math.floor(scroll.scrollTop / HEIGHT) - SPARE);
  const last = Math.min(state.shown.length, first + Math.ceil(scroll.clientHeight / HEIGHT) + 2 * SPARE), wide = columns().length;
  const gap = (rows) => { const cell = el("td", { colspan: wide }), line = el("tr", { "aria-hidden": "true", class: "gap" }, cell); cell.style.height = `${rows * HEIGHT}px`; return line; };
  body.replaceChildren(...(first > 0 ? [gap(first)] : []), ...state.shown.slice(first, last).map((row, i) => drawRow(row, first + i)), ...(last < state.shown.length ? [gap(state.shown.length - last)] : []));
  $("list").setAttribute("aria-rowcount", state.shown.length + 1);
}

function move(to) {
  const scroll = $("scroll");
  state.at = Math.min(Math.max(to, 0), state.shown.length - 1);
  const top = state.at * HEIGHT, head = 40;
  if (top < scroll.scrollTop)
    scroll.scrollTop = top;
  else if (top + HEIGHT + head > scroll.scrollTop + scroll.clientHeight)
    scroll.scrollTop = top + HEIGHT + head - scroll.clientHeight;
  draw();
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey)
    return;
  if (/^(INPUT|SELECT)$/.test(event.target.tagName)) {
    if (event.key === "Escape")
      $("scroll").focus();
    return;
  }
  const page = Math.max(1, Math.floor($("scroll").clientHeight / HEIGHT) - 2);
  const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  if (event.key in steps) {
    event.preventDefault();
    move(state.at + steps[event.key]);
  } else if (event.key === "Enter" && event.target.tagName !== "BUTTON" && event.target.tagName !== "A" && state.shown[state.at])
    location.href = `/case/${state.shown[state.at].case}`;
  else if (event.key === "/") {
    event.preventDefault();
    $("search").focus();
  }
}

function choice(id, word, names, act) {
  const select = el("select", { id, onchange: () => { act(select.value); filter(); } }, new Option(w("all"), ""), ...names.map((n) => new Option(w(n), n)));
  return el("label", {}, w(word), select);
}

function filters() {
  const search = el("input", { id: "search", type: "search", placeholder: w("searchHint"), oninput: () => { state.search = search.value; filter(); } });
  const patients = el("input", { type: "checkbox", id: "by-patient", onchange: () => { state.byPatient = patients.checked; filter(); } });
  const more = el("select", { id: "columns", onchange: () => {
    extra = extra.includes(more.value) ? extra.filter((n) => n !== more.value) : [...extra, more.value];
    try { localStorage.setItem("columns", JSON.stringify(extra)); } catch { /* private window */ }
    more.value = "";
    heads();
    draw();
  } });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").replaceChildren(el("label", {}, w("search"), search), choice("decision", "filterDecision", ["urgent", "review", "clear", "none"], (v) => { state.decision = v; }),
    choice("review", "filterReview", ["unread", "opened", "opinion", "agreed", "disagreed", "signed", "audit"], (v) => { state.review = v; }), choice("state", "filterState", ["done", "failed", "running", "pending"], (v) => { state.columnState = v; }),
    el("label", {}, patients, w("byPatient")), el("label", {}, w("columns"), more));
}

async function load() {
  const list = await getJson("/api/worklist");
  state.rows = list.rows.map((row, order) => ({ ...row, order, text: [row.id, row.patient, row.status, row.reason, row.diagnosis, row.review?.user, ...Object.values(row.columns ?? {})].join("\n").toLowerCase() }));
  $("live").hidden = !list.live;
  const names = [...new Set(state.rows.flatMap((r) => Object.keys(r.columns ?? {})))].sort();
  $("columns").replaceChildren(new Option("…", ""), ...names.map((n) => new Option(n)));
  if (state.rows.some((r) => r.demonstration)) {
    $("purpose").textContent = w("demonstration");
    $("footer").classList.add("demonstration");
  }
  heads();
  filter();
}

// Many changes at once are one look.
let waiting = null;
const again = () => { waiting ??= setTimeout(async () => { waiting = null; await load().catch((refused) => alarm(refused.message)); }, 700); };

await header();
document.title = `microtome: ${w("worklist")}`;
say();
filters();
await load().catch((refused) => alarm(refused.message));
$("scroll").addEventListener("scroll", draw);
new ResizeObserver(draw).observe($("scroll"));
document.addEventListener("keydown", keys);
listen({ worklist: again, review: again });
window.deskPage = { state };
document.documentElement.dataset.ready = "worklist";
