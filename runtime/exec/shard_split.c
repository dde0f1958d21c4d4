/* shard_split.c: the rows of a batch go to the shards of their keys. */
#include <string.h>

#include "exec/shards.h"
#include "exec/unit.h"
#include "base/banned.h"

/* What `route` made of the rows of a shard, which are in `at` of the selection, goes with them. */
static int hand_on(const struct wr_op *guide, struct wr_batch *part, const uint64_t *hashes,
                   const uint32_t *at) {
    uint32_t bytes = guide->routed_bytes, count = part->sel_count;
    char *keys = WR_ARENA_ARRAY(&part->arena, char, (size_t)count *bytes + 1);
    uint64_t *own = WR_ARENA_ARRAY(&part->arena, uint64_t, count);
    if (keys == NULL || own == NULL)
        return WR_ENOMEM;
    const char *from = guide->routed;
    for (uint32_t i = 0; i < count; i++)
        own[i] = hashes[at[i]];
    if (bytes == 8)
        for (uint32_t i = 0; i < count; i++)
            memcpy(keys + (size_t)i * 8, from + (size_t)at[i] * 8, 8);
    else
        for (uint32_t i = 0; i < count; i++)
            memcpy(keys + (size_t)i * bytes, from + (size_t)at[i] * bytes, bytes);
    part->keys = keys;
    part->hashes = own;
    return WR_OK;
}

/* The rows of `batch` by the shard of their key. */
static int split(struct sharded *sharded, struct wr_batch *batch, const uint64_t *hashes,
                 struct message *message) {
    struct wr_run *run = sharded->unit->run;
    uint32_t shards = sharded->shard_count, rows = batch->sel_count;
    uint32_t *at = WR_ARENA_ARRAY(&run->scratch, uint32_t, (uint64_t)shards * rows);
    uint32_t *sel = WR_ARENA_ARRAY(&run->scratch, uint32_t, rows);
    uint32_t count[WR_SHARDS_MAX] = {0};
    if (at == NULL || sel == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t s = (uint32_t)((hashes[i] >> 32) * shards >> 32);
        at[(uint64_t)s * rows + count[s]++] = i;
    }
    for (uint32_t s = 0; s < shards; s++) {
        const uint32_t *mine = at + (uint64_t)s * rows;
        if (count[s] == 0)
            continue;
        for (uint32_t i = 0; i < count[s]; i++)
            sel[i] = wr_batch_row(batch, mine[i]);
        struct wr_batch *part = wr_batch_select(&run->central_pool, batch, sel, count[s]);
        message->results[s].part = part;
        if (part == NULL || (sharded->guide->routed != NULL &&
                             hand_on(sharded->guide, part, hashes, mine) != WR_OK))
            return WR_ENOMEM;
    }
    message->row_count = rows;
    return WR_OK;
}

int shards_route(struct sharded *sharded, struct wr_batch *batch, struct message *message) {
    const struct wr_op_type *type = sharded->unit->node->op;
    struct wr_run *run = sharded->unit->run;
    uint64_t *hashes = WR_ARENA_ARRAY(&run->scratch, uint64_t, batch->sel_count);
    if (hashes == NULL)
        return WR_ENOMEM;
    sharded->guide_env.now_us = message->now_us;
    int status = type->route_input != NULL
                     ? type->route_input(sharded->guide, message->input, batch, hashes)
                     : type->route(sharded->guide, batch, hashes);
    if (status >= 0)
        status = split(sharded, batch, hashes, message);
    wr_arena_reset(&sharded->guide_scratch);
    return status;
}
