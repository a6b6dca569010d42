/* SPDX-License-Identifier: Apache-2.0 */
#include "base/records_file.h"

#include <stdlib.h>

enum { VERSION = 2, BLOCK = 64 << 10 };
static const char MAGIC[8] = {'w', 'm', 'r', 'e', 'c', 'o', 'r', 'd'};

static void put_le(unsigned char *dst, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++, v >>= 8)
        dst[i] = (unsigned char)v;
}

static uint64_t get_le(const unsigned char *src, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | src[i];
    return v;
}

static void make_header(unsigned char header[WM_RECORDS_HEADER], struct wm_record_form form)
{
    memcpy(header, MAGIC, sizeof MAGIC);
    put_le(header + 8, VERSION, 4);
    put_le(header + 12, form.size, 4);
    put_le(header + 16, WM_PARTITIONS, 4);
    put_le(header + 20, form.fold, 4);
}

static uint64_t end_sum(const unsigned char header[WM_RECORDS_HEADER],
                        const unsigned char trailer[WM_RECORDS_TRAILER])
{
    unsigned char all[WM_RECORDS_HEADER + WM_RECORDS_TRAILER - 8];
    memcpy(all, header, WM_RECORDS_HEADER);
    memcpy(all + WM_RECORDS_HEADER, trailer, WM_RECORDS_TRAILER - 8);
    return XXH3_64bits(all, sizeof all);
}

/* ---- writing ---- */

struct wm_records_out {
    struct wm_out *out;
    XXH3_state_t *hash; /* of the present partition */
    struct wm_record_form form;
    size_t held; /* bytes in `block` */
    uint64_t n;
    unsigned partition;
    uint64_t starts[WM_PARTITIONS + 1], sums[WM_PARTITIONS];
    unsigned char last[WM_RECORD_MAX];
    unsigned char block[BLOCK];
};

void wm_records_out_abandon(struct wm_records_out *out)
{
    if (!out)
        return;
    wm_out_abandon(out->out);
    (void)XXH3_freeState(out->hash);
    free(out);
}

int wm_records_check_form(struct wm_record_form form, struct wm_error *err)
{
    if (form.size < 8 || form.size > WM_RECORD_MAX)
        return wm_fail(err, WM_E_LIMIT, "records of %zu bytes; 8 to %d are taken", form.size,
                       WM_RECORD_MAX);
    if (form.fold && (form.fold < 8 || form.fold > form.size))
        return wm_fail(err, WM_E_LIMIT, "records of %zu bytes folded by %zu", form.size, form.fold);
    return 0;
}

int wm_records_out_open(const char *path, struct wm_record_form form, bool scratch,
                        struct wm_records_out **ret, struct wm_error *err)
{
    int status = wm_records_check_form(form, err);
    if (status)
        return status;
    struct wm_records_out *out = calloc(1, sizeof *out);
    if (!out || !(out->hash = XXH3_createState())) {
        free(out);
        return wm_fail_nomem(err, sizeof *out, "writing records");
    }
    out->form = form;
    (void)XXH3_64bits_reset(out->hash);
    unsigned char header[WM_RECORDS_HEADER];
    make_header(header, form);
    status = wm_out_open(path, &out->out, err);
    if (!status && scratch)
        wm_out_scratch(out->out);
    if (!status)
        status = wm_out_write(out->out, header, sizeof header, err);
    if (status)
        wm_records_out_abandon(out);
    else
        *ret = out;
    return status;
}

static int flush(struct wm_records_out *out, struct wm_error *err)
{
    size_t held = out->held;
    out->held = 0;
    (void)XXH3_64bits_update(out->hash, out->block, held);
    return wm_out_write(out->out, out->block, held, err);
}

/* End the partitions before `partition`. */
static int enter_partition(struct wm_records_out *out, unsigned partition, struct wm_error *err)
{
    int status = flush(out, err);
    while (out->partition < partition) {
        out->sums[out->partition] = XXH3_64bits_digest(out->hash);
        (void)XXH3_64bits_reset(out->hash);
        out->starts[++out->partition] = out->n;
    }
    return status;
}

int wm_records_out_add(struct wm_records_out *out, const unsigned char *record,
                       struct wm_error *err)
{
    if (out->n && memcmp(out->last, record, out->form.size) >= 0)
        return wm_fail(err, WM_E_FORMAT, "records were written out of order");
    unsigned partition = wm_partition(wm_get_be64(record));
    int status = 0;
    if (partition != out->partition)
        status = enter_partition(out, partition, err);
    else if (out->form.size > BLOCK - out->held)
        status = flush(out, err);
    if (status)
        return status;
    memcpy(out->block + out->held, record, out->form.size);
    memcpy(out->last, record, out->form.size);
    out->held += out->form.size;
    out->n++;
    return 0;
}

