/* env_sim_disk.h: names and contents of a simulated world, for the files that make up env_sim.h. */
#pragma once
#include "base/env_sim.h"

#define WR_SIM_PATH_BYTES_MAX 1024

/* Room 0: the bytes are lent by an image, and copied before they change. */
struct wr_sim_content {
    char *bytes;
    uint64_t size, room;
};

struct wr_sim_mark {
    uint8_t length;
    char bytes[WR_MARK_BYTES_MAX];
};

struct wr_sim_inode {
    struct wr_sim_inode *next; /* of all inodes */
    uint64_t number;
    uint32_t open_count;
    uint8_t is_directory, is_taken;
    uint8_t is_stream; /* no regular file: a pipe … */
    uint8_t is_pipe;   /* … into which somebody still writes: its end is not known */
    struct wr_sim_content now, durable;
    uint64_t changed_from, changed_to; /* bytes that differ at most; from > to: none */
    int64_t modified_us, born_us;
    struct wr_sim_mark mark, durable_mark;
};

struct wr_sim_file {
    struct wr_file base;
    struct wr_sim *sim;
    struct wr_sim_inode *inode;
    uint32_t life;
    uint8_t took;
    uint64_t position;
    char path[];
};

struct wr_sim_entry {
    char *path;                         /* first: see wr_sim_place */
    struct wr_sim_inode *now, *durable; /* NULL: there is none */
};

struct wr_sim {
    struct wr_env env;
    uint64_t random;
    int64_t now_us, monotonic_us;
    struct wr_sim_entry *entries; /* in byte order of their paths */
    uint32_t entry_count, entry_room;
    struct wr_sim_inode *inodes;
    uint64_t inode_count;
    uint8_t reuses_numbers; /* of files that are gone, as file systems do … */
    uint8_t hides_birth;    /* … and do not always say when one was made */
    int64_t tick_us;        /* times of files are multiples of it; 0: any */
    uint64_t calls, fault_at;
    enum wr_sim_fault fault;
    uint8_t fault_sticky, is_cut;
    uint32_t life;  /* goes up with each restart */
    uint32_t boots; /* … behind a power cut */
    uint32_t met_count;
    char met[184];         /* the first call that met the fault */
    wr_sim_watch_fn watch; /* may be NULL */
    void *watch_ctx;
    uint64_t print;             /* of all calls so far */
    struct wr_sim_image *image; /* what is there before anything is written; or NULL */
};

uint64_t wr_sim_next_random(struct wr_sim *sim);
/* All that can fail return 0 or an errno. */
int wr_sim_inode_write(struct wr_sim *sim, struct wr_sim_inode *inode, const void *bytes,
                       uint64_t length, uint64_t at);
int wr_sim_inode_truncate(struct wr_sim *sim, struct wr_sim_inode *inode, uint64_t size);
/* What is there now is what a power cut leaves. */
int wr_sim_inode_sync(struct wr_sim_inode *inode);
/* A power cut: what was not synced is kept, lost or torn. */
void wr_sim_inode_lose(struct wr_sim *sim, struct wr_sim_inode *inode);
/* The place of a path in an array in byte order of paths, a `char *` at the begin of each item; or
 * where it would stand. */
uint32_t wr_sim_place(const void *items, size_t item_bytes, uint32_t count, const char *path,
                      int *found);
/* The place of a path among the entries; `*found`: it is there. */
uint32_t wr_sim_entry_place(const struct wr_sim *sim, const char *path, int *found);
/* An empty file or a directory that has no name yet; NULL: out of memory. */
struct wr_sim_inode *wr_sim_inode_new(struct wr_sim *sim, int is_directory);
/* What a path names now; NULL: nothing. */
struct wr_sim_inode *wr_sim_inode_at(const struct wr_sim *sim, const char *path);
/* The same, where the image may have it. */
struct wr_sim_inode *wr_sim_inode_fetch(struct wr_sim *sim, const char *path);
/* Brings in what of the image matches a pattern. */
void wr_sim_fetch_all(struct wr_sim *sim, const char *pattern);
/* A durable file whose bytes are lent, or an empty directory; 0 or an errno. */
int wr_sim_lay(struct wr_sim *sim, const char *path, const char *bytes, uint64_t size,
               int is_directory);
const char *wr_sim_image_variable(const struct wr_sim_image *image, const char *name);
/* The entry of a path, made with no inode when it is missing; NULL: out of memory. */
struct wr_sim_entry *wr_sim_entry_make(struct wr_sim *sim, const char *path);
/* Whether the directory of a path is there. */
int wr_sim_parent_errno(struct wr_sim *sim, const char *path);
/* Makes an empty file or a directory at a path. */
int wr_sim_make_at(struct wr_sim *sim, const char *path, int is_directory,
                   struct wr_sim_inode **inode);
/* Makes a directory with those above it, durable at once; changes `name` while it works. */
int wr_sim_make_directories(struct wr_sim *sim, char *name);
uint32_t wr_sim_open_files_max(const struct wr_env *env);
/* Its file system does not promise to sync all at once: files are synced one by one. */
int wr_sim_open_filesystem(const struct wr_env *env, const char *path,
                           struct wr_filesystem **filesystem, struct wr_error *err);
/* As sync_name of the env. */
int wr_sim_sync_name(const struct wr_env *env, const char *path, struct wr_error *err);
/* As those of the env. */
int wr_sim_hold(struct wr_file *file, struct wr_error *err);
int wr_sim_set_mark(struct wr_file *file, const void *bytes, size_t size_bytes,
                    struct wr_error *err);
size_t wr_sim_mark(const struct wr_file *file, void *bytes, size_t size_bytes);
uint64_t wr_sim_boot(const struct wr_env *env);
/* The names in the directory of a path are those that a power cut leaves. */
void wr_sim_directory_sync(struct wr_sim *sim, const char *path);
/* Frees the inodes that nobody names or has open, and the entries without any. */
void wr_sim_collect(struct wr_sim *sim);
