/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what base/ucd_tables.inc needs of the Unicode data of the ICU it is linked with:
 *
 *     version 15.0.0
 *     c FIRST LAST CATEGORY COMBINING FLAGS LOWER    each run of equal characters; LOWER is the
 *                                                    simple mapping's distance, FLAGS of C cased,
 *                                                    I case-ignorable, W white space, or "-"
 *     d CODE PART…                                   full canonical decomposition, but of Hangul
 *     l CODE PART…                                   lower case of more than one character
 */
#include <stdio.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

enum { LAST = 0x10FFFF };

static void describe(UChar32 code, char *row, size_t size)
{
    char flags[4];
    int n = 0;
    if (u_hasBinaryProperty(code, UCHAR_CASED))
        flags[n++] = 'C';
    if (u_hasBinaryProperty(code, UCHAR_CASE_IGNORABLE))
        flags[n++] = 'I';
    if (u_hasBinaryProperty(code, UCHAR_WHITE_SPACE))
        flags[n++] = 'W';
    if (n == 0)
        flags[n++] = '-';
    flags[n] = 0;
    int category = u_getIntPropertyValue(code, UCHAR_GENERAL_CATEGORY);
    (void)snprintf(row, size, "%s %d %s %d",
                   u_getPropertyValueName(UCHAR_GENERAL_CATEGORY, category, U_SHORT_PROPERTY_NAME),
                   u_getCombiningClass(code), flags, (int)(u_tolower(code) - code));
}

static void print_parts(char kind, UChar32 code, const UChar *parts, int32_t n)
{
    (void)printf("%c %X", kind, (unsigned)code);
    for (int32_t i = 0; i < n;) {
        UChar32 part;
        U16_NEXT(parts, i, n, part);
        (void)printf(" %X", (unsigned)part);
    }
    (void)printf("\n");
}

int main(void)
{
    UErrorCode bad = U_ZERO_ERROR;
    const UNormalizer2 *nfd = unorm2_getNFDInstance(&bad);
    if (U_FAILURE(bad))
        return 1;
    UVersionInfo v;
    u_getUnicodeVersion(v);
    (void)printf("version %d.%d.%d\n", v[0], v[1], v[2]);

    char row[64] = "", now[64] = "";
    UChar32 first = 0;
    for (UChar32 code = 0; code <= LAST + 1; code++) {
        if (code <= LAST)
            describe(code, now, sizeof now);
        if (code > LAST || (code > 0 && strcmp(now, row) != 0)) {
            (void)printf("c %X %X %s\n", (unsigned)first, (unsigned)code - 1, row);
            first = code;
        }
        memcpy(row, now, sizeof row);
    }
    UChar parts[32];
    for (UChar32 code = 0; code <= LAST; code++) {
        int32_t n = unorm2_getDecomposition(nfd, code, parts, 32, &bad);
        if (n > 0 && !(code >= 0xAC00 && code <= 0xD7A3))
            print_parts('d', code, parts, n);
    }
    /* Alone, so that a capital sigma has no neighbours; root locale. */
    for (UChar32 code = 0; code <= LAST; code++) {
        UChar source[2];
        int32_t len = 0;
        if (u_tolower(code) == code)
            continue;
        U16_APPEND_UNSAFE(source, len, code);
        int32_t n = u_strToLower(parts, 32, source, len, "", &bad);
        if (n > 0 && u_countChar32(parts, n) > 1)
            print_parts('l', code, parts, n);
    }
    return U_FAILURE(bad) || ferror(stdout) || fflush(stdout) != 0;
}
