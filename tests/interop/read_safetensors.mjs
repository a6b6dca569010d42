// SPDX-License-Identifier: Apache-2.0
// An independent reader of exported GPT-2 models: checks model.safetensors against the format and
// against config.json, then runs the model in plain double arithmetic.
//
//     node read_safetensors.mjs MODEL-DIRECTORY [ID ...]
//
// Prints one JSON line: {"tensors": N, "parameters": N, "metadata": {...}, "logprobs": [...]};
// logprobs[i] is the log-probability of ID i + 1 after IDs 0 … i. Exits 1 at the first fault.
import { readFileSync } from "node:fs";
import { join } from "node:path";

function fail(message) {
  console.error(`read_safetensors: ${message}`);
  process.exit(1);
}
function want(condition, message) {
  if (!condition) fail(message);
}

function readTensors(path) {
  const file = readFileSync(path);
  want(file.length >= 8, "shorter than the header's length");
  const headerLength = Number(file.readBigUInt64LE(0));
  want(headerLength <= file.length - 8, "header longer than the file");
  const text = new TextDecoder("utf-8", { fatal: true }).decode(file.subarray(8, 8 + headerLength));
  want(text[0] === "{" && (8 + headerLength) % 8 === 0, "header does not start with { or data is not aligned");
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(text);
  const data = file.subarray(8 + headerLength);
  const tensors = new Map();
  const spans = [];
  for (const [name, entry] of Object.entries(entries)) {
    const [begin, end] = entry.data_offsets;
    const n = entry.shape.reduce((product, side) => product * side, 1);
    want(entry.dtype === "F32" && end - begin === 4 * n, `${name}: ${entry.dtype}, ${end - begin} bytes for ${n} elements`);
    const values = new Float64Array(n);
    for (let i = 0; i < n; i++) values[i] = data.readFloatLE(begin + 4 * i);
    want(values.every(Number.isFinite), `${name}: not finite`);
    tensors.set(name, { shape: entry.shape, values });
    spans.push([begin, end]);
  }
  spans.sort((a, b) => a[0] - b[0]);
  let at = 0;
  for (const [begin, end] of spans) {
    want(begin === at, `hole or overlap at byte ${at}`);
    at = end;
  }
  want(at === data.length, "bytes behind the last tensor");
  return { metadata, tensors };
}

function expectedShapes(c) {
  const C = c.n_embd;
  const shapes = { "transformer.wte.weight": [c.vocab_size, C], "transformer.wpe.weight": [c.n_positions, C] };
  for (let i = 0; i < c.n_layer; i++) {
    const h = `transformer.h.${i}.`;
    Object.assign(shapes, {
      [h + "ln_1.weight"]: [C], [h + "ln_1.bias"]: [C],
      [h + "attn.c_attn.weight"]: [C, 3 * C], [h + "attn.c_attn.bias"]: [3 * C],
      [h + "attn.c_proj.weight"]: [C, C], [h + "attn.c_proj.bias"]: [C],
      [h + "ln_2.weight"]: [C], [h + "ln_2.bias"]: [C],
      [h + "mlp.c_fc.weight"]: [C, 4 * C], [h + "mlp.c_fc.bias"]: [4 * C],
      [h + "mlp.c_proj.weight"]: [4 * C, C], [h + "mlp.c_proj.bias"]: [C],
    });
  }
  return Object.assign(shapes, { "transformer.ln_f.weight": [C], "transformer.ln_f.bias": [C] });
}

// ---- GPT-2, one position at a time ----

function linear(x, weight, bias) {
  const [rows, columns] = weight.shape; // Conv1D: [in, out]
  const y = Float64Array.from(bias.values);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) y[j] += x[i] * weight.values[i * columns + j];
  return y;
}
function norm(x, gain, bias, epsilon) {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
  return x.map((v, i) => ((v - mean) / Math.sqrt(variance + epsilon)) * gain.values[i] + bias.values[i]);
}
function softmax(scores) {
  const most = Math.max(...scores);
  const e = scores.map((s) => Math.exp(s - most));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}
const gelu = (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

function attend(qkv, caches, heads) {
  const C = qkv.length / 3, size = C / heads, out = new Float64Array(C);
  caches.push({ k: qkv.slice(C, 2 * C), v: qkv.slice(2 * C) });
  for (let h = 0; h < heads; h++) {
    const scores = caches.map(({ k }) => {
      let dot = 0;
      for (let i = h * size; i < (h + 1) * size; i++) dot += qkv[i] * k[i];
      return dot / Math.sqrt(size);
    });
    softmax(scores).forEach((share, t) => {
      for (let i = h * size; i < (h + 1) * size; i++) out[i] += share * caches[t].v[i];
    });
  }
  return out;
}

function logProbabilities(config, tensors, ids) {
  const get = (name) => tensors.get("transformer." + name);
  const C = config.n_embd, wte = get("wte.weight").values, wpe = get("wpe.weight").values;
  const caches = Array.from({ length: config.n_layer }, () => []);
  const result = [];
  for (let t = 0; t + 1 < ids.length; t++) {
    let x = Float64Array.from({ length: C }, (_, i) => wte[ids[t] * C + i] + wpe[t * C + i]);
    for (let l = 0; l < config.n_layer; l++) {
      const part = (name) => get(`h.${l}.${name}`);
      const linearOf = (y, name) => linear(y, part(name + ".weight"), part(name + ".bias"));
      const normOf = (y, name) => norm(y, part(name + ".weight"), part(name + ".bias"), config.layer_norm_epsilon);
      const mixed = attend(linearOf(normOf(x, "ln_1"), "attn.c_attn"), caches[l], config.n_head);
      const attended = linearOf(mixed, "attn.c_proj");
      x = x.map((v, i) => v + attended[i]);
      const fed = linearOf(linearOf(normOf(x, "ln_2"), "mlp.c_fc").map(gelu), "mlp.c_proj");
      x = x.map((v, i) => v + fed[i]);
    }
    x = norm(x, get("ln_f.weight"), get("ln_f.bias"), config.layer_norm_epsilon);
    const logits = Array.from({ length: config.vocab_size }, (_, id) => {
      let dot = 0;
      for (let i = 0; i < C; i++) dot += x[i] * wte[id * C + i];
      return dot;
    });
    result.push(Math.log(softmax(logits)[ids[t + 1]]));
  }
  return result;
}

const [dir, ...ids] = process.argv.slice(2);
want(dir, "usage: node read_safetensors.mjs MODEL-DIRECTORY [ID ...]");
const config = JSON.parse(readFileSync(join(dir, "config.json"), "utf8"));
want(config.model_type === "gpt2" && config.activation_function === "gelu_new", "config.json is no GPT-2");
want(config.architectures[0] === "GPT2LMHeadModel", "config.json names another architecture");
const { metadata, tensors } = readTensors(join(dir, "model.safetensors"));
want(metadata.format === "pt", 'metadata lacks "format": "pt"');
const shapes = expectedShapes(config);
for (const [name, shape] of Object.entries(shapes))
  want(String(tensors.get(name)?.shape) === String(shape), `${name}: shape ${tensors.get(name)?.shape}, want ${shape}`);
want(tensors.size === Object.keys(shapes).length, "more tensors than GPT-2 has");
let parameters = 0;
for (const { values } of tensors.values()) parameters += values.length;
const logprobs = logProbabilities(config, tensors, ids.map(Number));
console.log(JSON.stringify({ tensors: tensors.size, parameters, metadata, logprobs }));
