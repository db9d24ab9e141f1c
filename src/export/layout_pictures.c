/* The pictures beside other tools' files, drawn from the stored thumbnail. */
#include "src/base/publish.h"
#include "src/export/canvas.h"
#include "src/export/layout_plan.h"
#include "src/export/picture_jpeg.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

#define QUALITY 90
#define SIDE 1024     /* of the picture of a result without a thumbnail */
#define LINES 400.0   /* a line is that part of the long side thick */
#define MAX_SIDE 8192 /* of a thumbnail that is believed */

static const mt_color white = {255, 255, 255}, black = {0, 0, 0}, green = {0, 255, 0}, blue = {0, 0, 255};

typedef struct view {
    mt_canvas *canvas;
    double     scale[2]; /* px of the picture a level-0 px */
} view;

static mt_tensor *read_thumbnail(const mt_layout_source *s, GError **error)
{
    mt_tensor *t = mt_result_read(s->result, MT_OBJECT_THUMBNAIL, error);

    if (t == NULL || (t->dtype == MT_U8 && t->rank == 3 && t->shape[2] == 3 && MIN(t->shape[0], t->shape[1]) > 0 &&
                      MAX(t->shape[0], t->shape[1]) <= MAX_SIDE))
        return t;
    mt_layout_refuse(s, error, "/thumbnail is no picture of 8-bit RGB");
    mt_tensor_unref(t);
    return NULL;
}

/* The thumbnail, or a white plane of the slide's shape. */
static bool open_view(const mt_layout_source *s, view *v, GError **error)
{
    double  side = (double)MAX(MAX(s->size[0], s->size[1]), 1);
    int64_t width = MAX(1, llround((double)s->size[0] / side * SIDE)), height = MAX(1, llround((double)s->size[1] / side * SIDE));
    g_autoptr(mt_tensor) thumbnail = NULL;

    if (mt_result_has(s->result, MT_OBJECT_THUMBNAIL)) {
        thumbnail = read_thumbnail(s, error);
        if (thumbnail == NULL)
            return false;
        height = thumbnail->shape[0];
        width = thumbnail->shape[1];
    }
    v->canvas = mt_canvas_new((int)width, (int)height, white, error);
    if (v->canvas == NULL)
        return false;
    if (thumbnail != NULL)
        memcpy(v->canvas->rgb, thumbnail->data, mt_tensor_bytes(thumbnail));
    v->scale[0] = (double)width / (double)MAX(s->size[0], 1);
    v->scale[1] = (double)height / (double)MAX(s->size[1], 1);
    return true;
}

static bool publish_jpeg(const mt_layout_source *s, const mt_canvas *canvas, const char *path, GError **error)
{
    mt_tile_pixels pixels = {.dtype = MT_U8, .channels = 3, .width = canvas->width, .height = canvas->height, .data = canvas->rgb};
    g_autoptr(GBytes) jpeg = mt_picture_jpeg(&pixels, QUALITY, error);
    int              fd;
    g_autofree char *temporary = jpeg != NULL ? mt_publish_begin(path, &fd, error) : NULL;

    if (temporary == NULL)
        return false;
    if (mt_publish_write(fd, g_bytes_get_data(jpeg, NULL), g_bytes_get_size(jpeg), path, error))
        return mt_publish_commit(temporary, fd, path, s->params->replace, error);
    mt_publish_abandon(temporary, fd);
    return false;
}

bool mt_layout_thumbnail(const mt_layout_source *s, const char *path, GError **error)
{
    view v = {0};
    bool ok = open_view(s, &v, error) && publish_jpeg(s, v.canvas, path, error);

    mt_canvas_free(v.canvas);
    return ok;
}

static void draw_line(mt_canvas *canvas, const double from[2], const double to[2], int thick, mt_color color)
{
    double dx = to[0] - from[0], dy = to[1] - from[1];
    int    steps = (int)CLAMP(ceil(MAX(fabs(dx), fabs(dy))), 1, 4 * MAX_SIDE);

    for (int i = 0; i <= steps; i++)
        mt_canvas_fill(canvas, (int)(from[0] + dx * i / steps) - thick / 2, (int)(from[1] + dy * i / steps) - thick / 2, thick, thick,
                       color);
}

/* In the picture; a corner far outside of it is on its rim. */
static void place(const view *v, const int32_t *point, double at[2])
{
    at[0] = CLAMP(point[0] * v->scale[0], -MAX_SIDE, v->canvas->width + MAX_SIDE);
    at[1] = CLAMP(point[1] * v->scale[1], -MAX_SIDE, v->canvas->height + MAX_SIDE);
}

static void draw_ring(const view *v, const mt_layout_rings *rings, int64_t r)
{
    const int64_t *offset = (const int64_t *)rings->offsets->data + r;
    const int32_t *points = rings->points->data;
    int            thick = MAX(1, (int)(MAX(v->canvas->width, v->canvas->height) / LINES));
    int64_t        n = offset[1] - offset[0];

    for (int64_t i = 0; i < n; i++) {
        const int32_t *p = points + 2 * (offset[0] + i), *q = points + 2 * (offset[0] + (i + 1) % n);
        double         from[2], to[2];
        place(v, p, from);
        place(v, q, to);
        draw_line(v->canvas, from, to, thick, ((const uint8_t *)rings->kinds->data)[r] != 0 ? blue : green);
    }
}

bool mt_layout_contours(const mt_layout_source *s, const char *path, GError **error)
{
    view v = {0};
    g_auto(mt_layout_rings) rings = {0};
    bool ok = mt_layout_rings_read(s, &rings, error) && open_view(s, &v, error);

    for (int64_t r = 0; ok && r < rings.n; r++)
        draw_ring(&v, &rings, r);
    ok = ok && publish_jpeg(s, v.canvas, path, error);
    mt_canvas_free(v.canvas);
    return ok;
}

/* What of the picture is a tile: lines and columns of `to` are those of `from`. */
static void copy_tile(const view *from, mt_canvas *to, const mt_layout_source *s, int64_t i)
{
    const int64_t *corner = (const int64_t *)s->coords->data + 2 * i;
    int            low[2], high[2], size[2] = {to->width, to->height};

    for (int a = 0; a < 2; a++) {
        low[a] = (int)CLAMP(floor((double)corner[a] * from->scale[a]), 0, size[a]);
        high[a] = (int)CLAMP(ceil(((double)corner[a] + s->tile_level0[a]) * from->scale[a]), 0, size[a]);
    }
    for (int y = low[1]; y < high[1] && low[0] < high[0]; y++) {
        size_t at = 3 * ((size_t)y * (size_t)to->width + (size_t)low[0]);
        memcpy(to->rgb + at, from->canvas->rgb + at, 3 * (size_t)(high[0] - low[0]));
    }
    mt_canvas_frame(to, low[0], low[1], high[0] - low[0], high[1] - low[1], 1, black);
}

bool mt_layout_stitch(const mt_layout_source *s, const char *path, GError **error)
{
    view       v = {0};
    mt_canvas *stitched = open_view(s, &v, error) ? mt_canvas_new(v.canvas->width, v.canvas->height, black, error) : NULL;
    bool       ok = stitched != NULL;

    for (int64_t i = 0; ok && i < s->n; i++)
        copy_tile(&v, stitched, s, i);
    ok = ok && publish_jpeg(s, stitched, path, error);
    mt_canvas_free(stitched);
    mt_canvas_free(v.canvas);
    return ok;
}
