/* Pictures of a slide: DeepZoom tiles, stored ones as they are, the thumbnail, a tile of the grid. */
#include "src/serve/reader_private.h"

#include "src/base/alloc.h"
#include "src/base/refuse.h"
#include "src/case/stored_tile.h"
#include "src/store/schema.h"

#include <math.h>

#define TILE_PX 256
#define TILE_LEAST 128
#define TILE_MOST 1024
#define PATCH_PX 128

/* DeepZoom's levels: the last is the slide, each before it half of it, rounded up. */
typedef struct zoom {
    int64_t width, height, tile;
    int     levels;
} zoom;

static zoom zoom_of(const mt_case *slide)
{
    const mt_level *full = mt_case_level(slide, 0);
    zoom            z = {.width = full->width, .height = full->height, .tile = TILE_PX, .levels = 1};
    int64_t         stored[2];

    if (mt_case_stored_size(slide, 0, stored) && stored[0] == stored[1] && stored[0] >= TILE_LEAST && stored[0] <= TILE_MOST)
        z.tile = stored[0];
    while ((INT64_C(1) << (z.levels - 1)) < MAX(z.width, z.height))
        z.levels++;
    return z;
}

static int64_t shrunk(int64_t size, int64_t by)
{
    return (size + by - 1) / by;
}

bool mt_reader_dzi(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    const mt_heat_picture *picture = mt_reader_picture(reader, ask, false, error);
    mt_case               *slide = picture != NULL ? mt_reader_slide(reader, ask, error) : NULL;

    if (slide == NULL)
        return false;
    zoom             z = zoom_of(slide);
    g_autofree char *text = g_strdup_printf(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Image xmlns=\"http://schemas.microsoft.com/deepzoom/2008\" Format=\"jpg\" "
        "Overlap=\"0\" TileSize=\"%" G_GINT64_FORMAT "\"><Size Width=\"%" G_GINT64_FORMAT "\" Height=\"%" G_GINT64_FORMAT "\"/></Image>\n",
        z.tile, z.width, z.height);
    answer->type = "application/xml";
    answer->body = g_bytes_new(text, strlen(text));
    return true;
}

/* The slide's level that is DeepZoom's within a pixel; -1: none. */
static int level_of(const mt_case *slide, const zoom *z, int64_t by)
{
    for (int i = 0; i < mt_case_levels(slide); i++) {
        const mt_level *level = mt_case_level(slide, i);
        if (ABS(level->width - shrunk(z->width, by)) <= 1 && ABS(level->height - shrunk(z->height, by)) <= 1)
            return i;
    }
    return -1;
}

static GBytes *stored_tile(mt_case *slide, const zoom *z, int64_t by, int64_t column, int64_t row)
{
    int     level = level_of(slide, z, by);
    int64_t size[2];

    if (level < 0 || !mt_case_stored_size(slide, level, size) || size[0] != z->tile || size[1] != z->tile)
        return NULL;
    const mt_level *l = mt_case_level(slide, level);
    if ((column + 1) * z->tile > MIN(l->width, shrunk(z->width, by)) || (row + 1) * z->tile > MIN(l->height, shrunk(z->height, by)))
        return NULL; /* an edge is cut off in DeepZoom */
    return mt_case_stored_jpeg(slide, level, column, row);
}

static bool draw(const mt_heat_picture *picture, const mt_heat_view *view, mt_reader_answer *answer, GError **error)
{
    uint8_t *rgb = mt_alloc(view->width * view->height, 3, error);
    bool     ok =
        rgb != NULL && mt_heat_picture_render(picture, view, rgb, error) && mt_reader_jpeg(answer, rgb, view->width, view->height, error);

    mt_free(rgb);
    return ok;
}

bool mt_reader_tile(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    int64_t level = mt_reader_number(ask, "level", -1), x = mt_reader_number(ask, "x", -1), y = mt_reader_number(ask, "y", -1);
    const mt_heat_picture *picture = mt_reader_picture(reader, ask, false, error);
    mt_case               *slide = picture != NULL ? mt_reader_slide(reader, ask, error) : NULL;

    if (slide == NULL)
        return false;
    zoom z = zoom_of(slide);
    if (level < 0 || level >= z.levels || x < 0 || y < 0)
        return mt_refuse(error, MT_ERROR_MISSING, "there is no such tile");
    int64_t by = INT64_C(1) << (z.levels - 1 - level), width = shrunk(z.width, by), height = shrunk(z.height, by);
    if (x >= shrunk(width, z.tile) || y >= shrunk(height, z.tile))
        return mt_refuse(error, MT_ERROR_MISSING, "there is no such tile");
    answer->type = "image/jpeg";
    answer->body = stored_tile(slide, &z, by, x, y);
    if (answer->body != NULL)
        return true;
    const mt_heat_view view = {.scale_x = 1 / (double)by,
                               .scale_y = 1 / (double)by,
                               .first_x = x * z.tile,
                               .first_y = y * z.tile,
                               .width = MIN(z.tile, width - x * z.tile),
                               .height = MIN(z.tile, height - y * z.tile)};
    return draw(picture, &view, answer, error);
}

bool mt_reader_thumbnail(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    mt_result *result = mt_reader_result(reader, ask, error);

    if (result == NULL)
        return false;
    if (!mt_result_has(result, MT_OBJECT_THUMBNAIL))
        return mt_refuse(error, MT_ERROR_MISSING, "this result has no stored picture");
    g_autoptr(mt_tensor) t = mt_result_read(result, MT_OBJECT_THUMBNAIL, error);
    if (t == NULL)
        return false;
    if (t->rank != 3 || t->dtype != MT_U8 || t->shape[2] != 3 || t->shape[0] < 1 || t->shape[1] < 1)
        return mt_refuse(error, MT_ERROR_INPUT, "the stored picture of this result is no 8-bit RGB picture");
    return mt_reader_jpeg(answer, t->data, t->shape[1], t->shape[0], error);
}

bool mt_reader_patch(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    int64_t           index = mt_reader_number(ask, "index", -1);
    const mt_heatmap *h = mt_reader_heatmap(reader, ask, error);

    if (h == NULL)
        return false;
    if (index < 0 || index >= h->n_tiles)
        return mt_refuse(error, MT_ERROR_MISSING, "there is no such tile");
    const mt_heat_picture *picture = mt_reader_picture(reader, ask, mt_reader_text(ask, "slides") == NULL, error);
    if (picture == NULL)
        return false;
    const int64_t     *place = (const int64_t *)h->coords->data + index * h->coords->shape[1];
    double             scale = PATCH_PX / MAX(h->tile_level0[0], h->tile_level0[1]);
    const mt_heat_view view = {.scale_x = scale,
                               .scale_y = scale,
                               .first_x = llround((double)place[0] * scale),
                               .first_y = llround((double)place[1] * scale),
                               .width = CLAMP(llround(h->tile_level0[0] * scale), 1, PATCH_PX),
                               .height = CLAMP(llround(h->tile_level0[1] * scale), 1, PATCH_PX)};
    return draw(picture, &view, answer, error);
}
