/* file_sink_bind.c: what a script says of a file that is written. */
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "conn/file_sink.h"
#include "base/banned.h"

static const char *const own_options[] = {"compression", "partitions",     "roll",
                                          "max_ratio",   WR_RETRY_OPTIONS, NULL};

int file_sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    static const char *const modes[] = {"replace", "append", "new", NULL};
    static const char *const compressions[] = {"none", "gzip", "zstd", "auto", NULL};
    static const char *const not_yet[] = {"partition_by", "roll", NULL};
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct file_sink_config *config = WR_ARENA_ZEROS(bind->arena, struct file_sink_config, 1);
    if (status == WR_OK && config == NULL)
        return wr_error_set(err, WR_ENOMEM, "file: out of memory");
    if (status != WR_OK)
        return status;
    config->address = wr_value_string(wr_value_get(bind->spec, "endpoint"), "address", "");
    config->to_stdout = strcmp(config->address, "-") == 0;
    bind->shows = config->to_stdout != 0;
    bind->name = config->to_stdout ? "stdout" : config->address;
    size_t length = strlen(config->address);
    if (length == 0 || config->address[length - 1] == '/' ||
        strpbrk(config->address, "*?[") != NULL) {
        int is_glob = strpbrk(config->address, "*?[") != NULL;
        wr_error_script(err, "W401", "`%s` is no name of a file to write", config->address);
        wr_error_help(err, is_glob ? "one file is written, without `*`, `?` and `[` in its name"
                                   : "`roll = \"1h\"` or `partition_by = \"…\"` writes files into "
                                     "a directory; without them name the file, as `dir/out.csv`");
        wr_error_at(err, "1", 0, 0);
        return WR_ESCRIPT;
    }
    wr_format_of_name(config->address, &config->compression);
    int compression = (int)config->compression, mode = MODE_REPLACE;
    status = wr_options_refuse(&options, not_yet, err);
    const char *format = NULL;
    if (status == WR_OK)
        status = wr_option_word(&options, "mode", modes, &mode, err);
    if (status == WR_OK)
        status = wr_option_word(&options, "compression", compressions, &compression, err);
    if (status == WR_OK)
        status = wr_format_choose(bind, config->address, config->to_stdout ? "ndjson" : NULL,
                                  &format, err);
    if (status == WR_OK)
        status = wr_encoder_choose(format, &config->format, err);
    if (status == WR_OK)
        status = wr_options_rest(&options, bind->arena, wr_options_of_write, own_options,
                                 &config->options, err);
    if (status == WR_OK)
        status = wr_encoder_check(bind, config->format, config->options, err);
    if (compression != 3) /* auto: what the name says */
        config->compression = (enum wr_compression)compression;
    config->mode = (enum file_sink_mode)mode;
    int is_audited = wr_value_get(bind->spec, "audited") != NULL;
    bind->whole = !config->to_stdout && (config->mode != MODE_APPEND || is_audited);
    if (status == WR_OK && mode == MODE_APPEND && config->format->end != NULL) {
        wr_error_script(err, "W203", "format `%s` has an end, so nothing can be appended to it",
                        config->format->name);
        wr_error_help(err, "write `.ndjson` or `.csv`, or `mode = \"replace\"`");
        wr_error_at(err, "mode", 0, 0);
        return WR_ESCRIPT;
    }
    config->retry = WR_RETRY_OF_FILES;
    if (status == WR_OK)
        status = wr_retry_bind(&config->retry, bind, &options, 0, err);
    bind->retry = &config->retry;
    bind->config = config;
    return status;
}
