// SPDX-License-Identifier: Apache-2.0
// Ids that others give with a tokenizer file of ours, compared with ours.
//   node peer_ids.mjs PEER TOKENIZER STRINGS OURS [SPLIT-PATTERN SPECIALS] [--but=REGEX] [--template]
// PEER: tokenizers, transformers, tiktoken or node-llama-cpp, found from the working directory.
// STRINGS: a JSON string a line; OURS: a line of ids for each, names of special tokens recognised.
// tiktoken is told pattern and specials ({name: id} as JSON), which its files do not hold.
// --but: what the peer is known to read otherwise; strings that match it may differ, and are counted.
// --template: with what the file puts around a text. Exit 77: no such package.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const option = process.argv.find((a) => a.startsWith("--but="));
const but = option && new RegExp(option.slice("--but=".length), "u");
const [peer, file, stringsFile, oursFile, pattern, specials] = process.argv.slice(2).filter((a) => a !== option && a !== "--template");
const template = process.argv.includes("--template");
const packages = { tokenizers: "tokenizers", transformers: "@huggingface/transformers", tiktoken: "tiktoken", "node-llama-cpp": "node-llama-cpp" };

function skip(error) {
  console.log(`${peer}: skipped, the npm package is not here (${error.code ?? error.message})`);
  process.exit(77);
}
async function load(name) {
  const from = createRequire(path.join(process.cwd(), "x.js"));
  try {
    return from(name);
  } catch (error) {
    if (error.code !== "ERR_PACKAGE_PATH_NOT_EXPORTED" && !/ESM|ASYNC/.test(error.code ?? "")) skip(error);
    const root = path.join(process.cwd(), "node_modules", name);
    const main = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
    return import(pathToFileURL(path.join(root, main.module ?? main.main)).href);
  }
}

// Each gives a function from text to ids.
const open = {
  async tokenizers(module) {
    const tokenizer = module.Tokenizer.fromFile(file);
    return async (text) => (await tokenizer.encode(text, null, { addSpecialTokens: template })).getIds();
  },
  async transformers(module) {
    const dir = path.resolve(path.dirname(file));
    module.env.allowRemoteModels = false;
    module.env.localModelPath = path.dirname(dir);
    const tokenizer = await module.AutoTokenizer.from_pretrained(path.basename(dir), { local_files_only: true });
    return (text) => tokenizer.encode(text, { add_special_tokens: template });
  },
  async tiktoken(module) {
    const tokenizer = new module.Tiktoken(fs.readFileSync(file, "utf8"), JSON.parse(specials), pattern);
    return (text) => [...tokenizer.encode(text, "all")];
  },
  async "node-llama-cpp"(module) {
    const llama = await module.getLlama({ build: "never", gpu: false, logLevel: "error" });
    const model = await llama.loadModel({ modelPath: file, vocabOnly: true });
    const before = template && model.tokens.shouldPrependBosToken ? [model.tokens.bos] : [];
    return (text) => before.concat(model.tokenize(text, true));
  },
};

const module = await load(packages[peer]);
const encode = await open[peer](module);
const strings = fs.readFileSync(stringsFile, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
const ours = fs.readFileSync(oursFile, "utf8").replace(/\n$/, "").split("\n");
if (ours.length !== strings.length) throw new Error(`${strings.length} strings, ${ours.length} lines of ids`);
let same = 0, left = 0, different = 0;
for (let i = 0; i < strings.length; i++) {
  const theirs = Array.from(await encode(strings[i])).join(" ");
  if (theirs === ours[i]) {
    same++;
  } else if (but?.test(strings[i])) {
    left++;
  } else {
    if (different++ < 5) console.error(`${peer}: ${JSON.stringify(strings[i]).slice(0, 200)}\n  ours   ${ours[i].slice(0, 300)}\n  theirs ${theirs.slice(0, 300)}`);
  }
}
console.log(`${peer}: ${path.basename(file)}: ${same} strings with our ids` + (left ? `, ${left} others match ${option.slice("--but=".length)}` : "") + (different ? `, ${different} DIFFER` : ""));
process.exit(different || !same ? 1 : 0);
