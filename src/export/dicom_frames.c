#include "src/export/dicom_frames.h"

#include "src/base/alloc.h"
#include "src/base/refuse.h"
#include "src/store/schema.h"

#include <math.h>
#include <microtome/heatmap.h>
#include <string.h>

/* The centre of the map's first pixel lies half of it less half a level-0 px from that px's centre. */
static void place_tiles(mt_dicom_frames *f)
{
    const mt_dicom_identity *d = f->c->identity;

    f->columns = MIN(MT_DICOM_TILE_PX, f->shape[2]);
    f->rows = MIN(MT_DICOM_TILE_PX, f->shape[1]);
    f->across = (f->shape[2] + f->columns - 1) / f->columns;
    f->n = f->across * ((f->shape[1] + f->rows - 1) / f->rows);
    for (int a = 0; a < 2; a++)
        f->spacing[a] = d->spacing[a] * f->px[a];
    for (int a = 0; a < 2; a++)
        f->origin[a] = d->origin[a] + d->row[a] * (f->px[0] - 1) / 2 * d->spacing[0] + d->column[a] * (f->px[1] - 1) / 2 * d->spacing[1];
}

static bool check_place(const mt_dicom_frames *f, GError **error)
{
    const mt_dicom_identity *d = f->c->identity;
    const int64_t            size[3] = {f->shape[2], f->shape[1], f->shape[0]};

    if (d->geometry == MT_DICOM_NOWHERE)
        return mt_refuse(error, MT_ERROR_INPUT,
                         "nobody knows where its pixels lie: its source has no place in a patient, no \xc2\xb5m/px of a slide, "
                         "and is no DICOM image");
    for (int a = 0; a < 3 && d->geometry != MT_DICOM_SLIDE; a++)
        if (size[a] != d->size[d->axis[a]])
            return mt_refuse(error, MT_ERROR_INPUT,
                             "%s of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                             " does not lie on the voxels of the source",
                             f->object, size[0], size[1], size[2]);
    if (d->geometry == MT_DICOM_SLIDE && (f->shape[0] != 1 || size[0] > d->size[0] || size[1] > d->size[1]))
        return mt_refuse(error, MT_ERROR_INPUT, "%s does not lie on the slide", f->object);
    return true;
}

bool mt_dicom_frames_init(mt_dicom_frames *f, const mt_handover_case *c, const char *object, GError **error)
{
    const mt_dicom_identity *d = c->identity;
    const int64_t            first[3] = {0}, one[3] = {1, 1, 1};
    int64_t                  shape[MT_MAX_RANK];

    *f = (mt_dicom_frames){.c = c, .object = object};
    if (!mt_result_has(c->result, object))
        return mt_refuse(error, MT_ERROR_INPUT, "it has no %s: its task draws none", object);
    int rank = mt_result_shape(c->result, object, shape, error);
    if (rank < 0)
        return false;
    if (rank != 3 || shape[0] < 1 || shape[1] < 1 || shape[2] < 1)
        return mt_refuse(error, MT_ERROR_INPUT, "its %s has no planes, rows and columns", object);
    memcpy(f->shape, shape, sizeof f->shape);
    g_autoptr(mt_tensor) value = mt_result_read_block(c->result, object, first, one, error);
    if (value == NULL || !check_place(f, error))
        return false;
    f->dtype = value->dtype;
    f->columns = d->size[0];
    f->rows = d->size[1];
    f->n = d->size[2];
    memcpy(f->spacing, d->spacing, sizeof f->spacing);
    f->px[0] = (double)d->size[0] / (double)shape[2];
    f->px[1] = (double)d->size[1] / (double)shape[1];
    if (d->geometry == MT_DICOM_SLIDE)
        place_tiles(f);
    return true;
}

