/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file version.h
 * Versions of wetmill and of the libraries it runs with. Libraries that shape output bytes are part
 * of a step's identity.
 */
#ifndef WETMILL_VERSION_H
#define WETMILL_VERSION_H

#include "wetmill/version_number.h"

/** WM_VERSION of the library linked, "0.1.0". */
const char *wm_version_text(void);

/**
 * Version at run time of "icu", "pcre2", "zstd", "libdeflate" (which only knows the version it was
 * built with), "zlib", "xxhash", "libarchive", "libyaml", "jansson" or "nettle"; NULL for any other name.
 * The text is constant for the life of the process. Any thread.
 */
const char *wm_library_version(const char *name);

#endif /* WETMILL_VERSION_H */
