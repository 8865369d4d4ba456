"use strict";
// The page: clips and sentences in, pictures out.

const kit = JSON.parse(document.getElementById("kit").textContent);
const weights = Object.fromEntries(
  Object.entries(kit.weights).map(([name, packed]) => [name, unpack(packed)]));
const dictionary = {
  places: new Map(kit.words.map((word, i) => [word, i])), vectors: unpack(kit.vectors),
  width: kit.width, longest: kit.longest,
};
const FRAMES_A_SECOND = 8;
const by = (id) => document.getElementById(id);
const shown = { clip: null, found: null, playing: 0, asked: 0 };

/** What the network says of a clip and a sentence. Throws as `encode`. */
function answer(clip, sentence) {
  const { tokens, unknown, vectors } = encode(sentence, dictionary);
  const [channels, height, width] = clip.shape;
  const started = performance.now();
  const vision = { values: unpack(clip.vision), channels, height, width };
  const out = forward(vision, vectors, weights);
  return { ...out, tokens, unknown, seconds: (performance.now() - started) / 1000 };
}

function element(name, text = "", properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, properties);
}

/** The part of a square map that shows the frame: {values, height, width}. */
function content({ values, height, width }, [top, left, rows, columns]) {
  const y = Math.round(top * height), x = Math.round(left * width);
  const part = { height: Math.round(rows * height), width: Math.round(columns * width) };
  part.values = new Float32Array(part.height * part.width);
  for (let row = 0; row < part.height; row++) {
    const start = (y + row) * width + x;
    part.values.set(values.subarray(start, start + part.width), row * part.width);
  }
  return part;
}

/** A canvas of one pixel for each value; `color` takes value and index to [r, g, b, alpha]. */
function painted({ values, height, width }, color) {
  const canvas = element("canvas", "", { height, width });
  const picture = new ImageData(width, height);
  values.forEach((value, i) => picture.data.set(color(value, i), 4 * i));
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

function drawFrame(canvas, clip, frame, filter = "none") {
  Object.assign(canvas, { width: 2 * clip.width, height: 2 * clip.height });
  const context = canvas.getContext("2d");
  context.filter = filter;
  context.drawImage(clip.strip, frame * clip.width, 0, clip.width, clip.height,
    0, 0, canvas.width, canvas.height);
  context.filter = "none";
  return context;
}

const HEAT = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];

function heat(level) {
  const place = level * (HEAT.length - 1), i = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[i].map((value, k) => value + (HEAT[i + 1][k] - value) * (place - i));
}

/** A map over its frame, stretched from its least to its most. `map` covers the square. */
function drawMap(clip, map, title, note, kind = "") {
  const canvas = element("canvas", "", { role: "img", ariaLabel: `${title}: ${note}` });
  const context = drawFrame(canvas, clip, clip.middle, "grayscale(1)");
  const low = map.values.reduce((a, b) => Math.min(a, b));
  const high = map.values.reduce((a, b) => Math.max(a, b));
  const colored = painted(map, (value) => {
    const level = high > low ? (value - low) / (high - low) : 0;
    return [...heat(level), 255 * (0.25 + 0.55 * level)];
  });
  const [top, left, rows, columns] = clip.box;
  context.drawImage(colored, left * map.width, top * map.height, columns * map.width,
    rows * map.height, 0, 0, canvas.width, canvas.height);
  const figure = element("figure");
  figure.append(canvas, element("b", title, { className: kind }), element("span", note));
  by("maps").append(figure);
}

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function drawMask() {
  const { clip, found } = shown, share = by("threshold").value / 100;
  by("share").textContent = percent(share);
  by("overlap").textContent = "";
  const context = drawFrame(by("mask"), clip, clip.middle);
  if (!found) return;
  const response = content(found.response, clip.box);
  const limit = share * response.values.reduce((a, b) => Math.max(a, b));
  const within = (value) => value > limit; // a neighbour beyond the frame is not
  const { values, width } = response;
  const truth = clip.truths[found.sentence] && bits(clip.truths[found.sentence], values.length);
  by("overlap").textContent = truth ? `IoU ${percent(overlap(values.map(within), truth))}` : "";
  const meant = truth && by("truth").checked ? truth : null;
  const border = (set, i) => {
    const x = i % width;
    return set(i) && !(x > 0 && x < width - 1 && [1, -1, width, -width].every((s) => set(i + s)));
  };
  const mask = painted(response, (value, i) => {
    if (meant && border((k) => meant[k], i)) return [0, 114, 178, 255];
    if (!within(value)) return [0, 0, 0, 0];
    return border((k) => within(values[k]), i) ? [255, 255, 255, 255] : [213, 94, 0, 140];
  });
  context.drawImage(mask, 0, 0, context.canvas.width, context.canvas.height);
}

