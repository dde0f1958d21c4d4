/* program.h: the compiled form of a list: instructions in a straight line over typed registers.
 * A register is a column over the physical rows of the batch; an instruction computes the rows of
 * its selection. Laziness is by narrower selections, so there are no jumps.
 *
 *   node graph --wr_compile--> instructions, registers --wr_vm_run--> columns, failed rows
 *
 * A row that fails is marked, and leaves the selection behind the item; inside `x ?? y` it is
 * marked in a catch instead, and y is computed for it. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "data/batch.h"
#include "data/reject.h"
#include "expr/expr.h"
#include "expr/node.h"

#define WR_NONE UINT32_MAX
#define WR_RESULT_BYTES_MAX (64u << 20) /* bytes of one string that an operator makes */

struct wr_vm;
struct wr_ins;

typedef int (*wr_ins_fn)(struct wr_vm *vm, const struct wr_ins *ins);

enum wr_kernel_flags {
    WR_KERNEL_FAILS = 1, /* a row can fail */
    WR_KERNEL_NILS = 2,  /* takes nil as a value: not folded to nil with a nil argument */
    WR_KERNEL_NEVER_NIL = 4,
    WR_KERNEL_TRUTH = WR_KERNEL_NILS | WR_KERNEL_NEVER_NIL, /* of comparisons */
};

struct wr_kernel {
    const char *name; /* as explain shows it: "+", "int64 < int64" */
    wr_ins_fn run;
    uint8_t flags;
    uint8_t cost; /* rough nanoseconds a row */
};

struct wr_sel {
    const uint32_t *rows; /* NULL: 0 … count-1 */
    uint32_t count;
};

enum wr_reg_kind { WR_REG_TEMP, WR_REG_COLUMN, WR_REG_CONSTANT, WR_REG_OUTPUT };

struct wr_reg {
    uint8_t kind;
    uint8_t width;  /* bytes of an element */
    uint32_t index; /* column: its number; temp: its slot; output: its number */
    uint32_t last;  /* the last instruction that reads it */
    const struct wr_node *node;
};

struct wr_ins {
    wr_ins_fn run;
    const struct wr_node *node; /* whose value this is; NULL for selections */
    uint32_t out;               /* register, or WR_NONE */
    uint32_t arg_count;
    uint32_t *args;           /* registers */
    uint32_t sel;             /* rows to do */
    uint32_t sel_yes, sel_no; /* selections that it makes, or reads (merge); or WR_NONE */
    uint32_t catch_index;     /* WR_NONE: failing rows are rejects */
    uint16_t item;
    uint8_t constant_a, constant_b; /* the first, second argument has one element */
};

struct wr_program {
    uint32_t ins_count, reg_count, sel_count, catch_count, slot_count, output_count;
    struct wr_ins *instructions;
    struct wr_reg *regs;
    uint8_t *slot_widths;
    uint32_t *outputs;  /* registers */
    uint32_t condition; /* selection of a condition's true rows, or WR_NONE */
    uint8_t can_fail, calls_lua, text_outputs;
    const char *timezone;
    const struct wr_schema *input;
    const struct wr_node *const *nodes; /* of the items */
    uint32_t column_words;              /* of `reads` */
    uint64_t *reads;                    /* bits of input columns, then hidden ones */
};

/* One run over one batch. */
struct wr_vm {
    struct wr_eval *eval;
    const struct wr_program *program;
    const struct wr_batch *batch;
    struct wr_arena *scratch;
    struct wr_arena *text; /* where bytes of strings go */
    uint32_t row_count;
    struct wr_column *regs;
    struct wr_sel *sels;
    uint64_t **catches; /* bits of rows that failed inside; NULL until the first does */
    uint64_t *failed;   /* the same of the program; NULL until the first does */
    int status;
};

/* Compiles the nodes of `items` (and what they need) to a program; fills the items' `output` and
 * `column`. */
int wr_compile(struct wr_bind *bind, struct wr_list *list, enum wr_list_kind kind,
               const struct wr_node *const *nodes, const struct wr_program **program);
/* Runs it. `outputs` gets the output columns (memory in `arena`). WR_OK, WR_ENOMEM, WR_ELUA, … */
int wr_vm_run(struct wr_vm *vm, const struct wr_program *program, struct wr_eval *eval,
              const struct wr_batch *batch, struct wr_arena *arena);
/* The one row of a node without columns: WR_OK and *failed set, or a status. For folding; the value
 * lies in bind->fold until the next one. */
int wr_vm_fold(struct wr_bind *bind, const struct wr_node *node, struct wr_column *value,
               int *failed);

