#include "data/json_split.h"

#include <string.h>

#include "data/json_text.h"
#include "base/banned.h"

/* Moves over bytes of a record that begins with a bracket, up to behind the one that closes it.
 * Returns NULL while it is not there; the state goes on from call to call. */
static const char *brackets_end(struct wr_json_split *split, const char *at, const char *end) {
    for (; at < end; at++) {
        if (split->in_string) {
            if (split->escape)
                split->escape = 0;
            else if (*at == '\\')
                split->escape = 1;
            else if (*at == '"')
                split->in_string = 0;
        } else if (*at == '"') {
            split->in_string = 1;
        } else if (*at == '{' || *at == '[') {
            split->depth++;
        } else if ((*at == '}' || *at == ']') && --split->depth == 0) {
            return at + 1;
        }
    }
    return NULL;
}

static void brackets_begin(struct wr_json_split *split) {
    split->in_string = split->escape = 0;
    split->depth = 0;
}

/* The record at split->at. For one that is right the quick walk finds the same end. */
static const char *element_end(struct wr_json_split *split) {
    struct wr_json_scan scan;
    const char *end = wr_json_value_end(&scan, split->at, split->end);
    return end != NULL ? end : brackets_end(split, split->at, split->end);
}

/* Something that is no object: up to what could come behind it. */
static const char *other_rest_end(const char *at, const char *end) {
    while (at < end && *at != ',' && *at != ']' && *at != '[' && *at != '{' && *at != '\n' &&
           !wr_json_is_blank(*at))
        at++;
    return at;
}

/* The same from its first byte on, whatever that is. */
static const char *other_end(const char *at, const char *end) {
    return at == end ? at : other_rest_end(at + 1, end);
}

static int line_next(struct wr_json_split *split, struct wr_json_piece *piece, int last) {
    while (split->at < split->end) {
        const char *newline = memchr(split->at, '\n', (size_t)(split->end - split->at));
        if (newline == NULL && !last)
            return 0;
        piece->at = split->at;
        piece->end = newline == NULL ? split->end : newline;
        piece->fault = NULL;
        split->at = newline == NULL ? split->end : newline + 1;
        piece->at = wr_json_blanks_end(piece->at, piece->end);
        while (piece->end > piece->at && wr_json_is_blank(piece->end[-1]))
            piece->end--;
        if (piece->at < piece->end)
            return 1;
    }
    return 0;
}

/* A bracket or comma of the array around the records: 1 when it was one and was taken. */
static int punctuation(struct wr_json_split *split, struct wr_json_piece *piece) {
    char byte = *split->at;
    piece->fault = NULL;
    piece->at = split->at;
    piece->end = split->at + 1;
    if (!split->in_array) {
        if (byte != '[')
            return 0;
        split->in_array = 1;
        split->after = split->after_comma = 0;
    } else if (byte == ',') {
        if (!split->after)
            piece->fault = "a record is expected, not `,`";
        split->after = 0;
        split->after_comma = 1;
    } else if (byte == ']') {
        if (split->after_comma)
            piece->fault = "a record is expected, not `]`";
        split->in_array = split->after = split->after_comma = 0;
    } else {
        return 0;
    }
    split->at++;
    return 1;
}

int wr_json_split_next(struct wr_json_split *split, struct wr_json_piece *piece, int last) {
    if (split->by_line)
        return line_next(split, piece, last);
    for (;;) {
        split->at = wr_json_blanks_end(split->at, split->end);
        if (split->at == split->end)
            break;
        if (punctuation(split, piece)) {
            if (piece->fault != NULL)
                return 1;
            continue;
        }
        const char *end;
        brackets_begin(split);
        if (*split->at == '{' || *split->at == '[')
            end = element_end(split);
        else if ((end = other_end(split->at, split->end)) == split->end && !last)
            end = NULL;
        if (end == NULL && !last)
            return 0;
        piece->at = split->at;
        piece->end = split->at = end == NULL ? split->end : end;
        piece->fault = split->in_array && split->after ? "`,` or `]` is expected" : NULL;
        split->after = 1;
        split->after_comma = 0;
        return 1;
    }
    if (last && split->in_array) {
        split->in_array = 0;
        piece->at = piece->end = split->end;
        piece->fault = "the array is not closed";
        return 1;
    }
    return 0;
}

int wr_json_split_skip(struct wr_json_split *split) {
    const char *end;
    int begins = !split->skipping;
    if (begins) {
        split->skipping = 1;
        brackets_begin(split);
        if (*split->at != '{' && *split->at != '[')
            split->depth = UINT32_MAX; /* no bracket closes it */
    }
    if (split->depth == UINT32_MAX)
        end = begins ? other_end(split->at, split->end) : other_rest_end(split->at, split->end);
    else
        end = brackets_end(split, split->at, split->end);
    if (end == split->end && split->depth == UINT32_MAX)
        end = NULL; /* more of it may come */
    split->at = end == NULL ? split->end : end;
    split->skipping = end == NULL;
    if (end != NULL) {
        split->after = 1;
        split->after_comma = 0;
    }
    return end != NULL;
}
