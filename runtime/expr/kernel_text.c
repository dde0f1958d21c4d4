/* kernel_text.c: `..`, `#` and `like`. */
#include "base/assert.h"
#include "base/status.h"
#include "data/text.h"
#include "expr/like.h"
#include "expr/program.h"
#include "base/banned.h"

/* Arguments are strings (the binder turns int64 into text first); nil in one gives nil. */
static int concat(struct wr_vm *vm, const struct wr_ins *ins) {
    struct wr_str *restrict out = vm->regs[ins->out].data;
    const struct wr_sel *sel = &vm->sels[ins->sel];
    const struct wr_reg *regs = vm->program->regs;
    uint64_t *valid = NULL;
    for (uint32_t i = 0; i < sel->count; i++) {
        uint32_t row = sel->rows == NULL ? i : sel->rows[i];
        uint64_t length = 0;
        int is_nil = 0;
        for (uint32_t arg = 0; arg < ins->arg_count; arg++) {
            uint8_t constant = regs[ins->args[arg]].kind == WR_REG_CONSTANT;
            const struct wr_column *column = &vm->regs[ins->args[arg]];
            if (wr_vm_is_nil(column, constant, row))
                is_nil = 1;
            else
                length += WR_STR(column)[constant ? 0 : row].length;
        }
        out[row] = (struct wr_str){0};
        if (is_nil) {
            if (valid == NULL && (valid = wr_vm_bits(vm)) == NULL)
                return WR_ENOMEM;
            wr_bit_clear(valid, row);
            continue;
        }
        if (length > WR_RESULT_BYTES_MAX) {
            wr_vm_fail(vm, ins, row, WR_REJECT_OVERFLOW, "a string of more than %u bytes",
                       WR_RESULT_BYTES_MAX);
            continue;
        }
        char *bytes =
            length <= WR_STR_INLINE_MAX ? out[row].inlined : wr_arena_alloc(vm->text, length);
        if (bytes == NULL)
            return WR_ENOMEM;
        char *end = bytes;
        for (uint32_t arg = 0; arg < ins->arg_count; arg++) {
            uint8_t constant = regs[ins->args[arg]].kind == WR_REG_CONSTANT;
            const struct wr_str *str = &WR_STR(&vm->regs[ins->args[arg]])[constant ? 0 : row];
            memcpy(end, wr_str_bytes(str), str->length);
            end += str->length;
        }
        if (length > WR_STR_INLINE_MAX)
            out[row] = wr_str_of(bytes, (uint32_t)length);
        else
            out[row].length = (uint32_t)length;
    }
    vm->regs[ins->out].valid = valid;
    return WR_OK;
}

static int length_bytes(struct wr_vm *vm, const struct wr_ins *ins) {
    WR_LOOP_1(vm, ins, struct wr_str, int64_t, x.length);
    return wr_vm_valid_both(vm, ins);
}

static int int64_text(struct wr_vm *vm, const struct wr_ins *ins) {
    const int64_t *a = vm->regs[ins->args[0]].data;
    struct wr_str *restrict out = vm->regs[ins->out].data;
    WR_ROWS_BEGIN(vm, ins)
    char text[WR_NUMBER_TEXT_MAX];
    uint32_t length = (uint32_t)wr_int64_format(a[ra], text);
    const char *bytes = text;
    if (length > WR_STR_INLINE_MAX) {
        bytes = wr_arena_strndup(vm->text, text, length);
        if (bytes == NULL)
            return WR_ENOMEM;
    }
    out[row] = wr_str_of(bytes, length);
    WR_ROWS_END
    return wr_vm_valid_both(vm, ins);
}

static int like(struct wr_vm *vm, const struct wr_ins *ins) {
    const struct wr_like *pattern = ins->node->aux;
    const struct wr_str *a = vm->regs[ins->args[0]].data;
    uint8_t *restrict out = vm->regs[ins->out].data;
    WR_ROWS_BEGIN(vm, ins)
    out[row] = (uint8_t)wr_like_match(pattern, &a[ra]);
    WR_ROWS_END
    wr_vm_false_for_nil(vm, ins);
    return WR_OK;
}

const struct wr_kernel wr_kernel_concat = {"..", concat, WR_KERNEL_FAILS, 30};
const struct wr_kernel wr_kernel_length = {"#", length_bytes, 0, 1};
const struct wr_kernel wr_kernel_int64_text = {"string", int64_text, 0, 15};
const struct wr_kernel wr_kernel_like = {"like", like, WR_KERNEL_TRUTH, 10};
