/* top_tree.c: the order of a group's rows. Links are numbers of nodes, so each step is a look into
 * the table; nothing is made or removed here, so nodes stay where they are. */
#include "base/assert.h"
#include "base/hash.h"
#include "op/top.h"
#include "base/banned.h"

#define PRIORITY_SEED UINT64_C(0x746f7020726f7773)

struct top_node *top_node(const struct wr_table *rows, uint64_t id) {
    uint8_t *row = wr_table_find_word(rows, id);
    WR_ASSERT(row != NULL);
    return (struct top_node *)(void *)row;
}

static uint64_t priority(uint64_t id) {
    return wr_hash_u64(id, PRIORITY_SEED);
}

static int by_arrival(const struct top *self, int64_t time_a, uint64_t id_a, int64_t time_b,
                      uint64_t id_b) {
    const struct top_config *config = top_config_of(self);
    int by = config->by_time ? (time_a > time_b) - (time_a < time_b) : 0;
    if (by == 0)
        by = (id_a > id_b) - (id_a < id_b);
    return config->ties == TOP_TIES_LAST ? -by : by;
}

int top_compare(const struct top *self, const struct top_node *a, const struct top_node *b,
                int whole) {
    const struct wr_list *order = top_config_of(self)->order;
    for (uint32_t i = 0; order != NULL && i < order->item_count; i++) {
        uint32_t k = self->order_cells[i];
        int by = wr_payload_compare(&self->payload, k, top_payload(a), top_payload(b));
        if (by == 0)
            continue;
        int nils = wr_payload_is_nil(top_payload(a), k) || wr_payload_is_nil(top_payload(b), k);
        return order->items[i].desc && !nils ? -by : by;
    }
    return whole ? by_arrival(self, a->time, a->id, b->time, b->id) : 0;
}

int top_compare_row(const struct top *self, const struct wr_batch *wide, uint32_t row,
                    const struct top_node *node, int whole) {
    const struct top_config *config = top_config_of(self);
    const struct wr_list *order = config->order;
    for (uint32_t i = 0; order != NULL && i < order->item_count; i++) {
        uint32_t k = self->order_cells[i];
        const struct wr_column *column = &wide->columns[config->order_columns[i]];
        int by = wr_payload_compare_row(&self->payload, k, column, row, top_payload(node));
        if (by == 0)
            continue;
        int nils = wr_column_is_nil(column, row) || wr_payload_is_nil(top_payload(node), k);
        return order->items[i].desc && !nils ? -by : by;
    }
    if (!whole)
        return 0;
    int64_t time = wide->event_time == NULL ? 0 : wide->event_time[row];
    return by_arrival(self, time, UINT64_MAX, node->time, node->id);
}

uint32_t top_size(const struct wr_table *rows, uint64_t root) {
    return root == 0 ? 0 : top_node(rows, root)->size;
}

uint32_t top_position_of_row(const struct top *self, const struct wr_table *rows, uint64_t root,
                             const struct wr_batch *wide, uint32_t row) {
    uint32_t before = 0;
    while (root != 0) {
        const struct top_node *node = top_node(rows, root);
        if (top_compare_row(self, wide, row, node, 1) < 0) {
            root = node->left;
        } else {
            before += top_size(rows, node->left) + 1;
            root = node->right;
        }
    }
    return before;
}

int top_is_beaten(const struct top *self, const struct wr_table *rows, uint64_t root,
                  const struct wr_batch *wide, uint32_t row) {
    uint32_t count = top_config_of(self)->rows;
    if (top_size(rows, root) < count)
        return 0;
    return top_compare_row(self, wide, row, top_node(rows, top_select(rows, root, count - 1)), 0) >
           0;
}

uint32_t top_position(const struct top *self, const struct wr_table *rows, uint64_t root,
                      const struct top_node *node) {
    uint32_t before = 0;
    while (root != node->id) {
        WR_ASSERT(root != 0);
        const struct top_node *at = top_node(rows, root);
        if (top_compare(self, node, at, 1) < 0) {
            root = at->left;
        } else {
            before += top_size(rows, at->left) + 1;
            root = at->right;
        }
    }
    return before + top_size(rows, node->left);
}

