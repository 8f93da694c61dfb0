// Pictures: what became of points and what they took on a canvas, and plots by plotly.

import { short } from "/answers.js";
import { sketch } from "/sketch.js";

const STATES = ["missing", "done", "failed", "excluded"];

/* Colours of cells without a value: of a point that is done and has none, one that no value has. */
export const BEHIND = STATES.map((name) => (name === "done" ? "soft" : name));

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function rgb(name) {
  const code = colour(name);
  const full = code.length === 4 ? [...code.slice(1)].map((c) => c + c).join("") : code.slice(1);
  return [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16));
}

// ---- on a canvas

/* Each cell has the colours of its states, by their shares; a failed point is always seen. */
export function drawOverview(canvas, shares, isUpward) {
  const [rows, columns] = shares.sizes;
  const first = isUpward ? rows - 1 : 0;
  canvas.width = Math.max(1, columns);
  canvas.height = Math.max(1, rows);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const colours = STATES.map(rgb);
  const own = new Float64Array(4); // one for all cells: there are thousands, every second
  for (let cell = 0; cell < rows * columns; cell += 1) {
    const row = Math.abs(first - Math.floor(cell / columns));
    const from = 4 * (row * columns + (cell % columns));
    for (let state = 0; state < 4; state += 1) own[state] = shares[from + state];
    if (own[2] > 0) own[2] = Math.max(own[2], 4 * (own[0] + own[1] + own[3]));
    const total = own[0] + own[1] + own[2] + own[3];
    for (let part = 0; part < 3; part += 1) {
      let sum = 0;
      for (let state = 0; state < 4; state += 1) sum += own[state] * colours[state][part];
      image.data[4 * cell + part] = total ? sum / total : 0;
    }
    image.data[4 * cell + 3] = total ? 255 : 0;
  }
  context.putImageData(image, 0, 0);
}

export function drawHistogram(canvas, counts) {
  const sharp = Math.min(2, window.devicePixelRatio || 1);
  const width = canvas.clientWidth || 320;
  const height = canvas.clientHeight || 90;
  canvas.width = width * sharp;
  canvas.height = height * sharp;
  const context = canvas.getContext("2d");
  context.scale(sharp, sharp);
  context.fillStyle = colour("done");
  const most = Math.max(1, ...counts);
  const step = width / Math.max(1, counts.length);
  counts.forEach((n, i) => {
    const tall = n ? Math.max(2, (n / most) * (height - 4)) : 0;
    context.fillRect(i * step, height - tall, Math.max(1, step - 1.5), tall);
  });
  context.fillStyle = colour("line");
  context.fillRect(0, height - 1, width, 1);
}

// ---- by plotly, which is loaded when the numbers are there

let loading = null;

const create = document.createElement;

/* The policy of this page allows no styles within it, neither <style> nor the attribute. Plotly
   brings a <style> for maps, which are not drawn here: it gets an element that does nothing. What
   it writes into the attribute is set as properties, which the policy allows. */
function obeyPolicy() {
  document.createElement = function made(tag, ...more) {
    return create.call(document, tag === "style" ? "link" : tag, ...more);
  };
  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function setAttribute(name, value) {
    if (name === "style") this.style.cssText = value;
    else set.call(this, name, value);
  };
}

function loadPlotly() {
  loading ??= new Promise((resolve, reject) => {
    obeyPolicy();
    const script = create.call(document, "script");
    script.src = "/plotly.js";
    script.onload = () => {
      document.createElement = create;
      resolve(window.Plotly);
    };
    script.onerror = () => reject(new Error("plotly cannot be loaded"));
    document.head.append(script);
  });
  return loading;
}

/* Plotly takes its texts for a kind of HTML, and what stands between dollars for TeX. */
function plain(text) {
  const codes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", $: "&#36;" };
  return String(text).replace(/[&<>$]/g, (c) => codes[c]);
}

export function titled(scale) {
  return scale.units ? `${scale.name} [${scale.units}]` : scale.name;
}

/* Returns how long it took, in milliseconds. */
export async function drawPlot(place, cut, isLog) {
  if (!window.Plotly) {
    sketch(place, cut, isLog);
    await new Promise((resolve) => { setTimeout(resolve, 50); }); // until it is painted
  }
  const plotly = await loadPlotly();
  place.querySelector(":scope > canvas")?.remove();
  const make = { grid: gridTraces, points: pointTraces, line: lineTraces }[cut.form];
  const { traces, layout } = make(cut, isLog);
  const begun = performance.now();
  await plotly.react(place, traces, { ...common(), ...layout }, {
    displayModeBar: false, responsive: true, doubleClick: "reset", showTips: false,
  });
  return performance.now() - begun;
}

function common() {
  const font = { color: colour("soft"), family: "system-ui, sans-serif", size: 12 };
  return {
    font, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    margin: { l: 64, r: 16, t: 12, b: 52 }, hovermode: "closest", uirevision: "kept",
    hoverlabel: { bgcolor: colour("card"), font: { color: colour("ink") } },
  };
}

function axis(scale, values, isLog = false) {
  const made = {
    title: { text: plain(titled(scale)) }, gridcolor: colour("line"), zeroline: false,
    linecolor: colour("line"), automargin: true, type: "linear",
  };
  if (scale.kind === "time") return { ...made, type: "date" };
  if (scale.kind === "text") return { ...made, ...ticks(scale.labels) };
  return isLog || isGeometric(values) ? { ...made, type: "log" } : made;
}

function ticks(labels) {
  const step = Math.max(1, Math.ceil(labels.length / 20));
  const at = labels.map((_, i) => i).filter((i) => i % step === 0);
  return { tickmode: "array", tickvals: at, ticktext: at.map((i) => plain(cutShort(labels[i]))) };
}

