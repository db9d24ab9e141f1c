#include "src/pipeline/detect_windows.h"

#include "src/base/alloc.h"
#include "src/base/hash.h"
#include "src/encoder/box_model.h"
#include "src/encoder/card_text.h"
#include "src/pipeline/detect_case.h"
#include "src/pipeline/object_stages.h"
#include "src/pipeline/recipe_findings.h"
#include "src/pipeline/resolved.h"
#include "tiling/window_plan.h"

#include <string.h>

static char *resolve(const mt_pipeline *p)
{
    g_autofree char *mask = mt_masker_text(p->masker), *name = g_path_get_basename(p->recipe->encoder);
    g_autofree char *card = mt_dense_card_text(mt_box_model_card(p->box_model)), *sha256 = mt_hash_bytes(card, strlen(card));
    GString         *text = g_string_new("# microtome: the recipe of this folder, every choice made\n[input]\n");

    mt_card_text_put(text, "modality", p->recipe->modality);
    mt_card_text_put(text, "preparation", p->recipe->preparation);
    mt_card_text_put(text, "plane_axis", mt_plane_axes[p->recipe->plane_axis]);
    mt_card_text_put(text, "unit", p->recipe->unit_mm ? "mm" : NULL);
    g_string_append_printf(text, "\n[mask]\n%s\n[encoder]\n", mask);
    mt_card_text_put(text, "name", p->model_name);
    mt_card_text_put(text, "model", name);
    mt_card_text_put(text, "sha256", p->model_sha256);
    mt_card_text_put(text, "card_sha256", sha256);
    mt_card_text_put(text, "precision", mt_precision_name(MT_PRECISION_FP32));
    return g_string_free(text, FALSE);
}

bool mt_pipeline_load_box_model(mt_pipeline *p, GError **error)
{
    const mt_recipe  *r = p->recipe;
    const char *const names[3] = {p->boxes->boxes, p->boxes->scores, p->boxes->classes};

    if (r->precision != NULL && strcmp(r->precision, "auto") != 0 && strcmp(r->precision, "fp32") != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare the run: a detector of explicit boxes runs in fp32, not %s", r->precision);
        return false;
    }
    p->box_model = mt_box_model_load(r->encoder, names, p->threads, error);
    if (p->box_model == NULL)
        return false;
    p->contract.precision = MT_PRECISION_FP32;
    p->model_name = g_strdup(mt_box_model_card(p->box_model)->name);
    p->model_sha256 = g_strdup(mt_box_model_sha256(p->box_model));
    if (!mt_detect_load_rules(p, error))
        return false;
    p->resolved = resolve(p);
    mt_detect_resolve(p);
    GString *text = g_string_new(p->resolved);
    mt_recipe_findings_text(r, text);
    g_free(p->resolved);
    p->resolved = g_string_free(text, FALSE);
    p->recipe_sha256 = mt_hash_bytes(p->resolved, strlen(p->resolved));
    return true;
}

/* The window's voxels, zero beyond the volume. */
static void cut(const mt_volume *v, const int64_t at[3], const int64_t patch[3], float *out)
{
    int64_t n = mt_volume_voxels(v);

    for (int c = 0; c < v->channels; c++)
        for (int64_t z = 0; z < patch[2]; z++)
            for (int64_t y = 0; y < patch[1]; y++) {
                float  *row = out + ((c * patch[2] + z) * patch[1] + y) * patch[0];
                int64_t sy = at[1] + y, sz = at[2] + z, from = MAX(0, -at[0]), to = MIN(patch[0], v->size[0] - at[0]);
                memset(row, 0, (size_t)patch[0] * sizeof *row);
                if (sy >= 0 && sy < v->size[1] && sz >= 0 && sz < v->size[2] && to > from)
                    memcpy(row + from, v->data + c * n + (sz * v->size[1] + sy) * v->size[0] + at[0] + from,
                           (size_t)(to - from) * sizeof *row);
            }
}

