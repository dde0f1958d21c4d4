/* hash.h: seeded hashes. Integers by a multiply-xorshift finaliser, bytes by XXH3 (xxhash).
 * Source: Steele & Vigna, "Computationally easy, spectrally good multipliers", 2021 (mixing);
 * Collet, XXH3. The seed is random for each pipeline and stored with its state. */
#pragma once
#include <stddef.h>
#include <stdint.h>

static inline uint64_t wr_hash_u64(uint64_t value, uint64_t seed) {
    uint64_t x = value ^ seed;
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    return x;
}
/* Joins the hash of a next key column to that of those before. */
static inline uint64_t wr_hash_join(uint64_t before, uint64_t next) {
    return wr_hash_u64(before * UINT64_C(0x9e3779b97f4a7c15) + next, UINT64_C(0x2545f4914f6cdd1d));
}
uint64_t wr_hash_bytes(const void *bytes, size_t length, uint64_t seed);
