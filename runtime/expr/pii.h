/* pii.h: where a text holds what points at a person: the kinds that can be told by their form, and
 * where they have a checksum, by that. Names as in Microsoft's Presidio.
 * Finds no names of people or places: no form tells them. */
#pragma once
#include <stddef.h>

/* The kind of what begins at text[at] ("EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "US_SSN",
 * "IP_ADDRESS", "PHONE_NUMBER") and its length in bytes; NULL: nothing does. Bounded: at most 320
 * bytes are looked at. */
const char *wr_pii_at(const char *text, size_t length, size_t at, size_t *pii_length);
