/* functions_foreign.c: names of other dialects (SQL of several makes, Python, spreadsheets, Lua
 * with other names) and what weir has for them. A help line follows "unknown function". */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "expr/functions.h"
#include "base/banned.h"

static const struct foreign {
    const char *name, *ours;
} foreigns[] = {
    {"add_months", "add"},
    {"approx_distinct", "approx_count_distinct"},
    {"approx_median", "approx_quantile(x, 0.5)"},
    {"approx_percentile", "approx_quantile"},
    {"approx_quantiles", "approx_quantile"},
    {"approx_top_k", "approx_top"},
    {"approx_topk", "approx_top"},
    {"arg_max", "max_by"},
    {"arg_min", "min_by"},
    {"argmax", "max_by"},
    {"argmin", "min_by"},
    {"array_agg", "list"},
    {"array_contains", "contains"},
    {"array_length", "length"},
    {"array_size", "length"},
    {"astype", "int64(x) and the like"},
    {"bigint", "int64"},
    {"bit_count", "popcount"},
    {"bool_and", "all"},
    {"bool_or", "any"},
    {"btrim", "trim"},
    {"cardinality", "length"},
    {"cast", "int64(x) and the like"},
    {"ceiling", "ceil"},
    {"char_index", "position"},
    {"character_length", "char_length"},
    {"charindex", "position"},
    {"cnt", "count"},
    {"collect_list", "list"},
    {"concat_agg", "string_agg"},
    {"convert_timezone", "to_zone"},
    {"correlation", "corr"},
    {"count_if", "count(where …)"},
    {"countif", "count(where …)"},
    {"covar_samp", "covar"},
    {"covariance", "covar"},
    {"cum_sum", "sum(x), in a derive behind group_by"},
    {"cumsum", "sum(x), in a derive behind group_by"},
    {"current_date", "date(now())"},
    {"current_timestamp", "now"},
    {"date_add", "add"},
    {"date_diff", "diff"},
    {"date_format", "format_time"},
    {"date_part", "year, month, day, hour, …"},
    {"date_sub", "add"},
    {"date_trunc", "trunc"},
    {"dateadd", "add"},
    {"datediff", "diff"},
    {"datepart", "year, month, day, hour, …"},
    {"datetime", "timestamp"},
    {"datetrunc", "trunc"},
    {"dayofmonth", "day"},
    {"dayofweek", "day_of_week"},
    {"dayofyear", "day_of_year"},
    {"double", "float64"},
    {"editdist3", "levenshtein"},
    {"element_at", "element"},
    {"endswith", "ends_with"},
    {"every", "all"},
    {"exists", "x ~= nil"},
    {"extract", "year, month, day, hour, …"},
    {"fillna", "x ?? y"},
    {"float", "float64"},
    {"floor_date", "trunc"},
    {"format_date", "format_time"},
    {"format_datetime", "format_time"},
    {"from_base64", "unbase64"},
    {"from_hex", "unhex"},
    {"from_unixtime", "timestamp(x, 's')"},
    {"get_json_object", "get"},
    {"getdate", "now"},
    {"greatest", "max_of"},
    {"group_concat", "string_agg"},
    {"hll_cardinality", "approx_count_distinct"},
    {"if", "case(c, a, b)"},
    {"if_else", "case(c, a, b)"},
    {"ifelse", "case(c, a, b)"},
    {"iff", "case(c, a, b)"},
    {"ifnull", "x ?? y"},
    {"iif", "case(c, a, b)"},
    {"indexof", "position"},
    {"instr", "position"},
    {"int", "int64"},
    {"integer", "int64"},
    {"interval", "duration'1h'"},
    {"is_null", "x == nil"},
    {"isblank", "x == nil"},
    {"isna", "x == nil"},
    {"isnan", "is_nan"},
    {"isnull", "x == nil"},
    {"json_array_length", "length"},
    {"json_extract", "get"},
    {"json_extract_string", "string(get(x, key))"},
    {"json_value", "get"},
    {"lcase", "lower"},
    {"least", "min_of"},
    {"length_utf8", "char_length"},
    {"list_agg", "list"},
    {"list_contains", "contains"},
    {"list_distinct", "distinct_list"},
    {"list_sort", "sort_list"},
    {"list_sum", "sum_list"},
    {"listagg", "string_agg"},
    {"locate", "position"},
    {"log", "ln, or log10"},
    {"map_keys", "keys"},
    {"map_values", "values"},
    {"max_element", "max_list"},
    {"mean", "avg"},
    {"mid", "sub"},
    {"mod", "x % y"},
    {"months_between", "diff"},
    {"moving_avg", "avg(x) over '1h', in a derive behind group_by"},
    {"ndv", "approx_count_distinct"},
    {"notna", "x ~= nil"},
    {"notnull", "x ~= nil"},
    {"nullifzero", "nullif(x, 0)"},
    {"nunique", "count_distinct"},
    {"nvl", "x ?? y"},
    {"nvl2", "case(x ~= nil, a, b)"},
    {"ord", "byte"},
    {"parse_datetime", "parse_time"},
    {"pearson", "corr"},
    {"percentile", "quantile"},
    {"percentile_approx", "approx_quantile"},
    {"percentile_cont", "quantile"},
    {"power", "pow"},
    {"proctime", "now"},
    {"quantile_cont", "quantile"},
    {"quantile_tdigest", "approx_quantile"},
    {"rand", "random"},
    {"regexp_extract", "regex_find"},
    {"regexp_extract_all", "regex_find_all"},
    {"regexp_like", "regex_match"},
    {"regexp_matches", "regex_match"},
    {"regexp_replace", "regex_replace"},
    {"regexp_split", "regex_split"},
    {"regexp_split_to_array", "regex_split"},
    {"regexp_substr", "regex_find"},
    {"repeat", "rep"},
    {"reservoir_sample", "sample"},
    {"rolling_mean", "avg(x) over '1h', in a derive behind group_by"},
    {"rolling_sum", "sum(x) over '1h', in a derive behind group_by"},
    {"running_sum", "sum(x), in a derive behind group_by"},
    {"running_total", "sum(x), in a derive behind group_by"},
    {"safe_cast", "int64(x) ?? nil and the like"},
    {"sha", "sha1"},
    {"sha2", "sha256"},
    {"size", "length"},
    {"split_to_array", "split"},
    {"startswith", "starts_with"},
    {"std", "stddev"},
    {"stddev_samp", "stddev"},
    {"str", "string"},
    {"str_replace", "replace"},
    {"str_split", "split"},
    {"str_to_date", "parse_time"},
    {"strftime", "format_time"},
    {"string_split", "split"},
    {"string_to_array", "split"},
    {"strip", "trim"},
    {"strlen", "len"},
    {"strpos", "position"},
    {"strptime", "parse_time"},
    {"substr", "sub"},
    {"substring", "sub"},
    {"substring_index", "split_part"},
    {"tdigest_agg", "approx_quantile"},
    {"text", "string"},
    {"time_bucket", "trunc"},
    {"timestamp_diff", "diff"},
    {"timestamp_trunc", "trunc"},
    {"timestampadd", "add"},
    {"timestampdiff", "diff"},
    {"to_char", "format_time"},
    {"to_date", "date(x, format)"},
    {"to_datetime", "timestamp(x, format)"},
    {"to_hex", "hex"},
    {"to_number", "parse_number"},
    {"to_string", "string"},
    {"to_timestamp", "timestamp(x, format)"},
    {"tolower", "lower"},
    {"tonumber", "int64, float64 or parse_number"},
    {"topk", "approx_top"},
    {"tostring", "string"},
    {"toupper", "upper"},
    {"truncate", "trunc"},
    {"try_cast", "int64(x) ?? nil and the like"},
    {"ucase", "upper"},
    {"uniq", "count_distinct"},
    {"uniqhll12", "approx_count_distinct"},
    {"unix_timestamp", "epoch"},
    {"uuid", "uuid5"},
    {"var_pop", "variance_pop"},
    {"var_samp", "variance"},
    {"varchar", "string"},
    {"weekday", "day_of_week"},
    {"weekofyear", "week"},
    {"window_funnel", "funnel"},
    {"windowfunnel", "funnel"},
    {"xxhash64", "hash64"},
    {"zeroifnull", "x ?? 0"},
};

const char *wr_function_foreign(const char *name, uint32_t length) {
    for (uint32_t i = 0; i < WR_COUNT(foreigns); i++) {
        const char *known = foreigns[i].name;
        if (strlen(known) != length)
            continue;
        uint32_t at = 0; /* also DATE_TRUNC and Date_Trunc */
        while (at < length) {
            char c = name[at];
            c = (char)(c >= 'A' && c <= 'Z' ? c | 32 : c);
            if (c != known[at])
                break;
            at++;
        }
        if (at == length)
            return foreigns[i].ours;
    }
    return NULL;
}

int wr_function_foreign_at(uint32_t index, const char **name, const char **ours) {
    if (index >= WR_COUNT(foreigns))
        return 0;
    *name = foreigns[index].name;
    *ours = foreigns[index].ours;
    return 1;
}

static const char *const later[] = {
    "delta", "dense_rank", "lag", "lead", "rank", "rate", "row_number",
};

int wr_function_is_later(const char *name, uint32_t length) {
    for (uint32_t i = 0; i < WR_COUNT(later); i++)
        if (strlen(later[i]) == length && memcmp(later[i], name, length) == 0)
            return 1;
    return 0;
}
