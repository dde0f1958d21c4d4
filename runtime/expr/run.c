/* run.c: runs programs over batches: memory of registers, failed rows, selections' bookkeeping. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/text.h"
#include "expr/program.h"
#include "base/banned.h"

#define SCRATCH_BLOCK_BYTES ((size_t)64 * 1024)
#define FAIL_TEXT_MAX 256  /* bytes of a failed row's detail */
#define LABEL_BYTES_MAX 80 /* of the name of its item */

void wr_eval_init(struct wr_eval *eval, struct wr_budget *budget) {
    memset(eval, 0, sizeof *eval);
    eval->budget = budget;
    wr_arena_init(&eval->scratch, budget, wr_arena_block_bytes(budget, SCRATCH_BLOCK_BYTES));
}

void wr_eval_release(struct wr_eval *eval) {
    wr_arena_release(&eval->scratch);
    memset(eval, 0, sizeof *eval);
}

/* ---- what kernels use ---- */

static void *no_memory(struct wr_vm *vm) {
    vm->status = WR_ENOMEM;
    return NULL;
}

uint64_t *wr_vm_bits(struct wr_vm *vm) {
    uint64_t words = WR_BITS_WORDS(vm->row_count);
    uint64_t *bits = WR_ARENA_ARRAY(vm->scratch, uint64_t, WR_MAX(words, 1));
    if (bits == NULL)
        return no_memory(vm);
    memset(bits, 0xff, WR_MAX(words, 1) * 8);
    return bits;
}

static uint64_t *zero_bits(struct wr_vm *vm) {
    uint64_t *bits = WR_ARENA_ZEROS(vm->scratch, uint64_t, WR_MAX(WR_BITS_WORDS(vm->row_count), 1));
    return bits != NULL ? bits : no_memory(vm);
}

/* A constant is nil, so all results are. */
static int all_nil(struct wr_vm *vm, const struct wr_ins *ins) {
    uint64_t *bits = zero_bits(vm);
    vm->regs[ins->out].valid = bits;
    return bits == NULL ? WR_ENOMEM : WR_OK;
}

int wr_vm_valid_both(struct wr_vm *vm, const struct wr_ins *ins) {
    const uint64_t *a = vm->regs[ins->args[0]].valid;
    const uint64_t *b = ins->arg_count < 2 ? NULL : vm->regs[ins->args[1]].valid;
    struct wr_column *out = &vm->regs[ins->out];
    if ((a != NULL && ins->constant_a) || (b != NULL && ins->constant_b))
        return all_nil(vm, ins);
    if (a == NULL || b == NULL || a == b) {
        out->valid = a != NULL ? a : b;
        return WR_OK;
    }
    uint64_t *bits = wr_vm_bits(vm);
    if (bits == NULL)
        return WR_ENOMEM;
    for (uint64_t i = 0; i < WR_BITS_WORDS(vm->row_count); i++)
        bits[i] = a[i] & b[i];
    out->valid = bits;
    return WR_OK;
}

static void clear_where_nil(uint8_t *bools, const uint64_t *valid, uint32_t row_count) {
    for (uint32_t row = 0; row < row_count; row += 8) {
        uint64_t bits = valid[row / 64] >> (row % 64), eight;
        if ((bits & 0xff) == 0xff)
            continue;
        memcpy(&eight, bools + row, 8);
        eight &= wr_bits_spread(bits);
        memcpy(bools + row, &eight, 8);
    }
}

void wr_vm_false_for_nil(struct wr_vm *vm, const struct wr_ins *ins) {
    uint8_t *out = vm->regs[ins->out].data;
    vm->regs[ins->out].valid = NULL;
    for (uint32_t arg = 0; arg < ins->arg_count; arg++) {
        const uint64_t *valid = vm->regs[ins->args[arg]].valid;
        if (valid != NULL && (arg == 0 ? ins->constant_a : ins->constant_b))
            memset(out, 0, vm->row_count);
        else if (valid != NULL)
            clear_where_nil(out, valid, vm->row_count);
    }
}

/* How a script calls the item that an instruction is of; NULL: not at all. */
static const char *label_of(const struct wr_vm *vm, const struct wr_ins *ins) {
    if (vm->eval->items == NULL)
        return NULL;
    const struct wr_item *item = &vm->eval->items[ins->item];
    const char *name = item->label != NULL ? item->label : item->name;
    return name != NULL && (uint8_t)name[0] > ' ' && name[0] != '$' ? name : NULL;
}

