// What the server answers: objects, and arrays as they are in its memory.

export async function ask(path, asked = {}) {
  const answer = await request(path, asked);
  return answer.json();
}

const KINDS = { float64: Float64Array, float32: Float32Array, uint8: Uint8Array, int8: Int8Array };

/* See sweeps/viewer/wire.py: length of the header, header, arrays. */
export async function askArrays(path, asked = {}) {
  const content = await (await request(path, asked)).arrayBuffer();
  const length = new DataView(content).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(content, 4, length)));
  const arrays = {};
  for (const [name, said] of Object.entries(header.arrays)) {
    const n = said.shape.reduce((a, b) => a * b, 1);
    arrays[name] = new KINDS[said.dtype](content, 4 + length + said.offset, n);
    arrays[name].sizes = said.shape;
  }
  return { ...header, arrays };
}

async function request(path, asked) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) {
    for (const each of [value].flat()) words.append(name, each);
  }
  const answer = await fetch(`${path}?${words}`);
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

// ---- numbers in words

export function whole(n) {
  return Math.round(n).toLocaleString("en");
}

export function short(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return "";
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return x.toExponential(3);
  return Number(x.toPrecision(5)).toLocaleString("en", { maximumFractionDigits: 6 });
}

export function duration(seconds) {
  if (seconds < 1e-3) return `${Number((seconds * 1e6).toPrecision(3))} µs`;
  if (seconds < 1) return `${Number((seconds * 1e3).toPrecision(3))} ms`;
  if (seconds < 120) return `${Number(seconds.toPrecision(3))} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86400).toFixed(1)} days`;
}
