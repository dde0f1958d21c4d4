/* native_harness.c: a script stepped by its test: the production scheduler with sources that the
 * test feeds, sinks that keep what arrives, and a clock that the test moves. */
#include <lauxlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/env_sim.h"
#include "base/status.h"
#include "conn/builder.h"
#include "data/text.h"
#include "data/time.h"
#include "lua/convert.h"
#include "lua/functions.h"
#include "lua/native.h"
#include "state/vfs.h"
#include "base/banned.h"

#define IDLE_STEPS \
    2 /* steps of each lane without anything to do, until the harness waits for its test */

/* What a test has fed to one source: kept for the whole scenario, since a crash reads it again. */
struct feed {
    uint32_t count, room;
    struct wr_batch **batches;
    int64_t watermark;
};

/* What came to one sink: rows of committed epochs first, then those of the open one. */
struct capture {
    uint32_t count, room, committed;
    struct wr_batch **batches;
};

struct harness {
    struct native_plan *plan; /* the user value keeps it alive */
    struct wr_sim *sim;       /* the world of the run: clock, random numbers, the state's files */
    struct wr_vfs *vfs;
    const char *state; /* the state's directory in it, or NULL */
    int64_t checkpoint_us;
    struct wr_budget budget;
    struct wr_batch_pool pool;
    struct feed *feeds;       /* by node */
    struct capture *captures; /* by node */
    uint32_t rejects_node;    /* the sink of the script's rejects */
    uint32_t batch_rows, shards;
    uint64_t seed;
    int ended, done;
    struct wr_run *run;
};

struct feed_source {
    struct wr_source base;
    uint32_t next;
};

static struct feed *feed_of(const struct wr_source *source) {
    return &((struct harness *)source->owner)->feeds[source->node];
}

static int feed_open(struct wr_source *source, struct wr_reader *from, struct wr_error *err) {
    (void)err;
    ((struct feed_source *)source)->next = from == NULL ? 0 : wr_reader_u32(from);
    return WR_OK;
}

static int feed_poll(struct wr_source *source, struct wr_batch **batch, struct wr_error *err) {
    (void)err;
    struct feed_source *self = (struct feed_source *)source;
    const struct feed *feed = feed_of(source);
    source->watermark = WR_MAX(source->watermark, feed->watermark);
    if (self->next < feed->count) {
        /* A view: exec writes the position of the row into it. */
        struct wr_batch *whole = feed->batches[self->next++];
        *batch = wr_batch_select(source->pool, whole, NULL, 0);
        if (*batch == NULL)
            return WR_ENOMEM;
        (*batch)->sel = NULL; /* all of it */
        (*batch)->sel_count = whole->row_count;
        (*batch)->source = source->source;
        (*batch)->partition = source->partition;
        source->watermark = WR_MAX(source->watermark, whole->frontier);
        return WR_OK;
    }
    return ((struct harness *)source->owner)->ended ? WR_EEND : WR_EAGAIN;
}

static int feed_save(struct wr_source *source, struct wr_buf *out) {
    return wr_buf_add_u32(out, ((struct feed_source *)source)->next);
}

static void feed_close(struct wr_source *source) {
    (void)source;
}

static const struct wr_source_type feed_type = {
    .name = "feed",
    .size_bytes = sizeof(struct feed_source),
    .open = feed_open,
    .poll = feed_poll,
    .save_position = feed_save,
    .close = feed_close,
};

static struct capture *capture_of(const struct wr_sink *sink) {
    return &((struct harness *)sink->owner)->captures[sink->node];
}

static int list_add(struct wr_batch ***list, uint32_t *count, uint32_t *room,
                    struct wr_batch *batch) {
    if (wr_grow(&wr_budget_control, (void **)list, *count, room, sizeof **list) != WR_OK)
        return WR_ENOMEM;
    (*list)[(*count)++] = batch;
    return WR_OK;
}

static int capture_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    (void)err;
    (void)from;
    struct capture *capture = capture_of(sink); /* rows that were not safe are gone */
    while (capture->count > capture->committed)
        wr_batch_unref(capture->batches[--capture->count]);
    return WR_OK;
}

