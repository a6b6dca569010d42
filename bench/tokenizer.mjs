// SPDX-License-Identifier: Apache-2.0
// npm peers for bench/tokenizer.sh: cl100k over the documents of TEXT, ids compared with IDS.
//     node tokenizer.mjs RANKS TEXT IDS OUR-MB/S TOKENIZER.JSON
import { readFileSync } from "node:fs";
const [ranks, text, idsPath, ours, hf] = process.argv.slice(2);
const raw = readFileSync(text, "utf8");
const docs = text.endsWith(".jsonl")
  ? raw.split("\n").filter(Boolean).map((line) => JSON.parse(line).text)
  : [raw];
const bytes = docs.reduce((n, d) => n + Buffer.byteLength(d), 0);
const file = readFileSync(idsPath);
const want = new Uint32Array(file.buffer, file.byteOffset, file.length / 4);

async function compare(encode) {
  let at = 0;
  for (const doc of docs) {
    const ids = await encode(doc), n = want[at++];
    if (ids.length !== n) return false;
    for (let i = 0; i < n; i++) if (ids[i] !== want[at + i]) return false;
    at += n;
  }
  return true;
}

async function peer(name, make) {
  let encode;
  try {
    encode = await make();
  } catch (e) {
    console.log(`${name.padEnd(16)} skipped: ${String(e.message).split("\n")[0]}`);
    return;
  }
  const begin = process.cpuUsage();
  for (const doc of docs) await encode(doc);
  const used = process.cpuUsage(begin);
  const rate = bytes / (used.user + used.system);
  const same = (await compare(encode)) ? "same ids" : "OTHER IDS";
  console.log(
    `${name.padEnd(16)} ${rate.toFixed(1).padStart(8)} MB/s  we are ${(ours / rate).toFixed(1)} times that, ${same}`,
  );
}

await peer("tiktoken", async () => {
  const { Tiktoken } = await import("tiktoken");
  const { default: model } = await import("tiktoken/encoders/cl100k_base.json", { with: { type: "json" } });
  const enc = new Tiktoken(model.bpe_ranks, model.special_tokens, model.pat_str);
  return (doc) => enc.encode_ordinary(doc);
});
await peer("tokenizers", async () => {
  if (!hf) throw new Error("no tokenizer.json: build wetmill");
  const { Tokenizer } = (await import("tokenizers")).default;
  const enc = Tokenizer.fromFile(hf);
  return async (doc) => (await enc.encode(doc, null, { addSpecialTokens: false })).getIds();
});
await peer("ai-tokenizer", async () => {
  const { Tokenizer } = await import("ai-tokenizer");
  const encoding = await import("ai-tokenizer/encoding/cl100k_base");
  const enc = new Tokenizer(encoding);
  return (doc) => enc.encode(doc, [], []);
});
