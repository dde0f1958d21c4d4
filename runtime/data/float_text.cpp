// float_text.cpp: the C++ library's shortest and correctly rounded conversions of floats, for C.
// Source: Adams, "Ryu: fast float-to-string conversion", 2018; Lemire, "Number parsing at a
// gigabyte per second", 2021 (both as libstdc++ has them). Nothing here allocates or throws.
#include <charconv>
#include <cmath>
#include <cstddef>
#include <system_error>

#include "data/float_text.h"

size_t wr_float64_digits(double value, char *text) {
    std::to_chars_result result =
        std::to_chars(text, text + WR_FLOAT_DIGITS_MAX, value, std::chars_format::scientific);
    return static_cast<size_t>(result.ptr - text);
}

int wr_float64_read(const char *text, size_t length, double *value) {
    double read = 0;
    std::from_chars_result result = std::from_chars(text, text + length, read);
    if (result.ptr != text + length)
        return WR_FLOAT_BAD;
    if (result.ec == std::errc::result_out_of_range || std::isinf(read))
        return WR_FLOAT_RANGE;
    if (result.ec != std::errc())
        return WR_FLOAT_BAD;
    *value = read;
    return WR_FLOAT_OK;
}
