/* unit_op.c: operators of units: made, freed, and what a call of one came to. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "exec/copying.h"
#include "exec/unit.h"
#include "exec/unit_op.h"
#include "state/apart.h"
#include "state/scratch.h"
#include "state/table.h"
#include "base/banned.h"

#define CATCH_UP_BYTES 524288u /* of what tables owe, behind each call */
/* Where pages of tables rest, a batch goes in parts of so many rows that their pages take one part
 * in so many of the memory of the tables; of so many rows at least. */
#define PART_OF_MEMORY 8u
#define PAGES_IN_MEMORY 4096u /* at least, where they are not too small then */
#define PAGE_BYTES_MIN 512u
#define PART_ROWS_MIN UINT64_C(16)

/* Whether it keeps rows, of which there may be many. */
static int keeps_rows(const struct wr_node *node) {
    const struct wr_op_type *type = node->op;
    return node->live && type != NULL && type->save != NULL &&
           (type->measure != NULL || (type->flags & WR_OP_BUILD_FIRST));
}

/* Of the tables of one instance: stages share what may be in memory before it goes to a file. */
static uint64_t memory_of(const struct unit *unit, const struct wr_op_env *env) {
    const struct wr_plan *plan = unit->run->plan;
    uint64_t stages = 0;
    for (uint32_t i = 0; i < plan->node_count; i++)
        stages += (uint64_t)keeps_rows(plan->nodes[i]);
    uint64_t shares = WR_MAX(stages, UINT64_C(1)) * WR_MAX(env->shard_count, 1u);
    return WR_MAX(2 * env->spill_bytes / shares, UINT64_C(1));
}

int unit_op_new(struct unit *unit, struct wr_op_env *env, struct wr_op **made,
                struct wr_error *err) {
    const struct wr_node *node = unit->node;
    struct wr_op *op = wr_alloc_zero(&wr_budget_control, node->op->size_bytes);
    if (op == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for `%s`", node->name);
    op->type = node->op;
    op->config = node->config;
    op->schema = node->out.schema;
    op->env = env;
    op->needed = node->needed;
    op->node = node->id;
    op->observed = node->observed;
    op->keeps_origins = unit->asks_origins;
    *made = op;
    if (node->op->save != NULL) {
        struct unit_apart *apart = wr_alloc_zero(&wr_budget_control, sizeof *apart);
        if (apart == NULL)
            return wr_error_set(err, WR_ENOMEM, "no memory for `%s`", node->name);
        copying_init(apart, unit->run);
        op->apart = &apart->apart;
        op->apart->is_kept = unit->run->store != NULL;
        op->apart->env = env->env;
        op->apart->err = env->err;
        op->apart->memory_bytes = memory_of(unit, env);
        op->apart->page_bytes = (uint32_t)WR_MIN(
            WR_MAX(op->apart->memory_bytes / PAGES_IN_MEMORY, PAGE_BYTES_MIN), WR_TABLE_PAGE_BYTES);
    }
    int status = node->op->open == NULL ? WR_OK : node->op->open(op, err);
    return status == WR_OK ? WR_OK : wr_error_add(err, status, "stage %s", node->name);
}

void unit_op_free(struct wr_op *op) {
    if (op == NULL)
        return;
    struct unit_apart *apart = op->apart == NULL ? NULL : unit_apart_of(op);
    if (apart != NULL)
        wr_apart_drop_frozen(&apart->apart);
    if (op->type->close != NULL)
        op->type->close(op);
    if (apart != NULL) {
        wr_batch_unref(apart->left.batch);
        wr_buf_release(&apart->apart.rows);
        wr_scratch_free(apart->apart.scratch);
    }
    wr_free(&wr_budget_control, apart);
    wr_free(&wr_budget_control, op);
}

int unit_op_outcome(struct wr_op *op, int flow) {
    struct wr_apart *apart = op->apart;
    if (apart == NULL)
        return flow;
    if (flow >= 0 && apart->failure == WR_OK && apart->owing != NULL)
        wr_apart_catch_up(apart, CATCH_UP_BYTES);
    if (flow >= 0 && apart->failure == WR_OK)
        copying_some(unit_apart_of(op));
    int status = flow < 0 || apart->failure != WR_OK ? WR_OK : wr_apart_relieve(apart);
    return apart->failure != WR_OK ? apart->failure : status != WR_OK ? status : flow;
}

/* Behind a restart: before a call asks for keys. */
static int begin_call(struct wr_op *op) {
    struct wr_apart *apart = op->apart;
    return apart == NULL || apart->owing == NULL ? WR_OK : wr_apart_read_large(apart);
}

int unit_op_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    int status = begin_call(op);
    if (status != WR_OK)
        return status;
    return unit_op_outcome(op, op->type->advance(op, frontier, out));
}

