// SPDX-License-Identifier: Apache-2.0
// llama2.c's file of a model, computed as its run.c does (pairs next to each other are turned),
// beside the model's directory; tokenizer.bin is read to its end.
//
//     node read_llama2c.mjs MODEL-DIRECTORY DIRECTORY-WITH-model.bin-AND-tokenizer.bin
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openModel } from "./reference_model.mjs";

const [dir, out] = process.argv.slice(2);
const file = readFileSync(join(out, "model.bin"));
const [dim, hidden, layers, heads, kvHeads, signed, length] = Array.from({ length: 7 }, (_, i) => file.readInt32LE(4 * i));
const vocabulary = Math.abs(signed), size = dim / heads;
let at = 28;
const take = (n) => Float64Array.from({ length: n }, () => file.readFloatLE((at += 4) - 4));
const each = (n) => Array.from({ length: layers }, () => take(n));
const embedding = take(vocabulary * dim), attentionNorm = each(dim);
const wq = each(dim * dim), wk = each(kvHeads * size * dim), wv = each(kvHeads * size * dim), wo = each(dim * dim);
const mlpNorm = each(dim), w1 = each(hidden * dim), w2 = each(dim * hidden), w3 = each(hidden * dim), lastNorm = take(dim);
take(length * size);
const head = signed > 0 ? embedding : take(vocabulary * dim);
if (at !== file.length) throw new Error(`the file has ${file.length - at} bytes more`);

function norm(x, gain) {
  const scale = 1 / Math.sqrt(x.reduce((a, v) => a + v * v, 0) / x.length + 1e-5);
  return x.map((v, i) => v * scale * gain[i]);
}
function times(w, x) {
  return Float64Array.from({ length: w.length / x.length }, (_, r) => x.reduce((a, v, i) => a + v * w[r * x.length + i], 0));
}
function turn(x, position) {
  for (let i = 0; i < x.length; i += 2) {
    const angle = position / 10000 ** ((i % size) / size), a = x[i], b = x[i + 1];
    x[i] = a * Math.cos(angle) - b * Math.sin(angle);
    x[i + 1] = a * Math.sin(angle) + b * Math.cos(angle);
  }
  return x;
}
const keys = each(0).map(() => []), values = each(0).map(() => []);
function step(id, position) {
  let x = embedding.slice(id * dim, (id + 1) * dim);
  for (let l = 0; l < layers; l++) {
    const y = norm(x, attentionNorm[l]), q = turn(times(wq[l], y), position), mixed = new Float64Array(dim);
    keys[l].push(turn(times(wk[l], y), position));
    values[l].push(times(wv[l], y));
    for (let h = 0; h < heads; h++) {
      const kv = Math.floor((h * kvHeads) / heads) * size;
      const e = keys[l].map((k) => Math.exp(k.slice(kv, kv + size).reduce((a, v, i) => a + v * q[h * size + i], 0) / Math.sqrt(size)));
      const sum = e.reduce((a, v) => a + v, 0);
      values[l].forEach((v, t) => { for (let i = 0; i < size; i++) mixed[h * size + i] += (e[t] / sum) * v[kv + i]; });
    }
    const attended = times(wo[l], mixed);
    x = x.map((v, i) => v + attended[i]);
    const z = norm(x, mlpNorm[l]), up = times(w3[l], z);
    const fed = times(w2[l], times(w1[l], z).map((g, i) => (g / (1 + Math.exp(-g))) * up[i]));
    x = x.map((v, i) => v + fed[i]);
  }
  const logits = times(head, norm(x, lastNorm)), sum = Math.log(logits.reduce((a, v) => a + Math.exp(v), 0));
  return logits.map((v) => v - sum);
}

const model = openModel(dir), ids = Array.from({ length: 40 }, (_, i) => (i * 37 + 5) % vocabulary);
const want = model.logProbabilities(ids);
let worst = 0;
ids.forEach((id, t) => step(id, t).forEach((v, i) => (worst = Math.max(worst, Math.abs(v - want[t][i])))));
if (!(worst < 1e-9)) throw new Error(`log-probabilities differ by ${worst}`);

const tokens = readFileSync(join(out, "tokenizer.bin"));
let byte = 4, longest = 0;
for (let id = 0; id < vocabulary; id++) {
  const n = tokens.readUInt32LE(byte + 4);
  longest = Math.max(longest, n);
  byte += 8 + n;
}
if (byte !== tokens.length || tokens.readUInt32LE(0) !== longest) throw new Error("tokenizer.bin ends elsewhere");
console.log(`llama2.c: ${ids.length} positions, log-probabilities within ${worst.toExponential(1)}; ${vocabulary} tokens`);
