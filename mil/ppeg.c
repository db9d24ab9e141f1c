#include "mil/ppeg.h"

#include "kernels/pixel/clones.h"
#include "mil/row_team.h"
#include "src/base/alloc.h"

#include <string.h>

#define EDGE 7
#define CHANNELS_AT_ONCE INT64_C(64) /* their taps stay in the first cache */

/* All three convolutions and x itself are one of 7 x 7. */
struct mt_ppeg {
    int64_t dim;
    float  *taps; /* EDGE x EDGE x dim */
    float  *bias; /* dim */
};

typedef struct picture {
    const mt_ppeg *self;
    const float   *x; /* side x side x dim */
    float         *y;
    int64_t        side;
} picture;

void mt_ppeg_free(mt_ppeg *self)
{
    if (self == NULL)
        return;
    mt_free(self->taps);
    mt_free(self->bias);
    g_free(self);
}

static bool add_convolution(mt_ppeg *self, mt_state_dict *dict, const char *key, const char *name, int64_t edge, GError **error)
{
    g_autofree char *weight_key = g_strconcat(key, name, ".weight", NULL), *bias_key = g_strconcat(key, name, ".bias", NULL);
    int64_t          margin = (EDGE - edge) / 2;
    g_autoptr(mt_tensor) weight = mt_state_dict_take_tensor(dict, weight_key, 4, (int64_t[]){self->dim, 1, edge, edge}, error);
    g_autoptr(mt_tensor) bias = weight != NULL ? mt_state_dict_take_tensor(dict, bias_key, 1, &self->dim, error) : NULL;

    if (bias == NULL)
        return false;
    for (int64_t c = 0; c < self->dim; c++) {
        self->bias[c] += ((const float *)bias->data)[c];
        for (int64_t y = 0; y < edge; y++)
            for (int64_t x = 0; x < edge; x++)
                self->taps[((y + margin) * EDGE + x + margin) * self->dim + c] += ((const float *)weight->data)[(c * edge + y) * edge + x];
    }
    return true;
}

mt_ppeg *mt_ppeg_new(mt_state_dict *dict, const char *key, int64_t dim, GError **error)
{
    g_autoptr(mt_ppeg) self = g_new0(mt_ppeg, 1);

    self->dim = dim;
    self->taps = mt_alloc(EDGE * EDGE * dim, sizeof(float), error);
    self->bias = self->taps != NULL ? mt_alloc(dim, sizeof(float), error) : NULL;
    if (self->bias == NULL || !add_convolution(self, dict, key, ".proj", 7, error) ||
        !add_convolution(self, dict, key, ".proj1", 5, error) || !add_convolution(self, dict, key, ".proj2", 3, error))
        return NULL;
    for (int64_t c = 0; c < dim; c++)
        self->taps[(EDGE / 2 * EDGE + EDGE / 2) * dim + c] += 1;
    return g_steal_pointer(&self);
}

MT_CLONES static void add_product(float *restrict y, const float *restrict x, const float *restrict w, int64_t n)
{
    for (int64_t c = 0; c < n; c++)
        y[c] += w[c] * x[c];
}

/* Channels from .. from+n-1 of the token at (row, column). */
static void convolve(const picture *p, int64_t row, int64_t column, int64_t from, int64_t n)
{
    int64_t dim = p->self->dim, margin = EDGE / 2;
    float  *y = p->y + (row * p->side + column) * dim + from;

    memcpy(y, p->self->bias + from, (size_t)n * sizeof *y);
    for (int64_t i = MAX(0, margin - row); i < MIN(EDGE, p->side + margin - row); i++)
        for (int64_t j = MAX(0, margin - column); j < MIN(EDGE, p->side + margin - column); j++)
            add_product(y, p->x + ((row + i - margin) * p->side + column + j - margin) * dim + from,
                        p->self->taps + (i * EDGE + j) * dim + from, n);
}

static bool convolve_rows(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const picture *p = user;

    (void)session;
    (void)block;
    (void)error;
    for (int64_t from = 0; from < p->self->dim; from += CHANNELS_AT_ONCE)
        for (int64_t row = first; row < first + rows; row++)
            for (int64_t column = 0; column < p->side; column++)
                convolve(p, row, column, from, MIN(CHANNELS_AT_ONCE, p->self->dim - from));
    return true;
}

bool mt_ppeg_run(const mt_ppeg *self, const float *x, int64_t side, int threads, float *y, GError **error)
{
    picture p = {.self = self, .x = x + self->dim, .y = y + self->dim, .side = side};
    g_autoptr(mt_row_team) team = mt_row_team_new(NULL, NULL, 0, threads);

    memcpy(y, x, (size_t)self->dim * sizeof *y);
    return mt_row_team_run(team, side, 4, convolve_rows, &p, error);
}
