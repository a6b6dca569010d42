/* SPDX-License-Identifier: Apache-2.0 */
/* Which format a tokenizer is in, by content first and by name where content leaves it open. */
#include <stdio.h>
#include <stdlib.h>

#include "tokenizer/formats.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tokenizer_json.h"
#include "wetmill/base64.h"
#include "wetmill/file.h"
#include "wetmill/number.h"

enum { GGUF_HEAD_MAX = 128 << 20 }; /* bytes of a model's GGUF file that may be pairs */

const char *const wm_tokenizer_format_names[WM_TOKENIZER_FORMATS + 1] = {"auto", "json", "tiktoken",
                                                                         "gpt2", "gguf",
                                                                         "sentencepiece", NULL};

static bool ends_with(const char *path, const char *suffix)
{
    return wm_str_ends(wm_str_of(path), wm_str_of(suffix));
}

/* vocab.json and merges.txt that belong to `path`, which is one of them: "gpt2-vocab.json" too. */
static int pair_of(const char *path, char vocab[WM_PATH_MAX], char merges[WM_PATH_MAX],
                   char specials[WM_PATH_MAX], struct wm_error *err)
{
    struct wm_str stem = wm_str_of(path);
    stem.len -= ends_with(path, "vocab.json")   ? strlen("vocab.json")
                : ends_with(path, "merges.txt") ? strlen("merges.txt")
                                                : 0;
    if (stem.len == strlen(path))
        return wm_fail(err, WM_E_FORMAT, "want a name that ends in vocab.json or merges.txt");
    if (stem.len + sizeof "special_tokens_map.json" > WM_PATH_MAX)
        return wm_fail(err, WM_E_LIMIT, "the path has over %d bytes", WM_PATH_MAX);
    (void)snprintf(vocab, WM_PATH_MAX, "%.*svocab.json", (int)stem.len, path);
    (void)snprintf(merges, WM_PATH_MAX, "%.*smerges.txt", (int)stem.len, path);
    (void)snprintf(specials, WM_PATH_MAX, "%.*sspecial_tokens_map.json", (int)stem.len, path);
    return 0;
}

/* ---- what hints say ---- */

static int split_of(const struct wm_tokenizer_hints *hints, const char *fallback,
                    struct wm_str *ret, struct wm_error *err)
{
    const char *name = hints->split ? hints->split : fallback;
    if (hints->pattern) {
        *ret = wm_str_of(hints->pattern);
        return 0;
    }
    const struct bpe_named_split *split = name ? bpe_split_by_name(wm_str_of(name)) : NULL;
    if (split) {
        *ret = wm_str_of(split->pattern);
        return 0;
    }
    if (name)
        wm_fail(err, WM_E_CONFIG, "no split is called \"%s\"", name);
    else
        wm_fail(err, WM_E_CONFIG, "the file does not say how text is split");
    return wm_error_hint(err, "say --split r50k, cl100k, llama3, o200k or qwen2, or --pattern");
}

/* With the split of that name goes its normaliser. Frees `*tok` on failure. */
static int add_normaliser(const struct wm_tokenizer_hints *hints, struct wm_tokenizer **tok,
                          struct wm_error *err)
{
    const struct bpe_named_split *split =
        hints->split && !hints->pattern ? bpe_split_by_name(wm_str_of(hints->split)) : NULL;
    int status = split && split->nfc ? bpe_set_nfc(*tok, err) : 0;
    if (status) {
        wm_tokenizer_free(*tok);
        *tok = NULL;
    }
    return status;
}

static bool has_hints(const struct wm_tokenizer_hints *hints)
{
    return hints->split || hints->pattern || hints->specials;
}

static int no_hints(const struct wm_tokenizer_hints *hints, struct wm_error *err)
{
    if (!has_hints(hints))
        return 0;
    wm_fail(err, WM_E_CONFIG, "this file says itself how it splits and which tokens are special");
    return wm_error_hint(err, "leave --split, --pattern and --special out");
}

/* ---- one format each ---- */

static int load_json(const char *path, const struct wm_tokenizer_hints *hints, struct wm_str bytes,
                     struct wm_tokenizer **ret, struct wm_error *err)
{
    (void)path;
    int status = no_hints(hints, err);
    return status ? status : bpe_parse_json(bytes, ret, err);
}

/* Published special tokens first, then those of the hints that are not among them. */
static int collect_specials(const struct bpe_published *known, const struct wm_list *more,
                            struct bpe_named_id **ret, size_t *ret_n, struct wm_error *err)
{
    const size_t n_known = known ? known->n_specials : 0, n_more = more ? more->n : 0;
    struct bpe_named_id *all = calloc(n_known + n_more + 1, sizeof *all);
    if (!all)
        return wm_fail_nomem(err, (n_known + n_more) * sizeof *all, "special tokens");
    if (n_known)
        memcpy(all, known->specials, n_known * sizeof *all);
    size_t n = n_known;
    for (size_t i = 0; i < n_more; i++) {
        bool published = false;
        for (size_t k = 0; k < n_known && !published; k++)
            published = strcmp(all[k].name, more->items[i]) == 0;
        if (!published)
            all[n++] = (struct bpe_named_id){more->items[i], BPE_NONE};
    }
    *ret = all;
    *ret_n = n;
    return 0;
}

