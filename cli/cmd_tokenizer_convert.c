/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill tokenizer convert: a tokenizer from one format into another. */
#include "cli/cli.h"
#include "wetmill/tokenizer_formats.h"

#define T struct cli_options
static const struct wm_option options[] = {
    WM_CHOICE(T, format, wm_tokenizer_format_names, 0,
              "format to write; auto = by the name of OUT"),
    WM_TEXT(T, split, NULL,
            "how IN splits text if it does not say: r50k, cl100k, llama3, o200k, qwen2"),
    WM_TEXT(T, pattern, NULL, "instead of a split by name: a PCRE2 pattern"),
    WM_LIST(T, special, "one more special token of a .tiktoken file; ids go on behind the last"),
    {0},
};
#undef T

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){options, &cli->options};
    return 1;
}

/* The tokens that the template puts before or behind a text. */
static int add_template(struct wm_buf *text, const struct wm_tokenizer *tok, bool behind,
                        struct wm_error *err)
{
    const uint32_t *ids;
    size_t n = wm_tokenizer_template(tok, behind, &ids);
    int status = 0;
    for (size_t i = 0; i < n && !status; i++) {
        char name[128];
        struct wm_str bytes = wm_token_bytes(tok, ids[i]);
        wm_escape(name, sizeof name, bytes.ptr, bytes.len);
        status = wm_buf_printf(text, err, ", %s %s a text", name, behind ? "behind" : "before");
    }
    return status;
}

/* What the file written does not hold, so that nobody takes it for all. */
static int say_lost(struct cli *cli, const struct wm_tokenizer *tok, struct wm_error *err)
{
    struct wm_buf text;
    wm_buf_init(&text, 1 << 20);
    int status =
        wm_buf_printf(&text, err, "not in the file: split %s", wm_tokenizer_split_name(tok));
    for (uint32_t id = 0; id < wm_tokenizer_size(tok) && !status; id++) {
        char name[128];
        struct wm_str bytes = wm_token_bytes(tok, id);
        if (!wm_token_is_special(tok, id))
            continue;
        wm_escape(name, sizeof name, bytes.ptr, bytes.len);
        status = wm_buf_printf(&text, err, ", special token %s = %lu", name, (unsigned long)id);
    }
    if (!status)
        status = add_template(&text, tok, false, err);
    if (!status)
        status = add_template(&text, tok, true, err);
    if (!status)
        cli_say(cli, "%.*s", (int)text.len, text.ptr);
    wm_buf_done(&text);
    return status;
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    const struct cli_options *o = &cli->options;
    const struct wm_tokenizer_hints hints = {
        .split = o->split, .pattern = o->pattern, .specials = o->special.n ? &o->special : NULL};
    const char *in = cli->operands[0], *out = cli->operands[1];
    enum wm_tokenizer_format format =
        o->format ? (enum wm_tokenizer_format)o->format : wm_tokenizer_format_of(out);
    int status = cli_apart(cli, out, 1, &err);
    if (!status)
        status = wm_tokenizer_load_with(in, &hints, &tok, &err);
    if (!status)
        status = wm_tokenizer_write(tok, format, out, &err);
    if (!status && format == WM_TOKENIZER_TIKTOKEN)
        status = say_lost(cli, tok, &err);
    if (!status)
        cli_say(cli, "%s: %lu ids", wm_tokenizer_format_names[format],
                (unsigned long)wm_tokenizer_size(tok));
    wm_tokenizer_free(tok);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

const struct cli_command cli_command_tokenizer_convert = {
    .name = "tokenizer convert",
    .summary = "write a tokenizer in another format",
    .operands = "IN OUT",
    .examples =
        "  wetmill tokenizer convert out/tokenizer vocabulary.gguf\n"
        "  wetmill tokenizer convert cl100k_base.tiktoken cl100k\n"
        "  wetmill tokenizer convert tokenizer.model hf\n"
        "  wetmill tokenizer convert --split cl100k --special '<|end|>' my.tiktoken my-tokenizer",
    .notes =
        "IN: tokenizer.json, .tiktoken, vocab.json with merges.txt, GGUF, a SentencePiece .model,\n"
        "or a directory; found out by content. OUT: NAME.tiktoken, NAME.gguf, NAME.model,\n"
        "NAME/vocab.json (gpt2), NAME.json (tokenizer.json alone), else a directory for\n"
        "tokenizer.json and tokenizer_config.json. What the format cannot express is\n"
        "refused: of SentencePiece models, tokenizer.json and GGUF take BPE without a character map\n"
        "(--normalization_rule_name=identity) and without remove_extra_whitespaces. A .tiktoken file\n"
        "never holds the split and the special tokens; what is missing is said. One with a published\n"
        "name (cl100k_base.tiktoken) is read with what was published; --special adds to that.",
    .min_operands = 2,
    .max_operands = 2,
    .bind = bind,
    .run = run,
};
