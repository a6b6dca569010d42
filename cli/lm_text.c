/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lm_text.h"

#include <stdlib.h>

#include "wetmill/ccnet.h"
#include "wetmill/sentencepiece.h"
#include "wetmill/state.h"

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

/* ---- where reading stands ---- */

enum { IN_FILE, AT_TASK, IN_TASK };

struct reading {
    struct cli *cli;
    struct wm_lm_train *train;
    struct pieces *pieces;
    uint64_t memory;
    bool skipped;
    size_t operand;
    /* where the first file or task that is read is entered, once */
    int kind;
    uint64_t task, offset;
    struct wm_str reader;
};

/* A point here, if it is time: at byte `at` of a file, or at document `at` of a task, where the reader
 * says whether it can be gone on with. */
static int make_point(struct reading *r, int kind, uint64_t at, struct wm_reader *reader,
                      struct wm_error *err)
{
    struct wm_state_out position, inner;
    if (!wm_lm_train_is_due(r->train) && r->operand < r->cli->n_operands)
        return 0;
    wm_state_out_open(&position, WM_LM_POSITION_MAX);
    wm_state_out_open(&inner, WM_LM_POSITION_MAX);
    int can = reader ? wm_reader_save(reader, &inner, err) : 1;
    wm_state_put(&position, r->skipped);
    wm_state_put(&position, r->operand);
    wm_state_put(&position, (uint64_t)kind);
    wm_state_put(&position, at);
    wm_state_put_str(&position, wm_buf_str(&inner.buf));
    int status = can < 0 ? can : wm_state_out_status(&inner, err);
    if (!status)
        status = wm_state_out_status(&position, err);
    if (!status)
        status = can ? wm_lm_train_point(r->train, wm_buf_str(&position.buf), err)
                     : wm_cancel_check(r->cli->cancel, err);
    wm_state_out_done(&inner);
    wm_state_out_done(&position);
    return status;
}

static int read_position(struct reading *r, struct wm_str position, struct wm_error *err)
{
    struct wm_state_in state = {.rest = position};
    if (!position.ptr)
        return 0;
    r->skipped = wm_state_get(&state) != 0;
    r->operand = (size_t)wm_state_get(&state);
    r->kind = (int)wm_state_get(&state);
    uint64_t at = wm_state_get(&state);
    r->reader = wm_state_get_str(&state);
    if (r->operand > r->cli->n_operands || (unsigned)r->kind > IN_TASK)
        return wm_state_mismatch(err, "there is no such input");
    r->offset = r->kind == IN_FILE ? at : 0;
    r->task = r->kind == IN_FILE ? 0 : at;
    return wm_state_in_status(&state, err);
}

/* ---- plain text, read ---- */

