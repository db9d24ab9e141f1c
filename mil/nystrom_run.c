#include "mil/nystrom.h"

#include "kernels/pixel/clones.h"
#include "mil/nystrom_private.h"
#include "mil/row_team.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define BLOCK_ROWS INT64_C(1024)
#define GATHER_ROWS INT64_C(2048)
#define COLUMNS_AT_ONCE 64
#define LANDMARKS_AT_ONCE INT64_C(16)

/* One layer over one bag. */
typedef struct layer_run {
    const mt_nystrom  *self;
    mt_nystrom_tokens *t;
    float             *q_marks, *k_marks; /* m x dim */
    float             *inverse;           /* H x m x m */
    float             *parts;             /* of each chunk of rows: largest score, sum, sum x v */
    double            *top, *sum;         /* H x m, of all chunks */
    double            *gathered;          /* H x m x d: A3 v */
    float             *weights;           /* H x m x d: A2+ A3 v */
    float             *floats;            /* H x m largest scores, H x m weights: what `look` takes */
    float             *attention;         /* (n-1) x H */
} layer_run;

static int64_t padded_rows(int64_t n, int64_t landmarks)
{
    return (n + landmarks - 1) / landmarks * landmarks;
}

bool mt_nystrom_tokens_allocate(mt_nystrom_tokens *tokens, int64_t n, int64_t dim, int threads, GError **error)
{
    *tokens = (mt_nystrom_tokens){.n = n, .padded = padded_rows(n, dim / 2), .dim = dim, .threads = threads};
    tokens->front = tokens->padded - n;
    float **buffers[4] = {&tokens->h, &tokens->q, &tokens->k, &tokens->v};
    for (int i = 0; i < 4; i++)
        if ((*buffers[i] = mt_alloc(tokens->padded * dim, sizeof(float), error)) == NULL)
            return false;
    return true;
}

void mt_nystrom_tokens_clear(mt_nystrom_tokens *tokens)
{
    mt_free(tokens->h);
    mt_free(tokens->q);
    mt_free(tokens->k);
    mt_free(tokens->v);
}

static int64_t part_floats(const mt_nystrom *self)
{
    return self->heads * self->landmarks * (2 + self->width);
}

double mt_nystrom_bytes(const mt_nystrom *self, int64_t n, int threads)
{
    double rows = (double)padded_rows(n, self->landmarks), table = (double)(self->heads * self->landmarks);
    double chunks = ceil(rows / (double)GATHER_ROWS), chunk = table * fmin(rows, (double)GATHER_ROWS);
    double square = table * (double)self->landmarks;

    return 4 * (4 * rows * (double)self->dim + chunks * (double)part_floats(self) + 3 * chunk * threads + 8 * square);
}

static bool allocate(layer_run *r, GError **error)
{
    const mt_nystrom *self = r->self;
    int64_t           m = self->landmarks, table = self->heads * m, chunks = (r->t->padded + GATHER_ROWS - 1) / GATHER_ROWS;

    return (r->q_marks = mt_alloc(m * self->dim, sizeof(float), error)) != NULL &&
           (r->k_marks = mt_alloc(m * self->dim, sizeof(float), error)) != NULL &&
           (r->inverse = mt_alloc(table * m, sizeof(float), error)) != NULL &&
           (r->parts = mt_alloc(chunks * part_floats(self), sizeof(float), error)) != NULL &&
           (r->top = mt_alloc(table, sizeof(double), error)) != NULL && (r->sum = mt_alloc(table, sizeof(double), error)) != NULL &&
           (r->gathered = mt_alloc(table * self->width, sizeof(double), error)) != NULL &&
           (r->weights = mt_alloc(table * self->width, sizeof(float), error)) != NULL &&
           (r->floats = mt_alloc(2 * table, sizeof(float), error)) != NULL;
}

