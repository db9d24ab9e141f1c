/* What the page of a case says beside its pictures: prediction, sentences, findings, outlines, provenance; growth since a prior study. */
#include "src/serve/reader_private.h"

#include "src/base/refuse.h"
#include "src/export/heat_values.h"
#include "src/result/headline.h"
#include "src/store/schema.h"

#include <microtome/batch.h>
#include <microtome/findings.h>
#include <microtome/growth.h>
#include <microtome/impression.h>
#include <microtome/search.h>

#include <math.h>
#include <string.h>

#define OUTLINE_POINTS 200000
#define LIKE 5

/* What tells the score, and those from which it can be read. */
static const char *const telling[] = {"score", "scores", "decision", "reason", "positive_score", "labels", "audit"};

static json_t *headline_json(const char *path, bool hidden, char **withheld, GError **error)
{
    g_autofree char *line = mt_result_headline(path, error);
    json_t          *o = line != NULL ? json_loads(line, 0, NULL) : NULL;

    if (line != NULL && o == NULL)
        mt_refuse(error, MT_ERROR_INPUT, "read the headline of this result: it is no JSON");
    if (o == NULL)
        return NULL;
    *withheld = mt_batch_withheld(path);
    for (size_t i = 0; (hidden || *withheld != NULL) && i < G_N_ELEMENTS(telling); i++)
        json_object_del(o, telling[i]);
    if (*withheld != NULL)
        json_object_set_new(o, "withheld", json_string(*withheld));
    return o;
}

static json_t *impression_json(const mt_result *result, const char *language, const char *withheld)
{
    const mt_impression_params params = {.language = language, .withheld = withheld};
    g_autoptr(mt_impression) impression = mt_impression_new(result, &params, NULL);
    g_autofree char *text = impression != NULL ? mt_impression_json(impression) : NULL;

    return text != NULL ? json_loads(text, 0, NULL) : json_object();
}

static json_t *findings_json(const mt_result *result, const char *id, const char *language)
{
    g_autoptr(mt_finding_list) list = mt_finding_list_read(result, NULL);
    g_autofree char *text = list != NULL ? mt_finding_list_json(list, id, language) : NULL;

    return text != NULL ? json_loads(text, 0, NULL) : json_object();
}

/* Rings in level-0 px; of very many points every k-th. */
static json_t *tissue_json(const mt_result *result)
{
    bool there = mt_result_has(result, MT_OBJECT_TISSUE_POINTS) && mt_result_has(result, MT_OBJECT_TISSUE_OFFSETS);
    g_autoptr(mt_tensor) points = there ? mt_result_read(result, MT_OBJECT_TISSUE_POINTS, NULL) : NULL;
    g_autoptr(mt_tensor) offsets = there ? mt_result_read(result, MT_OBJECT_TISSUE_OFFSETS, NULL) : NULL;
    json_t *rings = json_array();

    if (points == NULL || offsets == NULL || points->dtype != MT_I32 || points->rank != 2 || points->shape[1] != 2 ||
        offsets->dtype != MT_I64)
        return rings;
    const int32_t *p = points->data;
    const int64_t *o = offsets->data;
    int64_t        step = 1 + points->shape[0] / OUTLINE_POINTS;
    for (int64_t r = 0; r + 1 < mt_tensor_count(offsets); r++) {
        json_t *ring = json_array();
        for (int64_t i = MAX(o[r], 0); i < MIN(o[r + 1], points->shape[0]); i += step)
            json_array_append_new(ring, json_pack("[i,i]", p[2 * i], p[2 * i + 1]));
        json_array_append_new(rings, ring);
    }
    return rings;
}

static json_t *maps_json(const mt_result *result)
{
    static const struct {
        const char *name, *object;
    } maps[] = {{"evidence", MT_OBJECT_TILE_SCORES},      {"attention", MT_OBJECT_ATTENTION},     {"tile_score", MT_OBJECT_TILE_SCORES},
                {"segmentation", MT_OBJECT_SEGMENTATION}, {"probability", MT_OBJECT_PROBABILITY}, {"error", MT_OBJECT_ERROR_MAP},
                {"explanation", "/map/explanation"}};
    json_t *list = json_array();

    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++)
        if (mt_result_has(result, maps[i].object) || (i == 0 && mt_result_has(result, MT_OBJECT_ATTENTION)))
            json_array_append_new(list, json_string(maps[i].name));
    return list;
}

static json_t *provenance_json(const mt_result *result)
{
    g_autofree char *text = mt_result_has(result, MT_OBJECT_PROVENANCE) ? mt_result_read_string(result, MT_OBJECT_PROVENANCE, NULL) : NULL;
    json_t          *o = text != NULL ? json_loads(text, 0, NULL) : NULL;

    return o != NULL ? o : json_null();
}

