/* SPDX-License-Identifier: Apache-2.0 */
/* A chain of stages: put together, checked, opened, closed. */
#include "pipeline/chain.h"

#include <stdlib.h>

#include "pipeline/schema.h"

void wm_chain_init(struct wm_chain *chain)
{
    *chain = (struct wm_chain){0};
}

size_t wm_stage_reasons(const struct wm_stage *stage)
{
    size_t n = 0;
    while (stage->reasons && stage->reasons[n])
        n++;
    return n;
}

static int grow(struct wm_chain *chain, struct wm_error *err)
{
    if (chain->n < chain->cap)
        return 0;
    size_t cap = chain->cap ? chain->cap * 2 : 8;
    struct wm_link *links = realloc(chain->links, cap * sizeof *links);
    if (!links)
        return wm_fail_nomem(err, cap * sizeof *links, "stages");
    chain->links = links;
    chain->cap = cap;
    return 0;
}

int wm_chain_add(struct wm_chain *chain, const struct wm_stage *stage, void **ret_shared,
                 struct wm_error *err)
{
    int status = grow(chain, err);
    if (!status)
        status = wm_schema_add(&chain->schema, stage->writes, err);
    if (status)
        return wm_error_where(err, "stage %s", stage->name);
    void *shared = calloc(1, stage->shared_size ? stage->shared_size : 1);
    if (!shared)
        return wm_fail_nomem(err, stage->shared_size, stage->name);
    if (stage->options)
        wm_options_default(stage->options, shared);
    chain->links[chain->n++] = (struct wm_link){.stage = stage, .shared = shared};
    *ret_shared = shared;
    return 0;
}

static bool writes(const struct wm_stage *stage, const char *name)
{
    for (const struct wm_column *c = stage->writes; c && c->name; c++)
        if (strcmp(c->name, name) == 0)
            return true;
    return false;
}

static int check_reads(const struct wm_chain *chain, size_t at, struct wm_error *err)
{
    const struct wm_stage *stage = chain->links[at].stage;
    for (const char *const *name = stage->reads; name && *name; name++) {
        bool found = false;
        const char *later = NULL;
        for (size_t i = 0; i < chain->n; i++) {
            if (!writes(chain->links[i].stage, *name))
                continue;
            found = found || i < at;
            later = chain->links[i].stage->name;
        }
        if (found)
            continue;
        (void)wm_fail(err, WM_E_CONFIG, "it needs the column %s, which no stage before it writes",
                      *name);
        if (later)
            (void)wm_error_hint(err, "put stage %s before it", later);
        return wm_error_where(err, "stage %s", stage->name);
    }
    return 0;
}

/* close() may leave pointers behind: the bytes as they were before open() are kept to go back to. */
static int open_link(struct wm_link *link, const struct wm_env *env, struct wm_error *err)
{
    size_t size = link->stage->shared_size ? link->stage->shared_size : 1;
    link->unopened = malloc(size);
    if (!link->unopened)
        return wm_fail_nomem(err, size, link->stage->name);
    memcpy(link->unopened, link->shared, size);
    return link->stage->open ? link->stage->open(link->shared, env, err) : 0;
}

int wm_chain_open(struct wm_chain *chain, unsigned n_workers, const struct wm_inputs *inputs,
                  struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < chain->n; i++)
        status = check_reads(chain, i, err);
    struct wm_env env = {.schema = &chain->schema, .n_workers = n_workers, .inputs = inputs};
    for (size_t i = 0; !status && i < chain->n; i++) {
        status = open_link(&chain->links[i], &env, err);
        if (status)
            (void)wm_error_where(err, "stage %s", chain->links[i].stage->name);
    }
    if (status)
        wm_chain_shut(chain);
    chain->is_open = !status;
    return status;
}

void wm_chain_shut(struct wm_chain *chain)
{
    for (size_t i = 0; i < chain->n; i++) {
        struct wm_link *link = &chain->links[i];
        const struct wm_stage *stage = link->stage;
        if (link->rewriter && stage->close_local)
            stage->close_local(link->rewriter);
        free(link->rewriter);
        link->rewriter = NULL;
        if (!link->unopened)
            continue;
        if (stage->close)
            stage->close(link->shared);
        memcpy(link->shared, link->unopened, stage->shared_size);
        free(link->unopened);
        link->unopened = NULL;
    }
    chain->is_open = false;
}

bool wm_chain_surveys(const struct wm_chain *chain)
{
    for (size_t i = 0; i < chain->n; i++)
        if (chain->links[i].stage->survey)
            return true;
    return false;
}

bool wm_chain_cuts(const struct wm_chain *chain)
{
    for (size_t i = 0; i < chain->n; i++)
        if (chain->links[i].stage->drops_lines)
            return true;
    return false;
}

void wm_chain_close(struct wm_chain *chain)
{
    wm_chain_shut(chain);
    for (size_t i = 0; i < chain->n; i++) {
        wm_link_forget_files(&chain->links[i]);
        free(chain->links[i].shared);
    }
    free(chain->links);
    wm_chain_init(chain);
}
