// SPDX-License-Identifier: Apache-2.0
// mixed_strings.mjs N: N strings of many kinds, one JSON string a line; the same every time.
const n = Number(process.argv[2] ?? 1000);
let state = 12345n;
const next = (limit) => {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number((state >> 33n) % BigInt(limit));
};
const words = ["the", "The", "whale", "don't", "I'LL", "naïve", "Straße", "été", "Жук", "привет", "мир",
  "日本語", "の", "パッケージ", "中文", "한국어", "مرحبا", "שלום", "नमस्ते", "ไทย", "Ünïcödé", "ſo", "'S", "e\u0301",
  "12", "1234567", "3.14", "½", "²", "٣٤٥", "$9.99", "C++", "a_b", "x=y;", "http://example.org/?q=1", "👍", "👩‍👩‍👧",
  "🇫🇷", "…", "—", "¿", "»", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u0085", "\u2028", "<|endoftext|>", "<|", "\\n", "\t"];
const gaps = [" ", " ", " ", " ", "", "  ", "\n", "\n\n", "\r\n", " \n ", "\t", "     "];
for (let i = 0; i < n; i++) {
  let text = "";
  for (let k = next(30); k >= 0; k--) text += words[next(words.length)] + gaps[next(gaps.length)];
  console.log(JSON.stringify(text));
}
