/* named.h: files that are complete get their final names, and the state hears of it before
 * (`NAMED`, state/store.h): somebody may take them away at once. Private to the room. */
#pragma once

struct wr_error;
struct wr_sink;

/* Renames a file that is there; `later`: as env->rename_later. Without a state nothing is noted. */
int wr_named_rename(const struct wr_sink *sink, const char *from, const char *to, int later,
                    struct wr_error *err);
/* Notes it of something that is gone for good, durably. */
int wr_named_note(const struct wr_sink *sink, const char *from, struct wr_error *err);
/* Behind all of them: the notes are durable. */
int wr_named_sync(const struct wr_sink *sink, struct wr_error *err);
/* Whether a file that is under neither name got its final one in a life before. */
int wr_named_look(const struct wr_sink *sink, const char *from, int *was_named,
                  struct wr_error *err);
