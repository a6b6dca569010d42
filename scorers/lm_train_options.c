/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the n-gram trainer: their table, and from text to what the stages take. */
#include "scorers/lm_train_settings.h"
#include "wetmill/number.h"

#define T struct wm_lm_train_options
const struct wm_option wm_lm_train_option_table[] = {
    WM_COUNT(T, order, 5, 1, WM_LM_ORDER_MAX, "words", "length of the longest n-grams"),
    WM_LIST(
        T, prune,
        "leave out n-grams that occur at most this often: \"0,0,1\" for orders 1, 2, 3 and up; not "
        "falling"),
    WM_BOOL(T, discount_fallback, 0, "fixed discounts where the text allows no estimate"),
    WM_LIST(T, fallback, "those discounts, for counts 1, 2, 3 and more [0.5,1,1.5]"),
    WM_BOOL(T, skip_symbols, 0, "take <s>, </s> and <unk> in the text for white space"),
    WM_PATH(T, limit_vocabulary, NULL, "file of the words to keep; n-grams with others are pruned"),
    {"memory", WM_OPTION_SIZE, WM_OFFSET_(T, memory, uint64_t), 0, 0, 1e15, 0, 0, "bytes",
     "most memory to use; 0 = 60 % of the machine's", WM_OPTION_SPEED},
    {"jobs", WM_OPTION_COUNT, WM_OFFSET_(T, jobs, uint64_t), 0, 0, 1024, 0, 0, "threads",
     "threads; 0 = one for each processor", WM_OPTION_SPEED},
    {"scratch", WM_OPTION_PATH, WM_OFFSET_(T, scratch, const char *), 0, 0, 0, 0, 0, "",
     "directory for what does not fit into memory [$TMPDIR or /tmp]", WM_OPTION_SPEED},
    {0},
};
#undef T

enum { ITEMS_MOST = 8 };

/* The numbers of a list; an item may hold several with commas between them. */
static int split(const struct wm_list *list, const char *name, struct wm_str items[ITEMS_MOST],
                 size_t *ret_n, struct wm_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        struct wm_str rest = wm_str_of(list->items[i]);
        for (bool more = true; more; n++) {
            const char *comma = memchr(rest.ptr, ',', rest.len);
            size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
            if (n == ITEMS_MOST)
                return wm_fail(err, WM_E_CONFIG, "%s has more than %d numbers", name, ITEMS_MOST);
            items[n] = wm_str_trim((struct wm_str){rest.ptr, len});
            more = comma != NULL;
            rest.ptr += len + more;
            rest.len -= len + more;
        }
    }
    *ret_n = n;
    return 0;
}

static int read_thresholds(const struct wm_list *list, struct lm_settings *s, struct wm_error *err)
{
    struct wm_str items[ITEMS_MOST];
    size_t n;
    int status = split(list, "prune", items, &n, err);
    if (status)
        return status;
    if (n > s->order)
        return wm_fail(err, WM_E_CONFIG, "prune has %zu thresholds for a model of order %u", n,
                       s->order);
    for (unsigned i = 0; n && i < s->order; i++) {
        struct wm_str item = items[i < n ? i : n - 1];
        if (!wm_parse_u64(item, &s->thresholds[i]))
            return wm_fail(err, WM_E_CONFIG, "prune: \"%.*s\" is not a whole number", (int)item.len,
                           item.ptr);
        if (i && s->thresholds[i] < s->thresholds[i - 1])
            return wm_fail(err, WM_E_CONFIG,
                           "prune: the threshold of order %u is below that of order %u; a longer "
                           "n-gram cannot occur more often than a part of it",
                           i + 1, i);
    }
    return 0;
}

static int read_fallback(const struct wm_list *list, struct lm_settings *s, struct wm_error *err)
{
    static const double usual[3] = {0.5, 1, 1.5};
    struct wm_str items[ITEMS_MOST];
    size_t n;
    int status = split(list, "fallback", items, &n, err);
    if (!status && n > 3)
        status = wm_fail(err, WM_E_CONFIG, "fallback takes at most three discounts");
    for (size_t i = 0; !status && i < 3; i++) {
        struct wm_str item = n ? items[i < n ? i : n - 1] : (struct wm_str){0};
        double v = usual[i];
        if (n && (!wm_parse_real(item, &v) || v < 0 || v > (double)(i + 1)))
            status = wm_fail(err, WM_E_CONFIG,
                             "fallback: the discount of count %zu is \"%.*s\", want a number from "
                             "0 to %zu",
                             i + 1, (int)item.len, item.ptr, i + 1);
        s->fallback[i] = v;
    }
    return status;
}

int lm_settings_read(const struct wm_lm_train_options *options, struct lm_settings *ret,
                     struct wm_error *err)
{
    *ret = (struct lm_settings){.order = (unsigned)options->order,
                                .falls_back = options->discount_fallback || options->fallback.n,
                                .skip_symbols = options->skip_symbols,
                                .memory = options->memory};
    if (options->order < 1 || options->order > WM_LM_ORDER_MAX)
        return wm_fail(err, WM_E_CONFIG, "order is %llu, want 1 to %d",
                       (unsigned long long)options->order, WM_LM_ORDER_MAX);
    int status = read_thresholds(&options->prune, ret, err);
    return status ? status : read_fallback(&options->fallback, ret, err);
}
