/* explain.c: how a list runs, for people: native or in the VM, and the bound expression of each
 * item. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/codec.h"
#include "expr/like.h"
#include "expr/program.h"
#include "expr/set.h"
#include "base/banned.h"

#define TEXT_BYTES_MAX (8u << 10) /* of one item's expression; the rest is "…" */

static void put_node(struct wr_buf *buf, const struct wr_program *program,
                     const struct wr_node *node);

static void put_args(struct wr_buf *buf, const struct wr_program *program,
                     const struct wr_node *node, const char *separator) {
    for (uint32_t i = 0; i < node->arg_count; i++) {
        if (i > 0)
            wr_buf_add_text(buf, separator);
        put_node(buf, program, node->args[i]);
    }
}

static void put_call(struct wr_buf *buf, const struct wr_program *program,
                     const struct wr_node *node, const char *name) {
    wr_buf_addf(buf, "%s(", name);
    put_args(buf, program, node, ", ");
    wr_buf_add_char(buf, ')');
}

static void put_constant(struct wr_buf *buf, const struct wr_node *node) {
    int quoted = node->type.kind == WR_STRING || node->type.kind >= WR_TIMESTAMP;
    if (wr_node_is_nil(node)) {
        wr_buf_add_text(buf, "nil");
        return;
    }
    if (quoted && node->type.kind != WR_STRING) {
        char type[128];
        wr_buf_add_text(buf, wr_type_text(&node->type, type, sizeof type));
    }
    wr_buf_add_text(buf, quoted ? "'" : "");
    wr_value_show(buf, &node->type, &node->constant, 0);
    wr_buf_add_text(buf, quoted ? "'" : "");
}

/* The pattern again, in its own escapes. */
static void put_like(struct wr_buf *buf, const struct wr_like *like) {
    wr_buf_add_text(buf, like->open_start ? "'%" : "'");
    for (uint32_t p = 0; p < like->piece_count; p++) {
        const struct wr_like_piece *piece = &like->pieces[p];
        wr_buf_add_text(buf, p > 0 ? "%" : "");
        for (uint32_t i = 0; i < piece->length; i++) {
            int is_any = piece->any != NULL && piece->any[i];
            if (!is_any && strchr("%_\\", piece->bytes[i]) != NULL && piece->bytes[i] != 0)
                wr_buf_add_char(buf, '\\');
            wr_buf_add_char(buf, is_any ? '_' : piece->bytes[i]);
        }
    }
    int has_end = like->open_end && (like->piece_count > 0 || !like->open_start);
    wr_buf_add_text(buf, has_end ? "%'" : "'");
}

/* Operators whose second operand is no argument, or is written in brackets. 0: it is none. */
static int put_special(struct wr_buf *buf, const struct wr_program *program,
                       const struct wr_node *node) {
    const struct wr_kernel *kernel = node->kernel;
    char type[128];
    if (kernel == &wr_kernel_json_to) {
        put_call(buf, program, node, wr_type_text(&node->type, type, sizeof type));
    } else if (kernel == &wr_kernel_truth) {
        put_node(buf, program, node->args[0]);
    } else if (kernel == &wr_kernel_json_path) {
        put_node(buf, program, node->args[0]);
        wr_buf_add_char(buf, '[');
        put_node(buf, program, node->args[1]);
        wr_buf_add_char(buf, ']');
    } else if (kernel == &wr_kernel_like) {
        wr_buf_add_char(buf, '(');
        put_node(buf, program, node->args[0]);
        wr_buf_add_text(buf, " like ");
        put_like(buf, node->aux);
        wr_buf_add_char(buf, ')');
    } else if (kernel == &wr_kernel_in_set) {
        const struct wr_set *set = node->aux;
        wr_buf_add_char(buf, '(');
        put_node(buf, program, node->args[0]);
        wr_buf_addf(buf, " in (%u values))", set->count + set->has_nil);
    } else {
        return 0;
    }
    return 1;
}

static void put_kernel(struct wr_buf *buf, const struct wr_program *program,
                       const struct wr_node *node) {
    if (put_special(buf, program, node))
        return;
    if (node->arg_count == 2 || node->kernel == &wr_kernel_concat) {
        char separator[32];
        snprintf(separator, sizeof separator, " %s ", node->kernel->name);
        wr_buf_add_char(buf, '(');
        put_args(buf, program, node, separator);
        wr_buf_add_char(buf, ')');
    } else if (node->kernel == &wr_kernel_is_nil || node->kernel == &wr_kernel_not_nil) {
        wr_buf_add_char(buf, '(');
        put_node(buf, program, node->args[0]);
        wr_buf_addf(buf, " %s)", node->kernel->name);
    } else {
        put_call(buf, program, node, node->kernel->name);
    }
}

