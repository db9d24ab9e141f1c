#include "src/pipeline/explain_case.h"

#include "mil/score_calibration.h"
#include "src/base/alloc.h"
#include "src/encoder/explainer.h"
#include "src/pipeline/explain_map.h"
#include "src/pipeline/explain_removal.h"
#include "src/pipeline/tile_frame.h"
#include "src/store/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_VALUES (INT64_C(1) << 22) /* of maps that wait for it to be known; of more no part is painted over */

/* A part is what reaches this share of the strongest place: the smallest without which the decision is another, else the first. */
static const double PARTS[] = {0.5, 0.35, 0.25, 0.15};

typedef struct tile {
    int64_t index, row; /* in the grid, among the valid */
    double  score;
    float  *map; /* NULL: not kept */
} tile;

typedef struct explaining {
    mt_case_run           *run;
    const mt_head_options *options;
    mt_explain_method      method;
    mt_explainer          *explainer; /* NULL: occlusion */
    mt_tile_reader        *reader;
    mt_encoder_session    *session;
    int                    label, batch;
    int64_t                column, dim;
    mt_explain_grid        grid;
    int                    window, stride; /* of occlusion */
    tile                  *tiles;          /* the strongest first */
    int64_t                n_tiles, n_kept;
    mt_explain_map         map;
    double                 most;
    float                 *rows; /* batch features */
} explaining;

static int strongest_first(const void *a, const void *b)
{
    const tile *x = a, *y = b;

    return x->score != y->score ? (x->score > y->score ? -1 : 1) : (x->index > y->index) - (x->index < y->index);
}

static void choose_tiles(explaining *x)
{
    const mt_head_output *o = x->run->output;
    int64_t               most = x->run->p->recipe->explain.tiles, row = 0;

    x->tiles = g_new0(tile, x->run->n_valid + 1);
    for (int64_t i = 0; i < x->run->n; i++) {
        if (x->run->valid[i] == 0)
            continue;
        double score = o->tile_scores != NULL ? (double)o->tile_scores[row * o->n_classes + x->label] : (double)o->scores[x->label];
        x->tiles[row] = (tile){i, row, score, NULL};
        row++;
    }
    qsort(x->tiles, (size_t)row, sizeof *x->tiles, strongest_first);
    x->n_tiles = most > 0 ? MIN(row, most) : row;
}

/* The label that is asked for, else the positive one, else that of the highest score. */
static bool choose_label(explaining *x, GError **error)
{
    const mt_pipeline *p = x->run->p;
    const char        *wanted = p->recipe->explain.label != NULL ? p->recipe->explain.label : p->head_card.positive;

    x->label = wanted != NULL ? mt_head_card_label(&p->head_card, wanted) : 0;
    for (int64_t c = 1; wanted == NULL && c < x->run->output->n_classes; c++)
        if (x->run->output->scores[c] > x->run->output->scores[x->label])
            x->label = (int)c;
    if (x->label >= 0)
        return true;
    g_autofree char *all = g_strjoinv(", ", p->head_card.labels);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "explain: [explain] label=%s is none of %s", wanted, all);
    return false;
}

static bool choose_method(explaining *x, GError **error)
{
    const mt_pipeline  *p = x->run->p;
    mt_explainer_params params = {.layer = p->recipe->explain.layer, .threads = 1};
    g_autoptr(GError) cause = NULL;

    mt_explain_method_parse(p->recipe->explain.method, &params.method);
    x->method = params.method;
    if (!mt_head_class_column(p->head, x->label, &x->column)) {
        if (params.method == MT_EXPLAIN_AUTO) {
            x->method = MT_EXPLAIN_NONE; /* which tiles count is the heatmap of a bag */
            return true;
        }
        if (params.method != MT_EXPLAIN_OCCLUSION) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                        "explain by %s: the classes are the head's, not the encoder's: use occlusion, or auto for the tiles alone",
                        p->recipe->explain.method);
            return false;
        }
    }
    if (params.method == MT_EXPLAIN_OCCLUSION)
        return true;
    x->explainer = mt_explainer_new(p->encoder, &params, &cause);
    if (x->explainer == NULL && cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    x->method = x->explainer != NULL ? mt_explainer_method(x->explainer) : MT_EXPLAIN_OCCLUSION;
    return true;
}

