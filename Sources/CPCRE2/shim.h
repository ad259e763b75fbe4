/* PCRE2, 8-bit. Swift calls the suffixed names: the plain ones are macros. */
#ifndef CPCRE2_SHIM_H
#define CPCRE2_SHIM_H
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#endif
