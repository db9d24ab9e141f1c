/* Task tiles: the lesion candidates of a case, as its objects. */
#include "src/base/alloc.h"
#include "src/pipeline/case_run.h"
#include "src/result/objects.h"
#include "src/result/tile_candidates.h"

#include <math.h>

/* Places of the valid tiles: the rows of a head's output. */
static int64_t *read_places(const mt_case_run *run, int width, GError **error)
{
    int64_t *coords = mt_alloc(run->n_valid * width, sizeof(int64_t), error), *at = coords;

    for (int64_t i = 0; coords != NULL && i < run->n; i++) {
        if (run->valid[i] == 0)
            continue;
        mt_tile tile = mt_grid_tile(run->tiles.grid, i);
        *at++ = tile.x;
        *at++ = tile.y;
        if (width == 3)
            *at++ = tile.plane;
    }
    return coords;
}

static mt_objects_frame frame_of(const mt_case_run *run, double affine[16], double mpp[2])
{
    mt_case         *c = run->tiles.c;
    const mt_level  *level = mt_case_level(c, 0);
    mt_objects_frame frame = {.size = {level->width, level->height, mt_case_planes(c)}};

    if (!mt_case_mpp(c, &mpp[0], &mpp[1])) {
        mpp[0] = mpp[1] = 0;
        return frame;
    }
    frame.spacing_mm[0] = mpp[0] / 1000;
    frame.spacing_mm[1] = mpp[1] / 1000;
    frame.spacing_mm[2] = frame.size[2] > 1 ? mt_case_plane_spacing_um(c) / 1000 : 0;
    frame.affine = mt_case_affine(c, affine) ? affine : NULL;
    return frame;
}

/* The label's own, or of the positive label the one that decides; NAN: it has none, and no candidates. */
static double threshold_of(const mt_head_card *card, int label)
{
    if (g_strcmp0(card->labels[label], card->positive) == 0 && !isnan(card->threshold))
        return card->threshold;
    return label < card->n_thresholds ? card->thresholds[label] : (double)NAN;
}

static void add_object(mt_objects *objects, const mt_tile_candidate *candidate)
{
    double box[6];

    for (int d = 0; d < 6; d++) /* tiles may reach beyond the case */
        box[d] = (double)CLAMP(candidate->box[d], 0, objects->frame.size[d % 3]);
    mt_object    *object = mt_objects_add_box(objects, candidate->label, box, candidate->score);
    const double *m = objects->frame.affine;
    for (int d = 0; d < 3; d++)
        object->centre[d] = candidate->centre[d];
    for (int row = 0; m != NULL && row < 3; row++)
        object->centre_mm[row] = m[4 * row] * candidate->centre[0] + m[4 * row + 1] * candidate->centre[1] +
                                 m[4 * row + 2] * candidate->centre[2] + m[4 * row + 3];
    if (objects->frame.size[2] == 1)
        object->area_mm2 = candidate->area_mm2 > 0 ? candidate->area_mm2 : (double)NAN;
    else
        object->volume_mm3 = NAN; /* of its box it would say too much */
}

static void add_label(mt_objects *objects, const mt_tile_scene *scene, const mt_head_card *card, int label)
{
    double threshold = threshold_of(card, label);

    if (isnan(threshold))
        return;
    g_autoptr(GArray) found = mt_tile_candidates(scene, label, threshold);
    for (guint i = 0; i < found->len; i++)
        add_object(objects, &g_array_index(found, mt_tile_candidate, i));
}

bool mt_case_run_store_candidates(mt_case_run *run, GError **error)
{
    const mt_head_card *card = &run->p->head_card;
    double              affine[16], mpp[2];
    int                 width = mt_case_get_kind(run->tiles.c) == MT_CASE_VOLUME ? 3 : 2;
    mt_objects_frame    frame = frame_of(run, affine, mpp);
    int64_t            *coords = read_places(run, width, error);
    mt_tile_scene       scene = {.n = run->n_valid,
                                 .coords = coords,
                                 .coords_width = width,
                                 .scores = run->output->tile_scores,
                                 .n_labels = (int)run->output->n_classes};

    if (coords == NULL)
        return false;
    mt_grid_tile_level0(run->tiles.grid, &scene.tile[0], &scene.tile[1]);
    scene.tile_mm2 = mt_tile_area_mm2(scene.tile, mpp, mt_grid_get_params(run->tiles.grid)->overlap);
    g_autoptr(mt_objects) objects = mt_objects_new(&frame, card->labels);
    for (int label = 0; label < scene.n_labels; label++)
        add_label(objects, &scene, card, label);
    mt_free(coords);
    return mt_objects_store(objects, run->store, error);
}
