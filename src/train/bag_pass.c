#include "src/train/bag_pass.h"

#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define WAVE 8    /* blocks that threads compute at once; fixed, for the order of sums */
#define FEW 65536 /* weights that threads are not woken for */
#define KEPT 48   /* blocks whose way there is remembered; of larger bags the others are computed again */

/* Of one wave's block. */
typedef struct partial {
    double *top, *sum; /* K: the largest logit and the sum relative to it */
    double *pooled;    /* K x hidden */
    double *instance;  /* gradient of the instance classifiers */
    double  loss;      /* of its chosen tiles */
    float  *gradient;  /* of the tile network, in the order of the layout */
} partial;

typedef struct chosen {
    int64_t row;
    int     classifier, target;
} chosen;

struct mt_bag_pass {
    mt_bag_network    net;
    mt_bag_layout     layout;
    int64_t           branches, tile_floats;
    mt_tile_network  *learning, *plain;
    mt_tile_sessions *sessions[2][WAVE]; /* of plain and learning; one a place in the wave */
    partial           wave[WAVE];
    /* of the bag at hand */
    mt_bag          bag;
    bool            learn;
    uint64_t        seed;
    int64_t         n_blocks;
    mt_tile_block **blocks;             /* n_blocks; NULL: not kept */
    float          *s;                  /* n x branches */
    double         *top, *sum, *pooled; /* of the whole bag */
    double         *pull;               /* K x hidden: slope of M */
    double         *pull_pooled;        /* K: pull . M */
    int64_t         best;               /* max: the tile */
    GArray         *chosen;             /* of the instance loss, by row */
    double          instance_scale, instance_loss;
    const double   *slope;
    GMutex          reading;
};

double mt_bag_random(uint64_t seed, uint64_t index)
{
    uint64_t x = seed + (index + 1) * UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 (Steele, Lea, Flood 2014) */

    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    x ^= x >> 31;
    return (double)(x >> 11) * 0x1p-53;
}

static void drop_bag(mt_bag_pass *pass)
{
    for (int64_t i = 0; pass->blocks != NULL && i < pass->n_blocks; i++)
        mt_tile_block_free(pass->blocks[i]);
    g_clear_pointer(&pass->blocks, g_free);
    g_clear_pointer(&pass->s, mt_free);
}

void mt_bag_pass_free(mt_bag_pass *pass)
{
    if (pass == NULL)
        return;
    drop_bag(pass);
    for (int i = 0; i < WAVE; i++) {
        mt_tile_sessions_free(pass->sessions[0][i]);
        mt_tile_sessions_free(pass->sessions[1][i]);
        mt_free(pass->wave[i].top);
        mt_free(pass->wave[i].gradient);
    }
    mt_tile_network_free(pass->learning);
    mt_tile_network_free(pass->plain);
    mt_free(pass->top);
    g_array_unref(pass->chosen);
    g_mutex_clear(&pass->reading);
    g_free(pass);
}

const mt_bag_layout *mt_bag_pass_layout(const mt_bag_pass *pass)
{
    return &pass->layout;
}

int mt_bag_pass_n_tile_weights(const mt_bag_pass *pass)
{
    return mt_tile_network_n_weights(pass->plain);
}

static void lay_out(mt_bag_pass *pass)
{
    const mt_bag_network *net = &pass->net;
    mt_bag_layout        *l = &pass->layout;
    int64_t               shape[2];

    for (int i = 0; i < mt_tile_network_n_weights(pass->plain); i++) {
        int rank = mt_tile_network_weight_shape(pass->plain, i, shape);
        l->tile[i] = l->n;
        l->n += shape[0] * (rank == 2 ? shape[1] : 1);
    }
    pass->tile_floats = l->n;
    l->classifier = net->max_pool ? -1 : l->n;
    l->n += net->max_pool ? 0 : net->n_logits * net->hidden;
    l->classifier_bias = net->max_pool ? -1 : l->n;
    l->n += net->max_pool ? 0 : net->n_logits;
    l->instance = net->instance_k > 0 ? l->n : -1;
    l->n += net->instance_k > 0 ? net->n_logits * (2 * net->hidden + 2) : 0;
}

