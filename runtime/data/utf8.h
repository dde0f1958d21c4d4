/* utf8.h: the forms of the UTF-8 check, for the tests that compare them. */
#pragma once
#include <stddef.h>

/* wr_utf8_valid_prefix by single bytes: the reference, and what runs where no vector form does. */
size_t wr_utf8_valid_prefix_plain(const char *text, size_t length);
/* By vectors; on x86-64 only, AVX2 where the CPU has it. */
size_t wr_utf8_valid_prefix_sse(const char *text, size_t length);
size_t wr_utf8_valid_prefix_avx2(const char *text, size_t length);