static void record_fail(struct wr_vm *vm, const struct wr_ins *ins, uint32_t row, int code,
                        const char *format, va_list list) {
    struct wr_eval *eval = vm->eval;
    if (vm->failed == NULL) {
        vm->failed = zero_bits(vm);
        eval->fails = WR_ARENA_ARRAY(vm->scratch, struct wr_fail, vm->row_count);
        if (vm->failed == NULL || eval->fails == NULL) {
            vm->failed = NULL;
            no_memory(vm);
            return;
        }
    }
    if (wr_bit_get(vm->failed, row))
        return;
    wr_bit_set(vm->failed, row);
    char text[FAIL_TEXT_MAX + LABEL_BYTES_MAX + 8];
    const char *label = label_of(vm, ins);
    int before = 0;
    if (label != NULL) {
        size_t shown = wr_utf8_valid_prefix(label, WR_MIN(strlen(label), (size_t)LABEL_BYTES_MAX));
        before = snprintf(text, sizeof text, "`%.*s`: ", (int)shown, label);
    }
    int length = vsnprintf(text + before, FAIL_TEXT_MAX, format, list);
    length = before + WR_MIN(length, FAIL_TEXT_MAX - 1);
    struct wr_fail *fail = &eval->fails[eval->fail_count++];
    *fail = (struct wr_fail){.row = row,
                             .code = (uint16_t)code,
                             .item = ins->item,
                             .from = ins->node->from,
                             .to = ins->node->to};
    fail->detail = wr_arena_strndup(vm->scratch, text, (size_t)WR_MAX(length, 0));
    if (fail->detail == NULL)
        no_memory(vm);
}

static void fail_v(struct wr_vm *vm, const struct wr_ins *ins, uint32_t row, int code,
                   const char *format, va_list list) {
    if (ins->catch_index == WR_NONE) {
        record_fail(vm, ins, row, code, format, list);
        return;
    }
    uint64_t **bits = &vm->catches[ins->catch_index];
    if (*bits == NULL)
        *bits = zero_bits(vm);
    if (*bits != NULL)
        wr_bit_set(*bits, row);
}

void wr_vm_fail(struct wr_vm *vm, const struct wr_ins *ins, uint32_t row, int code,
                const char *format, ...) {
    va_list list;
    va_start(list, format);
    fail_v(vm, ins, row, code, format, list);
    va_end(list);
}

/* ---- library functions ---- */

struct run_call {
    struct wr_call call; /* first: kernels hand it back to wr_call_fail and friends */
    struct wr_vm *vm;
    const struct wr_ins *ins;
    int status;
};

void wr_call_fail(struct wr_call *call, uint32_t row, int code, const char *format, ...) {
    struct run_call *self = (struct run_call *)call;
    va_list list;
    va_start(list, format);
    fail_v(self->vm, self->ins, row, code, format, list);
    va_end(list);
    wr_bit_clear(call->valid, row);
}

void wr_call_nil(struct wr_call *call, uint32_t row) {
    wr_bit_clear(call->valid, row);
}

char *wr_call_room(struct wr_call *call, uint32_t length) {
    char *bytes = wr_arena_alloc(call->arena, WR_MAX(length, 1u));
    if (bytes == NULL)
        ((struct run_call *)call)->status = WR_ENOMEM;
    return bytes;
}

void wr_call_string(struct wr_call *call, uint32_t row, const char *bytes, uint32_t length) {
    ((struct wr_str *)call->out)[row] = wr_str_of(bytes, length);
}

/* Rows of `sel` in which no argument is nil; nil in the others. */
static int strict_rows(struct wr_vm *vm, const struct wr_ins *ins, const struct wr_sel *sel,
                       uint64_t *valid, struct wr_sel *strict) {
    *strict = *sel;
    uint64_t words = WR_BITS_WORDS(vm->row_count);
    int any = 0;
    for (uint32_t arg = 0; arg < ins->arg_count; arg++) {
        const struct wr_reg *reg = &vm->program->regs[ins->args[arg]];
        const uint64_t *bits = vm->regs[ins->args[arg]].valid;
        if (bits == NULL)
            continue;
        any = 1;
        if (reg->kind == WR_REG_CONSTANT)
            memset(valid, 0, words * 8);
        else
            for (uint64_t i = 0; i < words; i++)
                valid[i] &= bits[i];
    }
    if (!any)
        return WR_OK;
    uint32_t *rows = WR_ARENA_ARRAY(vm->scratch, uint32_t, WR_MAX(sel->count, 1)), count = 0;
    if (rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < sel->count; i++) {
        uint32_t row = sel->rows == NULL ? i : sel->rows[i];
        rows[count] = row;
        count += (uint32_t)wr_bit_get(valid, row);
    }
    if (count < sel->count)
        *strict = (struct wr_sel){rows, count};
    return WR_OK;
}