static void layer_run_clear(layer_run *r)
{
    mt_free(r->q_marks);
    mt_free(r->k_marks);
    mt_free(r->inverse);
    mt_free(r->parts);
    mt_free(r->top);
    mt_free(r->sum);
    mt_free(r->gathered);
    mt_free(r->weights);
    mt_free(r->floats);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(layer_run, layer_run_clear)

static mt_port port(int64_t a, int64_t b)
{
    return (mt_port){.dtype = MT_F32, .rank = 2, .shape = {a, b}};
}

static mt_port table_port(const mt_nystrom *self, int64_t a, int64_t b)
{
    return (mt_port){.dtype = MT_F32, .rank = 3, .shape = {self->heads, a, b}};
}

static bool run_blocks(const layer_run *r, mt_model *model, const mt_port *inputs, int n_inputs, int64_t n, int64_t block_rows,
                       mt_row_work work, GError **error)
{
    g_autoptr(mt_row_team) team = mt_row_team_new(model, inputs, n_inputs, r->t->threads);

    return mt_row_team_run(team, n, block_rows, work, (void *)(uintptr_t)r, error);
}

static bool project_rows(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const mt_nystrom_tokens *t = ((const layer_run *)user)->t;
    int64_t                  to = (t->front + first) * t->dim;

    (void)block;
    (void)rows;
    return mt_session_run(session, (const void *const[]){t->h + first * t->dim}, (void *const[]){t->q + to, t->k + to, t->v + to}, error);
}

static void mean_of_rows(const float *rows, int64_t n, int64_t width, float *mean)
{
    for (int64_t from = 0; from < width; from += COLUMNS_AT_ONCE) {
        double  sum[COLUMNS_AT_ONCE] = {0};
        int64_t columns = MIN(COLUMNS_AT_ONCE, width - from);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < columns; j++)
                sum[j] += rows[i * width + from + j];
        for (int64_t j = 0; j < columns; j++)
            mean[from + j] = (float)(sum[j] / (double)n);
    }
}

static bool mean_marks(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const layer_run *r = user;
    int64_t          dim = r->self->dim, length = r->t->padded / r->self->landmarks;

    (void)session;
    (void)block;
    (void)error;
    for (int64_t i = first; i < first + rows; i++) {
        mean_of_rows(r->t->q + i * length * dim, length, dim, r->q_marks + i * dim);
        mean_of_rows(r->t->k + i * length * dim, length, dim, r->k_marks + i * dim);
    }
    return true;
}

static bool invert(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const layer_run *r = user;

    (void)block;
    (void)first;
    (void)rows;
    return mt_session_run(session, (const void *const[]){r->q_marks, r->k_marks}, (void *const[]){r->inverse}, error);
}

static bool gather_rows(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const layer_run *r = user;
    int64_t          table = r->self->heads * r->self->landmarks, from = first * r->t->dim;
    float           *part = r->parts + block * part_floats(r->self);

    (void)rows;
    return mt_session_run(session, (const void *const[]){r->q_marks, r->t->k + from, r->t->v + from},
                          (void *const[]){part, part + table, part + 2 * table}, error);
}

/* The chunks in their order, each scaled to the largest score of all; then the softmax is complete. */
static void merge_parts(layer_run *r)
{
    int64_t d = r->self->width, table = r->self->heads * r->self->landmarks, stride = part_floats(r->self);
    int64_t chunks = (r->t->padded + GATHER_ROWS - 1) / GATHER_ROWS;

    for (int64_t i = 0; i < table; i++) {
        double *y = r->gathered + i * d;
        r->top[i] = -INFINITY;
        for (int64_t c = 0; c < chunks; c++)
            r->top[i] = fmax(r->top[i], r->parts[c * stride + i]);
        for (int64_t c = 0; c < chunks; c++) {
            const float *part = r->parts + c * stride;
            double       scale = exp(part[i] - r->top[i]);
            r->sum[i] += scale * part[table + i];
            for (int64_t j = 0; j < d; j++)
                y[j] += scale * part[2 * table + i * d + j];
        }
        for (int64_t j = 0; j < d; j++)
            y[j] /= r->sum[i];
    }
}

