/* SPDX-License-Identifier: Apache-2.0 */
/* covers: pipeline/stream.c pipeline/stream_at.c pipeline/detect.c pipeline/members.c
 * pipeline/members_tar.c pipeline/members_xz.c pipeline/xz_walk.c pipeline/framer.c
 * pipeline/arc.c pipeline/text_source.c */
/* A file as a reader opens it, told by its content, and tars and what is in them. The first byte: the
 * options and the name. Bytes are accounted for; where a record stood, it is found again or not. */
#include <string.h>

#include "file_fuzz.h"
#include "pipeline/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLACES = 4, NAME_MAX_BYTES = 300 };

struct seen {
    struct wm_location place;
    char tar_member[NAME_MAX_BYTES];
};

static size_t read_all(struct wm_stream *stream, struct wm_report *report, struct seen *seen)
{
    struct wm_error err;
    struct wm_record record;
    unsigned char sum = 0;
    size_t n = 0;
    int more;
    while ((more = wm_stream_next(stream, &record, &err)) > 0) {
        for (size_t i = 0; i < record.body.len; i++)
            sum ^= (unsigned char)record.body.ptr[i];
        report->tally.documents++;
        if (n == PLACES)
            continue;
        struct wm_location place = wm_stream_place(stream, &record);
        if (place.tar_member.len >= NAME_MAX_BYTES)
            continue;
        seen[n].place = place;
        if (place.tar_member.len)
            memcpy(seen[n].tar_member, place.tar_member.ptr, place.tar_member.len);
        seen[n].place.tar_member.ptr = seen[n].tar_member;
        n++;
    }
    fuzz_check(more == 0);
    volatile unsigned char read = sum; /* every byte is there */
    (void)read;
    return n;
}

static void read_again(const char *path, const struct wm_source_options *options,
                       const struct seen *seen, size_t n)
{
    static struct wm_stream stream;
    struct wm_report report;
    struct wm_error err;
    struct wm_record record;
    wm_report_init(&report);
    for (size_t i = 0; i < n; i++) {
        struct wm_location place = seen[i].place;
        place.tar_member.ptr = seen[i].tar_member;
        int status = wm_stream_open_at(&stream, path, &place, options, &report, &err);
        fuzz_check(status == 0 || status == WM_E_MISMATCH);
        if (!status)
            fuzz_check(wm_stream_next(&stream, &record, &err) >= 0);
        wm_stream_close(&stream);
    }
    wm_report_done(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a",     "a.warc.gz", "a.jsonl.zst", "a.tar.xz",
                                        "a.arc", "a.txt",     "a.json",      "a.wet"};
    static struct wm_stream stream;
    static struct seen seen[PLACES];
    char path[WM_PATH_MAX];
    struct wm_report report;
    struct wm_error err;
    if (size < 1)
        return 0;
    struct wm_source_options options = {.text_field = "text",
                                        .max_record = 20000,
                                        .max_ratio = 1000,
                                        .format = data[0] >> 3 & 3,
                                        .text_unit = data[0] >> 5 & 1,
                                        .profile = data[0] >> 6 & 1};
    const char *dir = fuzz_dir("stream");
    fuzz_path(path, dir, names[data[0] & 7]);
    fuzz_write(path, data + 1, size - 1);
    wm_report_init(&report);
    fuzz_check(wm_stream_open(&stream, path, 0, UINT64_MAX, -1, -1, &options, &report, &err) == 0);
    size_t n = read_all(&stream, &report, seen);
    wm_stream_close(&stream);
    uint64_t rejected = 0;
    for (int i = 0; i < WM_READ_REASONS; i++)
        rejected += report.tally.reasons[i];
    fuzz_check(report.tally.records == report.tally.documents + rejected);
    fuzz_check(report.tally.bytes == report.tally.bytes_in_records + report.tally.bytes_skipped);
    if (size % 16 == 0) /* else memory is kept for the next file, as a reader does */
        wm_stream_done(&stream);
    read_again(path, &options, seen, n);
    wm_report_done(&report);
    fuzz_remove(dir);
    return 0;
}
