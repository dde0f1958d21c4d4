/* functions_geo.c: distances and cells on the earth. Latitude first, degrees. */
#include <math.h>

#include "expr/library.h"
#include "base/banned.h"

#define EARTH_RADIUS_M 6371008.8 /* mean radius, IUGG */

static int place_is_good(struct wr_call *call, uint32_t row, double latitude, double longitude) {
    if (latitude >= -90 && latitude <= 90 && longitude >= -180 && longitude <= 180)
        return 1;
    wr_call_fail(call, row, WR_REJECT_TYPE, "(%g, %g) is no place: latitude, longitude", latitude,
                 longitude);
    return 0;
}

/* Sinnott, "Virtues of the haversine", 1984. */
static double haversine(double lat1, double lon1, double lat2, double lon2) {
    double to_radians = M_PI / 180;
    double half_lat = sin((lat2 - lat1) * to_radians / 2);
    double half_lon = sin((lon2 - lon1) * to_radians / 2);
    double a =
        half_lat * half_lat + cos(lat1 * to_radians) * cos(lat2 * to_radians) * half_lon * half_lon;
    return 2 * EARTH_RADIUS_M * asin(sqrt(fmin(a, 1)));
}
static int haversine_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        double lat1 = fn_float(call, 0, row);
        double lon1 = fn_float(call, 1, row);
        double lat2 = fn_float(call, 2, row);
        double lon2 = fn_float(call, 3, row);
        if (place_is_good(call, row, lat1, lon1) && place_is_good(call, row, lat2, lon2))
            FN_OUT_FLOAT(call)[row] = haversine(lat1, lon1, lat2, lon2);
    }
    return WR_OK;
}

/* Niemeyer's geohash: bits of longitude and latitude in turn, five to a letter. */
static int geohash_kernel(struct wr_call *call) {
    static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    FN_EACH(call, row) {
        double latitude = fn_float(call, 0, row);
        double longitude = fn_float(call, 1, row);
        int64_t length = fn_int(call, 2, row);
        if (!place_is_good(call, row, latitude, longitude))
            continue;
        if (length < 1 || length > 12) {
            wr_call_fail(call, row, WR_REJECT_TYPE, "a geohash has 1 to 12 letters");
            continue;
        }
        double low[2] = {-180, -90};
        double high[2] = {180, 90};
        double place[2] = {longitude, latitude};
        char text[12];
        int side = 0;
        for (int64_t i = 0; i < length; i++) {
            int bits = 0;
            for (int bit = 0; bit < 5; bit++, side ^= 1) {
                double mid = (low[side] + high[side]) / 2;
                int above = place[side] >= mid;
                bits = bits << 1 | above;
                if (above)
                    low[side] = mid;
                else
                    high[side] = mid;
            }
            text[i] = letters[bits];
        }
        fn_piece(call, row, text, (size_t)length);
    }
    return WR_OK;
}

const struct wr_function wr_functions_geo[] = {
    {.name = "haversine",
     .group = "geo",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL,
     .doc = "The distance of two places in metres, on a sphere: within 0.6 percent of the truth.",
     .signatures =
         FN_SIGNATURES({"(lat1 float64, lon1 float64, lat2 float64, lon2 float64) float64",
                        haversine_kernel, NULL}),
     .examples =
         FN_EXAMPLES({"round(haversine(52.52, 13.405, 48.8566, 2.3522), -3)", "877000.0"},
                     {"haversine(0, 0, 0, 0)", "0.0"}, {"haversine(91, 0, 0, 0)", "fails W502"})},
    {.name = "geohash",
     .group = "geo",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL,
     .doc = "The geohash cell of a place, with so many letters (1 to 12).",
     .signatures = FN_SIGNATURES(
         {"(latitude float64, longitude float64, length int64 = 9) string", geohash_kernel, NULL}),
     .examples = FN_EXAMPLES({"geohash(57.64911, 10.40744, 11)", "'u4pruydqqvj'"},
                             {"geohash(0, 0, 1)", "'s'"})},
    {0},
};
