/* conn.h: sources and sinks. The table of a connector is the contract: each slot says when it is
 * called and what NULL means. The runtime polls at its own pace; nothing runs in reaction to the
 * outside.
 *
 * An endpoint of a script (`weir.file "x.csv"`, `weir.sqlite "o.db"`) is bound when the stage
 * `read` or `write` is called, without touching anything but a local file that is sampled for its
 * schema. */
#pragma once
#include <stdint.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "conn/retry.h"
#include "data/batch.h"
#include "data/reject.h"
#include "data/value.h"

struct wr_asked_type;
struct wr_buf;
struct wr_env;
struct wr_error;
struct wr_reader;
struct wr_source_type;
struct wr_sink_type;
struct wr_store;
struct wr_workers;

/* Which records of a source are read: `start` and `stop`. */
struct wr_range {
    uint64_t first; /* so many are passed over */
    uint64_t end;   /* the first that is not read; 0: none is given */
    /* Or from the first row on that has this event time or a later one, and up to the first that
     * has. */
    int64_t from_us, to_us;
    uint8_t has_from, has_to;
};

/* Plan time, for reading and writing. */
struct wr_endpoint_bind {
    struct wr_arena *arena;
    const struct wr_env *env;
    /* The stage: {op="read", endpoint={kind=, address=, …}, options=…}. */
    const struct wr_value *spec;
    const char *directory; /* of the script: relative paths start at the working directory */
    const char *timezone;
    int may_sample;                                        /* 0: a schema must be given (W408) */
    void (*tell_wait)(const char *place, const char *why); /* as that of the plan */
    /* reading: results */
    const struct wr_schema *schema;
    uint32_t partition_count; /* 1 for most; a file source with partitions = "each": its files */
    uint8_t bounded;
    uint8_t reads_once;     /* what was read is gone, or comes in another order (a pipe, a directory
                         * that fills): it cannot be opened again at a place but that of the last
                         * checkpoint */
    struct wr_range range;  /* set for all sources alike, behind bind */
    uint64_t inferred_rows; /* > 0: the schema was inferred from so many rows */
    uint8_t has_time;       /* its batches come with event time and `behind`: from this … */
    uint32_t time_column;   /* … column, … */
    int64_t max_delay_us;   /* … and no row is earlier than one before it by more */
    uint32_t family; /* > 0: sources of one family number their rows together, and so are in one
                      * order with each other where their times are equal */
    /* writing: what arrives */
    const struct wr_schema *input;
    uint32_t key_count; /* key columns of the sink (stream's key, or key =) */
    const uint16_t *key;
    uint8_t updates; /* a changelog comes */
    uint8_t bounded_input;
    uint8_t resume; /* enum wr_resume; result of reading */
    uint8_t by_key; /* a row takes the place of one with its key; result of writing */
    uint8_t shows;  /* what is written is shown at once and cannot be taken back; the same */
    uint8_t whole;  /* it appears when its input has ended, all of it at once; the same */
    const struct wr_retry *retry; /* what is done when it fails for a while; the same. NULL: the run
                                   * ends */
    /* both: result */
    void *config;
    const char *name; /* how messages call it: "flights-*.csv.gz", "sqlite:out.db/delays" */
};

/* What a restart with a state needs of a source to go on as if nothing had been: nothing; that it
 * is given once more from its start; that the rows read behind the last checkpoint have kept their
 * keys and values; that all rows read so far have kept their number and order. */
enum wr_resume { WR_RESUME_EXACT, WR_RESUME_START, WR_RESUME_KEY, WR_RESUME_COUNT };

/* Takes the rejects of decoding. `row` and `batch` are unset. */
typedef int (*wr_decode_reject_fn)(void *ctx, const struct wr_reject *reject);

struct wr_source {
    const struct wr_source_type *type;
    const void *config;
    const struct wr_schema *schema;
    const struct wr_env *env;
    struct wr_batch_pool *pool;
    struct wr_budget *input_budget;   /* 16 MB by default */
    uint32_t node, source, partition; /* plan node; ordinal among sources; partition of it */
    uint32_t batch_rows;
    const uint64_t *needed; /* bits of columns that anybody reads; others may stay data == NULL.
                             * Then hidden columns (WR_HIDDEN_*). NULL: all */
    const uint64_t *shown;  /* those of them that only rejects show: a value that cannot be
                             * converted is nil, and no reject. NULL: none */
    uint8_t keep_text;      /* origin.text wanted: somebody reads rejects with raw */
    uint8_t has_state;      /* positions are kept: save_position was called before the first poll */
    uint8_t must_repeat;    /* set behind the opens of all: a sink passes over rows that come again,
                             * so what was said to come must come, and nothing else before it */
    wr_decode_reject_fn reject;
    void *reject_ctx;
    const char *name;
    uint8_t has_more; /* of a poll that gave nothing: rows are there, and wait for a checkpoint */
    uint64_t record_limit; /* records read at most, good and bad ones; 0: all; --limit */
    int64_t watermark;     /* of a source that defines its own (all later rows have times >= it); it
                         * sets this while polling. WR_TIME_MIN: it says nothing */
    void *owner;           /* of a test that took the source's place */
    /* While it waits for what it reads from: not 0 when the run is to stop. May be NULL. */
    const volatile sig_atomic_t *stop;
    /* Told once a file, with reject_ctx: "columns that are not in the schema: `x`". May be NULL. */
    void (*note)(void *ctx, const char *file, const char *text);
};

