#include <microtome/tile_reader.h>

#include "kernels/pixel/resample.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define MAX_READ_BYTES (INT64_C(1) << 30)
#define N_RESAMPLERS 16 /* geometries kept: where d is whole, a few fractions come back again and again */

/* The pixels of the level under a tile, and where in them the tile lies. */
typedef struct window {
    int64_t x, y, width, height;
    double  box[4];
} window;

typedef struct resampler {
    window       geometry; /* x and y are 0 */
    mt_resample *resample;
} resampler;

struct mt_tile_reader {
    mt_case       *c;
    const mt_grid *grid;
    mt_filter      filter;
    int64_t        tile_width, tile_height;
    int            level;
    bool           once;               /* tiles do not overlap: what lies wholly in one is not read again */
    double         d_x, d_y, w_x, w_y; /* downsample of the level, and a tile's edge in its pixels */
    bool           whole;              /* another tool's tiles: mt_case_read_region */
    mt_dtype       stored, dtype;
    int            channels;
    int64_t        room; /* pixels of `raw` and `floats` */
    void          *raw;
    float         *floats; /* `raw` as float, when the case is not 8-bit or float */
    void          *tile;
    resampler      resamplers[N_RESAMPLERS];
    double         decode_s, resample_s;
};

static window find_window(const mt_tile_reader *r, mt_tile tile)
{
    if (r->whole) /* by its address at level 0 */
        return (window){tile.x, tile.y, (int64_t)r->w_x, (int64_t)r->w_y, {0, 0, r->w_x, r->w_y}};
    double u = (double)tile.x / r->d_x, v = (double)tile.y / r->d_y;
    window w = {.x = (int64_t)floor(u), .y = (int64_t)floor(v)};

    w.width = (int64_t)ceil(u + r->w_x) - w.x;
    w.height = (int64_t)ceil(v + r->w_y) - w.y;
    w.box[0] = u - floor(u);
    w.box[1] = v - floor(v);
    w.box[2] = w.box[0] + r->w_x;
    w.box[3] = w.box[1] + r->w_y;
    return w;
}

static void set_up_whole_planes(mt_tile_reader *r)
{
    r->tile_width = mt_case_level(r->c, 0)->width;
    r->tile_height = mt_case_level(r->c, 0)->height;
    r->d_x = r->d_y = 1;
    r->w_x = (double)r->tile_width;
    r->w_y = (double)r->tile_height;
}

static void set_up_tool(mt_tile_reader *r, const mt_grid_tool *tool)
{
    r->whole = true;
    r->level = tool->level;
    r->tile_width = r->tile_height = mt_grid_get_params(r->grid)->tile_px;
    r->d_x = r->d_y = tool->level_downsample;
    r->w_x = r->w_y = (double)tool->window_px;
    r->filter = MT_FILTER_BICUBIC;
}

static void set_up_tiles(mt_tile_reader *r)
{
    const mt_level *level = mt_case_level(r->c, mt_grid_level(r->grid));

    r->level = mt_grid_level(r->grid);
    r->tile_width = r->tile_height = mt_grid_get_params(r->grid)->tile_px;
    r->once = mt_grid_get_params(r->grid)->overlap == 0;
    r->d_x = level->downsample_x;
    r->d_y = level->downsample_y;
    mt_grid_tile_level0(r->grid, &r->w_x, &r->w_y);
    r->w_x /= r->d_x;
    r->w_y /= r->d_y;
}

static bool check_case(const mt_tile_reader *r, GError **error)
{
    bool u8 = r->stored == MT_U8 && (r->channels == 1 || r->channels == 3);
    bool deep = (r->stored == MT_U16 || r->stored == MT_I16 || r->stored == MT_F32) && r->channels == 1;

    if (u8 || deep)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "read tiles of %s: %d channel(s) of %s cannot be tiles: 8-bit with 1 or 3 channels, or 16-bit or float with 1, can",
                mt_case_path(r->c), r->channels, mt_dtype_name(r->stored));
    return false;
}

/* A tile's window is at most one pixel larger than its edge rounded up. */
static bool allocate(mt_tile_reader *r, GError **error)
{
    double width = ceil(r->w_x) + 1, height = ceil(r->w_y) + 1;
    double bytes = width * height * r->channels * (double)(mt_dtype_size(r->stored) + (r->dtype == r->stored ? 0 : sizeof(float)));

    if (!(bytes <= (double)MAX_READ_BYTES)) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                    "read tiles of %s: one covers %.0f x %.0f pixels of level %d (%.1f GB, at most %.1f): use a file with a finer pyramid, "
                    "smaller tiles or a smaller --mpp",
                    mt_case_path(r->c), width, height, r->level, bytes / 1e9, (double)MAX_READ_BYTES / 1e9);
        return false;
    }
    r->room = (int64_t)width * (int64_t)height;
    r->raw = mt_alloc(r->room * r->channels, mt_dtype_size(r->stored), error);
    if (r->raw == NULL)
        return false;
    if (r->dtype != r->stored && !(r->floats = mt_alloc(r->room, sizeof(float), error)))
        return false;
    r->tile = mt_alloc(r->tile_width * r->tile_height * r->channels, mt_dtype_size(r->dtype), error);
    return r->tile != NULL;
}

