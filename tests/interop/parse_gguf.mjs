// SPDX-License-Identifier: Apache-2.0
// A GGUF file in Hugging Face's parser (npm @huggingface/gguf): its sizes are config.json's, its
// tensors those of model.safetensors, and it ends where the last one does.
//
//     node parse_gguf.mjs MODEL-DIRECTORY FILE.gguf
//
// Exit 1 where something differs, 77 if the package is not here.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { expectedShapes } from "./reference_model.mjs";

const [dir, file] = process.argv.slice(2);
const root = path.join(process.cwd(), "node_modules", "@huggingface", "gguf");
if (!fs.existsSync(root)) {
  console.log("parse_gguf: skipped, the npm package @huggingface/gguf is not here");
  process.exit(77);
}
const main = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
const { gguf } = await import(pathToFileURL(path.join(root, main.module ?? main.main)).href)
  .catch(() => createRequire(path.join(process.cwd(), "x.js"))("@huggingface/gguf"));

function want(condition, message) {
  if (condition) return;
  console.error(`parse_gguf: ${path.basename(file)}: ${message}`);
  process.exit(1);
}
const config = JSON.parse(fs.readFileSync(path.join(dir, "config.json"), "utf8"));
const { metadata, tensorInfos, tensorDataOffset } = await gguf(file, { allowLocalFile: true });
const gpt2 = config.model_type === "gpt2", of = (key) => metadata[`${config.model_type}.${key}`];
const sizes = gpt2
  ? { context_length: config.n_positions, embedding_length: config.n_embd, block_count: config.n_layer, "attention.head_count": config.n_head }
  : {
      context_length: config.max_position_embeddings, embedding_length: config.hidden_size, block_count: config.num_hidden_layers,
      feed_forward_length: config.intermediate_size, "attention.head_count": config.num_attention_heads,
      "attention.head_count_kv": config.num_key_value_heads, "attention.key_length": config.head_dim,
      "rope.freq_base": config.rope_parameters?.rope_theta ?? config.rope_theta,
    };
want(metadata["general.architecture"] === config.model_type, "another architecture");
for (const [key, value] of Object.entries(sizes)) want(of(key) === value, `${key} is ${of(key)}, not ${value}`);
const epsilon = of(gpt2 ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon");
want(epsilon === Math.fround(gpt2 ? config.layer_norm_epsilon : config.rms_norm_eps), `epsilon is ${epsilon}`);
want(metadata["tokenizer.ggml.tokens"].length === config.vocab_size, "not a token for each id");
want(!tensorInfos.some(({ name }) => name === "output.weight") === (gpt2 || config.tie_word_embeddings), "output.weight");

// GPT-2's maps lie [in, out] in safetensors; here all dimensions begin with the inner one.
const conv = /attn\.c_|mlp\.c_/;
const shapes = Object.entries(expectedShapes(config)).map(([name, shape]) => String(gpt2 && conv.test(name) ? shape : shape.toReversed()));
want(String(shapes.sort()) === String(tensorInfos.map(({ shape }) => String(shape.map(Number))).sort()), "other shapes");
const bytes = { 0: [1, 4], 1: [1, 2], 30: [1, 2], 8: [32, 34], 2: [32, 18] };
let end = 0;
for (const { name, dtype, shape, offset } of tensorInfos.toSorted((a, b) => Number(a.offset - b.offset))) {
  const n = shape.reduce((a, b) => a * Number(b), 1), [block, size] = bytes[dtype] ?? [];
  want(Number(offset) === end && Number(shape[0]) % block === 0, `${name}: offset ${offset}, type ${dtype}`);
  want(shape.length > 1 || dtype === 0, `${name}: a vector of type ${dtype}`);
  end = Math.ceil((end + (n / block) * size) / 32) * 32;
}
want(Number(tensorDataOffset) + end === fs.statSync(file).size, "the file ends elsewhere");
