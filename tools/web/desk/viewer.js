// Two views with the same handle: a slide by OpenSeadragon, a plane of a volume or of a picture of more than 8 bits on a canvas.
// place(x, y): level-0 px to CSS px of the stage; at(x, y): back; fly(box, around); onDraw: called when the view moves.
import { getPacked, w } from "/assets/desk.js";

export class SlideView {
  constructor(host, found, key, onDraw, navigator) {
    if (!window.OpenSeadragon)
      throw new Error(w("noViewer"));
    this.level0 = found.level0;
    const source = found.picture === "slide" ? `/api/cases/${key}/slide.dzi` : { type: "image", url: `/api/cases/${key}/thumbnail.jpg` };
    this.viewer = OpenSeadragon({
      element: host, drawer: "canvas", showNavigationControl: false, showNavigator: Boolean(navigator), navigatorId: navigator,
      crossOriginPolicy: false, animationTime: 0.3, maxZoomPixelRatio: 8, visibilityRatio: 0.3, imageLoaderLimit: 6, maxImageCacheCount: 400, tileSources: source
    });
    this.viewer.canvas.setAttribute("aria-label", w("picture"));
    for (const name of ["update-viewport", "animation", "animation-finish", "resize", "open"])
      this.viewer.addHandler(name, onDraw);
    this.ready = new Promise((resolve) => {
      this.viewer.addOnceHandler("open", resolve);
      this.viewer.addOnceHandler("open-failed", resolve);
    });
  }

  get item() { return this.viewer.world.getItemAt(0); }
  get scale() { const size = this.item.getContentSize(); return [size.x / this.level0[0], size.y / this.level0[1]]; }

  place(x, y) {
    const [sx, sy] = this.scale;
    return this.viewer.viewport.imageToViewerElementCoordinates(new OpenSeadragon.Point(x * sx, y * sy));
  }

  at(x, y) {
    const image = this.viewer.viewport.viewerElementToImageCoordinates(new OpenSeadragon.Point(x, y)), [sx, sy] = this.scale;
    return { x: image.x / sx, y: image.y / sy };
  }

  get shown() { return Boolean(this.item); }

  // A tile with its neighbours, a region nearly filling the view.
  fly([left, top, right, bottom], around) {
    const [sx, sy] = this.scale, x = around * (right - left), y = around * (bottom - top);
    this.viewer.viewport.fitBounds(this.viewer.viewport.imageToViewportRectangle((left - x) * sx, (top - y) * sy, (right - left + 2 * x) * sx, (bottom - top + 2 * y) * sy));
  }

  setDrawing(on) { this.viewer.setMouseNavEnabled(!on); }
}

const ARRAYS = { uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, float32: Float32Array };