static int capture_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct harness *harness = sink->owner;
    struct capture *capture = capture_of(sink);
    struct wr_batch *copy = wr_batch_copy(&harness->pool, batch);
    if (copy == NULL ||
        list_add(&capture->batches, &capture->count, &capture->room, copy) != WR_OK) {
        wr_batch_unref(copy);
        return wr_error_set(err, WR_ENOMEM, "no memory for captured rows");
    }
    return WR_OK;
}

static int capture_commit(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    (void)epoch;
    (void)err;
    capture_of(sink)->committed = capture_of(sink)->count;
    return WR_OK;
}

static void capture_close(struct wr_sink *sink) {
    (void)sink;
}

static const struct wr_sink_type capture_type = {
    .name = "capture",
    .size_bytes = sizeof(struct wr_sink),
    .flags = WR_SINK_KEYS,
    .open = capture_open,
    .write = capture_write,
    .commit = capture_commit,
    .close = capture_close,
};

static const struct wr_source_type *replace_source(void *ctx, const struct wr_node *node) {
    (void)ctx;
    (void)node;
    return &feed_type;
}

static const struct wr_sink_type *replace_sink(void *ctx, const struct wr_node *node) {
    (void)ctx;
    (void)node;
    return &capture_type;
}

/* ---- the scenario ---- */

static struct harness *check_harness(lua_State *L) {
    struct harness *self = luaL_checkudata(L, 1, WR_LUA_HARNESS_TYPE);
    luaL_argcheck(L, self->plan != NULL, 1, "the scenario is closed");
    return self;
}

static int start_run(struct harness *self, struct wr_error *err) {
    struct wr_run_options options = {
        .batch_rows = self->batch_rows,
        .shards = self->shards,
        .shard_order_seed = self->seed,
        .hash_seed = self->seed | 1,
        .state_directory = self->state,
        .checkpoint_us = self->checkpoint_us,
        .is_live = 1,
        .keep_text = 1,
        .user_call = lua_functions_call,
        .user_ctx = self->plan->functions,
        .replace_source = replace_source,
        .replace_sink = replace_sink,
        .replace_ctx = self,
    };
    return wr_run_new(&self->run, self->plan->plan, &options, err);
}

/* Steps until there is nothing to do. */
static int step_on(struct harness *self, struct wr_error *err) {
    uint32_t idle = 0, idle_max = IDLE_STEPS * (self->plan->plan->node_count + 1);
    while (!self->done && idle < idle_max) {
        int status = wr_run_step(self->run, err);
        idle = status == WR_EAGAIN ? idle + 1 : 0;
        self->done = status == WR_EEND;
        if (status < 0 && status != WR_EAGAIN && status != WR_EEND)
            return status;
    }
    return WR_OK;
}

