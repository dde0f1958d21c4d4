/* copying.c: rows of large tables that a checkpoint copies behind its beginning, while steps go on
 * (state/table_frozen.c). Each call of a stage copies some, in whatever thread it is; where a stage
 * has nothing to do, the run does. The end of the checkpoint follows when all have been copied. */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "exec/checkpoint.h"
#include "exec/copying.h"
#include "exec/sharded.h"
#include "exec/unit.h"
#include "exec/writer.h"
#include "state/apart.h"
#include "base/banned.h"

#define COPY_BYTES 65536u   /* of rows, behind each call of a stage */
#define FREEZE_PAGES_MIN 8u /* tables with fewer dirty pages are copied at once */
#define DRAWN_COPIES 3u     /* where the order is drawn: a page in one step of so many */

static int give(void *ctx, struct wr_buf *bytes, struct wr_buf *rows) {
    struct unit_apart *apart = ctx;
    apart->bytes += bytes->length + rows->length;
    return writer_put_behind(apart->run, apart->part, bytes, rows, apart->piece);
}

void copying_init(struct unit_apart *apart, struct wr_run *run) {
    apart->run = run;
    apart->apart.give = give;
    apart->apart.give_ctx = apart;
    apart->apart.piece_bytes = run->options.piece_bytes;
    wr_buf_init(&apart->apart.rows, &run->checkpoint_budget, 0);
}

void copying_begin(struct unit_apart *apart, const char part[64], enum wr_store_piece piece) {
    struct wr_run *run = apart->run;
    memcpy(apart->part, part, sizeof apart->part);
    apart->piece = piece == WR_STORE_BASE ? WR_STORE_BASE_MORE : WR_STORE_DELTA;
    apart->bytes = 0;
    apart->apart.freeze_pages_min = !writer_goes_on(run) ? 0
                                    : run_is_drawn(run)  ? 1
                                                         : FREEZE_PAGES_MIN;
}

void copying_some(struct unit_apart *apart) {
    struct wr_run *run = apart->run;
    if (apart->apart.frozen_count == 0 || run_is_drawn(run))
        return;
    if (writer_has_room(run)) /* else it is behind: more would wait in memory only */
        wr_apart_copy(&apart->apart, COPY_BYTES);
}

/* All rows of a stage have been written. */
static void note_base(struct unit *unit, uint32_t shard, struct unit_apart *apart) {
    if (apart->bytes > 0 && (unit->bases_due >> shard & 1))
        unit_note_row_bytes(unit, shard, apart->bytes, apart->rows);
    apart->bytes = 0;
}

/* Of the stages that nobody works on; `bytes`: of each. */
static int copy_stages(struct wr_run *run, uint64_t bytes, int waits) {
    int left = 0, status = WR_OK;
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++) {
        struct unit *unit = run->units[i];
        if (unit->sharded != NULL && waits)
            sharded_halt(unit->sharded);
        int is_ours = unit->sharded == NULL || sharded_is_idle(unit->sharded);
        for (uint32_t s = 0; s < unit_op_count(unit) && status == WR_OK; s++) {
            const struct wr_op *op = unit_op_at(unit, s);
            if (op == NULL || op->apart == NULL)
                continue;
            struct unit_apart *apart = unit_apart_of(op);
            int is_left = apart->apart.frozen_count > 0;
            while (is_left && is_ours && (waits || writer_has_room(run))) {
                status = wr_apart_copy(&apart->apart, bytes);
                is_left = status == WR_EAGAIN;
                status = is_left ? WR_OK : status;
                if (!waits || status != WR_OK)
                    break;
                writer_await_room(run);
            }
            if (status == WR_OK && !is_left) /* what was left out of memory is not told otherwise */
                status = apart->apart.failure;
            left += is_left;
            if (!is_left)
                note_base(unit, s, apart);
        }
    }
    return status != WR_OK ? status : left > 0 ? WR_EAGAIN : WR_OK;
}

int copying_goes_on(const struct wr_run *run) {
    for (uint32_t i = 0; i < run->unit_count; i++)
        for (uint32_t s = 0; s < unit_op_count(run->units[i]); s++) {
            const struct wr_op *op = unit_op_at(run->units[i], s);
            if (op != NULL && op->apart != NULL && op->apart->frozen_count > 0)
                return 1;
        }
    return 0;
}

int copying_step(struct wr_run *run) {
    if (!run_is_drawn(run))
        return copy_stages(run, COPY_BYTES, 0);
    if (wr_hash_u64(run->options.shard_order_seed, run->summary.steps) % DRAWN_COPIES != 0)
        return WR_EAGAIN;
    return copy_stages(run, 1, 0);
}

int copying_finish(struct wr_run *run) {
    return copy_stages(run, COPY_BYTES, 1);
}
