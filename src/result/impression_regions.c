#include "src/result/impression_regions.h"

#include "src/result/finding_sentence.h"
#include "src/result/hot_regions.h"

#include <math.h>

#define MOST_REGIONS 3
#define OF_STRONGEST 0.5 /* a region is what reaches this share of the strongest tile or pixel */
#define MOST_SHARE 0.9   /* of the case: more is no place */

static float strongest(const mt_heatmap *heatmap)
{
    mt_heat_tile top = {.value = 0};
    float        most = 0;

    if (!heatmap->is_map)
        return mt_heatmap_top_tiles(heatmap, 1, &top) == 1 ? top.value : 0;
    for (int64_t i = 0; i < heatmap->width * heatmap->height; i++)
        if (heatmap->states[i] == MT_HEAT_VALUE)
            most = fmaxf(most, heatmap->values[i]);
    return most;
}

/* The box round the outer ring: x0, y0, x1, y1 in level-0 px. */
static void find_box(const mt_hot_regions *regions, const mt_hot_region *region, double box[4])
{
    box[0] = box[1] = INFINITY;
    box[2] = box[3] = -INFINITY;
    for (int64_t i = regions->offsets[region->first_ring]; i < regions->offsets[region->first_ring + 1]; i++)
        for (int a = 0; a < 2; a++) {
            box[a] = fmin(box[a], regions->points[2 * i + a]);
            box[2 + a] = fmax(box[2 + a], regions->points[2 * i + a]);
        }
}

/* Two digits where one decimal would say nothing: of single tiles. */
static char *area_words(double mm2)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];

    return mm2 >= 0.1 ? mt_extent_words(mm2, "mm2") : g_strconcat(g_ascii_formatd(digits, sizeof digits, "%.2g", mm2), " mm2", NULL);
}

static char *region_sentence(const mt_heatmap *heatmap, const mt_hot_regions *regions, const mt_hot_region *region, mt_language language)
{
    bool   mm = heatmap->mpp[0] > 0 && heatmap->mpp[1] > 0;
    double box[4];
    char  *edges[4];

    find_box(regions, region, box);
    for (int i = 0; i < 4; i++)
        edges[i] = mt_number_words(mm ? box[i] * heatmap->mpp[i % 2] / 1000 : box[i], mm ? 1 : 0);
    g_autofree char *area = mm ? area_words(region->area * heatmap->mpp[0] * heatmap->mpp[1] / 1e6) : NULL,
                    *mean = mt_number_words(region->mean, 2);
    char *text =
        mt_message_text(mm ? MT_MESSAGE_REGION_MM : MT_MESSAGE_REGION_PX, language, "label", heatmap->label, "area",
                        area != NULL ? area : "", "x0", edges[0], "x1", edges[2], "y0", edges[1], "y1", edges[3], "mean", mean, NULL);
    for (int i = 0; i < 4; i++)
        g_free(edges[i]);
    return text;
}

static void say_plane(const mt_heatmap *heatmap, const mt_result *result, mt_language language, GPtrArray *sentences)
{
    g_autoptr(mt_tensor) size = mt_result_has(result, "/geometry/size") ? mt_result_read(result, "/geometry/size", NULL) : NULL;

    if (size == NULL || size->dtype != MT_I64 || mt_tensor_count(size) != 3 || ((const int64_t *)size->data)[2] < 2)
        return;
    g_autofree char *plane = g_strdup_printf("%" G_GINT64_FORMAT, heatmap->plane + 1),
                    *planes = g_strdup_printf("%" G_GINT64_FORMAT, ((const int64_t *)size->data)[2]);
    g_ptr_array_add(sentences, mt_message_text(MT_MESSAGE_REGION_PLANE, language, "plane", plane, "planes", planes, NULL));
}

bool mt_impression_regions(const mt_result *result, const char *label, mt_language language, GPtrArray *sentences, GError **error)
{
    mt_heatmap_params params = {.label = label, .plane = -1};
    g_autoptr(mt_heatmap) heatmap = mt_heatmap_new(result, &params, error);
    float most = heatmap != NULL ? strongest(heatmap) : 0;

    if (heatmap == NULL)
        return false;
    if (heatmap->label == NULL || !(most > 0))
        return true;
    say_plane(heatmap, result, language, sentences);
    if (!heatmap->is_map && heatmap->n_valid < 2)
        return true;
    g_autoptr(mt_hot_regions) regions = mt_hot_regions_new(heatmap, OF_STRONGEST * (double)most, error);
    if (regions == NULL)
        return false;
    for (int64_t i = 0; i < MIN(regions->n, MOST_REGIONS); i++)
        if (regions->regions[i].area < MOST_SHARE * heatmap->level0_size[0] * heatmap->level0_size[1])
            g_ptr_array_add(sentences, region_sentence(heatmap, regions, &regions->regions[i], language));
    return true;
}
