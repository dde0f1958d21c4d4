/* html_entities.h: the named character references of HTML 4 (and `apos`). */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* The code point of `name` (without & and ;), or 0. */
uint32_t wr_html_entity(const char *name, size_t length);
