/* A plane through the network, tile by tile, and what its outputs say. */
#include "src/base/alloc.h"
#include "tiling/segmenter_private.h"
#include "tiling/segmenter_votes.h"

#include <microtome/grid.h>

#include <math.h>
#include <omp.h>

#define MAX_COARSER 1.1 /* level 0 against the card */

typedef struct plane {
    mt_segmenter   *s;
    mt_case        *c;
    mt_grid        *grid;
    int64_t         columns, rows, step, margin; /* of tiles, in tiles and model pixels */
    mt_votes        votes;
    mt_tile_reader *readers[256];
    int64_t         classes[MT_SEGMENTER_MAX_CLASSES]; /* model pixels of each on the plane */
    int64_t         failed;                            /* the first tile that failed; the grid's count: none */
    GError         *error;
} plane;

static double sigmoid(double v)
{
    return 1 / (1 + exp(-v));
}

/* The wanted classes' share of the softmax, or of the output itself; the largest sigmoid. */
static double foreground_value(const mt_segmenter_card *card, const float *v, int64_t stride, float largest)
{
    double sum = 0, wanted = 0, best = -INFINITY;

    for (int k = 0; k < card->n_classes; k++) {
        double value = v[k * stride];
        double part = card->activation == MT_SEGMENTER_SOFTMAX ? exp(value - (double)largest) : value;
        sum += part;
        wanted += card->foreground[k] ? part : 0;
        best = card->foreground[k] ? fmax(best, value) : best;
    }
    if (card->activation == MT_SEGMENTER_SOFTMAX)
        return wanted / sum;
    return card->activation == MT_SEGMENTER_SIGMOID ? sigmoid(best) : wanted;
}

/* The class with the largest output, the first of equals; *foreground by the card's rule. */
static int classify(const mt_segmenter_card *card, const float *v, int64_t stride, bool *foreground)
{
    int best = 0;

    for (int k = 1; k < card->n_classes; k++)
        best = v[k * stride] > v[best * stride] ? k : best;
    *foreground = isnan(card->threshold) ? card->foreground[best] : foreground_value(card, v, stride, v[best * stride]) > card->threshold;
    return best;
}

/* Of n tiles in a row, number k decides the model pixels [*first, *end): its own, half of each overlap, and the plane's edge. */
static void find_core(const plane *p, int64_t k, int64_t n, int64_t *first, int64_t *end)
{
    int64_t size = p->s->card->pixels->size_px, start = k * p->step;

    *first = k == 0 ? start : start + p->margin;
    *end = k == n - 1 ? start + size : start + size - p->margin;
}

static void count_tile(plane *p, int64_t number, const float *output)
{
    const mt_segmenter *s = p->s;
    int64_t             k = number % p->columns, r = number / p->columns, x0, x1, y0, y1, classes[MT_SEGMENTER_MAX_CLASSES] = {0};
    int64_t             shrink_x = s->card->pixels->size_px / s->out_width, shrink_y = s->card->pixels->size_px / s->out_height;

    find_core(p, k, p->columns, &x0, &x1);
    find_core(p, r, p->rows, &y0, &y1);
    for (int64_t y = y0; y < y1; y++) {
        int64_t mask_y = mt_vote_axis_at(&p->votes.y, y);
        for (int64_t x = x0; x < x1 && mask_y >= 0; x++) {
            int64_t mask_x = mt_vote_axis_at(&p->votes.x, x);
            int64_t at = (y - r * p->step) / shrink_y * s->out_width + (x - k * p->step) / shrink_x;
            bool    foreground;
            if (mask_x < 0)
                break;
            classes[classify(s->card, output + at, s->out_width * s->out_height, &foreground)]++;
            if (foreground)
                mt_votes_add(&p->votes, mask_x, mask_y);
        }
    }
    for (int i = 0; i < s->card->n_classes; i++)
        __atomic_fetch_add(&p->classes[i], classes[i], __ATOMIC_RELAXED);
}

static bool segment_tile(plane *p, int64_t number, int thread, GError **error)
{
    mt_segmenter_worker *worker = p->s->workers->pdata[thread];
    mt_tile_pixels       pixels;

    if (!mt_tile_reader_read(p->readers[thread], number, &pixels, error) || !mt_segmenter_worker_run(p->s, worker, &pixels, error))
        return false;
    count_tile(p, number, worker->output);
    return true;
}

/* The error kept is that of the first tile, whatever the threads. */
static void visit_tile(plane *p, int64_t number)
{
    g_autoptr(GError) error = NULL;

    if (__atomic_load_n(&p->failed, __ATOMIC_RELAXED) < number || segment_tile(p, number, omp_get_thread_num(), &error))
        return;
#pragma omp critical(mt_segmenter_error)
    if (number < p->failed) {
        __atomic_store_n(&p->failed, number, __ATOMIC_RELAXED);
        g_clear_error(&p->error);
        p->error = g_steal_pointer(&error);
    }
}

