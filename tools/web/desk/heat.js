// The values of a map, decoded once, coloured here: opacity, threshold and colours ask nothing of the server.
import { getPacked } from "/assets/desk.js";

export const NONE = 0, VALUE = 1, UNREAD = 2;

export async function readHeat(key, { label, source = "auto", scale = "absolute", plane = -1 } = {}) {
  const query = new URLSearchParams({ source, scale });
  if (label)
    query.set("label", label);
  if (plane >= 0)
    query.set("plane", plane);
  const { facts, bytes } = await getPacked(`/api/cases/${key}/heat?${query}`), n = facts.width * facts.height;
  const values = new Float32Array(n);
  for (let i = 0; i < n; i++)
    values[i] = (bytes[i] * 256 + bytes[n + i]) / 65535;
  return { facts, values, states: bytes.subarray(2 * n) };
}

export const numberAt = (heat, value) => heat.facts.range[0] + (heat.facts.range[1] - heat.facts.range[0]) * value;

// As the pictures have it: cold tissue stays nearly as it is.
function opacityOf(heat, value) {
  const least = heat.facts.scale.startsWith("absolute") ? 0.02 : 0.2;
  return least + (0.85 - least) * Math.sqrt(value) * (value < 0.05 ? value / 0.05 : 1);
}

function paint(heat, colourOf) {
  const canvas = document.createElement("canvas");
  canvas.width = heat.facts.width;
  canvas.height = heat.facts.height;
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height), pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++)
    pixels[i] = colourOf(i);
  context.putImageData(image, 0, 0);
  return canvas;
}

// table: 256 x 3 bytes.
export function colour(heat, table, threshold) {
  const steps = new Uint32Array(1024);
  for (let i = 0; i < steps.length; i++) {
    const value = i / (steps.length - 1), at = 3 * Math.round(value * 255);
    steps[i] = value < threshold ? 0 : (Math.round(opacityOf(heat, value) * 255) << 24 | table[at + 2] << 16 | table[at + 1] << 8 | table[at]) >>> 0;
  }
  heat.picture = paint(heat, (i) => (heat.states[i] === VALUE ? steps[Math.round(heat.values[i] * (steps.length - 1))] : 0));
  heat.unread ??= heat.states.includes(UNREAD) ? paint(heat, (i) => (heat.states[i] === UNREAD ? 0xff000000 : 0)) : null;
}

export function drawBar(bar, heat, table, threshold, opacity) {
  const context = bar.getContext("2d");
  bar.width = bar.clientWidth || 300;
  for (let x = 0; x < bar.width; x++) {
    const value = (x + 0.5) / bar.width, at = 3 * Math.round(value * 255), share = value < threshold ? 0 : opacityOf(heat, value) * opacity;
    context.fillStyle = `rgb(${[226, 220, 226].map((under, c) => Math.round(under + (table[at + c] - under) * share))})`;
    context.fillRect(x, 0, 1, bar.height);
  }
}

function hatch(context) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 10;
  const to = tile.getContext("2d");
  to.fillStyle = "#e2e6ec";
  to.fillRect(0, 0, 10, 10);
  to.strokeStyle = "#3c485c";
  to.lineWidth = 3.5;
  for (const shift of [-10, 0, 10]) {
    to.beginPath();
    to.moveTo(shift - 2, 12);
    to.lineTo(shift + 12, -2);
    to.stroke();
  }
  return context.createPattern(tile, "repeat");
}

// `place` maps level-0 px to px of the context.
export function drawHeat(context, heat, place, opacity) {
  const px = heat.facts.px_level0, from = place(0, 0), to = place(heat.facts.width * px, heat.facts.height * px);
  const box = [from.x, from.y, to.x - from.x, to.y - from.y];
  context.imageSmoothingEnabled = false;
  context.globalAlpha = opacity;
  drawBox(context, heat.picture, box);
  context.globalAlpha = 1;
  if (!heat.unread)
    return;
  const holes = document.createElement("canvas");
  holes.width = context.canvas.width;
  holes.height = context.canvas.height;
  const on = holes.getContext("2d");
  on.imageSmoothingEnabled = false;
  drawBox(on, heat.unread, box);
  on.globalCompositeOperation = "source-in";
  on.fillStyle = hatch(on);
  on.fillRect(0, 0, holes.width, holes.height);
  context.drawImage(holes, 0, 0);
}

// Also mirrored: a box whose width or height is negative.
function drawBox(context, picture, [x, y, width, height]) {
  context.save();
  context.translate(x, y);
  context.scale(Math.sign(width) || 1, Math.sign(height) || 1);
  context.drawImage(picture, 0, 0, Math.abs(width), Math.abs(height));
  context.restore();
}
