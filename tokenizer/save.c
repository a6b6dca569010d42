/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer as files. All of a format's files are made in memory before the first is written. */
#include "tokenizer/formats.h"

#include <stdio.h>

#include "tokenizer/sentencepiece.h"
#include "tokenizer/tokenizer_json.h"
#include "wetmill/file.h"

enum { MAX_WRITTEN = 1 << 30, FILES_MAX = 4 };

/* One file: its name in the directory (NULL: the path itself) and what stands in it. */
struct part {
    const char *name;
    int (*format)(const struct wm_tokenizer *, struct wm_buf *, struct wm_error *);
};

static const struct part files[WM_TOKENIZER_FORMATS][FILES_MAX + 1] = {
    [WM_TOKENIZER_JSON] = {{"tokenizer.json", bpe_format_json},
                           {"tokenizer_config.json", bpe_format_config}},
    [WM_TOKENIZER_TIKTOKEN] = {{NULL, bpe_format_ranks}},
    [WM_TOKENIZER_GPT2] = {{"vocab.json", bpe_format_vocab},
                           {"merges.txt", bpe_format_merges},
                           {"special_tokens_map.json", bpe_format_specials}},
    [WM_TOKENIZER_GGUF] = {{NULL, bpe_format_gguf}},
    [WM_TOKENIZER_SENTENCEPIECE] = {{"tokenizer.model", sp_format_model},
                                    {"tokenizer_config.json", sp_format_config}},
};
/* A SentencePiece model under a name of the user's. */
static const struct part model_file[] = {{NULL, sp_format_model}, {NULL, NULL}};
/* tokenizer.json alone, under a name of the user's. */
static const struct part json_file[] = {{NULL, bpe_format_json}, {NULL, NULL}};
static const struct part pieces_json_file[] = {{NULL, sp_format_json}, {NULL, NULL}};
/* The same as files for Hugging Face. */
static const struct part pieces_json[] = {{"tokenizer.json", sp_format_json},
                                          {"tokenizer_config.json", sp_format_config},
                                          {NULL, NULL}};

static struct wm_str file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return wm_str_of(slash ? slash + 1 : path);
}

static bool is_dir(const char *path)
{
    struct wm_error ignored;
    struct wm_stat stat;
    return wm_exists(path) && !wm_stat(path, &stat, &ignored) && stat.is_dir;
}

static const struct part *parts_of(const struct wm_tokenizer *tok, enum wm_tokenizer_format format,
                                   const char *path)
{
    const struct part *parts =
        tok->pieces && format == WM_TOKENIZER_JSON ? pieces_json : files[format];
    const struct wm_str name = file_name(path);
    if (format != WM_TOKENIZER_JSON && format != WM_TOKENIZER_SENTENCEPIECE)
        return parts;
    for (const struct part *p = parts; p->format; p++)
        if (wm_str_eq(name, wm_str_of(p->name)))
            return parts;
    if (format == WM_TOKENIZER_SENTENCEPIECE)
        return wm_str_ends(name, WM_STR(".model")) ? model_file : parts;
    if (!wm_str_ends(name, WM_STR(".json")) || is_dir(path))
        return parts;
    return tok->pieces ? pieces_json_file : json_file;
}

/* Where the files go: into a directory, under their names with something in front of them. */
struct place {
    char dir[WM_PATH_MAX], prefix[WM_PATH_MAX];
};

static int copy_path(char out[WM_PATH_MAX], struct wm_str s, struct wm_error *err)
{
    if (s.len >= WM_PATH_MAX)
        return wm_fail(err, WM_E_LIMIT, "the path has over %d bytes", WM_PATH_MAX);
    memcpy(out, s.ptr, s.len);
    out[s.len] = '\0';
    return 0;
}

/* `path` is the directory, unless it names one of the files: "gpt2-vocab.json" stands for
 * gpt2-merges.txt, too. */
static int place_of(const char *path, const struct part *parts, struct place *ret,
                    struct wm_error *err)
{
    const struct wm_str name = file_name(path);
    struct wm_str dir = wm_str_of(path), prefix = {"", 0};
    for (const struct part *p = parts; p->format; p++) {
        const struct wm_str own = wm_str_of(p->name);
        if (!own.len || !wm_str_ends(name, own) || is_dir(path))
            continue;
        dir.len -= name.len;
        if (dir.len > 1)
            dir.len--; /* the slash, but for that of the root */
        else if (!dir.len)
            dir = WM_STR(".");
        prefix = (struct wm_str){name.ptr, name.len - own.len};
        break;
    }
    int status = copy_path(ret->dir, dir, err);
    return status ? status : copy_path(ret->prefix, prefix, err);
}

static int store(const struct place *place, const char *path, const char *name, struct wm_str bytes,
                 struct wm_error *err)
{
    char file[WM_PATH_MAX], inside[WM_PATH_MAX];
    if (!name)
        return wm_file_store(path, bytes, err);
    if ((size_t)snprintf(file, sizeof file, "%s%s", place->prefix, name) >= sizeof file)
        return wm_fail(err, WM_E_LIMIT, "the path has over %d bytes", WM_PATH_MAX);
    int status = wm_path_join(inside, place->dir, file, err);
    return status ? status : wm_file_store(inside, bytes, err);
}

/* `path` is for a part without a name. */
static int write_parts(const struct wm_tokenizer *tok, enum wm_tokenizer_format format,
                       const struct part *parts, const struct place *place, const char *path,
                       struct wm_error *err)
{
    struct wm_buf texts[FILES_MAX];
    int status = 0;
    for (size_t i = 0; i < FILES_MAX; i++)
        wm_buf_init(&texts[i], MAX_WRITTEN);
    if (tok->pieces && (format == WM_TOKENIZER_GPT2 || format == WM_TOKENIZER_TIKTOKEN))
        status = wm_fail(err, WM_E_FORMAT, "%s files hold byte-level BPE, not a SentencePiece model",
                         wm_tokenizer_format_names[format]);
    if (!status && format == WM_TOKENIZER_GPT2)
        status = bpe_check_gpt2(tok, err);
    for (size_t i = 0; parts[i].format && !status; i++)
        status = parts[i].format(tok, &texts[i], err);
    if (status == WM_E_FORMAT) /* nothing is wrong with the tokenizer: it was asked for too much */
        status = err->status = WM_E_CONFIG;
    for (size_t i = 0; parts[i].format && !status; i++)
        status = store(place, path, parts[i].name, wm_buf_str(&texts[i]), err);
    for (size_t i = 0; i < FILES_MAX; i++)
        wm_buf_done(&texts[i]);
    return status;
}

int wm_tokenizer_write(const struct wm_tokenizer *tok, enum wm_tokenizer_format format,
                       const char *path, struct wm_error *err)
{
    struct place place;
    if (format == WM_TOKENIZER_AUTO)
        format = wm_tokenizer_format_of(path);
    const struct part *parts = parts_of(tok, format, path);
    int status = place_of(path, parts, &place, err);
    return status ? status : write_parts(tok, format, parts, &place, path, err);
}

int wm_tokenizer_save(const struct wm_tokenizer *tok, const char *dir, struct wm_error *err)
{
    struct place place = {.prefix = ""};
    const enum wm_tokenizer_format format =
        tok->pieces ? WM_TOKENIZER_SENTENCEPIECE : WM_TOKENIZER_JSON;
    int status = copy_path(place.dir, wm_str_of(dir), err);
    return status ? status : write_parts(tok, format, files[format], &place, dir, err);
}