/* What was trained and written as ranks is, read again, what it was: where merges alone give every
 * token, nothing else is claimed, but for a split that goes with it. Frees `*tok` on failure. */
static int drop_needless(const struct wm_tokenizer_hints *hints, struct wm_tokenizer **tok,
                         struct wm_error *err)
{
    const struct bpe_named_split *split =
        hints->split && !hints->pattern ? bpe_split_by_name(wm_str_of(hints->split)) : NULL;
    bool needed = true;
    int status = split && split->ignore_merges ? 0 : bpe_needs_ignore_merges(*tok, &needed, err);
    (*tok)->ignore_merges = needed;
    if (status) {
        wm_tokenizer_free(*tok);
        *tok = NULL;
    }
    return status;
}

static int load_ranks(const char *path, const struct wm_tokenizer_hints *hints, struct wm_str bytes,
                      struct wm_tokenizer **ret, struct wm_error *err)
{
    const struct bpe_published *known = bpe_published_by_file(path);
    struct bpe_named_id *specials = NULL;
    struct wm_str pattern;
    size_t n = 0;
    int status = split_of(hints, known ? known->split : NULL, &pattern, err);
    if (!status)
        status = collect_specials(known, hints->specials, &specials, &n, err);
    if (!status)
        status = bpe_parse_ranks(bytes, pattern, specials, n, ret, err);
    free(specials);
    if (!status && !known)
        status = drop_needless(hints, ret, err);
    return status ? status : add_normaliser(hints, ret, err);
}

static int load_file(const char *path, bool optional, struct wm_buf *buf, struct wm_error *err)
{
    wm_buf_init(buf, BPE_MAX_JSON);
    return optional && !wm_exists(path) ? 0 : wm_file_load(path, buf, err);
}

static int load_merges(const char *path, const struct wm_tokenizer_hints *hints,
                       struct wm_str bytes, struct wm_tokenizer **ret, struct wm_error *err)
{
    char paths[3][WM_PATH_MAX];
    struct wm_buf files[3] = {0};
    struct wm_str pattern;
    (void)bytes;
    if (hints->specials)
        return wm_fail(err, WM_E_CONFIG, "vocab.json holds the special tokens already");
    int status = split_of(hints, "r50k", &pattern, err);
    if (!status)
        status = pair_of(path, paths[0], paths[1], paths[2], err);
    for (size_t i = 0; i < 3 && !status; i++)
        status = load_file(paths[i], i == 2, &files[i], err);
    if (!status)
        status = bpe_parse_merges(wm_buf_str(&files[0]), wm_buf_str(&files[1]),
                                  wm_buf_str(&files[2]), pattern, ret, err);
    for (size_t i = 0; i < 3; i++)
        wm_buf_done(&files[i]);
    return status ? status : add_normaliser(hints, ret, err);
}

static int load_gguf(const char *path, const struct wm_tokenizer_hints *hints, struct wm_str bytes,
                     struct wm_tokenizer **ret, struct wm_error *err)
{
    struct wm_error inner = {0};
    int status = no_hints(hints, err);
    if (status)
        return status;
    status = bpe_parse_gguf(bytes, ret, &inner);
    if (status) { /* the place it names is in this file */
        *err = inner;
        err->where[0] = '\0';
        (void)wm_error_where(err, "%s%s%s", path, inner.where[0] ? ": " : "", inner.where);
    }
    return status;
}

static int load_pieces(const char *path, const struct wm_tokenizer_hints *hints,
                       struct wm_str bytes, struct wm_tokenizer **ret, struct wm_error *err)
{
    (void)path;
    int status = no_hints(hints, err);
    return status ? status : sp_parse(bytes, ret, err);
}

/* ---- telling apart ---- */

/* "base64 SP digits" */
static bool is_rank_line(struct wm_str line)
{
    const char *space = line.len ? memchr(line.ptr, ' ', line.len) : NULL;
    char bytes[BPE_MAX_TOKEN];
    uint64_t rank;
    size_t len;
    if (!space || line.len > sizeof bytes)
        return false;
    struct wm_str token = {line.ptr, (size_t)(space - line.ptr)};
    struct wm_str number = {space + 1, line.len - token.len - 1};
    return token.len && wm_base64_decode(token, bytes, &len) && wm_parse_u64(number, &rank);
}

/* A first piece {text, …}: field 1 holds a message whose field 1 fits in it. */
static bool is_piece(struct wm_str bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    return bytes.len > 4 && at[0] == 0x0A && at[2] == 0x0A && at[1] < 0x80 && at[3] + 2 <= at[1];
}

static bool is_object(struct wm_str bytes)
{
    while (bytes.len && memchr(" \t\r\n", bytes.ptr[0], 4)) {
        bytes.ptr++;
        bytes.len--;
    }
    return bytes.len && bytes.ptr[0] == '{';
}