/* The end of a part of a batch that begins with row `first` of its selection: a change and what
 * takes its place stay together. */
static uint32_t part_end(const struct wr_batch *batch, uint32_t first, uint32_t rows_max) {
    uint32_t end = first + WR_MIN(rows_max, batch->sel_count - first);
    return end + (uint32_t)(end < batch->sel_count && wr_batch_is_replaced(batch, end - 1));
}

static uint32_t part_rows_max(const struct wr_apart *apart) {
    uint64_t page_bytes = wr_apart_chain_bytes(apart);
    uint64_t pages = apart->memory_bytes / PART_OF_MEMORY / WR_MAX(page_bytes, UINT64_C(1));
    return (uint32_t)WR_MIN(WR_MAX(pages, PART_ROWS_MIN), (uint64_t)UINT32_MAX);
}

/* The next part of the batch that is left. */
static int push_part(struct wr_op *op, struct unit_apart *apart, struct wr_out *out) {
    struct wr_batch *batch = apart->left.batch;
    uint32_t at = apart->left.at, end = part_end(batch, at, part_rows_max(&apart->apart));
    int is_whole = end - at == batch->sel_count; /* then it has its keys, too */
    struct wr_batch *part =
        is_whole ? wr_batch_ref(batch) : wr_batch_part(op->env->pool, batch, at, end - at);
    if (part == NULL)
        return WR_ENOMEM;
    apart->left.at = end;
    int flow = unit_op_outcome(op, op->type->push(op, apart->left.input, part, out));
    wr_batch_unref(part);
    return flow;
}

static void forget_left(struct unit_apart *apart) {
    wr_batch_unref(apart->left.batch);
    apart->left.batch = NULL;
}

/* Parts go one by one, since each page that one asks for must be in memory with the others, until
 * the operator has more to give of one, or there is no room for what they give. */
static int push_parts(struct wr_op *op, struct wr_out *out) {
    struct unit_apart *apart = unit_apart_of(op);
    uint32_t end = apart->left.batch->sel_count;
    int flow = WR_FLOW_MORE, is_full = 0;
    while (apart->left.at < end && flow == WR_FLOW_MORE && !op->has_more && !is_full) {
        flow = push_part(op, apart, out);
        is_full = out->is_full;
    }
    apart->left.has_more = op->has_more;
    if (flow == WR_FLOW_MORE && apart->left.at < end) {
        op->has_more = 1;
        return flow;
    }
    forget_left(apart);
    return flow;
}

int unit_op_push(struct wr_op *op, uint32_t input, struct wr_batch *batch, struct wr_out *out) {
    int status = begin_call(op);
    if (status != WR_OK)
        return status;
    if (op->apart == NULL || op->apart->pages_stay || wr_apart_resting_bytes(op->apart) == 0)
        return unit_op_outcome(op, op->type->push(op, input, batch, out));
    struct unit_apart *apart = unit_apart_of(op);
    WR_ASSERT(apart->left.batch == NULL);
    apart->left.batch = wr_batch_ref(batch);
    apart->left.input = input;
    apart->left.at = 0;
    return push_parts(op, out);
}

int unit_op_go_on(struct wr_op *op, struct wr_out *out) {
    struct unit_apart *apart = op->apart == NULL ? NULL : unit_apart_of(op);
    if (apart == NULL || apart->left.batch == NULL)
        return unit_op_outcome(op, op->type->go_on(op, out));
    op->has_more = apart->left.has_more;
    int flow = op->has_more ? unit_op_outcome(op, op->type->go_on(op, out)) : WR_FLOW_MORE;
    if (flow == WR_FLOW_MORE)
        return push_parts(op, out);
    forget_left(apart); /* it failed, or nobody wants more */
    return flow;
}

int unit_op_give_all(struct wr_op *op, int flow, struct wr_out *out) {
    while (flow == WR_FLOW_MORE && op->has_more && !out->is_full)
        flow = unit_op_go_on(op, out);
    return flow;
}
