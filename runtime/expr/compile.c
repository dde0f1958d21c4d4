/* compile.c: from nodes to a straight-line program.
 *
 * A scope is a selection of rows with the values already computed for all of them. A value of an
 * outer scope serves in an inner one; a value of an inner scope is known for too few rows outside,
 * and ends with it. So a common subexpression is computed once wherever that is right. */
#include "base/assert.h"
#include "base/status.h"
#include "expr/program.h"
#include "base/banned.h"

#define EAGER_COST_MAX 8 /* ns a row: cheaper branches are computed for all rows, then chosen */

const char wr_args_reversed[1];

struct memo {
    const struct wr_node *node;
};

struct scope {
    struct scope *outer;
    uint32_t sel, catch_index;
    uint32_t memo_first; /* of compiler.memos: this scope's begin there */
};

struct compiler {
    struct wr_bind *bind;
    struct wr_program *program;
    uint32_t ins_room, reg_room;
    uint32_t memo_count, memo_room;
    struct memo *memos; /* of all open scopes */
    uint32_t *reg_of;   /* by node id: its register where it is known, else WR_NONE */
    uint16_t item;
};

/* ---- growing arrays in the plan's arena ---- */

static void *grown(struct compiler *c, void *old, size_t width, uint32_t count, uint32_t *room) {
    if (count < *room)
        return old;
    uint32_t more = *room == 0 ? 16 : *room * 2;
    char *array = wr_arena_alloc(c->bind->arena, width * more);
    if (array == NULL)
        return wr_bind_no_memory(c->bind);
    if (count > 0)
        memcpy(array, old, width * count);
    *room = more;
    return array;
}

static uint32_t new_reg(struct compiler *c, enum wr_reg_kind kind, const struct wr_node *node,
                        uint32_t index) {
    struct wr_program *p = c->program;
    struct wr_reg *regs = grown(c, p->regs, sizeof *regs, p->reg_count, &c->reg_room);
    if (regs == NULL)
        return WR_NONE;
    p->regs = regs;
    regs[p->reg_count] = (struct wr_reg){.kind = (uint8_t)kind,
                                         .width = (uint8_t)wr_type_bytes(node->type.kind),
                                         .index = index,
                                         .node = node};
    return p->reg_count++;
}

static struct wr_ins *new_ins(struct compiler *c, wr_ins_fn run, const struct scope *scope,
                              uint32_t arg_count) {
    struct wr_program *p = c->program;
    struct wr_ins *all = grown(c, p->instructions, sizeof *all, p->ins_count, &c->ins_room);
    if (all == NULL)
        return NULL;
    p->instructions = all;
    struct wr_ins *ins = &all[p->ins_count];
    *ins = (struct wr_ins){.run = run,
                           .out = WR_NONE,
                           .arg_count = arg_count,
                           .sel = scope->sel,
                           .sel_yes = WR_NONE,
                           .sel_no = WR_NONE,
                           .catch_index = scope->catch_index,
                           .item = c->item};
    ins->args = WR_ARENA_ZEROS(c->bind->arena, uint32_t, WR_MAX(arg_count, 1));
    if (ins->args == NULL)
        return wr_bind_no_memory(c->bind);
    p->ins_count++;
    return ins;
}

static void set_arg(struct compiler *c, struct wr_ins *ins, uint32_t arg, uint32_t reg) {
    ins->args[arg] = reg;
    struct wr_reg *r = &c->program->regs[reg];
    r->last = c->program->ins_count - 1;
    if (arg == 0)
        ins->constant_a = r->kind == WR_REG_CONSTANT;
    if (arg == 1)
        ins->constant_b = r->kind == WR_REG_CONSTANT;
}

/* ---- scopes ---- */

static struct scope scope_open(struct compiler *c, struct scope *outer, uint32_t sel,
                               uint32_t catch_index) {
    return (struct scope){
        .outer = outer, .sel = sel, .catch_index = catch_index, .memo_first = c->memo_count};
}

static void scope_close(struct compiler *c, const struct scope *scope) {
    while (c->memo_count > scope->memo_first)
        c->reg_of[c->memos[--c->memo_count].node->id] = WR_NONE;
}