/* Nothing is read ahead, or waits to be worked on, while more than a quarter of the budget of what
 * is read is used: then there is room for what the next stages ask for. */
static inline int wr_input_has_room(const struct wr_budget *input) {
    return input->bytes_used < input->bytes_max / 4;
}

struct wr_source_type {
    const char *name; /* the endpoint's kind: "file", "sqlite", "rows", "generate" */
    uint32_t size_bytes;
    uint8_t reads_ahead; /* it may be polled, and asked for its position, in another thread */
    /* Stands open: its polls give from now on what several threads have read ahead, in the same
     * order. The pool is freed before the source is closed. WR_EREFUSED: this one is read by one
     * thread, as before. WR_OK or WR_ENOMEM. NULL: none is read by several. */
    int (*use_workers)(struct wr_source *source, struct wr_workers *workers);
    int (*bind)(struct wr_endpoint_bind *bind, struct wr_error *err);
    /* Stands at `from` (what save_position wrote), or at the start when NULL. */
    int (*open)(struct wr_source *source, struct wr_reader *from, struct wr_error *err);
    /* Gives the next batch of at most batch_rows rows (a reference for the caller). Never blocks
     * for long: WR_EAGAIN when nothing is there yet, WR_EEND when nothing will be. */
    int (*poll)(struct wr_source *source, struct wr_batch **batch, struct wr_error *err);
    /* Where the next poll starts, as bytes. */
    int (*save_position)(struct wr_source *source, struct wr_buf *out);
    void (*close)(struct wr_source *source);
    /* For progress: bytes read and, when known, in all (0: unknown). NULL: unknown. */
    void (*progress)(const struct wr_source *source, uint64_t *done, uint64_t *total);
    /* How many of its rows have a number below `record`, where not every number is a row's. NULL:
     * as many. */
    uint64_t (*rows_before)(const struct wr_source *source, uint64_t record);
    /* It can be asked row by row (`lookup`); the config is that of its bind. NULL: it cannot. */
    const struct wr_asked_type *asked;
};

/* How a sink survives a restart with a state. PLAIN: rows of the last epoch may come twice.
 * IDEMPOTENT: it commits before the state does, and passes over what it has already. ATOMIC: it
 * follows the state, which keeps what `save` gave. */
enum wr_delivery { WR_DELIVERY_PLAIN, WR_DELIVERY_IDEMPOTENT, WR_DELIVERY_ATOMIC };

/* When others see what a sink has written: when it is committed; at once, so that it finishes
 * before the last checkpoint, which tells that it has; when it finishes (a file that has another
 * name until then); in parts, each when it is complete: the last of them also when the run is
 * stopped and has no state to go on by; or with a checkpoint, in which it stands, so that it
 * finishes before the last one too, behind those that are seen at once. */
enum wr_shown {
    WR_SHOWN_AT_COMMIT,
    WR_SHOWN_AT_ONCE,
    WR_SHOWN_AT_FINISH,
    WR_SHOWN_IN_PARTS,
    WR_SHOWN_BY_STATE,
};

/* Takes what the sink refused (W509). */
struct wr_sink {
    const struct wr_sink_type *type;
    const void *config;
    const struct wr_schema *schema;
    const struct wr_env *env;
    struct wr_store *store; /* of the run, or NULL without --state */
    /* Of this sink in its state; what it makes before the first checkpoint is named by it. 0: there
     * is none, and a random number does. */
    uint64_t identity;
    struct wr_budget *budget; /* sink epochs, 64 MB */
    int (*reject)(void *ctx, const struct wr_reject *reject);
    void *reject_ctx;
    uint32_t node;
    const char *name;
    uint64_t rows_written;
    uint8_t shown;            /* enum wr_shown; set by open */
    uint64_t nonfinite_count; /* NaN and Inf of this run that its format wrote as null */
    uint64_t left_out; /* rows of this run that a table was given and, by a trigger or a rule of its
                        * own, did not take */
    uint8_t has_told_left_out;
    uint8_t
        differs; /* opened behind rows of another script: those that come are not those again that
                      * came behind the last checkpoint */
    /* Its rows are audited: none are in their place before finish. It writes them into a place
     * beside, and says in `kept` where they are to be looked at when they are not published. */
    uint8_t held;
    const char *kept;
    uint8_t ends;         /* the checkpoint at hand is the last of this life: it ends in order */
    uint8_t goes_back;    /* the state is an older copy (--from): what came behind it is given up */
    uint8_t is_complete;  /* the state is of a run that has come to its end: no rows come … */
    uint8_t goes_further; /* … but where the script has changed since, or nobody knows */
    uint8_t gets_more;    /* something above it has not come to its end */
    uint8_t saves_all;    /* WR_SINK_CHANGES: `save` gives all it keeps, and not what has changed */
    uint8_t is_due;       /* set by open: a checkpoint comes before rows do, which unsays `ends` */
    uint8_t unseen;       /* BY_STATE: its rows get to their place when it finishes; set by open */
    uint8_t varies; /* rows behind the last checkpoint may come again as others: in another order,
                     * more or fewer of them. So none that come are passed over */
    uint8_t passes_over; /* set by open: its place has rows that the state does not know of, and
                          * so many of those that come are not written again */
    void *owner;         /* of a test that took the sink's place */
    /* The program's stdout for sinks that show rows; text goes through it, for tests and pagers. */
    int (*show)(void *ctx, const char *bytes, uint64_t length);
    void *show_ctx;
    int terminal; /* stdout is a terminal */
    int terminal_columns;
    /* While it waits for what it writes to (see retry.h): not 0 when the run is to stop; who is
     * told; what happened. The first two may be NULL. */
    const volatile sig_atomic_t *stop;
    void (*warn)(void *ctx, const char *code, const char *text);
    void *warn_ctx;
    /* Told of what it did to a file of the user's. May be NULL. */
    void (*note)(void *ctx, const char *file, const char *text);
    void *note_ctx;
    struct wr_trouble trouble;
};