static int call_start(struct wr_vm *vm, const struct wr_ins *ins, struct run_call *self) {
    struct wr_column *args = WR_ARENA_ARRAY(vm->scratch, struct wr_column, ins->arg_count + 1);
    struct wr_type *types = WR_ARENA_ARRAY(vm->scratch, struct wr_type, ins->arg_count + 1);
    uint8_t *constant = wr_arena_alloc_zero(vm->scratch, ins->arg_count + 1);
    uint64_t *valid = wr_vm_bits(vm);
    if (args == NULL || types == NULL || constant == NULL || valid == NULL)
        return WR_ENOMEM;
    for (uint32_t arg = 0; arg < ins->arg_count; arg++) {
        const struct wr_reg *reg = &vm->program->regs[ins->args[arg]];
        args[arg] = vm->regs[ins->args[arg]];
        types[arg] = ins->node->args[arg]->type;
        constant[arg] = reg->kind == WR_REG_CONSTANT;
    }
    *self = (struct run_call){
        .call = {.eval = vm->eval,
                 .arena = vm->text,
                 .batch = vm->batch,
                 .arg_count = ins->arg_count,
                 .args = args,
                 .arg_types = types,
                 .arg_constant = constant,
                 .sel = vm->sels[ins->sel].rows,
                 .count = vm->sels[ins->sel].count,
                 .type = ins->node->type,
                 .out = vm->regs[ins->out].data,
                 .valid = valid,
                 .prepared = ins->node->aux,
                 .timezone = vm->program->timezone},
        .vm = vm,
        .ins = ins,
    };
    return WR_OK;
}

static int call_end(struct wr_vm *vm, const struct wr_ins *ins, struct run_call *self, int status) {
    if (status == WR_OK)
        status = self->status;
    uint64_t all = UINT64_MAX;
    for (uint64_t i = 0; i < WR_BITS_WORDS(vm->row_count); i++)
        all &= self->call.valid[i];
    vm->regs[ins->out].valid = all == UINT64_MAX ? NULL : self->call.valid;
    return status;
}

int wr_ins_call(struct wr_vm *vm, const struct wr_ins *ins) {
    struct run_call self;
    vm->regs[ins->out].valid = NULL;
    if (vm->sels[ins->sel].count == 0)
        return WR_OK;
    int status = call_start(vm, ins, &self);
    if (status == WR_OK && ins->node->function->flags & WR_FN_STRICT) {
        struct wr_sel strict;
        status = strict_rows(vm, ins, &vm->sels[ins->sel], self.call.valid, &strict);
        self.call.sel = strict.rows;
        self.call.count = strict.count;
    }
    if (status != WR_OK)
        return status;
    if (self.call.count > 0)
        status = ins->node->signature->kernel(&self.call);
    return call_end(vm, ins, &self, status);
}

int wr_ins_user_call(struct wr_vm *vm, const struct wr_ins *ins) {
    struct run_call self;
    vm->regs[ins->out].valid = NULL;
    if (vm->sels[ins->sel].count == 0)
        return WR_OK;
    WR_ASSERT(vm->eval->user_call != NULL);
    int status = call_start(vm, ins, &self);
    if (status != WR_OK)
        return status;
    status = vm->eval->user_call(vm->eval->user_ctx, ins->node->user, &self.call);
    return call_end(vm, ins, &self, status);
}

/* ---- runs ---- */

static int setup_regs(struct wr_vm *vm, struct wr_arena *arena) {
    const struct wr_program *p = vm->program;
    void **slots = WR_ARENA_ARRAY(vm->scratch, void *, p->slot_count + 1);
    vm->regs = WR_ARENA_ZEROS(vm->scratch, struct wr_column, p->reg_count + 1);
    vm->sels = WR_ARENA_ZEROS(vm->scratch, struct wr_sel, p->sel_count + 1);
    vm->catches = WR_ARENA_ZEROS(vm->scratch, uint64_t *, p->catch_count + 1);
    if (slots == NULL || vm->regs == NULL || vm->sels == NULL || vm->catches == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < p->slot_count; i++) {
        slots[i] = wr_arena_alloc(vm->scratch,
                                  (size_t)p->slot_widths[i] * (vm->row_count + WR_ROWS_BEHIND));
        if (slots[i] == NULL)
            return WR_ENOMEM;
    }
    for (uint32_t i = 0; i < p->reg_count; i++) {
        const struct wr_reg *reg = &p->regs[i];
        struct wr_column *column = &vm->regs[i];
        switch ((enum wr_reg_kind)reg->kind) {
        case WR_REG_COLUMN:
            *column = vm->batch->columns[reg->index];
            WR_ASSERT(column->data != NULL || vm->row_count == 0);
            break;
        case WR_REG_CONSTANT: *column = reg->node->constant; break;
        case WR_REG_TEMP: column->data = slots[reg->index]; break;
        case WR_REG_OUTPUT:
            column->data =
                wr_arena_alloc(arena, (size_t)reg->width * (vm->row_count + WR_ROWS_BEHIND));
            if (column->data == NULL)
                return WR_ENOMEM;
            break;
        }
    }
    vm->sels[0] = (struct wr_sel){vm->batch->sel, vm->batch->sel_count};
    return WR_OK;
}

