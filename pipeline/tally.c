/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/tally.h"

#include <stdlib.h>

#include "pipeline/chain.h"

static size_t total_reasons(const struct wm_chain *chain)
{
    size_t n = 0;
    for (size_t i = 0; i < chain->n; i++)
        n += wm_stage_reasons(chain->links[i].stage);
    return n;
}

/* All tallies, then all their counters. Both are made of 8-byte members. */
static size_t size_of(const struct wm_chain *chain)
{
    return (chain->n + 1) * sizeof(struct wm_link_tally) + total_reasons(chain) * sizeof(uint64_t);
}

static struct wm_link_tally *lay_out(const struct wm_chain *chain, void *zeroed)
{
    struct wm_link_tally *links = zeroed;
    uint64_t *reasons = (uint64_t *)(links + chain->n + 1);
    for (size_t i = 0; i < chain->n; i++) {
        links[i].reasons = reasons;
        reasons += wm_stage_reasons(chain->links[i].stage);
    }
    return links;
}

int wm_links_new(const struct wm_chain *chain, struct wm_link_tally **ret, struct wm_error *err)
{
    void *memory = calloc(1, size_of(chain));
    if (!memory)
        return wm_fail_nomem(err, size_of(chain), "counters");
    *ret = lay_out(chain, memory);
    return 0;
}

int wm_links_place(const struct wm_chain *chain, struct wm_arena *arena, struct wm_link_tally **ret,
                   struct wm_error *err)
{
    void *memory = wm_arena_alloc(arena, 1, size_of(chain));
    if (!memory)
        return wm_fail_nomem(err, size_of(chain), "counters");
    *ret = lay_out(chain, memory);
    return 0;
}

void wm_links_clear(const struct wm_chain *chain, struct wm_link_tally *links)
{
    memset(links, 0, size_of(chain));
    (void)lay_out(chain, links);
}

void wm_links_add(const struct wm_chain *chain, struct wm_link_tally *to,
                  const struct wm_link_tally *from)
{
    for (size_t i = 0; i < chain->n; i++) {
        to[i].documents_in += from[i].documents_in;
        to[i].documents_out += from[i].documents_out;
        to[i].lines_in += from[i].lines_in;
        to[i].lines_out += from[i].lines_out;
        to[i].bytes_in += from[i].bytes_in;
        to[i].bytes_out += from[i].bytes_out;
        to[i].longest = to[i].longest > from[i].longest ? to[i].longest : from[i].longest;
        for (size_t r = 0; r < wm_stage_reasons(chain->links[i].stage); r++)
            to[i].reasons[r] += from[i].reasons[r];
    }
}

void wm_read_tally_add(struct wm_read_tally *to, const struct wm_read_tally *from)
{
    to->bytes_compressed += from->bytes_compressed;
    to->bytes += from->bytes;
    to->bytes_in_records += from->bytes_in_records;
    to->bytes_skipped += from->bytes_skipped;
    to->bytes_damaged += from->bytes_damaged;
    to->records += from->records;
    to->documents += from->documents;
    for (size_t i = 0; i < WM_READ_REASONS; i++)
        to->reasons[i] += from->reasons[i];
    to->repaired_utf8 += from->repaired_utf8;
    to->files += from->files;
    to->bad_files += from->bad_files;
    to->n_damage += from->n_damage;
    to->unread += from->unread;
    to->longest = to->longest > from->longest ? to->longest : from->longest;
}

static int unequal(struct wm_error *err, const char *what, uint64_t in, uint64_t out)
{
    return wm_fail(err, WM_E_FORMAT, "internal: %s: %ju went in, %ju came out", what, (uintmax_t)in,
                   (uintmax_t)out);
}

static int check_read(const struct wm_read_tally *read, bool cut, struct wm_error *err)
{
    uint64_t told = read->documents;
    for (size_t i = 0; i < WM_READ_REASONS; i++)
        told += read->reasons[i];
    if (!cut && read->bytes != read->bytes_in_records + read->bytes_skipped)
        return unequal(err, "bytes of the input", read->bytes,
                       read->bytes_in_records + read->bytes_skipped);
    if (!cut && read->records != told)
        return unequal(err, "records", read->records, told);
    return 0;
}

int wm_tally_check(const struct wm_chain *chain, size_t n_links, const struct wm_read_tally *read,
                   const struct wm_link_tally *links, bool cut, struct wm_error *err)
{
    int status = check_read(read, cut, err);
    uint64_t documents = read->documents;
    for (size_t i = 0; !status && i < n_links; i++) {
        const struct wm_link_tally *link = &links[i];
        const char *name = chain->links[i].stage->name;
        uint64_t told = link->documents_out;
        for (size_t r = 0; r < wm_stage_reasons(chain->links[i].stage); r++)
            told += link->reasons[r];
        if (link->documents_in != documents)
            status = unequal(err, "documents on their way", documents, link->documents_in);
        else if (told != documents)
            status = unequal(err, "documents", documents, told);
        else if (i &&
                 (link->lines_in != link[-1].lines_out || link->bytes_in != link[-1].bytes_out))
            status = unequal(err, "lines on their way", link[-1].lines_out, link->lines_in);
        if (status)
            (void)wm_error_where(err, "stage %s", name);
        documents = link->documents_out;
    }
    return status;
}
