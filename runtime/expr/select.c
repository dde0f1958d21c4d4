/* select.c: instructions that make selections, merge branches and fill columns. */
#include "base/assert.h"
#include "base/status.h"
#include "expr/program.h"
#include "base/banned.h"

static uint32_t *new_rows(struct wr_vm *vm, uint32_t count) {
    /* Eight more: the loops below store before they know whether a row stays. */
    uint32_t *rows = WR_ARENA_ARRAY(vm->scratch, uint32_t, (size_t)count + 8);
    if (rows == NULL)
        vm->status = WR_ENOMEM;
    return rows;
}

typedef uint8_t bytes_8 __attribute__((vector_size(8)));
typedef uint32_t words_8 __attribute__((vector_size(32), aligned(4)));

/* For each byte of eight bits: the numbers of its set bits, from the lowest, then zeros. */
#define BITS_2(n) BITS_1(n), BITS_1(n + 1)
#define BITS_4(n) BITS_2(n), BITS_2(n + 2)
#define BITS_16(n) BITS_4(n), BITS_4(n + 4), BITS_4(n + 8), BITS_4(n + 12)
#define BITS_64(n) BITS_16(n), BITS_16(n + 16), BITS_16(n + 32), BITS_16(n + 48)
#define BITS_256 BITS_64(0), BITS_64(64), BITS_64(128), BITS_64(192)
#define BIT(n, k) ((n) >> (k)&1)
#define BELOW(n, k) (__builtin_popcount((n) & ((1 << (k)) - 1)))
#define PLACE(n, k) (BIT(n, k) ? (uint64_t)(k) << (8 * BELOW(n, k)) : 0)
#define BITS_1(n) \
    (PLACE(n, 0) | PLACE(n, 1) | PLACE(n, 2) | PLACE(n, 3) | PLACE(n, 4) | PLACE(n, 5) | \
     PLACE(n, 6) | PLACE(n, 7))
static const uint64_t bit_numbers[256] = {BITS_256};

/* The rows 0 … count-1 whose bool is 1 and not nil, eight at once: their bools make a byte, the
 * byte tells the numbers of the rows that stay. No branch depends on the data. Writes up to 7
 * rows behind the end. */
static uint32_t select_dense(const uint8_t *bools, const uint64_t *valid, uint32_t count,
                             uint32_t *rows) {
    uint32_t found = 0, row = 0;
    for (; row + 8 <= count; row += 8) {
        uint64_t eight;
        memcpy(&eight, bools + row, 8);
        eight &= UINT64_C(0x0101010101010101); /* a nil may hold anything */
        uint64_t mask = (eight * UINT64_C(0x0102040810204080)) >> 56;
        if (valid != NULL)
            mask &= valid[row / 64] >> (row % 64);
        bytes_8 numbers;
        memcpy(&numbers, &bit_numbers[mask], 8);
        words_8 chosen = __builtin_convertvector(numbers, words_8) + row;
        memcpy(rows + found, &chosen, sizeof chosen);
        found += (uint32_t)__builtin_popcountll(mask);
    }
    for (; row < count; row++) {
        rows[found] = row;
        found += bools[row] & (valid == NULL ? 1u : (uint32_t)wr_bit_get(valid, row));
    }
    return found;
}

static uint32_t select_rows(const uint8_t *bools, const uint64_t *valid, const struct wr_sel *sel,
                            uint32_t *rows) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < sel->count; i++) {
        uint32_t row = sel->rows == NULL ? i : sel->rows[i];
        rows[found] = row;
        found += bools[row] & (valid == NULL ? 1u : (uint32_t)wr_bit_get(valid, row));
    }
    return found;
}

/* The rows of `sel` that are not in `without`, which is a part of it. */
static uint32_t select_others(const struct wr_sel *sel, const struct wr_sel *without,
                              uint32_t *rows) {
    uint32_t found = 0, at = 0;
    for (uint32_t i = 0; i < sel->count; i++) {
        uint32_t row = sel->rows == NULL ? i : sel->rows[i];
        uint32_t other =
            at < without->count ? (without->rows == NULL ? at : without->rows[at]) : UINT32_MAX;
        rows[found] = row;
        found += row != other;
        at += row == other;
    }
    return found;
}

static int split_others(struct wr_vm *vm, const struct wr_ins *ins) {
    const struct wr_sel *sel = &vm->sels[ins->sel], *yes = &vm->sels[ins->sel_yes];
    if (ins->sel_no == WR_NONE)
        return WR_OK;
    struct wr_sel *no = &vm->sels[ins->sel_no];
    if (yes->count == sel->count) {
        *no = (struct wr_sel){sel->rows, 0};
        return WR_OK;
    }
    uint32_t *rows = new_rows(vm, sel->count);
    if (rows == NULL)
        return WR_ENOMEM;
    *no = (struct wr_sel){rows, select_others(sel, yes, rows)};
    return WR_OK;
}