static enum wm_tokenizer_format format_of(const char *path, struct wm_str bytes)
{
    struct wm_str rest = bytes;
    if (wm_str_starts(bytes, WM_STR("GGUF")))
        return WM_TOKENIZER_GGUF;
    if (is_piece(bytes))
        return WM_TOKENIZER_SENTENCEPIECE;
    if (is_object(bytes))
        return ends_with(path, "vocab.json") ? WM_TOKENIZER_GPT2 : WM_TOKENIZER_JSON;
    if (wm_str_starts(bytes, WM_STR("#version")) || ends_with(path, "merges.txt"))
        return WM_TOKENIZER_GPT2;
    if (ends_with(path, ".tiktoken") || is_rank_line(wm_str_line(&rest)))
        return WM_TOKENIZER_TIKTOKEN;
    if (ends_with(path, ".model"))
        return WM_TOKENIZER_SENTENCEPIECE;
    return ends_with(path, ".json") ? WM_TOKENIZER_JSON : WM_TOKENIZER_AUTO;
}

/* A directory stands for the first of these that is in it. */
static int file_in(const char *dir, char inside[WM_PATH_MAX], struct wm_error *err)
{
    static const char *const names[] = {"tokenizer.json", "vocab.json", "tokenizer.model"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int status = wm_path_join(inside, dir, names[i], err);
        if (status || wm_exists(inside))
            return status;
    }
    return wm_path_join(inside, dir, names[0], err);
}

/* The whole file, or of a model's GGUF file as much as may be pairs. */
static int read_start(const char *path, struct wm_buf *bytes, struct wm_error *err)
{
    struct wm_file *file = NULL;
    size_t len = 0;
    int status = wm_file_open(path, &file, err);
    if (!status)
        status = wm_buf_reserve(bytes, 4, err);
    if (!status)
        status = wm_file_read(file, bytes->ptr, 4, &len, err);
    bytes->len = len;
    bool gguf = wm_str_eq(wm_buf_str(bytes), WM_STR("GGUF"));
    while (!status && len && (!gguf || bytes->len < GGUF_HEAD_MAX)) {
        status = wm_buf_reserve(bytes, 1 << 20, err);
        if (!status)
            status = wm_file_read(file, bytes->ptr + bytes->len, 1 << 20, &len, err);
        bytes->len += status ? 0 : len;
    }
    wm_file_close(file);
    return status;
}

int wm_tokenizer_load_with(const char *path, const struct wm_tokenizer_hints *hints,
                           struct wm_tokenizer **ret, struct wm_error *err)
{
    static int (*const loaders[WM_TOKENIZER_FORMATS])(
        const char *, const struct wm_tokenizer_hints *, struct wm_str, struct wm_tokenizer **,
        struct wm_error *) = {
        [WM_TOKENIZER_JSON] = load_json,
        [WM_TOKENIZER_TIKTOKEN] = load_ranks,
        [WM_TOKENIZER_GPT2] = load_merges,
        [WM_TOKENIZER_GGUF] = load_gguf,
        [WM_TOKENIZER_SENTENCEPIECE] = load_pieces,
    };
    char inside[WM_PATH_MAX];
    struct wm_stat stat;
    struct wm_buf bytes;
    int status = wm_stat(path, &stat, err);
    if (!status && stat.is_dir) {
        status = file_in(path, inside, err);
        path = inside;
    }
    if (status)
        return status;
    wm_buf_init(&bytes, BPE_MAX_JSON);
    status = read_start(path, &bytes, err);
    enum wm_tokenizer_format format =
        status ? WM_TOKENIZER_AUTO : format_of(path, wm_buf_str(&bytes));
    if (!status && format == WM_TOKENIZER_AUTO)
        status = wm_fail(err, WM_E_FORMAT,
                         "this is no tokenizer: neither tokenizer.json, ranks (.tiktoken), "
                         "vocab.json with merges.txt, GGUF, nor a SentencePiece model");
    if (!status)
        status = loaders[format](path, hints, wm_buf_str(&bytes), ret, err);
    wm_buf_done(&bytes);
    return status ? wm_error_where(err, "%s", path) : 0;
}

int wm_tokenizer_load(const char *path, struct wm_tokenizer **ret, struct wm_error *err)
{
    return wm_tokenizer_load_with(path, &(struct wm_tokenizer_hints){0}, ret, err);
}

/* ---- writing ---- */

enum wm_tokenizer_format wm_tokenizer_format_of(const char *path)
{
    if (ends_with(path, ".tiktoken"))
        return WM_TOKENIZER_TIKTOKEN;
    if (ends_with(path, ".gguf"))
        return WM_TOKENIZER_GGUF;
    if (ends_with(path, ".model"))
        return WM_TOKENIZER_SENTENCEPIECE;
    return ends_with(path, "vocab.json") || ends_with(path, "merges.txt") ? WM_TOKENIZER_GPT2
                                                                          : WM_TOKENIZER_JSON;
}
