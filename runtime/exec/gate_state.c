/* gate_state.c: the rows that wait in a gate, as bytes and back. */
#include "exec/gate_parts.h"

#include "base/buf.h"
#include "base/status.h"
#include "exec/stop.h"
#include "exec/unit.h"
#include "base/banned.h"

static void save_last(const struct gate_port *port, struct wr_buf *out) {
    wr_buf_add_char(out, (char)port->has_last);
    if (!port->has_last)
        return;
    wr_buf_add_u64(out, (uint64_t)port->last.time_us);
    wr_buf_add_char(out, (char)port->last.has_origin);
    wr_buf_add_varint(out, port->last.source);
    wr_buf_add_varint(out, port->last.partition);
    wr_buf_add_varint(out, port->last.record);
}

/* WR_OK, or WR_ECORRUPT where it names a source that the run has not. */
static int load_last(struct gate *gate, uint32_t port_index, struct wr_reader *in) {
    struct gate_port *port = &gate->ports[port_index];
    const char *flag = wr_reader_bytes(in, 1);
    port->has_last = flag != NULL && *flag != 0;
    if (!port->has_last)
        return WR_OK;
    port->last.port = port_index;
    port->last.time_us = (int64_t)wr_reader_u64(in);
    flag = wr_reader_bytes(in, 1);
    port->last.has_origin = flag != NULL && *flag != 0;
    uint64_t source = wr_reader_varint(in), partition = wr_reader_varint(in);
    port->last.record = wr_reader_varint(in);
    if (port->last.has_origin && (source > UINT32_MAX || partition > UINT32_MAX ||
                                  !run_has_lane(gate->run, (uint32_t)source, (uint32_t)partition)))
        return WR_ECORRUPT;
    port->last.source = (uint32_t)source;
    port->last.partition = (uint32_t)partition;
    return WR_OK;
}

uint64_t gate_rows(const struct gate *gate) {
    uint64_t rows = 0;
    for (uint32_t p = 0; p < gate->port_count; p++) {
        rows -= gate->ports[p].at;
        for (uint32_t i = gate->ports[p].head; i < gate->ports[p].count; i++)
            if (gate->ports[p].queue[i].batch != NULL)
                rows += gate->ports[p].queue[i].batch->sel_count;
    }
    return rows;
}

int gate_save(const struct gate *gate, struct wr_buf *out) {
    wr_buf_add_char(out, (char)gate->done);
    for (uint32_t p = 0; p < gate->port_count; p++) {
        const struct gate_port *port = &gate->ports[p];
        wr_buf_add_u64(out, (uint64_t)port->consumed);
        save_last(port, out);
        wr_buf_add_varint(out, port->count - port->head);
        for (uint32_t i = port->head; i < port->count; i++) {
            wr_buf_add_u64(out, (uint64_t)port->queue[i].said);
            wr_buf_add_char(out, port->queue[i].batch != NULL);
            if (port->queue[i].batch == NULL)
                continue;
            struct wr_batch rest = wr_batch_look(port->queue[i].batch);
            struct wr_arena_mark mark = wr_arena_mark(&gate->run->scratch);
            if (i == port->head && port->at > 0) { /* the rows that are still to be consumed */
                rest.sel_count -= port->at;
                uint32_t *sel = WR_ARENA_ARRAY(&gate->run->scratch, uint32_t, rest.sel_count);
                if (sel == NULL)
                    return WR_ENOMEM;
                for (uint32_t r = 0; r < rest.sel_count; r++)
                    sel[r] = wr_batch_row(port->queue[i].batch, port->at + r);
                rest.sel = sel;
            }
            int status = wr_batch_save(&rest, out);
            wr_arena_rewind(&gate->run->scratch, mark);
            if (status != WR_OK)
                return status;
        }
    }
    return out->status;
}

/* Rows that were read back have what the gate and its unit look at: a damaged part has not. */
static int is_whole(const struct gate *gate, const struct gate_port *port,
                    const struct wr_node *input, const struct wr_batch *batch) {
    int has_time = (gate->mode == WR_MERGE_TIME && !port->first) || input->out.has_time;
    if (has_time && batch->event_time == NULL)
        return 0;
    if (batch->weight != NULL && !input->out.updates)
        return 0;
    for (uint32_t c = 0; c < batch->schema->field_count; c++)
        if (!gate->run->is_changed && wr_bit_get(input->needed, c) &&
            batch->columns[c].data == NULL)
            return 0;
    return 1;
}

static int load_waiter(struct gate *gate, uint32_t port_index, struct wr_reader *in) {
    struct gate_port *port = &gate->ports[port_index];
    const struct wr_node *node = gate->unit->node;
    const struct wr_node *input = gate->run->plan->nodes[node->inputs[port->input]];
    struct wr_batch *batch = NULL;
    int64_t said = (int64_t)wr_reader_u64(in);
    const char *has_batch = wr_reader_bytes(in, 1);
    if (has_batch == NULL)
        return WR_ECORRUPT;
    int status = WR_OK;
    if (*has_batch != 0)
        status = wr_batch_load(&gate->run->central_pool, input->out.schema, in, &batch);
    if (status == WR_OK && batch != NULL && !is_whole(gate, port, input, batch))
        status = WR_ECORRUPT;
    if (status == WR_OK)
        status = gate_port_add(gate, port, batch);
    if (status == WR_OK)
        port->queue[port->count - 1].said = said;
    wr_batch_unref(batch);
    return status;
}

int gate_load(struct gate *gate, struct wr_reader *in) {
    const char *done = wr_reader_bytes(in, 1);
    if (done == NULL)
        return WR_ECORRUPT;
    gate->done = (uint8_t)*done;
    for (uint32_t p = 0; p < gate->port_count; p++) {
        struct gate_port *port = &gate->ports[p];
        int64_t consumed = (int64_t)wr_reader_u64(in);
        if (load_last(gate, p, in) != WR_OK)
            return WR_ECORRUPT;
        uint64_t count = wr_reader_varint(in);
        for (uint64_t i = 0; i < count; i++) {
            int status = load_waiter(gate, p, in);
            if (status < 0)
                return status;
        }
        port->consumed = consumed;
    }
    return in->failed ? WR_ECORRUPT : WR_OK;
}
