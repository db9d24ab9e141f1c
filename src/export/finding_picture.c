#include "src/export/finding_picture.h"

#include "src/export/small_picture.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

#define SMALL_PX 16 /* what is smaller on the picture gets a frame, for its outline is easily missed */
#define MARGIN_PX 4
#define MOST_BLOCK_VOXELS (INT64_C(1) << 26)

static const mt_color COLORS[] = {{255, 190, 0}, {0, 200, 255}, {255, 90, 170}, {130, 225, 70}, {190, 140, 255}, {255, 120, 60}};

typedef struct painter {
    mt_canvas             *canvas;
    const mt_finding_list *list;
    const mt_result       *result;
    char                 **names; /* "1,3=tumour core"; NULL: there is no map */
} painter;

static mt_color color_of(const painter *p, const mt_finding *f)
{
    guint k = 0;

    for (int i = 0; i < p->list->n_findings; i++) {
        if (strcmp(p->list->findings[i].label, f->label) == 0)
            break;
        k += i == 0 || strcmp(p->list->findings[i].label, p->list->findings[i - 1].label) != 0;
    }
    return COLORS[k % G_N_ELEMENTS(COLORS)];
}

/* The values of the map that are the class's. */
static void find_members(const painter *p, const char *label, bool members[256])
{
    memset(members, 0, 256 * sizeof *members);
    for (char **name = p->names; name != NULL && *name != NULL; name++) {
        const char *equals = strchr(*name, '=');
        if (equals == NULL || strcmp(equals + 1, label) != 0)
            continue;
        for (const char *at = *name; at < equals;) {
            char   *end;
            guint64 value = g_ascii_strtoull(at, &end, 10);
            if (end == at)
                break;
            if (value > 0 && value < 256)
                members[value] = true;
            at = end + (*end == ',');
        }
    }
}

/* First and one behind the last pixel of the picture that shows voxels a .. b-1 of an axis. */
static void span(int64_t a, int64_t b, int64_t size, int pixels, int *first, int *last)
{
    *first = (int)floor((double)a * pixels / (double)size);
    *last = (int)ceil((double)b * pixels / (double)size);
}

/* The map in the object's box, in the plane of its middle. */
static mt_tensor *read_part(const painter *p, const mt_finding *f, int64_t first[3], int64_t count[3])
{
    const int64_t *size = p->list->size;
    int64_t        plane = isfinite(f->centre[2]) ? (int64_t)floor(f->centre[2] + 0.5) : f->box[2];

    first[0] = CLAMP(plane, 0, size[2] - 1);
    first[1] = CLAMP(f->box[1], 0, size[1] - 1);
    first[2] = CLAMP(f->box[0], 0, size[0] - 1);
    count[0] = 1;
    count[1] = CLAMP(f->box[4], first[1] + 1, size[1]) - first[1];
    count[2] = CLAMP(f->box[3], first[2] + 1, size[0]) - first[2];
    if (p->names == NULL || f->boxed || count[1] * count[2] > MOST_BLOCK_VOXELS)
        return NULL;
    mt_tensor *part = mt_result_read_block(p->result, MT_OBJECT_SEGMENTATION, first, count, NULL);
    if (part != NULL && part->dtype != MT_U8)
        g_clear_pointer(&part, mt_tensor_unref);
    return part;
}

typedef struct part {
    const mt_tensor *map;
    const int64_t   *first, *count;
    bool             members[256];
} part;

static bool is_inside(const painter *p, const part *o, int x, int y)
{
    int64_t column = (int64_t)floor((x + 0.5) * (double)p->list->size[0] / p->canvas->width) - o->first[2];
    int64_t row = (int64_t)floor((y + 0.5) * (double)p->list->size[1] / p->canvas->height) - o->first[1];

    return column >= 0 && row >= 0 && column < o->count[2] && row < o->count[1] &&
           o->members[((const uint8_t *)o->map->data)[row * o->count[2] + column]];
}

static void draw_outline(const painter *p, const part *o, const int box[4], mt_color color)
{
    for (int y = box[1]; y < box[3]; y++)
        for (int x = box[0]; x < box[2]; x++) {
            if (!is_inside(p, o, x, y))
                continue;
            bool edge =
                !is_inside(p, o, x - 1, y) || !is_inside(p, o, x + 1, y) || !is_inside(p, o, x, y - 1) || !is_inside(p, o, x, y + 1);
            mt_canvas_blend(p->canvas, x, y, color, edge ? 1 : 0.25);
        }
}

static bool draw_number(const painter *p, const int box[4], int number, mt_color color, GError **error)
{
    mt_text_style style = {.size_px = 12, .bold = true};
    char          text[12];
    int           x = MIN(box[2] + 3, p->canvas->width - 14), y = MAX(box[1] - 8, 0);

    g_snprintf(text, sizeof text, "%d", number);
    return mt_canvas_text(p->canvas, x + 1, y + 1, text, &style, error) &&
           mt_canvas_text(p->canvas, x, y, text, &(mt_text_style){.size_px = 12, .bold = true, .color = color}, error);
}

static bool draw_finding(const painter *p, const mt_finding *f, int number, GError **error)
{
    int      box[4];
    int64_t  first[3], count[3];
    mt_color color = color_of(p, f);

    span(f->box[0], f->box[3], p->list->size[0], p->canvas->width, &box[0], &box[2]);
    span(f->box[1], f->box[4], p->list->size[1], p->canvas->height, &box[1], &box[3]);
    for (int k = 0; k < 4; k++)
        box[k] = CLAMP(box[k], 0, k % 2 == 0 ? p->canvas->width : p->canvas->height);
    g_autoptr(mt_tensor) map = read_part(p, f, first, count);
    part o = {.map = map, .first = first, .count = count};
    if (map != NULL) {
        find_members(p, f->label, o.members);
        draw_outline(p, &o, box, color);
    }
    if (map == NULL || MAX(box[2] - box[0], box[3] - box[1]) < SMALL_PX) {
        for (int k = 0; k < 4; k++)
            box[k] += k < 2 ? -MARGIN_PX : MARGIN_PX;
        mt_canvas_frame(p->canvas, box[0], box[1], box[2] - box[0], box[3] - box[1], 1, color);
    }
    return draw_number(p, box, number, color, error);
}

mt_canvas *mt_finding_picture(const mt_result *result, const mt_tensor *thumbnail, const mt_finding_list *list,
                              const mt_finding *const *order, int n, int side, GError **error)
{
    g_autoptr(mt_canvas) canvas = mt_fitted_picture(thumbnail, side, error);
    g_auto(GStrv) names =
        mt_result_has(result, MT_OBJECT_SEGMENTATION) ? mt_result_attr_strings(result, MT_OBJECT_SEGMENTATION, MT_ATTR_LABELS) : NULL;
    painter p = {canvas, list, result, names};
    bool    known = list->size[0] > 0 && list->size[1] > 0 && list->size[2] > 0;

    if (canvas == NULL)
        return NULL;
    for (int i = n - 1; known && i >= 0; i--) /* the first ones on top */
        if (!draw_finding(&p, order[i], i + 1, error))
            return NULL;
    return g_steal_pointer(&canvas);
}