static bool open_tools(explaining *x, GError **error)
{
    const mt_case_run *run = x->run;
    const mt_card     *card = mt_encoder_card(run->p->encoder);

    x->batch = x->explainer == NULL ? card->batch : 1;
    x->window = run->p->recipe->explain.window > 0 ? MIN(run->p->recipe->explain.window, card->size_px) : MAX(1, card->size_px / 8);
    x->stride = run->p->recipe->explain.stride > 0 ? run->p->recipe->explain.stride : MAX(1, x->window / 2);
    const int64_t even[2] = {(card->size_px + x->stride - 1) / x->stride, (card->size_px + x->stride - 1) / x->stride};
    x->grid = x->explainer != NULL ? mt_explainer_grid(x->explainer) : mt_explain_grid_even(even, card->size_px);
    x->dim = mt_encoder_dim(run->p->encoder);
    x->reader = mt_tile_reader_new(run->tiles.c, run->tiles.grid, card->interpolation, error);
    x->session =
        x->reader != NULL ? mt_encoder_session_new(run->p->encoder, MT_BACKEND_AUTO, run->p->contract.precision, x->batch, 1, error) : NULL;
    x->rows = x->session != NULL ? mt_alloc((int64_t)x->batch * x->dim, sizeof(float), error) : NULL;
    if (x->rows == NULL)
        return false;
    if (run->intensity != NULL)
        mt_encoder_session_set_intensity(x->session, run->intensity);
    return true;
}

static int64_t input_floats(const explaining *x)
{
    const mt_card *card = mt_encoder_card(x->run->p->encoder);

    return (int64_t)(card->channels == MT_CHANNELS_GRAY ? 1 : 3) * card->size_px * card->size_px;
}

/* The tile as the network gets it, in slot 0. */
static bool prepare_input(explaining *x, int64_t index, GError **error)
{
    mt_tile_pixels pixels;

    if (!mt_tile_reader_read(x->reader, index, &pixels, error))
        return false;
    mt_stain_apply(x->run->tiles.stain, &pixels);
    return mt_encoder_session_put(x->session, 0, &pixels, error);
}

/* Paint the px of `mask` over with the mean of the others within `ring` px of them, channel by channel: what is round a part, not a colour that
 * the network has never seen. */
static void paint(const explaining *x, float *input, const uint8_t *mask, const int box[4], int ring)
{
    int size = mt_encoder_card(x->run->p->encoder)->size_px;
    int left = MAX(0, box[0] - ring), top = MAX(0, box[1] - ring), right = MIN(size, box[2] + ring), bottom = MIN(size, box[3] + ring);

    for (int64_t plane = 0; plane < input_floats(x) / size / size; plane++) {
        float  *values = input + plane * size * size, fill;
        double  sum = 0;
        int64_t n = 0;
        for (int y = top; y < bottom; y++)
            for (int c = left; c < right; c++)
                if (mask[y * size + c] == 0) {
                    sum += (double)values[y * size + c];
                    n++;
                }
        fill = n > 0 ? (float)(sum / (double)n) : 0;
        for (int y = box[1]; y < box[3]; y++)
            for (int c = box[0]; c < box[2]; c++)
                if (mask[y * size + c] != 0)
                    values[y * size + c] = fill;
    }
}

static void paint_window(const explaining *x, float *input, uint8_t *mask, int left, int top)
{
    int size = mt_encoder_card(x->run->p->encoder)->size_px, box[4] = {left, top, MIN(left + x->window, size), MIN(top + x->window, size)};

    memset(mask, 0, (size_t)size * (size_t)size);
    for (int y = box[1]; y < box[3]; y++)
        memset(mask + y * size + box[0], 1, (size_t)(box[2] - box[0]));
    paint(x, input, mask, box, MAX(1, x->window / 2));
}

