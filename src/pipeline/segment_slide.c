#include "src/pipeline/segment_slide.h"

#include "kernels/pixel/resample.h"
#include "src/base/alloc.h"
#include "src/pipeline/card_scale.h"
#include "src/pipeline/case_stages.h"
#include "tiling/label_slabs.h"
#include "tiling/sliding.h"

#include <math.h>
#include <string.h>

#define PART_PX 1024 /* of the map, at least; four patches where these are larger */
#define PROBABILITY_PX (INT64_C(1) << 26)

typedef struct slide_run {
    mt_case_run         *run;
    const mt_dense_card *card;
    mt_case_map         *map;
    int                  map_label;
    int64_t              part, margin[2]; /* map px: what is kept of a part, and what is read around it */
} slide_run;

/* A rectangle of the map. */
typedef struct rectangle {
    int64_t x, y, width, height;
} rectangle;

static bool size_map(slide_run *s, GError **error)
{
    mt_case        *c = s->run->tiles.c;
    const mt_level *level = mt_case_level(c, 0);
    const int64_t   whole[2] = {level->width, level->height};
    double          mpp[2] = {0};
    bool            known = mt_case_mpp(c, &mpp[0], &mpp[1]);

    for (int a = 0; a < 2; a++) {
        double wanted = s->card->spacing_mm[a] * 1000;
        if (wanted > 0 && !known) {
            g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                        "segment %s: network '%s' wants %g µm/px and those of the slide are unknown (%s)", mt_case_path(c), s->card->name,
                        wanted, mt_case_mpp_source(c));
            return false;
        }
        double px = wanted > 0 ? wanted / mpp[a] : 1;
        s->map->size[a] = MAX(1, (int64_t)ceil((double)whole[a] / px - 1e-6));
        s->map->px[a] = (double)whole[a] / (double)s->map->size[a];
    }
    s->map->size[2] = 1;
    if (s->map->size[0] <= MT_SLIDE_MAP_PX / s->map->size[1])
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                "segment %s: a map of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                " px is larger than 2^31: the card's spacing_mm can be larger, or "
                "task=detect or tiles be used",
                mt_case_path(c), s->map->size[0], s->map->size[1]);
    return false;
}

/* The coarsest level that is not coarser than the map. */
static int level_for(const slide_run *s)
{
    mt_case *c = s->run->tiles.c;
    int      best = 0;

    for (int i = 1; i < mt_case_levels(c); i++) {
        const mt_level *level = mt_case_level(c, i);
        if (level->downsample_x <= 1.01 * s->map->px[0] && level->downsample_y <= 1.01 * s->map->px[1] &&
            level->downsample_x > mt_case_level(c, best)->downsample_x)
            best = i;
    }
    return best;
}

/* Pixels of a rectangle at the map's size. */
static uint8_t *read_rectangle(const slide_run *s, const rectangle *r, GError **error)
{
    mt_case        *c = s->run->tiles.c;
    int             level = level_for(s), channels = s->card->n_channels;
    const mt_level *of = mt_case_level(c, level);
    double          per[2] = {s->map->px[0] / of->downsample_x, s->map->px[1] / of->downsample_y};
    double          x0 = (double)r->x * per[0], y0 = (double)r->y * per[1];
    double          x1 = (double)(r->x + r->width) * per[0], y1 = (double)(r->y + r->height) * per[1];
    int64_t         mx = per[0] > 1 ? (int64_t)ceil(per[0]) + 1 : 1, my = per[1] > 1 ? (int64_t)ceil(per[1]) + 1 : 1;
    int64_t         left = (int64_t)floor(x0) - mx, top = (int64_t)floor(y0) - my;
    int64_t         width = (int64_t)ceil(x1 - 1e-6) + mx - left, height = (int64_t)ceil(y1 - 1e-6) + my - top;
    const double    box[4] = {x0 - (double)left, y0 - (double)top, MIN(x1 - (double)left, (double)width),
                              MIN(y1 - (double)top, (double)height)};
    uint8_t        *stored = mt_alloc(width * height, (size_t)channels, error);
    uint8_t        *out = stored != NULL ? mt_alloc(r->width * r->height, (size_t)channels, error) : NULL;
    g_autoptr(mt_resample) resample =
        out != NULL ? mt_resample_new(width, height, box, r->width, r->height, MT_FILTER_BILINEAR, error) : NULL;
    bool ok = resample != NULL && mt_case_read(c, 0, level, left, top, width, height, stored, error) &&
              mt_resample_u8(resample, stored, channels, out, error);

    mt_free(stored);
    if (!ok)
        g_clear_pointer(&out, mt_free);
    return out;
}