static bool allocate(mt_bag_pass *pass, GError **error)
{
    int64_t k = pass->branches, per = 2 * k + k * pass->net.hidden, instance = pass->net.n_logits * (2 * pass->net.hidden + 2);

    for (int i = 0; i < WAVE; i++) {
        partial *p = &pass->wave[i];
        p->top = mt_alloc(per + instance, sizeof(double), error);
        p->gradient = p->top != NULL ? mt_alloc(pass->tile_floats, sizeof(float), error) : NULL;
        if (p->gradient == NULL)
            return false;
        p->sum = p->top + k;
        p->pooled = p->sum + k;
        p->instance = p->pooled + k * pass->net.hidden;
    }
    pass->top = mt_alloc(2 * per, sizeof(double), error);
    if (pass->top == NULL)
        return false;
    pass->sum = pass->top + k;
    pass->pooled = pass->sum + k;
    pass->pull = pass->pooled + k * pass->net.hidden;
    pass->pull_pooled = pass->pull + k * pass->net.hidden;
    return true;
}

mt_bag_pass *mt_bag_pass_new(const mt_bag_network *network, GError **error)
{
    g_autoptr(mt_bag_pass) pass = g_new0(mt_bag_pass, 1);

    pass->net = *network;
    pass->branches = network->max_pool || network->branch_per_class ? network->n_logits : 1;
    pass->chosen = g_array_new(FALSE, FALSE, sizeof(chosen));
    g_mutex_init(&pass->reading);
    mt_tile_network_params params = {.dim = network->dim,
                                     .hidden = network->hidden,
                                     .attention = network->max_pool ? 0 : network->attention,
                                     .n_logits = pass->branches};
    pass->plain = mt_tile_network_new(&params, error);
    params.dropout = network->dropout > 0;
    pass->learning = pass->plain != NULL ? mt_tile_network_new(&params, error) : NULL;
    if (pass->learning == NULL)
        return NULL;
    for (int i = 0; i < WAVE; i++) {
        pass->sessions[0][i] = mt_tile_sessions_new(pass->plain, error);
        pass->sessions[1][i] = mt_tile_sessions_new(pass->learning, error);
    }
    lay_out(pass);
    return allocate(pass, error) ? g_steal_pointer(&pass) : NULL;
}

/* Normal numbers by Box and Muller. */
static void begin_matrix(uint64_t seed, float *weights, int64_t out, int64_t in)
{
    double deviation = sqrt(2.0 / (double)(in + out));

    for (int64_t i = 0; i < out * in; i++) {
        double u = 1 - mt_bag_random(seed, (uint64_t)(2 * i)), v = mt_bag_random(seed, (uint64_t)(2 * i + 1));
        weights[i] = (float)(deviation * sqrt(-2 * log(u)) * cos(2 * M_PI * v));
    }
}

void mt_bag_pass_begin(const mt_bag_pass *pass, uint64_t seed, float *weights)
{
    const mt_bag_layout *l = &pass->layout;
    int64_t              shape[2], hidden = pass->net.hidden;

    memset(weights, 0, (size_t)l->n * sizeof(float));
    for (int i = 0; i < mt_bag_pass_n_tile_weights(pass); i++)
        if (mt_tile_network_weight_shape(pass->plain, i, shape) == 2)
            begin_matrix(seed + (uint64_t)i, weights + l->tile[i], shape[0], shape[1]);
    if (l->classifier >= 0)
        begin_matrix(seed + 100, weights + l->classifier, pass->net.branch_per_class ? 1 : pass->net.n_logits, hidden);
    for (int64_t c = 1; l->classifier >= 0 && pass->net.branch_per_class && c < pass->net.n_logits; c++)
        begin_matrix(seed + 100 + (uint64_t)c, weights + l->classifier + c * hidden, 1, hidden);
    for (int64_t c = 0; l->instance >= 0 && c < pass->net.n_logits; c++)
        begin_matrix(seed + 1000 + (uint64_t)c, weights + l->instance + c * (2 * hidden + 2), 2, hidden);
}

static void point_weights(const mt_bag_pass *pass, const float *weights, const float **out)
{
    for (int i = 0; i < mt_bag_pass_n_tile_weights(pass); i++)
        out[i] = weights + pass->layout.tile[i];
}

/* --- the way there ----------------------------------------------------------------------------------------------------- */

/* 0, or 1 / (1 - p): the sum keeps its size. */
static void fill_mask(float *mask, int64_t rows, int64_t width, int64_t first, uint64_t seed, double p)
{
    float keep = (float)(1 / (1 - p));

    for (int64_t i = 0; i < rows * width; i++)
        mask[i] = mt_bag_random(seed, (uint64_t)(first * width + i)) < p ? 0 : keep;
}