/* All open scopes are outer ones of each other, so what is known serves here. */
static uint32_t memo_find(const struct compiler *c, const struct wr_node *node) {
    return c->reg_of[node->id];
}

static uint32_t memo_add(struct compiler *c, const struct wr_node *node, uint32_t reg) {
    if (reg == WR_NONE)
        return WR_NONE;
    struct memo *memos = grown(c, c->memos, sizeof *memos, c->memo_count, &c->memo_room);
    if (memos == NULL)
        return WR_NONE;
    c->memos = memos;
    memos[c->memo_count++] = (struct memo){node};
    return c->reg_of[node->id] = reg;
}

/* ---- values ---- */

static uint32_t emit(struct compiler *c, const struct wr_node *node, struct scope *scope);
static uint32_t emit_condition(struct compiler *c, const struct wr_node *node, struct scope *scope,
                               uint32_t *sel_no);

static void read_bit(struct compiler *c, uint32_t bit) {
    wr_bit_set(c->program->reads, bit);
}

static uint32_t emit_leaf(struct compiler *c, const struct wr_node *node, struct scope *scope) {
    if (node->kind == WR_NODE_CONSTANT)
        return new_reg(c, WR_REG_CONSTANT, node, 0);
    if (node->kind == WR_NODE_COLUMN) {
        read_bit(c, node->index);
        return new_reg(c, WR_REG_COLUMN, node, node->index);
    }
    read_bit(c, c->bind->scope->input->field_count + node->index);
    uint32_t reg = new_reg(c, WR_REG_TEMP, node, 0);
    struct wr_ins *ins = new_ins(c, wr_ins_hidden, scope, 0);
    if (reg == WR_NONE || ins == NULL)
        return WR_NONE;
    ins->node = node;
    ins->out = reg;
    return reg;
}

/* An instruction that makes the result of `node`, in a register of its own; NULL: no memory. */
static struct wr_ins *new_result(struct compiler *c, wr_ins_fn run, const struct wr_node *node,
                                 const struct scope *scope, const uint32_t *args,
                                 uint32_t arg_count) {
    uint32_t reg = new_reg(c, WR_REG_TEMP, node, 0);
    struct wr_ins *ins = new_ins(c, run, scope, arg_count);
    if (reg == WR_NONE || ins == NULL)
        return NULL;
    for (uint32_t i = 0; i < arg_count; i++)
        set_arg(c, ins, i, args[i]);
    ins->node = node;
    ins->out = reg;
    return ins;
}

static uint32_t out_of(const struct wr_ins *ins) {
    return ins == NULL ? WR_NONE : ins->out;
}

static uint32_t emit_strict(struct compiler *c, const struct wr_node *node, struct scope *scope) {
    uint32_t *args = WR_ARENA_ARRAY(c->bind->arena, uint32_t, node->arg_count + 1);
    if (args == NULL) {
        wr_bind_no_memory(c->bind);
        return WR_NONE;
    }
    int reversed = node->kind == WR_NODE_KERNEL && node->aux == wr_args_reversed;
    for (uint32_t i = 0; i < node->arg_count; i++) {
        uint32_t arg = reversed ? node->arg_count - 1 - i : i;
        args[arg] = emit(c, node->args[arg], scope);
        if (args[arg] == WR_NONE)
            return WR_NONE;
    }
    wr_ins_fn run = node->kind == WR_NODE_KERNEL ? node->kernel->run
                    : node->kind == WR_NODE_CALL ? wr_ins_call
                                                 : wr_ins_user_call;
    return out_of(new_result(c, run, node, scope, args, node->arg_count));
}

static uint32_t emit_split(struct compiler *c, wr_ins_fn run, uint32_t reg, struct scope *scope,
                           uint32_t *sel_no) {
    struct wr_ins *ins = new_ins(c, run, scope, 1);
    if (ins == NULL)
        return WR_NONE;
    set_arg(c, ins, 0, reg);
    ins->sel_yes = c->program->sel_count++;
    if (sel_no != NULL)
        ins->sel_no = *sel_no = c->program->sel_count++;
    return ins->sel_yes;
}

