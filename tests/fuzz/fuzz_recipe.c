/* SPDX-License-Identifier: Apache-2.0 */
/* covers: run/recipe.c */
/* A recipe that is taken is written again as one that reads the same, and its stages can be opened
 * and run on a line. */
#include <stdlib.h>

#include "pipeline/chain.h"
#include "run/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static int read_recipe(struct wm_str text, struct wm_run *run)
{
    struct wm_error err = {0};
    wm_arena_init(&run->arena, 16 << 20);
    wm_chain_init(&run->chain);
    int status = wm_recipe_read(text, &run->input, &run->chain, &run->arena, &err);
    check(status == 0 || (err.status == status && err.what[0] != '\0'));
    return status;
}

static void done(struct wm_run *run)
{
    wm_chain_close(&run->chain);
    wm_arena_done(&run->arena);
}

static void rewrite_line(struct wm_chain *chain)
{
    struct wm_error err;
    struct wm_batch batch = {.rederive = true, .n_docs = 1};
    struct wm_doc doc = {.text = WM_STR("A line  of text."), .source_lines = 1};
    struct wm_line_run all = {0, 1};
    doc.lines.runs = &all;
    doc.lines.n_runs = 1;
    batch.docs = &doc;
    wm_arena_init(&batch.arena, 16 << 20);
    wm_arena_init(&batch.scratch, 16 << 20);
    if (wm_chain_open(chain, 1, NULL, &err) == 0)
        (void)wm_chain_rewrite(chain, &batch, &err);
    wm_arena_done(&batch.arena);
    wm_arena_done(&batch.scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wm_run run, again;
    struct wm_error err;
    struct wm_buf first, second;
    wm_buf_init(&first, 16 << 20);
    wm_buf_init(&second, 16 << 20);
    memset(&run, 0, sizeof run);
    memset(&again, 0, sizeof again);
    if (read_recipe((struct wm_str){(const char *)data, size}, &run) == 0 &&
        wm_recipe_write(&run, &first, &err) == 0) {
        check(read_recipe(wm_buf_str(&first), &again) == 0);
        check(wm_recipe_find(&again, &second, &err) == 0);
        check(wm_str_eq(wm_buf_str(&first), wm_buf_str(&second)));
        rewrite_line(&again.chain);
        done(&again);
    }
    done(&run);
    wm_buf_done(&first);
    wm_buf_done(&second);
    return 0;
}
