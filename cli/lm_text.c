/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lm_text.h"

#include <stdlib.h>

#include "wetmill/ccnet.h"
#include "wetmill/sentencepiece.h"

enum { READ_BYTES = 256 << 10 };

/* ---- plain text ---- */

static bool ends_with(const char *path, const char *end)
{
    return wm_str_ends(wm_str_of(path), wm_str_of(end));
}

/* Is `path` text that needs no reader of documents? It is then read byte by byte, valid UTF-8 or
 * not. */
static bool is_plain(const struct cli *cli, const char *path)
{
    static const char *const magics[] = {"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xfd\x37zXZ", "{",
                                         "WARC/"};
    struct wm_error err = {0};
    struct wm_stat st;
    struct wm_file *file;
    char head[8] = {0};
    size_t n = 0;
    int format = cli->run.input.format;
    if (format != WM_FORMAT_AUTO && format != WM_FORMAT_TEXT)
        return false;
    if (strcmp(path, "-") == 0)
        return true;
    if (wm_stat(path, &st, &err) || !st.is_regular || ends_with(path, ".paths") ||
        ends_with(path, ".tar") || wm_file_open(path, &file, &err))
        return false;
    int status = wm_file_pread(file, head, sizeof head, 0, &n, &err);
    wm_file_close(file);
    for (size_t i = 0; !status && i < sizeof magics / sizeof *magics; i++)
        if (strncmp(head, magics[i], strlen(magics[i])) == 0 && (format == WM_FORMAT_AUTO || i < 3))
            return false;
    return !status;
}

static int read_plain(const char *path, struct wm_lm_train *train, struct wm_error *err)
{
    struct wm_file *file;
    char *text = malloc(READ_BYTES);
    if (!text)
        return wm_fail_nomem(err, READ_BYTES, "reading text");
    int status = wm_file_open(path, &file, err);
    size_t n = 0;
    if (status) {
        free(text);
        return status;
    }
    do {
        status = wm_file_read(file, text, READ_BYTES, &n, err);
        if (!status)
            status = wm_lm_train_text(train, (struct wm_str){text, n}, err);
    } while (!status && n);
    if (!status)
        status = wm_lm_train_end(train, err);
    if (status)
        (void)wm_error_where(err, "%s", path);
    wm_file_close(file);
    free(text);
    return status;
}

/* ---- documents ---- */

struct pieces {
    struct wm_sp *model;
    struct wm_sp_scratch *scratch;
    struct wm_ccnet normaliser;
    struct wm_buf text; /* pieces with a blank between them */
    int normalize;
};

static void pieces_done(struct pieces *p)
{
    wm_buf_done(&p->text);
    wm_ccnet_done(&p->normaliser);
    wm_sp_scratch_free(p->scratch);
    wm_sp_free(p->model);
}

static int pieces_open(struct pieces *p, const struct lm_text_options *options,
                       struct wm_error *err)
{
    *p = (struct pieces){.normalize = options->normalize};
    wm_ccnet_init(&p->normaliser, (enum wm_unicode_version)options->unicode, WM_SP_MAX_NORMALISED);
    wm_buf_init(&p->text, (size_t)1 << 31);
    int status = wm_sp_open(options->sentencepiece, &p->model, err);
    return status ? status : wm_sp_scratch_new(p->model, &p->scratch, err);
}

/* A document is one sentence of pieces. */
static int take_pieces(struct pieces *p, struct wm_str text, struct wm_lm_train *train,
                       struct wm_error *err)
{
    struct wm_sp_pieces pieces;
    int status = 0;
    if (p->normalize != LM_NORMALIZE_NONE)
        status = wm_ccnet_lm(&p->normaliser, text,
                             p->normalize == LM_NORMALIZE_STRICT ? WM_CCNET_NEWLINE_SPACE : 0,
                             &text, err);
    if (!status)
        status = wm_sp_encode(p->model, p->scratch, text, &pieces, err);
    p->text.len = 0;
    for (size_t i = 0; !status && i < pieces.n; i++) {
        struct wm_str piece = pieces.ids[i] == wm_sp_unknown(p->model)
                                  ? wm_sp_slice(&pieces, i)
                                  : wm_sp_piece(p->model, pieces.ids[i]);
        status = wm_buf_reserve(&p->text, piece.len + 1, err);
        if (status)
            break;
        memcpy(p->text.ptr + p->text.len, piece.ptr, piece.len);
        p->text.len += piece.len;
        p->text.ptr[p->text.len++] = ' ';
    }
    if (!status && p->text.len)
        status = wm_lm_train_text(train, wm_buf_str(&p->text), err);
    return status ? status : wm_lm_train_end(train, err);
}

