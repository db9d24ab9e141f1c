#include "src/export/layout_source.h"

#include "kernels/pixel/half.h"
#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

#define BLOCK_BYTES ((int64_t)4 << 20)
#define COORD_CHUNK_ROWS 4096
#define LARGEST_HALF 65504.0f
#define SQUARE 0.01 /* how much the edges of a tile may differ, which the other tools take for one number */

bool mt_layout_refuse(const mt_layout_source *source, GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *why = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "export %s as %s: %s", mt_result_path(source->result), source->params->layout, why);
    return false;
}

/* Nothing that leads out of a folder or breaks a line of a list. */
static bool is_plain_name(const char *name)
{
    if (*name == '\0' || *name == '.' || *name == '-' || !g_utf8_validate(name, -1, NULL))
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c) || strchr("/\\,\"':", *c) != NULL)
            return false;
    return true;
}

static char *slide_name(const char *path)
{
    g_autofree char *stem = g_path_get_basename(path);

    if (g_str_has_suffix(stem, ".h5"))
        stem[strlen(stem) - 3] = '\0';
    g_autofree char *plain = g_uri_unescape_string(stem, NULL);
    return plain != NULL && is_plain_name(plain) ? g_steal_pointer(&plain) : g_steal_pointer(&stem);
}

static double number(const mt_result *result, const char *name)
{
    double value = 0;

    return mt_result_attr(result, MT_OBJECT_COORDS, name, &value, 1) && isfinite(value) && fabs(value) < 1e15 ? value : 0;
}

static void read_attributes(mt_layout_source *s)
{
    const mt_result *r = s->result;

    s->patch_size = llround(number(r, MT_ATTR_PATCH_SIZE));
    s->patch_level = llround(number(r, MT_ATTR_PATCH_LEVEL));
    s->patch_size_level0 = llround(number(r, MT_ATTR_PATCH_SIZE_LEVEL0));
    s->overlap = llround(number(r, MT_ATTR_OVERLAP));
    if (!mt_result_attr(r, MT_OBJECT_COORDS, MT_ATTR_TILE_LEVEL0, s->tile_level0, 2))
        s->tile_level0[0] = s->tile_level0[1] = (double)s->patch_size_level0;
    s->mpp[0] = number(r, MT_ATTR_MPP_X);
    s->mpp[1] = number(r, MT_ATTR_MPP_Y);
    s->target_mpp = number(r, MT_ATTR_TARGET_MPP);
    s->level0_magnification = number(r, MT_ATTR_LEVEL0_MAGNIFICATION);
    s->target_magnification = number(r, MT_ATTR_TARGET_MAGNIFICATION);
    s->size[0] = llround(number(r, MT_ATTR_LEVEL0_WIDTH));
    s->size[1] = llround(number(r, MT_ATTR_LEVEL0_HEIGHT));
    if (MAX(s->size[0], s->size[1]) > MT_LIMIT_SLIDE_EDGE_PX)
        s->size[0] = s->size[1] = 0;
    s->compat = mt_result_attr_string(r, MT_OBJECT_COORDS, MT_ATTR_COMPAT);
    s->encoder = mt_result_attr_string(r, MT_OBJECT_FEATURES, MT_ATTR_ENCODER);
    s->encoder_sha256 = mt_result_attr_string(r, MT_OBJECT_FEATURES, MT_ATTR_ENCODER_SHA256);
    if (s->params->encoder != NULL) {
        g_free(s->encoder);
        s->encoder = g_strdup(s->params->encoder);
    }
}

static bool read_coords(mt_layout_source *s, GError **error)
{
    if (!mt_result_has(s->result, MT_OBJECT_COORDS))
        return mt_layout_refuse(s, error, "it has no tiles with coordinates");
    s->coords = mt_result_read(s->result, MT_OBJECT_COORDS, error);
    if (s->coords == NULL)
        return false;
    if (s->coords->rank == 2 && s->coords->shape[1] == 3)
        return mt_layout_refuse(s, error, "it is of a volume, and the layout has no place for planes");
    if (s->coords->dtype != MT_I64 || s->coords->rank != 2 || s->coords->shape[1] != 2)
        return mt_layout_refuse(s, error, "/coords is no table of whole x and y");
    s->n = s->coords->shape[0];
    for (int64_t i = 0; i < 2 * s->n; i++)
        if (ABS(((const int64_t *)s->coords->data)[i] / 2) > MT_LIMIT_SLIDE_EDGE_PX / 2)
            return mt_layout_refuse(s, error, "tile %" G_GINT64_FORMAT " lies off any slide", i / 2);
    return true;
}

