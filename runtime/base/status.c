#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

const char *wr_status_text(int status) {
    switch (status) {
#define WR_STATUS_CASE(name, value, text, code) \
    case name: return text;
        WR_STATUS_TABLE(WR_STATUS_CASE)
#undef WR_STATUS_CASE
    default: return "unknown status";
    }
}

static const char *status_code(int status) {
    switch (status) {
#define WR_STATUS_CASE(name, value, text, code) \
    case name: return code;
        WR_STATUS_TABLE(WR_STATUS_CASE)
#undef WR_STATUS_CASE
    default: return "";
    }
}

static void error_begin(struct wr_error *err, int status, const char *code) {
    err->status = status;
    snprintf(err->code, sizeof err->code, "%s", code);
    err->arg[0] = 0;
    err->from = err->to = 0;
    err->sink = 0;
    err->help[0] = 0;
}

int wr_error_set(struct wr_error *err, int status, const char *format, ...) {
    if (err == NULL)
        return status;
    error_begin(err, status, status_code(status));
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return status;
}

int wr_error_script(struct wr_error *err, const char *code, const char *format, ...) {
    if (err == NULL)
        return WR_ESCRIPT;
    error_begin(err, WR_ESCRIPT, code);
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return WR_ESCRIPT;
}

int wr_error_add(struct wr_error *err, int status, const char *format, ...) {
    if (err == NULL)
        return status;
    char before[WR_ERROR_TEXT_MAX * 2 + 2]; /* both texts, and ": " between */
    va_list args;
    va_start(args, format);
    int length = vsnprintf(before, WR_ERROR_TEXT_MAX, format, args);
    va_end(args);
    size_t used = (size_t)WR_MIN(length, WR_ERROR_TEXT_MAX - 1);
    memcpy(before + used, ": ", 2);
    memcpy(before + used + 2, err->text, strlen(err->text) + 1);
    before[WR_ERROR_TEXT_MAX - 1] = 0;
    memcpy(err->text, before, WR_ERROR_TEXT_MAX);
    err->status = status;
    return status;
}

void wr_error_code(struct wr_error *err, const char *code) {
    if (err != NULL)
        snprintf(err->code, sizeof err->code, "%s", code);
}

void wr_error_help(struct wr_error *err, const char *format, ...) {
    if (err == NULL)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(err->help, sizeof err->help, format, args);
    va_end(args);
}

void wr_error_at(struct wr_error *err, const char *arg, int from, int to) {
    if (err == NULL)
        return;
    if (arg != NULL)
        snprintf(err->arg, sizeof err->arg, "%s", arg);
    err->from = from;
    err->to = to;
}