static mt_tile_block *compute_block(mt_bag_pass *pass, const float *weights, int64_t index, int place, GError **error)
{
    const float           *pointers[MT_TILE_NETWORK_WEIGHTS];
    const mt_tile_network *network = pass->learn ? pass->learning : pass->plain;
    int64_t                first = index * MT_TILE_BLOCK_ROWS, rows = MIN(MT_TILE_BLOCK_ROWS, pass->bag.n - first);
    mt_tile_block         *block = mt_tile_block_new(network, rows, error);

    if (block == NULL)
        return NULL;
    g_mutex_lock(&pass->reading); /* a bag has one reader */
    bool ok = mt_bag_read(&pass->bag, first, rows, block->x, error);
    g_mutex_unlock(&pass->reading);
    for (int i = 0; ok && i < 3 && block->masks[0] != NULL && (i == 0 || !pass->net.max_pool); i++)
        fill_mask(block->masks[i], rows, i == 0 ? pass->net.hidden : pass->net.attention, first, pass->seed + (uint64_t)i * 7919,
                  pass->net.dropout);
    point_weights(pass, weights, pointers);
    if (!ok || !mt_tile_forward(pass->sessions[pass->learn][place], pointers, block, error))
        g_clear_pointer(&block, mt_tile_block_free);
    return block;
}

/* The block's own softmax, relative to its largest logit. */
static void pool_block(const mt_bag_pass *pass, const mt_tile_block *block, partial *p)
{
    int64_t hidden = pass->net.hidden, k = pass->branches;

    for (int64_t b = 0; b < k; b++) {
        double *pooled = p->pooled + b * hidden, top = -INFINITY;
        for (int64_t i = 0; i < block->rows; i++)
            top = fmax(top, block->s[i * k + b]);
        memset(pooled, 0, (size_t)hidden * sizeof(double));
        p->sum[b] = 0;
        for (int64_t i = 0; i < block->rows; i++) {
            double       weight = exp(block->s[i * k + b] - top);
            const float *h = block->h + i * hidden;
            p->sum[b] += weight;
            for (int64_t j = 0; j < hidden; j++)
                pooled[j] += weight * h[j];
        }
        p->top[b] = top;
    }
}

static void merge(mt_bag_pass *pass, const partial *p)
{
    int64_t hidden = pass->net.hidden;

    for (int64_t b = 0; b < pass->branches; b++) {
        double top = fmax(pass->top[b], p->top[b]), ours = exp(pass->top[b] - top), theirs = exp(p->top[b] - top);
        pass->sum[b] = pass->sum[b] * ours + p->sum[b] * theirs;
        for (int64_t j = 0; j < hidden; j++)
            pass->pooled[b * hidden + j] = pass->pooled[b * hidden + j] * ours + p->pooled[b * hidden + j] * theirs;
        pass->top[b] = top;
    }
}

static bool forward_wave(mt_bag_pass *pass, const float *weights, int64_t first, GError **error)
{
    int            n = (int)MIN(WAVE, pass->n_blocks - first);
    mt_tile_block *blocks[WAVE] = {NULL};
    GError        *errors[WAVE] = {NULL};

#pragma omp parallel for num_threads(MIN(pass->net.threads, n)) schedule(dynamic, 1) if (n > 1)
    for (int i = 0; i < n; i++) {
        blocks[i] = compute_block(pass, weights, first + i, i, &errors[i]);
        if (blocks[i] != NULL && !pass->net.max_pool)
            pool_block(pass, blocks[i], &pass->wave[i]);
    }
    bool ok = true;
    for (int i = 0; i < n; i++) {
        if (blocks[i] != NULL && ok) {
            memcpy(pass->s + (first + i) * MT_TILE_BLOCK_ROWS * pass->branches, blocks[i]->s,
                   (size_t)(blocks[i]->rows * pass->branches) * sizeof(float));
            if (!pass->net.max_pool)
                merge(pass, &pass->wave[i]);
        }
        if (pass->learn && first + i < KEPT)
            pass->blocks[first + i] = blocks[i];
        else
            mt_tile_block_free(blocks[i]);
        if (errors[i] != NULL && ok)
            g_propagate_error(error, g_steal_pointer(&errors[i]));
        ok = ok && blocks[i] != NULL;
        g_clear_error(&errors[i]);
    }
    return ok;
}

