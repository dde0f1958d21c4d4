/* written.c: what a script writes must be nobody else's: neither a file that it reads (it would be
 * gone after the run) nor the destination of a second write (rows would be lost). Files are
 * compared by what they are, not by how their names are spelled. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "graph/bind.h"
#include "base/banned.h"

#define PATH_BYTES_MAX 4096

struct place {
    const struct wr_node *node;
    const char *path; /* NULL: no file */
    int is_sqlite;
    int is_directory; /* files below it are written, or read */
};

static struct place place_of(const struct wr_node *node) {
    struct place place = {.node = node};
    const struct wr_value *endpoint = wr_value_get(node->spec, "endpoint");
    const char *kind = wr_value_string(endpoint, "kind", "file");
    place.is_sqlite = strcmp(kind, "sqlite") == 0;
    if (node->kind != WR_NODE_SOURCE && node->kind != WR_NODE_SINK)
        return place;
    static const char *const files[] = {"file", "follow", "watch", "partitions", "sqlite"};
    int is_known = 0;
    for (size_t i = 0; i < WR_COUNT(files); i++)
        is_known |= strcmp(kind, files[i]) == 0;
    if (!is_known)
        return place;
    place.path = wr_value_string(endpoint, "address", NULL);
    place.is_directory = strcmp(kind, "partitions") == 0 ||
                         (place.path != NULL && place.path[0] != 0 && !place.is_sqlite &&
                          place.path[strlen(place.path) - 1] == '/');
    if (place.path != NULL && (place.path[0] == 0 || strcmp(place.path, "-") == 0))
        place.path = NULL;
    return place;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int same_inode(const struct wr_file_info *a, const struct wr_file_info *b) {
    return a->device == b->device && a->inode == b->inode;
}

/* The directory that a path stands in. */
static int stat_parent(const struct wr_env *env, const char *path, struct wr_file_info *info) {
    char directory[PATH_BYTES_MAX];
    size_t length = (size_t)(base_name(path) - path);
    if (length == 0)
        return env->stat(env, ".", info);
    if (length >= sizeof directory)
        return WR_EARG;
    memcpy(directory, path, length);
    directory[length > 1 ? length - 1 : 1] = 0;
    return env->stat(env, directory, info);
}

/* Would `written` be a file that `pattern` names? Both may be missing still. */
static int same_name(const struct wr_env *env, const char *pattern, const char *written) {
    struct wr_file_info a, b;
    if (fnmatch(pattern, written, FNM_PATHNAME) == 0 || strcmp(pattern, written) == 0)
        return 1;
    return stat_parent(env, pattern, &a) == WR_OK && stat_parent(env, written, &b) == WR_OK &&
           same_inode(&a, &b) &&
           (fnmatch(base_name(pattern), base_name(written), 0) == 0 ||
            strcmp(base_name(pattern), base_name(written)) == 0);
}

struct search {
    const struct wr_env *env;
    struct wr_file_info wanted;
    int found;
};

static int compare_file(void *ctx, const char *path) {
    struct search *search = ctx;
    struct wr_file_info info;
    search->found =
        search->env->stat(search->env, path, &info) == WR_OK && same_inode(&info, &search->wanted);
    return search->found;
}

static int same_place(const struct wr_env *env, const char *pattern, const char *written) {
    struct search search = {.env = env};
    if (same_name(env, pattern, written))
        return 1;
    if (env->stat(env, written, &search.wanted) != WR_OK || search.wanted.is_directory)
        return 0;
    struct wr_file_info info;
    if (env->stat(env, pattern, &info) == WR_OK)
        return same_inode(&info, &search.wanted);
    if (strpbrk(pattern, "*?[") != NULL)
        env->glob(env, pattern, compare_file, &search, NULL);
    return search.found;
}

/* Would `path` be in the directory that is written? By its name alone. */
static int is_below(const struct place *directory, const char *path) {
    size_t length = strlen(directory->path);
    while (length > 1 && directory->path[length - 1] == '/')
        length--;
    return directory->is_directory && strncmp(directory->path, path, length) == 0 &&
           (path[length] == '/' || path[length] == 0);
}

/* Is `written` what `other` reads or writes? */
static int is_same(const struct wr_env *env, const struct place *other, const char *written) {
    const struct wr_value *files =
        wr_value_get(wr_value_get(other->node->spec, "endpoint"), "files");
    for (uint32_t i = 0; i < wr_value_count(files); i++)
        if (same_place(env, wr_value_at(files, i)->string, written))
            return 1;
    return same_place(env, other->path, written);
}

static const char *option_of(const struct wr_node *node, const char *name) {
    struct wr_options options;
    struct wr_endpoint_bind bind = {.spec = node->spec};
    struct wr_error ignored = {0};
    const struct wr_value *value =
        wr_options_read(&options, &bind, &ignored) == WR_OK ? wr_option(&options, name) : NULL;
    return value != NULL && value->kind == WR_VALUE_STRING ? value->string : "";
}

/* Several sinks may fill one SQLite file, and one table unless one of them replaces it. */
static int sqlite_together(const struct wr_node *a, const struct wr_node *b) {
    return strcasecmp(option_of(a, "table"), option_of(b, "table")) != 0 ||
           (strcmp(option_of(a, "mode"), "replace") != 0 &&
            strcmp(option_of(b, "mode"), "replace") != 0);
}

/* Tables of the state file have no path: they are told apart by their names. */
static int is_table_twice(const struct wr_node *a, const struct wr_node *b) {
    const struct wr_node *both[] = {a, b};
    const char *names[2];
    for (int i = 0; i < 2; i++) {
        const struct wr_value *endpoint = wr_value_get(both[i]->spec, "endpoint");
        if (both[i]->kind != WR_NODE_SINK ||
            strcmp(wr_value_string(endpoint, "kind", ""), "state") != 0)
            return 0;
        names[i] = wr_value_string(endpoint, "address", "");
    }
    return a != b && strcasecmp(names[0], names[1]) == 0 &&
           (strcmp(option_of(a, "mode"), "replace") == 0 ||
            strcmp(option_of(b, "mode"), "replace") == 0);
}

static int refuse(const struct wr_node *written, const char *why, const char *help,
                  struct wr_error *err) {
    wr_error_script(err, "W410", "`%s` is %s", written->endpoint.name, why);
    wr_error_help(err, "%s", help);
    wr_error_at(err, "1", 0, 0);
    return WR_ESCRIPT;
}

int wr_check_written(const struct wr_plan *plan, const struct wr_node *node, struct wr_error *err) {
    struct place mine = place_of(node);
    if (mine.path != NULL && plan->script != NULL && node->kind == WR_NODE_SINK &&
        same_place(plan->env, plan->script, mine.path))
        return refuse(node, "the script itself", "write to another file", err);
    for (uint32_t i = 0; mine.path == NULL && i < plan->node_count; i++)
        if (is_table_twice(node, plan->nodes[i]))
            return refuse(node, "written twice by this script",
                          "`:union` the streams, or write to two tables", err);
    for (uint32_t i = 0; mine.path != NULL && i < plan->node_count; i++) {
        struct place theirs = place_of(plan->nodes[i]);
        int mine_reads = node->kind == WR_NODE_SOURCE;
        int theirs_reads = theirs.node->kind == WR_NODE_SOURCE;
        if (theirs.path == NULL || theirs.node == node || (mine_reads && theirs_reads))
            continue;
        if (mine.is_sqlite && theirs.is_sqlite &&
            (mine_reads || theirs_reads || sqlite_together(node, theirs.node)))
            continue;
        const struct place *written = mine_reads ? &theirs : &mine;
        const struct place *other = mine_reads ? &mine : &theirs;
        if (!is_below(written, other->path) && !is_below(other, written->path) &&
            !is_same(plan->env, other, written->path))
            continue;
        if (mine_reads || theirs_reads)
            return refuse(written->node, "read by this script", "write to another file", err);
        return refuse(written->node, "written twice by this script",
                      "`:union` the streams, or write to two places", err);
    }
    return WR_OK;
}
