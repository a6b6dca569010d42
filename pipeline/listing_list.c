/* SPDX-License-Identifier: Apache-2.0 */
/* List files: one name a line, such as Common Crawl's wet.paths.gz. Empty lines and lines that
 * start with # are passed over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/listing.h"
#include "pipeline/stream.h"
#include "wetmill/file.h"

static struct wm_str trim(struct wm_str s)
{
    while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1]) && s.ptr[s.len - 1])
        s.len--;
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    return s;
}

/* The prefix is put before the name; a slash between them if neither brings one. */
static int add_name(struct wm_rows *rows, struct wm_str name, const char *prefix,
                    struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_str before = wm_str_of(prefix);
    bool slash = before.len && before.ptr[before.len - 1] != '/' && name.ptr[0] != '/';
    if (memchr(name.ptr, '\0', name.len))
        return wm_fail(err, WM_E_CONFIG, "a name holds a NUL: is this a list of files?");
    if (before.len + slash + name.len >= sizeof path)
        return wm_fail(err, WM_E_CONFIG, "a name is longer than %d bytes: is this a list of files?",
                       WM_PATH_MAX - 1);
    (void)snprintf(path, sizeof path, "%.*s%s%.*s", (int)before.len, before.len ? before.ptr : "",
                   slash ? "/" : "", (int)name.len, name.ptr);
    return wm_list_row(rows, path, false, err);
}

static int read_names(struct wm_stream *stream, struct wm_rows *rows, const char *prefix,
                      struct wm_error *err)
{
    struct wm_record line;
    uint64_t bytes = 0;
    for (;;) {
        int more = wm_stream_next(stream, &line, err);
        if (more <= 0)
            return more;
        bytes += line.body.len;
        if (bytes > WM_LIST_BYTES)
            return wm_fail(err, WM_E_LIMIT, "the list is longer than %d MiB", WM_LIST_BYTES >> 20);
        struct wm_str name = trim(line.body);
        if (name.len == 0 || name.ptr[0] == '#')
            continue;
        int status = add_name(rows, name, prefix, err);
        if (status)
            return status;
    }
}

int wm_list_file(struct wm_rows *rows, const char *path, const struct wm_source_options *options,
                 struct wm_error *err)
{
    struct wm_source_options lines = {.format = WM_FORMAT_TEXT,
                                      .text_unit = WM_TEXT_LINE,
                                      .max_record = WM_PATH_MAX,
                                      .max_ratio = options->max_ratio};
    struct wm_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return wm_fail_nomem(err, sizeof *stream, "reading a list of files");
    struct wm_report report;
    wm_report_init(&report);
    report.path = path;
    size_t before = rows->n;
    int status =
        wm_stream_open(stream, path, 0, UINT64_MAX, -1, WM_FRAMING_LINES, &lines, &report, err);
    if (!status)
        status = read_names(stream, rows, options->prefix, err);
    if (!status && report.n > 0)
        status = wm_fail(err, WM_E_CONFIG, "the list cannot be read to its end: %s",
                         report.list[0].what);
    if (!status && rows->n == before)
        status = wm_fail(err, WM_E_CONFIG, "the list names no file");
    if (status)
        wm_error_where(err, "%s", path);
    wm_stream_done(stream);
    wm_report_done(&report);
    free(stream);
    return status;
}