uint32_t top_count_before(const struct top *self, const struct wr_table *rows, uint64_t root,
                          const struct top_node *node, int equal) {
    uint32_t before = 0;
    while (root != 0) {
        const struct top_node *at = top_node(rows, root);
        int by = top_compare(self, node, at, 0);
        if (by < 0 || (by == 0 && !equal)) {
            root = at->left;
        } else {
            before += top_size(rows, at->left) + 1;
            root = at->right;
        }
    }
    return before;
}

uint64_t top_select(const struct wr_table *rows, uint64_t root, uint32_t at) {
    for (;;) {
        WR_ASSERT(root != 0);
        const struct top_node *node = top_node(rows, root);
        uint32_t left = top_size(rows, node->left);
        if (at == left)
            return root;
        root = at < left ? node->left : node->right;
        at = at < left ? at : at - left - 1;
    }
}

void top_range(const struct wr_table *rows, uint64_t root, uint32_t first, uint32_t end,
               uint64_t *ids) {
    if (root == 0 || first >= end)
        return;
    const struct top_node *node = top_node(rows, root);
    uint32_t left = top_size(rows, node->left);
    if (first < left)
        top_range(rows, node->left, first, WR_MIN(end, left), ids);
    if (first <= left && left < end)
        ids[left - first] = root;
    if (end > left + 1) {
        uint32_t skip = WR_MAX(first, left + 1);
        top_range(rows, node->right, skip - left - 1, end - left - 1, ids + (skip - first));
    }
}

static void update(struct wr_table *rows, struct top_node *node) {
    node->size = top_size(rows, node->left) + top_size(rows, node->right) + 1;
    wr_table_touch(rows, (uint8_t *)node);
}

/* Parts a tree into the nodes before `new` and those behind it. */
static void split(const struct top *self, struct wr_table *rows, uint64_t root,
                  const struct top_node *new, uint64_t *left, uint64_t *right) {
    if (root == 0) {
        *left = *right = 0;
        return;
    }
    struct top_node *node = top_node(rows, root);
    if (top_compare(self, new, node, 1) < 0) {
        split(self, rows, node->left, new, left, &node->left);
        *right = root;
    } else {
        split(self, rows, node->right, new, &node->right, right);
        *left = root;
    }
    update(rows, node);
}

static uint64_t insert(const struct top *self, struct wr_table *rows, uint64_t root,
                       struct top_node *new) {
    if (root == 0 || priority(new->id) > priority(root)) {
        split(self, rows, root, new, &new->left, &new->right);
        update(rows, new);
        return new->id;
    }
    struct top_node *node = top_node(rows, root);
    if (top_compare(self, new, node, 1) < 0)
        node->left = insert(self, rows, node->left, new);
    else
        node->right = insert(self, rows, node->right, new);
    update(rows, node);
    return root;
}

uint64_t top_insert(const struct top *self, struct wr_table *rows, uint64_t root, uint64_t id) {
    return insert(self, rows, root, top_node(rows, id));
}

static uint64_t merge(struct wr_table *rows, uint64_t a, uint64_t b) {
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    int first = priority(a) > priority(b);
    struct top_node *node = top_node(rows, first ? a : b);
    if (first)
        node->right = merge(rows, node->right, b);
    else
        node->left = merge(rows, a, node->left);
    update(rows, node);
    return first ? a : b;
}

static uint64_t erase(const struct top *self, struct wr_table *rows, uint64_t root,
                      const struct top_node *gone) {
    WR_ASSERT(root != 0);
    struct top_node *node = top_node(rows, root);
    if (root == gone->id)
        return merge(rows, node->left, node->right);
    if (top_compare(self, gone, node, 1) < 0)
        node->left = erase(self, rows, node->left, gone);
    else
        node->right = erase(self, rows, node->right, gone);
    update(rows, node);
    return root;
}

uint64_t top_erase(const struct top *self, struct wr_table *rows, uint64_t root, uint64_t id) {
    return erase(self, rows, root, top_node(rows, id));
}