static int take_document(struct pieces *pieces, struct wm_str text, struct wm_lm_train *train,
                         struct wm_error *err)
{
    if (pieces)
        return take_pieces(pieces, text, train, err);
    int status = wm_lm_train_text(train, text, err);
    return status ? status : wm_lm_train_end(train, err);
}

static int read_task(struct cli *cli, const struct wm_inputs *inputs, uint32_t task,
                     uint64_t memory, struct pieces *pieces, struct wm_lm_train *train,
                     bool *ret_skipped, struct wm_error *err)
{
    enum { WINDOW_SHARE = 8 };
    const struct wm_window_limit windows = {memory / WINDOW_SHARE, memory, WINDOW_SHARE};
    struct wm_reader *reader = NULL;
    struct wm_batch batch = {0};
    wm_arena_init(&batch.arena, (size_t)1 << 30);
    wm_arena_init(&batch.scratch, (size_t)1 << 30);
    int status = wm_reader_open(inputs, &inputs->tasks[task], &reader, err), more = 1;
    if (!status)
        wm_reader_allow(reader, &windows);
    while (!status && more > 0) {
        wm_arena_reset(&batch.arena);
        batch.n_docs = 0;
        more = wm_reader_fill(reader, &batch, 0, WM_BATCH_TEXT, 4096, err);
        status = more < 0 ? more : wm_cancel_check(cli->cancel, err);
        for (size_t i = 0; more > 0 && !status && i < batch.n_docs; i++)
            status = take_document(pieces, batch.docs[i].text, train, err);
    }
    if (!status)
        *ret_skipped |=
            cli_say_damage(cli, wm_reader_damage(reader), wm_reader_tally(reader)->n_damage);
    wm_reader_close(reader);
    wm_arena_done(&batch.arena);
    wm_arena_done(&batch.scratch);
    return status;
}

static int read_documents(struct cli *cli, const char *path, uint64_t memory, struct pieces *pieces,
                          struct wm_lm_train *train, bool *ret_skipped, struct wm_error *err)
{
    const struct wm_option *paths = wm_option_find(wm_source_option_table, WM_STR("paths"));
    struct wm_inputs inputs = {0};
    struct wm_source_options source = cli->run.input;
    source.paths = (struct wm_list){0};
    if (!pieces)
        source.text_unit = WM_TEXT_LINE;
    int status = wm_option_append(paths, &source, wm_str_of(path), &cli->run.arena, err);
    if (!status)
        status = wm_inputs_open(&source, &inputs, err);
    for (uint32_t i = 0; !status && i < inputs.n_tasks; i++)
        status = read_task(cli, &inputs, i, memory, pieces, train, ret_skipped, err);
    wm_inputs_close(&inputs);
    return status;
}

int lm_text_read(struct cli *cli, const struct lm_text_options *options, struct wm_lm_train *train,
                 bool *ret_skipped, struct wm_error *err)
{
    struct pieces pieces = {0};
    bool cut = options->sentencepiece != NULL;
    int status = cut ? pieces_open(&pieces, options, err) : 0;
    for (size_t i = 0; !status && i < cli->n_operands; i++) {
        const char *path = cli->operands[i];
        status = !cut && is_plain(cli, path)
                     ? read_plain(path, train, err)
                     : read_documents(cli, path, options->memory, cut ? &pieces : NULL, train,
                                      ret_skipped, err);
    }
    pieces_done(&pieces);
    return status;
}