mt_tile_reader *mt_tile_reader_new(mt_case *c, const mt_grid *grid, mt_filter filter, GError **error)
{
    g_autoptr(mt_tile_reader) r = g_new0(mt_tile_reader, 1);

    r->c = c;
    r->grid = grid;
    r->filter = filter;
    r->stored = mt_case_dtype(c);
    r->dtype = r->stored == MT_U8 ? MT_U8 : MT_F32;
    r->channels = mt_case_channels(c);
    if (mt_grid_get_params(grid)->whole_plane)
        set_up_whole_planes(r);
    else if (mt_grid_get_tool(grid) != NULL)
        set_up_tool(r, mt_grid_get_tool(grid));
    else
        set_up_tiles(r);
    return check_case(r, error) && allocate(r, error) ? g_steal_pointer(&r) : NULL;
}

void mt_tile_reader_free(mt_tile_reader *reader)
{
    if (reader == NULL)
        return;
    for (int i = 0; i < N_RESAMPLERS; i++)
        mt_resample_free(reader->resamplers[i].resample);
    mt_free(reader->raw);
    mt_free(reader->floats);
    mt_free(reader->tile);
    g_free(reader);
}

/* Resampling to a tile of the window's own size, from whole pixels, changes nothing. */
static bool is_copy(const mt_tile_reader *r, const window *w)
{
    return w->box[0] == 0 && w->box[1] == 0 && w->box[2] == (double)r->tile_width && w->box[3] == (double)r->tile_height;
}

static mt_resample *find_resample(mt_tile_reader *r, const window *w, GError **error)
{
    window     geometry = *w;
    resampler *slot;
    guint      hash = 0;

    geometry.x = geometry.y = 0;
    for (int i = 0; i < 2; i++) /* the fractions decide nearly alone */
        hash = hash * 31 + (guint)(w->box[i] * 4096);
    slot = &r->resamplers[hash % N_RESAMPLERS];
    if (slot->resample && memcmp(&slot->geometry, &geometry, sizeof geometry) == 0)
        return slot->resample;
    mt_resample_free(slot->resample);
    slot->geometry = geometry;
    slot->resample = mt_resample_new(w->width, w->height, w->box, r->tile_width, r->tile_height, r->filter, error);
    return slot->resample;
}

/* The samples of the window in the tile's type. */
static const void *convert(mt_tile_reader *r, int64_t n)
{
    if (r->floats == NULL)
        return r->raw;
    for (int64_t i = 0; i < n; i++)
        r->floats[i] = r->stored == MT_U16 ? ((const uint16_t *)r->raw)[i] : ((const int16_t *)r->raw)[i];
    return r->floats;
}

static bool resample(mt_tile_reader *r, const window *w, void **out, GError **error)
{
    const void *source = convert(r, w->width * w->height);

    if (is_copy(r, w)) {
        *out = (void *)source;
        return true;
    }
    mt_resample *resample = find_resample(r, w, error);
    *out = r->tile;
    if (resample == NULL)
        return false;
    return r->dtype == MT_U8 ? mt_resample_u8(resample, source, r->channels, r->tile, error)
                             : mt_resample_f32(resample, source, r->tile, error);
}

bool mt_tile_reader_read(mt_tile_reader *r, int64_t i, mt_tile_pixels *pixels, GError **error)
{
    mt_tile tile = mt_grid_tile(r->grid, i);
    window  w = find_window(r, tile);
    gint64  start = g_get_monotonic_time();

    bool   ok = r->whole
                    ? mt_case_read_region(r->c, r->level, w.x, w.y, w.width, w.height, r->raw, error)
                    : (r->once ? mt_case_read_once : mt_case_read)(r->c, tile.plane, r->level, w.x, w.y, w.width, w.height, r->raw, error);
    gint64 decoded = g_get_monotonic_time();
    r->decode_s += (double)(decoded - start) / 1e6;
    *pixels = (mt_tile_pixels){r->dtype, r->channels, r->tile_width, r->tile_height, NULL};
    ok = ok && resample(r, &w, &pixels->data, error);
    r->resample_s += (double)(g_get_monotonic_time() - decoded) / 1e6;
    if (!ok)
        g_prefix_error(error,
                       "read tile %" G_GINT64_FORMAT " at (%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ") of plane %" G_GINT64_FORMAT ": ", i,
                       tile.x, tile.y, tile.plane);
    return ok;
}

bool mt_tile_reader_ahead(const mt_tile_reader *r, int64_t i)
{
    mt_tile tile = mt_grid_tile(r->grid, i);
    window  w = find_window(r, tile);

    if (r->whole) {
        w.x = (int64_t)((double)w.x / r->d_x);
        w.y = (int64_t)((double)w.y / r->d_y);
    }
    return mt_case_read_ahead(r->c, tile.plane, r->level, w.x, w.y, w.width, w.height);
}

void mt_tile_reader_seconds(const mt_tile_reader *reader, double *decode_s, double *resample_s)
{
    *decode_s = reader->decode_s;
    *resample_s = reader->resample_s;
}
