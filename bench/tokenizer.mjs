// SPDX-License-Identifier: Apache-2.0
// npm peers for bench/tokenizer.sh, which copies this beside node_modules.
//     node tokenizer.mjs ranks OUT                           cl100k's ranks, as a .tiktoken file
//     node tokenizer.mjs encode TEXT IDS OUR-MB/S TOKENIZER.JSON PEERS   ids compared with IDS
//     node tokenizer.mjs train TEXT OUT.json                 Hugging Face's trainer, vocabulary 30,000
//     node tokenizer.mjs merges A.json B.json                how many first merges are the same
import { readFileSync, writeFileSync } from "node:fs";
const [mode, ...args] = process.argv.slice(2);

async function tiktokenModel() {
  return (await import("tiktoken/encoders/cl100k_base.json", { with: { type: "json" } })).default;
}

// Lines "! first token token …", ranks counted up from `first`.
async function ranks([out]) {
  const lines = [];
  for (const line of (await tiktokenModel()).bpe_ranks.split("\n").filter(Boolean)) {
    const [, first, ...tokens] = line.split(" ");
    tokens.forEach((token, i) => lines.push(`${token} ${Number(first) + i}\n`));
  }
  writeFileSync(out, lines.join(""));
}

const makers = {
  tiktoken: async () => {
    const { Tiktoken } = await import("tiktoken");
    const model = await tiktokenModel();
    const enc = new Tiktoken(model.bpe_ranks, model.special_tokens, model.pat_str);
    return (doc) => enc.encode_ordinary(doc);
  },
  tokenizers: async (hf) => {
    if (!hf) throw new Error("no tokenizer.json");
    const { Tokenizer } = (await import("tokenizers")).default;
    const enc = Tokenizer.fromFile(hf);
    return async (doc) => (await enc.encode(doc, null, { addSpecialTokens: false })).getIds();
  },
  "ai-tokenizer": async () => {
    const { Tokenizer } = await import("ai-tokenizer");
    const enc = new Tokenizer(await import("ai-tokenizer/encoding/cl100k_base"));
    return (doc) => enc.encode(doc, [], []);
  },
};

async function compare(encode, docs, want) {
  let at = 0;
  for (const doc of docs) {
    const ids = await encode(doc), n = want[at++];
    if (ids.length !== n) return false;
    for (let i = 0; i < n; i++) if (ids[i] !== want[at + i]) return false;
    at += n;
  }
  return true;
}

async function encode([text, idsPath, ours, hf, peers]) {
  const docs = readFileSync(text, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line).text);
  const bytes = docs.reduce((n, d) => n + Buffer.byteLength(d), 0);
  const file = readFileSync(idsPath);
  const want = new Uint32Array(file.buffer, file.byteOffset, file.length / 4);
  for (const name of peers.split(",")) {
    let encode;
    try {
      encode = await makers[name](hf);
    } catch (e) {
      console.log(`${name.padEnd(16)} skipped: ${String(e.message).split("\n")[0]}`);
      continue;
    }
    const begin = process.cpuUsage();
    for (const doc of docs) await encode(doc);
    const used = process.cpuUsage(begin);
    const rate = bytes / (used.user + used.system);
    const same = (await compare(encode, docs, want)) ? "same ids" : "OTHER IDS";
    console.log(
      `${name.padEnd(16)} ${rate.toFixed(1).padStart(8)} MB/s  we are ${(ours / rate).toFixed(1)} times that, ${same}`,
    );
  }
}

const cl100k =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" +
  "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

async function train([text, out]) {
  const { Tokenizer } = (await import("tokenizers")).default;
  const tokenizer = Tokenizer.fromString(JSON.stringify({
    version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [
      { type: "Split", pattern: { Regex: cl100k }, behavior: "Isolated", invert: false },
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false }] },
    post_processor: null, decoder: null,
    model: { type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null,
             end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false,
             vocab: {}, merges: [] } }));
  tokenizer.train([text]);
  tokenizer.save(out);
}

function merges([a, b]) {
  const [x, y] = [a, b].map((path) =>
    JSON.parse(readFileSync(path)).model.merges.map((m) => (Array.isArray(m) ? m.join(" ") : m)));
  let same = 0;
  while (same < Math.min(x.length, y.length) && x[same] === y[same]) same++;
  console.log(`${same} of ${x.length} and ${y.length} merges are the same, from the first on`);
}

await { ranks, encode, train, merges }[mode](args);