static int answer(lua_State *L, int status, const struct wr_error *err) {
    if (status != WR_OK)
        return wr_error_push(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

/* The sink that keeps the script's rejects. */
static int add_rejects(lua_State *L, struct harness *self, struct wr_error *err) {
    struct wr_node *node = NULL;
    int status = native_add_rejects(L, self->plan, "blackhole", "", "ndjson", &node, err);
    if (status == WR_OK)
        self->rejects_node = node->id;
    return status;
}

static lua_Integer option(lua_State *L, const char *name, lua_Integer otherwise) {
    lua_getfield(L, 2, name);
    lua_Integer value = luaL_optinteger(L, -1, otherwise);
    lua_pop(L, 1);
    return value;
}

static void read_options(lua_State *L, struct harness *self) {
    self->seed = (uint64_t)option(L, "seed", 1);
    self->batch_rows = (uint32_t)option(L, "batch_rows", WR_BATCH_ROWS_DEFAULT);
    self->shards = (uint32_t)option(L, "shards", 1);
    self->checkpoint_us = option(L, "checkpoint", 1000000);
    lua_getfield(L, 2, "state");
    self->state = lua_toboolean(L, -1) ? "state" : NULL;
    lua_pop(L, 1);
}

/* The world of the scenario; the plan's env from here on. */
static int make_world(lua_State *L, struct harness *self, struct wr_error *err) {
    self->sim = wr_sim_new(self->seed);
    self->vfs = self->sim == NULL ? NULL : wr_vfs_new(self->sim);
    if (self->vfs == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for a scenario");
    wr_sim_set_now(self->sim, option(L, "start", 0));
    self->plan->plan->env = wr_sim_env(self->sim);
    return WR_OK;
}

static int make_lists(struct harness *self, struct wr_error *err) {
    uint32_t nodes = self->plan->plan->node_count;
    self->feeds = wr_alloc_zero(&wr_budget_control, nodes * sizeof *self->feeds);
    self->captures = wr_alloc_zero(&wr_budget_control, nodes * sizeof *self->captures);
    if (self->feeds == NULL || self->captures == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for a scenario");
    for (uint32_t n = 0; n < nodes; n++)
        self->feeds[n].watermark = WR_TIME_MIN;
    return WR_OK;
}

/* native.harness(plan, {start=µs, seed=, batch_rows=, shards=, state=bool, checkpoint=µs})
 * -> harness | nil, err */
int native_harness(lua_State *L) {
    struct native_plan *plan = native_check_plan(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct harness *self = lua_newuserdatauv(L, sizeof *self, 1);
    *self = (struct harness){.budget = WR_BUDGET_INIT("scenario", 0)};
    luaL_setmetatable(L, WR_LUA_HARNESS_TYPE);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    struct wr_error err = {0};
    self->plan = plan;
    wr_batch_pool_init(&self->pool, &self->budget);
    read_options(L, self);
    int status = add_rejects(L, self, &err);
    if (status == WR_OK)
        status = wr_plan_finish(plan->plan, &err);
    if (status == WR_OK)
        status = make_lists(self, &err);
    if (status == WR_OK)
        status = make_world(L, self, &err);
    if (status == WR_OK)
        status = start_run(self, &err);
    return status == WR_OK ? 1 : wr_error_push(L, &err);
}

static void lists_free(struct harness *self) {
    uint32_t nodes = self->plan->plan == NULL ? 0 : self->plan->plan->node_count;
    for (uint32_t n = 0; n < nodes; n++) {
        for (uint32_t i = 0; self->feeds != NULL && i < self->feeds[n].count; i++)
            wr_batch_unref(self->feeds[n].batches[i]);
        for (uint32_t i = 0; self->captures != NULL && i < self->captures[n].count; i++)
            wr_batch_unref(self->captures[n].batches[i]);
        if (self->feeds != NULL)
            wr_free(&wr_budget_control, self->feeds[n].batches);
        if (self->captures != NULL)
            wr_free(&wr_budget_control, self->captures[n].batches);
    }
    wr_free(&wr_budget_control, self->feeds);
    wr_free(&wr_budget_control, self->captures);
}

static int l_harness_gc(lua_State *L) {
    struct harness *self = luaL_checkudata(L, 1, WR_LUA_HARNESS_TYPE);
    if (self->plan == NULL)
        return 0;
    wr_run_free(self->run);
    lists_free(self);
    wr_batch_pool_release(&self->pool);
    if (self->plan->plan != NULL)
        self->plan->plan->env = native_env(L);
    if (self->vfs != NULL)
        wr_vfs_free(self->vfs);
    if (self->sim != NULL)
        wr_sim_free(self->sim);
    self->plan = NULL;
    return 0;
}

/* A cell at the top of the stack: a Lua value, or {type=, v=}. 0: not of the column's type. */
static int take_cell(lua_State *L, struct wr_builder *builder, uint32_t c) {
    enum wr_type_kind kind = builder->batch->schema->fields[c].type.kind;
    int type = lua_type(L, -1), status = WR_OK, fits = 1;
    if (type == LUA_TTABLE) {
        lua_getfield(L, -1, "v");
        if (lua_isinteger(L, -1) && kind != WR_DECIMAL) {
            wr_builder_int64(builder, c, lua_tointeger(L, -1));
        } else {
            size_t length;
            const char *text = lua_tolstring(L, -1, &length);
            fits =
                text != NULL && wr_builder_text(builder, c, text, (uint32_t)length, &status) == 1;
        }
        lua_pop(L, 1);
        return fits && status == WR_OK;
    }
    if (type == LUA_TNIL) {
        wr_builder_nil(builder, c);
    } else if (type == LUA_TBOOLEAN && kind == WR_BOOL) {
        wr_builder_bool(builder, c, lua_toboolean(L, -1));
    } else if (lua_isinteger(L, -1) && type == LUA_TNUMBER && kind == WR_INT64) {
        wr_builder_int64(builder, c, lua_tointeger(L, -1));
    } else if (type == LUA_TNUMBER && kind == WR_FLOAT64) {
        wr_builder_float64(builder, c, lua_tonumber(L, -1));
    } else if (type == LUA_TSTRING && wr_type_is_text(kind)) {
        size_t length;
        const char *text = lua_tolstring(L, -1, &length);
        status = wr_builder_bytes(builder, c, text, (uint32_t)length);
    } else {
        return 0;
    }
    return status == WR_OK;
}

/* Where the source sets the times of its rows itself: from their column, as `event_time` would. */
static int set_times(const struct wr_node *node, const struct feed *feed, struct wr_batch *batch) {
    int64_t *behind = WR_ARENA_ARRAY(&batch->arena, int64_t, batch->row_count);
    if (behind == NULL)
        return WR_ENOMEM;
    int64_t frontier = feed->count == 0 ? WR_TIME_MIN : feed->batches[feed->count - 1]->frontier;
    batch->event_time = WR_I64(&batch->columns[node->endpoint.time_column]);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        behind[i] = frontier;
        frontier = WR_MAX(frontier, batch->event_time[i] - node->endpoint.max_delay_us);
    }
    batch->behind = behind;
    batch->frontier = frontier;
    return WR_OK;
}

static int feed_rows(lua_State *L, struct harness *self, uint32_t n, struct wr_error *err) {
    const struct wr_node *node = self->plan->plan->nodes[n];
    struct feed *feed = &self->feeds[n];
    lua_Integer total = (lua_Integer)lua_rawlen(L, 3), at = 0;
    uint64_t record = 0;
    for (uint32_t i = 0; i < feed->count; i++)
        record += feed->batches[i]->row_count;
    while (at < total) {
        struct wr_builder builder;
        uint32_t rows = (uint32_t)WR_MIN(total - at, (lua_Integer)self->batch_rows);
        if (wr_builder_init(&builder, &self->pool, node->out.schema, NULL, rows) != WR_OK)
            return wr_error_set(err, WR_ENOMEM, "no memory for fed rows");
        for (uint32_t i = 0; i < rows; i++, at++) {
            lua_rawgeti(L, 3, at + 1);
            for (uint32_t c = 0; c < node->out.schema->field_count; c++) {
                lua_rawgeti(L, -1, (lua_Integer)c + 1);
                int fits = take_cell(L, &builder, c);
                lua_pop(L, 1);
                if (!fits) {
                    wr_batch_unref(builder.batch);
                    return wr_error_script(err, "W502", "row %lld: `%s` is not of its type",
                                           (long long)at + 1, node->out.schema->fields[c].name);
                }
            }
            lua_pop(L, 1);
            wr_builder_next(&builder, i);
        }
        struct wr_batch *batch = wr_builder_finish(&builder);
        batch->origin.source = node->name;
        batch->origin.first_record = record;
        record += rows;
        if ((node->endpoint.has_time && set_times(node, feed, batch) != WR_OK) ||
            list_add(&feed->batches, &feed->count, &feed->room, batch) != WR_OK)
            return wr_error_set(err, WR_ENOMEM, "no memory for fed rows");
    }
    return WR_OK;
}

static uint32_t check_node(lua_State *L, const struct harness *self, int index) {
    lua_Integer node = luaL_checkinteger(L, index);
    luaL_argcheck(L, node >= 0 && node < self->plan->plan->node_count, index, "no such node");
    return (uint32_t)node;
}

/* h:feed(node, rows) -> true | nil, err */
static int l_feed(lua_State *L) {
    struct harness *self = check_harness(L);
    uint32_t node = check_node(L, self, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_argcheck(L, !self->ended, 1, "the sources have ended");
    struct wr_error err = {0};
    int status = feed_rows(L, self, node, &err);
    if (status == WR_OK)
        status = step_on(self, &err);
    return answer(L, status, &err);
}

/* h:advance_watermark(µs, node?) -> true | nil, err */
static int l_advance_watermark(lua_State *L) {
    struct harness *self = check_harness(L);
    int64_t watermark = luaL_checkinteger(L, 2);
    struct wr_error err = {0};
    for (uint32_t n = 0; n < self->plan->plan->node_count; n++)
        if (lua_isnoneornil(L, 3) || check_node(L, self, 3) == n)
            self->feeds[n].watermark = WR_MAX(self->feeds[n].watermark, watermark);
    return answer(L, step_on(self, &err), &err);
}

/* h:advance_time(µs) -> true | nil, err */
static int l_advance_time(lua_State *L) {
    struct harness *self = check_harness(L);
    struct wr_error err = {0};
    wr_sim_advance(self->sim, luaL_checkinteger(L, 2));
    return answer(L, step_on(self, &err), &err);
}

/* h:finish() -> true | nil, err */
static int l_finish(lua_State *L) {
    struct harness *self = check_harness(L);
    struct wr_error err = {0};
    self->ended = 1;
    return answer(L, step_on(self, &err), &err);
}

/* h:crash() -> true | nil, err: the process is gone; a new one starts from the last checkpoint */
static int l_crash(lua_State *L) {
    struct harness *self = check_harness(L);
    struct wr_error err = {0};
    wr_run_free(self->run);
    self->run = NULL;
    self->done = 0;
    int status = start_run(self, &err);
    if (status == WR_OK)
        status = step_on(self, &err);
    return answer(L, status, &err);
}

static void push_rows(lua_State *L, const struct harness *self, uint32_t n) {
    const struct wr_node *node = self->plan->plan->nodes[n];
    const struct capture *capture = &self->captures[n];
    const struct wr_schema *schema = node->out.schema;
    lua_createtable(L, 0, 2);
    wr_value_push(L, wr_schema_to_value(&self->plan->plan->arena, schema));
    lua_setfield(L, -2, "schema");
    lua_newtable(L);
    lua_Integer at = 0;
    for (uint32_t b = 0; b < capture->count; b++)
        for (uint32_t i = 0; i < capture->batches[b]->row_count; i++) {
            lua_createtable(L, (int)schema->field_count, 1);
            for (uint32_t c = 0; c < schema->field_count; c++) {
                wr_cell_push(L, &schema->fields[c].type, &capture->batches[b]->columns[c], i);
                lua_rawseti(L, -2, (lua_Integer)c + 1);
            }
            lua_pushinteger(L, schema->field_count);
            lua_setfield(L, -2, "n");
            lua_rawseti(L, -2, ++at);
        }
    lua_setfield(L, -2, "rows");
}

/* h:rows(node) -> {schema=, rows={ {v, …, n=} … }} */
static int l_rows(lua_State *L) {
    struct harness *self = check_harness(L);
    push_rows(L, self, check_node(L, self, 2));
    return 1;
}

/* h:rejects() -> the same */
static int l_rejects(lua_State *L) {
    struct harness *self = check_harness(L);
    push_rows(L, self, self->rejects_node);
    return 1;
}

static const luaL_Reg harness_methods[] = {
    {"feed", l_feed},
    {"advance_watermark", l_advance_watermark},
    {"advance_time", l_advance_time},
    {"finish", l_finish},
    {"crash", l_crash},
    {"rows", l_rows},
    {"rejects", l_rejects},
    {"__gc", l_harness_gc},
    {NULL, NULL},
};

void native_harness_type(lua_State *L) {
    luaL_newmetatable(L, WR_LUA_HARNESS_TYPE);
    luaL_setfuncs(L, harness_methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
