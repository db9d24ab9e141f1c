#include "src/export/heat_values.h"

#include "src/base/alloc.h"
#include "src/result/hot_regions.h"

#include <math.h>
#include <string.h>
#include <zlib.h>

#define MAP_PX 4096 /* long side of the values' picture at most */
#define REGIONS 20
#define REGION_THRESHOLD 0.5

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b, b = rest;
    }
    return a < 0 ? -a : a;
}

/* Level-0 px of the squares that the tiles' lattice is made of; 0: there is none. */
static int64_t lattice(const mt_heatmap *h)
{
    int64_t grain = llround(h->tile_level0[0]);

    if (h->n_tiles == 0 || h->tile_level0[0] != (double)grain || h->tile_level0[1] != h->tile_level0[0])
        return 0;
    for (int64_t i = 0; i < h->n_tiles && grain > 1; i++) {
        const int64_t *row = (const int64_t *)h->coords->data + i * h->coords->shape[1];
        grain = common_divisor(common_divisor(grain, row[0]), row[1]);
    }
    return grain;
}

/* Exact where the tiles stand on a lattice that is not too fine. */
static mt_heat_view map_view(const mt_heatmap *h)
{
    double  most = MAX(h->level0_size[0], h->level0_size[1]), scale = MIN(1, MAP_PX / most);
    int64_t grain = h->smooth_um > 0 ? 0 : lattice(h);

    if (grain > 0 && most / (double)grain <= MAP_PX)
        scale = 1 / (double)grain;
    return (mt_heat_view){.scale_x = scale,
                          .scale_y = scale,
                          .width = MAX(1, (int64_t)ceil(h->level0_size[0] * scale - 1e-6)),
                          .height = MAX(1, (int64_t)ceil(h->level0_size[1] * scale - 1e-6))};
}

/* Three planes of n: high bytes of the values in 16 bits, low bytes, states. */
static void lay_planes(const float *values, const uint8_t *states, int64_t n, uint8_t *planes)
{
    for (int64_t i = 0; i < n; i++) {
        int value = (int)lround((double)values[i] * 65535);
        planes[i] = (uint8_t)(value >> 8);
        planes[n + i] = (uint8_t)(value & 255);
    }
    memcpy(planes + 2 * n, states, (size_t)n);
}

static GBytes *pack(const uint8_t *bytes, int64_t n, GError **error)
{
    uLongf   size = compressBound((uLong)n);
    uint8_t *packed = mt_alloc((int64_t)size, 1, error);
    GBytes  *out = NULL;

    if (packed != NULL && compress2(packed, &size, bytes, (uLong)n, Z_DEFAULT_COMPRESSION) == Z_OK)
        out = g_bytes_new(packed, size);
    else if (packed != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "pack a map of %" G_GINT64_FORMAT " bytes: zlib does not start", n);
    mt_free(packed);
    return out;
}

bool mt_heat_values_pack(const mt_heatmap *h, mt_heat_values *out, GError **error)
{
    mt_heat_view view = map_view(h);
    int64_t      n = view.width * view.height;
    float       *values = mt_alloc(n, sizeof *values, error);
    uint8_t     *states = values != NULL ? mt_alloc(n, 1, error) : NULL, *planes = states != NULL ? mt_alloc(n, 3, error) : NULL;
    bool         ok = planes != NULL && mt_heatmap_render(h, &view, values, states, error);

    if (ok)
        lay_planes(values, states, n, planes);
    *out = (mt_heat_values){.width = view.width, .height = view.height, .px_level0 = 1 / view.scale_x};
    out->packed = ok ? pack(planes, 3 * n, error) : NULL;
    mt_free(values);
    mt_free(states);
    mt_free(planes);
    return out->packed != NULL;
}

json_t *mt_heat_regions_json(const mt_heatmap *h, double threshold, GError **error)
{
    g_autoptr(mt_hot_regions) regions = mt_hot_regions_new(h, threshold > 0 ? threshold : REGION_THRESHOLD, error);
    json_t *list = regions != NULL ? json_array() : NULL;

    for (int64_t r = 0; regions != NULL && r < MIN(regions->n, REGIONS); r++) {
        const mt_hot_region *region = &regions->regions[r];
        double               box[4] = {INFINITY, INFINITY, -INFINITY, -INFINITY};
        for (int64_t i = regions->offsets[region->first_ring]; i < regions->offsets[region->first_ring + 1]; i++)
            for (int a = 0; a < 2; a++) {
                box[a] = fmin(box[a], regions->points[2 * i + a]);
                box[2 + a] = fmax(box[2 + a], regions->points[2 * i + a]);
            }
        json_t *one = json_pack("{s:[f,f,f,f] s:f s:f s:f}", "box", box[0], box[1], box[2], box[3], "mean", region->mean, "peak",
                                region->peak, "area_px", region->area);
        if (h->mpp[0] > 0)
            json_object_set_new(one, "area_mm2", json_real(region->area * h->mpp[0] * h->mpp[1] / 1e6));
        json_array_append_new(list, one);
    }
    return list;
}

json_t *mt_heat_colours_json(const mt_colormap *own)
{
    g_auto(GStrv) names = g_strsplit(mt_colormap_names(), ", ", -1);
    json_t *all = json_object();

    for (int k = 0; names[k] != NULL || own != NULL; k++) {
        const mt_colormap *map = names[k] != NULL ? mt_colormap_find(names[k], NULL) : own;
        uint8_t            table[256][3];
        for (int i = 0; map != NULL && i < 256; i++)
            mt_colormap_color(map, (float)i / 255, table[i]);
        g_autofree char *text = map != NULL ? g_base64_encode((const guchar *)table, sizeof table) : NULL;
        if (text != NULL)
            json_object_set_new(all, mt_colormap_name(map), json_string(text));
        if (names[k] == NULL)
            break;
    }
    return all;
}