/** Bits in base64, the highest of a byte first -> an array of `count` of them. */
function bits(base64, count) {
  const bytes = atob(base64);
  return Array.from({ length: count }, (_, i) => (bytes.charCodeAt(i >> 3) >> (7 - i % 8)) & 1);
}

/** Intersection over union of two masks. */
function overlap(one, other) {
  let both = 0, either = 0;
  one.forEach((value, i) => { both += value && other[i]; either += value || other[i]; });
  return both / either;
}

function drawMaps() {
  const { clip, found } = shown;
  by("maps").replaceChildren();
  by("padding").textContent = "";
  if (!found) return;
  drawMap(clip, found.response, "response", range(found.response.values));
  const [, height, width] = clip.shape, cells = height * width, longest = kit.longest;
  let heard = 0;
  found.tokens.forEach((word, i) => {
    const values = new Float32Array(cells);
    for (let cell = 0; cell < cells; cell++) values[cell] = found.wordAttention[cell * longest + i];
    heard += values.reduce((a, b) => a + b) / cells;
    const unknown = found.unknown.includes(word);
    drawMap(clip, { values, height, width }, word, unknown ? "unknown word" : range(values),
      unknown ? "unknown" : "");
  });
  by("padding").textContent = found.tokens.length === longest ? "" :
    `The empty places behind the sentence take ${percent(1 - heard)} of the attention.`;
}

function range(values) {
  return `${percent(values.reduce((a, b) => Math.min(a, b)))} to ` +
    percent(values.reduce((a, b) => Math.max(a, b)));
}

async function ask() {
  const question = ++shown.asked, sentence = by("sentence").value;
  shown.found = null;
  by("status").className = "";
  by("status").textContent = "Computing…";
  drawMask();
  drawMaps();
  // The page is painted before the answer takes its seconds; the last question counts.
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  if (question !== shown.asked) return;
  try {
    const found = { ...answer(shown.clip, sentence), sentence };
    const probabilities = found.large.values.map((logit) => 1 / (1 + Math.exp(-logit)));
    found.response = { ...found.large, values: probabilities };
    shown.found = found;
    const most = percent(found.response.values.reduce((a, b) => Math.max(a, b)));
    by("status").textContent = `Computed in ${found.seconds.toFixed(2)} s; the response reaches ` +
      `${most}.` + (found.unknown.length
      ? ` Unknown words, which the network cannot see: ${found.unknown.join(", ")}.` : "");
  } catch (error) {
    by("status").className = "bad";
    by("status").textContent = error.message;
  }
  drawMask();
  drawMaps();
}

function showFrame(frame) {
  by("frame").value = frame + 1;
  by("number").textContent = `${frame + 1} of ${shown.clip.frames}`;
  drawFrame(by("clip"), shown.clip, frame);
}

function play(start) {
  clearInterval(shown.playing);
  shown.playing = start && setInterval(
    () => showFrame(by("frame").value % shown.clip.frames), 1000 / FRAMES_A_SECOND);
  by("play").textContent = start ? "Pause" : "Play";
}

function choose(clip) {
  shown.clip = clip;
  kit.clips.forEach((one) => one.button.setAttribute("aria-pressed", one === clip));
  by("frame").max = clip.frames;
  showFrame(clip.middle);
  by("examples").replaceChildren(...Object.keys(clip.truths).map((sentence) =>
    element("button", sentence, {
      type: "button", onclick: () => { by("sentence").value = sentence; ask(); },
    })));
  by("sentence").value = Object.keys(clip.truths)[0];
  ask();
}

async function start() {
  for (const [i, clip] of kit.clips.entries()) {
    clip.strip = new Image();
    clip.strip.src = clip.jpeg;
    await clip.strip.decode();
    clip.button = element("button", "", { type: "button", onclick: () => choose(clip) });
    clip.button.setAttribute("aria-label", `Clip ${i + 1}`);
    clip.button.append(element("canvas"));
    drawFrame(clip.button.firstChild, clip, clip.middle);
    by("clips").append(clip.button);
  }
  by("about").textContent = kit.about;
  by("count").textContent = kit.words.length;
  by("words").textContent = kit.words.join(", ");
  by("ask").onsubmit = (event) => { event.preventDefault(); ask(); };
  by("threshold").oninput = by("truth").onchange = drawMask;
  by("frame").oninput = () => { play(false); showFrame(by("frame").value - 1); };
  by("play").onclick = () => play(!shown.playing);
  choose(kit.clips[0]);
}

start();