/* The tile that speaks for the bag. */
static void find_best(mt_bag_pass *pass)
{
    int64_t k = pass->branches;
    double  best = -INFINITY;

    for (int64_t i = 0; i < pass->bag.n; i++) {
        const float *z = pass->s + i * k;
        double       top = -INFINITY, sum = 0, p = -INFINITY;
        for (int64_t c = 0; c < k; c++)
            top = fmax(top, z[c]);
        for (int64_t c = 0; c < k; c++)
            sum += exp(z[c] - top);
        for (int64_t c = k == 2 ? 1 : 0; c < k; c++)
            p = fmax(p, exp(z[c] - top) / sum);
        p = k == 1 ? z[0] : p;
        if (p > best) {
            best = p;
            pass->best = i;
        }
    }
}

static void classify(mt_bag_pass *pass, const float *weights, double *logits)
{
    int64_t hidden = pass->net.hidden;

    if (pass->net.max_pool) {
        find_best(pass);
        for (int64_t c = 0; c < pass->branches; c++)
            logits[c] = pass->s[pass->best * pass->branches + c];
        return;
    }
    for (int64_t j = 0; j < pass->branches * hidden; j++)
        pass->pooled[j] /= pass->sum[j / hidden];
    for (int64_t c = 0; c < pass->net.n_logits; c++) {
        const float  *row = weights + pass->layout.classifier + c * hidden;
        const double *pooled = pass->pooled + (pass->net.branch_per_class ? c * hidden : 0);
        double        sum = weights[pass->layout.classifier_bias + c];
        for (int64_t j = 0; j < hidden; j++)
            sum += row[j] * pooled[j];
        logits[c] = sum;
    }
}

bool mt_bag_pass_forward(mt_bag_pass *pass, const float *weights, const mt_bag *bag, bool learn, uint64_t seed, double *logits,
                         GError **error)
{
    drop_bag(pass);
    pass->bag = *bag;
    pass->learn = learn;
    pass->seed = seed;
    pass->n_blocks = (bag->n + MT_TILE_BLOCK_ROWS - 1) / MT_TILE_BLOCK_ROWS;
    pass->blocks = g_new0(mt_tile_block *, (gsize)pass->n_blocks);
    pass->s = mt_alloc(bag->n * pass->branches, sizeof(float), error);
    if (pass->s == NULL)
        return false;
    for (int64_t b = 0; b < pass->branches; b++) {
        pass->top[b] = -INFINITY;
        pass->sum[b] = 0;
    }
    memset(pass->pooled, 0, (size_t)(pass->branches * pass->net.hidden) * sizeof(double));
    for (int64_t first = 0; first < pass->n_blocks; first += WAVE)
        if (!forward_wave(pass, weights, first, error))
            return false;
    classify(pass, weights, logits);
    for (int64_t c = 0; c < pass->net.n_logits; c++)
        if (!isfinite(logits[c])) {
            g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "train: a logit is no longer finite: take a smaller learning rate");
            return false;
        }
    return true;
}

/* --- the way back ------------------------------------------------------------------------------------------------------ */

static gint by_logit(gconstpointer a, gconstpointer b, gpointer user)
{
    const float *s = user;
    int64_t      i = *(const int64_t *)a, j = *(const int64_t *)b;

    return s[i] > s[j] ? -1 : s[i] < s[j] ? 1 : i < j ? -1 : i > j;
}

static gint by_row(gconstpointer a, gconstpointer b)
{
    const chosen *x = a, *y = b;

    return x->row != y->row ? (x->row < y->row ? -1 : 1) : x->classifier - y->classifier;
}

/* The k tiles with most attention of a branch; of the bag's `own` class also the k with least. */
static void choose(mt_bag_pass *pass, int classifier, bool own)
{
    int64_t n = pass->bag.n, k = pass->branches, branch = pass->net.branch_per_class ? classifier : 0, m = MIN(pass->net.instance_k, n);
    g_autofree int64_t *order = g_new(int64_t, (gsize)n);
    g_autofree float   *logits = g_new(float, (gsize)n);

    for (int64_t i = 0; i < n; i++) {
        order[i] = i;
        logits[i] = pass->s[i * k + branch];
    }
    g_qsort_with_data(order, (gint)n, sizeof *order, by_logit, logits);
    for (int64_t i = 0; i < m; i++)
        g_array_append_vals(pass->chosen, &(chosen){order[i], classifier, own}, 1);
    for (int64_t i = 0; own && i < m; i++)
        g_array_append_vals(pass->chosen, &(chosen){order[n - 1 - i], classifier, 0}, 1);
}