static bool read_valid(mt_layout_source *s, GError **error)
{
    g_autoptr(mt_tensor) valid = NULL;

    s->valid = mt_alloc(s->n, 1, error);
    if (s->valid == NULL)
        return false;
    memset(s->valid, 1, (size_t)s->n);
    if (mt_result_has(s->result, MT_OBJECT_VALID)) {
        valid = mt_result_read(s->result, MT_OBJECT_VALID, error);
        if (valid == NULL)
            return false;
        if (valid->dtype != MT_U8 || valid->rank != 1 || valid->shape[0] != s->n)
            return mt_layout_refuse(s, error, "/valid does not fit its %" G_GINT64_FORMAT " tiles", s->n);
        memcpy(s->valid, valid->data, (size_t)s->n);
    }
    for (int64_t i = 0; i < s->n; i++)
        s->n_valid += s->valid[i] != 0;
    return true;
}

static bool read_features_shape(mt_layout_source *s, GError **error)
{
    int64_t shape[MT_MAX_RANK];

    if (!mt_result_has(s->result, MT_OBJECT_FEATURES))
        return true;
    int rank = mt_result_shape(s->result, MT_OBJECT_FEATURES, shape, error);
    if (rank < 0)
        return false;
    if (rank != 2 || shape[0] != s->n || shape[1] < 1)
        return mt_layout_refuse(s, error, "/features does not fit its %" G_GINT64_FORMAT " tiles", s->n);
    s->dim = shape[1];
    return true;
}

mt_layout_source *mt_layout_source_new(const mt_result *result, const mt_layout_params *params, GError **error)
{
    g_autoptr(mt_layout_source) s = g_new0(mt_layout_source, 1);

    s->result = result;
    s->params = params;
    s->name = slide_name(mt_result_path(result));
    if (!read_coords(s, error) || !read_valid(s, error) || !read_features_shape(s, error))
        return NULL;
    read_attributes(s);
    return g_steal_pointer(&s);
}

void mt_layout_source_free(mt_layout_source *source)
{
    if (source == NULL)
        return;
    g_clear_pointer(&source->coords, mt_tensor_unref);
    mt_free(source->valid);
    g_free(source->began);
    g_free(source->name);
    g_free(source->compat);
    g_free(source->encoder);
    g_free(source->encoder_sha256);
    g_free(source);
}

bool mt_layout_need_features(const mt_layout_source *s, GError **error)
{
    if (s->dim < 1)
        return mt_layout_refuse(s, error, "no features are stored in it (prune --features none?): run it again with its encoder");
    return s->n == 0 || s->n_valid > 0 || mt_layout_refuse(s, error, "none of its %" G_GINT64_FORMAT " tiles could be read", s->n);
}

/* Names of folders come from it. */
bool mt_layout_need_encoder(const mt_layout_source *s, GError **error)
{
    if (s->encoder == NULL)
        return mt_layout_refuse(s, error, "it does not say what encoder made its features: --encoder-name does");
    return is_plain_name(s->encoder) ||
           mt_layout_refuse(s, error, "its encoder '%s' is no name of a folder: --encoder-name gives one", s->encoder);
}

bool mt_layout_need_tiles(const mt_layout_source *s, GError **error)
{
    for (int a = 0; a < 2; a++)
        if (!(s->tile_level0[a] >= 1 && s->tile_level0[a] <= (double)MT_LIMIT_SLIDE_EDGE_PX))
            return mt_layout_refuse(s, error, "it does not say how large its tiles are");
    if (s->patch_size < 1)
        return mt_layout_refuse(s, error, "it does not say how large its tiles are");
    return (s->size[0] > 0 && s->size[1] > 0) || mt_layout_refuse(s, error, "it does not say how large the slide is");
}