/* Everything up to A2+ and A3 v. */
static bool prepare(layer_run *r, GError **error)
{
    const mt_nystrom *self = r->self;
    mt_port           rows = port(-1, self->dim), marks = port(self->landmarks, self->dim);
    size_t            front = (size_t)(r->t->front * self->dim) * sizeof(float);

    memset(r->t->q, 0, front);
    memset(r->t->k, 0, front);
    memset(r->t->v, 0, front);
    if (!allocate(r, error) || !run_blocks(r, self->project, &rows, 1, r->t->n, BLOCK_ROWS, project_rows, error) ||
        !run_blocks(r, NULL, NULL, 0, self->landmarks, LANDMARKS_AT_ONCE, mean_marks, error) ||
        !run_blocks(r, self->invert, (const mt_port[]){marks, marks}, 2, 1, 1, invert, error) ||
        !run_blocks(r, self->gather, (const mt_port[]){marks, rows, rows}, 3, r->t->padded, GATHER_ROWS, gather_rows, error))
        return false;
    merge_parts(r);
    return true;
}

/* A2+ A3 v */
static bool weigh_heads(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const layer_run *r = user;
    int64_t          m = r->self->landmarks, d = r->self->width;

    (void)session;
    (void)block;
    (void)error;
    for (int64_t i = first; i < first + rows; i++) /* row i of the table: head i / m */
        for (int64_t c = 0; c < d; c++) {
            const double *y = r->gathered + i / m * m * d + c;
            double        sum = 0;
            for (int64_t j = 0; j < m; j++)
                sum += r->inverse[i * m + j] * y[j * d];
            r->weights[i * d + c] = (float)sum;
        }
    return true;
}

/* y += w x, a head's channels of one tap. */
MT_CLONES static void add_tap(float *restrict y, const float *restrict x, float w, int64_t n)
{
    for (int64_t c = 0; c < n; c++)
        y[c] += w * x[c];
}

/* The depthwise convolution of v for one row; beyond both ends v is zero. */
static void convolve_row(const layer_run *r, int64_t row, float *y)
{
    const mt_nystrom_tokens *t = r->t;
    int64_t                  taps = r->self->conv->shape[2], d = r->self->width, first = row - taps / 2;
    const float             *w = r->self->conv->data;

    memset(y, 0, (size_t)t->dim * sizeof *y);
    for (int64_t i = MAX(0, -first); i < MIN(taps, t->padded - first); i++)
        for (int64_t h = 0; h < r->self->heads; h++)
            add_tap(y + h * d, t->v + (first + i) * t->dim + h * d, w[h * taps + i], d);
}

static bool spread_rows(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const layer_run         *r = user;
    const mt_nystrom_tokens *t = r->t;
    float                   *conv = mt_alloc(rows * t->dim, sizeof(float), error), *h = t->h + first * t->dim;

    (void)block;
    if (conv == NULL)
        return false;
    for (int64_t i = 0; i < rows; i++)
        convolve_row(r, t->front + first + i, conv + i * t->dim);
    bool ok = mt_session_run(session, (const void *const[]){t->q + (t->front + first) * t->dim, r->k_marks, r->weights, conv, h},
                             (void *const[]){h}, error);
    mt_free(conv);
    return ok;
}

bool mt_nystrom_run(const mt_nystrom *self, mt_nystrom_tokens *tokens, GError **error)
{
    g_auto(layer_run) r = {.self = self, .t = tokens};
    mt_port rows = port(-1, self->dim), marks = port(self->landmarks, self->dim), table = table_port(self, self->landmarks, self->width);

    return prepare(&r, error) && run_blocks(&r, NULL, NULL, 0, self->heads * self->landmarks, LANDMARKS_AT_ONCE, weigh_heads, error) &&
           run_blocks(&r, self->spread, (const mt_port[]){rows, marks, table, rows, rows}, 5, tokens->n, BLOCK_ROWS, spread_rows, error);
}