int wr_ins_split(struct wr_vm *vm, const struct wr_ins *ins) {
    const struct wr_sel *sel = &vm->sels[ins->sel];
    const struct wr_column *column = &vm->regs[ins->args[0]];
    struct wr_sel *yes = &vm->sels[ins->sel_yes];
    if (ins->constant_a) {
        int is_true = column->valid == NULL && *WR_BOOLS(column);
        *yes = (struct wr_sel){sel->rows, is_true ? sel->count : 0};
        return split_others(vm, ins);
    }
    uint32_t *rows = new_rows(vm, sel->count);
    if (rows == NULL)
        return WR_ENOMEM;
    yes->rows = rows;
    yes->count = sel->rows == NULL ? select_dense(WR_BOOLS(column), column->valid, sel->count, rows)
                                   : select_rows(WR_BOOLS(column), column->valid, sel, rows);
    if (yes->count == sel->count)
        yes->rows = sel->rows;
    return split_others(vm, ins);
}

/* Rows whose value is neither nil nor caught. */
int wr_ins_split_catch(struct wr_vm *vm, const struct wr_ins *ins) {
    const struct wr_sel *sel = &vm->sels[ins->sel];
    const uint64_t *valid = vm->regs[ins->args[0]].valid;
    const uint64_t *caught = ins->catch_index == WR_NONE ? NULL : vm->catches[ins->catch_index];
    struct wr_sel *yes = &vm->sels[ins->sel_yes];
    *yes = *sel;
    if (ins->constant_a) {
        if (valid != NULL)
            yes->count = 0;
        return split_others(vm, ins);
    }
    if (valid == NULL && caught == NULL)
        return split_others(vm, ins);
    uint32_t *rows = new_rows(vm, sel->count), found = 0;
    if (rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < sel->count; i++) {
        uint32_t row = sel->rows == NULL ? i : sel->rows[i];
        rows[found] = row;
        found += (valid == NULL || wr_bit_get(valid, row)) &&
                 (caught == NULL || !wr_bit_get(caught, row));
    }
    if (found < sel->count)
        *yes = (struct wr_sel){rows, found};
    return split_others(vm, ins);
}

int wr_ins_narrow(struct wr_vm *vm, const struct wr_ins *ins) {
    const struct wr_sel *sel = &vm->sels[ins->sel];
    struct wr_sel *left = &vm->sels[ins->sel_yes];
    *left = *sel;
    if (vm->failed == NULL)
        return WR_OK;
    uint32_t *rows = new_rows(vm, sel->count), found = 0;
    if (rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < sel->count; i++) {
        uint32_t row = sel->rows == NULL ? i : sel->rows[i];
        rows[found] = row;
        found += !wr_bit_get(vm->failed, row);
    }
    if (found < sel->count)
        *left = (struct wr_sel){rows, found};
    return WR_OK;
}

/* ---- copying values ---- */

#define COPY_ROWS(type) \
    do { \
        const type *from_ = column->data; \
        type *to_ = out; \
        for (uint32_t i = 0; i < sel->count; i++) { \
            uint32_t row = sel->rows == NULL ? i : sel->rows[i]; \
            to_[row] = from_[row & mask]; \
        } \
    } while (0)

static void copy_rows(void *out, const struct wr_column *column, uint8_t constant,
                      const struct wr_sel *sel, uint32_t width) {
    const uint32_t mask = constant ? 0 : UINT32_MAX;
    if (width == 1)
        COPY_ROWS(uint8_t);
    else if (width == 8)
        COPY_ROWS(uint64_t);
    else
        COPY_ROWS(struct wr_str); /* 16 bytes: decimals too */
}

static void copy_nils(uint64_t *bits, const struct wr_column *column, uint8_t constant,
                      const struct wr_sel *sel) {
    if (column->valid == NULL)
        return;
    for (uint32_t i = 0; i < sel->count; i++) {
        uint32_t row = sel->rows == NULL ? i : sel->rows[i];
        if (!wr_bit_get(column->valid, constant ? 0 : row))
            wr_bit_clear(bits, row);
    }
}