/* out: register `a` on the rows of sel_yes, `b` on those of sel_no. */
static uint32_t emit_merge(struct compiler *c, const struct wr_node *node, struct scope *scope,
                           uint32_t a, uint32_t sel_yes, uint32_t b, uint32_t sel_no) {
    const uint32_t args[] = {a, b};
    struct wr_ins *ins = new_result(c, wr_ins_merge, node, scope, args, 2);
    if (ins != NULL) {
        ins->sel_yes = sel_yes;
        ins->sel_no = sel_no;
    }
    return out_of(ins);
}

static uint32_t emit_within(struct compiler *c, const struct wr_node *node, struct scope *scope,
                            uint32_t sel) {
    struct scope inner = scope_open(c, scope, sel, scope->catch_index);
    uint32_t reg = emit(c, node, &inner);
    scope_close(c, &inner);
    return reg;
}

static int is_cheap(const struct wr_node *node) {
    return node->cost <= EAGER_COST_MAX && !(node->flags & (WR_NODE_FAILS | WR_NODE_CALLS_LUA));
}

static uint32_t emit_kernel(struct compiler *c, const struct wr_kernel *kernel,
                            const struct wr_node *node, struct scope *scope, uint32_t a,
                            uint32_t b) {
    const uint32_t args[] = {a, b};
    return out_of(new_result(c, kernel->run, node, scope, args, 2));
}

static uint32_t emit_and_or(struct compiler *c, const struct wr_node *node, struct scope *scope) {
    int is_and = node->kind == WR_NODE_AND;
    uint32_t a = emit(c, node->args[0], scope);
    if (a == WR_NONE)
        return WR_NONE;
    if (is_cheap(node->args[1])) {
        uint32_t b = emit(c, node->args[1], scope);
        if (b == WR_NONE)
            return WR_NONE;
        return emit_kernel(c, is_and ? &wr_kernel_and : &wr_kernel_or, node, scope, a, b);
    }
    uint32_t sel_no = WR_NONE, sel_yes = emit_split(c, wr_ins_split, a, scope, &sel_no);
    if (sel_yes == WR_NONE)
        return WR_NONE;
    uint32_t b = emit_within(c, node->args[1], scope, is_and ? sel_yes : sel_no);
    if (b == WR_NONE)
        return WR_NONE;
    return is_and ? emit_merge(c, node, scope, b, sel_yes, a, sel_no)
                  : emit_merge(c, node, scope, a, sel_yes, b, sel_no);
}

static uint32_t emit_choice(struct compiler *c, const struct wr_node *node, struct scope *scope) {
    uint32_t condition = emit(c, node->args[0], scope);
    uint32_t a = condition == WR_NONE ? WR_NONE : emit(c, node->args[1], scope);
    uint32_t b = a == WR_NONE ? WR_NONE : emit(c, node->args[2], scope);
    if (b == WR_NONE)
        return WR_NONE;
    const uint32_t args[] = {condition, a, b};
    return out_of(new_result(c, wr_ins_choose, node, scope, args, 3));
}

static uint32_t emit_if(struct compiler *c, const struct wr_node *node, struct scope *scope) {
    if (is_cheap(node->args[1]) && is_cheap(node->args[2]) && wr_node_is_truth(node->args[0]))
        return emit_choice(c, node, scope);
    uint32_t sel_no = WR_NONE, sel_yes = emit_condition(c, node->args[0], scope, &sel_no);
    if (sel_yes == WR_NONE)
        return WR_NONE;
    /* Cheap branches are computed for the scope's rows, in long loops. */
    uint32_t a = is_cheap(node->args[1]) ? emit(c, node->args[1], scope)
                                         : emit_within(c, node->args[1], scope, sel_yes);
    if (a == WR_NONE)
        return WR_NONE;
    uint32_t b = is_cheap(node->args[2]) ? emit(c, node->args[2], scope)
                                         : emit_within(c, node->args[2], scope, sel_no);
    return b == WR_NONE ? WR_NONE : emit_merge(c, node, scope, a, sel_yes, b, sel_no);
}

