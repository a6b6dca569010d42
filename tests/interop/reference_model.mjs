// SPDX-License-Identifier: Apache-2.0
// An independent reader of model directories (gpt2, llama, qwen3): checks model.safetensors against
// the format and against config.json, and computes the model in plain double arithmetic.
//
//     const model = openModel(dir);        // throws at the first fault
//     model.logProbabilities(ids)          // [ids.length][vocabulary], row t after ids[0 … t]
//     model.logProbabilities(ids, { gelu: halfGelu })   // GPT-2 with another GELU
import { readFileSync } from "node:fs";
import { join } from "node:path";

function want(condition, message) {
  if (!condition) throw new Error(message);
}

// ---- model.safetensors ----

function halfToNumber(h) {
  const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 0x3ff;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * fraction * 2 ** -24;
}
// The nearest number of half precision, of |x| < 65504; ties to even.
function toHalf(x) {
  if (x === 0) return x;
  const unit = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -14) - 10), n = x / unit, below = Math.floor(n);
  const up = n - below === 0.5 ? below % 2 !== 0 : n - below > 0.5;
  return (up ? below + 1 : below) * unit;
}
const upper = new DataView(new ArrayBuffer(4));
function upperToNumber(h) {
  upper.setUint32(0, h * 65536);
  return upper.getFloat32(0);
}
const types = {
  F32: [4, (data, at) => data.readFloatLE(at)],
  F16: [2, (data, at) => halfToNumber(data.readUInt16LE(at))],
  BF16: [2, (data, at) => upperToNumber(data.readUInt16LE(at))],
};

export function readTensors(path) {
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
    const [begin, end] = entry.data_offsets, [width, read] = types[entry.dtype] ?? [0];
    const n = entry.shape.reduce((product, side) => product * side, 1);
    want(width && end - begin === width * n, `${name}: ${entry.dtype}, ${end - begin} bytes for ${n} elements`);
    const values = new Float64Array(n);
    for (let i = 0; i < n; i++) values[i] = read(data, begin + width * i);
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

// ---- which tensors there must be ----

function gpt2Shapes(c) {
  const C = c.n_embd, F = c.n_inner ?? 4 * C;
  const shapes = { "transformer.wte.weight": [c.vocab_size, C], "transformer.wpe.weight": [c.n_positions, C] };
  for (let i = 0; i < c.n_layer; i++) {
    const h = `transformer.h.${i}.`;
    Object.assign(shapes, {
      [h + "ln_1.weight"]: [C], [h + "ln_1.bias"]: [C],
      [h + "attn.c_attn.weight"]: [C, 3 * C], [h + "attn.c_attn.bias"]: [3 * C],
      [h + "attn.c_proj.weight"]: [C, C], [h + "attn.c_proj.bias"]: [C],
      [h + "ln_2.weight"]: [C], [h + "ln_2.bias"]: [C],
      [h + "mlp.c_fc.weight"]: [C, F], [h + "mlp.c_fc.bias"]: [F],
      [h + "mlp.c_proj.weight"]: [F, C], [h + "mlp.c_proj.bias"]: [C],
    });
  }
  return Object.assign(shapes, { "transformer.ln_f.weight": [C], "transformer.ln_f.bias": [C] });
}

function llamaShapes(c) {
  const C = c.hidden_size, F = c.intermediate_size, D = c.head_dim, V = c.vocab_size;
  const H = c.num_attention_heads * D, G = c.num_key_value_heads * D;
  const shapes = { "model.embed_tokens.weight": [V, C] };
  for (let i = 0; i < c.num_hidden_layers; i++) {
    const h = `model.layers.${i}.`;
    Object.assign(shapes, {
      [h + "input_layernorm.weight"]: [C],
      [h + "self_attn.q_proj.weight"]: [H, C], [h + "self_attn.k_proj.weight"]: [G, C],
      [h + "self_attn.v_proj.weight"]: [G, C], [h + "self_attn.o_proj.weight"]: [C, H],
      [h + "post_attention_layernorm.weight"]: [C],
      [h + "mlp.gate_proj.weight"]: [F, C], [h + "mlp.up_proj.weight"]: [F, C], [h + "mlp.down_proj.weight"]: [C, F],
    });
    if (c.model_type === "qwen3")
      Object.assign(shapes, { [h + "self_attn.q_norm.weight"]: [D], [h + "self_attn.k_norm.weight"]: [D] });
  }
  shapes["model.norm.weight"] = [C];
  if (!c.tie_word_embeddings) shapes["lm_head.weight"] = [V, C];
  return shapes;
}

export function expectedShapes(config) {
  return config.model_type === "gpt2" ? gpt2Shapes(config) : llamaShapes(config);
}

// ---- arithmetic ----

function linearIn(x, { shape: [rows, columns], values }, bias) { // [in, out]
  const y = Float64Array.from(bias.values);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) y[j] += x[i] * values[i * columns + j];
  return y;
}
function linearOut(x, { shape: [rows, columns], values }) { // [out, in]
  const y = new Float64Array(rows);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) y[i] += x[j] * values[i * columns + j];
  return y;
}
function layerNorm(x, gain, bias, epsilon) {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
  return x.map((v, i) => ((v - mean) / Math.sqrt(variance + epsilon)) * gain.values[i] + bias.values[i]);
}
function rmsNorm(x, gain, epsilon) {
  const square = x.reduce((a, b) => a + b * b, 0) / x.length;
  return x.map((v, i) => (v / Math.sqrt(square + epsilon)) * gain.values[i]);
}
function softmax(scores) {
  const most = scores.reduce((a, b) => Math.max(a, b));
  const e = scores.map((s) => Math.exp(s - most));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}
