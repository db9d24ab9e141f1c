// What all pages of the desk share: words, requests, the bar on top.
import { words } from "/assets/words.js";

const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private window */ } };

export const language = stored("language") in words ? stored("language") : (navigator.language || "en").slice(0, 2) in words ? navigator.language.slice(0, 2) : "en";
document.documentElement.lang = language;
if (stored("theme"))
  document.documentElement.dataset.theme = stored("theme");

// The words for a key, {name} replaced.
export function w(key, values = {}) {
  const text = words[language][key] ?? words.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
}

// The words into what asks for them: data-word its text, data-label its label.
export function say(root = document) {
  root.querySelectorAll("[data-word]").forEach((e) => { e.textContent = w(e.dataset.word); });
  root.querySelectorAll("[data-label]").forEach((e) => { e.setAttribute("aria-label", w(e.dataset.label)); });
}

export const number = (value, digits = 4) => (Math.abs(value) < 1e-12 ? 0 : value).toLocaleString("en", { maximumSignificantDigits: digits, useGrouping: false });

// A score between 0 and 1, neither of which it seems to be when it is not.
export const score = (value) => (value > 0 && value < 0.0001 ? "< 0.0001" : value < 1 && value > 0.9999 ? "> 0.9999" : number(value));

// Never 0 or 100 % of what is neither.
export function percent(value) {
  return value > 0 && value < 0.001 ? "< 0.1 %" : value < 1 && value > 0.999 ? "> 99.9 %" : `${number(100 * value, 3)} %`;
}

export const when = (at) => new Date(at).toLocaleString(language === "ko" ? "ko-KR" : "en-GB", { dateStyle: "medium", timeStyle: "short" });

export function el(tag, attributes = {}, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (name.startsWith("on"))
      element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false && value !== null)
      element.setAttribute(name, value === true ? "" : value);
  element.append(...content.filter((c) => c !== undefined && c !== null));
  return element;
}

export class Refused extends Error {
  constructor(status, data) {
    super(data.error || `HTTP ${status}`);
    this.status = status;
    this.data = data;
  }
}

async function answered(response) {
  if (response.status === 401 && location.pathname !== "/login") {
    location.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    await new Promise(() => {});
  }
  if (!response.ok)
    throw new Refused(response.status, await response.json().catch(() => ({})));
  return response;
}

// A server that has too much to do says when to come again.
export async function get(path) {
  for (let tries = 0; ; tries++) {
    const response = await fetch(path);
    if (response.status !== 503 || tries === 4)
      return answered(response);
    await new Promise((resume) => setTimeout(resume, 1000 * (Number(response.headers.get("Retry-After")) || 1)));
  }
}

export const getJson = async (path) => (await get(path)).json();

export async function postJson(path, body, headers = {}) {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
  return (await answered(response)).json();
}

// A line of JSON, then packed bytes.
export async function getPacked(path) {
  const all = new Uint8Array(await (await get(path)).arrayBuffer()), end = all.indexOf(10);
  const facts = JSON.parse(new TextDecoder().decode(all.subarray(0, end)));
  const stream = new Blob([all.subarray(end + 1)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return { facts, bytes: new Uint8Array(await new Response(stream).arrayBuffer()) };
}

let asked;
export const me = () => (asked ??= getJson("/api/me"));

export function alarm(text) {
  const place = document.getElementById("trouble");
  if (place)
    place.textContent = text || "";
}

// The bar on top, in <header id="bar-top">.
export async function header() {
  const who = await me(), bar = document.getElementById("bar-top");
  const theme = el("button", { type: "button", onclick: () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    keep("theme", dark ? "light" : "dark");
  } }, w("theme"));
  const choice = el("select", { "aria-label": w("language"), onchange: () => { keep("language", choice.value); location.reload(); } });
  for (const [code, table] of Object.entries(words))
    choice.append(new Option(table.own, code, false, code === language));
  const out = el("button", { type: "button", onclick: async () => { await postJson("/api/logout", {}); location.href = "/login"; } }, w("logout"));
  bar.replaceChildren(el("a", { class: "skip", href: "#main" }, w("skip")), el("strong", {}, "microtome"),
    el("nav", { "aria-label": w("navigation") }, el("a", { href: "/" }, w("worklist")), el("a", { href: `/api/board.html?language=${language}` }, w("board"))),
    el("div", { class: "tools" }, el("span", {}, `${who.user} · ${w(who.role)}`), choice, theme, who.users ? out : undefined));
  say();
  return who;
}

export function listen(handlers) {
  const source = new EventSource("/api/events");
  for (const [name, handler] of Object.entries(handlers))
    source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
  return source;
}