export class PlaneView {
  constructor(host, found, key, onDraw) {
    Object.assign(this, { host, key, level0: found.level0, planes: found.planes, plane: -1, zoom: 1, centre: null, onDraw, window: null, mask: null, cache: new Map() });
    this.canvas = host.appendChild(document.createElement("canvas"));
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", w("picture"));
    this.canvas.style.cssText = "position:absolute;inset:0;width:100%;height:100%";
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.drag(event));
    this.canvas.addEventListener("keydown", (event) => this.key_(event));
    new ResizeObserver(() => this.draw()).observe(host);
    this.ready = this.setPlane(Math.min(Math.max(found.picture_plane ?? 0, 0), this.planes - 1));
  }

  read(plane) {
    if (!this.cache.has(plane)) {
      this.cache.set(plane, getPacked(`/api/cases/${this.key}/plane/${plane}`));
      if (this.cache.size > 40)
        this.cache.delete(this.cache.keys().next().value);
    }
    return this.cache.get(plane);
  }

  async setPlane(plane) {
    plane = Math.min(Math.max(plane, 0), this.planes - 1);
    if (plane === this.plane)
      return;
    this.plane = plane;
    const { facts, bytes } = await this.read(plane);
    if (plane !== this.plane) // somebody went on meanwhile
      return;
    this.facts = facts;
    this.samples = new ARRAYS[facts.dtype](bytes.buffer, 0, facts.width * facts.height * facts.channels);
    this.window ??= [...facts.window];
    this.picture = null;
    await this.readMask();
    this.draw();
    for (const next of [plane + 1, plane - 1])
      if (next >= 0 && next < this.planes)
        this.read(next).catch(() => {});
    this.onPlane?.(plane);
  }

  async readMask() {
    const plane = this.plane;
    this.mask = null;
    if (!this.masks)
      return;
    const mask = await getPacked(`/api/cases/${this.key}/mask/${plane}`).catch(() => null);
    if (plane === this.plane && mask)
      this.mask = mask;
  }

  get shown() { return Boolean(this.facts); }
  get flip() { return this.facts?.flip ?? [false, false]; }

  // CSS px per level-0 px, and where level-0 px (0, 0) stands unflipped.
  frame() {
    const width = this.host.clientWidth, height = this.host.clientHeight, [w0, h0] = this.level0;
    const mm = this.facts?.mm ?? [1, 1], aspect = mm[1] > 0 && mm[0] > 0 ? mm[1] / mm[0] : 1;
    const sx = Math.min(width / w0, height / (h0 * aspect)) * this.zoom, sy = sx * aspect, centre = this.centre ?? [w0 / 2, h0 / 2];
    const f = this.flip.map((v) => (v ? -1 : 1));
    return { sx: f[0] * sx, sy: f[1] * sy, x: width / 2 - f[0] * sx * centre[0], y: height / 2 - f[1] * sy * centre[1] };
  }

  place(x, y) { const f = this.frame(); return { x: f.x + f.sx * x, y: f.y + f.sy * y }; }
  at(x, y) { const f = this.frame(); return { x: (x - f.x) / f.sx, y: (y - f.y) / f.sy }; }

  fly([left, top, right, bottom], around) {
    this.centre = [(left + right) / 2, (top + bottom) / 2];
    this.zoom = Math.min(16, Math.max(1, Math.min(this.level0[0] / ((right - left) * (1 + 2 * around)), this.level0[1] / ((bottom - top) * (1 + 2 * around)))));
    this.draw();
  }

  setDrawing() {}

  setWindow(centre, width) {
    this.window = [centre, Math.max(width, 1e-6)];
    this.picture = null;
    this.draw();
    this.onWindow?.(this.window);
  }

  paint() {
    const { width, height, channels } = this.facts, [centre, span] = this.window, low = centre - span / 2;
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d"), image = context.createImageData(width, height), to = image.data;
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++)
        to[4 * i + c] = channels === 3 ? this.samples[3 * i + c] : 255 * (this.samples[i] - low) / span;
      to[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  paintMask() {
    const { width, height } = this.mask.facts, canvas = document.createElement("canvas"), colours = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [204, 121, 167]];
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    this.mask.bytes.forEach((label, i) => { if (label) image.data.set([...colours[(label - 1) % colours.length], 255], 4 * i); });
    context.putImageData(image, 0, 0);
    return canvas;
  }

  draw() {
    if (!this.facts)
      return;
    const scale = window.devicePixelRatio || 1, f = this.frame(), context = this.canvas.getContext("2d");
    this.canvas.width = this.host.clientWidth * scale;
    this.canvas.height = this.host.clientHeight * scale;
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.picture ??= this.paint();
    context.setTransform(scale * f.sx, 0, 0, scale * f.sy, scale * f.x, scale * f.y);
    context.imageSmoothingEnabled = Math.abs(f.sx) < 2;
    context.drawImage(this.picture, 0, 0, this.level0[0], this.level0[1]);
    if (this.mask && this.showMask !== false) {
      this.mask.picture ??= this.paintMask();
      context.globalAlpha = this.maskOpacity ?? 0.45;
      context.imageSmoothingEnabled = false;
      context.drawImage(this.mask.picture, 0, 0, this.level0[0], this.level0[1]);
      context.globalAlpha = 1;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    this.onDraw();
  }

  wheel(event) {
    event.preventDefault();
    if (event.ctrlKey || this.planes === 1) {
      this.zoom = Math.min(16, Math.max(1, this.zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2)));
      this.draw();
    } else
      this.setPlane(this.plane + Math.sign(event.deltaY));
  }

  // Drag: window; with shift: move.
  drag(event) {
    const from = [event.clientX, event.clientY], window0 = [...(this.window ?? [0, 1])], centre0 = this.centre ?? [this.level0[0] / 2, this.level0[1] / 2], f = this.frame();
    const move = (e) => {
      const dx = e.clientX - from[0], dy = e.clientY - from[1];
      if (e.shiftKey) {
        this.centre = [centre0[0] - dx / f.sx, centre0[1] - dy / f.sy];
        this.draw();
      } else
        this.setWindow(window0[0] + dy * window0[1] / 300, window0[1] * Math.exp(dx / 200));
    };
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", () => this.canvas.removeEventListener("pointermove", move), { once: true });
  }

  key_(event) {
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10 };
    if (event.key in steps) {
      event.preventDefault();
      this.setPlane(this.plane + steps[event.key]);
    } else if ("+=-0".includes(event.key)) {
      this.zoom = event.key === "0" ? 1 : Math.min(16, Math.max(1, this.zoom * (event.key === "-" ? 1 / 1.2 : 1.2)));
      if (event.key === "0")
        this.centre = null;
      this.draw();
    }
  }
}

// navigator: id of the element for the small picture; none: without.
export function openView(host, found, key, onDraw, navigator) {
  return found.picture === "planes" ? new PlaneView(host, found, key, onDraw) : new SlideView(host, found, key, onDraw, navigator);
}