static uint32_t emit_else(struct compiler *c, const struct wr_node *node, struct scope *scope) {
    uint32_t a, sel_yes, sel_no = WR_NONE;
    if (node->kind == WR_NODE_CATCH) {
        struct scope inner = scope_open(c, scope, scope->sel, c->program->catch_count++);
        a = emit(c, node->args[0], &inner);
        scope_close(c, &inner);
        if (a == WR_NONE)
            return WR_NONE;
        sel_yes = emit_split(c, wr_ins_split_catch, a, &inner, &sel_no);
    } else {
        a = emit(c, node->args[0], scope);
        if (a == WR_NONE)
            return WR_NONE;
        struct scope none = *scope;
        none.catch_index = WR_NONE; /* only nil counts */
        sel_yes = emit_split(c, wr_ins_split_catch, a, &none, &sel_no);
    }
    if (sel_yes == WR_NONE)
        return WR_NONE;
    uint32_t b = is_cheap(node->args[1]) ? emit(c, node->args[1], scope)
                                         : emit_within(c, node->args[1], scope, sel_no);
    return b == WR_NONE ? WR_NONE : emit_merge(c, node, scope, a, sel_yes, b, sel_no);
}

static uint32_t emit(struct compiler *c, const struct wr_node *node, struct scope *scope) {
    uint32_t reg = memo_find(c, node);
    if (reg != WR_NONE)
        return reg;
    switch ((enum wr_node_kind)node->kind) {
    case WR_NODE_CONSTANT:
    case WR_NODE_COLUMN:
    case WR_NODE_HIDDEN: reg = emit_leaf(c, node, scope); break;
    case WR_NODE_KERNEL:
    case WR_NODE_CALL:
    case WR_NODE_USER: reg = emit_strict(c, node, scope); break;
    case WR_NODE_AND:
    case WR_NODE_OR: reg = emit_and_or(c, node, scope); break;
    case WR_NODE_IF: reg = emit_if(c, node, scope); break;
    case WR_NODE_ELSE:
    case WR_NODE_CATCH: reg = emit_else(c, node, scope); break;
    }
    return memo_add(c, node, reg);
}

/* The rows for which a bool is true, as a selection; `sel_no`, where asked for, gets the others. */
static uint32_t emit_condition(struct compiler *c, const struct wr_node *node, struct scope *scope,
                               uint32_t *sel_no) {
    if (node->kind == WR_NODE_AND && sel_no == NULL && !is_cheap(node->args[1]) &&
        memo_find(c, node) == WR_NONE) {
        uint32_t left = emit_condition(c, node->args[0], scope, NULL);
        if (left == WR_NONE)
            return WR_NONE;
        struct scope inner = scope_open(c, scope, left, scope->catch_index);
        uint32_t right = emit_condition(c, node->args[1], &inner, NULL);
        scope_close(c, &inner);
        return right;
    }
    uint32_t reg = emit(c, node, scope);
    return reg == WR_NONE ? WR_NONE : emit_split(c, wr_ins_split, reg, scope, sel_no);
}

/* ---- items and outputs ---- */

static int emit_output(struct compiler *c, struct wr_item *item, const struct wr_node *node,
                       struct scope *scope) {
    struct wr_program *p = c->program;
    uint32_t reg = emit(c, node, scope);
    if (reg == WR_NONE)
        return 0;
    if (p->regs[reg].kind == WR_REG_OUTPUT) {
        item->output = (int32_t)p->regs[reg].index;
        return 1;
    }
    if (p->regs[reg].kind != WR_REG_TEMP) {
        uint32_t filled = new_reg(c, WR_REG_TEMP, node, 0);
        struct wr_ins *ins = new_ins(c, wr_ins_fill, scope, 1);
        if (filled == WR_NONE || ins == NULL)
            return 0;
        set_arg(c, ins, 0, reg);
        ins->node = node;
        ins->out = filled;
        reg = filled;
    }
    p->regs[reg].kind = WR_REG_OUTPUT;
    p->regs[reg].index = p->output_count;
    p->text_outputs |= (uint8_t)wr_type_is_text(node->type.kind);
    item->output = (int32_t)p->output_count;
    p->outputs[p->output_count++] = reg;
    return 1;
}