bool mt_layout_need_square_tiles(const mt_layout_source *s, GError **error)
{
    const double *edge = s->tile_level0;

    if (!mt_layout_need_tiles(s, error))
        return false;
    return fabs(edge[0] - edge[1]) <= SQUARE * edge[0] ||
           mt_layout_refuse(s, error, "its tiles are %g x %g level-0 px, and the layout has one edge for both", edge[0], edge[1]);
}

bool mt_layout_need_mpp(const mt_layout_source *s, GError **error)
{
    return (s->mpp[0] > 0 && s->mpp[1] > 0) ||
           mt_layout_refuse(s, error, "its µm/px is not known, which the layout needs: run it again with --slide-mpp");
}

bool mt_layout_attr_int(mt_store *store, const char *object, const char *name, int64_t value, GError **error)
{
    return mt_store_attr_int(store, object, name, &value, 1, error);
}

bool mt_layout_attr_known(mt_store *store, const char *object, const char *name, double value, GError **error)
{
    return value <= 0 || mt_store_attr_double(store, object, name, &value, 1, error);
}

bool mt_layout_attr_truth(const mt_layout_source *s, mt_store *store, const char *object, GError **error)
{
    return mt_layout_attr_known(store, object, MT_ATTR_MPP_X, s->mpp[0], error) &&
           mt_layout_attr_known(store, object, MT_ATTR_MPP_Y, s->mpp[1], error) &&
           mt_layout_attr_known(store, object, MT_ATTR_TARGET_MPP, s->target_mpp, error) &&
           mt_store_attr_double(store, object, MT_ATTR_TILE_LEVEL0, s->tile_level0, 2, error);
}

bool mt_layout_put_coords(const mt_layout_source *s, mt_store *store, const char *object, mt_dtype dtype, bool valid_only, GError **error)
{
    const int64_t *from = s->coords->data;
    int64_t        kept = 0;
    char          *rows = mt_alloc(s->n * 2, mt_dtype_size(dtype), error);
    bool           ok = rows != NULL;

    for (int64_t i = 0; ok && i < s->n; i++) {
        if (valid_only && s->valid[i] == 0)
            continue;
        for (int a = 0; a < 2; a++)
            if (dtype == MT_I32)
                ((int32_t *)rows)[2 * kept + a] = (int32_t)from[2 * i + a];
            else
                ((int64_t *)rows)[2 * kept + a] = from[2 * i + a];
        kept++;
    }
    ok = ok && mt_store_grow_expecting(store, object, dtype, 2, MIN(s->n, COORD_CHUNK_ROWS), error) &&
         mt_store_append(store, object, rows, kept, error);
    mt_free(rows);
    return ok;
}

bool mt_layout_each_rows(const mt_layout_source *s, mt_layout_take take, void *user, GError **error)
{
    int64_t block = MAX(1, BLOCK_BYTES / (int64_t)sizeof(float) / MAX(1, s->dim));
    size_t  row_bytes = (size_t)s->dim * sizeof(float);
    float  *rows = mt_alloc(block * s->dim, sizeof(float), error);
    bool    ok = rows != NULL;

    for (int64_t first = 0; ok && first < s->n; first += block) {
        int64_t count = MIN(block, s->n - first), kept = 0;
        ok = mt_result_read_rows(s->result, MT_OBJECT_FEATURES, first, count, rows, error);
        for (int64_t i = 0; ok && i < count; i++)
            if (s->valid[first + i] != 0) {
                if (kept != i)
                    memcpy(rows + kept * s->dim, rows + i * s->dim, row_bytes);
                kept++;
            }
        ok = ok && (kept == 0 || take(user, rows, kept, error));
    }
    mt_free(rows);
    return ok;
}

typedef struct put {
    const mt_layout_source *source;
    mt_store               *store;
    const char             *object;
    uint16_t               *halves; /* NULL: float32 */
    int64_t                 n_halves;
} put;

