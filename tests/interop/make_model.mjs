// SPDX-License-Identifier: Apache-2.0
// A model directory with random weights, written by a program that shares no code with ours.
//
//     node make_model.mjs KIND DIR [VOCABULARY]
//
// KIND: gpt2; gpt2-hub (no "transformer.", attn.bias buffers); llama (grouped queries, theta 500000,
// heads wider than width / heads, untied); llama-plain (as llama2.c has it, tied); qwen3;
// llama-sharded (bf16 in two files with an index). Weights are large enough for peaked distributions.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expectedShapes } from "./reference_model.mjs";

const [kind, dir, vocabulary = "300"] = process.argv.slice(2);
const vocab_size = Number(vocabulary);
const llama = {
  architectures: ["LlamaForCausalLM"], model_type: "llama", hidden_size: 64, intermediate_size: 144, num_hidden_layers: 2,
  num_attention_heads: 4, num_key_value_heads: 2, head_dim: 32, vocab_size, max_position_embeddings: 256, rms_norm_eps: 1e-6,
  hidden_act: "silu", attention_bias: false, mlp_bias: false, tie_word_embeddings: false, rope_theta: 500000,
};
const gpt2 = {
  architectures: ["GPT2LMHeadModel"], model_type: "gpt2", n_layer: 2, n_embd: 64, n_head: 4, n_positions: 256, n_ctx: 256,
  vocab_size, activation_function: "gelu_new", layer_norm_epsilon: 1e-5,
};
const { rope_theta, ...bare } = llama;
const config = {
  gpt2, "gpt2-hub": gpt2, llama, "llama-sharded": llama,
  "llama-plain": { ...bare, head_dim: 16, rms_norm_eps: 1e-5, rope_parameters: { rope_type: "default", rope_theta: 10000 }, tie_word_embeddings: true },
  qwen3: { ...llama, architectures: ["Qwen3ForCausalLM"], model_type: "qwen3", use_sliding_window: false, tie_word_embeddings: true },
}[kind];

let state = 12345;
function uniform() { // mulberry32
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

// Embeddings of 0.3, linear maps that keep a vector's size, gains around 1.
function make(name, shape) {
  const n = shape.reduce((a, b) => a * b, 1), values = new Float32Array(n);
  const fanIn = kind.startsWith("gpt2") ? shape[0] : shape[1];
  const embedding = /embed|wte|wpe|lm_head/.test(name);
  const size = shape.length === 1 ? 0.1 : embedding ? 0.3 : 1 / Math.sqrt(fanIn);
  const center = /(ln_.|norm)\.weight$/.test(name) ? 1 : 0;
  for (let i = 0; i < n; i++) values[i] = center + size * normal();
  return values;
}

function store(path, tensors, bf16) {
  const header = {}, parts = [];
  let at = 0;
  for (const [name, [shape, values]] of Object.entries(tensors)) {
    let bytes = Buffer.from(values.buffer);
    if (bf16) bytes = Buffer.from(new Uint16Array(values.length).map((_, i) => bytes.readUInt16LE(4 * i + 2)).buffer);
    header[name] = { dtype: bf16 ? "BF16" : "F32", shape, data_offsets: [at, (at += bytes.length)] };
    parts.push(bytes);
  }
  let text = JSON.stringify({ __metadata__: { format: "pt" }, ...header });
  text += " ".repeat((8 - (Buffer.byteLength(text) % 8)) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  writeFileSync(path, Buffer.concat([length, Buffer.from(text), ...parts]));
}

mkdirSync(dir, { recursive: true });
writeFileSync(join(dir, "config.json"), JSON.stringify(config, null, 1));
let tensors = {};
for (const [name, shape] of Object.entries(expectedShapes(config))) tensors[name] = [shape, make(name, shape)];
if (kind === "gpt2-hub") {
  tensors = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name.replace("transformer.", ""), tensor]));
  for (let i = 0; i < config.n_layer; i++) tensors[`h.${i}.attn.bias`] = [[1, 1, 256, 256], new Float32Array(65536).fill(1)];
}
if (kind === "llama-sharded") {
  const names = Object.keys(tensors), half = names.length >> 1, weight_map = {};
  [names.slice(0, half), names.slice(half)].forEach((some, i) => {
    const file = `model-0000${i + 1}-of-00002.safetensors`;
    store(join(dir, file), Object.fromEntries(some.map((name) => [name, tensors[name]])), true);
    for (const name of some) weight_map[name] = file;
  });
  writeFileSync(join(dir, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map }));
} else {
  store(join(dir, "model.safetensors"), tensors, false);
}
