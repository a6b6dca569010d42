// SPDX-License-Identifier: Apache-2.0
// llama.cpp (npm node-llama-cpp) on a GGUF file against the model's directory in double arithmetic.
//
//     node llama_cpp.mjs MODEL-DIRECTORY FILE.gguf most-difference|mean-kl LIMIT
//
// Computes the distributions behind 224 random ids, as many at a time as the context takes.
// most-difference: of log-probabilities over the ids of at least 1e-6 (llama.cpp gives
// probabilities in float32). mean-kl: nats. Exit 1 over the limit, 77 if the package is not here.
import path from "node:path";
import fs from "node:fs";
import { pathToFileURL } from "node:url";
import { openModel } from "./reference_model.mjs";

const [dir, file, what, limit] = process.argv.slice(2);
const root = path.join(process.cwd(), "node_modules", "node-llama-cpp");
if (!fs.existsSync(root)) {
  console.log("llama.cpp: skipped, the npm package node-llama-cpp is not here");
  process.exit(77);
}
const { main, module } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
const { getLlama } = await import(pathToFileURL(path.join(root, module ?? main)).href);

const reference = openModel(dir);
const vocabulary = reference.config.vocab_size;
const contextSize = reference.config.n_positions ?? reference.config.max_position_embeddings;
const most = Math.min(224, contextSize - 1); // of a full context node-llama-cpp drops the beginning
const llama = await getLlama({ build: "never", gpu: false, logLevel: "error" });
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({
  contextSize, batchSize: contextSize, flashAttention: false, experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32",
});
const sequence = context.getSequence();
const generateNext = { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } };

let seed = 1, positions = 0, worst = 0, divergence = 0;
const draw = () => (seed = (seed * 48271) % 2147483647) % vocabulary;
while (positions < 224) {
  const ids = Array.from({ length: most }, draw);
  await sequence.clearHistory();
  const theirs = await sequence.controlledEvaluate(ids.map((id) => [id, { generateNext }]));
  const ours = reference.logProbabilities(ids);
  ours.forEach((row, t) => {
    const probabilities = theirs[t].next.probabilities;
    if (probabilities.size !== vocabulary) throw new Error(`${probabilities.size} probabilities for ${vocabulary} ids`);
    for (const [id, p] of probabilities) {
      if (row[id] > Math.log(1e-6)) worst = Math.max(worst, Math.abs(Math.log(p) - row[id]));
      divergence += Math.exp(row[id]) * (row[id] - Math.log(Math.max(p, 1e-30)));
    }
  });
  positions += ids.length;
}
const got = what === "mean-kl" ? divergence / positions : worst;
const good = got <= Number(limit);
console.log(`llama.cpp: ${path.basename(file)}: ${what} ${got.toExponential(2)} over ${positions} positions` + (good ? "" : `, MORE THAN ${limit}`));
process.exit(good ? 0 : 1);