/* Edges in the network's grid to edges in the case's planes: scaled, behind what was cut away, turned. */
static void to_planes(const mt_case_run *run, const mt_dense_frame *frame, const mt_volume_turn *turn, mt_found_box *box)
{
    double  edges[6], turned[6];
    int64_t size[3];

    mt_volume_order_size(run->tiles.c, MT_VOLUME_PLANES, size);
    for (int d = 0; d < 3; d++)
        for (int end = 0; end < 2; end++)
            edges[d + 3 * end] = (double)frame->box.start[d] + box->at[d + 3 * end] * (double)frame->from[d] / (double)frame->grid[d];
    for (int d = 0; d < 3; d++) { /* axis d of the planes is axis turn->axis[d] of the volume */
        int    axis = turn->axis[d];
        double low = edges[axis], high = edges[axis + 3];
        turned[d] = turn->flip[d] ? (double)size[d] - high : low;
        turned[d + 3] = turn->flip[d] ? (double)size[d] - low : high;
        turned[d] = CLAMP(turned[d], 0, (double)size[d]);
        turned[d + 3] = CLAMP(turned[d + 3], 0, (double)size[d]);
    }
    memcpy(box->at, turned, sizeof turned);
}

/* Boxes of one window, from index `first` on, into the case; what lies beyond it goes. */
static void place(mt_case_run *run, const mt_dense_frame *frame, const int64_t at[3], guint first, bool flat)
{
    const mt_dense_card *card = mt_box_model_card(run->p->box_model);
    mt_volume_turn       turn = mt_volume_turn_between(run->tiles.c, card->order, MT_VOLUME_PLANES);

    for (guint i = first; i < run->boxes->len;) {
        mt_found_box *box = &g_array_index(run->boxes, mt_found_box, i);

        if (flat) {
            box->at[2] = 0;
            box->at[5] = 1;
        }
        for (int d = 0; d < 6; d++)
            box->at[d] += (double)at[d % 3];
        to_planes(run, frame, &turn, box);
        if (box->at[3] > box->at[0] && box->at[4] > box->at[1] && box->at[5] > box->at[2])
            i++;
        else
            g_array_remove_index(run->boxes, i);
    }
}

static bool run_window(mt_case_run *run, const mt_dense_frame *frame, const mt_volume *volume, const int64_t at[3], float *patch,
                       GError **error)
{
    const mt_dense_card *card = mt_box_model_card(run->p->box_model);
    bool                 flat = card->patch[2] == 1;
    const int64_t        px[3] = {card->patch[0], card->patch[1], flat ? 0 : card->patch[2]};
    guint                first = run->boxes->len;
    mt_tensor           *outputs[3];

    cut(volume, at, card->patch, patch);
    if (!mt_box_model_run(run->p->box_model, patch, outputs, error))
        return false;
    bool ok = mt_boxes_decode(run->p->boxes, (const mt_tensor *const *)outputs, px, run->boxes, error);
    for (int i = 0; i < 3; i++)
        g_clear_pointer(&outputs[i], mt_tensor_unref);
    if (ok)
        place(run, frame, at, first, flat);
    return ok;
}

bool mt_detect_windows(mt_case_run *run, const mt_dense_frame *frame, const mt_volume *volume, mt_progress progress, void *user,
                       GError **error)
{
    const mt_dense_card   *card = mt_box_model_card(run->p->box_model);
    const mt_window_params params = {.patch = {card->patch[0], card->patch[1], card->patch[2]},
                                     .step = card->step,
                                     .rule = card->monai ? MT_WINDOWS_MONAI : MT_WINDOWS_NNUNET,
                                     .weight = MT_WEIGHT_CONSTANT};
    g_autoptr(mt_window_plan) plan = mt_window_plan_new(volume->size, &params, error);
    int64_t voxels = card->patch[0] * card->patch[1] * card->patch[2];
    float  *patch = plan != NULL ? mt_alloc(voxels * card->n_channels, sizeof *patch, error) : NULL;
    bool    ok = patch != NULL;

    run->boxes = g_array_new(FALSE, FALSE, sizeof(mt_found_box));
    run->n = run->n_valid = plan != NULL ? mt_window_plan_count(plan) : 0;
    for (int64_t i = 0; ok && i < run->n; i++) {
        int64_t at[3];
        mt_window_plan_at(plan, i, at);
        for (int d = 0; d < 3; d++)
            at[d] -= plan->before[d];
        ok = run_window(run, frame, volume, at, patch, error);
        if (ok && progress != NULL && !progress(user, i + 1, run->n)) {
            g_set_error(error, MT_ERROR, MT_ERROR_STOPPED, "stopped after %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " windows: run again",
                        i + 1, run->n);
            ok = false;
        }
    }
    mt_free(patch);
    return ok;
}
