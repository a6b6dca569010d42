/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/window.h"

#include "pipeline/listing.h"
#include "pipeline/members.h"
#include "pipeline/xz_walk.h"
#include "pipeline/zstd_frames.h"

enum {
    MIB = 1 << 20,
    HEAD = WM_XZ_BLOCK_HEADER + 64, /* behind the header of an xz stream, that of its first block */
    SKIPPED_MOST = 16,              /* skippable frames before the first one */
};

static size_t look(struct wm_file *file, uint64_t at, unsigned char head[HEAD])
{
    struct wm_error ignored;
    size_t len = 0;
    return wm_file_pread(file, head, HEAD, at, &len, &ignored) ? 0 : len;
}

/* A window over the limit is refused, and takes nothing. */
static uint64_t zstd_window(struct wm_file *file, unsigned char head[HEAD], size_t len)
{
    struct wm_frame frame;
    uint64_t at = 0;
    for (int i = 0; i < SKIPPED_MOST && wm_frame_read(head, len, &frame) == 1; i++) {
        if (!frame.skippable && frame.content < frame.window)
            return frame.content;
        if (!frame.skippable)
            return frame.window <= WM_ZSTD_WINDOW ? frame.window : 0;
        at += frame.header + frame.size;
        len = look(file, at, head);
    }
    return 0;
}

static uint64_t xz_dictionary(const unsigned char *head, size_t len)
{
    struct wm_xz_walk walk = {0};
    (void)wm_xz_pass(&walk, head, len, 0);
    return walk.dictionary <= WM_XZ_DICTIONARY ? walk.dictionary : 0;
}

static uint64_t window_of(const char *path)
{
    unsigned char head[HEAD];
    struct wm_error ignored;
    struct wm_file *file;
    uint64_t window = 0;
    if (wm_file_open(path, &file, &ignored))
        return 0;
    size_t len = look(file, 0, head);
    enum wm_codec codec = wm_codec_detect(head, len);
    if (codec == WM_CODEC_ZSTD)
        window = zstd_window(file, head, len);
    else if (codec == WM_CODEC_XZ)
        window = xz_dictionary(head, len);
    wm_file_close(file);
    return window;
}

uint64_t wm_window_most(const struct wm_inputs *inputs)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < inputs->n_rows; i++) {
        const struct wm_input *row = &inputs->rows[i];
        if (row->problem || row->is_pipe || row->start > 0 || row->size < WM_SMALL_FILE)
            continue;
        uint64_t window = window_of(row->path);
        most = window > most ? window : most;
    }
    return most;
}

int wm_windows_take(struct wm_windows *windows, uint64_t *held, uint64_t window, const char *what,
                    uint64_t at, struct wm_error *err)
{
    uint64_t beyond = window > WM_USUAL_WINDOW ? window - WM_USUAL_WINDOW : 0;
    if (beyond <= *held)
        return 0;
    uint64_t all = beyond - *held + (windows ? windows->taken : 0);
    if (windows && windows->limited && all > windows->limit.most) {
        const struct wm_window_limit *limit = &windows->limit;
        uint64_t enough = limit->memory + limit->readers * (all - limit->most);
        (void)wm_fail(err, WM_E_NOMEM,
                      "%s at byte %ju needs a window of %ju MiB, --memory leaves %ju MiB for it",
                      what, (uintmax_t)at, (uintmax_t)((window + MIB - 1) / MIB),
                      (uintmax_t)((limit->most + window - all) / MIB));
        return wm_error_hint(err, "--memory %juMiB would do",
                             (uintmax_t)((enough + MIB - 1) / MIB));
    }
    if (windows)
        windows->taken = all;
    *held = beyond;
    return 0;
}

void wm_windows_give_back(struct wm_windows *windows, uint64_t *held)
{
    if (windows)
        windows->taken -= *held;
    *held = 0;
}
