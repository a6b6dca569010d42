/* SPDX-License-Identifier: Apache-2.0 */
/* The reader comes back in time where no document comes for long, and what it gives does not depend
 * on that. */
#include "reading_help.h"

static struct wm_error err;

static void test_comes_back(void)
{
    static const char *const endings[] = {".gz", ".zst", ".xz", ""};
    for (size_t i = 0; i < 4; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "back.warc%s", endings[i]);
        const char *path = help_pages(name, endings[i], false);
        struct wm_source_options options = help_options();
        struct wm_inputs inputs;
        struct wm_reader *reader;
        struct wm_batch batch = {0};
        options.paths = (struct wm_list){&path, 1};
        wm_arena_init(&batch.arena, 1 << 30);
        CHECK_OK(wm_inputs_open(&options, &inputs, &err), err);
        CHECK_OK(wm_reader_open(&inputs, &inputs.tasks[0], &reader, &err), err);
        const size_t text = 20000, records = 40000;
        uint64_t before = 0, documents = 0, empty = 0;
        int more;
        while ((more = wm_reader_fill(reader, &batch, 1, text, 10, &err)) > 0) {
            uint64_t now = wm_reader_tally(reader)->bytes;
            CHECK_(now - before <= 4 * text + records, "%s: %" PRIu64 " bytes for a batch", name,
                   now - before);
            before = now;
            documents += batch.n_docs;
            empty += batch.n_docs == 0;
            wm_arena_reset(&batch.arena);
        }
        CHECK(more == 0);
        CHECK_U64(documents, 3);
        CHECK_(empty > 10, "%s: %" PRIu64 " empty batches", name, empty);
        CHECK_U64(wm_reader_tally(reader)->records, 153);
        wm_reader_close(reader);
        wm_inputs_close(&inputs);
        wm_arena_done(&batch.arena);
    }
}

int main(void)
{
    help_open();
    test_comes_back();
    help_close();
    return test_summary();
}
