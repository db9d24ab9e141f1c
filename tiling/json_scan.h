/* Finding the elements of a long array in a JSON text without parsing it: each is then parsed alone, in little memory. */
#ifndef MT_JSON_SCAN_H
#define MT_JSON_SCAN_H

#include <microtome/error.h>

typedef struct mt_json_scan {
    const char *at, *end;
    const char *wrong; /* what was wrong where `at` stands, after a false */
} mt_json_scan;

void mt_json_skip_space(mt_json_scan *scan);
/* Move past one value, whose syntax is only followed as far as strings and brackets go.  *cost (may be NULL) grows by the bytes that its parsed form takes, about.
 * False when the text ends within it or it nests deeper than MT_LIMIT_JSON_DEPTH. */
bool mt_json_skip_value(mt_json_scan *scan, int64_t *cost);
/* In an object, move to the value of member `key` at its first level: true with `at` on it; false when there is none
 * (wrong == NULL) or the text is broken. */
bool mt_json_find_member(mt_json_scan *scan, const char *key);

#endif
