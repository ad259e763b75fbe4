/* PCRE2, 8-bit. Swift calls the suffixed names: the plain ones are macros. */
#ifndef CPCRE2_SHIM_H
#define CPCRE2_SHIM_H
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
/* PCRE2_UNSET and PCRE2_ZERO_TERMINATED are casts, which Swift does not import. */
static const size_t gh_pcre2_unset = PCRE2_UNSET;
#endif