int wr_ins_merge(struct wr_vm *vm, const struct wr_ins *ins) {
    const struct wr_column *a = &vm->regs[ins->args[0]], *b = &vm->regs[ins->args[1]];
    const struct wr_sel *yes = &vm->sels[ins->sel_yes], *no = &vm->sels[ins->sel_no];
    struct wr_column *out = &vm->regs[ins->out];
    uint32_t width = vm->program->regs[ins->out].width;
    out->valid = NULL;
    copy_rows(out->data, a, ins->constant_a, yes, width);
    copy_rows(out->data, b, ins->constant_b, no, width);
    if ((a->valid == NULL || yes->count == 0) && (b->valid == NULL || no->count == 0))
        return WR_OK;
    uint64_t *bits = wr_vm_bits(vm);
    if (bits == NULL)
        return WR_ENOMEM;
    copy_nils(bits, a, ins->constant_a, yes);
    copy_nils(bits, b, ins->constant_b, no);
    out->valid = bits;
    return WR_OK;
}

/* ---- choosing between two computed values ---- */

struct choice {
    const uint8_t *yes; /* outside the selection it may hold anything: only bit 0 is looked at */
    const struct wr_column *a, *b;
    uint8_t constant_a, constant_b;
    struct wr_column *out;
    uint32_t row_count;
};

#define CHOOSE(type, A, B) \
    for (uint32_t row = 0; row < row_count; row++) { \
        const type mask = (type)(0 - (type)(yes[row] & 1)); \
        out[row] = (type)(((A)&mask) | ((B) & (type)~mask)); \
    }
#define CHOOSE_WIDTH(name, type) \
    static void name(const struct choice *choice) { \
        const uint8_t *yes = choice->yes; \
        const type *a = choice->a->data, *b = choice->b->data; \
        type *restrict out = choice->out->data; \
        const uint32_t row_count = choice->row_count; \
        if (choice->constant_a && choice->constant_b) { \
            const type a_one = *a, b_one = *b; \
            CHOOSE(type, a_one, b_one) \
        } else if (choice->constant_a) { \
            const type a_one = *a; \
            CHOOSE(type, a_one, b[row]) \
        } else if (choice->constant_b) { \
            const type b_one = *b; \
            CHOOSE(type, a[row], b_one) \
        } else { \
            CHOOSE(type, a[row], b[row]) \
        } \
    }
CHOOSE_WIDTH(choose_1, uint8_t)
CHOOSE_WIDTH(choose_8, uint64_t)

/* Strings and decimals: the address is chosen, not the branch. */
static void choose_16(const struct choice *choice) {
    const uint8_t *yes = choice->yes;
    const char *from_a = choice->a->data, *from_b = choice->b->data;
    const size_t step_a = choice->constant_a ? 0 : 16, step_b = choice->constant_b ? 0 : 16;
    char *restrict out = choice->out->data;
    for (uint32_t row = 0; row < choice->row_count; row++) {
        const uintptr_t mask = 0 - (uintptr_t)(yes[row] & 1);
        uintptr_t from = ((uintptr_t)(from_a + row * step_a) & mask) |
                         ((uintptr_t)(from_b + row * step_b) & ~mask);
        memcpy(out + (size_t)row * 16, (const void *)from, 16);
    }
}

static void choose_rows(const struct choice *choice, const struct wr_sel *sel, uint32_t width) {
    for (uint32_t i = 0; i < sel->count; i++) {
        uint32_t row = sel->rows[i];
        int is_a = choice->yes[row];
        const struct wr_column *from = is_a ? choice->a : choice->b;
        uint32_t at = (is_a ? choice->constant_a : choice->constant_b) ? 0 : row;
        memcpy((char *)choice->out->data + (size_t)row * width,
               (const char *)from->data + (size_t)at * width, width);
    }
}

static int choose_valid(struct wr_vm *vm, const struct choice *choice, const struct wr_sel *sel) {
    const struct wr_column *a = choice->a, *b = choice->b;
    choice->out->valid = NULL;
    if (a->valid == NULL && b->valid == NULL)
        return WR_OK;
    uint64_t *bits = wr_vm_bits(vm);
    if (bits == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < sel->count; i++) {
        uint32_t row = sel->rows == NULL ? i : sel->rows[i];
        if (choice->yes[row] ? wr_vm_is_nil(a, choice->constant_a, row)
                             : wr_vm_is_nil(b, choice->constant_b, row))
            wr_bit_clear(bits, row);
    }
    choice->out->valid = bits;
    return WR_OK;
}

/* args: a bool without nil, then the values for true and for false, all computed for the whole
 * selection. */
