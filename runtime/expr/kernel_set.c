/* kernel_set.c: `x in (…)` with constants. */
#include <math.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "expr/node.h"
#include "expr/program.h"
#include "expr/set.h"
#include "base/banned.h"

#define SET_SEED UINT64_C(0x736574)

int wr_set_takes(enum wr_type_kind kind) {
    return kind == WR_INT64 || kind == WR_FLOAT64 || kind == WR_STRING || kind == WR_BYTES ||
           kind == WR_TIMESTAMP || kind == WR_DATE || kind == WR_DURATION;
}

/* The bits by which a float64 is found: equal numbers have equal bits. */
static inline uint64_t float_word(double number) {
    uint64_t word;
    number += 0.0; /* -0.0 is 0.0 */
    memcpy(&word, &number, 8);
    return word;
}

/* The member as a word of x's type; 0 when x never equals it. */
static int member_word(const struct wr_set *set, const struct wr_node *member, uint64_t *word) {
    const void *data = member->constant.data;
    if (set->type.kind == WR_FLOAT64) {
        double number =
            member->type.kind == WR_INT64 ? (double)*(const int64_t *)data : *(const double *)data;
        *word = float_word(number);
        if (member->type.kind == WR_INT64 &&
            (fabs(number) >= 0x1p63 || (int64_t)number != *(const int64_t *)data))
            return 0;
        return number == number;
    }
    if (member->type.kind == WR_FLOAT64) {
        double number = *(const double *)data;
        if (!(fabs(number) < 0x1p63) || floor(number) != number)
            return 0;
        *word = (uint64_t)(int64_t)number;
        return 1;
    }
    if (member->type.kind == WR_DECIMAL) {
        __int128 value = *(const __int128 *)data;
        for (int i = 0; i < member->type.scale; i++) {
            if (value % 10 != 0)
                return 0;
            value /= 10;
        }
        *word = (uint64_t)value;
        return value >= INT64_MIN && value <= INT64_MAX;
    }
    memcpy(word, data, 8);
    return 1;
}

static void set_add(struct wr_set *set, uint64_t word, const struct wr_str *str) {
    uint32_t at = (uint32_t)(str != NULL ? word : wr_hash_u64(word, SET_SEED)) & set->mask;
    for (; set->used[at]; at = (at + 1) & set->mask) {
        if (str != NULL ? wr_str_equal(&set->strings[at], str) : set->slots[at] == word)
            return;
    }
    set->used[at] = 1;
    set->slots[at] = word;
    if (str != NULL)
        set->strings[at] = *str;
    set->words[set->count++] = word;
}

struct wr_set *wr_set_new(struct wr_bind *bind, struct wr_type type,
                          const struct wr_node *const *members, uint32_t count) {
    uint32_t slots = 16;
    while (slots < count * 2)
        slots *= 2;
    struct wr_set *set = WR_ARENA_ZEROS(bind->arena, struct wr_set, 1);
    if (set == NULL)
        return wr_bind_no_memory(bind);
    set->type = type;
    set->mask = slots - 1;
    set->words = WR_ARENA_ZEROS(bind->arena, uint64_t, count + 1);
    set->slots = WR_ARENA_ZEROS(bind->arena, uint64_t, slots);
    set->used = wr_arena_alloc_zero(bind->arena, slots);
    set->strings = WR_ARENA_ZEROS(bind->arena, struct wr_str, slots);
    if (set->words == NULL || set->slots == NULL || set->used == NULL || set->strings == NULL)
        return wr_bind_no_memory(bind);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t word = 0;
        if (wr_node_is_nil(members[i])) {
            set->has_nil = 1;
        } else if (wr_type_is_text(type.kind)) {
            const struct wr_str *str = members[i]->constant.data;
            set_add(set, wr_hash_bytes(wr_str_bytes(str), str->length, SET_SEED), str);
        } else if (member_word(set, members[i], &word)) {
            set_add(set, word, NULL);
        }
    }
    return set;
}

static inline uint8_t has_word(const struct wr_set *set, uint64_t word) {
    uint32_t at = (uint32_t)wr_hash_u64(word, SET_SEED) & set->mask;
    for (; set->used[at]; at = (at + 1) & set->mask)
        if (set->slots[at] == word)
            return 1;
    return 0;
}

static uint8_t has_string(const struct wr_set *set, const struct wr_str *str) {
    uint64_t hash = wr_hash_bytes(wr_str_bytes(str), str->length, SET_SEED);
    uint32_t at = (uint32_t)hash & set->mask;
    for (; set->used[at]; at = (at + 1) & set->mask)
        if (set->slots[at] == hash && wr_str_equal(&set->strings[at], str))
            return 1;
    return 0;
}

/* One comparison after the other, each over all rows: vector loops. */
static void few_words(struct wr_vm *vm, const struct wr_ins *ins, const struct wr_set *set) {
    const struct wr_sel *sel = &vm->sels[ins->sel];
    const int64_t *x = vm->regs[ins->args[0]].data;
    uint8_t *restrict out = vm->regs[ins->out].data;
    WR_EACH_(vm, sel, out[row] = 0);
    for (uint32_t i = 0; i < set->count; i++) {
        const int64_t want = (int64_t)set->words[i];
        WR_EACH_(vm, sel, out[row] |= (uint8_t)(x[row] == want));
    }
}

static int in_set(struct wr_vm *vm, const struct wr_ins *ins) {
    const struct wr_set *set = ins->node->aux;
    const struct wr_sel *sel = &vm->sels[ins->sel];
    const struct wr_column *column = &vm->regs[ins->args[0]];
    uint8_t *restrict out = vm->regs[ins->out].data;
    if (wr_type_is_text(set->type.kind)) {
        const struct wr_str *x = column->data;
        WR_ROWS_BEGIN(vm, ins)
        out[row] = has_string(set, &x[ra]);
        WR_ROWS_END
    } else if (set->type.kind == WR_FLOAT64) {
        const double *x = column->data;
        WR_EACH_(vm, sel, out[row] = has_word(set, float_word(x[row])));
    } else if (set->count <= WR_SET_LINEAR_MAX && !ins->constant_a) {
        few_words(vm, ins, set);
    } else {
        const uint64_t *x = column->data;
        WR_EACH_(vm, sel, out[row] = has_word(set, x[row]));
    }
    vm->regs[ins->out].valid = NULL;
    if (column->valid == NULL)
        return WR_OK;
    for (uint32_t i = 0; i < sel->count; i++) {
        uint32_t row = sel->rows == NULL ? i : sel->rows[i];
        if (wr_vm_is_nil(column, ins->constant_a, row))
            out[row] = set->has_nil;
    }
    return WR_OK;
}

const struct wr_kernel wr_kernel_in_set = {"in", in_set, WR_KERNEL_TRUTH, 4};
