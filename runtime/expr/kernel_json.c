/* kernel_json.c: operators over json, list, struct and map columns. */
#include "base/status.h"
#include "expr/node.h"
#include "expr/program.h"
#include "base/banned.h"

static int unsupported(struct wr_vm *vm, const struct wr_ins *ins) {
    (void)vm;
    (void)ins;
    return WR_EUNSUPPORTED;
}
#define K(name) const struct wr_kernel name = {"json", unsupported, WR_KERNEL_FAILS, 50};
K(wr_kernel_json_path)
K(wr_kernel_json_index)
K(wr_kernel_json_length)
K(wr_kernel_json_neg)
K(wr_kernel_json_bnot)
K(wr_kernel_json_to)
K(wr_kernel_json_text)
K(wr_kernel_in_list)
const struct wr_kernel *wr_kernel_json(enum wr_operator op) {
    (void)op;
    return &wr_kernel_json_path;
}
const struct wr_node *wr_bind_path(struct wr_bind *bind, const struct wr_value *ast) {
    return wr_bind_fault(bind, "W104", wr_ast_from(ast), wr_ast_to(ast), "paths come later");
}