/* As a node's `aux`: its arguments were written the other way round, and are computed in that
 * order, so that the failure of a row is that of the first in the text. */
extern const char wr_args_reversed[1];

/* ---- what kernels use ---- */
/* The row fails with a code of reject.h. The kernel still writes a harmless value. */
void wr_vm_fail(struct wr_vm *vm, const struct wr_ins *ins, uint32_t row, int code,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Valid bits for all rows, all set; NULL: out of memory, and the status is set. */
uint64_t *wr_vm_bits(struct wr_vm *vm);
/* The result of an operator that gives nil for nil: valid where both arguments are. */
int wr_vm_valid_both(struct wr_vm *vm, const struct wr_ins *ins);
/* Clears the bools of rows in which an argument is nil: comparisons are false then. */
void wr_vm_false_for_nil(struct wr_vm *vm, const struct wr_ins *ins);
/* Runs a library function (call.c). */
int wr_ins_call(struct wr_vm *vm, const struct wr_ins *ins);
int wr_ins_user_call(struct wr_vm *vm, const struct wr_ins *ins);
int wr_ins_hidden(struct wr_vm *vm, const struct wr_ins *ins);
int wr_ins_fill(struct wr_vm *vm, const struct wr_ins *ins);
int wr_ins_split(struct wr_vm *vm, const struct wr_ins *ins);
int wr_ins_split_catch(struct wr_vm *vm, const struct wr_ins *ins);
int wr_ins_narrow(struct wr_vm *vm, const struct wr_ins *ins);
int wr_ins_merge(struct wr_vm *vm, const struct wr_ins *ins);
int wr_ins_choose(struct wr_vm *vm, const struct wr_ins *ins);

/* Registers have room for so many rows more than the batch, for loops that write eight at once. */
#define WR_ROWS_BEHIND 8
/* Eight bits as eight bytes of 0 or 1, the lowest first. */
static inline uint64_t wr_bits_spread(uint64_t bits) {
    uint64_t spread = ((bits & 0xff) * UINT64_C(0x0101010101010101)) & UINT64_C(0x8040201008040201);
    return ((spread + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7) & UINT64_C(0x0101010101010101);
}

/* Rows that a kernel which cannot fail may do instead of its selection: all physical ones, when the
 * selection is most of them (the loop over all is a vector loop). */
static inline uint32_t wr_vm_dense(const struct wr_vm *vm, const struct wr_sel *sel) {
    if (sel->rows == NULL)
        return sel->count;
    return sel->count >= vm->row_count / 4 ? vm->row_count : 0;
}
static inline int wr_vm_is_nil(const struct wr_column *column, uint8_t constant, uint32_t row) {
    return column->valid != NULL && !wr_bit_get(column->valid, constant ? 0 : row);
}

/* A kernel's loop over one or two typed arguments: EXPR in x and y, the result goes to out[row].
 * Three forms (both columns, one constant), each over all rows or over a selection. For kernels
 * that cannot fail and read no pointer. */
#define WR_EACH_(vm, sel, STATEMENT) \
    do { \
        uint32_t dense_ = wr_vm_dense(vm, sel); \
        if (dense_ > 0) { \
            for (uint32_t row = 0; row < dense_; row++) { \
                STATEMENT; \
            } \
        } else { \
            for (uint32_t i_ = 0; i_ < (sel)->count; i_++) { \
                uint32_t row = (sel)->rows[i_]; \
                STATEMENT; \
            } \
        } \
    } while (0)
#define WR_LOOP_1(vm, ins, TA, TO, EXPR) \
    do { \
        const struct wr_sel *sel_ = &(vm)->sels[(ins)->sel]; \
        const TA *a_ = (vm)->regs[(ins)->args[0]].data; \
        TO *restrict out_ = (vm)->regs[(ins)->out].data; \
        WR_EACH_(vm, sel_, const TA x = a_[row]; out_[row] = (TO)(EXPR)); \
    } while (0)
#define WR_LOOP_2(vm, ins, TA, TB, TO, EXPR) \
    do { \
        const struct wr_sel *sel_ = &(vm)->sels[(ins)->sel]; \
        const TA *a_ = (vm)->regs[(ins)->args[0]].data; \
        const TB *b_ = (vm)->regs[(ins)->args[1]].data; \
        TO *restrict out_ = (vm)->regs[(ins)->out].data; \
        if ((ins)->constant_b) { \
            const TB y = *b_; \
            WR_EACH_(vm, sel_, const TA x = a_[row]; out_[row] = (TO)(EXPR)); \
        } else if ((ins)->constant_a) { \
            const TA x = *a_; \
            WR_EACH_(vm, sel_, const TB y = b_[row]; out_[row] = (TO)(EXPR)); \
        } else { \
            WR_EACH_(vm, sel_, const TA x = a_[row]; const TB y = b_[row]; \
                     out_[row] = (TO)(EXPR)); \
        } \
    } while (0)
/* The rows of the selection in which no argument is nil, one by one: for kernels that can fail or
 * read pointers. ARGS is 1 or 2; `ra` and `rb` are the element numbers. */
#define WR_ROWS_BEGIN(vm, ins) \
    { \
        const struct wr_sel *sel_ = &(vm)->sels[(ins)->sel]; \
        const struct wr_column *ca_ = &(vm)->regs[(ins)->args[0]]; \
        const struct wr_column *cb_ = &(vm)->regs[(ins)->args[(ins)->arg_count > 1]]; \
        const uint32_t ma_ = (ins)->constant_a ? 0 : UINT32_MAX; \
        const uint32_t mb_ = (ins)->arg_count > 1 && (ins)->constant_b ? 0 : UINT32_MAX; \
        for (uint32_t i_ = 0; i_ < sel_->count; i_++) { \
            const uint32_t row = sel_->rows == NULL ? i_ : sel_->rows[i_]; \
            const uint32_t ra = row & ma_, rb = row & mb_; \
            (void)rb; \
            if ((ca_->valid != NULL && !wr_bit_get(ca_->valid, ra)) || \
                (cb_->valid != NULL && (ins)->arg_count > 1 && !wr_bit_get(cb_->valid, rb))) \
                continue;
#define WR_ROWS_END \
    } \
    }

/* ---- kernels, by room file. NULL: there is none. ---- */
enum wr_operator {
    WR_OP_ADD,
    WR_OP_SUB,
    WR_OP_MUL,
    WR_OP_DIV,
    WR_OP_IDIV,
    WR_OP_MOD,
    WR_OP_POW,
    WR_OP_BAND,
    WR_OP_BOR,
    WR_OP_BXOR,
    WR_OP_SHL,
    WR_OP_SHR,
    WR_OP_CONCAT,
    WR_OP_EQ,
    WR_OP_NE,
    WR_OP_LT,
    WR_OP_LE,
    WR_OP_GT,
    WR_OP_GE,
    WR_OP_LIKE,
    WR_OP_COUNT
};
/* kernel_number.c: int64 with int64, float64 with float64. */
const struct wr_kernel *wr_kernel_number(enum wr_operator op, enum wr_type_kind kind);
extern const struct wr_kernel wr_kernel_neg_int64, wr_kernel_neg_float64, wr_kernel_bnot;
extern const struct wr_kernel wr_kernel_idiv_safe, wr_kernel_mod_safe; /* a divisor that is not 0 */
extern const struct wr_kernel wr_kernel_int64_to_float64;
/* kernel_compare.c: both of one kind; int64 with float64 is WR_NIL's row. */
const struct wr_kernel *wr_kernel_compare(enum wr_operator op, enum wr_type_kind kind);
extern const struct wr_kernel wr_kernel_is_nil, wr_kernel_not_nil, wr_kernel_truth, wr_kernel_not;
extern const struct wr_kernel wr_kernel_and, wr_kernel_or; /* eager, nil as Lua has it */
/* kernel_time.c */
const struct wr_kernel *wr_kernel_time(enum wr_operator op, enum wr_type_kind a,
                                       enum wr_type_kind b);
extern const struct wr_kernel wr_kernel_neg_duration;
/* kernel_decimal.c: both decimals of the result's scale; aux unused. */
const struct wr_kernel *wr_kernel_decimal(enum wr_operator op);
extern const struct wr_kernel wr_kernel_int64_to_decimal, wr_kernel_decimal_rescale,
    wr_kernel_neg_decimal, wr_kernel_decimal_to_float64;
/* kernel_text.c */
extern const struct wr_kernel wr_kernel_concat, wr_kernel_length, wr_kernel_like,
    wr_kernel_int64_text;
/* kernel_set.c: aux is a wr_set. */
extern const struct wr_kernel wr_kernel_in_set, wr_kernel_in_list;
/* kernel_json.c */
const struct wr_kernel *wr_kernel_json(enum wr_operator op);
extern const struct wr_kernel wr_kernel_json_path, wr_kernel_json_index, wr_kernel_json_length,
    wr_kernel_json_neg, wr_kernel_json_bnot, wr_kernel_json_to, wr_kernel_json_text;