/* What a probability of 0.9999 hides: the logit, of the label against the others where they exclude each other. */
static double label_logit(const explaining *x, const mt_head_output *output)
{
    double score = CLAMP((double)output->scores[x->label], 1e-7, 1 - 1e-7);

    return output->logits != NULL && x->run->p->head_card.activation == MT_ACTIVATION_SIGMOID && !x->run->p->head_card.probabilities
               ? (double)output->logits[x->label]
               : log(score / (1 - score));
}

static bool score_rows(explaining *x, int n, double *scores, GError **error)
{
    for (int i = 0; i < n; i++) {
        mt_bag          one = mt_bag_from_memory(x->rows + i * x->dim, 1, x->dim);
        mt_head_output *output = mt_head_predict(x->run->p->head, &one, x->options, error);
        if (output == NULL)
            return false;
        scores[i] = label_logit(x, output);
        mt_head_output_free(output);
    }
    return true;
}

/* Each place is the mean of what the windows over it take from the logit (Zeiler and Fergus 2014). */
static bool occlude(explaining *x, float *map, GError **error)
{
    int     size = mt_encoder_card(x->run->p->encoder)->size_px, steps = (MAX(0, size - x->window) + x->stride - 1) / x->stride + 1;
    int64_t floats = input_floats(x), places = x->grid.size[0] * x->grid.size[1];
    g_autofree float   *input = g_memdup2(mt_encoder_session_input(x->session, 0), (gsize)floats * sizeof(float));
    g_autofree float   *painted = g_new(float, floats);
    g_autofree double  *scores = g_new(double, x->batch), *sums = g_new0(double, 2 * places);
    double              score;
    g_autofree uint8_t *mask = g_new(uint8_t, (gsize)size * (gsize)size);

    if (!mt_encoder_session_run(x->session, 1, x->rows, error) || !score_rows(x, 1, scores, error))
        return false;
    score = scores[0];

    for (int first = 0; first < steps * steps; first += x->batch) {
        int n = MIN(x->batch, steps * steps - first);
        for (int i = 0; i < n; i++) {
            memcpy(painted, input, (gsize)floats * sizeof(float));
            paint_window(x, painted, mask, (first + i) % steps * x->stride, (first + i) / steps * x->stride);
            if (!mt_encoder_session_put_input(x->session, i, painted, error))
                return false;
        }
        if (!mt_encoder_session_run(x->session, n, x->rows, error) || !score_rows(x, n, scores, error))
            return false;
        for (int i = 0; i < n; i++)
            for (int64_t p = 0; p < places; p++) {
                int64_t left = (first + i) % steps * x->stride, top = (first + i) / steps * x->stride;
                double  cx = ((double)(p % x->grid.size[1]) + 0.5) * size / (double)x->grid.size[1],
                       cy = ((double)(p / x->grid.size[1]) + 0.5) * size / (double)x->grid.size[0];
                if (cx < (double)left || cx >= (double)(left + x->window) || cy < (double)top || cy >= (double)(top + x->window))
                    continue;
                sums[2 * p] += score - scores[i];
                sums[2 * p + 1]++;
            }
    }
    for (int64_t p = 0; p < places; p++)
        map[p] = (float)(sums[2 * p + 1] > 0 ? MAX(0, sums[2 * p] / sums[2 * p + 1]) : 0);
    return true;
}

static bool explain_tile(explaining *x, tile *t, GError **error)
{
    const mt_pipeline *p = x->run->p;
    mt_tile            place = mt_grid_tile(x->run->tiles.grid, t->index);
    mt_box_frame       frame = mt_tile_frame(&x->run->tiles, &p->contract, mt_encoder_card(p->encoder), &place);
    int64_t            places = x->grid.size[0] * x->grid.size[1];

    t->map = g_new(float, places);
    if (!prepare_input(x, t->index, error))
        return false;
    bool ok = x->explainer != NULL ? mt_explainer_run(x->explainer, mt_encoder_session_input(x->session, 0), x->column, t->map, error)
                                   : occlude(x, t->map, error);
    if (!ok)
        return false;
    for (int64_t i = 0; i < places; i++)
        x->most = MAX(x->most, (double)t->map[i]);
    mt_explain_map_put(&x->map, t->map, &x->grid, &frame, mt_encoder_card(p->encoder)->size_px, t->score);
    if ((x->n_kept + 1) * places > KEPT_VALUES)
        g_clear_pointer(&t->map, g_free);
    else
        x->n_kept++;
    return true;
}