/* What can be shown of the case, and where it is not its slide, why. */
static void put_picture(mt_reader *reader, const json_t *ask, const mt_result *result, json_t *o)
{
    g_autoptr(GError) cause = NULL;
    mt_case     *slide = mt_reader_text(ask, "slides") != NULL ? mt_reader_slide(reader, ask, &cause) : NULL;
    mt_case_kind kind = slide != NULL ? mt_case_get_kind(slide) : MT_CASE_SLIDE;
    bool         stored = mt_result_has(result, MT_OBJECT_THUMBNAIL);
    g_autoptr(mt_tensor) size = mt_result_has(result, MT_OBJECT_SIZE) ? mt_result_read(result, MT_OBJECT_SIZE, NULL) : NULL;
    int64_t     planes = size != NULL && size->dtype == MT_I64 && mt_tensor_count(size) == 3 ? ((const int64_t *)size->data)[2] : 1;
    const char *picture = stored ? "thumbnail" : "none";

    if (slide != NULL)
        planes = mt_case_planes(slide);
    if (slide != NULL && (planes > 1 || mt_case_dtype(slide) != MT_U8))
        picture = "planes";
    else if (slide != NULL && mt_reader_picture(reader, ask, false, &cause) != NULL)
        picture = "slide";
    if (cause != NULL)
        json_object_set_new(o, "picture_problem", json_string(cause->message));
    json_object_set_new(o, "picture", json_string(picture));
    json_object_set_new(o, "planes", json_integer((json_int_t)MAX(planes, 1)));
    json_object_set_new(o, "kind", json_string(planes > 1 ? "volume" : slide != NULL && kind == MT_CASE_IMAGE ? "image" : "slide"));
}

static void put_frame(const mt_result *result, json_t *o)
{
    g_autoptr(mt_heatmap) frame = mt_heatmap_frame(result, NULL);

    if (frame == NULL)
        return;
    json_object_set_new(o, "level0", json_pack("[f,f]", frame->level0_size[0], frame->level0_size[1]));
    json_object_set_new(o, "picture_plane", json_integer((json_int_t)frame->plane));
    if (frame->mpp[0] > 0)
        json_object_set_new(o, "mpp", json_pack("[f,f]", frame->mpp[0], frame->mpp[1]));
}

static void put_map(mt_reader *reader, const json_t *ask, json_t *o)
{
    g_autoptr(GError) cause = NULL;
    const mt_heatmap *h = mt_reader_heatmap(reader, ask, &cause);
    json_t           *labels = json_array();

    for (int i = 0; h != NULL && h->labels != NULL && h->labels[i] != NULL; i++)
        json_array_append_new(labels, json_string(h->labels[i]));
    json_object_set_new(o, "labels", labels);
    if (h != NULL && h->label != NULL)
        json_object_set_new(o, "label", json_string(h->label));
    if (cause != NULL)
        json_object_set_new(o, "no_map", json_string(cause->message));
}

bool mt_reader_case(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    const char      *language = mt_reader_text(ask, "language"), *id = mt_reader_text(ask, "id");
    bool             hidden = json_is_true(json_object_get(ask, "hidden"));
    mt_result       *result = mt_reader_result(reader, ask, error);
    g_autofree char *withheld = NULL;
    json_t          *headline = result != NULL ? headline_json(mt_result_path(result), hidden, &withheld, error) : NULL;

    if (headline == NULL)
        return false;
    json_t *o = json_pack("{s:o s:b s:o s:o s:o}", "headline", headline, "hidden", hidden, "tissue", tissue_json(result), "provenance",
                          provenance_json(result), "colours", mt_heat_colours_json(NULL));
    put_frame(result, o);
    put_picture(reader, ask, result, o);
    if (!hidden && withheld == NULL) {
        json_object_set_new(o, "impression", impression_json(result, language, withheld));
        json_object_set_new(o, "findings", findings_json(result, id, language));
        json_object_set_new(o, "maps", maps_json(result));
        put_map(reader, ask, o);
    }
    return mt_reader_json(answer, o);
}

static json_t *similar_json(const mt_search *search)
{
    json_t *hits = json_array();

    for (int i = 0; i < search->n_hits; i++)
        json_array_append_new(hits, json_pack("{s:s s:f}", "id", search->hits[i].id, "score", search->hits[i].score));
    return json_pack("{s:o s:s}", "hits", hits, "by", search->by);
}

/* With "prior": growth since that study; else the stored cases most like it. */
bool mt_reader_compare(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    const char *prior_path = mt_reader_text(ask, "prior"), *folder = mt_reader_text(ask, "folder");
    mt_result  *result = mt_reader_result(reader, ask, error);

    if (result == NULL)
        return false;
    if (prior_path == NULL) {
        const mt_search_params params = {.case_id = mt_reader_text(ask, "id"), .tile = -1, .k = LIKE};
        g_autoptr(mt_search) search = mt_search_new(folder, &params, error);
        return search != NULL && mt_reader_json(answer, similar_json(search));
    }
    const mt_growth_params params = {.language = mt_reader_text(ask, "language")};
    g_autoptr(mt_result) prior = mt_result_open(prior_path, error);
    g_autoptr(mt_growth) growth = prior != NULL ? mt_growth_new(prior, result, &params, error) : NULL;
    g_autofree char *text = growth != NULL ? mt_growth_json(growth) : NULL;
    if (text == NULL)
        return false;
    answer->type = "application/json";
    answer->body = g_bytes_new(text, strlen(text));
    return true;
}
