/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer as files. All of a format's files are made in memory before the first is written. */
#include "tokenizer/formats.h"
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
/* The same as files for Hugging Face. */
static const struct part pieces_json[] = {{"tokenizer.json", sp_format_json},
                                          {"tokenizer_config.json", sp_format_config},
                                          {NULL, NULL}};

static const struct part *parts_of(const struct wm_tokenizer *tok, enum wm_tokenizer_format format,
                                   const char *path)
{
    const char *slash = strrchr(path, '/');
    if (tok->pieces && format == WM_TOKENIZER_JSON)
        return pieces_json;
    if (format == WM_TOKENIZER_SENTENCEPIECE && wm_str_ends(wm_str_of(path), WM_STR(".model")) &&
        strcmp(slash ? slash + 1 : path, "tokenizer.model") != 0)
        return model_file;
    return files[format];
}

/* The directory to write to: `path`, or where the file is that it names. */
static int directory_of(const char *path, const struct part *parts, char dir[WM_PATH_MAX],
                        struct wm_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    struct wm_str take = wm_str_of(path);
    for (const struct part *p = parts; p->format; p++)
        if (p->name && strcmp(name, p->name) == 0)
            take = slash ? (struct wm_str){path, (size_t)(slash - path) + (slash == path)}
                         : WM_STR(".");
    if (take.len >= WM_PATH_MAX)
        return wm_fail(err, WM_E_LIMIT, "the path has over %d bytes", WM_PATH_MAX);
    memcpy(dir, take.ptr, take.len);
    dir[take.len] = '\0';
    return 0;
}

static int store(const char *dir, const char *path, const char *name, struct wm_str bytes,
                 struct wm_error *err)
{
    char inside[WM_PATH_MAX];
    if (!name)
        return wm_file_store(path, bytes, err);
    int status = wm_path_join(inside, dir, name, err);
    return status ? status : wm_file_store(inside, bytes, err);
}

int wm_tokenizer_write(const struct wm_tokenizer *tok, enum wm_tokenizer_format format,
                       const char *path, struct wm_error *err)
{
    char dir[WM_PATH_MAX];
    struct wm_buf texts[FILES_MAX];
    if (format == WM_TOKENIZER_AUTO)
        format = wm_tokenizer_format_of(path);
    const struct part *parts = parts_of(tok, format, path);
    for (size_t i = 0; i < FILES_MAX; i++)
        wm_buf_init(&texts[i], MAX_WRITTEN);
    int status = directory_of(path, parts, dir, err);
    if (!status && tok->pieces && (format == WM_TOKENIZER_GPT2 || format == WM_TOKENIZER_TIKTOKEN))
        status = wm_fail(err, WM_E_FORMAT, "%s files hold byte-level BPE, not a SentencePiece model",
                         wm_tokenizer_format_names[format]);
    if (!status && format == WM_TOKENIZER_GPT2)
        status = bpe_check_gpt2(tok, err);
    for (size_t i = 0; parts[i].format && !status; i++)
        status = parts[i].format(tok, &texts[i], err);
    if (status == WM_E_FORMAT) /* nothing is wrong with the tokenizer: it was asked for too much */
        status = err->status = WM_E_CONFIG;
    for (size_t i = 0; parts[i].format && !status; i++)
        status = store(dir, path, parts[i].name, wm_buf_str(&texts[i]), err);
    for (size_t i = 0; i < FILES_MAX; i++)
        wm_buf_done(&texts[i]);
    return status;
}

int wm_tokenizer_save(const struct wm_tokenizer *tok, const char *dir, struct wm_error *err)
{
    return wm_tokenizer_write(tok, tok->pieces ? WM_TOKENIZER_SENTENCEPIECE : WM_TOKENIZER_JSON,
                              dir, err);
}