/* Paint over what reaches a share of the strongest place; where that lies, in network px: left, top, right, bottom.  False: nothing does. */
static bool paint_part(const explaining *x, const float *map, double share, float *input, int box[4])
{
    int                 size = mt_encoder_card(x->run->p->encoder)->size_px;
    g_autofree uint8_t *mask = g_new0(uint8_t, (gsize)size * (gsize)size);

    box[0] = box[1] = size;
    box[2] = box[3] = 0;
    for (int y = 0; y < size; y++)
        for (int c = 0; c < size; c++) {
            if (mt_explain_grid_at(&x->grid, map, c, y) < share * x->most)
                continue;
            mask[y * size + c] = 1;
            box[0] = MIN(box[0], c);
            box[1] = MIN(box[1], y);
            box[2] = MAX(box[2], c + 1);
            box[3] = MAX(box[3], y + 1);
        }
    if (box[2] > box[0])
        paint(x, input, mask, box, MAX(2, MIN(box[2] - box[0], box[3] - box[1]) / 2));
    return box[2] > box[0];
}

static void place_box(const explaining *x, const tile *t, const int box[4], mt_removal *removal)
{
    mt_tile      place = mt_grid_tile(x->run->tiles.grid, t->index);
    mt_box_frame f = mt_tile_frame(&x->run->tiles, &x->run->p->contract, mt_encoder_card(x->run->p->encoder), &place);

    for (int a = 0; a < 2; a++) {
        double from = (box[a] - f.offset[a]) * f.scale[a] + f.origin[a], to = (box[2 + a] - f.offset[a]) * f.scale[a] + f.origin[a];
        removal->box[a] = (int64_t)floor(CLAMP(from, 0, f.size[a]));
        removal->box[2 + a] = (int64_t)ceil(CLAMP(to, 0, f.size[a])) - removal->box[a];
    }
    removal->plane = place.plane;
}

static int by_row(const void *a, const void *b)
{
    const tile *x = *(const tile *const *)a, *y = *(const tile *const *)b;

    return (x->row > y->row) - (x->row < y->row);
}

/* The case with the parts of that share painted over; nothing is removed where there are none. */
static bool remove_parts(explaining *x, mt_bag *bag, double share, mt_removal *removal, GError **error)
{
    g_autofree int64_t     *rows_of = g_new(int64_t, x->n_tiles + 1);
    g_autofree const tile **order = g_new(const tile *, x->n_tiles + 1);
    g_autofree float       *rows = g_new(float, x->n_tiles * x->dim + 1);
    g_autofree float       *input = g_new(float, input_floats(x));
    int                     box[4];

    *removal = (mt_removal){.what = "part", .of = x->run->n_valid};
    for (int64_t i = 0; i < x->n_tiles; i++)
        order[i] = &x->tiles[i];
    qsort(order, (size_t)x->n_tiles, sizeof *order, by_row);
    for (int64_t i = 0; i < x->n_tiles; i++) {
        if (!prepare_input(x, order[i]->index, error))
            return false;
        memcpy(input, mt_encoder_session_input(x->session, 0), (gsize)input_floats(x) * sizeof(float));
        if (!paint_part(x, order[i]->map, share, input, box))
            continue;
        if (order[i] == x->tiles)
            place_box(x, order[i], box, removal);
        if (!mt_encoder_session_put_input(x->session, 0, input, error) ||
            !mt_encoder_session_run(x->session, 1, rows + removal->removed * x->dim, error))
            return false;
        rows_of[removal->removed++] = order[i]->row;
    }
    return removal->removed == 0 ||
           mt_removal_of_rows(x->run, bag, x->label, rows_of, rows, removal->removed, x->options, &removal->score, error);
}

