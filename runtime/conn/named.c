/* named.c: see named.h. */
#include "conn/named.h"

#include "base/env.h"
#include "base/status.h"
#include "conn/conn.h"
#include "state/store.h"

#include "base/banned.h"

int wr_named_rename(const struct wr_sink *sink, const char *from, const char *to, int later,
                    struct wr_error *err) {
    const struct wr_env *env = sink->env;
    int status = sink->store == NULL ? WR_OK : wr_store_naming(sink->store, from, err);
    if (status != WR_OK)
        return status;
    return later ? env->rename_later(env, from, to, err) : env->rename(env, from, to, err);
}

int wr_named_note(const struct wr_sink *sink, const char *from, struct wr_error *err) {
    int status = sink->store == NULL ? WR_OK : wr_store_naming(sink->store, from, err);
    return status == WR_OK ? wr_named_sync(sink, err) : status;
}

int wr_named_sync(const struct wr_sink *sink, struct wr_error *err) {
    return sink->store == NULL ? WR_OK : wr_store_naming_sync(sink->store, err);
}

int wr_named_look(const struct wr_sink *sink, const char *from, int *was_named,
                  struct wr_error *err) {
    *was_named = 0;
    return sink->store == NULL ? WR_OK : wr_store_was_named(sink->store, from, was_named, err);
}
