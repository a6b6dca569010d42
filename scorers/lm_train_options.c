/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the n-gram trainer: their table, and from text to what the stages take. */
#include "scorers/lm_train_settings.h"
#include "wetmill/number.h"

#define T struct wm_lm_train_options
const struct wm_option wm_lm_train_option_table[] = {
    WM_COUNT(T, order, 5, 1, WM_LM_ORDER_MAX, "words", "length of the longest n-grams"),
    WM_LIST(T, prune,
            "leave out n-grams that occur at most this often: for order 1, 2 …, not falling; the "
            "last number holds for the orders behind it"),
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

static int read_thresholds(const struct wm_list *list, struct lm_settings *s, struct wm_error *err)
{
    if (list->n > s->order)
        return wm_fail(err, WM_E_CONFIG, "prune has %zu thresholds for a model of order %u",
                       list->n, s->order);
    for (unsigned i = 0; list->n && i < s->order; i++) {
        size_t at = i < list->n ? i : list->n - 1;
        if (!wm_parse_u64(wm_str_of(list->items[at]), &s->thresholds[i]))
            return wm_fail(err, WM_E_CONFIG, "prune: \"%s\" is not a whole number",
                           list->items[at]);
        if (i && s->thresholds[i] < s->thresholds[i - 1])
            return wm_fail(err, WM_E_CONFIG, "prune: the threshold of order %u is below that of "
                           "order %u; a longer n-gram cannot occur more often than a part of it",
                           i + 1, i);
    }
    return 0;
}

static int read_fallback(const struct wm_list *list, struct lm_settings *s, struct wm_error *err)
{
    static const double usual[3] = {0.5, 1, 1.5};
    if (list->n > 3)
        return wm_fail(err, WM_E_CONFIG, "fallback takes at most three discounts");
    for (size_t i = 0; i < 3; i++) {
        s->fallback[i] = usual[i];
        if (!list->n)
            continue;
        const char *text = list->items[i < list->n ? i : list->n - 1];
        double v;
        if (!wm_parse_real(wm_str_of(text), &v) || v < 0 || v > (double)(i + 1))
            return wm_fail(err, WM_E_CONFIG, "fallback: the discount of count %zu is \"%s\", want a "
                           "number from 0 to %zu", i + 1, text, i + 1);
        s->fallback[i] = v;
    }
    return 0;
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