/* Of the label; NAN: it has none. */
static double threshold_of(const explaining *x)
{
    const mt_head_card *card = &x->run->p->head_card;

    if (card->n_thresholds == x->run->output->n_classes)
        return card->thresholds[x->label];
    return card->positive != NULL && mt_head_card_label(card, card->positive) == x->label ? card->threshold : (double)NAN;
}

/* Nothing is taken from a score that does not reach its threshold anyway. */
static bool is_below(const explaining *x)
{
    return (double)x->run->output->scores[x->label] < threshold_of(x);
}

/* The smallest part that changes the decision; where none does, what the strongest half means. */
static bool find_part(explaining *x, mt_bag *bag, GArray *removals, GError **error)
{
    double     threshold = threshold_of(x);
    mt_removal first = {0}, part;

    if (is_below(x))
        return true;
    for (size_t i = 0; i < (isnan(threshold) ? 1 : G_N_ELEMENTS(PARTS)); i++) {
        if (!remove_parts(x, bag, PARTS[i], &part, error))
            return false;
        if (i == 0)
            first = part;
        if (part.removed > 0 && part.score < threshold) {
            first = part;
            break;
        }
    }
    if (first.removed > 0)
        g_array_append_val(removals, first);
    return true;
}

static bool store_map(explaining *x, GError **error)
{
    mt_store   *store = x->run->store;
    int64_t     tiles[2] = {x->n_tiles, x->run->n_valid};
    const char *layer = x->explainer != NULL ? mt_explainer_layer(x->explainer) : NULL, *object = MT_OBJECT_EXPLANATION;

    mt_explain_map_scale(&x->map, x->most);
    return mt_explain_map_store(&x->map, store, error) &&
           mt_store_attr_string(store, object, "method", mt_explain_method_name(x->method), error) &&
           mt_store_attr_string(store, object, "label", x->run->p->head_card.labels[x->label], error) &&
           (layer == NULL || mt_store_attr_string(store, object, "layer", layer, error)) &&
           mt_store_attr_double(store, object, "most", &x->most, 1, error) && mt_store_attr_int(store, object, "tiles", tiles, 2, error) &&
           mt_store_attr_double(store, object, "px_level0", x->map.px, 2, error);
}

static bool draw(explaining *x, mt_bag *bag, GArray *removals, GError **error)
{
    if (!open_tools(x, error) || !mt_explain_map_init(&x->map, x->run->tiles.c, error))
        return false;
    choose_tiles(x);
    for (int64_t i = 0; i < x->n_tiles; i++)
        if (!explain_tile(x, &x->tiles[i], error))
            return false;
    return store_map(x, error) && (x->n_kept < x->n_tiles || x->most <= 0 || find_part(x, bag, removals, error));
}

bool mt_explain_case_run(mt_case_run *run, mt_bag *bag, const mt_head_options *options, GError **error)
{
    explaining x = {.run = run, .options = options};
    g_autoptr(GArray) removals = g_array_new(FALSE, TRUE, sizeof(mt_removal));
    mt_removal removal;
    bool       found = false, ok = true;

    if (run->output == NULL || run->output->scores == NULL || run->n_valid == 0)
        return true;
    ok = choose_label(&x, error) && choose_method(&x, error) && (x.method == MT_EXPLAIN_NONE || draw(&x, bag, removals, error));
    double threshold = ok ? threshold_of(&x) : (double)NAN;
    if (!isnan(threshold) && !is_below(&x))
        ok = mt_removal_of_tiles(run, x.label, threshold, options, &removal, &found, error);
    if (ok && found)
        g_array_append_val(removals, removal);
    ok = ok && mt_removals_store(removals, run->p->head_card.labels[x.label], (double)run->output->scores[x.label], run->store, error);
    for (int64_t i = 0; x.tiles != NULL && i < run->n_valid; i++)
        g_free(x.tiles[i].map);
    g_free(x.tiles);
    mt_free(x.rows);
    mt_explain_map_clear(&x.map);
    mt_explainer_free(x.explainer);
    g_clear_pointer(&x.reader, mt_tile_reader_free);
    g_clear_pointer(&x.session, mt_encoder_session_free);
    if (!ok)
        g_prefix_error(error, "explain the case: ");
    return ok;
}
