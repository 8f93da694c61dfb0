// A plot in an instant, without axes, until plotly is there: its code alone takes half a second.

import { BEHIND, colour, rgb } from "/charts.js";

/* Anchors of viridis (Smith and van der Walt, 2015), which people with any colour vision can read. */
const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

export function sketch(place, cut, isLog) {
  const canvas = place.querySelector(":scope > canvas") ?? document.createElement("canvas");
  place.append(canvas);
  const { values, status } = cut.arrays;
  const shown = isLog ? values.map((v) => (v > 0 ? Math.log10(v) : NaN)) : values;
  const known = shown.filter((v) => !Number.isNaN(v));
  const low = known.reduce((a, b) => Math.min(a, b), Infinity);
  const high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  const part = shown.map((v) => (high > low ? (v - low) / (high - low) : 0.5 * (v === v)));
  if (cut.form === "grid") fillCells(canvas, part, shown, status, values.sizes);
  else drawLine(canvas, part, shown);
  place.dataset.sketched = cut.version;
}

function fillCells(canvas, part, shown, status, [rows, columns]) {
  Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const states = BEHIND.map(rgb);
  for (let cell = 0; cell < rows * columns; cell += 1) {
    const from = (rows - 1 - Math.floor(cell / columns)) * columns + (cell % columns);
    const own = Number.isNaN(shown[from]) ? states[status[from]] : viridis(part[from]);
    image.data.set([...own, 255], 4 * cell);
  }
  context.putImageData(image, 0, 0);
}

function viridis(part) {
  const at = Math.min(3.999, part * 4);
  const [a, b] = [VIRIDIS[Math.floor(at)], VIRIDIS[Math.floor(at) + 1]];
  return a.map((c, i) => c + (b[i] - c) * (at % 1));
}

function drawLine(canvas, part, shown) {
  Object.assign(canvas, { width: 800, height: 300 });
  const context = canvas.getContext("2d");
  context.fillStyle = colour("done");
  const { width, height } = canvas;
  part.forEach((v, i) => {
    if (Number.isNaN(shown[i])) return;
    const x = (i / Math.max(1, part.length - 1)) * width;
    context.fillRect(x, (1 - v) * (height - 3), 3, 3);
  });
}
