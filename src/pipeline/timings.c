#include "src/pipeline/timings.h"

#include <stddef.h>
#include <stdlib.h>

static const struct {
    const char *name;
    size_t      offset;
} SECONDS[] = {
    {"open_s", offsetof(mt_timings, open_s)},           {"mask_s", offsetof(mt_timings, mask_s)},
    {"decode_s", offsetof(mt_timings, decode_s)},       {"resample_s", offsetof(mt_timings, resample_s)},
    {"normalise_s", offsetof(mt_timings, normalise_s)}, {"encode_s", offsetof(mt_timings, encode_s)},
    {"write_s", offsetof(mt_timings, write_s)},         {"head_s", offsetof(mt_timings, head_s)},
    {"publish_s", offsetof(mt_timings, publish_s)},     {"tiles_s", offsetof(mt_timings, tiles_s)},
    {"total_s", offsetof(mt_timings, total_s)},
};

static const struct {
    const char *name;
    size_t      offset;
} COUNTS[] = {
    {"stored_tiles_decoded", offsetof(mt_case_counts, tiles_decoded)},
    {"stored_tiles_reused", offsetof(mt_case_counts, tiles_reused)},
    {"decoded_bytes", offsetof(mt_case_counts, decoded_bytes)},
    {"reads", offsetof(mt_case_counts, reads)},
    {"read_bytes", offsetof(mt_case_counts, read_bytes)},
    {"reads_ahead", offsetof(mt_case_counts, reads_ahead)},
    {"read_retries", offsetof(mt_case_counts, read_retries)},
};

static json_t *counts_to_json(const mt_case_counts *counts)
{
    json_t *object = json_object();

    for (size_t i = 0; i < G_N_ELEMENTS(COUNTS); i++)
        json_object_set_new(object, COUNTS[i].name, json_integer(*(const int64_t *)((const char *)counts + COUNTS[i].offset)));
    return object;
}

static void counts_from_json(const json_t *object, mt_case_counts *counts)
{
    for (size_t i = 0; i < G_N_ELEMENTS(COUNTS); i++)
        *(int64_t *)((char *)counts + COUNTS[i].offset) = json_integer_value(json_object_get(object, COUNTS[i].name));
}

json_t *mt_timings_to_json(const mt_timings *timings)
{
    json_t *object = json_pack("{s:I s:I s:i}", "tiles", (json_int_t)timings->tiles, "invalid_tiles", (json_int_t)timings->invalid_tiles,
                               "threads", timings->threads);

    for (size_t i = 0; i < G_N_ELEMENTS(SECONDS); i++)
        json_object_set_new(object, SECONDS[i].name, json_real(*(const double *)((const char *)timings + SECONDS[i].offset)));
    json_object_set_new(object, "reading", counts_to_json(&timings->reading));
    return object;
}

void mt_timings_from_json(const json_t *object, mt_timings *timings)
{
    counts_from_json(json_object_get(object, "reading"), &timings->reading);
    timings->tiles = json_integer_value(json_object_get(object, "tiles"));
    timings->invalid_tiles = json_integer_value(json_object_get(object, "invalid_tiles"));
    timings->threads = (int)json_integer_value(json_object_get(object, "threads"));
    for (size_t i = 0; i < G_N_ELEMENTS(SECONDS); i++)
        *(double *)((char *)timings + SECONDS[i].offset) = json_number_value(json_object_get(object, SECONDS[i].name));
}

void mt_timings_add(mt_timings *sum, const mt_timings *timings)
{
    for (size_t i = 0; i < G_N_ELEMENTS(SECONDS); i++)
        *(double *)((char *)sum + SECONDS[i].offset) += *(const double *)((const char *)timings + SECONDS[i].offset);
    for (size_t i = 0; i < G_N_ELEMENTS(COUNTS); i++)
        *(int64_t *)((char *)&sum->reading + COUNTS[i].offset) += *(const int64_t *)((const char *)&timings->reading + COUNTS[i].offset);
    sum->tiles += timings->tiles;
    sum->invalid_tiles += timings->invalid_tiles;
    sum->threads = MAX(sum->threads, timings->threads);
}

char *mt_timings_json(const mt_timings *timings)
{
    json_t *object = mt_timings_to_json(timings);
    char   *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)), *copy = g_strdup(text);

    free(text);
    json_decref(object);
    return copy;
}
