/* SPDX-License-Identifier: Apache-2.0 */
/* covers: stages/rejoin_rows.c */
/* Minified rows: whatever a file holds is refused in words or read; ids that are read rise. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stages/rejoin_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    struct wm_error err = {0};
    struct wm_rejoin_rows rows;
    if (!path[0])
        (void)snprintf(path, sizeof path, "fuzz-rejoin.%ld", (long)getpid());
    FILE *file = fopen(path, "wb");
    if (!file || (size && fwrite(data, 1, size, file) != size) || fclose(file))
        abort();
    wm_rejoin_init(&rows, 64 << 20);
    (void)wm_rejoin_load(&rows, path, size % 2, &err);
    for (size_t i = 0; i < rows.n; i++) {
        struct wm_rejoin_ids ids = wm_rejoin_ids(&rows.rows[i]);
        uint32_t id, n = 0;
        uint64_t end = 0;
        while (wm_rejoin_next(&ids, &id)) {
            if (id < end)
                abort();
            end = (uint64_t)id + 1;
            n++;
        }
        if (n != rows.rows[i].n_ids)
            abort();
    }
    wm_rejoin_done(&rows);
    (void)unlink(path);
    return 0;
}
