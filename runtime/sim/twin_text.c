/* twin_text.c: statements of SQL as tokens: words, quoted names, literals, signs. See
 * twin_server.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "conn/postgres_type.h"
#include "sim/twin_server.h"
#include "base/banned.h"

static int is_word(char letter) {
    return isalnum((unsigned char)letter) || letter == '_' || (unsigned char)letter >= 0x80;
}

/* Blanks and comments. */
static void pass_blanks(struct twin_text *text) {
    for (;;) {
        while (text->at < text->end && isspace((unsigned char)*text->at))
            text->at++;
        size_t left = (size_t)(text->end - text->at);
        const char *close = NULL;
        if (left >= 2 && memcmp(text->at, "--", 2) == 0)
            close = memchr(text->at, '\n', left);
        else if (left >= 2 && memcmp(text->at, "/*", 2) == 0)
            close = memmem(text->at, left, "*/", 2);
        else
            return;
        text->at = close == NULL ? text->end : close + 1 + (*close == '*');
    }
}

/* The end of the token that stands at `at`. */
static const char *token_end(const struct twin_text *text) {
    const char *at = text->at;
    if (at == text->end)
        return at;
    char first = *at;
    int escapes = (first == 'E' || first == 'e') && at + 1 < text->end && at[1] == '\'';
    if (escapes)
        first = *++at;
    if (first == '\'' || first == '"') {
        for (at++; at < text->end; at++) {
            if (escapes && *at == '\\')
                at++;
            else if (*at == first && (at + 1 == text->end || at[1] != first))
                return at + 1;
            else if (*at == first)
                at++;
        }
        return text->end;
    }
    if (is_word(first)) {
        while (at < text->end && is_word(*at))
            at++;
        return at;
    }
    return at + 1;
}

void text_token(struct twin_text *text) {
    pass_blanks(text);
    text->at = token_end(text);
}

void text_skip(struct twin_text *text) {
    int depth = 0;
    do {
        pass_blanks(text);
        if (text->at == text->end)
            return;
        depth += *text->at == '(' ? 1 : *text->at == ')' ? -1 : 0;
        text->at = token_end(text);
    } while (depth > 0);
}

int text_take(struct twin_text *text, const char *words) {
    struct twin_text at = *text;
    struct twin_text wanted = {words, words + strlen(words), NULL};
    for (;;) {
        pass_blanks(&wanted);
        if (wanted.at == wanted.end)
            break;
        pass_blanks(&at);
        const char *word_end = token_end(&wanted), *end = token_end(&at);
        if (end - at.at != word_end - wanted.at ||
            strncasecmp(at.at, wanted.at, (size_t)(end - at.at)) != 0)
            return 0;
        wanted.at = word_end;
        at.at = end;
    }
    text->at = at.at;
    return 1;
}

int text_is(const struct twin_text *text, const char *words) {
    struct twin_text copy = *text;
    return text_take(&copy, words);
}

char *text_name(struct twin_text *text) {
    pass_blanks(text);
    const char *from = text->at, *end = token_end(text);
    if (from == end || (*from != '"' && !(is_word(*from) && !isdigit((unsigned char)*from))))
        return NULL;
    int quoted = *from == '"';
    char *name =
        wr_arena_strndup(text->arena, from + quoted, (size_t)(end - from) - 2 * (size_t)quoted);
    WR_ASSERT(name != NULL);
    char *to = name;
    for (const char *at = name; *at != 0; at++) {
        *to++ = quoted ? *at : (char)tolower((unsigned char)*at);
        at += quoted && *at == '"';
    }
    *to = 0;
    text->at = end;
    return name;
}

char *text_table(struct twin_text *text) {
    char *name = text_name(text);
    if (name == NULL || !text_take(text, "."))
        return name;
    char *table = text_name(text);
    if (table == NULL || strcmp(name, "public") == 0)
        return table;
    size_t room = strlen(name) + strlen(table) + 2;
    char *both = wr_arena_alloc(text->arena, room);
    WR_ASSERT(both != NULL);
    snprintf(both, room, "%s.%s", name, table);
    return both;
}

char *text_literal(struct twin_text *text, size_t *length) {
    pass_blanks(text);
    const char *from = text->at, *end = token_end(text);
    if (from == end)
        return NULL;
    int escapes = *from == 'E' || *from == 'e';
    if (from[escapes] != '\'' || end - from < 2 + escapes)
        return NULL;
    char *made = wr_arena_alloc(text->arena, (size_t)(end - from) + 1), *to = made;
    WR_ASSERT(made != NULL);
    for (const char *at = from + escapes + 1; at < end - 1; at++) {
        at += *at == '\'' || (escapes && *at == '\\');
        *to++ = *at;
    }
    *to = 0;
    *length = (size_t)(to - made);
    text->at = end;
    return made;
}

int text_number(struct twin_text *text, int64_t *number) {
    pass_blanks(text);
    if (text->at == text->end || !isdigit((unsigned char)*text->at))
        return 0;
    const char *end = token_end(text);
    *number = strtoll(text->at, NULL, 10);
    text->at = end;
    return 1;
}

/* What may stand behind the type of a column. */
static int ends_type(const struct twin_text *text) {
    static const char *const words[] = {"not",     "null",       "primary",   "unique",
                                        "default", "references", "generated", "constraint",
                                        "check",   "collate",    "using",     "as"};
    for (size_t i = 0; i < WR_COUNT(words); i++)
        if (text_is(text, words[i]))
            return 1;
    return 0;
}

int text_type(struct twin_text *text, struct twin_type *type, char words[80]) {
    int64_t numbers[2];
    int count = 0;
    words[0] = 0;
    text_take(text, "pg_catalog.");
    while (!ends_type(text)) {
        if (text_take(text, "(")) {
            while (count < 2 && text_number(text, &numbers[count])) {
                count++;
                text_take(text, ",");
            }
            if (!text_take(text, ")"))
                return -1;
            continue;
        }
        char *word = text_name(text);
        size_t length = strlen(words);
        if (word == NULL || length + strlen(word) + 2 > 80)
            break;
        snprintf(words + length, 80 - length, "%s%s", length == 0 ? "" : " ", word);
    }
    if (text_is(text, "["))
        return -1;
    return twin_type_find(type, words, numbers, count);
}

int text_names(struct twin_text *text, char **names, int most) {
    int count = 0;
    if (!text_take(text, "("))
        return -1;
    do {
        char *name = text_name(text);
        if (name == NULL || count == most)
            return -1;
        names[count++] = name;
    } while (text_take(text, ","));
    return text_take(text, ")") ? count : -1;
}

int text_statement(struct twin_text *text, struct twin_text *one) {
    for (;;) {
        pass_blanks(text);
        if (text->at == text->end)
            return 0;
        if (*text->at != ';')
            break;
        text->at++;
    }
    *one = *text;
    while (text->at < text->end && *text->at != ';') {
        text->at = token_end(text);
        pass_blanks(text);
    }
    one->end = text->at;
    return 1;
}
