#include "mil/onnx_head.h"

#include "mil/onnx_inputs.h"
#include "mil/onnx_ports.h"
#include "src/base/alloc.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A prime: no width of a network is a multiple of it. */
#define PROBE_TILES INT64_C(1009)
#define PROBE_COLUMNS 32
#define PROBE_EDGE 512
/* A column that sums to 1 within this is a distribution already (float32 softmax over 1e6 tiles: 1e-4). */
#define SUM_TOLERANCE 1e-3

typedef struct onnx_head {
    mt_model      *model;
    mt_head_inputs inputs;
    int64_t        n_logits;
    mt_head_ports  ports;
    mt_port_role  *roles;
    int            n_outputs;
    double         bytes_per_tile, bytes_per_tile2; /* of a session: linear and quadratic share */
} onnx_head;

static void free_head(void *self)
{
    onnx_head *head = self;

    if (head == NULL)
        return;
    g_clear_pointer(&head->model, mt_model_unref);
    g_free(head->roles);
    g_free(head);
}

/* Slide encoders lay their tiles on a grid as large as the places say, so a session is for these places; the values must stay where
 * they are until its run is over. */
static mt_session *bind_tiles(const onnx_head *head, int64_t n, void *const *values, GError **error)
{
    mt_port           inputs[MT_HEAD_INPUTS];
    const mt_tensor  *fixed[MT_HEAD_INPUTS] = {NULL};
    mt_session_params params = {.backend = MT_BACKEND_AUTO, .threads = 1, .inputs = inputs, .n_inputs = head->inputs.n};

    mt_head_inputs_bind(&head->inputs, n, inputs);
    if (head->inputs.n > 1)
        params.values = fixed;
    for (int i = 0; i < head->inputs.n; i++)
        if (i != head->inputs.index[MT_HEAD_FEATURES])
            fixed[i] = mt_tensor_new_view(inputs[i].dtype, inputs[i].rank, inputs[i].shape, values[i], NULL);
    mt_session *session = mt_session_new(head->model, &params, error);
    for (int i = 0; i < head->inputs.n; i++)
        mt_tensor_unref((mt_tensor *)(uintptr_t)fixed[i]);
    return session;
}

static bool read_nothing(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    const mt_bag *bag = user;

    (void)first;
    (void)error;
    memset(out, 0, (size_t)(count * bag->dim) * sizeof *out);
    return true;
}

static bool read_made_places(void *user, int64_t first, int64_t count, int64_t *xy, GError **error)
{
    const mt_bag *bag = user;

    (void)error;
    for (int64_t i = first; i < first + count; i++) {
        *xy++ = i % PROBE_COLUMNS * PROBE_EDGE;
        *xy++ = i / PROBE_COLUMNS * PROBE_EDGE;
        if (bag->coords_width == 3)
            *xy++ = 0;
    }
    return true;
}

/* For tiles of no slide. */
static mt_session *bind_made(const onnx_head *head, int64_t n, GError **error)
{
    void  *values[MT_HEAD_INPUTS] = {NULL};
    mt_bag bag = {.n = n,
                  .dim = head->inputs.dim,
                  .read = read_nothing,
                  .user = &bag,
                  .read_coords = read_made_places,
                  .coords_width = head->inputs.coords_width,
                  .tile_level0 = PROBE_EDGE};

    mt_session *session = mt_head_inputs_read(&head->inputs, &bag, values, error) ? bind_tiles(head, n, values, error) : NULL;
    mt_head_inputs_clear(values);
    return session;
}

/* Learn the outputs' forms, and how memory grows: b1 = l p + q p^2, b2 = 2 l p + 4 q p^2. */
static bool probe(onnx_head *head, GError **error)
{
    g_autoptr(mt_session) once = bind_made(head, PROBE_TILES, error);

    if (once == NULL)
        return false;
    g_autoptr(mt_session) twice = bind_made(head, 2 * PROBE_TILES, error);
    if (twice == NULL)
        return false;
    double b1 = (double)mt_session_bytes(once), b2 = (double)mt_session_bytes(twice), p = (double)PROBE_TILES;
    head->bytes_per_tile2 = fmax(0, (b2 - 2 * b1) / (2 * p * p));
    head->bytes_per_tile = fmax(0, b1 / p - head->bytes_per_tile2 * p);
    head->n_outputs = mt_model_n_outputs(head->model);
    head->roles = g_new0(mt_port_role, (gsize)head->n_outputs);
    for (int i = 0; i < head->n_outputs; i++) {
        mt_port port = *mt_session_output(once, i);
        port.name = mt_model_output(head->model, i)->name; /* outlives the session */
        head->roles[i] = mt_port_role_of(&port, PROBE_TILES);
    }
    return true;
}

void *mt_onnx_head_new(mt_model *model, const mt_head_card *card, mt_aggregator_shape *shape, GError **error)
{
    onnx_head *head = g_new0(onnx_head, 1);

    head->model = mt_model_ref(model);
    if (!mt_head_inputs_choose(model, &head->inputs, error) || !probe(head, error) ||
        !mt_head_ports_choose(head->roles, head->n_outputs, card, &head->ports, error)) {
        free_head(head);
        return NULL;
    }
    head->n_logits = head->ports.logits >= 0 ? head->roles[head->ports.logits].width : 0;
    *shape = (mt_aggregator_shape){.dim = head->inputs.dim, .n_logits = head->n_logits};
    return head;
}