static bool put_rows(void *user, const float *rows, int64_t count, GError **error)
{
    put    *p = user;
    int64_t values = count * p->source->dim;

    if (p->halves == NULL)
        return mt_store_append(p->store, p->object, rows, count, error);
    for (int64_t i = 0; i < values; i++)
        if (fabsf(rows[i]) > LARGEST_HALF)
            return mt_layout_refuse(p->source, error, "a feature of %g does not fit into float16", (double)rows[i]);
    mt_half_from_f32(rows, values, p->halves);
    return mt_store_append(p->store, p->object, p->halves, count, error);
}

bool mt_layout_put_features(const mt_layout_source *s, mt_store *store, const char *object, mt_dtype dtype, int64_t chunk_rows,
                            GError **error)
{
    put  p = {.source = s, .store = store, .object = object};
    bool ok = mt_store_grow_expecting(store, object, dtype, s->dim, chunk_rows, error);

    if (ok && dtype == MT_F16) {
        p.halves = mt_alloc(MAX(BLOCK_BYTES / (int64_t)sizeof(float), s->dim), sizeof(uint16_t), error);
        ok = p.halves != NULL;
    }
    ok = ok && mt_layout_each_rows(s, put_rows, &p, error);
    mt_free(p.halves);
    return ok;
}

static bool whole_plane(const mt_layout_source *s, mt_layout_rings *rings, GError **error)
{
    int64_t corners[2] = {4, 2}, two = 2, one = 1;

    rings->points = mt_tensor_new(MT_I32, 2, corners, error);
    rings->offsets = rings->points != NULL ? mt_tensor_new(MT_I64, 1, &two, error) : NULL;
    rings->kinds = rings->offsets != NULL ? mt_tensor_new(MT_U8, 1, &one, error) : NULL;
    if (rings->kinds == NULL)
        return false;
    int32_t *p = rings->points->data, w = (int32_t)s->size[0], h = (int32_t)s->size[1];
    p[2] = p[4] = w;
    p[5] = p[7] = h;
    ((int64_t *)rings->offsets->data)[1] = 4;
    rings->n = 1;
    return true;
}

static bool is_sound(const mt_layout_rings *rings)
{
    if (rings->points->dtype != MT_I32 || rings->points->rank != 2 || rings->points->shape[1] != 2 || rings->offsets->dtype != MT_I64 ||
        rings->offsets->rank != 1 || rings->kinds->dtype != MT_U8 || rings->kinds->rank != 1 ||
        rings->offsets->shape[0] != rings->kinds->shape[0] + 1)
        return false;
    for (int64_t i = 0; i + 1 < rings->offsets->shape[0]; i++) {
        const int64_t *offset = (const int64_t *)rings->offsets->data + i;
        if (offset[0] < 0 || offset[0] > offset[1] || offset[1] > rings->points->shape[0])
            return false;
    }
    return true;
}

bool mt_layout_rings_read(const mt_layout_source *s, mt_layout_rings *rings, GError **error)
{
    *rings = (mt_layout_rings){0};
    if (!mt_result_has(s->result, MT_OBJECT_TISSUE_POINTS))
        return whole_plane(s, rings, error);
    rings->points = mt_result_read(s->result, MT_OBJECT_TISSUE_POINTS, error);
    rings->offsets = rings->points != NULL ? mt_result_read(s->result, MT_OBJECT_TISSUE_OFFSETS, error) : NULL;
    rings->kinds = rings->offsets != NULL ? mt_result_read(s->result, MT_OBJECT_TISSUE_KINDS, error) : NULL;
    if (rings->kinds == NULL)
        return false;
    rings->n = rings->kinds->shape[0];
    return is_sound(rings) || mt_layout_refuse(s, error, "its tissue outlines are damaged");
}

void mt_layout_rings_clear(mt_layout_rings *rings)
{
    g_clear_pointer(&rings->points, mt_tensor_unref);
    g_clear_pointer(&rings->offsets, mt_tensor_unref);
    g_clear_pointer(&rings->kinds, mt_tensor_unref);
}

bool mt_layout_publish(const mt_layout_source *s, mt_store *store, GError **error)
{
    return s->params->replace ? mt_store_replace(store, NULL, error) : mt_store_publish(store, NULL, error);
}
