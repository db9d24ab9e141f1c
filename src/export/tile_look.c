/* Small pictures of a tile. */
#include "src/export/tile_look.h"

#include "src/base/alloc.h"
#include "src/export/small_picture.h"
#include "src/store/schema.h"

#include <math.h>

#define MOST_PX 8192

static const mt_color paper = {255, 255, 255}, marked = {190, 30, 45};

/* The coarsest level on which the tile still fills its picture. */
static int choose_level(mt_case *c, const mt_tile_place *place, int side)
{
    int best = 0;

    for (int i = 1; i < mt_case_levels(c); i++)
        if ((double)place->width / mt_case_level(c, i)->downsample_x >= side &&
            mt_case_level(c, i)->downsample_x > mt_case_level(c, best)->downsample_x)
            best = i;
    return best;
}

static void size_on(const mt_level *level, const mt_tile_place *place, int64_t size[2])
{
    size[0] = MAX(1, llround((double)place->width / level->downsample_x));
    size[1] = MAX(1, llround((double)place->height / level->downsample_y));
}

bool mt_tile_look_can(mt_case *slide, const mt_tile_place *place)
{
    int64_t size[2];

    if (mt_case_dtype(slide) != MT_U8 || mt_case_channels(slide) != 3 || place->width < 1 || place->height < 1)
        return false;
    size_on(mt_case_level(slide, mt_case_levels(slide) - 1), place, size);
    return size[0] <= MOST_PX && size[1] <= MOST_PX;
}

mt_canvas *mt_tile_look(mt_case *slide, const mt_tile_place *place, int side, GError **error)
{
    int             level = choose_level(slide, place, side);
    const mt_level *l = mt_case_level(slide, level);
    int64_t         size[2];
    mt_canvas      *canvas = NULL;

    size_on(l, place, size);
    int64_t shape[] = {size[1], size[0], 3};
    void   *rgb = mt_alloc(size[0] * size[1], 3, error);
    if (rgb != NULL && mt_case_read(slide, place->plane, level, llround((double)place->x / l->downsample_x),
                                    llround((double)place->y / l->downsample_y), size[0], size[1], rgb, error)) {
        g_autoptr(mt_tensor) pixels = mt_tensor_new_view(MT_U8, 3, shape, rgb, NULL);
        canvas = mt_fitted_picture(pixels, side, error);
    }
    mt_free(rgb);
    return canvas;
}

/* A white line round a dark one: seen on tissue and on glass. */
static void mark_tile(mt_canvas *canvas, const mt_result *result, const mt_tile_place *place)
{
    double size[2], plane = 0;

    if (mt_result_attr(result, MT_OBJECT_THUMBNAIL, MT_ATTR_PLANE, &plane, 1) && plane != (double)place->plane)
        return;
    if (!mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_LEVEL0_WIDTH, &size[0], 1) ||
        !mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_LEVEL0_HEIGHT, &size[1], 1) || size[0] < 1 || size[1] < 1)
        return;
    double sx = canvas->width / size[0], sy = canvas->height / size[1];
    int    width = MAX(7, (int)lround((double)place->width * sx)), height = MAX(7, (int)lround((double)place->height * sy));
    int    x = (int)lround(((double)place->x + (double)place->width / 2) * sx) - width / 2;
    int    y = (int)lround(((double)place->y + (double)place->height / 2) * sy) - height / 2;
    mt_canvas_frame(canvas, x - 1, y - 1, width + 2, height + 2, 1, paper);
    mt_canvas_frame(canvas, x, y, width, height, 2, marked);
}

mt_canvas *mt_tile_look_in_case(const mt_result *result, const mt_tile_place *place, int side, GError **error)
{
    if (!mt_result_has(result, MT_OBJECT_THUMBNAIL)) {
        mt_canvas *empty = mt_canvas_new(side, side, paper, error);
        if (empty != NULL)
            mt_canvas_hatch(empty, 0, 0, side, side);
        return empty;
    }
    g_autoptr(mt_tensor) rgb = mt_result_read(result, MT_OBJECT_THUMBNAIL, error);
    mt_canvas *canvas = rgb != NULL ? mt_fitted_picture(rgb, side, error) : NULL;
    if (canvas != NULL && place != NULL)
        mark_tile(canvas, result, place);
    return canvas;
}
