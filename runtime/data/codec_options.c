#include "data/codec_options.h"

#include <string.h>

#include "base/status.h"
#include "data/value.h"
#include "base/banned.h"

int wr_options_known(const struct wr_value *options, const char *format, const char *const *names,
                     struct wr_error *err) {
    for (uint32_t i = 0; options != NULL && options->kind == WR_VALUE_MAP && i < options->count;
         i++) {
        int known = 0;
        for (const char *const *name = names; *name != NULL && !known; name++)
            known = strcmp(*name, options->names[i]) == 0;
        if (known)
            continue;
        wr_error_script(err, "W202", "unknown option `%s` of the format `%s`", options->names[i],
                        format);
        wr_error_at(err, options->names[i], 0, 0);
        return WR_ESCRIPT;
    }
    return WR_OK;
}

static int wrong(struct wr_error *err, const char *name, const char *must) {
    wr_error_script(err, "W203", "option `%s` must be %s", name, must);
    wr_error_at(err, name, 0, 0);
    return WR_ESCRIPT;
}

/* How others write the character that ends a field of TSV. */
static int means_tab(const struct wr_value *item) {
    return item->kind == WR_VALUE_STRING &&
           (strcmp(item->string, "\\t") == 0 || strcmp(item->string, "tab") == 0 ||
            strcmp(item->string, "\\\\t") == 0);
}

int wr_options_byte(const struct wr_value *options, const char *name, int may_be_none, int not_this,
                    int *byte, struct wr_error *err) {
    const struct wr_value *item = wr_value_get(options, name);
    if (item == NULL)
        return WR_OK;
    if (item->kind == WR_VALUE_STRING && item->count == 0 && may_be_none) {
        *byte = -1;
        return WR_OK;
    }
    if (item->kind != WR_VALUE_STRING || item->count != 1 || item->string[0] == '\n' ||
        item->string[0] == '\r' || (unsigned char)item->string[0] == not_this ||
        (unsigned char)item->string[0] >= 0x80) {
        wrong(err, name,
              may_be_none ? "one ASCII character, no line end, other than the delimiter, or empty"
                          : "one ASCII character, no line end");
        if (means_tab(item))
            wr_error_help(err, "columns with a tab between them are `format = \"tsv\"`, behind -e "
                               "`--read format=tsv`");
        return WR_ESCRIPT;
    }
    *byte = (unsigned char)item->string[0];
    return WR_OK;
}

int wr_options_bool(const struct wr_value *options, const char *name, int *value,
                    struct wr_error *err) {
    const struct wr_value *item = wr_value_get(options, name);
    if (item == NULL)
        return WR_OK;
    if (item->kind != WR_VALUE_BOOL)
        return wrong(err, name, "true or false");
    *value = item->boolean;
    return WR_OK;
}

int wr_options_nulls(const struct wr_value *options, const char *name, struct wr_null_texts *nulls,
                     struct wr_error *err) {
    const struct wr_value *item = wr_value_get(options, name);
    nulls->count = 0;
    if (item == NULL)
        return WR_OK;
    uint32_t count = item->kind == WR_VALUE_LIST ? item->count : 1;
    if (count > WR_NULL_TEXTS_MAX)
        return wrong(err, name, "a text or a list of at most 8 texts");
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_value *text = item->kind == WR_VALUE_LIST ? &item->items[i] : item;
        if (text->kind != WR_VALUE_STRING)
            return wrong(err, name, "a text or a list of at most 8 texts");
        nulls->text[i] = text->string;
        nulls->length[i] = text->count;
    }
    nulls->count = count;
    return WR_OK;
}

int wr_options_choice(const struct wr_value *options, const char *name, const char *const *choices,
                      int *index, struct wr_error *err) {
    const struct wr_value *item = wr_value_get(options, name);
    if (item == NULL)
        return WR_OK;
    for (int i = 0; choices[i] != NULL; i++) {
        if (item->kind == WR_VALUE_STRING && strcmp(choices[i], item->string) == 0) {
            *index = i;
            return WR_OK;
        }
    }
    char must[128];
    size_t length = 0;
    for (int i = 0; choices[i] != NULL && length + strlen(choices[i]) + 8 < sizeof must; i++) {
        const char *before = i == 0 ? "\"" : " or \"";
        memcpy(must + length, before, strlen(before));
        length += strlen(before);
        memcpy(must + length, choices[i], strlen(choices[i]));
        length += strlen(choices[i]);
        must[length++] = '"';
    }
    must[length] = 0;
    return wrong(err, name, must);
}