/* Row 0 of A1 A2+ of one head. */
static void first_weights(const layer_run *r, int64_t head, double *scores, double *u)
{
    int64_t      m = r->self->landmarks, d = r->self->width, dim = r->self->dim;
    const float *q = r->t->q + r->t->front * dim + head * d;
    double       top = -INFINITY, sum = 0;

    for (int64_t j = 0; j < m; j++) {
        scores[j] = 0;
        for (int64_t c = 0; c < d; c++)
            scores[j] += (double)q[c] * r->k_marks[j * dim + head * d + c];
        top = fmax(top, scores[j]);
    }
    for (int64_t j = 0; j < m; j++)
        sum += scores[j] = exp(scores[j] - top);
    for (int64_t i = 0; i < m; i++)
        u[i] = 0;
    for (int64_t j = 0; j < m; j++)
        for (int64_t i = 0; i < m; i++)
            u[i] += scores[j] / sum * r->inverse[(head * m + j) * m + i];
}

/* W (A1 A2+ A3 v + convolution) + b + h of row 0, and what `look` wants. */
static void finish_first(layer_run *r, double *scores, double *u, float *y, float *row)
{
    const mt_nystrom *self = r->self;
    int64_t           m = self->landmarks, d = self->width, dim = self->dim;

    convolve_row(r, r->t->front, y);
    for (int64_t head = 0; head < self->heads; head++) {
        first_weights(r, head, scores, u);
        for (int64_t c = 0; c < d; c++) {
            double sum = y[head * d + c];
            for (int64_t i = 0; i < m; i++)
                sum += u[i] * r->gathered[(head * m + i) * d + c];
            y[head * d + c] = (float)sum;
        }
        for (int64_t i = head * m; i < (head + 1) * m; i++) {
            r->floats[i] = (float)r->top[i];
            r->floats[self->heads * m + i] = (float)(u[i - head * m] / r->sum[i]);
        }
    }
    for (int64_t o = 0; o < dim; o++) {
        double sum = ((const float *)self->out.bias->data)[o] + r->t->h[o];
        for (int64_t c = 0; c < dim; c++)
            sum += (double)((const float *)self->out.weight->data)[o * dim + c] * y[c];
        row[o] = (float)sum;
    }
}

static bool look_at_rows(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const layer_run *r = user;
    int64_t          heads = r->self->heads, from = r->t->front + 1 + first;
    float           *seen = mt_alloc(heads * rows, sizeof(float), error);

    (void)block;
    bool ok = seen != NULL &&
              mt_session_run(
                  session, (const void *const[]){r->q_marks, r->t->k + from * r->t->dim, r->floats, r->floats + heads * r->self->landmarks},
                  (void *const[]){seen}, error);
    for (int64_t i = 0; ok && i < rows; i++)
        for (int64_t head = 0; head < heads; head++)
            r->attention[(first + i) * heads + head] = seen[head * rows + i];
    mt_free(seen);
    return ok;
}

bool mt_nystrom_run_first(const mt_nystrom *self, mt_nystrom_tokens *tokens, float *row, float *attention, GError **error)
{
    g_auto(layer_run) r = {.self = self, .t = tokens, .attention = attention};
    mt_port inputs[4] = {port(self->landmarks, self->dim), port(-1, self->dim), table_port(self, self->landmarks, 1),
                         table_port(self, 1, self->landmarks)};

    if (!prepare(&r, error))
        return false;
    double *scratch = mt_alloc(2 * self->landmarks + self->dim, sizeof(double), error);
    if (scratch == NULL)
        return false;
    finish_first(&r, scratch, scratch + self->landmarks, (float *)(scratch + 2 * self->landmarks), row);
    mt_free(scratch);
    return run_blocks(&r, self->look, inputs, 4, tokens->n - 1, GATHER_ROWS, look_at_rows, error);
}