function logSoftmax(scores) {
  const most = scores.reduce((a, b) => Math.max(a, b));
  const sum = Math.log(scores.reduce((a, s) => a + Math.exp(s - most), 0)) + most;
  return scores.map((s) => s - sum);
}
export const gelu = (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
// ggml's on a CPU: looked up by x in half precision, in half precision; from |x| = 10 on it is exact.
export const halfGelu = (x) => (Math.abs(x) >= 10 ? Math.max(x, 0) : toHalf(gelu(toHalf(x))));
const silu = (x) => x / (1 + Math.exp(-x));
const add = (x, y) => x.map((v, i) => v + y[i]);

// One query over all positions so far; `group` query heads share a key/value head.
function attend(q, keys, values, D, group) {
  const out = new Float64Array(q.length);
  for (let h = 0; h * D < q.length; h++) {
    const kv = Math.floor(h / group) * D;
    const scores = keys.map((k) => {
      let dot = 0;
      for (let i = 0; i < D; i++) dot += q[h * D + i] * k[kv + i];
      return dot / Math.sqrt(D);
    });
    softmax(scores).forEach((share, t) => {
      for (let i = 0; i < D; i++) out[h * D + i] += share * values[t][kv + i];
    });
  }
  return out;
}
// Pairs (i, i + D/2) of every head.
function rotate(x, D, position, theta) {
  const y = Float64Array.from(x);
  for (let h = 0; h < x.length; h += D) {
    for (let i = 0; i < D / 2; i++) {
      const angle = position * theta ** ((-2 * i) / D), a = x[h + i], b = x[h + i + D / 2];
      y[h + i] = a * Math.cos(angle) - b * Math.sin(angle);
      y[h + i + D / 2] = b * Math.cos(angle) + a * Math.sin(angle);
    }
  }
  return y;
}
function perHead(x, D, gain, epsilon) {
  const y = new Float64Array(x.length);
  for (let h = 0; h < x.length; h += D) y.set(rmsNorm(x.subarray(h, h + D), gain, epsilon), h);
  return y;
}

function* gpt2Rows(c, tensors, ids, activation = gelu) {
  const get = (name) => tensors.get("transformer." + name);
  const C = c.n_embd, wte = get("wte.weight"), wpe = get("wpe.weight").values;
  const keys = Array.from({ length: c.n_layer }, () => []), values = keys.map(() => []);
  for (let t = 0; t < ids.length; t++) {
    let x = Float64Array.from({ length: C }, (_, i) => wte.values[ids[t] * C + i] + wpe[t * C + i]);
    for (let l = 0; l < c.n_layer; l++) {
      const part = (name) => get(`h.${l}.${name}`);
      const linear = (y, name) => linearIn(y, part(name + ".weight"), part(name + ".bias"));
      const norm = (y, name) => layerNorm(y, part(name + ".weight"), part(name + ".bias"), c.layer_norm_epsilon);
      const qkv = linear(norm(x, "ln_1"), "attn.c_attn");
      keys[l].push(qkv.slice(C, 2 * C));
      values[l].push(qkv.slice(2 * C));
      x = add(x, linear(attend(qkv.slice(0, C), keys[l], values[l], C / c.n_head, 1), "attn.c_proj"));
      x = add(x, linear(linear(norm(x, "ln_2"), "mlp.c_fc").map(activation), "mlp.c_proj"));
    }
    yield logSoftmax(linearOut(layerNorm(x, get("ln_f.weight"), get("ln_f.bias"), c.layer_norm_epsilon), wte));
  }
}

function* llamaRows(c, tensors, ids) {
  const C = c.hidden_size, D = c.head_dim, epsilon = c.rms_norm_eps;
  const theta = c.rope_parameters?.rope_theta ?? c.rope_theta;
  const group = c.num_attention_heads / c.num_key_value_heads;
  const embedding = tensors.get("model.embed_tokens.weight");
  const head = c.tie_word_embeddings ? embedding : tensors.get("lm_head.weight");
  const keys = Array.from({ length: c.num_hidden_layers }, () => []), values = keys.map(() => []);
  for (let t = 0; t < ids.length; t++) {
    let x = embedding.values.slice(ids[t] * C, (ids[t] + 1) * C);
    for (let l = 0; l < c.num_hidden_layers; l++) {
      const part = (name) => tensors.get(`model.layers.${l}.${name}.weight`);
      const turned = (y, name) => {
        const normed = c.model_type === "qwen3" ? perHead(y, D, part(`self_attn.${name}_norm`), epsilon) : y;
        return rotate(normed, D, t, theta);
      };
      const y = rmsNorm(x, part("input_layernorm"), epsilon);
      keys[l].push(turned(linearOut(y, part("self_attn.k_proj")), "k"));
      values[l].push(linearOut(y, part("self_attn.v_proj")));
      const q = turned(linearOut(y, part("self_attn.q_proj")), "q");
      x = add(x, linearOut(attend(q, keys[l], values[l], D, group), part("self_attn.o_proj")));
      const z = rmsNorm(x, part("post_attention_layernorm"), epsilon);
      const up = linearOut(z, part("mlp.up_proj"));
      x = add(x, linearOut(linearOut(z, part("mlp.gate_proj")).map((g, i) => silu(g) * up[i]), part("mlp.down_proj")));
    }
    yield logSoftmax(linearOut(rmsNorm(x, tensors.get("model.norm.weight"), epsilon), head));
  }
}

// ---- a directory ----

const classes = { gpt2: "GPT2LMHeadModel", llama: "LlamaForCausalLM", qwen3: "Qwen3ForCausalLM" };

export function openModel(dir) {
  const config = JSON.parse(readFileSync(join(dir, "config.json"), "utf8"));
  want(classes[config.model_type], `config.json: model_type ${config.model_type}`);
  want(config.architectures[0] === classes[config.model_type], "config.json names another architecture");
  want((config.activation_function ?? config.hidden_act) === (config.model_type === "gpt2" ? "gelu_new" : "silu"), "config.json has another activation");
  const { metadata, tensors } = readTensors(join(dir, "model.safetensors"));
  const shapes = expectedShapes(config);
  for (const [name, shape] of Object.entries(shapes))
    want(String(tensors.get(name)?.shape) === String(shape), `${name}: shape ${tensors.get(name)?.shape}, want ${shape}`);
  want(tensors.size === Object.keys(shapes).length, "more tensors than the model has");
  const rows = config.model_type === "gpt2" ? gpt2Rows : llamaRows;
  return { config, metadata, tensors, logProbabilities: (ids, { gelu } = {}) => [...rows(config, tensors, ids, gelu)] };
}