static void choose_instances(mt_bag_pass *pass, int bag_class)
{
    bool others = pass->net.n_logits > 2;

    g_array_set_size(pass->chosen, 0);
    pass->instance_loss = 0;
    if (pass->net.instance_k == 0 || pass->net.instance_weight == 0 || bag_class < 0)
        return;
    for (int c = 0; c < pass->net.n_logits; c++)
        if (c == bag_class || others)
            choose(pass, c, c == bag_class);
    g_array_sort(pass->chosen, by_row);
    pass->instance_scale = pass->net.instance_weight / (others ? (double)pass->net.n_logits : 1);
}

/* Cross-entropy of one chosen tile, its share of the mean over its classifier's tiles (2k of the bag's class, k of another). */
static double instance_slope(const mt_bag_pass *pass, const float *weights, const chosen *one, int bag_class, const float *h, float *dh,
                             double *gradient)
{
    int64_t      hidden = pass->net.hidden, at = one->classifier * (2 * hidden + 2);
    const float *w = weights + pass->layout.instance + at;
    double       z[2], m = (double)MIN(pass->net.instance_k, pass->bag.n) * (one->classifier == bag_class ? 2 : 1);

    for (int c = 0; c < 2; c++) {
        z[c] = w[2 * hidden + c];
        for (int64_t j = 0; j < hidden; j++)
            z[c] += (double)w[c * hidden + j] * h[j];
    }
    double p1 = 1 / (1 + exp(z[0] - z[1]));
    for (int c = 0; c < 2; c++) {
        double slope = ((c == 1 ? p1 : 1 - p1) - (c == one->target)) * pass->instance_scale / m;
        for (int64_t j = 0; j < hidden; j++) {
            gradient[at + c * hidden + j] += slope * h[j];
            dh[j] += (float)(slope * w[c * hidden + j]);
        }
        gradient[at + 2 * hidden + c] += slope;
    }
    double margin = one->target == 1 ? z[0] - z[1] : z[1] - z[0];
    return (margin > 0 ? margin + log1p(exp(-margin)) : log1p(exp(margin))) * pass->instance_scale / pass->net.instance_weight / m;
}

/* dM_k and dM_k . M_k from the slopes of the logits; the classifier's own gradient. */
static void back_classifier(mt_bag_pass *pass, const float *weights, const double *slope, float *gradient)
{
    int64_t hidden = pass->net.hidden;

    memset(pass->pull, 0, (size_t)(pass->branches * hidden) * sizeof(double));
    for (int64_t c = 0; c < pass->net.n_logits; c++) {
        int64_t      b = pass->net.branch_per_class ? c : 0;
        const float *row = weights + pass->layout.classifier + c * hidden;
        for (int64_t j = 0; j < hidden; j++) {
            pass->pull[b * hidden + j] += slope[c] * row[j];
            gradient[pass->layout.classifier + c * hidden + j] = (float)(slope[c] * pass->pooled[b * hidden + j]);
        }
        gradient[pass->layout.classifier_bias + c] = (float)slope[c];
    }
    for (int64_t b = 0; b < pass->branches; b++) {
        pass->pull_pooled[b] = 0;
        for (int64_t j = 0; j < hidden; j++)
            pass->pull_pooled[b] += pass->pull[b * hidden + j] * pass->pooled[b * hidden + j];
    }
}

/* ds_i = a_i (dM . h_i - dM . M), dh_i = a_i dM */
static void attention_slopes(const mt_bag_pass *pass, mt_tile_block *block)
{
    int64_t hidden = pass->net.hidden, k = pass->branches;

    for (int64_t i = 0; i < block->rows; i++)
        for (int64_t b = 0; b < k; b++) {
            const float  *h = block->h + i * hidden;
            const double *pull = pass->pull + b * hidden;
            double        a = exp(block->s[i * k + b] - pass->top[b]) / pass->sum[b], sum = 0;
            for (int64_t j = 0; j < hidden; j++) {
                sum += pull[j] * h[j];
                block->dh[i * hidden + j] += (float)(a * pull[j]);
            }
            block->ds[i * k + b] = (float)(a * (sum - pass->pull_pooled[b]));
        }
}

