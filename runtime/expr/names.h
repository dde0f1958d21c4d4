/* names.h: "did you mean": the known name that is nearest to a wrong one, and the list of them. */
#pragma once
#include <stdint.h>

struct wr_error;

#define WR_NAMES_TEXT_MAX 512 /* bytes of the list in a help line; the rest is "…" */

struct wr_names {
    const char *wrong;
    uint32_t wrong_length;
    const char *nearest; /* NULL: none is near */
    uint32_t nearest_length, distance;
    uint32_t text_length; /* of `text`: "user, url, amount" */
    uint8_t cut;
    char text[WR_NAMES_TEXT_MAX];
};

/* Borrows `wrong`, and each name offered, until wr_names_help. */
void wr_names_init(struct wr_names *names, const char *wrong, uint32_t length);
void wr_names_offer(struct wr_names *names, const char *name, uint32_t length);
/* Sets the help of the error: "did you mean `amount`?  columns: user, url, amount". `title` NULL:
 * without the list. */
void wr_names_help(const struct wr_names *names, struct wr_error *err, const char *title);
