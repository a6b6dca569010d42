// SPDX-License-Identifier: Apache-2.0
// Ids by Hugging Face's tokenizers, to compare with ours.
//   node tokenizer_ids.mjs TOKENIZER.json STRINGS
// STRINGS: a JSON string a line. Prints a line of ids a string, separated by blanks; names of
// special tokens become their ids. The package is looked for in the working directory and its
// parents (`npm install tokenizers`). Exit 77: it is not there.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [file, strings] = process.argv.slice(2);
if (!file || !strings) {
  console.error('usage: node tokenizer_ids.mjs TOKENIZER.json STRINGS');
  process.exit(2);
}

let tokenizers;
try {
  tokenizers = createRequire(path.join(process.cwd(), 'x.js'))('tokenizers');
} catch (error) {
  console.error(`skipped: npm package tokenizers is not here (${error.code})`);
  process.exit(77);
}

const tokenizer = tokenizers.Tokenizer.fromFile(file);
const lines = fs.readFileSync(strings, 'utf8').split('\n').filter((line) => line.length);
const out = [];
for (const line of lines) {
  const encoding = await tokenizer.encode(JSON.parse(line), null, { addSpecialTokens: false });
  out.push(encoding.getIds().join(' '));
}
process.stdout.write(out.join('\n') + '\n');