/* How many of the first `n` records are of the partition of the first. */
static size_t count_alike(const unsigned char *records, size_t n, size_t size)
{
    unsigned partition = wm_partition(wm_get_be64(records));
    size_t low = 1, high = n; /* records before low are, from high on are not */
    while (low < high) {
        size_t at = low + (high - low) / 2;
        if (wm_partition(wm_get_be64(records + at * size)) == partition)
            low = at + 1;
        else
            high = at;
    }
    return low;
}

int wm_records_out_write(struct wm_records_out *out, const unsigned char *records, size_t n,
                         struct wm_error *err)
{
    size_t size = out->form.size;
    int status = 0;
    while (!status && n) {
        size_t some = count_alike(records, n, size);
        unsigned partition = wm_partition(wm_get_be64(records));
        if (partition != out->partition)
            status = enter_partition(out, partition, err);
        if (status)
            return status;
        (void)XXH3_64bits_update(out->hash, records, some * size);
        status = wm_out_write(out->out, records, some * size, err);
        out->n += some;
        records += some * size;
        n -= some;
    }
    return status;
}

int wm_records_out_commit(struct wm_records_out *out, struct wm_digest *ret, struct wm_error *err)
{
    int status = enter_partition(out, WM_PARTITIONS, err);
    unsigned char header[WM_RECORDS_HEADER], trailer[WM_RECORDS_TRAILER], *at = trailer;
    make_header(header, out->form);
    for (int i = 0; i <= WM_PARTITIONS; i++, at += 8)
        put_le(at, out->starts[i], 8);
    for (int i = 0; i < WM_PARTITIONS; i++, at += 8)
        put_le(at, out->sums[i], 8);
    put_le(at, end_sum(header, trailer), 8);
    if (!status)
        status = wm_out_write(out->out, trailer, sizeof trailer, err);
    if (!status) {
        struct wm_out *file = out->out;
        out->out = NULL;
        status = wm_out_commit(file, ret, err);
    }
    wm_records_out_abandon(out);
    return status;
}

/* ---- reading ---- */

int wm_records_damaged(const char *path, const char *what, struct wm_error *err)
{
    wm_fail(err, WM_E_FORMAT, "the file of sorted records is damaged: %s", what);
    wm_error_where(err, "%s", path);
    return wm_error_hint(err, "remove it and run the same command again: it will be made anew");
}

int wm_records_info(const unsigned char header[WM_RECORDS_HEADER],
                    const unsigned char trailer[WM_RECORDS_TRAILER], uint64_t file_size,
                    const char *path, struct wm_records_info *ret, struct wm_error *err)
{
    struct wm_records_info info = {.form = {get_le(header + 12, 4), get_le(header + 20, 4)}};
    struct wm_error ignored;
    if (memcmp(header, MAGIC, sizeof MAGIC) != 0)
        return wm_records_damaged(path, "it does not begin as one", err);
    uint64_t version = get_le(header + 8, 4);
    if (version > VERSION) {
        wm_fail(err, WM_E_FORMAT, "written by a newer wetmill (format %u, this one knows %d)",
                (unsigned)version, VERSION);
        return wm_error_where(err, "%s", path);
    }
    if (wm_records_check_form(info.form, &ignored) || get_le(header + 16, 4) != WM_PARTITIONS)
        return wm_records_damaged(path, "its header makes no sense", err);
    if (get_le(trailer + WM_RECORDS_TRAILER - 8, 8) != end_sum(header, trailer))
        return wm_records_damaged(path, "it is cut short, or its end was changed", err);
    for (int i = 0; i <= WM_PARTITIONS; i++) {
        info.starts[i] = get_le(trailer + 8 * (ptrdiff_t)i, 8);
        if (i && info.starts[i] < info.starts[i - 1])
            return wm_records_damaged(path, "its partitions make no sense", err);
    }
    for (int i = 0; i < WM_PARTITIONS; i++)
        info.sums[i] = get_le(trailer + 8 * (ptrdiff_t)(WM_PARTITIONS + 1 + i), 8);
    uint64_t bytes = file_size - WM_RECORDS_HEADER - WM_RECORDS_TRAILER;
    if (info.starts[0] != 0 || bytes % info.form.size != 0 ||
        bytes / info.form.size != info.starts[WM_PARTITIONS])
        return wm_records_damaged(path, "its size does not fit its contents", err);
    *ret = info;
    return 0;
}
