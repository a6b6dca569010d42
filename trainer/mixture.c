/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/mixture.h"

#include <inttypes.h>
#include <math.h>

#include "trainer/scalar.h"
#include "wetmill/file.h"

enum { SOURCE_STREAM = 0x6D697874 /* seeds of the sources behind the first */ };

/* The place goes to the source that is furthest behind its share; of equals, the first. */
static void spread(struct wm_mixture *m)
{
    uint32_t given[WM_MIXTURE_MAX] = {0};
    for (uint32_t place = 0; place < WM_MIXTURE_CYCLE; place++) {
        uint32_t next = 0;
        int64_t most = INT64_MIN;
        for (uint32_t i = 0; i < m->n; i++) {
            int64_t behind =
                (int64_t)m->sources[i].places * (place + 1) - (int64_t)given[i] * WM_MIXTURE_CYCLE;
            if (given[i] < m->sources[i].places && behind > most) {
                most = behind;
                next = i;
            }
        }
        m->source[place] = (uint8_t)next;
        m->before[place] = (uint16_t)given[next]++;
    }
}

int wm_mixture_share(struct wm_mixture *m, const double *weights, uint32_t n, struct wm_error *err)
{
    double sum = 0, rest[WM_MIXTURE_MAX];
    uint32_t left = WM_MIXTURE_CYCLE;
    m->n = n;
    for (uint32_t i = 0; i < n; i++)
        sum += weights[i];
    for (uint32_t i = 0; i < n; i++) {
        double share = weights[i] / sum * WM_MIXTURE_CYCLE;
        m->sources[i].places = (uint32_t)share;
        rest[i] = share - floor(share);
        left -= m->sources[i].places;
    }
    for (; left; left--) {
        uint32_t largest = 0;
        for (uint32_t i = 1; i < n; i++)
            if (rest[i] > rest[largest])
                largest = i;
        m->sources[largest].places++;
        rest[largest] = -1;
    }
    for (uint32_t i = 0; i < n; i++)
        if (!m->sources[i].places)
            return wm_fail(err, WM_E_CONFIG,
                           "weight %g of %g is less than one sample in %d; leave the source out",
                           weights[i], sum, WM_MIXTURE_CYCLE);
    spread(m);
    return 0;
}

static int check_tokenizer(const struct wm_mixture *m, uint32_t i, const char *first,
                           struct wm_error *err)
{
    const struct wm_shard_set *own = &m->sources[0].set, *other = &m->sources[i].set;
    char want[WM_HEX128], got[WM_HEX128];
    if (XXH128_isEqual(own->tokenizer, other->tokenizer) && own->vocabulary == other->vocabulary)
        return 0;
    wm_hex128(own->tokenizer, want);
    wm_hex128(other->tokenizer, got);
    return wm_fail(err, WM_E_MISMATCH,
                   "these shards were made with tokenizer %s (%" PRIu32
                   " ids), those in %s with %s (%" PRIu32 " ids)",
                   got, other->vocabulary, first, want, own->vocabulary);
}

static int open_source(struct wm_mixture *m, uint32_t i, const char *const *dirs,
                       struct wm_error *err)
{
    struct wm_mixture_source *s = &m->sources[i];
    int status = wm_shard_set_open(dirs[i], WM_TRAIN, &s->set, err);
    if (status)
        return status;
    m->n = i + 1;
    status = check_tokenizer(m, i, dirs[0], err);
    if (!status && s->set.n_tokens <= m->context) {
        (void)wm_fail(err, WM_E_FORMAT,
                      "%" PRIu64 " training tokens are too few for one window of %" PRIu32 " and "
                      "the token behind it",
                      s->set.n_tokens, m->context);
        status = wm_error_hint(err, "more text, or a smaller context");
    }
    if (!status)
        status = wm_windows_init(&s->windows, &s->set, m->context, err);
    if (status)
        return wm_error_where(err, "%s", dirs[i]);
    m->n_windows += s->windows.n;
    return 0;
}

int wm_mixture_open(struct wm_mixture *m, const char *const *dirs, const double *weights,
                    uint32_t n, uint32_t context, struct wm_error *err)
{
    int status = 0;
    m->n = 0;
    m->n_windows = 0;
    m->context = context;
    if (n > WM_MIXTURE_MAX)
        return wm_fail(err, WM_E_LIMIT, "%" PRIu32 " sources are over the limit of %d", n,
                       WM_MIXTURE_MAX);
    for (uint32_t i = 0; i < n && !status; i++)
        status = open_source(m, i, dirs, err);
    return status ? status : wm_mixture_share(m, weights, n, err);
}

void wm_mixture_close(struct wm_mixture *m)
{
    for (uint32_t i = 0; i < m->n; i++)
        wm_shard_set_close(&m->sources[i].set);
    m->n = 0;
}

struct wm_sample_place wm_mixture_sample(const struct wm_mixture *m, uint64_t seed, uint64_t sample)
{
    const uint64_t place = sample % WM_MIXTURE_CYCLE;
    const uint32_t i = m->source[place];
    const struct wm_mixture_source *s = &m->sources[i];
    const uint64_t own = sample / WM_MIXTURE_CYCLE * s->places + m->before[place];
    const uint64_t own_seed = i ? wm_random(seed, SOURCE_STREAM, i) : seed;
    return (struct wm_sample_place){i, wm_windows_sample(&s->windows, own_seed, own)};
}