/* open, then epochs begin(N) write* check(N) prepare(N) save sync(N) commit(N), never row by row;
 * then finish (the input has ended: final names appear), close. Without a state there is no sync.
 * Any of them may wait for what it writes to; WR_ECANCEL: it waited, and the run is to stop. Then,
 * as behind any failure, only close may follow.
 * Stopped before the end: close without finish leaves nothing half-written under a final name. */
struct wr_sink_type {
    const char *name;
    uint32_t size_bytes;
    enum wr_delivery delivery;
    unsigned flags;
    int (*bind)(struct wr_endpoint_bind *bind, struct wr_error *err);
    /* `from`: what save wrote at the last checkpoint, or NULL: a fresh run. Of a sink that gives
     * changes: all that it gave last, and each change since then, one behind the other. It looks,
     * and changes nothing that an instance before has left: another sink may find that the state is
     * an old copy of one that still goes on. That is cut, or taken over, when the first epoch
     * begins, behind the opens of all. */
    int (*open)(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err);
    int (*begin)(struct wr_sink *sink, uint64_t epoch, struct wr_error *err);
    /* WR_OK, WR_SINK_DONE (no more rows are wanted) or a negative status. */
    int (*write)(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err);
    /* All later rows have event times >= frontier (WR_TIME_MAX: there are none). NULL: nothing. */
    int (*advance)(struct wr_sink *sink, int64_t frontier, struct wr_error *err);
    /* All rows of the epoch have come, but for those that are rejects of this turn; it may come
     * more than once. The last place to reject rows. NULL: nothing. */
    int (*check)(struct wr_sink *sink, uint64_t epoch, struct wr_error *err);
    int (*prepare)(struct wr_sink *sink, uint64_t epoch, struct wr_error *err);
    /* What was prepared is durable. NULL: nothing to do. It and `commit` may run in another thread,
     * while nothing else of the sink does; neither rejects rows. */
    int (*sync)(struct wr_sink *sink, uint64_t epoch, struct wr_error *err);
    int (*commit)(struct wr_sink *sink, uint64_t epoch, struct wr_error *err);
    int (*save)(struct wr_sink *sink,
                struct wr_buf *out); /* after prepare; NULL: nothing to keep */
    int (*finish)(struct wr_sink *sink, struct wr_error *err);
    void (*close)(struct wr_sink *sink);
};
#define WR_SINK_DONE 1 /* as WR_FLOW_DONE of operators */
enum wr_sink_flags {
    WR_SINK_KEYS = 1, /* upserts by key: takes changelogs */
    WR_SINK_TERMINAL = 2,
    WR_SINK_REFUSES = 4,  /* may reject rows */
    WR_SINK_AUDITS = 8,   /* nothing is published before its finish has said so */
    WR_SINK_CHANGES = 16, /* `save` gives what has changed since the last one, or all */
    WR_SINK_LOOKS =
        32, /* behind a restart its open looks at files and no further: a plan may ask */
};

const struct wr_source_type *wr_source_find(const char *kind);
const struct wr_sink_type *wr_sink_find(const char *kind);
/* "follows", "decides" or "plain", as explain and the table of promises say it. */
const char *wr_delivery_text(enum wr_delivery delivery);
/* The n-th source and sink; NULL: there are no more. */
const struct wr_source_type *wr_source_at(uint32_t number);
const struct wr_sink_type *wr_sink_at(uint32_t number);
/* What names of things outside of the state are made of: the identity, or a random number. */
uint64_t wr_sink_token(const struct wr_sink *sink);