static bool back_block(mt_bag_pass *pass, const float *weights, int64_t index, int place, int bag_class, GError **error)
{
    mt_tile_block *block = pass->blocks[index] != NULL ? pass->blocks[index] : compute_block(pass, weights, index, place, error);
    const float   *pointers[MT_TILE_NETWORK_WEIGHTS];
    float         *gradients[MT_TILE_NETWORK_WEIGHTS];
    partial       *p = &pass->wave[place];
    int64_t        first = index * MT_TILE_BLOCK_ROWS;

    pass->blocks[index] = block;
    if (block == NULL)
        return false;
    memset(block->dh, 0, (size_t)(mt_tile_block_size(block) * pass->net.hidden) * sizeof(float));
    memset(block->ds, 0, (size_t)(mt_tile_block_size(block) * pass->branches) * sizeof(float));
    memset(p->instance, 0, (size_t)(pass->net.n_logits * (2 * pass->net.hidden + 2)) * sizeof(double));
    p->loss = 0;
    if (!pass->net.max_pool)
        attention_slopes(pass, block);
    else if (pass->best >= first && pass->best < first + block->rows)
        for (int64_t c = 0; c < pass->branches; c++)
            block->ds[(pass->best - first) * pass->branches + c] = (float)pass->slope[c];
    for (guint i = 0; i < pass->chosen->len; i++) {
        const chosen *one = &g_array_index(pass->chosen, chosen, i);
        int64_t       at = (one->row - first) * pass->net.hidden;
        if (one->row >= first && one->row < first + block->rows)
            p->loss += instance_slope(pass, weights, one, bag_class, block->h + at, block->dh + at, p->instance);
    }
    point_weights(pass, weights, pointers);
    for (int i = 0; i < mt_bag_pass_n_tile_weights(pass); i++)
        gradients[i] = p->gradient + pass->layout.tile[i];
    bool ok = mt_tile_backward(pass->sessions[1][place], pointers, block, gradients, error);
    g_clear_pointer(&pass->blocks[index], mt_tile_block_free);
    return ok;
}

/* Add the wave's gradients in the order of its blocks; each weight by itself. */
static void add_wave(mt_bag_pass *pass, int n, float *gradient)
{
#pragma omp parallel for num_threads(pass->net.threads) schedule(static) if (pass->tile_floats > FEW)
    for (int64_t j = 0; j < pass->tile_floats; j++)
        for (int i = 0; i < n; i++)
            gradient[j] += pass->wave[i].gradient[j];
    for (int i = 0; pass->layout.instance >= 0 && i < n; i++) {
        pass->instance_loss += pass->wave[i].loss;
        for (int64_t j = 0; j < pass->net.n_logits * (2 * pass->net.hidden + 2); j++)
            gradient[pass->layout.instance + j] += (float)pass->wave[i].instance[j];
    }
}

double mt_bag_pass_instance_loss(const mt_bag_pass *pass)
{
    return pass->chosen->len > 0 ? pass->instance_loss : NAN;
}

bool mt_bag_pass_backward(mt_bag_pass *pass, const float *weights, const double *slope, int bag_class, float *gradient, GError **error)
{
    g_autofree double *scaled = g_new(double, (gsize)pass->net.n_logits);
    bool               ok = true;

    choose_instances(pass, bag_class);
    for (int64_t c = 0; c < pass->net.n_logits; c++)
        scaled[c] = slope[c] * (pass->chosen->len > 0 ? 1 - pass->net.instance_weight : 1);
    pass->slope = scaled;
    memset(gradient, 0, (size_t)pass->layout.n * sizeof(float));
    if (!pass->net.max_pool)
        back_classifier(pass, weights, scaled, gradient);
    for (int64_t first = 0; ok && first < pass->n_blocks; first += WAVE) {
        int     n = (int)MIN(WAVE, pass->n_blocks - first);
        GError *errors[WAVE] = {NULL};
#pragma omp parallel for num_threads(MIN(pass->net.threads, n)) schedule(dynamic, 1) if (n > 1)
        for (int i = 0; i < n; i++)
            back_block(pass, weights, first + i, i, bag_class, &errors[i]);
        for (int i = 0; i < n; i++) {
            if (errors[i] != NULL && ok)
                g_propagate_error(error, g_steal_pointer(&errors[i]));
            ok = ok && errors[i] == NULL && (error == NULL || *error == NULL);
            g_clear_error(&errors[i]);
        }
        if (ok)
            add_wave(pass, n, gradient);
    }
    drop_bag(pass);
    return ok;
}
