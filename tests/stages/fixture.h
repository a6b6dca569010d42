/* SPDX-License-Identifier: Apache-2.0 */
/* A chain of stages for tests: options by name, documents from strings, one batch at a time. */
#ifndef WETMILL_TESTS_STAGES_FIXTURE_H
#define WETMILL_TESTS_STAGES_FIXTURE_H

#include "pipeline/chain.h"
#include "pipeline/tally.h"
#include "test.h"
#include "wetmill/stage.h"

struct fixture {
    struct wm_error err;
    struct wm_arena options;
    struct wm_chain chain;
    struct wm_locals locals;
    struct wm_link_tally *links;
    struct wm_batch batch;
    struct wm_dropped dropped;
    const struct wm_inputs *inputs; /* what stages may know of the input; may be NULL */
    bool is_open;
};

static inline void fixture_init(struct fixture *f)
{
    *f = (struct fixture){0};
    wm_arena_init(&f->options, 1 << 20);
    wm_chain_init(&f->chain);
    wm_arena_init(&f->batch.arena, (size_t)1 << 32);
    wm_arena_init(&f->batch.scratch, (size_t)1 << 32);
}

/* Add a stage; `settings` is "name=value;name=value", or NULL. */
static inline void fixture_add(struct fixture *f, const char *name, const char *settings)
{
    const struct wm_stage *stage = wm_stage_find(wm_str_of(name));
    void *shared = NULL;
    CHECK_(stage != NULL, "no stage %s", name);
    if (!stage)
        exit(1);
    CHECK_OK(wm_chain_add(&f->chain, stage, &shared, &f->err), f->err);
    while (settings && *settings) {
        size_t len = strcspn(settings, ";"), n = strcspn(settings, "=");
        const struct wm_option *o = wm_option_find(stage->options, (struct wm_str){settings, n});
        CHECK_(o != NULL, "%s has no option %.*s", name, (int)n, settings);
        struct wm_str value = {settings + n + 1, len - n - 1};
        CHECK_OK(o ? wm_option_set(o, shared, value, &f->options, &f->err) : -1, f->err);
        settings += len + (settings[len] != '\0');
    }
}

static inline int fixture_open(struct fixture *f)
{
    int status = wm_chain_open(&f->chain, 1, f->inputs, &f->err);
    if (!status)
        status = wm_locals_open(&f->locals, &f->chain, f->chain.n, &f->err);
    if (!status)
        status = wm_links_new(&f->chain, &f->links, &f->err);
    f->is_open = !status;
    return status;
}

/* A chain of one stage, open. */
static inline void fixture_one(struct fixture *f, const char *name, const char *settings)
{
    fixture_init(f);
    fixture_add(f, name, settings);
    CHECK_OK(fixture_open(f), f->err);
}

static inline void fixture_done(struct fixture *f)
{
    wm_locals_close(&f->locals);
    wm_chain_close(&f->chain);
    free(f->links);
    wm_arena_done(&f->batch.arena);
    wm_arena_done(&f->batch.scratch);
    wm_arena_done(&f->options);
}

/* Fill the batch with `n` documents. */
static inline void fixture_fill(struct fixture *f, const struct wm_str *texts, size_t n)
{
    wm_arena_reset(&f->batch.arena);
    f->dropped = (struct wm_dropped){0};
    f->batch.docs = wm_arena_alloc(&f->batch.arena, n, sizeof *f->batch.docs);
    f->batch.n_docs = n;
    for (size_t i = 0; i < n; i++) {
        struct wm_doc *doc = &f->batch.docs[i];
        doc->text = wm_arena_str(&f->batch.arena, texts[i]);
        doc->key.record = i;
        doc->source_lines = (uint32_t)wm_line_count(texts[i]);
        doc->lines.runs = wm_arena_alloc(&f->batch.arena, 1, sizeof *doc->lines.runs);
        doc->lines.runs[0] = (struct wm_line_run){0, doc->source_lines};
        doc->lines.n_runs = 1;
        doc->values = wm_arena_alloc(&f->batch.arena, WM_COLUMNS_MAX, sizeof *doc->values);
    }
}

static inline void fixture_apply(struct fixture *f)
{
    CHECK_OK(wm_chain_apply(&f->locals, f->chain.n, &f->batch, f->links, &f->dropped, &f->err),
             f->err);
}

/* One document through the chain: why it was dropped, or NULL; its text is in f->batch.docs[0] if
 * it was kept. */
static inline const char *fixture_run(struct fixture *f, struct wm_str text)
{
    fixture_fill(f, &text, 1);
    fixture_apply(f);
    if (f->batch.n_docs == 1)
        return NULL;
    const struct wm_doc *doc = &f->dropped.docs[0];
    CHECK(f->dropped.n == 1);
    return f->chain.links[doc->drop_stage].stage->reasons[doc->drop - 1];
}

#define CHECK_KEPT(f, text)                          \
    do {                                             \
        const char *why_ = fixture_run((f), (text)); \
        CHECK_(why_ == NULL, "dropped: %s", why_);   \
    } while (0)

#define CHECK_DROPPED(f, text, reason)                                                         \
    do {                                                                                       \
        const char *why_ = fixture_run((f), (text));                                           \
        CHECK_(why_ &&strcmp(why_, (reason)) == 0, "dropped: %s, want %s", why_ ? why_ : "no", \
               (reason));                                                                      \
    } while (0)

#define CHECK_BECOMES(f, from, want)                    \
    do {                                                \
        CHECK_KEPT((f), (from));                        \
        if ((f)->batch.n_docs)                          \
            CHECK_STR((f)->batch.docs[0].text, (want)); \
    } while (0)

/* `n` times `piece`, on the heap. */
static inline struct wm_str repeated(const char *piece, size_t n)
{
    size_t len = strlen(piece);
    char *bytes = malloc(len * n + 1);
    if (!bytes)
        exit(1);
    for (size_t i = 0; i < n; i++)
        memcpy(bytes + i * len, piece, len);
    return (struct wm_str){bytes, len * n};
}

static inline void forget(struct wm_str s)
{
    free((void *)(uintptr_t)s.ptr);
}

#endif /* WETMILL_TESTS_STAGES_FIXTURE_H */
