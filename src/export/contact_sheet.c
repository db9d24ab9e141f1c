#include <microtome/case.h>
#include <microtome/contact_sheet.h>
#include <microtome/result.h>

#include "src/base/alloc.h"
#include "src/case/vips_start.h"
#include "src/export/canvas.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>
#include <vips/vips.h>

#define SIDE 192 /* px of a picture at most */
#define GAP 16
#define TEXT 56 /* px below a picture */
#define COLUMNS 6

static const mt_color paper = {255, 255, 255}, ink = {32, 32, 38}, soft = {110, 110, 118}, marked = {190, 30, 45};

/* RGB pixels (height x width x 3) in at most SIDE x SIDE. */
static mt_canvas *shrink(const void *rgb, int64_t width, int64_t height, GError **error)
{
    VipsImage *whole = NULL, *small = NULL;
    mt_canvas *canvas = NULL;
    size_t     bytes = 0;

    if (!mt_vips_start(error))
        return NULL;
    whole = vips_image_new_from_memory(rgb, (size_t)width * (size_t)height * 3, (int)width, (int)height, 3, VIPS_FORMAT_UCHAR);
    if (whole != NULL && vips_thumbnail_image(whole, &small, SIDE, "height", SIDE, NULL) == 0) {
        void *pixels = vips_image_write_to_memory(small, &bytes);
        canvas = mt_canvas_new(vips_image_get_width(small), vips_image_get_height(small), paper, error);
        if (canvas != NULL && pixels != NULL && bytes == (size_t)canvas->width * (size_t)canvas->height * 3)
            memcpy(canvas->rgb, pixels, bytes);
        g_free(pixels);
    }
    if (canvas == NULL && (error == NULL || *error == NULL)) {
        g_autofree char *reason = mt_vips_take_error();
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its picture cannot be drawn: %s", reason);
    }
    g_clear_object(&small);
    g_clear_object(&whole);
    return canvas;
}

/* The tile on the picture of the whole plane. */
static void mark_tile(mt_canvas *canvas, const mt_result *result, const mt_search_hit *hit)
{
    double size[2];

    if (hit->tile < 0 || !mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_LEVEL0_WIDTH, &size[0], 1) ||
        !mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_LEVEL0_HEIGHT, &size[1], 1) || size[0] < 1 || size[1] < 1)
        return;
    double sx = canvas->width / size[0], sy = canvas->height / size[1];
    int    width = MAX(7, (int)lround((double)hit->width_level0 * sx)), height = MAX(7, (int)lround((double)hit->height_level0 * sy));
    int    x = (int)lround(((double)hit->x + (double)hit->width_level0 / 2) * sx) - width / 2;
    int    y = (int)lround(((double)hit->y + (double)hit->height_level0 / 2) * sy) - height / 2;
    mt_canvas_frame(canvas, x - 1, y - 1, width + 2, height + 2, 1, paper);
    mt_canvas_frame(canvas, x, y, width, height, 2, marked);
}

/* The stored thumbnail; an empty frame where the result has none. */
static mt_canvas *thumbnail_picture(const mt_search_hit *hit, GError **error)
{
    g_autoptr(mt_result) result = mt_result_open(hit->path, error);

    if (result == NULL)
        return NULL;
    if (!mt_result_has(result, MT_OBJECT_THUMBNAIL)) {
        mt_canvas *empty = mt_canvas_new(SIDE, SIDE, paper, error);
        if (empty != NULL)
            mt_canvas_hatch(empty, 0, 0, SIDE, SIDE);
        return empty;
    }
    g_autoptr(mt_tensor) rgb = mt_result_read(result, MT_OBJECT_THUMBNAIL, error);
    if (rgb == NULL)
        return NULL;
    if (rgb->rank != 3 || rgb->dtype != MT_U8 || rgb->shape[2] != 3) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s is no picture", MT_OBJECT_THUMBNAIL);
        return NULL;
    }
    mt_canvas *canvas = shrink(rgb->data, rgb->shape[1], rgb->shape[0], error);
    if (canvas != NULL)
        mark_tile(canvas, result, hit);
    return canvas;
}

/* DIR/ID.*, the first by name; NULL when there is none. */
static char *find_slide(const char *slides, const char *id, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(slides, 0, NULL);
    g_autofree char *stem = g_strconcat(id, ".", NULL), *best = NULL;

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;)
        if (g_str_has_prefix(name, stem) && strchr(name + strlen(stem), '.') == NULL && (best == NULL || strcmp(name, best) < 0)) {
            g_free(best);
            best = g_strdup(name);
        }
    if (best == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "no slide of case '%s' in %s: %s.* is wanted", id, slides, id);
    return best != NULL ? g_build_filename(slides, best, NULL) : NULL;
}

/* The coarsest level on which the tile still fills its picture. */
static int choose_level(const mt_case *c, const mt_search_hit *hit)
{
    int best = 0;

    for (int i = 1; i < mt_case_levels(c); i++)
        if ((double)hit->width_level0 / mt_case_level(c, i)->downsample_x >= SIDE &&
            mt_case_level(c, i)->downsample_x > mt_case_level(c, best)->downsample_x)
            best = i;
    return best;
}

