/* DTFD-MIL (Zhang et al. 2022), two tiers of gated attention.
 *   h = relu(W x) (then residual blocks); s over all tiles; the bag is cut into groups (dtfd_groups.h)
 *   in each group a = softmax(s), z = sum of a h, CAM_i = W_classifier (a_i h_i), tiles sorted by softmax(CAM)[last class]
 *   pseudo-features: AFS z (default), MaxS h of the k first tiles, MaxMinS of the k first and the k last
 *   gated attention over all pseudo-features -> logits; of several repeats the probabilities are averaged
 * Keys: four state dicts, classifier.fc, dim_reduction.fc1 and .resBlocks, attention.*, att_classifier.{attention.*,classifier.fc}.
 * Card: groups=4, distill=afs|maxs|maxmins, k=1, seed= (absent: strided groups), repeats=1.
 * Attention: the weight of a tile in what the second tier classifies; it sums to 1.  Its logits are s. */
#include "mil/aggregator.h"
#include "mil/bag_stream.h"
#include "mil/dtfd_groups.h"
#include "mil/dtfd_layers.h"
#include "mil/head_card.h"
#include "mil/softmax_sums.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define GROUPS 4

typedef struct dtfd {
    mt_dtfd_layers layers;
    mt_model      *model;
    mt_distill     distill;
    int64_t        groups, k, repeats;
    bool           seeded;
    uint64_t       seed;
} dtfd;

typedef struct dtfd_run {
    const dtfd     *self;
    mt_raw_output  *raw;
    int64_t         groups;        /* G, no more than tiles */
    int32_t        *group;         /* R x N */
    float          *cam, *h;       /* N x C; a block for each slot */
    mt_softmax_sums sums;          /* R G branches; a part for each slot, then the whole */
    double         *pseudo;        /* of one repeat, at most G x 2k x hidden */
    int64_t        *tiles;         /* the tile each is, AFS: none */
    double         *weights;       /* of the second tier */
    double         *mean, *logits; /* of one repeat; of all are added up in sums of their own */
    double         *mean_sum, *share_sum;
    mt_session     *row; /* bound to one tile, for the picked ones */
} dtfd_run;

static void run_clear(dtfd_run *run)
{
    void *arrays[] = {run->group,   run->cam,  run->h,      run->pseudo,   run->tiles,
                      run->weights, run->mean, run->logits, run->mean_sum, run->share_sum};

    for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
        mt_free(arrays[i]);
    mt_softmax_sums_clear(&run->sums);
    mt_session_free(run->row);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(dtfd_run, run_clear)

static void free_dtfd(void *data)
{
    dtfd *self = data;

    if (self == NULL)
        return;
    mt_dtfd_layers_clear(&self->layers);
    g_clear_pointer(&self->model, mt_model_unref);
    g_free(self);
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    dtfd *self = g_new0(dtfd, 1);

    if (!mt_dtfd_layers_take(dict, &self->layers, error) || (self->model = mt_dtfd_model(&self->layers, error)) == NULL) {
        free_dtfd(self);
        return NULL;
    }
    *shape = (mt_aggregator_shape){.dim = self->layers.dim, .n_logits = self->layers.classes};
    return self;
}

static bool configure(void *data, mt_head_card *card, GError **error)
{
    dtfd *self = data;

    self->distill = card->distill;
    self->groups = card->groups > 0 ? card->groups : GROUPS;
    self->k = MAX(1, card->k);
    self->repeats = MAX(1, card->repeats);
    self->seeded = card->seeded;
    self->seed = (uint64_t)card->seed;
    card->groups = (int)self->groups; /* what results are made with is recorded, also where the card does not say */
    card->repeats = (int)self->repeats;
    if (self->repeats == 1 || self->seeded)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "the card says repeats=%" G_GINT64_FORMAT " without seed=: groups by stride are the same each time", self->repeats);
    return false;
}

