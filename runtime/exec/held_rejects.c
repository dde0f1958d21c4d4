#include "exec/held_rejects.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/batch.h"
#include "base/banned.h"

/* *text becomes a copy of its bytes. */
static int own(const char **text, size_t length) {
    if (*text == NULL)
        return 1;
    *text = wr_strndup(&wr_budget_control, *text, length);
    return *text != NULL;
}

static int own_text(const char **text) {
    return own(text, *text == NULL ? 0 : strlen(*text));
}

static void give_back(const char *text) {
    wr_free(&wr_budget_control, (char *)(uintptr_t)text);
}

int held_rejects_add(struct held_rejects *held, const struct wr_reject *reject) {
    if (wr_grow(&wr_budget_control, (void **)&held->list, held->count, &held->room,
                sizeof *held->list) != WR_OK)
        return WR_ENOMEM;
    struct wr_reject *kept = &held->list[held->count++];
    *kept = *reject;
    kept->detail = kept->raw = kept->file = NULL;
    const char *detail = reject->detail, *raw = reject->raw, *file = reject->file;
    if (kept->batch != NULL)
        wr_batch_ref(kept->batch);
    if (!own_text(&detail))
        return WR_ENOMEM;
    kept->detail = detail;
    if (!own(&raw, reject->raw_length))
        return WR_ENOMEM;
    kept->raw = raw;
    if (!own_text(&file))
        return WR_ENOMEM;
    kept->file = file;
    return WR_OK;
}

void held_rejects_forget(struct held_rejects *held) {
    for (uint32_t i = 0; i < held->count; i++) {
        const struct wr_reject *reject = &held->list[i];
        wr_batch_unref(reject->batch);
        give_back(reject->detail);
        give_back(reject->raw);
        give_back(reject->file);
    }
    held->count = 0;
}

void held_rejects_free(struct held_rejects *held) {
    held_rejects_forget(held);
    wr_free(&wr_budget_control, held->list);
    *held = (struct held_rejects){0};
}
