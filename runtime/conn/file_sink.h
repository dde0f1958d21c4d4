/* file_sink.h: rows into one file, in the parts that have files of their own: file_sink_bind.c
 * (what a script says), file_sink_again.c (a restart), file_sink.c (all else). Private to the
 * room. */
#pragma once
#include <stdint.h>

#include "base/buf.h"
#include "conn/conn.h"
#include "conn/fence.h"
#include "conn/output.h"
#include "data/codec.h"

#define FILE_SINK_PATH_MAX 4096

enum file_sink_mode { MODE_REPLACE, MODE_APPEND, MODE_NEW };

struct file_sink_config {
    const char *address;
    const struct wr_encoder_type *format;
    const struct wr_value *options;
    enum wr_compression compression;
    enum file_sink_mode mode;
    int to_stdout; /* "-" */
    struct wr_retry retry;
};

struct file_sink {
    struct wr_sink base;
    const struct file_sink_config *config;
    struct wr_encoder *encoder;
    struct wr_buf text; /* encoded, not yet written */
    struct wr_output output;
    struct wr_fence fence;
    char path[FILE_SINK_PATH_MAX]; /* what is written: the file itself, or its `.part` */
    uint64_t committed;            /* length of the file at the last commit */
    uint64_t saved_length;         /* as the last checkpoint has it, which may hold or not */
    uint64_t cut_from;             /* how long it was found */
    uint64_t tail_sum;             /* as the state has it, of … */
    uint32_t tail_length;          /* … so many bytes before `committed` */
    int must_cut;                  /* to `committed`, and opened, when an epoch begins */
    int must_settle;               /* a complete file, then: a power cut may take its name back */
    int is_open, begun;            /* `output`; the header is written */
    int saved;                     /* a state points to `path` */
    int had_ended;                 /* … since the last checkpoint of a life that ended in order */
    int finished;
    int is_beside;   /* `path` is a `.part` until finish */
    uint64_t behind; /* append, audited: how long the file was that the rows go behind */
    int is_again;    /* an earlier life may have finished it, or begun to */
    int renamed; /* finished, as it seems: `path` is gone and there is a file of the final name */
    int no_more; /* nobody reads the standard output */
};

static inline int file_sink_appends_later(const struct file_sink *self) {
    return self->is_beside && self->config->mode == MODE_APPEND;
}

/* ---- file_sink_bind.c ---- */

int file_sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err);

/* ---- file_sink.c ---- */

/* An append to a file whose last line has no end would glue two rows together. */
int file_sink_end_last_line(struct file_sink *self, uint64_t size, struct wr_error *err);
/* Opens `self->path`, which has `length` bytes, and holds it. */
int file_sink_open_file(struct file_sink *self, uint64_t length, struct wr_error *err);

/* ---- file_sink_again.c ---- */

int file_sink_save(struct wr_sink *sink, struct wr_buf *out);
int file_sink_read_saved(struct file_sink *self, struct wr_reader *from, struct wr_error *err);
/* Looks at what the life before has left, and changes nothing. */
int file_sink_open_again(struct file_sink *self, struct wr_error *err);
/* The file is brought to what the state says of it. */
int file_sink_cut(struct file_sink *self, struct wr_error *err);
/* What a power cut may have brought back of a complete file goes; its name is durable. */
int file_sink_settle(struct file_sink *self, struct wr_error *err);
/* What was written before is not there as the state says; `what` is missing. */
int file_sink_lost(const struct file_sink *self, const char *what, struct wr_error *err);
