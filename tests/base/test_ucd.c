/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of ucd.h: 15.0 against ICU over all characters, and 14.0 against 15.0. */
#include "wetmill/ucd.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>

#include "test.h"

static void check_names(void)
{
    enum wm_unicode_version v = WM_UNICODE_15_0;
    CHECK(wm_unicode_version_find(WM_STR("14.0"), &v) && v == WM_UNICODE_14_0);
    CHECK(wm_unicode_version_find(WM_STR("15.0"), &v) && v == WM_UNICODE_15_0);
    CHECK(!wm_unicode_version_find(WM_STR("14"), &v) && v == WM_UNICODE_15_0);
    CHECK_STR(wm_str_of(wm_unicode_version_name(WM_UNICODE_14_0)), WM_STR("14.0"));
}

/* Numbers from the standard and its data files. */
static void check_known(void)
{
    static const unsigned assigned[] = {144697, 149186}; /* graphic and format characters */
    static const unsigned digits[] = {660, 680};
    for (unsigned v = 0; v < WM_UNICODE_VERSIONS; v++) {
        const struct wm_ucd *u = wm_ucd((enum wm_unicode_version)v);
        unsigned n_assigned = 0, n_digits = 0;
        for (uint32_t c = 0; c < WM_UCD_CODES; c++) {
            uint32_t category = 1u << wm_ucd_category(u, c);
            n_assigned += !(
                category & (1u << WM_UCD_CN | 1u << WM_UCD_CC | 1u << WM_UCD_CO | 1u << WM_UCD_CS));
            n_digits += category == 1u << WM_UCD_ND;
        }
        CHECK_U64(n_assigned, assigned[v]);
        CHECK_U64(n_digits, digits[v]);
        uint32_t to[WM_UCD_PARTS];
        CHECK(wm_ucd_lower_full(u, 0x130, to) == 2 && to[0] == 'i' && to[1] == 0x307);
        CHECK(wm_ucd_lower(u, 0x130) == 'i' && wm_ucd_lower(u, 0x3A3) == 0x3C3);
        CHECK(wm_ucd_decompose(u, 0xAC01, to) == 3 && to[0] == 0x1100 && to[1] == 0x1161 &&
              to[2] == 0x11A8);
        CHECK(wm_ucd_decompose(u, 0x1F82, to) == 4 && to[0] == 0x3B1 && to[3] == 0x345);
    }
}

static unsigned flags_of(UChar32 c)
{
    return (u_hasBinaryProperty(c, UCHAR_CASED) ? WM_UCD_CASED : 0u) |
           (u_hasBinaryProperty(c, UCHAR_CASE_IGNORABLE) ? WM_UCD_CASE_IGNORABLE : 0u) |
           (u_hasBinaryProperty(c, UCHAR_WHITE_SPACE) ? WM_UCD_WHITE_SPACE : 0u);
}

static bool same_parts(const struct wm_ucd *u, const UNormalizer2 *nfd, UChar32 c)
{
    UErrorCode bad = U_ZERO_ERROR;
    UChar want[32];
    uint32_t parts[WM_UCD_PARTS];
    int32_t n_want = unorm2_getDecomposition(nfd, c, want, 32, &bad), at = 0;
    size_t n = wm_ucd_decompose(u, (uint32_t)c, parts);
    if (n_want < 0)
        return n == 1 && parts[0] == (uint32_t)c;
    for (size_t i = 0; i < n; i++) {
        UChar32 part = -1;
        if (at < n_want)
            U16_NEXT(want, at, n_want, part);
        if (part != (UChar32)parts[i])
            return false;
    }
    return at == n_want;
}

static void check_icu(void)
{
    UVersionInfo v;
    u_getUnicodeVersion(v);
    if (v[0] != 15 || v[1] != 0) {
        (void)printf("ICU has Unicode %d.%d: 15.0 is not compared\n", v[0], v[1]);
        return;
    }
    UErrorCode bad = U_ZERO_ERROR;
    const UNormalizer2 *nfd = unorm2_getNFDInstance(&bad);
    const struct wm_ucd *u = wm_ucd(WM_UNICODE_15_0);
    unsigned wrong = 0;
    for (UChar32 c = 0; c < WM_UCD_CODES; c++) {
        const struct wm_ucd_record *r = wm_ucd_record(u, (uint32_t)c);
        unsigned flags = r->flags & (WM_UCD_CASED | WM_UCD_CASE_IGNORABLE | WM_UCD_WHITE_SPACE);
        bool same = r->category == u_charType(c) && r->combining == u_getCombiningClass(c) &&
                    wm_ucd_lower(u, (uint32_t)c) == (uint32_t)u_tolower(c) &&
                    flags == flags_of(c) && same_parts(u, nfd, c);
        if (!same && wrong++ < 5)
            (void)printf("U+%04X differs from ICU\n", (unsigned)c);
    }
    CHECK_U64(wrong, 0);
}

/* 15.0 added characters; of the old ones it made five modifier letters Cased, nothing more. */
static void check_versions(void)
{
    const struct wm_ucd *old = wm_ucd(WM_UNICODE_14_0), *new = wm_ucd(WM_UNICODE_15_0);
    unsigned added = 0, changed = 0;
    for (uint32_t c = 0; c < WM_UCD_CODES; c++) {
        const struct wm_ucd_record *a = wm_ucd_record(old, c), *b = wm_ucd_record(new, c);
        if (a == b)
            continue;
        if (a->category == WM_UCD_CN) {
            added++;
            continue;
        }
        bool cased = a->category == WM_UCD_LM && (a->flags ^ b->flags) == WM_UCD_CASED;
        CHECK_(cased && a->category == b->category && a->lower == b->lower &&
                   a->combining == b->combining,
               "U+%04X", c);
        changed++;
    }
    CHECK_U64(added, 4489);
    CHECK_U64(changed, 5);
}

int main(void)
{
    check_names();
    check_known();
    check_icu();
    check_versions();
    return test_summary();
}