/* Failed rows leave the selection of all that follows. */
static int emit_narrow(struct compiler *c, struct scope *scope) {
    struct wr_ins *ins = new_ins(c, wr_ins_narrow, scope, 0);
    if (ins == NULL)
        return 0;
    ins->sel_yes = c->program->sel_count++;
    scope->sel = ins->sel_yes;
    return 1;
}

/* Registers that are never needed at the same time share memory. */
static int assign_slots(struct compiler *c) {
    struct wr_program *p = c->program;
    uint32_t *free_at = WR_ARENA_ZEROS(c->bind->arena, uint32_t, p->reg_count + 1);
    p->slot_widths = wr_arena_alloc_zero(c->bind->arena, p->reg_count + 1);
    if (free_at == NULL || p->slot_widths == NULL) {
        wr_bind_no_memory(c->bind);
        return 0;
    }
    for (uint32_t i = 0; i < p->ins_count; i++) {
        uint32_t out = p->instructions[i].out;
        if (out == WR_NONE || p->regs[out].kind != WR_REG_TEMP)
            continue;
        struct wr_reg *reg = &p->regs[out];
        uint32_t slot = 0;
        while (slot < p->slot_count && (p->slot_widths[slot] != reg->width || free_at[slot] >= i))
            slot++;
        if (slot == p->slot_count)
            p->slot_widths[p->slot_count++] = reg->width;
        reg->index = slot;
        free_at[slot] = WR_MAX(reg->last, i);
    }
    return 1;
}

static int compile_items(struct compiler *c, struct wr_list *list, enum wr_list_kind kind,
                         const struct wr_node *const *nodes) {
    struct scope top = {.sel = c->program->sel_count++, .catch_index = WR_NONE};
    for (uint32_t i = 0; i < list->item_count; i++) {
        struct wr_item *item = &list->items[i];
        const struct wr_node *node = nodes[i];
        c->item = (uint16_t)i;
        c->program->can_fail |= (node->flags & WR_NODE_FAILS) != 0;
        c->program->calls_lua |= (node->flags & WR_NODE_CALLS_LUA) != 0;
        item->native = !(node->flags & WR_NODE_CALLS_LUA);
        item->column = item->output = -1;
        if (kind == WR_LIST_CONDITION) {
            c->program->condition = emit_condition(c, node, &top, NULL);
            if (c->program->condition == WR_NONE)
                return 0;
        } else if (node->kind == WR_NODE_COLUMN) {
            item->column = (int32_t)node->index;
        } else if (!emit_output(c, item, node, &top)) {
            return 0;
        }
        if (node->flags & WR_NODE_FAILS && !emit_narrow(c, &top))
            return 0;
    }
    return 1;
}

int wr_compile(struct wr_bind *bind, struct wr_list *list, enum wr_list_kind kind,
               const struct wr_node *const *nodes, const struct wr_program **program) {
    struct wr_program *p = WR_ARENA_ZEROS(bind->arena, struct wr_program, 1);
    struct compiler c = {.bind = bind, .program = p};
    uint32_t bits =
        (bind->scope->input != NULL ? bind->scope->input->field_count : 0) + WR_HIDDEN_COUNT;
    if (p != NULL) {
        p->condition = WR_NONE;
        p->timezone = bind->scope->timezone;
        p->input = bind->scope->input;
        p->nodes = nodes;
        p->column_words = (uint32_t)WR_BITS_WORDS(bits);
        p->reads = WR_ARENA_ZEROS(bind->arena, uint64_t, p->column_words);
        p->outputs = WR_ARENA_ZEROS(bind->arena, uint32_t, list->item_count + 1);
        c.reg_of = WR_ARENA_ARRAY(bind->arena, uint32_t, bind->node_count + 1);
    }
    if (p == NULL || p->reads == NULL || p->outputs == NULL || c.reg_of == NULL) {
        wr_bind_no_memory(bind);
        return bind->status;
    }
    memset(c.reg_of, 0xff, sizeof(uint32_t) * (bind->node_count + 1));
    if (!compile_items(&c, list, kind, nodes) || !assign_slots(&c))
        return bind->status;
    *program = p;
    return WR_OK;
}
