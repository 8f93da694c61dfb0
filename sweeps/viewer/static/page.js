// The page of one experiment: what is chosen, what is asked for, and what is shown when.

import { ask, askArrays, duration, short, whole } from "/answers.js";
import { drawHistogram, drawOverview, drawPlot } from "/charts.js";
import { element, mergeFailures, words } from "/failures.js";

const STATES = ["done", "failed", "missing", "excluded"];
const SHARE = 120; // plots are drawn so seldom, against what drawing takes, while a run goes on

const at = (id) => document.getElementById(id);

function say(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}

const shown = {};

/* Whether something is not shown yet: what stays the same is not laid out again. */
function isNews(id, thing) {
  const now = JSON.stringify(thing);
  const before = shown[id];
  shown[id] = now;
  return now !== before;
}

const page = { name: "", sheet: null, form: "", version: null, held: {}, news: null, failed: -1, times_due: 0, drawing_ms: 0 };

// ---- the list of experiments

function showList({ experiments, problems }) {
  if (!isNews("list", [page.name, experiments, problems])) return;
  at("list").hidden = experiments.length < 2 && problems.length === 0;
  const items = experiments.map((each) => {
    const link = element("a", each.name, { href: `#${encodeURIComponent(each.name)}` });
    if (each.name === page.name) link.setAttribute("aria-current", "page");
    link.append(element("span", howFar(each), { className: "how" }));
    if (each.n_running) {
      const thread = element("span", "", { className: "bar thread" });
      fillBar(thread, { done: each.over, missing: Math.max(0, each.todo - each.over) });
      link.append(thread);
    }
    const item = element("li");
    item.append(link);
    return item;
  });
  const broken = problems.map((text) => element("li", text, { className: "how" }));
  const focused = document.activeElement?.getAttribute?.("href");
  at("list").firstElementChild.replaceChildren(...items, ...broken);
  if (focused?.startsWith("#")) {
    [...at("list").querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
  }
  if (!page.name && experiments.length) {
    const best = experiments.find((e) => e.n_running) ?? experiments.find((e) => e.has_results);
    location.hash = encodeURIComponent((best ?? experiments[0]).name);
  }
}

function howFar(each) {
  if (each.n_running) return `running: ${whole(each.over)} of ${whole(each.todo)} points`;
  if (!each.has_results) return "no results yet";
  const failed = each.failed ? `, ${whole(each.failed)} failed` : "";
  return `${whole(each.done)} of ${whole(each.points)} points done${failed}`;
}

function fillBar(place, counts) {
  const shown = STATES.filter((state) => counts[state] > 0);
  while (place.children.length > shown.length) place.lastElementChild.remove();
  shown.forEach((state, i) => {
    const part = place.children[i] ?? place.appendChild(document.createElement("i"));
    part.className = state;
    part.style.flex = `${counts[state]} 0 0`;
  });
}

// ---- numbers

function showState(state) {
  const { counts, runs } = state;
  const n = (counts.done ?? 0) + (counts.failed ?? 0) + (counts.missing ?? 0);
  const over = (counts.done ?? 0) + (counts.failed ?? 0);
  say("share", state.version ? `${whole(over)} of ${whole(n)} points finished` : "");
  say("pace", pace(state, n - over));
  fillBar(at("bar"), { ...counts, excluded: 0 });
  const named = STATES.filter((name) => counts[name] || name === "done" || name === "missing");
  if (isNews("counts", counts)) at("counts").replaceChildren(...named.map((name) => {
    const item = element("li");
    item.append(element("span", "", { className: `dot ${name}` }));
    item.append(element("b", whole(counts[name] ?? 0)), ` ${name}`);
    return item;
  }));
  at("problem").hidden = !state.problem;
  say("problem", state.problem);
  say("place", state.place ? `Values are read from ${state.place}.` : "");
  showRuns(runs);
}

function pace(state, n_left) {
  const going = state.runs.filter((run) => run.silent_s === null);
  const silent = state.runs.length - going.length;
  const words = [];
  if (going.length) words.push(going.length === 1 ? "1 run" : `${going.length} runs`);
  if (going.length && state.rate) words.push(`${short(Number(state.rate.toPrecision(3)))} points/s`);
  if (going.length && state.left_s !== null) words.push(`about ${duration(state.left_s)} left`);
  if (!going.length && n_left > 0) words.push("no run goes on");
  if (silent) words.push(silent === 1 ? "1 run is silent" : `${silent} runs are silent`);
  return words.join(" · ");
}

function showRuns(runs) {
  if (!isNews("runs", runs)) return;
  at("running").hidden = runs.length === 0;
  at("runs").replaceChildren(...runs.map((run) => {
    const row = element("tr");
    const slow = run.under_way.slice(0, 2).map((p) => `${p.point} for ${duration(p.seconds)}`);
    const left = run.silent_s !== null ? `silent for ${duration(run.silent_s)}`
      : run.left_s === null ? "" : duration(run.left_s);
    const over = `${whole(run.over)} of ${whole(run.points)}`;
    const failed = run.failed ? `${over}, ${whole(run.failed)} failed` : over;
    const cells = [run.host, String(run.pid), run.user, `${run.engine} ${run.workers}`, failed,
      short(Number(run.rate.toPrecision(3))), left, slow.join("; ")];
    row.append(...cells.map((text) => element("td", text)));
    return row;
  }));
}

// ---- choices

function showChoices() {
  const { sheet } = page;
  fill(at("output"), Object.keys(sheet.outputs), (n) => sheet.outputs[n].label || n);
  chooseAxes();
}

function fill(select, names, label = (name) => name) {
  const before = select.value;
  select.replaceChildren(...names.map((name) => element("option", label(name), { value: name })));
  if (names.includes(before)) select.value = before;
}

/* The axes that an output has: its coordinates, or the dimension where that has none. */
function chooseAxes() {
  const { sheet } = page;
  const output = sheet.outputs[at("output").value];
  if (!output) return;
  const dims = output.dims;
  const names = dims.flatMap((dim) => (sheet.along[dim].length ? sheet.along[dim] : [dim]));
  const [x, y] = [at("x").value, at("y").value];
  const label = (name) => sheet.coordinates[name]?.label || name;
  fill(at("x"), names, label);
  fill(at("y"), ["", ...names], (name) => label(name) || "(the values)");
  if (names.includes(x)) return;
  const long = [...dims].sort((a, b) => sheet.sizes[b] - sheet.sizes[a]);
  const first = (dim) => sheet.along[dim][0] ?? dim;
  at("x").value = long.length ? first(long[0]) : "";
  const other = long.find((dim) => dim !== long[0] && sheet.sizes[dim] > 2);
  const sampled = long.length && sheet.along[long[0]].length > 1 ? sheet.along[long[0]][1] : "";
  at("y").value = names.includes(y) && y !== at("x").value ? y : other ? first(other) : sampled;
}

function showSliders(held) {
  const place = at("sliders");
  const dims = held.map((each) => each.dim).join("\n");
  if (place.dataset.dims !== dims) {
    place.dataset.dims = dims;
    place.replaceChildren(...held.map((each) => {
      const label = element("label");
      const slider = element("input", "", {
        type: "range", min: 0, max: each.size - 1, value: each.at, disabled: each.size < 2,
      });
      slider.addEventListener("input", () => {
        page.held[each.dim] = Number(slider.value);
        draw();
      });
      label.append(element("span", each.dim), slider, element("output"));
      return label;
    }));
  }
  held.forEach((each, i) => {
    const [, slider, output] = place.children[i].children;
    output.textContent = each.label;
    slider.setAttribute("aria-valuetext", each.label);
  });
}

// ---- pictures; of many wishes only the last one is fulfilled

function oneAtATime(work) {
  let isAtWork = false;
  let isWanted = false;
  return async () => {
    isWanted = true;
    if (isAtWork) return;
    isAtWork = true;
    while (isWanted) {
      isWanted = false;
      try {
        await work();
      } catch (error) {
        say("plot-note", String(error.message ?? error));
      }
    }
    isAtWork = false;
  };
}

const draw = oneAtATime(async () => {
  const { name } = page;
  if (!page.sheet || !at("x").value || document.hidden) return;
  const held = Object.entries(page.held).map(([dim, place]) => `${dim}=${place}`);
  const asked = { name, output: at("output").value, x: at("x").value, y: at("y").value, at: held };
  const cut = await askArrays("/cut", asked);
  if (name !== page.name) return;
  const output = page.sheet.outputs[asked.output];
  const title = output.label || output.name;
  const units = cut.kind === "time" ? "" : output.units;
  cut.title = (units ? `${title} [${units}]` : title) + (output.kind === "complex" ? ", magnitude" : "");
  showSliders(cut.held);
  page.drawing_ms = await drawPlot(at("plot"), cut, at("log").checked && cut.high > 0);
  const range = cut.low === null ? "no values yet" : `${short(cut.low)} to ${short(cut.high)}`;
  const said = cut.categories.length ? `${cut.categories.length} different texts` :
    cut.kind === "time" ? dates(cut) : range;
  const step = cut.step > 1 ? `; a part of the values is drawn, one of ${cut.step}` : "";
  say("plot-note", `${title}: ${said}${step}`);
  at("plot").setAttribute("aria-label", `${title} over ${asked.x}${asked.y ? ` and ${asked.y}` : ""}: ${said}`);
  Object.assign(at("plot").dataset, { version: cut.version, name });
});

function dates({ low, high }) {
  const day = (time) => new Date(time).toISOString().slice(0, 10);
  return low === null ? "no values yet" : `${day(low)} to ${day(high)}`;
}

const showOverview = oneAtATime(async () => {
  const { name } = page;
  const found = await askArrays("/overview", { name });
  if (name !== page.name) return;
  drawOverview(at("map"), found.arrays.shares, Boolean(found.y));
  at("map").dataset.cells = found.arrays.shares.length / 4;
  at("map").setAttribute("aria-label", `State of the points: ${at("counts").textContent}`);
  say("map-x", found.x ? `${found.x} →` : "points in order →");
  say("map-y", found.y ? `${found.y} →` : "");
  const others = page.sheet.space.filter((dim) => dim !== found.x && dim !== found.y && page.sheet.sizes[dim] > 1);
  say("map-note", others.length ? `each cell sums up ${others.join(", ")}` : "");
});

const showTimes = oneAtATime(async () => {
  const { name } = page;
  const found = await ask("/timing", { name });
  if (name !== page.name) return;
  drawHistogram(at("times"), found.counts);
  const said = found.n ? `${duration(found.median_s)} a point (median), ${duration(found.total_s)} in all`
    : "no point is done yet";
  say("time-note", said);
  at("times").setAttribute("aria-label", `Times of points: ${said}`);
  say("time-low", found.n ? duration(found.edges_s[0]) : "");
  say("time-high", found.n ? duration(found.edges_s.at(-1)) : "");
  at("slow").hidden = !found.n;
  at("slowest").replaceChildren(...found.slowest.map((each) =>
    element("li", `${duration(each.seconds)}: ${words(each.params)}`)));
});

// ---- failures

async function showFailures(start = 0) {
  const { name } = page;
  const found = await ask("/failures", { name, start });
  if (name !== page.name) return;
  at("failed").hidden = found.n === 0;
  say("failed-title", found.n === 1 ? "1 failed point" : `${whole(found.n)} failed points`);
  mergeFailures(at("failures"), name, found.rows, start);
  at("more").hidden = at("failures").children.length >= found.n;
}

at("more").addEventListener("click", () => showFailures(at("failures").children.length));

// ---- news

let next_s = 0;
let waiting = null;

/* What is cheap is shown at once; a plot as often as drawing it does not take much of a core. */
async function refresh(isFirst) {
  if (document.hidden && !isFirst) return;
  clearTimeout(waiting);
  const now = performance.now();
  if (!isFirst && now < next_s) {
    waiting = setTimeout(() => refresh(false), next_s - now);
    return;
  }
  await draw();
  next_s = performance.now() + Math.min(15000, SHARE * page.drawing_ms);
}

async function hear(state) {
  if (state.name !== page.name) return;
  showState(state);
  if (state.version === page.version) return;
  const isFirst = page.version === null || page.version === "";
  page.version = state.version;
  if (!state.version) return;
  const isOther = state.form !== page.form;
  if (isOther) {
    const { sheet } = state.sheet ? state : await ask("/state", { name: page.name });
    if (!sheet) return;
    Object.assign(page, { sheet, form: state.form });
    showChoices();
  }
  if (document.hidden && !isFirst) return;
  await showOverview();
  refresh(isFirst || isOther);
  const isOver = !state.runs.some((run) => run.silent_s === null);
  if (isFirst || isOver || performance.now() > page.times_due) {
    page.times_due = performance.now() + 5000;
    showTimes();
  }
  if (state.counts.failed !== page.failed) {
    page.failed = state.counts.failed;
    showFailures();
  }
}

function listen() {
  page.news?.close();
  page.news = new EventSource(`/events?${new URLSearchParams({ name: page.name })}`);
  page.news.addEventListener("state", (event) => hear(JSON.parse(event.data)));
  page.news.addEventListener("experiments", (event) => showList(JSON.parse(event.data)));
  page.news.onopen = () => say("connection", "");
  page.news.onerror = () => say("connection", "The server does not answer: `view` has ended.");
}

async function open() {
  const name = decodeURIComponent(location.hash.slice(1));
  Object.assign(page, { name, sheet: null, form: "", version: null, held: {}, failed: -1 });
  say("name", name || "Experiments");
  document.title = name ? `${name} – sweeps` : "sweeps";
  for (const id of ["about", "plot-note", "problem"]) say(id, "");
  at("failed").hidden = true;
  at("failures").replaceChildren();
  listen();
  if (!name) return;
  try {
    const state = await ask("/state", { name });
    say("about", state.sheet?.about ?? "");
    await hear(state);
  } catch (error) {
    at("problem").hidden = false;
    say("problem", String(error.message ?? error));
  }
}

at("choices").addEventListener("change", (event) => {
  if (event.target === at("output")) chooseAxes();
  draw();
});
at("choices").addEventListener("submit", (event) => event.preventDefault());
at("skip").addEventListener("click", (event) => {
  event.preventDefault();
  at("main").focus();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && page.sheet) {
    showOverview();
    refresh(true);
  }
});
window.addEventListener("hashchange", open);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  page.version = null;
  open();
});
window.addEventListener("resize", () => page.sheet && showTimes());

// The token was given in the address; from now on the browser has a cookie.
history.replaceState(null, "", location.pathname + location.hash);
open();
