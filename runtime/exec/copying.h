/* copying.h: what is saved of an operator apart (state/apart.h), and where its pieces go. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "exec/run_inside.h"
#include "state/apart.h"
#include "state/store.h"

struct unit_apart {
    struct wr_apart apart;
    /* Of a batch that goes to the operator in parts: those from row `at` of its selection on wait
     * for unit_op_go_on; `has_more`: the operator has, of the part before. NULL: none do. */
    struct {
        struct wr_batch *batch;
        uint32_t input, at;
        uint8_t has_more;
    } left;
    struct wr_run *run;
    char part[64]; /* of the checkpoint at hand, and … */
    enum wr_store_piece piece;
    uint64_t bytes; /* … what it has of it so far */
    uint64_t rows;  /* of the stage, when it began */
};

static inline struct unit_apart *unit_apart_of(const struct wr_op *op) {
    return (struct unit_apart *)((char *)op->apart - offsetof(struct unit_apart, apart));
}

void copying_init(struct unit_apart *apart, struct wr_run *run);
/* Its save begins. */
void copying_begin(struct unit_apart *apart, const char part[64], enum wr_store_piece piece);
/* Behind a call of the operator. A failure waits in `apart`. */
void copying_some(struct unit_apart *apart);
int copying_goes_on(const struct wr_run *run);
/* Of stages that nobody works on, some, or all that is left of the checkpoint. WR_OK: it is all
 * copied; WR_EAGAIN: not yet; or why it cannot be. */
int copying_step(struct wr_run *run);
int copying_finish(struct wr_run *run);