static int compare_fails(const void *a, const void *b) {
    const struct wr_fail *fail_a = a, *fail_b = b;
    return (fail_a->row > fail_b->row) - (fail_a->row < fail_b->row);
}

int wr_vm_run(struct wr_vm *vm, const struct wr_program *program, struct wr_eval *eval,
              const struct wr_batch *batch, struct wr_arena *arena) {
    wr_arena_reset(&eval->scratch);
    eval->outputs = NULL;
    eval->fails = NULL;
    eval->fail_count = 0;
    *vm = (struct wr_vm){.eval = eval,
                         .program = program,
                         .batch = batch,
                         .scratch = &eval->scratch,
                         .text = program->text_outputs ? arena : &eval->scratch,
                         .row_count = batch->row_count};
    int status = setup_regs(vm, arena);
    for (uint32_t i = 0; i < program->ins_count && status == WR_OK; i++) {
        const struct wr_ins *ins = &program->instructions[i];
        status = ins->run(vm, ins);
        if (status == WR_OK)
            status = vm->status;
    }
    if (status == WR_OK && eval->fail_count > 1)
        qsort(eval->fails, eval->fail_count, sizeof *eval->fails, compare_fails);
    return status;
}

static int give_outputs(struct wr_vm *vm, struct wr_arena *arena) {
    const struct wr_program *p = vm->program;
    struct wr_eval *eval = vm->eval;
    eval->outputs = WR_ARENA_ZEROS(&eval->scratch, struct wr_column, p->output_count + 1);
    if (eval->outputs == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < p->output_count; i++) {
        eval->outputs[i] = vm->regs[p->outputs[i]];
        if (eval->outputs[i].valid == NULL)
            continue;
        uint64_t words = WR_BITS_WORDS(vm->row_count);
        uint64_t *bits = WR_ARENA_ARRAY(arena, uint64_t, WR_MAX(words, 1));
        if (bits == NULL)
            return WR_ENOMEM;
        memcpy(bits, eval->outputs[i].valid, words * 8);
        eval->outputs[i].valid = bits;
    }
    return WR_OK;
}

int wr_list_run(const struct wr_list *list, struct wr_eval *eval, const struct wr_batch *batch,
                struct wr_arena *arena) {
    struct wr_vm vm;
    eval->outputs = NULL;
    eval->fails = NULL;
    eval->fail_count = 0;
    eval->items = list->items;
    if (list->program == NULL)
        return WR_OK;
    int status = wr_vm_run(&vm, list->program, eval, batch, arena);
    return status == WR_OK ? give_outputs(&vm, arena) : status;
}

int wr_list_filter(const struct wr_list *list, struct wr_eval *eval, const struct wr_batch *batch,
                   uint32_t *sel, uint32_t *sel_count) {
    struct wr_vm vm;
    WR_ASSERT(list->program != NULL && list->program->condition != WR_NONE);
    *sel_count = 0;
    eval->items = list->items;
    int status = wr_vm_run(&vm, list->program, eval, batch, &eval->scratch);
    if (status != WR_OK)
        return status;
    const struct wr_sel *rows = &vm.sels[list->program->condition];
    uint32_t count = 0;
    if (rows->rows == NULL || vm.failed != NULL) {
        for (uint32_t i = 0; i < rows->count; i++) {
            uint32_t row = rows->rows == NULL ? i : rows->rows[i];
            sel[count] = row;
            count += vm.failed == NULL || !wr_bit_get(vm.failed, row);
        }
    } else {
        memcpy(sel, rows->rows, sizeof *sel * rows->count);
        count = rows->count;
    }
    *sel_count = count;
    return WR_OK;
}

int wr_vm_fold(struct wr_bind *bind, const struct wr_node *node, struct wr_column *value,
               int *failed) {
    static const struct wr_schema no_columns = {0};
    struct wr_item item = {0};
    struct wr_list list = {.item_count = 1, .items = &item};
    struct wr_bind inner = *bind;
    struct wr_scope scope = *bind->scope;
    scope.input = &no_columns;
    inner.scope = &scope;
    inner.arena = &bind->fold;
    wr_arena_reset(&bind->fold);
    const struct wr_program *program = NULL;
    int status = wr_compile(&inner, &list, WR_LIST_DERIVE, &node, &program);
    bind->status = inner.status;
    if (status != WR_OK)
        return status;
    struct wr_batch batch = {.row_count = 1, .sel_count = 1, .schema = &no_columns};
    struct wr_vm vm;
    status = wr_vm_run(&vm, program, &bind->eval, &batch, &bind->fold);
    if (status != WR_OK)
        return status;
    *failed = bind->eval.fail_count > 0;
    *value = vm.regs[program->outputs[item.output]];
    return WR_OK;
}
