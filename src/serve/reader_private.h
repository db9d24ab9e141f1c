/* What a reader has open, and the questions it answers, a file for each kind. */
#ifndef MT_READER_PRIVATE_H
#define MT_READER_PRIVATE_H

#include "src/serve/reader.h"

#include <microtome/case.h>
#include <microtome/heat_picture.h>

#include <jansson.h>

typedef struct mt_reader mt_reader;

typedef struct mt_reader_answer {
    const char *type; /* of the body: MIME */
    GBytes     *body;
} mt_reader_answer;

/* `ask` has "do", "result" (path of the result) and, where the desk has slides, "slides" (their folder). */
typedef bool (*mt_reader_question)(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);

const char *mt_reader_text(const json_t *ask, const char *key); /* NULL: absent */
int64_t     mt_reader_number(const json_t *ask, const char *key, int64_t otherwise);

/* Where it may write: for nobody else, emptied after each question. */
const char *mt_reader_folder(const mt_reader *reader);

/* What is asked for, opened or still open; the reader's own.  Files that were replaced are opened anew. */
mt_result *mt_reader_result(mt_reader *reader, const json_t *ask, GError **error);
/* MT_ERROR_MISSING: the desk has no slides, or not this one. */
mt_case *mt_reader_slide(mt_reader *reader, const json_t *ask, GError **error);
/* Of "label", "source", "scale", "plane". */
const mt_heatmap *mt_reader_heatmap(mt_reader *reader, const json_t *ask, GError **error);
/* The bare slide, or with `stored` the bare stored picture, in the frame of the result. */
const mt_heat_picture *mt_reader_picture(mt_reader *reader, const json_t *ask, bool stored, GError **error);

bool mt_reader_json(mt_reader_answer *answer, json_t *value); /* takes it */
/* A line of JSON (taken) and bytes behind it. */
bool mt_reader_packed(mt_reader_answer *answer, json_t *line, GBytes *bytes);
bool mt_reader_jpeg(mt_reader_answer *answer, const uint8_t *rgb, int64_t width, int64_t height, GError **error);
/* zlib's of `n` bytes. */
GBytes *mt_reader_deflate(const void *bytes, size_t n, GError **error);

bool mt_reader_case(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);
bool mt_reader_heat(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);
bool mt_reader_patch(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);
bool mt_reader_thumbnail(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);
bool mt_reader_dzi(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);
bool mt_reader_tile(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);
bool mt_reader_plane(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);
bool mt_reader_mask(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);
bool mt_reader_paper(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);
bool mt_reader_report(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);
bool mt_reader_board(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);
bool mt_reader_compare(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error);

#endif
