#include "src/pipeline/detect_case.h"

#include "src/encoder/card_text.h"
#include "src/pipeline/object_stages.h"
#include "src/pipeline/tile_frame.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

bool mt_pipeline_load_detector(mt_pipeline *p, GError **error)
{
    const mt_recipe *r = p->recipe;
    int64_t          shape[MT_MAX_RANK];
    g_autoptr(GError) cause = NULL;

    if (r->head != NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare the run: task=detect needs no head: leave %s out", r->head);
        return false;
    }
    p->boxes = mt_box_card_read(mt_encoder_card(p->encoder)->source, &cause);
    if (cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    if (p->boxes == NULL || p->boxes->format == MT_BOX_EXPLICIT || mt_encoder_raw_shape(p->encoder, shape) == 0) {
        g_set_error(
            error, MT_ERROR, MT_ERROR_MODEL,
            "load detector %s: its card %s has to say [encoder] pool=raw and, in a group [detect], format=yolov8, yolov5 or fastestdet",
            r->encoder, mt_encoder_card(p->encoder)->source);
        return false;
    }
    return mt_detect_load_rules(p, error);
}

bool mt_detect_load_rules(mt_pipeline *p, GError **error)
{
    const mt_recipe *r = p->recipe;

    p->rules = g_new0(mt_finding_rules, 1);
    p->rules->labels = g_strdupv(p->boxes->labels);
    p->rules->n = (int)g_strv_length(p->boxes->labels);
    if (!mt_finding_rules_rename(r, p->rules, error) || !mt_finding_rules_read(r, p->rules, error) || !mt_finding_rules_card(p, error))
        return false;
    p->stages = mt_object_stages_load(r, p->rules, p->threads, error);
    return p->stages != NULL;
}

void mt_detect_resolve(mt_pipeline *p)
{
    const mt_box_card *b = p->boxes;
    const double       numbers[] = {(double)b->format, (double)b->order, (double)b->activation, b->share, b->background, b->agnostic,
                                    b->min_score,      b->iou,           (double)b->max_boxes};
    GString           *text = g_string_new(p->resolved);

    mt_finding_rules_text(p, text);
    mt_card_text_put_numbers(text, "boxes", numbers, G_N_ELEMENTS(numbers));
    mt_object_stages_text(p->stages, text);
    g_free(p->resolved);
    p->resolved = g_string_free(text, FALSE);
}

bool mt_detect_take_tile(mt_case_run *run, int64_t i, const float *output, GError **error)
{
    const mt_pipeline *p = run->p;
    int64_t      shape[MT_MAX_RANK + 1] = {1}, px[3] = {mt_encoder_card(p->encoder)->size_px, mt_encoder_card(p->encoder)->size_px, 0};
    int          rank = mt_encoder_raw_shape(p->encoder, shape + 1);
    mt_tile      tile = mt_grid_tile(run->tiles.grid, i);
    mt_box_frame frame = mt_tile_frame(&run->tiles, &run->p->contract, mt_encoder_card(p->encoder), &tile);
    guint        first = run->boxes->len;
    g_autoptr(mt_tensor) view = mt_tensor_new_view(MT_F32, rank + 1, shape, (void *)(uintptr_t)output, NULL);
    const mt_tensor *const outputs[3] = {view, NULL, NULL};

    if (!mt_boxes_decode(p->boxes, outputs, px, run->boxes, error))
        return false;
    mt_boxes_place(run->boxes, first, &frame);
    return true;
}

static void count_masks(const mt_case_run *run, mt_label_counts *counts)
{
    const mt_objects *objects = run->findings.objects;
    int64_t           n = objects->frame.size[0] * objects->frame.size[1] * objects->frame.size[2];

    for (int64_t i = 0; i < n; i++)
        if (run->stage_map[i] != 0)
            counts[run->stage_map[i] - 1].voxels++;
}

bool mt_detect_store(mt_case_run *run, GError **error)
{
    const mt_finding_rules *rules = run->p->rules;
    const int64_t          *size = run->findings.objects->frame.size;
    int64_t                 shape[] = {size[2], size[1], size[0]};
    g_auto(GStrv) names = g_new0(char *, rules->n + 1);

    if (!mt_findings_store(&run->findings, run->p->language, run->store, error))
        return false;
    if (run->stage_map == NULL)
        return true;
    g_autoptr(mt_tensor) map = mt_tensor_new_view(MT_U8, 3, shape, run->stage_map, NULL);
    for (int k = 0; k < rules->n; k++)
        names[k] = g_strdup_printf("%d=%s", k + 1, rules->labels[k]);
    return mt_store_write_packed(run->store, MT_OBJECT_SEGMENTATION, map, error) &&
           mt_store_attr_strings(run->store, MT_OBJECT_SEGMENTATION, MT_ATTR_LABELS, (const char *const *)names, error);
}

/* -1: none was found. */
static int64_t plane_of_best(const mt_objects *objects)
{
    double  best = -INFINITY;
    int64_t plane = -1;

    for (guint i = 0; i < objects->list->len; i++) {
        const mt_object *object = objects->list->pdata[i];
        if (!(object->score > best))
            continue;
        best = object->score;
        plane = CLAMP(llround(object->centre[2]), 0, objects->frame.size[2] - 1);
    }
    return plane;
}

bool mt_detect_finish(mt_case_run *run, GError **error)
{
    const mt_pipeline *p = run->p;
    double             affine[16];
    mt_objects_frame   frame = mt_finding_frame(run->tiles.c, affine);

    mt_boxes_nms(run->boxes, p->boxes->iou, p->boxes->agnostic, (guint)MAX(p->boxes->max_boxes, 0));
    run->findings.objects = mt_objects_new(&frame, p->rules->labels);
    for (guint i = 0; i < run->boxes->len; i++) {
        const mt_found_box *box = &g_array_index(run->boxes, mt_found_box, i);
        mt_objects_add_box(run->findings.objects, box->label, box->at, box->score);
    }
    if (!mt_object_stages_run(run, run->findings.objects, error))
        return false;
    mt_objects_drop(run->findings.objects, p->recipe->min_mm, p->recipe->min_score);
    run->key_plane = plane_of_best(run->findings.objects);
    g_autofree mt_label_counts *counts = g_new0(mt_label_counts, p->rules->n);
    for (int k = 0; k < p->rules->n; k++)
        counts[k] = (mt_label_counts){run->stage_map != NULL ? 0 : -1, -1, -1}; /* boxes have no area of their own */
    if (run->stage_map != NULL)
        count_masks(run, counts);
    const mt_measure_facts facts = {.objects = run->findings.objects, .counts = counts};
    mt_findings_measure(&run->findings, p->rules, &facts);
    run->output = mt_findings_output(&run->findings, p->rules, error);
    return run->output != NULL;
}