/* Level-0 px from tile to tile. */
static void find_step(mt_dicom_frames *f)
{
    double patch = 0, overlap = 0;

    mt_result_attr(f->c->result, MT_OBJECT_COORDS, MT_ATTR_PATCH_SIZE, &patch, 1);
    mt_result_attr(f->c->result, MT_OBJECT_COORDS, MT_ATTR_OVERLAP, &overlap, 1);
    for (int a = 0; a < 2; a++)
        f->px[a] = MAX(1, f->heat->tile_level0[a] * (patch > overlap && overlap > 0 ? 1 - overlap / patch : 1));
}

bool mt_dicom_frames_init_heat(mt_dicom_frames *f, const mt_handover_case *c, GError **error)
{
    const mt_heatmap_params  params = {.scale = MT_HEAT_ABSOLUTE, .plane = -1};
    const mt_dicom_identity *d = c->identity;

    *f = (mt_dicom_frames){.c = c, .object = "the tiles' map", .dtype = MT_F32};
    f->heat = mt_heatmap_new(c->result, &params, error);
    if (f->heat == NULL)
        return false;
    for (int a = 0; a < 3; a++)
        f->shape[2 - a] = d->size[d->axis[a]];
    if (!check_place(f, error))
        return false;
    f->columns = d->size[0];
    f->rows = d->size[1];
    f->n = d->size[2];
    memcpy(f->spacing, d->spacing, sizeof f->spacing);
    if (d->geometry != MT_DICOM_SLIDE)
        return true;
    find_step(f);
    f->shape[1] = (int64_t)ceil((double)d->size[1] / f->px[1]);
    f->shape[2] = (int64_t)ceil((double)d->size[0] / f->px[0]);
    place_tiles(f);
    return true;
}

void mt_dicom_frames_clear(mt_dicom_frames *f)
{
    g_clear_pointer(&f->heat, mt_heatmap_free);
}

/* Values of the window; where the tiles say nothing MT_DICOM_NO_HEAT. */
static float *render(const mt_heatmap *heat, const mt_heat_view *view, GError **error)
{
    int64_t  n = view->width * view->height;
    float   *values = mt_alloc(n, sizeof *values, error);
    uint8_t *states = values != NULL ? mt_alloc(n, 1, error) : NULL;

    if (states == NULL || !mt_heatmap_render(heat, view, values, states, error))
        g_clear_pointer(&values, mt_free);
    for (int64_t i = 0; values != NULL && i < n; i++)
        values[i] =
            states[i] == MT_HEAT_VALUE ? (float)(heat->range[0] + (double)values[i] * (heat->range[1] - heat->range[0])) : MT_DICOM_NO_HEAT;
    mt_free(states);
    return values;
}

static bool render_tile(const mt_dicom_frames *f, int64_t frame, float *out, GError **error)
{
    const mt_heat_view view = {1 / f->px[0], 1 / f->px[1], frame % f->across * f->columns, frame / f->across * f->rows,
                               f->columns,   f->rows};
    float             *values = render(f->heat, &view, error);

    if (values != NULL)
        memcpy(out, values, (size_t)(f->columns * f->rows) * sizeof *out);
    mt_free(values);
    return values != NULL;
}

static bool render_slice(const mt_dicom_frames *f, int64_t slice, float *out, GError **error)
{
    const mt_dicom_identity *d = f->c->identity;
    const mt_heatmap_params  params = {.scale = MT_HEAT_ABSOLUTE, .plane = d->flip[2] ? d->size[2] - 1 - slice : slice};
    const mt_heat_view       view = {1, 1, 0, 0, f->shape[2], f->shape[1]};
    g_autoptr(mt_heatmap) plane = mt_heatmap_new(f->c->result, &params, error);
    float *values = plane != NULL ? render(plane, &view, error) : NULL;

    if (values == NULL)
        return false;
    for (int64_t row = 0; row < f->rows; row++)
        for (int64_t column = 0; column < f->columns; column++) {
            int64_t voxel[3];
            mt_dicom_identity_from_stored(d, (const int64_t[3]){column, row, slice}, voxel);
            out[row * f->columns + column] = values[voxel[1] * f->shape[2] + voxel[0]];
        }
    mt_free(values);
    return true;
}