/* Of a name that weir has made for itself, what is to be read: behind a byte 1, before a byte 2. */
static void put_column(struct wr_buf *buf, const struct wr_field *field) {
    const char *name = field->name, *end = name + field->name_length;
    if (name < end && *name == 1) {
        name++;
        const char *number = memchr(name, 2, (size_t)(end - name));
        end = number != NULL ? number : end;
    }
    wr_buf_add(buf, name, (size_t)(end - name));
}

static void put_node(struct wr_buf *buf, const struct wr_program *program,
                     const struct wr_node *node) {
    if (buf->length > TEXT_BYTES_MAX) {
        wr_buf_add_text(buf, "…");
        return;
    }
    switch ((enum wr_node_kind)node->kind) {
    case WR_NODE_CONSTANT: put_constant(buf, node); break;
    case WR_NODE_COLUMN: put_column(buf, &program->input->fields[node->index]); break;
    case WR_NODE_HIDDEN: wr_buf_add_text(buf, wr_hidden_name(node->index)); break;
    case WR_NODE_KERNEL: put_kernel(buf, program, node); break;
    case WR_NODE_CALL: put_call(buf, program, node, node->function->name); break;
    case WR_NODE_USER: put_call(buf, program, node, node->user->name); break;
    case WR_NODE_IF: put_call(buf, program, node, "case"); break;
    case WR_NODE_AND:
    case WR_NODE_OR:
    case WR_NODE_ELSE:
    case WR_NODE_CATCH: {
        static const char *const words[] = {[WR_NODE_AND] = " and ",
                                            [WR_NODE_OR] = " or ",
                                            [WR_NODE_ELSE] = " or ",
                                            [WR_NODE_CATCH] = " ?? "};
        wr_buf_add_char(buf, '(');
        put_args(buf, program, node,
                 words[node->index & WR_WRITTEN_CATCH ? WR_NODE_CATCH : node->kind]);
        wr_buf_add_char(buf, ')');
        break;
    }
    }
}

/* The names of the Lua functions that `node` calls, each once. */
static void put_lua(struct wr_buf *buf, const struct wr_node *node) {
    if (!(node->flags & WR_NODE_CALLS_LUA) || buf->length > TEXT_BYTES_MAX)
        return;
    if (node->kind == WR_NODE_USER &&
        (buf->length == 0 || strstr(buf->bytes, node->user->name) == NULL))
        wr_buf_addf(buf, "%s%s", buf->length == 0 ? "vm: " : ", ", node->user->name);
    for (uint32_t i = 0; i < node->arg_count; i++)
        put_lua(buf, node->args[i]);
}

static int set_text(struct wr_arena *arena, struct wr_value *map, uint32_t index, const char *name,
                    const char *text) {
    struct wr_value *value = wr_value_new_string(arena, text, strlen(text));
    if (value == NULL)
        return WR_ENOMEM;
    map->names[index] = name;
    map->items[index] = *value;
    return WR_OK;
}

static int explain_item(const struct wr_list *list, uint32_t index, struct wr_arena *arena,
                        struct wr_value *out) {
    const struct wr_item *item = &list->items[index];
    const struct wr_node *node = list->program->nodes[index];
    const char *name = item->label != NULL ? item->label : item->name;
    struct wr_buf text, how;
    char type[256];
    wr_buf_init(&text, &wr_budget_control, 0);
    wr_buf_init(&how, &wr_budget_control, 0);
    put_node(&text, list->program, node);
    put_lua(&how, node);
    struct wr_value *map = wr_value_new_map(arena, 4);
    int status = map == NULL ? WR_ENOMEM : text.status != WR_OK ? text.status : how.status;
    if (status == WR_OK)
        status = set_text(arena, map, 0, "expr", text.bytes);
    if (status == WR_OK)
        status = set_text(arena, map, 1, "how", how.length > 0 ? how.bytes : "native");
    if (status == WR_OK)
        status = set_text(arena, map, 2, "name", name != NULL ? name : "");
    if (status == WR_OK)
        status = set_text(arena, map, 3, "type", wr_type_text(&item->type, type, sizeof type));
    wr_buf_release(&text);
    wr_buf_release(&how);
    if (status == WR_OK)
        *out = *map;
    return status;
}

int wr_list_explain(const struct wr_list *list, struct wr_arena *arena, struct wr_value *out) {
    struct wr_value *items = wr_value_new_list(arena, list->item_count);
    int status = items == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < list->item_count && status == WR_OK; i++)
        status = explain_item(list, i, arena, &items->items[i]);
    if (status == WR_OK)
        *out = *items;
    return status;
}