static bool run_block(void *user, mt_session *session, int64_t slot, int64_t tile, int64_t rows, const float *x, GError **error)
{
    dtfd_run             *run = user;
    const mt_dtfd_layers *layers = &run->self->layers;
    float                *h = run->h + slot * MT_BAG_STREAM_ROWS * layers->hidden, *s = run->raw->attention_logits + tile;
    void                 *outputs[] = {s, run->raw->tile_logits + tile * layers->classes, run->cam + tile * layers->classes, h};

    if (!mt_session_run(session, (const void *const[]){x}, outputs, error))
        return false;
    mt_softmax_sums_empty(&run->sums, slot);
    for (int64_t i = 0; i < rows; i++) {
        if (!isfinite(s[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the attention of tile %" G_GINT64_FORMAT " is not finite", tile + i);
            return false;
        }
        for (int64_t r = 0; r < run->self->repeats; r++)
            mt_softmax_sums_add(&run->sums, slot, r * run->groups + run->group[r * run->raw->n + tile + i], s[i], h + i * layers->hidden);
    }
    return true;
}

static void merge_block(void *user, int64_t slot)
{
    dtfd_run *run = user;

    mt_softmax_sums_merge(&run->sums, run->sums.parts - 1, slot);
}

/* a_i in its group. */
static double share_of(const dtfd_run *run, int64_t repeat, int64_t tile)
{
    int64_t branch = repeat * run->groups + run->group[repeat * run->raw->n + tile], whole = run->sums.parts - 1;

    return exp(run->raw->attention_logits[tile] - mt_softmax_sums_top(&run->sums, whole, branch)) /
           mt_softmax_sums_total(&run->sums, whole, branch);
}

/* softmax(CAM)[last class] */
static double rank_of(const dtfd_run *run, int64_t repeat, int64_t tile)
{
    int64_t      classes = run->self->layers.classes;
    const float *cam = run->cam + tile * classes;
    double       share = share_of(run, repeat, tile), sum = 0;

    for (int64_t c = 0; c < classes; c++)
        sum += exp(share * ((double)cam[c] - cam[classes - 1]));
    return 1 / sum;
}

/* The tiles picked so far, best first; a tile of equal rank stays behind those before it. */
static void insert_tile(int64_t *tiles, double *ranks, int64_t *n, int64_t k, int64_t tile, double rank)
{
    int64_t at = *n;

    while (at > 0 && rank > ranks[at - 1])
        at--;
    if (at >= k)
        return;
    *n = MIN(*n + 1, k);
    memmove(tiles + at + 1, tiles + at, (size_t)(*n - 1 - at) * sizeof *tiles);
    memmove(ranks + at + 1, ranks + at, (size_t)(*n - 1 - at) * sizeof *ranks);
    tiles[at] = tile;
    ranks[at] = rank;
}

/* The k best of a group, or with `sign` -1 the k worst; how many there were. */
static int64_t pick_tiles(const dtfd_run *run, int64_t repeat, int64_t group, double sign, int64_t *tiles, double *ranks)
{
    int64_t n = 0;

    for (int64_t i = 0; i < run->raw->n; i++)
        if (run->group[repeat * run->raw->n + i] == group)
            insert_tile(tiles, ranks, &n, run->self->k, i, sign * rank_of(run, repeat, i));
    return n;
}

/* h of a picked tile, computed again: no block is kept. */
static bool read_hidden(dtfd_run *run, const mt_bag *bag, int64_t tile, double *z, GError **error)
{
    const mt_dtfd_layers *layers = &run->self->layers;
    mt_port               input = {.dtype = MT_F32, .rank = 2, .shape = {1, bag->dim}};
    mt_session_params     params = {.backend = MT_BACKEND_AUTO, .threads = 1, .inputs = &input, .n_inputs = 1};

    if (run->row == NULL && (run->row = mt_session_new(run->self->model, &params, error)) == NULL)
        return false;
    float *scratch = mt_alloc(bag->dim + layers->hidden + 1 + 2 * layers->classes, sizeof(float), error);
    if (scratch == NULL)
        return false;
    float *h = scratch + bag->dim, *s = h + layers->hidden;
    bool   ok = mt_bag_read(bag, tile, 1, scratch, error) &&
              mt_session_run(run->row, (const void *const[]){scratch}, (void *const[]){s, s + 1, s + 1 + layers->classes, h}, error);
    for (int64_t j = 0; ok && j < layers->hidden; j++)
        z[j] = h[j];
    mt_free(scratch);
    return ok;
}

/* The number of pseudo-features of one repeat, -1 on error. */
static int64_t distill_tiles(dtfd_run *run, const mt_bag *bag, int64_t repeat, GError **error)
{
    int64_t n = 0, hidden = run->self->layers.hidden;

    for (int64_t g = 0; g < run->groups; g++) {
        int64_t first = n;
        n += pick_tiles(run, repeat, g, 1, run->tiles + n, run->weights + n);
        if (run->self->distill == MT_DISTILL_MAXMINS)
            n += pick_tiles(run, repeat, g, -1, run->tiles + n, run->weights + n);
        for (int64_t i = first; i < n; i++)
            if (!read_hidden(run, bag, run->tiles[i], run->pseudo + i * hidden, error))
                return -1;
    }
    return n;
}

static int64_t distill(dtfd_run *run, const mt_bag *bag, int64_t repeat, GError **error)
{
    int64_t hidden = run->self->layers.hidden;

    if (run->self->distill != MT_DISTILL_AFS)
        return distill_tiles(run, bag, repeat, error);
    for (int64_t g = 0; g < run->groups; g++)
        mt_softmax_sums_mean(&run->sums, run->sums.parts - 1, repeat * run->groups + g, run->pseudo + g * hidden);
    return run->groups;
}

/* The weight of each tile in the mean of the second tier. */
static void add_attention(const dtfd_run *run, int64_t repeat, int64_t n_pseudo)
{
    int64_t n = run->raw->n;
    float  *attention = run->raw->attention;
    double  share = 1 / (double)run->self->repeats;

    if (run->self->distill == MT_DISTILL_AFS)
        for (int64_t i = 0; i < n; i++)
            attention[i] += (float)(share * run->weights[run->group[repeat * n + i]] * share_of(run, repeat, i));
    else
        for (int64_t i = 0; i < n_pseudo; i++)
            attention[run->tiles[i]] += (float)(share * run->weights[i]);
}

static void add_probabilities(const dtfd_run *run)
{
    int64_t classes = run->self->layers.classes;

    for (int64_t c = 0; c < classes; c++) {
        double sum = 0;
        for (int64_t j = 0; j < classes; j++)
            sum += exp(run->logits[j] - run->logits[c]);
        run->share_sum[c] += 1 / sum / (double)run->self->repeats;
    }
}

static bool second_tier(dtfd_run *run, const mt_bag *bag, GError **error)
{
    const dtfd *self = run->self;

    memset(run->raw->attention, 0, (size_t)run->raw->n * sizeof(float));
    for (int64_t j = 0; j < MAX(self->layers.hidden, self->layers.classes); j++)
        run->mean_sum[j] = run->share_sum[j] = 0;
    for (int64_t r = 0; r < self->repeats; r++) {
        int64_t n = distill(run, bag, r, error);
        if (n < 0 || !mt_dtfd_second_tier(&self->layers, run->pseudo, n, run->weights, run->mean, run->logits, error))
            return false;
        add_attention(run, r, n);
        add_probabilities(run);
        for (int64_t j = 0; j < self->layers.hidden; j++)
            run->mean_sum[j] += run->mean[j] / (double)self->repeats;
    }
    for (int64_t j = 0; j < self->layers.hidden; j++)
        run->raw->embedding[j] = (float)run->mean_sum[j];
    for (int64_t c = 0; c < self->layers.classes; c++)
        run->raw->logits[c] = (float)(self->repeats == 1 ? run->logits[c] : log(run->share_sum[c]));
    return true;
}

static bool allocate_raw(const dtfd *self, int64_t n, mt_raw_output *raw, GError **error)
{
    raw->n = n;
    raw->n_attention = 1;
    raw->n_logits = self->layers.classes;
    raw->dim = self->layers.hidden;
    return (raw->logits = mt_alloc(raw->n_logits, sizeof(float), error)) != NULL &&
           (raw->embedding = mt_alloc(raw->dim, sizeof(float), error)) != NULL &&
           (raw->attention_logits = mt_alloc(n, sizeof(float), error)) != NULL &&
           (raw->attention = mt_alloc(n, sizeof(float), error)) != NULL &&
           (raw->tile_logits = mt_alloc(n * raw->n_logits, sizeof(float), error)) != NULL;
}

static bool allocate(dtfd_run *run, int64_t n, int64_t slots, GError **error)
{
    const dtfd *self = run->self;
    int64_t     hidden = self->layers.hidden, width = MAX(hidden, self->layers.classes),
            rows = slots > 1 ? MT_BAG_STREAM_ROWS : MIN(n, MT_BAG_STREAM_ROWS);
    int64_t pseudo = run->groups * (self->distill == MT_DISTILL_AFS ? 1 : 2 * self->k);

    return allocate_raw(self, n, run->raw, error) && (run->group = mt_alloc(self->repeats * n, sizeof(int32_t), error)) != NULL &&
           (run->cam = mt_alloc(n * self->layers.classes, sizeof(float), error)) != NULL &&
           (run->h = mt_alloc(slots * rows * hidden, sizeof(float), error)) != NULL &&
           (run->pseudo = mt_alloc(pseudo * hidden, sizeof(double), error)) != NULL &&
           (run->tiles = mt_alloc(pseudo, sizeof(int64_t), error)) != NULL &&
           (run->weights = mt_alloc(pseudo, sizeof(double), error)) != NULL &&
           (run->mean = mt_alloc(width, sizeof(double), error)) != NULL && (run->logits = mt_alloc(width, sizeof(double), error)) != NULL &&
           (run->mean_sum = mt_alloc(width, sizeof(double), error)) != NULL &&
           (run->share_sum = mt_alloc(width, sizeof(double), error)) != NULL &&
           mt_softmax_sums_new(&run->sums, self->repeats * run->groups, hidden, slots + 1, error);
}

static bool cut_groups(dtfd_run *run, int64_t n, GError **error)
{
    for (int64_t r = 0; r < run->self->repeats; r++) {
        if (!run->self->seeded)
            mt_dtfd_groups_strided(n, run->groups, run->group + r * n);
        else if (!mt_dtfd_groups_seeded(n, run->groups, run->self->seed, (uint64_t)r, run->group + r * n, error))
            return false;
    }
    return true;
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const dtfd *self = data;
    g_auto(dtfd_run) run = {.self = self, .raw = raw, .groups = MIN(self->groups, bag->n)};
    mt_bag_stream stream = {.model = self->model, .block = run_block, .merge = merge_block, .user = &run};

    return allocate(&run, bag->n, mt_bag_stream_slots(bag->n, options->threads), error) && cut_groups(&run, bag->n, error) &&
           mt_bag_stream_run(&stream, bag, options->threads, error) && second_tier(&run, bag, error);
}

const mt_aggregator mt_aggregator_dtfd = {"dtfd", mt_dtfd_recognise, build, predict, free_dtfd, configure, "groups,distill,k,seed,repeats"};
