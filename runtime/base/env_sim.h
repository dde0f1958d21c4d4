/* env_sim.h: a world in memory behind `env.h`: a clock that its owner moves, random numbers by
 * seed, files with faults at the n-th call, and power cuts that lose what was not synced.
 *
 * A file has two contents: the one that programs see, and the one that a power cut leaves. Sync
 * copies the first to the second; a cut decides by seed for each sector of 512 bytes that differs
 * whether it is the new one, the old one or torn, and for each name whether its change was kept.
 * Paths are not those of the machine: "a/b" and "./a//b" are one file, "" and "/" exist.
 * "-" reads the file /dev/stdin and writes /dev/stdout.
 * Threads: one. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"

struct wr_sim;
struct wr_sim_image;

enum wr_sim_fault {
    WR_SIM_NONE,
    WR_SIM_EIO,        /* the call fails */
    WR_SIM_ENOSPC,     /* a write writes a part and fails; other calls are left alone */
    WR_SIM_SHORT_READ, /* a read gives fewer bytes than there are; other calls are left alone */
    WR_SIM_POWER,      /* the power goes in the middle of the call */
    WR_SIM_KILL,       /* the process dies in the middle of the call: all later ones fail */
};

/* NULL: out of memory. The clock stands at 2026-01-01 00:00:00 UTC. */
struct wr_sim *wr_sim_new(uint64_t seed);
void wr_sim_free(struct wr_sim *sim); /* after all its files are closed */
const struct wr_env *wr_sim_env(struct wr_sim *sim);

/* Moves both clocks. */
void wr_sim_advance(struct wr_sim *sim, int64_t us);
/* Sets the wall clock alone, as an administrator does. */
void wr_sim_set_now(struct wr_sim *sim, int64_t now_us);

/* The n-th call from now (from 1) meets `fault`, and with `sticky` all later ones. A fault that
 * does not concern the n-th call waits for the first that it does. */
void wr_sim_fail_at(struct wr_sim *sim, enum wr_sim_fault fault, uint64_t nth, int sticky);
/* Calls since the last wr_sim_fail_at. */
uint64_t wr_sim_calls(const struct wr_sim *sim);
/* For who plays another machine: a call that goes to it, counted and told like one to the disk.
 * `print`: of what it carries. 0, or the errno with which it fails; *arrives: whether it does. */
int wr_sim_call(struct wr_sim *sim, const char *verb, const char *what, uint64_t print,
                int *arrives);
/* The first of these calls that met the fault, as "write out.csv"; "": none has. Lent. */
const char *wr_sim_met(const struct wr_sim *sim);
/* Tells each call before it is made; NULL: not any more. */
typedef void (*wr_sim_watch_fn)(void *ctx, const char *verb, const char *path);
void wr_sim_watch(struct wr_sim *sim, wr_sim_watch_fn fn, void *ctx);
/* A hash over all calls and what they wrote: equal where the same was done. */
uint64_t wr_sim_print(const struct wr_sim *sim);
/* Cuts the power: every call fails until the restart. */
void wr_sim_cut(struct wr_sim *sim);
int wr_sim_is_cut(const struct wr_sim *sim);
/* Power comes back: what was not synced is lost by chance; files from before only take `close`. */
void wr_sim_restart(struct wr_sim *sim);
/* Another process begins where one was killed: the disk is as that one left it. */
void wr_sim_revive(struct wr_sim *sim);

/* From now on a new file has the number of one that is gone, as file systems give them;
 * `hides_birth`: and nobody says when it was made. */
void wr_sim_reuse_numbers(struct wr_sim *sim, int hides_birth);
/* From now on times of files are whole multiples of `us`, as clocks of file systems tick. */
void wr_sim_tick(struct wr_sim *sim, int64_t us);
/* A file has the time of another one, as who compresses it sees to. WR_OK or WR_ENOENT. */
int wr_sim_same_time(struct wr_sim *sim, const char *path, const char *other);
/* The file `path` has the name `other` too. */
int wr_sim_link(struct wr_sim *sim, const char *path, const char *other);
/* For tests and scenarios: puts a durable file there, with its directories; WR_OK or WR_ENOMEM.
 * Lends the content of a file until it changes; NULL: there is none. */
int wr_sim_put(struct wr_sim *sim, const char *path, const void *bytes, size_t length);
const char *wr_sim_get(const struct wr_sim *sim, const char *path, size_t *length);

/* Gives each file that is no stream, in byte order of the paths; `is_lent`: it is as the image has
 * it. Not WR_OK ends the walk. */
typedef int (*wr_sim_file_fn)(void *ctx, const char *path, const char *bytes, uint64_t size,
                              int is_lent);
int wr_sim_each(const struct wr_sim *sim, wr_sim_file_fn fn, void *ctx);
/* What another process does: appends, durably (a missing file is made); renames; makes a pipe of a
 * file, whose end is known when it is not open. WR_OK, WR_ENOENT or WR_ENOMEM. */
int wr_sim_grow(struct wr_sim *sim, const char *path, const void *bytes, size_t length);
int wr_sim_move(struct wr_sim *sim, const char *from, const char *to);
int wr_sim_stream(struct wr_sim *sim, const char *path, int is_open);

/* An image is what simulated worlds begin with: files of another world, each read when one of them
 * first looks for it, and lent to all. Until it is sealed: then what was not looked for is not
 * there. An image outlives its worlds. `from` gives its variables too. */
struct wr_sim_image *wr_sim_image_new(const struct wr_env *from, uint64_t bytes_max);
void wr_sim_image_free(struct wr_sim_image *image);
/* Nothing at a path or below it is there. Before anything is looked for; the path is lent. */
void wr_sim_image_hide(struct wr_sim_image *image, const char *path);
void wr_sim_image_seal(struct wr_sim_image *image);
/* A file that could not be read, or more bytes than it may have: WR_OK, or a status. */
int wr_sim_image_status(const struct wr_sim_image *image, struct wr_error *err);
/* What an image has of a path; NULL: nothing. Lent. */
const char *wr_sim_image_get(struct wr_sim_image *image, const char *path, uint64_t *size);
uint64_t wr_sim_image_bytes(const struct wr_sim_image *image);
/* Once, before anything is done with `sim`: WR_OK or WR_ENOMEM. */
int wr_sim_use_image(struct wr_sim *sim, struct wr_sim_image *image);

/* For a VFS of SQLite: files that are read and written anywhere. 0 or an errno. */
int wr_sim_open_anywhere(struct wr_sim *sim, const char *path, int create, struct wr_file **file);
int wr_sim_write_at(struct wr_file *file, const void *bytes, size_t size_bytes, uint64_t at);
uint64_t wr_sim_size(const struct wr_file *file);
/* 1: this file now holds its name alone, or did already; 0: another one holds it. */
int wr_sim_take(struct wr_file *file);
/* Removes a name; `durable`: a power cut does not bring it back. */
int wr_sim_remove(struct wr_sim *sim, const char *path, int durable);
/* Writes the one way to write a path, at most `size` bytes of it; 0 when it is too long. */
int wr_sim_path(const char *path, char *out, size_t size);
void wr_sim_set_vfs(struct wr_sim *sim, const char *name); /* lent until wr_sim_free */
