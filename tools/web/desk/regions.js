// Points, lines, outlines and boxes that people draw, in level-0 px; a line says its length.
import { el, number, w } from "/assets/desk.js";

export function lengthOf(coordinates, mpp) {
  let sum = 0;
  for (let i = 1; i < coordinates.length; i++)
    sum += Math.hypot((coordinates[i][0] - coordinates[i - 1][0]) * (mpp?.[0] ?? 1), (coordinates[i][1] - coordinates[i - 1][1]) * (mpp?.[1] ?? 1));
  return mpp ? (sum >= 1000 ? `${number(sum / 1000, 3)} mm` : `${number(sum, 3)} µm`) : `${number(sum, 4)} px`;
}

function areaOf(ring, mpp) {
  let twice = 0;
  for (let i = 0, k = ring.length - 1; i < ring.length; k = i++)
    twice += ring[k][0] * ring[i][1] - ring[i][0] * ring[k][1];
  const area = Math.abs(twice / 2) * (mpp ? mpp[0] * mpp[1] / 1e6 : 1);
  return `${number(area, 3)} ${mpp ? "mm²" : "px²"}`;
}

export function sizeOf(geometry, mpp) {
  return geometry.type === "LineString" ? lengthOf(geometry.coordinates, mpp) : geometry.type === "Polygon" ? areaOf(geometry.coordinates[0], mpp) : "";
}

export function boxOf(geometry) {
  const points = geometry.type === "Point" ? [geometry.coordinates] : geometry.type === "Polygon" ? geometry.coordinates[0] : geometry.coordinates;
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]), spare = geometry.type === "Point" ? 200 : 0;
  return [Math.min(...xs) - spare, Math.min(...ys) - spare, Math.max(...xs) + spare, Math.max(...ys) + spare];
}

export const boxGeometry = ([l, t, r, b]) => ({ type: "Polygon", coordinates: [[[l, t], [r, t], [r, b], [l, b], [l, t]]] });

export function drawGeometry(context, geometry, place, colour, scale, text) {
  const points = (geometry.type === "Point" ? [geometry.coordinates] : geometry.type === "Polygon" ? geometry.coordinates[0] : geometry.coordinates).map(([x, y]) => place(x, y));
  for (const [ink, thick] of [["#fff", 5], [colour, 2.5]]) {
    context.strokeStyle = ink;
    context.lineWidth = thick * scale;
    context.beginPath();
    if (geometry.type === "Point")
      context.arc(points[0].x, points[0].y, 7 * scale, 0, 7);
    else
      points.forEach((p, i) => (i ? context.lineTo(p.x, p.y) : context.moveTo(p.x, p.y)));
    context.stroke();
  }
  if (!text)
    return;
  context.font = `${13 * scale}px system-ui, sans-serif`;
  const at = points[points.length - 1], width = context.measureText(text).width;
  context.fillStyle = "rgba(255,255,255,.9)";
  context.fillRect(at.x + 8 * scale, at.y - 18 * scale, width + 8 * scale, 18 * scale);
  context.fillStyle = "#18202e";
  context.fillText(text, at.x + 12 * scale, at.y - 4 * scale);
}

// Draws on `overlay` (which takes the pointer meanwhile) and hands a geometry to `done`; null: given up.
export class Drawer {
  constructor(overlay, view, redraw, done) {
    Object.assign(this, { overlay, view, redraw, done, kind: null, points: [] });
    overlay.addEventListener("pointerdown", (e) => this.down(e));
    overlay.addEventListener("pointermove", (e) => this.move(e));
    overlay.addEventListener("pointerup", (e) => this.up(e));
    overlay.addEventListener("dblclick", (e) => { e.preventDefault(); this.end(); });
  }

  start(kind) {
    Object.assign(this, { kind, points: [], loose: null });
    this.overlay.classList.add("drawing");
    this.view.setDrawing(true);
  }

  stop(geometry) {
    this.kind = null;
    this.points = [];
    this.overlay.classList.remove("drawing");
    this.view.setDrawing(false);
    this.redraw();
    this.done(geometry);
  }

  at(event) {
    const frame = this.overlay.getBoundingClientRect(), p = this.view.at(event.clientX - frame.left, event.clientY - frame.top);
    return [Math.round(p.x * 10) / 10, Math.round(p.y * 10) / 10];
  }

  down(event) {
    const p = this.at(event), last = this.points[this.points.length - 1];
    if (this.kind === "point")
      this.stop({ type: "Point", coordinates: p });
    else if (!last || last[0] !== p[0] || last[1] !== p[1])
      this.points.push(p);
  }

  move(event) {
    if (!this.kind || !this.points.length)
      return;
    this.loose = this.at(event);
    this.redraw();
  }

  up(event) {
    const p = this.at(event), first = this.points[0];
    if (this.kind !== "box" && this.kind !== "line" || !first)
      return;
    const a = this.view.place(...first), b = this.view.place(...p);
    if (Math.hypot(a.x - b.x, a.y - b.y) < 4)
      return; // a click: the second one ends it
    this.points.push(p);
    this.end();
  }

  end() {
    if (!this.kind)
      return;
    const p = this.points;
    if (this.kind === "box" && p.length >= 2)
      this.stop(boxGeometry([Math.min(p[0][0], p[1][0]), Math.min(p[0][1], p[1][1]), Math.max(p[0][0], p[1][0]), Math.max(p[0][1], p[1][1])]));
    else if (this.kind === "line" && p.length >= 2)
      this.stop({ type: "LineString", coordinates: p });
    else if (this.kind === "polygon" && p.length >= 3)
      this.stop({ type: "Polygon", coordinates: [[...p, p[0]]] });
    else
      this.stop(null);
  }

  get unfinished() {
    const p = this.loose ? [...this.points, this.loose] : this.points;
    if (!this.kind || !p.length)
      return null;
    return this.kind === "box" && p.length >= 2 ? boxGeometry([p[0][0], p[0][1], p[p.length - 1][0], p[p.length - 1][1]]) : { type: "LineString", coordinates: p };
  }
}

// Regions as they stand: the last word on each.
export function standing(events) {
  const regions = new Map();
  for (const e of events)
    if (e.kind === "region")
      if (e.body.geometry)
        regions.set(e.region, { ...e.body, region: e.region, user: e.user, at: e.at });
      else
        regions.delete(e.region);
  return [...regions.values()];
}

export function regionItem(region, mpp, fly, remove) {
  return el("li", {}, el("b", {}, region.label || w("regions")), ` ${sizeOf(region.geometry, mpp)} `, el("span", { class: "soft" }, `${region.user} ${region.note ?? ""}`), el("br"),
    el("button", { type: "button", onclick: fly, "aria-label": `${w("flyRegion")}: ${region.label ?? ""}` }, w("flyRegion")), " ",
    remove ? el("button", { type: "button", onclick: remove, "aria-label": `${w("removeRegion")}: ${region.label ?? ""}` }, w("removeRegion")) : undefined);
}