static mt_canvas *slide_picture(const mt_search_hit *hit, const char *slides, GError **error)
{
    g_autofree char *path = find_slide(slides, hit->id, error);
    g_autoptr(mt_case) c = path != NULL ? mt_case_open(path, NULL, error) : NULL;

    if (c == NULL)
        return NULL;
    if (mt_case_dtype(c) != MT_U8 || mt_case_channels(c) != 3 || hit->width_level0 < 1 || hit->height_level0 < 1)
        return thumbnail_picture(hit, error); /* what is no colour picture has no pixels to show as they are */
    int             level = choose_level(c, hit);
    const mt_level *l = mt_case_level(c, level);
    int64_t         width = MAX(1, llround((double)hit->width_level0 / l->downsample_x));
    int64_t         height = MAX(1, llround((double)hit->height_level0 / l->downsample_y));
    void           *rgb = width <= 8192 && height <= 8192 ? mt_alloc(width * height, 3, error) : NULL;
    if (rgb == NULL)
        return width <= 8192 && height <= 8192 ? NULL : thumbnail_picture(hit, error);
    mt_canvas *canvas = NULL;
    if (mt_case_read(c, hit->plane, level, llround((double)hit->x / l->downsample_x), llround((double)hit->y / l->downsample_y), width,
                     height, rgb, error))
        canvas = shrink(rgb, width, height, error);
    mt_free(rgb);
    return canvas;
}

static void paste(mt_canvas *sheet, const mt_canvas *picture, int x, int y)
{
    for (int row = 0; row < picture->height; row++)
        memcpy(sheet->rgb + ((size_t)(y + row) * (size_t)sheet->width + (size_t)x) * 3,
               picture->rgb + (size_t)row * (size_t)picture->width * 3, (size_t)picture->width * 3);
}

static bool write_text(mt_canvas *sheet, const mt_search *search, int place, int x, int y, GError **error)
{
    const mt_search_hit *hit = place == 0 ? &search->query : &search->hits[place - 1];
    char                 score[G_ASCII_DTOSTR_BUF_SIZE];
    g_autofree char     *head = place == 0 ? g_strdup(search->demonstration ? "query, DEMONSTRATION" : "query")
                                           : g_strdup_printf("%d.  %s", place, g_ascii_formatd(score, sizeof score, "%.4f", hit->score));
    g_autofree char     *tile = hit->tile < 0 ? g_strdup("")
                                              : g_strdup_printf("tile %" G_GINT64_FORMAT "  x %" G_GINT64_FORMAT ", y %" G_GINT64_FORMAT,
                                                                hit->tile, hit->x, hit->y);
    const mt_text_style  bold = {.size_px = 13, .bold = true, .color = place == 0 ? marked : ink, .width = SIDE};
    const mt_text_style  plain = {.size_px = 12, .color = ink, .width = SIDE}, pale = {.size_px = 11, .color = soft, .width = SIDE};

    return mt_canvas_text(sheet, x, y, head, &bold, error) && mt_canvas_text(sheet, x, y + 18, hit->id, &plain, error) &&
           mt_canvas_text(sheet, x, y + 35, tile, &pale, error);
}

static bool draw_cell(mt_canvas *sheet, const mt_search *search, const char *slides, int place, GError **error)
{
    const mt_search_hit *hit = place == 0 ? &search->query : &search->hits[place - 1];
    int                  x = GAP + place % COLUMNS * (SIDE + GAP), y = GAP + place / COLUMNS * (SIDE + TEXT + GAP);
    g_autoptr(mt_canvas) picture = hit->tile >= 0 && slides != NULL ? slide_picture(hit, slides, error) : thumbnail_picture(hit, error);

    if (picture == NULL) {
        g_prefix_error(error, "case '%s': ", hit->id);
        return false;
    }
    int left = x + (SIDE - picture->width) / 2, top = y + SIDE - picture->height;
    paste(sheet, picture, left, top);
    if (place == 0)
        mt_canvas_frame(sheet, left - 3, top - 3, picture->width + 6, picture->height + 6, 2, marked);
    return write_text(sheet, search, place, x, y + SIDE + 6, error);
}

bool mt_contact_sheet_write(const mt_search *search, const char *slides, const char *path, GError **error)
{
    int n = MIN(search->n_hits, MT_CONTACT_SHEET_HITS) + 1, columns = MIN(n, COLUMNS), rows = (n + COLUMNS - 1) / COLUMNS;
    g_autoptr(mt_canvas) sheet = mt_canvas_new(GAP + columns * (SIDE + GAP), GAP + rows * (SIDE + TEXT + GAP), paper, error);
    bool ok = sheet != NULL;

    for (int place = 0; ok && place < n; place++)
        ok = draw_cell(sheet, search, slides, place, error);
    ok = ok && mt_canvas_write_png(sheet, path, error);
    if (!ok)
        g_prefix_error(error, "contact sheet %s: ", path);
    return ok;
}
