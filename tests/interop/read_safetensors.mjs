// SPDX-License-Identifier: Apache-2.0
// A model directory read and computed by a program that shares no code with ours (reference_model.mjs).
//
//     node read_safetensors.mjs MODEL-DIRECTORY [ID ...]
//
// Prints one JSON line: {"tensors": N, "parameters": N, "metadata": {...}, "logprobs": [...]};
// logprobs[i] is the log-probability of ID i + 1 after IDs 0 … i. Exits 1 at the first fault.
import { openModel } from "./reference_model.mjs";

const [dir, ...words] = process.argv.slice(2);
try {
  if (!dir) throw new Error("usage: node read_safetensors.mjs MODEL-DIRECTORY [ID ...]");
  const { metadata, tensors, logProbabilities } = openModel(dir);
  if (metadata.format !== "pt") throw new Error('metadata lacks "format": "pt"');
  let parameters = 0;
  for (const { values } of tensors.values()) parameters += values.length;
  const ids = words.map(Number);
  const logprobs = logProbabilities(ids.slice(0, -1)).map((row, t) => row[ids[t + 1]]);
  console.log(JSON.stringify({ tensors: tensors.size, parameters, metadata, logprobs }));
} catch (error) {
  console.error(`read_safetensors: ${error.message}`);
  process.exit(1);
}
