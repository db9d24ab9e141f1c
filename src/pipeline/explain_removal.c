#include "src/pipeline/explain_removal.h"

#include "src/base/alloc.h"
#include "src/pipeline/stored_bag.h"
#include "src/store/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct ranked {
    double  evidence;
    int64_t tile;
} ranked;

static int strongest_first(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    return x->evidence != y->evidence ? (x->evidence > y->evidence ? -1 : 1) : (x->tile > y->tile) - (x->tile < y->tile);
}

/* A tile's own score times its share in the decision, as heatmaps have it. */
static ranked *rank_tiles(const mt_case_run *run, int label)
{
    const mt_head_output *o = run->output;
    ranked               *tiles = g_new(ranked, run->n_valid);
    int64_t               column = o->n_attention == o->n_classes ? label : 0, row = 0;

    for (int64_t i = 0; i < run->n; i++) {
        if (run->valid[i] == 0)
            continue;
        double score = o->tile_scores != NULL ? (double)o->tile_scores[row * o->n_classes + label] : 1;
        double share = o->attention != NULL && o->n_attention > 0 && !o->attention_heads
                           ? MIN(1, (double)o->n * (double)o->attention[row * o->n_attention + column])
                           : 1;
        tiles[row++] = (ranked){score * share, i};
    }
    qsort(tiles, (size_t)run->n_valid, sizeof *tiles, strongest_first);
    return tiles;
}

static bool score_of(const mt_case_run *run, const mt_bag *bag, int label, const mt_head_options *options, double *score, GError **error)
{
    mt_head_output *output = mt_head_predict(run->p->head, bag, options, error);
    bool            ok = output != NULL;

    if (ok)
        *score = (double)output->scores[label];
    mt_head_output_free(output);
    return ok;
}

/* The score without the first k of the ranked tiles. */
static bool score_without(const mt_case_run *run, const ranked *tiles, int64_t k, int label, const mt_head_options *options, double *score,
                          GError **error)
{
    g_autofree uint8_t *valid = g_memdup2(run->valid, (gsize)run->n);
    mt_stored_bag       stored;

    for (int64_t i = 0; i < k; i++)
        valid[tiles[i].tile] = 0;
    mt_bag bag = mt_stored_bag_new(&stored, run->store, run->tiles.c, run->tiles.grid, valid, mt_encoder_dim(run->p->encoder));
    return score_of(run, &bag, label, options, score, error);
}

bool mt_removal_of_tiles(const mt_case_run *run, int label, double threshold, const mt_head_options *options, mt_removal *removal,
                         bool *found, GError **error)
{
    double before = (double)run->output->scores[label], score = before;

    *found = false;
    if (run->n_valid < 2 || !(before >= threshold))
        return true;
    g_autofree ranked *tiles = rank_tiles(run, label);
    int64_t            above = 0, below = 1; /* without `above` of them the score is not below yet */
    while (below < run->n_valid) {
        if (!score_without(run, tiles, below, label, options, &score, error))
            return false;
        if (score < threshold)
            break;
        above = below;
        below = below == run->n_valid - 1 ? run->n_valid : MIN(2 * below, run->n_valid - 1);
    }
    if (below >= run->n_valid)
        return true;
    double at_below = score;
    while (below - above > 1) {
        int64_t middle = above + (below - above) / 2;
        if (!score_without(run, tiles, middle, label, options, &score, error))
            return false;
        if (score < threshold) {
            below = middle;
            at_below = score;
        } else
            above = middle;
    }
    *removal = (mt_removal){.what = "tiles", .removed = below, .of = run->n_valid, .score = at_below};
    *found = true;
    return true;
}

/* A bag with other rows in some places. */
typedef struct overlay {
    const mt_bag  *bag;
    const int64_t *rows_of;
    const float   *rows;
    int64_t        n;
} overlay;

static bool read_overlaid(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    const overlay *o = user;

    if (!mt_bag_read(o->bag, first, count, out, error))
        return false;
    for (int64_t i = 0; i < o->n; i++)
        if (o->rows_of[i] >= first && o->rows_of[i] < first + count)
            memcpy(out + (o->rows_of[i] - first) * o->bag->dim, o->rows + i * o->bag->dim, (size_t)o->bag->dim * sizeof *out);
    return true;
}

/* Places are those of the bag behind it. */
static bool read_places(void *user, int64_t first, int64_t count, int64_t *xy, GError **error)
{
    const overlay *o = user;

    return mt_bag_read_coords(o->bag, first, count, o->bag->coords_width, xy, error);
}

bool mt_removal_of_rows(const mt_case_run *run, const mt_bag *bag, int label, const int64_t *rows_of, const float *rows, int64_t n,
                        const mt_head_options *options, double *score, GError **error)
{
    overlay o = {bag, rows_of, rows, n};
    mt_bag  other = *bag;

    other.read = read_overlaid;
    other.user = &o;
    other.read_coords = bag->read_coords != NULL ? read_places : NULL;
    other.read_um = NULL;
    return score_of(run, &other, label, options, score, error);
}

static bool write_numbers(mt_store *store, const char *column, mt_dtype dtype, int64_t n, int64_t width, void *data, GError **error)
{
    g_autofree char *object = g_strconcat(MT_OBJECT_WITHOUT, "/", column, NULL);
    g_autoptr(mt_tensor) tensor = mt_tensor_new_view(dtype, width > 0 ? 2 : 1, (int64_t[]){n, width}, data, NULL);

    return mt_store_write(store, object, tensor, error);
}

bool mt_removals_store(const GArray *removals, const char *label, double score, mt_store *store, GError **error)
{
    int64_t                 n = removals->len;
    g_autofree const char **what = g_new0(const char *, n + 1);
    g_autofree int64_t     *removed = g_new(int64_t, n + 1), *of = g_new(int64_t, n + 1), *plane = g_new(int64_t, n + 1),
                       *box = g_new(int64_t, 4 * n + 1);
    g_autofree double *without = g_new(double, n + 1);

    if (n == 0)
        return true;
    for (int64_t i = 0; i < n; i++) {
        const mt_removal *r = &g_array_index(removals, mt_removal, i);
        what[i] = r->what;
        removed[i] = r->removed;
        of[i] = r->of;
        plane[i] = r->plane;
        without[i] = r->score;
        memcpy(box + 4 * i, r->box, sizeof r->box);
    }
    return mt_store_write_group(store, MT_OBJECT_WITHOUT, error) &&
           mt_store_write_strings(store, MT_OBJECT_WITHOUT "/what", what, n, error) &&
           write_numbers(store, "removed", MT_I64, n, 0, removed, error) && write_numbers(store, "of", MT_I64, n, 0, of, error) &&
           write_numbers(store, "plane", MT_I64, n, 0, plane, error) && write_numbers(store, "box", MT_I64, n, 4, box, error) &&
           write_numbers(store, "score", MT_F64, n, 0, without, error) &&
           mt_store_attr_string(store, MT_OBJECT_WITHOUT "/score", "label", label, error) &&
           mt_store_attr_double(store, MT_OBJECT_WITHOUT "/score", "before", &score, 1, error);
}
