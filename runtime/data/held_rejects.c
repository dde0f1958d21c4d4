#include "data/held_rejects.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/batch.h"
#include "base/banned.h"

/* A copy of the bytes, if there are any. WR_OK or WR_ENOMEM. */
static int own(const char **copy, const char *text, size_t length) {
    if (text == NULL)
        return WR_OK;
    *copy = wr_strndup(&wr_budget_control, text, length);
    return *copy == NULL ? WR_ENOMEM : WR_OK;
}

static int own_text(const char **copy, const char *text) {
    return own(copy, text, text == NULL ? 0 : strlen(text));
}

static void give_back(const char *text) {
    wr_free(&wr_budget_control, (char *)(uintptr_t)text);
}

int wr_held_rejects_add(struct wr_held_rejects *held, const struct wr_reject *reject) {
    if (wr_grow(&wr_budget_control, (void **)&held->list, held->count, &held->room,
                sizeof *held->list) != WR_OK)
        return WR_ENOMEM;
    struct wr_reject *kept = &held->list[held->count++];
    *kept = *reject;
    kept->detail = kept->raw = kept->file = NULL;
    if (kept->batch != NULL)
        wr_batch_ref(kept->batch);
    int status = own_text(&kept->detail, reject->detail);
    if (status == WR_OK)
        status = own(&kept->raw, reject->raw, reject->raw_length);
    if (status == WR_OK)
        status = own_text(&kept->file, reject->file);
    return status;
}

void wr_held_rejects_forget(struct wr_held_rejects *held) {
    for (uint32_t i = 0; i < held->count; i++) {
        const struct wr_reject *reject = &held->list[i];
        wr_batch_unref(reject->batch);
        give_back(reject->detail);
        give_back(reject->raw);
        give_back(reject->file);
    }
    held->count = 0;
}

void wr_held_rejects_free(struct wr_held_rejects *held) {
    wr_held_rejects_forget(held);
    wr_free(&wr_budget_control, held->list);
    *held = (struct wr_held_rejects){0};
}