static bool make_workers(plane *p, int threads, GError **error)
{
    for (int i = 0; i < threads; i++) {
        p->readers[i] = mt_tile_reader_new(p->c, p->grid, p->s->card->pixels->interpolation, error);
        if (p->readers[i] == NULL)
            return false;
        if ((int)p->s->workers->len > i)
            continue;
        mt_segmenter_worker *worker = mt_segmenter_worker_new(p->s, error);
        if (worker == NULL)
            return false;
        g_ptr_array_add(p->s->workers, worker);
    }
    return true;
}

static bool segment_all(plane *p, GError **error)
{
    int64_t n = p->failed = mt_grid_count(p->grid);
    int     threads = (int)CLAMP(MIN(n, (int64_t)G_N_ELEMENTS(p->readers)), 1, omp_get_max_threads());

    if (!make_workers(p, threads, error))
        return false;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t number = 0; number < n; number++)
        visit_tile(p, number);
    if (p->failed < n)
        g_propagate_error(error, p->error);
    return p->failed == n;
}

static bool check_case(const mt_segmenter *s, const mt_case *c, GError **error)
{
    double mpp_x, mpp_y, wanted = s->card->pixels->mpp;

    if (mt_case_planes(c) > 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it has %" G_GINT64_FORMAT " planes: slides and images are segmented",
                    mt_case_planes(c));
        return false;
    }
    if (!mt_case_mpp(c, &mpp_x, &mpp_y)) {
        g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                    "the model wants %g µm/px and the case's own is unknown (%s): give it with --slide-mpp or in the manifest's mpp column",
                    wanted, mt_case_mpp_source(c));
        return false;
    }
    if (MAX(mpp_x, mpp_y) > MAX_COARSER * wanted) {
        g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                    "the model wants %g µm/px and level 0 has %g x %g: it is too coarse for this model, take another", wanted, mpp_x,
                    mpp_y);
        return false;
    }
    return true;
}

static bool lay(plane *p, GError **error)
{
    const mt_segmenter_card *card = p->s->card;
    int64_t                  size = card->pixels->size_px;
    double                   mpp_x, mpp_y;

    p->margin = (int64_t)floor((double)size * card->overlap / 2);
    p->step = size - 2 * p->margin;
    mt_grid_params params = {.tile_px = (int)size, .mpp = card->pixels->mpp, .overlap = (double)(2 * p->margin) / (double)size};
    p->grid = mt_grid_new(p->c, NULL, &params, error);
    if (p->grid == NULL)
        return false;
    for (int64_t i = 0; i < mt_grid_count(p->grid) && mt_grid_tile(p->grid, i).y == 0; i++)
        p->columns++;
    p->rows = mt_grid_count(p->grid) / p->columns;
    mt_case_mpp(p->c, &mpp_x, &mpp_y);
    return mt_votes_init(&p->votes, p->c, card->pixels->mpp / mpp_x, card->pixels->mpp / mpp_y, error);
}

/* "background 61.2 %, tissue 38.8 %" of the plane. */
static char *name_classes(const plane *p)
{
    const mt_segmenter_card *card = p->s->card;
    GString                 *text = g_string_new(NULL);
    int64_t                  total = 0;

    for (int i = 0; i < card->n_classes; i++)
        total += p->classes[i];
    for (int i = 0; i < card->n_classes && card->classes != NULL && card->n_classes > 1; i++)
        g_string_append_printf(text, "%s%s %.1f %%", i > 0 ? ", " : "classes: ", card->classes[i],
                               100.0 * (double)p->classes[i] / (double)MAX(1, total));
    return g_string_free(text, text->len == 0);
}

static void clear_plane(plane *p)
{
    for (size_t i = 0; i < G_N_ELEMENTS(p->readers); i++)
        mt_tile_reader_free(p->readers[i]);
    mt_grid_free(p->grid);
    mt_votes_clear(&p->votes);
}

bool mt_segmenter_find(mt_segmenter *segmenter, mt_case *c, mt_foreground *found, GError **error)
{
    plane            p = {.s = segmenter, .c = c};
    g_autofree char *name = g_path_get_basename(segmenter->path);
    uint8_t         *pixels = NULL;

    if (check_case(segmenter, c, error) && lay(&p, error) && segment_all(&p, error))
        pixels = mt_alloc(p.votes.x.mask * p.votes.y.mask, 1, error);
    if (pixels != NULL) {
        mt_votes_decide(&p.votes, pixels);
        *found = (mt_foreground){.width = p.votes.x.mask, .height = p.votes.y.mask, .pixels = pixels};
        found->method = g_strconcat("model:", name, NULL);
        found->sha256 = g_strdup(mt_segmenter_sha256(segmenter));
        found->note = name_classes(&p);
    } else
        g_prefix_error(error, "segment %s with %s: ", mt_case_path(c), name);
    clear_plane(&p);
    return pixels != NULL;
}
