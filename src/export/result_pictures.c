#include "src/export/result_pictures.h"

#include "src/export/finding_picture.h"
#include "src/export/overlay_private.h"
#include "src/export/small_picture.h"
#include "src/result/finding_sentence.h"
#include "src/store/schema.h"

#define SIDE 1024 /* px, of the pictures without a legend */
#define MOST_FINDINGS 8

static void free_picture(void *data)
{
    mt_result_picture *p = data;

    mt_canvas_free(p->canvas);
    g_free(p);
}

static bool add(GPtrArray *pictures, mt_canvas *canvas, bool lettered)
{
    if (canvas == NULL)
        return false;
    mt_result_picture *p = g_new0(mt_result_picture, 1);
    *p = (mt_result_picture){canvas, lettered};
    g_ptr_array_add(pictures, p);
    return true;
}

/* Features alone, and cases without tissue, have no heat. */
static bool add_overlay(GPtrArray *pictures, const mt_result *result, GError **error)
{
    const mt_heatmap_params params = {.scale = MT_HEAT_ABSOLUTE, .plane = -1};
    g_autoptr(mt_heatmap) heatmap = mt_heatmap_new(result, &params, NULL);

    if (heatmap == NULL || (heatmap->n_tiles == 0 && !heatmap->is_map))
        return true;
    return add(pictures, mt_overlay_canvas(result, heatmap, NULL, error), true);
}

static bool add_findings(GPtrArray *pictures, const mt_result *result, const mt_tensor *thumbnail, GError **error)
{
    g_autoptr(mt_finding_list) list = mt_finding_list_read(result, error);

    if (list == NULL)
        return false;
    g_autofree const mt_finding **order = mt_finding_order(list);
    int                           n = MIN(MOST_FINDINGS, list->n_findings);
    return n == 0 || add(pictures, mt_finding_picture(result, thumbnail, list, order, n, SIDE, error), true);
}

GPtrArray *mt_result_pictures(const mt_result *result, GError **error)
{
    g_autoptr(GPtrArray) pictures = g_ptr_array_new_with_free_func(free_picture);
    g_autoptr(mt_tensor) thumbnail = NULL;

    if (!add_overlay(pictures, result, error))
        return NULL;
    if (!mt_result_has(result, MT_OBJECT_THUMBNAIL))
        return g_steal_pointer(&pictures);
    thumbnail = mt_result_read(result, MT_OBJECT_THUMBNAIL, error);
    if (thumbnail == NULL || !add_findings(pictures, result, thumbnail, error) ||
        !add(pictures, mt_fitted_picture(thumbnail, SIDE, error), false))
        return NULL;
    return g_steal_pointer(&pictures);
}
