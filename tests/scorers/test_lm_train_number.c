/* SPDX-License-Identifier: Apache-2.0 */
/* Floats as text: they read back as the same bits, and no shorter decimal does. */
#include <math.h>

#include "scorers/lm_train.h"
#include "test.h"

static void check(float v)
{
    char text[LM_FLOAT_TEXT + 1], shorter[64];
    text[lm_format_float(text, v)] = '\0';
    float back = strtof(text, NULL);
    CHECK_(back == v, "%s is not %.9g", text, (double)v);
    if (fabsf(v) < 1e-9F || fabsf(v) >= 1000 || !strchr(text, '.'))
        return;
    int digits = 0;
    bool leading = true;
    for (const char *c = text; *c; c++) {
        leading = leading && (*c < '1' || *c > '9');
        digits += !leading && *c != '.';
    }
    if (digits > 1) {
        (void)snprintf(shorter, sizeof shorter, "%.*e", digits - 2, (double)v);
        CHECK_(strtof(shorter, NULL) != v, "%s would do for %s", shorter, text);
    }
    (void)snprintf(shorter, sizeof shorter, "%.*e", digits > 1 ? digits - 1 : 0, (double)v);
    CHECK_(fabs(strtod(text, NULL) - (double)v) <= fabs(strtod(shorter, NULL) - (double)v),
           "%s is nearer to %.9g than %s", shorter, (double)v, text);
}

static void check_text(float v, const char *want)
{
    char text[LM_FLOAT_TEXT];
    size_t n = lm_format_float(text, v);
    CHECK_STR(((struct wm_str){text, n}), wm_str_of(want));
}

int main(void)
{
    check_text(0, "0");
    check_text(-0.0F, "0");
    check_text(1, "1");
    check_text(-99, "-99");
    check_text(-0.30103F, "-0.30103");
    check_text(-2.7979012F, "-2.7979012");
    check_text(120, "120");
    check_text(-0.000001F, "-0.000001");
    uint64_t state = 1;
    for (int i = 0; i < 300000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint32_t bits = (uint32_t)(state >> 33) % 0x44800000u; /* all below 1024, tiny ones too */
        float v;
        memcpy(&v, &bits, sizeof v);
        check(v);
        bits = 0x30000000u + (uint32_t)(state >> 33) % 0x14800000u;
        memcpy(&v, &bits, sizeof v);
        check(-v);
    }
    for (int e = -30; e < 10; e++) { /* powers of two: the gap below is half the one above */
        check(ldexpf(1, e));
        check(nextafterf(ldexpf(1, e), 0));
    }
    return test_summary();
}
