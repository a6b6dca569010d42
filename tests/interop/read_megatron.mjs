// SPDX-License-Identifier: Apache-2.0
// An independent reader of a directory of shards: shards.json, and Megatron-LM's indexed datasets
// (.bin and .idx, version 1) as their format is described by that project. It shares no code with
// wetmill. Node, no packages.
//
//     node read_megatron.mjs DIR            checks DIR, prints what it counted as one JSON object
//     node read_megatron.mjs DIR NAME K     prints the ids of sequence K of shard NAME
//
// Exit 0: everything fits together; 1: it does not, and stderr says why.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const TYPES = { 4: Int32Array, 8: Uint16Array };
const NAMES = { 4: 'int32', 8: 'uint16' };

function fail(message) {
  console.error(message);
  process.exit(1);
}

function same(what, got, want) {
  if (got !== want) fail(`${what} is ${got}, want ${want}`);
}

// Typed arrays want aligned bytes, which the tables behind the 34-byte header are not: copy.
function table(bytes, at, n, Type) {
  const size = n * Type.BYTES_PER_ELEMENT;
  if (at + size > bytes.length) fail(`.idx ends within a table of ${n} numbers at byte ${at}`);
  return new Type(bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + size));
}

function readIndex(path) {
  const bytes = readFileSync(path);
  same(`${path}: magic`, bytes.toString('latin1', 0, 9), 'MMIDIDX\0\0');
  same(`${path}: version`, bytes.readBigUInt64LE(9), 1n);
  const code = bytes[17];
  if (!TYPES[code]) fail(`${path}: type ${code}`);
  const nSequences = Number(bytes.readBigUInt64LE(18));
  const nBounds = Number(bytes.readBigUInt64LE(26));
  let at = 34;
  const lengths = table(bytes, at, nSequences, Int32Array);
  at += 4 * nSequences;
  const pointers = table(bytes, at, nSequences, BigInt64Array);
  at += 8 * nSequences;
  const bounds = table(bytes, at, nBounds, BigInt64Array);
  same(`${path}: size`, bytes.length, at + 8 * nBounds);
  return { code, lengths, pointers, bounds };
}

function readShard(dir, name) {
  const index = readIndex(join(dir, `${name}.idx`));
  const bytes = readFileSync(join(dir, `${name}.bin`));
  const Type = TYPES[index.code];
  same(`${name}.bin: size modulo width`, bytes.length % Type.BYTES_PER_ELEMENT, 0);
  return { ...index, ids: table(bytes, 0, bytes.length / Type.BYTES_PER_ELEMENT, Type) };
}

function checkShard(dir, entry, info, counts) {
  const { code, lengths, pointers, bounds, ids } = readShard(dir, entry.name);
  const width = TYPES[code].BYTES_PER_ELEMENT;
  same(`${entry.name}: type`, NAMES[code], info.token_type);
  same(`${entry.name}: tokens`, ids.length, entry.tokens);
  same(`${entry.name}: sequences`, lengths.length, entry.documents);
  same(`${entry.name}: boundaries`, bounds.length, entry.documents + 1);
  same(`${entry.name}: bytes`, ids.length * width, entry.bin.size);
  let at = 0;
  for (let i = 0; i < lengths.length; i++) {
    same(`${entry.name}: start of sequence ${i}`, Number(pointers[i]), at * width);
    same(`${entry.name}: boundary ${i}`, Number(bounds[i]), i);
    const end = at + lengths[i];
    for (; at < end; at++) {
      const id = ids[at];
      if (!(id >= 0 && id < info.vocabulary)) fail(`${entry.name}: token ${at} is ${id}`);
      if ((id === info.eod) !== (at === end - 1))
        fail(`${entry.name}: token ${at} of sequence ${i} is ${id}: end of document misplaced`);
      counts[id]++;
    }
  }
  same(`${entry.name}: last boundary`, Number(bounds[lengths.length]), lengths.length);
  same(`${entry.name}: tokens in sequences`, at, ids.length);
}

function entropy(counts, total) {
  let nats = 0;
  for (const count of counts) if (count) nats -= (count / total) * Math.log(count / total);
  return nats;
}

function checkSplit(dir, name, info) {
  const split = info.splits[name];
  const counts = new Float64Array(info.vocabulary);
  for (const entry of split.shards) checkShard(dir, entry, info, counts);
  const sum = (key) => split.shards.reduce((total, entry) => total + entry[key], 0);
  for (const key of ['tokens', 'documents', 'text_bytes']) same(`${name}: ${key}`, split[key], sum(key));
  const nats = split.tokens ? entropy(counts, split.tokens) : 0;
  if (Math.abs(nats - split.unigram_nats) > 1e-8)
    fail(`${name}: unigram entropy is ${nats}, shards.json says ${split.unigram_nats}`);
  return { shards: split.shards.length, tokens: split.tokens, documents: split.documents,
           text_bytes: split.text_bytes, unigram_nats: Number(nats.toFixed(6)) };
}

const [dir, name, sequence] = process.argv.slice(2);
if (!dir) fail('usage: node read_megatron.mjs DIR [NAME SEQUENCE]');
if (name) {
  const { lengths, pointers, ids } = readShard(dir, name);
  const first = Number(pointers[sequence]) / ids.BYTES_PER_ELEMENT;
  console.log([...ids.subarray(first, first + lengths[sequence])].join(' '));
} else {
  const info = JSON.parse(readFileSync(join(dir, 'shards.json'), 'utf8'));
  same('format', info.format, 'wetmill-shards');
  same('version', info.version, 1);
  const result = {};
  for (const split of Object.keys(info.splits)) result[split] = checkSplit(dir, split, info);
  console.log(JSON.stringify(result));
}
