/* postgres_library.c: see postgres_library.h. */
#include "conn/postgres_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

#define LIBRARY "libpq.so.5"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct wr_pq functions;
static int is_loaded;
static const struct wr_pq *in_place; /* of libpq's */
static char why[256];                /* it is not */

/* The library stays for good: it registers what must not be unloaded (TLS). */
static void load(void) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    is_loaded = library != NULL;
#define LOAD_ONE(name) \
    if (is_loaded) { \
        void *symbol = dlsym(library, #name); \
        memcpy(&functions.name, &symbol, sizeof symbol); \
        is_loaded = symbol != NULL; \
    }
    WR_PQ_FUNCTIONS(LOAD_ONE)
#undef LOAD_ONE
    const char *message = is_loaded ? NULL : dlerror();
    if (message != NULL) {
        size_t length = WR_MIN(strlen(message), sizeof why - 1);
        memcpy(why, message, length);
        why[length] = 0;
    }
}

int wr_pq_load(struct wr_error *err) {
    if (in_place != NULL)
        return WR_OK;
    pthread_once(&once, load);
    if (is_loaded)
        return WR_OK;
    wr_error_set(err, WR_EUNSUPPORTED,
                 "postgres: the library %s of PostgreSQL 14 or later cannot "
                 "be loaded: %s",
                 LIBRARY, why);
    wr_error_help(err, "on Debian: `apt-get install libpq5`");
    return WR_EUNSUPPORTED;
}

const struct wr_pq *wr_pq(void) {
    if (in_place != NULL)
        return in_place;
    WR_ASSERT(is_loaded);
    return &functions;
}

void wr_pq_use(const struct wr_pq *others) {
    in_place = others;
}
