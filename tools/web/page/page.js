"use strict";
// The slide by OpenSeadragon, the heatmap drawn over it from the values in case.js: nothing is asked of a server.
(function () {
  const data = window.microtomeCase, all = window.microtomeWords;
  const $ = (id) => document.getElementById(id);
  const NONE = 0, VALUE = 1, UNREAD = 2;
  const state = { opacity: 1, threshold: data.threshold, colour: data.colour, chosen: -1, values: null, states: null, heat: null, unread: null };
  let words = all.en;

  // What n and p go through: the strongest tiles, then the hot regions.
  const places = [...data.tiles.map((tile) => [tile.x, tile.y, tile.x + data.tile[0], tile.y + data.tile[1]]), ...data.regions.map((region) => region.box)];
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const number = (value) => (Math.abs(value) < 1e-12 ? 0 : value).toLocaleString("en", { maximumSignificantDigits: 4, useGrouping: false });
  const numberAt = (value) => data.legend.range[0] + (data.legend.range[1] - data.legend.range[0]) * value;

  // As the pictures have it: cold tissue stays nearly as it is.
  function opacityOf(value) {
    const least = data.legend.least_opacity;
    return least + (0.85 - least) * Math.sqrt(value) * (value < 0.05 ? value / 0.05 : 1);
  }

  const viewer = OpenSeadragon({
    id: "viewer", drawer: "canvas", showNavigationControl: false, showNavigator: true, navigatorPosition: "BOTTOM_RIGHT", navigatorSizeRatio: 0.16,
    crossOriginPolicy: false, animationTime: 0.4, maxZoomPixelRatio: 8, visibilityRatio: 0.3,
    tileSources: { Image: { xmlns: "http://schemas.microsoft.com/deepzoom/2008", Url: "slide_files/", Format: "jpg", Overlap: "1", TileSize: "254",
      Size: { Width: String(data.slide.width), Height: String(data.slide.height) } } }
  });
  const over = document.createElement("canvas"), scratch = document.createElement("canvas");
  over.style.cssText = "position:absolute;inset:0;width:100%;height:100%;pointer-events:none";
  over.id = "heat";
  viewer.canvas.appendChild(over);

  // Level-0 px to CSS px of the viewer.
  function place(x, y) {
    return viewer.viewport.imageToViewerElementCoordinates(new OpenSeadragon.Point(x * data.slide.scale_x, y * data.slide.scale_y));
  }

  function level0(point) {
    const image = viewer.viewport.viewerElementToImageCoordinates(point);
    return { x: image.x / data.slide.scale_x, y: image.y / data.slide.scale_y };
  }

  // Three planes, packed: high bytes of the values, low bytes, states.  Not a picture: some browsers disturb what a script reads of one.
  async function readMap() {
    const stream = new Blob([bytes(data.map.packed)]).stream().pipeThrough(new DecompressionStream("deflate"));
    const all = new Uint8Array(await new Response(stream).arrayBuffer()), n = data.map.width * data.map.height;
    state.values = new Float32Array(n);
    state.states = all.subarray(2 * n);
    for (let i = 0; i < n; i++)
      state.values[i] = (all[i] * 256 + all[n + i]) / 65535;
    if (state.states.includes(UNREAD))
      state.unread = paint((i) => (state.states[i] === UNREAD ? 0xff000000 : 0));
  }

  function paint(colourOf) {
    const canvas = document.createElement("canvas");
    canvas.width = data.map.width;
    canvas.height = data.map.height;
    const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < pixels.length; i++)
      pixels[i] = colourOf(i);
    context.putImageData(image, 0, 0);
    return canvas;
  }

  function colourMap() {
    const table = bytes(data.colours[state.colour]), steps = new Uint32Array(1024);
    for (let i = 0; i < steps.length; i++) {
      const value = i / (steps.length - 1), at = 3 * Math.round(value * 255);
      steps[i] = value < state.threshold ? 0 : (Math.round(opacityOf(value) * 255) << 24 | table[at + 2] << 16 | table[at + 1] << 8 | table[at]) >>> 0;
    }
    if (state.values)
      state.heat = paint((i) => (state.states[i] === VALUE ? steps[Math.round(state.values[i] * (steps.length - 1))] : 0));
    drawBar(table);
    draw();
  }

  function drawBar(table) {
    const bar = $("bar"), context = bar.getContext("2d");
    bar.width = bar.clientWidth || 300;
    for (let x = 0; x < bar.width; x++) {
      const value = (x + 0.5) / bar.width, at = 3 * Math.round(value * 255), share = value < state.threshold ? 0 : opacityOf(value) * state.opacity;
      const mix = [226, 220, 226].map((under, c) => Math.round(under + (table[at + c] - under) * share));
      context.fillStyle = `rgb(${mix})`;
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

  function draw() {
    if (!state.heat || !viewer.world.getItemCount())
      return;
    const scale = window.devicePixelRatio || 1, width = Math.round(viewer.canvas.clientWidth * scale), height = Math.round(viewer.canvas.clientHeight * scale);
    if (over.width !== width || over.height !== height) {
      over.width = scratch.width = width;
      over.height = scratch.height = height;
    }
    const context = over.getContext("2d"), px = data.map.px_level0;
    const from = place(0, 0), to = place(data.map.width * px, data.map.height * px);
    const box = [from.x, from.y, to.x - from.x, to.y - from.y].map((v) => v * scale);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    context.globalAlpha = state.opacity;
    context.drawImage(state.heat, ...box);
    context.globalAlpha = 1;
    if (state.unread) {
      const holes = scratch.getContext("2d");
      holes.globalCompositeOperation = "source-over";
      holes.clearRect(0, 0, width, height);
      holes.imageSmoothingEnabled = false;
      holes.drawImage(state.unread, ...box);
      holes.globalCompositeOperation = "source-in";
      holes.fillStyle = hatch(holes);
      holes.fillRect(0, 0, width, height);
      context.drawImage(scratch, 0, 0);
    }
    if (state.chosen < 0)
      return;
    const [left, top, right, bottom] = places[state.chosen], a = place(left, top), b = place(right, bottom);
    for (const [colour, thick] of [["#fff", 5], ["#be1e2d", 2.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = thick * scale;
      context.strokeRect(a.x * scale, a.y * scale, (b.x - a.x) * scale, (b.y - a.y) * scale);
    }
  }

  // A tile with its neighbours, a region nearly filling the view.
  function flyTo([left, top, right, bottom], around) {
    const sx = data.slide.scale_x, sy = data.slide.scale_y, x = around * (right - left), y = around * (bottom - top);
    viewer.viewport.fitBounds(viewer.viewport.imageToViewportRectangle((left - x) * sx, (top - y) * sy, (right - left + 2 * x) * sx, (bottom - top + 2 * y) * sy));
  }

  function choose(i) {
    if (!places.length)
      return;
    state.chosen = (i + places.length) % places.length;
    document.querySelectorAll("#tiles button, #regions button").forEach((button, k) => button.setAttribute("aria-pressed", k === state.chosen));
    flyTo(places[state.chosen], state.chosen < data.tiles.length ? 1.5 : 0.25);
    draw();
  }

  function item(list, i, ...content) {
    const li = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.append(...content);
    button.addEventListener("click", () => choose(i));
    button.setAttribute("aria-pressed", i === state.chosen);
    li.append(button);
    list.append(li);
  }

  function text(tag, words) {
    const element = document.createElement(tag);
    element.textContent = words;
    return element;
  }

  function lists() {
    $("tiles").replaceChildren();
    $("regions").replaceChildren();
    data.tiles.forEach((tile, i) => {
      const picture = document.createElement("img");
      picture.src = tile.picture;
      picture.alt = "";
      item($("tiles"), i, picture, text("b", `${i + 1}. ${number(tile.number)}`), document.createElement("br"), `x ${tile.x}`, document.createElement("br"), `y ${tile.y}`);
    });
    data.regions.forEach((region, i) => {
      const size = region.area_mm2 !== undefined ? `${number(region.area_mm2)} mm²` : `${number(region.area_px)} px²`;
      item($("regions"), data.tiles.length + i, text("b", `${i + 1}. ${size}`), `, ${words.mean} ${number(region.mean)}`);
    });
    $("tile-section").hidden = !data.tiles.length;
    if (!data.regions.length)
      $("regions").append(text("li", words.none));
  }

  // The engine's English in the reader's language, where there is a phrase for it; what stands in quotes stays.
  function said(phrase) {
    const quoted = /“(.*)”/s.exec(phrase), found = words.phrases[quoted ? phrase.replace(quoted[0], "“”") : phrase];
    return !found ? phrase : quoted ? found.replace("“”", () => quoted[0]) : found;
  }

  function say(language) {
    const one = data.case;
    words = all[language] || all.en;
    document.documentElement.lang = language in all ? language : "en";
    $("language").value = document.documentElement.lang;
    document.querySelectorAll("[data-word]").forEach((element) => { element.textContent = words[element.dataset.word]; });
    $("case").textContent = one.id;
    document.title = `${one.id}: microtome`;
    const verdict = [one.score !== undefined ? `${words.score} ${number(one.score)}${one.positive ? ` (${one.positive})` : ""}` : "",
      said(one.decision && one.decision !== "none" ? one.decision : one.status || ""), one.encoder || "", one.head || ""];
    $("verdict").textContent = verdict.filter(Boolean).join(" · ");
    $("title").textContent = said(data.legend.title);
    $("meaning").textContent = said(data.legend.meaning) + (data.legend.plane > 0 ? ` · ${words.plane.replace("{n}", data.legend.plane)}` : "");
    $("scale").textContent = said(data.legend.scale) + (data.legend.bare ? `; ${said(data.legend.bare)}` : "");
    $("ticks").replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((share) => text("li", number(numberAt(share)))));
    $("unread").hidden = data.legend.read >= data.legend.tiles;
    $("unread-words").textContent = words.unread.replace("{n}", data.legend.tiles - data.legend.read).replace("{all}", data.legend.tiles);
    $("purpose").textContent = one.demonstration ? words.demonstration : words.purpose;
    document.querySelector("footer").classList.toggle("demonstration", one.demonstration);
    $("version").textContent = `microtome ${data.version}`;
    viewer.canvas.setAttribute("aria-label", words.viewer);
    lists();
    show();
  }

  function show() {
    $("opacity-value").textContent = `${Math.round(state.opacity * 100)} %`;
    $("threshold-value").textContent = number(numberAt(state.threshold));
  }

  // 1, 2 or 5 times a power of ten, at most a quarter of the view.
  function scaleBar() {
    if (!data.mpp || !viewer.world.getItemCount())
      return;
    const px = (place(1000, 0).x - place(0, 0).x) / 1000 / data.mpp[0]; // CSS px per um
    const most = viewer.canvas.clientWidth / 4 / px, ten = 10 ** Math.floor(Math.log10(most)), um = [5, 2, 1].find((k) => k * ten <= most) * ten;
    $("scale-bar").style.width = `${um * px}px`;
    $("scale-bar").textContent = um >= 1000 ? `${number(um / 1000)} mm` : `${number(um)} µm`;
    $("scale-bar").hidden = false;
  }

  function readout(event) {
    const frame = viewer.canvas.getBoundingClientRect(), at = level0(new OpenSeadragon.Point(event.clientX - frame.left, event.clientY - frame.top));
    const column = Math.floor(at.x / data.map.px_level0), row = Math.floor(at.y / data.map.px_level0);
    if (!state.values || at.x < 0 || at.y < 0 || at.x >= data.level0[0] || at.y >= data.level0[1]) {
      $("readout").textContent = "";
      return;
    }
    const i = row * data.map.width + column, what = state.states[i];
    $("readout").textContent = `x ${Math.floor(at.x)}, y ${Math.floor(at.y)}: ` +
      (what === VALUE ? number(numberAt(state.values[i])) : what === UNREAD ? words.notRead : words.noTissue);
  }

  for (const name of Object.keys(data.colours))
    $("colour").append(new Option(name, name, false, name === state.colour));
  $("threshold").value = Math.round(state.threshold * 1000);
  $("opacity").addEventListener("input", () => { state.opacity = $("opacity").value / 100; show(); drawBar(bytes(data.colours[state.colour])); draw(); });
  $("threshold").addEventListener("input", () => { state.threshold = $("threshold").value / 1000; show(); colourMap(); });
  $("colour").addEventListener("change", () => { state.colour = $("colour").value; colourMap(); });
  $("language").addEventListener("change", () => say($("language").value));
  viewer.canvas.addEventListener("pointermove", readout);
  viewer.canvas.addEventListener("pointerleave", () => { $("readout").textContent = ""; });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName))
      return;
    if (event.key === "n" || event.key === "p")
      choose(state.chosen + (event.key === "n" ? 1 : state.chosen < 0 ? 0 : -1));
  });
  for (const name of ["update-viewport", "animation", "animation-finish", "resize", "open"])
    viewer.addHandler(name, () => { draw(); scaleBar(); });

  say(data.language || (navigator.language || "en").slice(0, 2));
  window.microtomePage = { viewer, place, state };
  readMap().then(colourMap).then(() => { document.documentElement.dataset.ready = "map"; }).catch((error) => {
    $("trouble").textContent = `${words.trouble} (${error})`;
    $("trouble").hidden = false;
  });
})();