int wr_ins_choose(struct wr_vm *vm, const struct wr_ins *ins) {
    const struct wr_reg *regs = vm->program->regs;
    const struct wr_sel *sel = &vm->sels[ins->sel];
    uint32_t width = regs[ins->out].width;
    const struct choice choice = {
        .yes = vm->regs[ins->args[0]].data,
        .a = &vm->regs[ins->args[1]],
        .b = &vm->regs[ins->args[2]],
        .constant_a = regs[ins->args[1]].kind == WR_REG_CONSTANT,
        .constant_b = regs[ins->args[2]].kind == WR_REG_CONSTANT,
        .out = &vm->regs[ins->out],
        .row_count = vm->row_count,
    };
    if (wr_vm_dense(vm, sel) == 0)
        choose_rows(&choice, sel, width);
    else if (width == 1)
        choose_1(&choice);
    else if (width == 8)
        choose_8(&choice);
    else
        choose_16(&choice);
    return choose_valid(vm, &choice, sel);
}

/* A constant, or an input column that an earlier item hides, as an output of its own. */
int wr_ins_fill(struct wr_vm *vm, const struct wr_ins *ins) {
    const struct wr_column *column = &vm->regs[ins->args[0]];
    struct wr_column *out = &vm->regs[ins->out];
    copy_rows(out->data, column, ins->constant_a, &vm->sels[ins->sel],
              vm->program->regs[ins->out].width);
    out->valid = column->valid;
    if (column->valid == NULL || !ins->constant_a)
        return WR_OK;
    uint64_t *bits = wr_vm_bits(vm);
    if (bits == NULL)
        return WR_ENOMEM;
    memset(bits, 0, WR_BITS_WORDS(vm->row_count) * 8);
    out->valid = bits;
    return WR_OK;
}

/* ---- hidden columns ---- */

static int64_t hidden_number(const struct wr_batch *batch, uint32_t index, uint32_t row,
                             int *is_nil) {
    const struct wr_origin *origin = &batch->origin;
    uint64_t record = origin->first_record + (origin->record == NULL ? row : origin->record[row]);
    if (index == WR_HIDDEN_PARTITION)
        return batch->partition;
    if (index == WR_HIDDEN_EVENT) {
        *is_nil = !origin->is_event;
        return (int64_t)record;
    }
    if (index == WR_HIDDEN_OFFSET) {
        if (origin->start != NULL)
            return (int64_t)(origin->base_byte + origin->start[row]);
        return (int64_t)record;
    }
    *is_nil = origin->base_line == 0 || origin->start == NULL || origin->text == NULL;
    return 0;
}

/* Line numbers of the selected rows: newlines are counted once from the first byte on. */
static void hidden_lines(const struct wr_batch *batch, const struct wr_sel *sel, int64_t *out) {
    const struct wr_origin *origin = &batch->origin;
    uint64_t line = origin->base_line;
    uint32_t at = 0;
    for (uint32_t i = 0; i < sel->count; i++) {
        uint32_t row = sel->rows == NULL ? i : sel->rows[i], start = origin->start[row];
        while (at < start) {
            const char *newline = memchr(origin->text + at, '\n', start - at);
            if (newline == NULL)
                break;
            line++;
            at = (uint32_t)(newline - origin->text) + 1;
        }
        at = WR_MAX(at, start);
        out[row] = (int64_t)line;
    }
}

int wr_ins_hidden(struct wr_vm *vm, const struct wr_ins *ins) {
    const struct wr_sel *sel = &vm->sels[ins->sel];
    const struct wr_batch *batch = vm->batch;
    struct wr_column *out = &vm->regs[ins->out];
    uint32_t index = ins->node->index;
    int is_nil = 0;
    out->valid = NULL;
    if (index == WR_HIDDEN_SOURCE || index == WR_HIDDEN_FILE) {
        const char *name = index == WR_HIDDEN_FILE ? batch->origin.file : batch->origin.source;
        is_nil = name == NULL;
        struct wr_str str =
            wr_str_of(name != NULL ? name : "", name != NULL ? (uint32_t)strlen(name) : 0);
        for (uint32_t i = 0; i < sel->count; i++)
            ((struct wr_str *)out->data)[sel->rows == NULL ? i : sel->rows[i]] = str;
    } else {
        for (uint32_t i = 0; i < sel->count; i++) {
            uint32_t row = sel->rows == NULL ? i : sel->rows[i];
            ((int64_t *)out->data)[row] = hidden_number(batch, index, row, &is_nil);
        }
        if (index == WR_HIDDEN_LINE && !is_nil && sel->count > 0)
            hidden_lines(batch, sel, out->data);
    }
    if (is_nil) {
        uint64_t *bits = wr_vm_bits(vm);
        if (bits == NULL)
            return WR_ENOMEM;
        memset(bits, 0, WR_BITS_WORDS(vm->row_count) * 8);
        out->valid = bits;
    }
    return WR_OK;
}