function cutShort(label) {
  return label.length > 24 ? `${label.slice(0, 23)}…` : label;
}

function isGeometric(values) {
  if (values.length < 4 || !(values[0] > 0)) return false;
  const ratio = values[1] / values[0];
  if (!(ratio > 1.2)) return false;
  for (let i = 2; i < values.length; i += 1) {
    if (Math.abs(values[i] / values[i - 1] / ratio - 1) > 1e-3) return false;
  }
  return true;
}

function bar(cut, isLog) {
  const made = { title: { text: plain(cut.title), side: "right" }, thickness: 14, outlinewidth: 0 };
  if (cut.categories.length) return { ...made, ...ticks(cut.categories) };
  if (!isLog) return made;
  const low = Math.ceil(Math.log10(positive(cut)[0]));
  const high = Math.floor(Math.log10(cut.high));
  const at = Array.from({ length: Math.max(0, high - low + 1) }, (_, i) => low + i);
  return { ...made, tickmode: "array", tickvals: at, ticktext: at.map((n) => short(10 ** n)) };
}

function positive(cut) {
  const found = Array.from(cut.arrays.values).filter((v) => v > 0);
  return [found.reduce((a, b) => Math.min(a, b), Infinity), found.length];
}

function scaled(values, isLog) {
  return isLog ? values.map((v) => (v > 0 ? Math.log10(v) : NaN)) : values;
}

function rowsOf(values, sizes) {
  const [rows, columns] = sizes;
  return Array.from({ length: rows }, (_, i) => values.subarray(i * columns, (i + 1) * columns));
}

function rowsOfTexts(states, names, [rows, columns]) {
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, i) => names[states[row * columns + i]] ?? ""));
}

/* Cells without a value have the colour of their state, below the values. */
function gridTraces(cut, isLog) {
  const { x, y, values, status } = cut.arrays;
  const states = Float64Array.from(status, (s, i) => (Number.isNaN(values[i]) ? s : NaN));
  const colours = BEHIND.map((name, i) => [[i / 4, colour(name)], [(i + 1) / 4, colour(name)]]);
  const names = ["missing", "no value", "failed", "excluded"];
  const shared = { type: "heatmap", x, y };
  const text = rowsOfTexts(states, names, values.sizes);
  const traces = [
    {
      ...shared, z: rowsOf(states, values.sizes), zmin: -0.5, zmax: 3.5, showscale: false,
      colorscale: colours.flat(), hovertemplate: "%{x}, %{y}: %{text}<extra></extra>", text,
    },
    {
      ...shared, z: rowsOf(scaled(values, isLog), values.sizes), colorscale: "Viridis",
      colorbar: bar(cut, isLog), hoverongaps: false,
      hovertemplate: `%{x}, %{y}: ${isLog ? "10^" : ""}%{z}<extra></extra>`,
    },
  ];
  return { traces, layout: { xaxis: axis(cut.x, x), yaxis: axis(cut.y, y) } };
}

function lineTraces(cut, isLog) {
  const { x, values, status } = cut.arrays;
  const isFew = x.length <= 120;
  const isListed = cut.x.kind === "text" || cut.categories.length > 0 || !isAscending(x);
  const mode = isListed ? "markers" : isFew ? "lines+markers" : "lines";
  const main = {
    type: "scatter", x, y: values, mode, connectgaps: false,
    line: { color: colour("done"), width: 1.8 }, marker: { color: colour("done"), size: 5 },
  };
  const low = isLog ? positive(cut)[0] : cut.low ?? 0;
  const others = ["failed", "missing"].map((name) => marks(name, x, values, status, low));
  let up = { title: { text: plain(cut.title) } };
  if (cut.categories.length) up = { ...up, ...ticks(cut.categories) };
  if (cut.kind === "time") up.type = "date";
  const yaxis = { ...axis({ name: "", kind: "number" }, [], isLog), ...up };
  return { traces: [main, ...others], layout: { xaxis: axis(cut.x, x), yaxis } };
}

function isAscending(x) {
  for (let i = 1; i < x.length; i += 1) if (!(x[i] >= x[i - 1])) return false;
  return true;
}

function marks(name, x, values, status, y) {
  const state = STATES.indexOf(name);
  const at = [];
  for (let i = 0; i < x.length; i += 1) {
    if (status[i] === state && Number.isNaN(values[i])) at.push(x[i]);
  }
  const symbol = name === "failed" ? "x" : "line-ns-open";
  return {
    type: "scatter", mode: "markers", name, x: at, y: at.map(() => y), cliponaxis: false,
    marker: { color: colour(name), size: 7, symbol }, hovertemplate: `%{x}: ${name}<extra></extra>`,
  };
}

function pointTraces(cut, isLog) {
  const { x, y, values, status } = cut.arrays;
  const pick = (test) => Array.from(x.keys()).filter(test);
  const done = pick((i) => !Number.isNaN(values[i]));
  const failed = pick((i) => status[i] === 2);
  const main = {
    type: "scatter", mode: "markers", x: done.map((i) => x[i]), y: done.map((i) => y[i]),
    marker: {
      color: scaled(done.map((i) => values[i]), isLog), colorscale: "Viridis", size: 6,
      showscale: true, colorbar: bar(cut, isLog),
    },
    hovertemplate: "%{x}, %{y}: %{marker.color}<extra></extra>",
  };
  const others = {
    type: "scatter", mode: "markers", x: failed.map((i) => x[i]), y: failed.map((i) => y[i]),
    marker: { color: colour("failed"), size: 7, symbol: "x" },
    hovertemplate: "%{x}, %{y}: failed<extra></extra>",
  };
  return { traces: [main, others], layout: { xaxis: axis(cut.x, x), yaxis: axis(cut.y, y) } };
}
