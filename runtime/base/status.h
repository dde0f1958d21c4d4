/* status.h: the one table of statuses, and the error that travels up the control plane.
 * Rows have codes of their own (W501…, `data/reject.h`); a status tells how a call ended. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* X(name, value, text, code). `code` is the one that an error of this status has when its place
 * gives it none; "" where that would say nothing. */
#define WR_STATUS_TABLE(X) \
    X(WR_OK, 0, "ok", "") \
    X(WR_EAGAIN, -1, "nothing is there yet", "") \
    X(WR_EEND, -2, "nothing more will come", "") \
    X(WR_EFULL, -3, "the queue is full", "") \
    X(WR_ENOMEM, -4, "out of memory", "") \
    X(WR_ELIMIT, -5, "a limit was reached", "W615") \
    X(WR_EIO, -6, "input or output failed", "W614") \
    X(WR_ECORRUPT, -7, "stored data is damaged", "W613") \
    X(WR_ESCRIPT, -8, "the script is wrong", "") \
    X(WR_EARG, -9, "a wrong argument", "") \
    X(WR_ENOENT, -10, "no such thing", "W401") \
    X(WR_EEXIST, -11, "it exists already", "W411") \
    X(WR_EBADROW, -12, "a bad row", "") \
    X(WR_EREFUSED, -13, "the other side refused", "W612") \
    X(WR_ECANCEL, -14, "stopped by a signal", "") \
    X(WR_ELUA, -15, "a Lua error", "") \
    X(WR_EUNSUPPORTED, -16, "not supported", "") \
    X(WR_ENOINPUT, -17, "no input is there", "W401")

enum wr_status {
#define WR_STATUS_ENUM(name, value, text, code) name = value,
    WR_STATUS_TABLE(WR_STATUS_ENUM)
#undef WR_STATUS_ENUM
};

/* The text of a status; "unknown status" for anything else. */
const char *wr_status_text(int status);

#define WR_ERROR_TEXT_MAX 1024 /* bytes, with the terminating 0; longer text is cut */
#define WR_ERROR_HELP_MAX 768

/* What went wrong, for a person. All text lives in the struct, so it needs no release.
 * `code` is a W-code of the language ("W103") or empty. Positions are byte offsets into the
 * expression text of argument `arg` of the stage (1-based, inclusive; 0: unknown). */
struct wr_error {
    int status;
    char code[8];
    char arg[32]; /* "1", "2" or an option's name: which argument of the stage is meant */
    int from, to;
    uint32_t sink; /* that failed, as its node of the plan, from 1; 0: it is about something else */
    char text[WR_ERROR_TEXT_MAX];
    char help[WR_ERROR_HELP_MAX];
};

/* Sets the error, with the code of its status, and returns `status`. `err` may be NULL everywhere
 * below. */
int wr_error_set(struct wr_error *err, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts what this floor knew before the text ("pipeline x.lua: …"); returns `status`. */
int wr_error_add(struct wr_error *err, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A fault of the script: sets status WR_ESCRIPT, code, text; returns WR_ESCRIPT. */
int wr_error_script(struct wr_error *err, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Another code for the error just set, where its place knows more than its status tells. */
void wr_error_code(struct wr_error *err, const char *code);
/* The help line of the error just set. Without one that of its code is shown (error_codes/). */
void wr_error_help(struct wr_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The place of the error just set; `arg` may be NULL (left as it is). */
void wr_error_at(struct wr_error *err, const char *arg, int from, int to);