/* Bag and activations together. */
static double wanted_bytes(const onnx_head *head, int64_t n)
{
    double tiles = (double)n;

    return tiles * mt_head_inputs_bytes(&head->inputs) + tiles * head->bytes_per_tile + tiles * tiles * head->bytes_per_tile2;
}

static float *allocate_output(const onnx_head *head, const mt_session *session, int output, int64_t n, GError **error)
{
    const mt_port      *port = mt_session_output(session, output);
    const mt_port_role *role = &head->roles[output];
    int64_t             count = 1, wanted = role->form == MT_PORT_VECTOR ? role->width : n * role->width;

    for (int i = 0; i < port->rank; i++)
        count *= port->shape[i];
    if (count != wanted) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "output '%s' has %" G_GINT64_FORMAT " values for %" G_GINT64_FORMAT " tiles, %" G_GINT64_FORMAT " are wanted",
                    role->name, count, n, wanted);
        return NULL;
    }
    return mt_alloc(count, sizeof(float), error);
}

static bool allocate_raw(const onnx_head *head, const mt_session *session, int64_t n, mt_raw_output *raw, GError **error)
{
    const mt_head_ports *ports = &head->ports;

    raw->n = n;
    raw->n_logits = head->n_logits;
    raw->probabilities = ports->probabilities;
    if (ports->logits >= 0 && (raw->logits = allocate_output(head, session, ports->logits, n, error)) == NULL)
        return false;
    if (ports->embedding >= 0 && (raw->embedding = allocate_output(head, session, ports->embedding, n, error)) == NULL)
        return false;
    if (ports->attention >= 0 && (raw->attention_logits = allocate_output(head, session, ports->attention, n, error)) == NULL)
        return false;
    raw->dim = ports->embedding >= 0 ? head->roles[ports->embedding].width : 0;
    raw->n_attention = ports->attention >= 0 ? head->roles[ports->attention].width : 0;
    return true;
}

/* (K, n) to (n, K). */
static bool flip(float **values, int64_t n, int64_t k, GError **error)
{
    float *flipped = mt_alloc(n * k, sizeof(float), error);

    if (flipped == NULL)
        return false;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++)
            flipped[i * k + j] = (*values)[j * n + i];
    mt_free(*values);
    *values = flipped;
    return true;
}

static bool is_distribution(const float *values, int64_t n, int64_t k)
{
    for (int64_t j = 0; j < k; j++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            if (!(values[i * k + j] >= 0))
                return false;
            sum += values[i * k + j];
        }
        if (!(fabs(sum - 1) <= SUM_TOLERANCE))
            return false;
    }
    return true;
}

static bool settle_attention(const onnx_head *head, mt_raw_output *raw, GError **error)
{
    int64_t n = raw->n, k = raw->n_attention;

    if (k > 1 && head->roles[head->ports.attention].form == MT_PORT_TILES_FLIPPED && !flip(&raw->attention_logits, n, k, error))
        return false;
    if (k == 0 || !is_distribution(raw->attention_logits, n, k))
        return true;
    raw->attention = mt_alloc(n * k, sizeof(float), error);
    if (raw->attention == NULL)
        return false;
    for (int64_t i = 0; i < n * k; i++) {
        raw->attention[i] = raw->attention_logits[i];
        raw->attention_logits[i] = logf(fmaxf(raw->attention[i], FLT_MIN));
    }
    return true;
}

static bool run(const onnx_head *head, void *const *values, const mt_head_options *options, mt_raw_output *raw, int64_t n, GError **error)
{
    g_autoptr(mt_session) session = bind_tiles(head, n, values, error);

    if (session == NULL)
        return false;
    double bytes = (double)n * mt_head_inputs_bytes(&head->inputs) + (double)mt_session_bytes(session);
    if (head->inputs.coords_width > 0 && !mt_aggregator_check_memory("an ONNX head", n, bytes, options, error)) /* the grid of its places */
        return false;
    if (!allocate_raw(head, session, n, raw, error))
        return false;
    g_autofree void **outputs = g_new0(void *, (gsize)head->n_outputs);
    if (head->ports.logits >= 0)
        outputs[head->ports.logits] = raw->logits;
    if (head->ports.embedding >= 0)
        outputs[head->ports.embedding] = raw->embedding;
    if (head->ports.attention >= 0)
        outputs[head->ports.attention] = raw->attention_logits;
    return mt_session_run(session, (const void *const *)values, outputs, error);
}

static bool predict(const void *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const onnx_head *head = self;
    void            *values[MT_HEAD_INPUTS] = {NULL};

    if (!mt_head_inputs_check(&head->inputs, bag, error) ||
        !mt_aggregator_check_memory("an ONNX head", bag->n, wanted_bytes(head, bag->n), options, error))
        return false;
    bool ok = mt_head_inputs_read(&head->inputs, bag, values, error) && run(head, values, options, raw, bag->n, error);
    mt_head_inputs_clear(values);
    return ok && settle_attention(head, raw, error);
}

const mt_aggregator mt_aggregator_onnx = {"onnx", NULL, NULL, predict, free_head};