/* Labels of the rectangle `wide` (and the probability), the windows blended within it. */
static mt_label_slabs *answer(const slide_run *s, const rectangle *wide, const uint8_t *pixels, GError **error)
{
    const int64_t         size[3] = {wide->width, wide->height, 1};
    int                   threads = mt_case_stage_threads(s->run);
    mt_label_slabs_params slabs = {.card = s->card, .apart = -1, .map_label = s->map->probability != NULL ? s->map_label : -1};
    g_autoptr(mt_volume) v = mt_card_volume(pixels, size, s->card->n_channels, error);

    if (v == NULL || !mt_card_scale(s->card, s->run->tiles.c, threads, v, error))
        return NULL;
    memcpy(slabs.grid, size, sizeof size);
    memcpy(slabs.box, size, sizeof size);
    memcpy(slabs.size, size, sizeof size);
    g_autoptr(mt_label_slabs) out = mt_label_slabs_new(&slabs, error);
    mt_sliding_params params = {.precision = s->run->p->contract.precision,
                                .threads = threads,
                                .mirror = true,
                                .limit_bytes = s->run->p->recipe->memory_bytes,
                                .sink = mt_label_slabs_take,
                                .sink_user = out};
    return out != NULL && mt_sliding_run(s->run->p->dense, v, &params, error) ? g_steal_pointer(&out) : NULL;
}

static void keep(const slide_run *s, const rectangle *part, const rectangle *wide, const uint8_t *labels, const float *probability)
{
    for (int64_t y = 0; y < part->height; y++) {
        int64_t from = (part->y - wide->y + y) * wide->width + part->x - wide->x, to = (part->y + y) * s->map->size[0] + part->x;
        memcpy(s->map->labels + to, labels + from, (size_t)part->width);
        if (probability != NULL)
            memcpy(s->map->probability + to, probability + from, (size_t)part->width * sizeof *probability);
    }
}

/* False with an error only for what is not the part's own fault. */
static bool run_part(const slide_run *s, int64_t number, const rectangle *part, GError **error)
{
    rectangle wide = {MAX(0, part->x - s->margin[0]), MAX(0, part->y - s->margin[1])};
    g_autoptr(GError) cause = NULL;

    wide.width = MIN(s->map->size[0], part->x + part->width + s->margin[0]) - wide.x;
    wide.height = MIN(s->map->size[1], part->y + part->height + s->margin[1]) - wide.y;
    uint8_t *pixels = read_rectangle(s, &wide, &cause);
    if (pixels == NULL && g_error_matches(cause, MT_ERROR, MT_ERROR_INPUT)) {
        g_autofree char *reason = mt_invalid_reason(cause->message, mt_case_path(s->run->tiles.c));
        mt_invalid_tiles_add(s->run->invalid, number, reason);
        return true;
    }
    if (pixels == NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    g_autoptr(mt_label_slabs) slabs = answer(s, &wide, pixels, error);
    mt_free(pixels);
    if (slabs == NULL)
        return false;
    uint8_t *labels = mt_label_slabs_steal_labels(slabs);
    float   *probability = mt_label_slabs_steal_map(slabs);
    keep(s, part, &wide, labels, probability);
    mt_free(labels);
    mt_free(probability);
    s->run->n_valid++;
    return true;
}

static bool has_foreground(const slide_run *s, const rectangle *part)
{
    return mt_mask_share(s->run->tiles.mask, (double)part->x * s->map->px[0], (double)part->y * s->map->px[1],
                         (double)part->width * s->map->px[0], (double)part->height * s->map->px[1]) > 0;
}

static GArray *list_parts(const slide_run *s)
{
    GArray *parts = g_array_new(FALSE, FALSE, sizeof(rectangle));

    for (int64_t y = 0; y < s->map->size[1]; y += s->part)
        for (int64_t x = 0; x < s->map->size[0]; x += s->part) {
            rectangle part = {x, y, MIN(s->part, s->map->size[0] - x), MIN(s->part, s->map->size[1] - y)};
            if (has_foreground(s, &part))
                g_array_append_val(parts, part);
        }
    return parts;
}

static bool allocate(slide_run *s, GError **error)
{
    int64_t px = s->map->size[0] * s->map->size[1];

    s->map->labels = mt_alloc(px, 1, error);
    if (s->map->labels == NULL)
        return false;
    if (s->map_label >= 0 && px <= PROBABILITY_PX)
        s->map->probability = mt_alloc(px, sizeof(float), error);
    return s->map_label < 0 || px > PROBABILITY_PX || s->map->probability != NULL;
}

bool mt_segment_slide(mt_case_run *run, int map_label, mt_case_map *map, mt_progress progress, void *user, GError **error)
{
    slide_run s = {.run = run, .card = map->card, .map = map, .map_label = map_label};

    if (s.card->patch[2] != 1 || s.card->slices != 1 || s.card->stretch) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "segment %s: a slide wants a network of two dimensions that is slid over it, not fit=stretch",
                    mt_case_path(run->tiles.c));
        return false;
    }
    if (!mt_card_scale_check_slide(s.card, run->tiles.c, "segment a part", error) || !size_map(&s, error) || !allocate(&s, error))
        return false;
    s.part = MAX(PART_PX, 4 * MAX(s.card->patch[0], s.card->patch[1]));
    for (int a = 0; a < 2; a++)
        s.margin[a] = s.card->patch[a] / 2;
    g_autoptr(GArray) parts = list_parts(&s);
    run->n = parts->len;
    run->n_valid = 0;
    for (guint i = 0; i < parts->len; i++) {
        if (!run_part(&s, i, &g_array_index(parts, rectangle, i), error))
            return false;
        if (progress == NULL || progress(user, i + 1, parts->len))
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_STOPPED, "stopped after %u of %u parts: run again", i + 1, parts->len);
        return false;
    }
    return true;
}