static bool read_tile(const mt_dicom_frames *f, int64_t frame, uint8_t *out, GError **error)
{
    const size_t  b = mt_dtype_size(f->dtype);
    const int64_t first[3] = {0, frame / f->across * f->rows, frame % f->across * f->columns};
    const int64_t count[3] = {1, MIN(f->rows, f->shape[1] - first[1]), MIN(f->columns, f->shape[2] - first[2])};
    g_autoptr(mt_tensor) block = mt_result_read_block(f->c->result, f->object, first, count, error);

    if (block == NULL)
        return false;
    memset(out, 0, (size_t)(f->rows * f->columns) * b);
    for (int64_t y = 0; y < count[1]; y++)
        memcpy(out + (size_t)(y * f->columns) * b, (const uint8_t *)block->data + (size_t)(y * count[2]) * b, (size_t)count[2] * b);
    return true;
}

/* A slice of the source is a slab of the map, along whichever axis the slices run in it. */
static bool read_slice(const mt_dicom_frames *f, int64_t slice, uint8_t *out, GError **error)
{
    const mt_dicom_identity *d = f->c->identity;
    const size_t             b = mt_dtype_size(f->dtype);
    int64_t                  first[3] = {0}, count[3], step[3] = {0}, start = 0, stride = 1;

    memcpy(count, f->shape, sizeof count);
    for (int a = 0; a < 3; a++) /* x, y, plane are the map's last, middle and first dimension */
        if (d->axis[a] == 2) {
            first[2 - a] = d->flip[a] ? d->size[2] - 1 - slice : slice;
            count[2 - a] = 1;
        }
    g_autoptr(mt_tensor) block = mt_result_read_block(f->c->result, f->object, first, count, error);
    if (block == NULL)
        return false;
    for (int a = 0; a < 3; a++) {
        if (d->axis[a] != 2) {
            step[d->axis[a]] = d->flip[a] ? -stride : stride;
            start += d->flip[a] ? stride * (count[2 - a] - 1) : 0;
        }
        stride *= count[2 - a];
    }
    for (int64_t row = 0; row < f->rows; row++)
        for (int64_t column = 0; column < f->columns; column++)
            memcpy(out + (size_t)(row * f->columns + column) * b,
                   (const uint8_t *)block->data + (size_t)(start + row * step[1] + column * step[0]) * b, b);
    return true;
}

bool mt_dicom_frames_read(const mt_dicom_frames *f, int64_t frame, void *out, GError **error)
{
    const bool slide = f->c->identity->geometry == MT_DICOM_SLIDE;

    if (f->heat != NULL)
        return slide ? render_tile(f, frame, out, error) : render_slice(f, frame, out, error);
    return slide ? read_tile(f, frame, out, error) : read_slice(f, frame, out, error);
}

static void free_segment(void *data)
{
    mt_dicom_segment *s = data;

    g_free(s->name);
    g_free(s);
}

static void take_members(const char *text, const char *end, uint8_t members[256])
{
    while (text < end) {
        char   *next;
        guint64 value = g_ascii_strtoull(text, &next, 10);
        if (next == text)
            return;
        if (value > 0 && value < 256)
            members[value] = 1;
        text = next + (*next == ',');
    }
}

GPtrArray *mt_dicom_segments(const mt_result *result)
{
    GPtrArray *segments = g_ptr_array_new_with_free_func(free_segment);
    g_auto(GStrv) labels =
        mt_result_has(result, MT_OBJECT_SEGMENTATION) ? mt_result_attr_strings(result, MT_OBJECT_SEGMENTATION, MT_ATTR_LABELS) : NULL;

    for (char **label = labels; label != NULL && *label != NULL; label++) {
        const char       *equals = strchr(*label, '=');
        mt_dicom_segment *s = g_new0(mt_dicom_segment, 1);
        if (equals != NULL)
            take_members(*label, equals, s->members);
        s->name = g_strdup(equals != NULL ? equals + 1 : *label);
        g_ptr_array_add(segments, s);
    }
    return segments;
}
