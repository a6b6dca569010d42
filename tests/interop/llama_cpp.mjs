// SPDX-License-Identifier: Apache-2.0
// A model of ours three ways: by its own program (interop_logits), from its directory in double
// arithmetic (reference_model.mjs), from GGUF files in llama.cpp (npm node-llama-cpp).
//
//     node llama_cpp.mjs LOGITS-PROGRAM MODEL-DIRECTORY IDS LIMIT=FILE.gguf…
//
// IDS: a file of ids, or "random". At least 224 of them are scored, as many at a time as the context
// takes: each behind those before it. LIMIT: next:N, |Δ log p| of the id that comes next is N at most,
// beside both others; kl:N, the mean Kullback-Leibler divergence from double arithmetic, nats.
// "all" is the largest |Δ log p| over all ids of p ≥ 1e-6 (llama.cpp gives probabilities in
// float32). Ours in float32 must be within 1e-4 of double arithmetic for all ids.
//
// llama.cpp takes GELU from a table in half precision. For GPT-2 the same is computed here with
// such a GELU: the median difference must fall to 3e-5, so nothing else differs. (The largest does not
// fall as far: what lies between two halves in double arithmetic may round the other way in float32.)
//
// Exit 1 over a limit, 77 if the package is not here.
import { spawnSync } from "node:child_process";
import path from "node:path";
import fs from "node:fs";
import { pathToFileURL } from "node:url";
import { halfGelu, openModel } from "./reference_model.mjs";

const [program, dir, idsFile, ...files] = process.argv.slice(2);
const root = path.join(process.cwd(), "node_modules", "node-llama-cpp");
const POSITIONS = 224, NEAR = 1e-4, MEDIAN = 3e-5, SEEN = Math.log(1e-6);
const installed = fs.existsSync(root);
if (!installed) console.log("llama.cpp: skipped, the npm package node-llama-cpp is not here");

const reference = openModel(dir);
const vocabulary = reference.config.vocab_size;
const contextSize = reference.config.n_positions ?? reference.config.max_position_embeddings;
let good = true;

// ---- the ids ----

// Of a full context node-llama-cpp drops the beginning.
const most = Math.min(POSITIONS, contextSize - 1);
let seed = 1;
const draw = () => (seed = (seed * 48271) % 2147483647) % vocabulary;
const given = idsFile === "random" ? null : fs.readFileSync(idsFile, "utf8").trim().split(/\s+/).map(Number);
const windows = []; // of most + 1 ids: the last is only scored
for (let at = 0; at < POSITIONS; at += most)
  windows.push(given ? given.slice(at, at + most + 1) : Array.from({ length: most + 1 }, draw));
if (windows.some((ids) => ids.length !== most + 1)) throw new Error(`${idsFile} has too few ids`);
const positions = windows.length * most;

// ---- three sources of log-probabilities, [windows][position][vocabulary] ----

function logSoftmax(logits) {
  const top = logits.reduce((a, b) => Math.max(a, b));
  const sum = Math.log(logits.reduce((a, v) => a + Math.exp(v - top), 0)) + top;
  return Float64Array.from(logits, (v) => v - sum);
}

function ownRows(ids) { // of the whole pass, and of the decoder
  const { status, stdout, stderr, error } = spawnSync(program, [dir], { input: Buffer.from(Uint32Array.from(ids).buffer), maxBuffer: 1 << 30 });
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr}`);
  const all = new Float32Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + stdout.length));
  if (all.length !== 2 * ids.length * vocabulary) throw new Error(`${all.length} logits for ${ids.length} ids`);
  const rows = Array.from({ length: 2 * ids.length }, (_, t) => logSoftmax(all.subarray(t * vocabulary, (t + 1) * vocabulary)));
  return [rows.slice(0, ids.length), rows.slice(ids.length)];
}

async function theirRows(llama, file) {
  const model = await llama.loadModel({ modelPath: file });
  const context = await model.createContext({
    contextSize, batchSize: contextSize, threads: 1, flashAttention: false, experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32",
  });
  const sequence = context.getSequence();
  const generateNext = { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } };
  const rows = [];
  for (const ids of windows) {
    await sequence.clearHistory();
    const said = await sequence.controlledEvaluate(ids.slice(0, most).map((id) => [id, { generateNext }]));
    rows.push(said.map(({ next: { probabilities } }) => {
      if (probabilities.size !== vocabulary) throw new Error(`${probabilities.size} probabilities for ${vocabulary} ids`);
      const row = new Float64Array(vocabulary);
      for (const [id, p] of probabilities) row[id] = Math.log(Math.max(p, 1e-30));
      return row;
    }));
  }
  await context.dispose();
  await model.dispose();
  return rows;
}

// ---- beside each other ----

function compare(got, want) {
  const next = [];
  let all = 0, kl = 0;
  windows.forEach((ids, w) => got[w].forEach((row, t) => {
    const other = want[w][t];
    next.push(Math.abs(row[ids[t + 1]] - other[ids[t + 1]]));
    for (let id = 0; id < vocabulary; id++) {
      if (other[id] > SEEN) all = Math.max(all, Math.abs(row[id] - other[id]));
      kl += Math.exp(other[id]) * (other[id] - row[id]);
    }
  }));
  next.sort((a, b) => a - b);
  return { next: Math.max(...next), median: next[next.length >> 1], all, kl: kl / positions };
}
const say = ({ next, median, all }) => `next ${next.toExponential(1)} (median ${median.toExponential(1)}), all ${all.toExponential(1)}`;
const limits = (value, limit) => {
  if (value <= limit) return ""; // not a number is over it
  good = false;
  return `, MORE THAN ${limit}`;
};

const double = windows.map((ids) => reference.logProbabilities(ids.slice(0, most)));
const both = windows.map((ids) => ownRows(ids.slice(0, most)));
const ours = both.map(([pass]) => pass);
for (const [name, rows] of [["ours", ours], ["ours, decoder", both.map(([, decoder]) => decoder)]]) {
  const found = compare(rows, double);
  console.log(`  ${name}, beside double: ${say(found)}, ${positions} positions${limits(found.all, NEAR)}`);
}
if (!installed) process.exit(good ? 77 : 1);

const { main, module } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
const { getLlama } = await import(pathToFileURL(path.join(root, module ?? main)).href);
const llama = await getLlama({ build: "never", gpu: false, logLevel: "error", maxThreads: 1 });
for (const entry of files) {
  const [, kind, limit, file] = /^(next|kl):([^=]+)=(.*)$/.exec(entry);
  const theirs = await theirRows(llama, file);
  const found = compare(theirs, double), name = path.basename(file);
  if (kind === "kl") {
    console.log(`  ${name}: mean KL ${found.kl.toExponential(2)}${limits(found.kl, Number(limit))}`);
    continue;
  }
  const beside = compare(ours, theirs);
  console.log(`  ${name}, beside double: ${say(found)}${limits(found.next, Number(limit))}; beside ours: ${say(beside)}${limits(beside.next, Number(limit))}`);
  if (reference.config.model_type === "gpt2") {
    const half = compare(theirs, windows.map((ids) => reference.logProbabilities(ids.slice(0, most), { gelu: halfGelu })));
    console.log(`  ${name}, beside double with GELU in half precision: ${say(half)}${limits(half.median, MEDIAN)}`);
  }
}
process.exit(good ? 0 : 1);
