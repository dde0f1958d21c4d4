/* alike.h: rows of a batch that have the same key. Streams have hot keys: half of the rows of a
 * batch may be of a few. Each key is then asked for once.
 * Ownership: what is needed meanwhile lives in the arena that was given. */
#pragma once
#include <stdint.h>

struct wr_arena;
struct wr_table;

#define WR_ALIKE_NONE UINT32_MAX

/* As wr_table_upsert. before[i], where `before` is given: the nearest row in front of row i that
 * has its key, or WR_ALIKE_NONE. WR_OK or WR_ENOMEM, and then the table is as it was. */
int wr_table_upsert_alike(struct wr_table *table, const char *keys, const uint64_t *hashes,
                          uint32_t count, struct wr_arena *arena, uint8_t **rows, uint8_t *made,
                          uint32_t *before);