static int read_plain(struct reading *r, const char *path, struct wm_error *err)
{
    struct wm_file *file;
    uint64_t at = r->offset;
    char *text = malloc(READ_BYTES);
    if (!text)
        return wm_fail_nomem(err, READ_BYTES, "reading text");
    int status = wm_file_open(path, &file, err);
    size_t n = 0;
    if (status) {
        free(text);
        return status;
    }
    if (at)
        status = wm_file_seek(file, at, err);
    r->offset = 0;
    for (bool more = !status; more; more = !status && n) {
        status = wm_file_read(file, text, READ_BYTES, &n, err);
        if (!status)
            status = wm_lm_train_text(r->train, (struct wm_str){text, n}, err);
        at += n;
        if (!status && n)
            status = make_point(r, IN_FILE, at, NULL, err);
    }
    if (!status)
        status = wm_lm_train_end(r->train, err);
    if (status && status != WM_E_CANCELLED)
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

/* The reader goes on where the last point is. */
static int enter_task(struct reading *r, struct wm_reader *reader, struct wm_error *err)
{
    struct wm_state_in state = {.rest = r->reader};
    int status = r->kind == IN_TASK ? wm_reader_load(reader, &state, err) : 0;
    r->kind = AT_TASK;
    return status;
}

static int read_task(struct reading *r, const struct wm_inputs *inputs, uint32_t task,
                     struct wm_error *err)
{
    enum { WINDOW_SHARE = 8 };
    const struct wm_window_limit windows = {r->memory / WINDOW_SHARE, r->memory, WINDOW_SHARE};
    struct wm_reader *reader = NULL;
    struct wm_batch batch = {0};
    wm_arena_init(&batch.arena, (size_t)1 << 30);
    wm_arena_init(&batch.scratch, (size_t)1 << 30);
    int status = wm_reader_open(inputs, &inputs->tasks[task], &reader, err), more = 1;
    if (!status)
        wm_reader_allow(reader, &windows);
    if (!status)
        status = enter_task(r, reader, err);
    while (!status && more > 0) {
        wm_arena_reset(&batch.arena);
        batch.n_docs = 0;
        more = wm_reader_fill(reader, &batch, 0, WM_BATCH_TEXT, 4096, err);
        status = more < 0 ? more : 0;
        for (size_t i = 0; more > 0 && !status && i < batch.n_docs; i++)
            status = take_document(r->pieces, batch.docs[i].text, r->train, err);
        if (!status && more > 0)
            status = make_point(r, IN_TASK, task, reader, err);
        if (!status)
            status = wm_cancel_check(r->cli->cancel, err);
    }
    if (!status)
        r->skipped |=
            cli_say_damage(r->cli, wm_reader_damage(reader), wm_reader_tally(reader)->n_damage);
    wm_reader_close(reader);
    wm_arena_done(&batch.arena);
    wm_arena_done(&batch.scratch);
    return status;
}

static int open_inputs(struct cli *cli, const char *path, bool cut, struct wm_inputs *ret,
                       struct wm_error *err)
{
    const struct wm_option *paths = wm_option_find(wm_source_option_table, WM_STR("paths"));
    struct wm_source_options source = cli->run.input;
    source.paths = (struct wm_list){0};
    if (!cut)
        source.text_unit = WM_TEXT_LINE;
    int status = wm_option_append(paths, &source, wm_str_of(path), &cli->run.arena, err);
    return status ? status : wm_inputs_open(&source, ret, err);
}

static int read_documents(struct reading *r, const char *path, struct wm_error *err)
{
    struct wm_inputs inputs = {0};
    uint64_t first = r->task;
    int status = open_inputs(r->cli, path, r->pieces != NULL, &inputs, err);
    r->task = 0;
    for (uint64_t i = first; !status && i < inputs.n_tasks; i++) {
        status = read_task(r, &inputs, (uint32_t)i, err);
        if (!status)
            status = make_point(r, AT_TASK, i + 1, NULL, err);
    }
    wm_inputs_close(&inputs);
    return status;
}

int lm_text_read(struct cli *cli, const struct lm_text_options *options, struct wm_str position,
                 struct wm_lm_train *train, bool *ret_skipped, struct wm_error *err)
{
    struct pieces pieces = {0};
    bool cut = options->sentencepiece != NULL;
    struct reading r = {.cli = cli,
                        .train = train,
                        .pieces = cut ? &pieces : NULL,
                        .memory = options->memory,
                        .kind = AT_TASK};
    int status = read_position(&r, position, err);
    if (!status && cut && r.operand < cli->n_operands)
        status = pieces_open(&pieces, options, err);
    while (!status && r.operand < cli->n_operands) {
        const char *path = cli->operands[r.operand];
        status =
            !cut && is_plain(cli, path) ? read_plain(&r, path, err) : read_documents(&r, path, err);
        r.operand += !status;
    }
    if (!status)
        status = make_point(&r, AT_TASK, 0, NULL, err);
    *ret_skipped = r.skipped;
    pieces_done(&pieces);
    return status;
}

/* ---- what is read, without reading it ---- */

static void add_number(XXH3_state_t *hash, uint64_t number)
{
    (void)XXH3_128bits_update(hash, &number, sizeof number);
}

/* A position says which operand and what of it: the same files in other operands are other input. */
static int add_operand(struct cli *cli, const char *path, bool cut, XXH3_state_t *hash,
                       bool *ret_pipe, struct wm_error *err)
{
    struct wm_inputs inputs = {0};
    int status = open_inputs(cli, path, cut, &inputs, err);
    add_number(hash, strlen(path));
    (void)XXH3_128bits_update(hash, path, strlen(path));
    add_number(hash, !cut && is_plain(cli, path));
    add_number(hash, inputs.n_rows);
    for (uint32_t i = 0; !status && i < inputs.n_rows; i++) {
        const struct wm_input *row = &inputs.rows[i];
        (void)XXH3_128bits_update(hash, row->path, strlen(row->path) + 1);
        add_number(hash, row->start);
        add_number(hash, row->size);
        add_number(hash, (uint64_t)row->mtime_ns);
        *ret_pipe |= row->is_pipe;
    }
    wm_inputs_close(&inputs);
    return status;
}

/* By what it holds, unless that comes through a pipe. What is not there is somebody else's error. */
static void add_file(const char *path, XXH3_state_t *hash, bool *ret_pipe)
{
    struct wm_error ignored;
    struct wm_digest digest = {0};
    struct wm_stat st;
    *ret_pipe |=
        path && (strcmp(path, "-") == 0 || (wm_stat(path, &st, &ignored) == 0 && !st.is_regular));
    add_number(hash, path && wm_file_digest(path, &digest, &ignored) == 0);
    add_number(hash, digest.size);
    add_number(hash, digest.hash.high64);
    add_number(hash, digest.hash.low64);
}

int lm_text_fingerprint(struct cli *cli, const struct lm_text_options *options,
                        const char *vocabulary, XXH128_hash_t *ret, bool *ret_pipe,
                        struct wm_error *err)
{
    XXH3_state_t *hash = XXH3_createState();
    if (!hash)
        return wm_fail_nomem(err, 0, "hashing names");
    (void)XXH3_128bits_reset(hash);
    int status = 0;
    *ret_pipe = false;
    add_file(options->sentencepiece, hash, ret_pipe);
    add_file(vocabulary, hash, ret_pipe);
    add_number(hash, cli->n_operands);
    for (size_t i = 0; !status && i < cli->n_operands; i++)
        status =
            add_operand(cli, cli->operands[i], options->sentencepiece != NULL, hash, ret_pipe, err);
    *ret = XXH3_128bits_digest(hash);
    (void)XXH3_freeState(hash);
    return status;
}
