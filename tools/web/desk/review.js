// What people say about the case: their own opinion, agreement, comments, signature, and everything that was said before.
import { el, getJson, postJson, w, when } from "/assets/desk.js";

export function inWords(event) {
  const b = event.body || {};
  switch (event.kind) {
    case "decision": return `${w(b.agree ? "agree" : "disagree")}${b.label ? ` (${b.label})` : ""}${b.reason ? `: ${b.reason}` : ""}`;
    case "opinion": return `${w("opinion")}: ${b.label}${b.confidence !== undefined ? ` (${Math.round(100 * b.confidence)} %)` : ""}${b.note ? `: ${b.note}` : ""}`;
    case "region": return `${w("regions")}: ${b.geometry ? b.label || event.region : w("removeRegion")}`;
    case "comment": return b.text;
    case "sign": return `${w("signed")}${b.text ? `: ${b.text}` : ""}`;
    case "reopen": return `${w("reopen")}: ${b.reason}`;
    case "mask": return `${w("mask")} ${b.note ?? ""}`;
    case "revealed": return `${w("opened")} (${w("score")})`;
    default: return w(event.kind);
  }
}

export class Review {
  constructor(key, section, may, labels, onChange) {
    Object.assign(this, { key, section, may, labels, onChange, state: { version: 0, events: [], signed: false }, held: "" });
  }

  // others: somebody else spoke while this page was open.  It shows, but what is said here still answers to what was seen before: the server says
  // 409 once, with all that came between.
  async load(others = false) {
    const version = this.state.version;
    this.state = await getJson(`/api/cases/${this.key}/review`);
    this.latest = this.state.version;
    if (others)
      this.state.version = version;
    this.show();
    this.onChange(this.state);
  }

  // The version that was seen goes with every word: who spoke meanwhile is shown first.
  async send(kind, body, region) {
    try {
      await postJson(`/api/cases/${this.key}/review`, { kind, body, region }, { "If-Match": `"${this.state.version}"` });
      this.note = w("stored");
      await this.load();
      return true;
    } catch (refused) {
      const others = refused.data?.events ?? [], last = others[others.length - 1];
      this.note = last ? w("conflict", { user: last.user, what: inWords(last) }) : refused.message;
      if (refused.status === 409)
        await this.load();
      else
        this.show();
      return false;
    }
  }

  history() {
    const said = this.state.events.filter((e) => e.kind !== "opened" && e.kind !== "revealed");
    const list = el("ol", { id: "history" }, ...said.map((e) => el("li", {}, el("b", {}, e.user), ` ${when(e.at)}`, el("br"), inWords(e),
      e.before ? el("div", { class: "soft" }, w("before", { what: inWords({ ...e, body: e.before }) })) : undefined)));
    return said.length ? list : el("p", { class: "soft" }, w("nothingSaid"));
  }

  field(id, label, tag = "input", attributes = {}) {
    return el("div", {}, el("label", { for: id }, label), el(tag, { id, ...attributes }));
  }

  open() {
    const reason = this.field("reason", w("reason"), "textarea"), comment = this.field("comment", w("comment"), "textarea");
    const value = (id) => document.getElementById(id).value.trim();
    const button = (word, act, main) => el("button", { type: "button", id: `do-${word}`, class: main ? "main" : undefined, onclick: act }, w(word));
    return [reason, el("div", { class: "buttons" },
      button("agree", () => this.send("decision", value("reason") ? { agree: true, reason: value("reason") } : { agree: true }), true),
      button("disagree", () => {
        if (value("reason"))
          return this.send("decision", { agree: false, reason: value("reason") });
        this.note = w("reasonWanted");
        this.show();
        document.getElementById("reason").focus();
      })), comment, el("div", { class: "buttons" },
      button("addComment", () => value("comment") && this.send("comment", { text: value("comment") })),
      button("sign", () => this.send("sign", {})))];
  }

  opinionForm() {
    const choice = this.field("opinion-label", w("opinionLabel"), this.labels.length ? "select" : "input");
    for (const label of this.labels)
      choice.querySelector("select").append(new Option(label));
    return [el("p", {}, w("opinionHint")), choice, this.field("opinion-sure", w("confidence"), "input", { type: "number", min: 0, max: 100 }), this.field("opinion-note", w("comment"), "textarea"),
      el("button", { type: "button", class: "main", id: "give-opinion", onclick: async () => {
        const label = document.getElementById("opinion-label").value.trim(), sure = document.getElementById("opinion-sure").value, note = document.getElementById("opinion-note").value.trim();
        if (label && await this.send("opinion", { label, ...(sure ? { confidence: sure / 100 } : {}), ...(note ? { note } : {}) }))
          location.reload();
      } }, w("giveOpinion"))];
  }

  show() {
    const parts = [el("h2", {}, w(this.hidden ? "opinionFirst" : "reviewTitle")), el("p", { id: "review-note", role: "status", class: "warning" }, this.note ?? "")];
    if (this.may && this.state.signed)
      parts.push(el("p", {}, w("signedNote")), this.field("reopen-reason", w("reopenReason")), el("button", { type: "button", id: "do-reopen", onclick: () => {
        const reason = document.getElementById("reopen-reason").value.trim();
        return reason && this.send("reopen", { reason });
      } }, w("reopen")));
    else if (this.may)
      parts.push(...(this.hidden ? this.opinionForm() : this.open()));
    parts.push(el("h2", {}, w("history")), this.history());
    this.section.replaceChildren(...parts);
  }
}
