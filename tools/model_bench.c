#include "tools/model_bench.h"

#include "src/base/alloc.h"

#include <stdio.h>
#include <string.h>

typedef struct lane {
    mt_session *session;
    void      **inputs, **outputs;
    int64_t     runs;
    GPtrArray  *warm; /* steps before the measurement */
} lane;

/* What the threads of one measurement share. */
typedef struct team {
    mt_model                *model;
    const mt_session_params *params;
    gint64                   began_us, deadline_us;
} team;

bool mt_model_bench_parse_size(const char *text, int64_t size[3])
{
    g_auto(GStrv) edges = g_strsplit(text, "x", -1);
    guint n = g_strv_length(edges);

    for (guint i = 0; i < MIN(n, 3); i++)
        if (!g_ascii_string_to_signed(g_strstrip(edges[i]), 10, 1, 4096, &size[i], NULL))
            return false;
    return n == 2 || n == 3;
}

/* What MODEL.card says of the pixels; nothing where it does not. */
static void size_of_card(const char *path, int64_t size[3])
{
    size_t           stem = strlen(path) - (g_str_has_suffix(path, ".onnx") ? strlen(".onnx") : 0);
    g_autofree char *card = g_strdup_printf("%.*s.card", (int)stem, path);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *text =
        g_key_file_load_from_file(file, card, G_KEY_FILE_NONE, NULL) ? g_key_file_get_string(file, "encoder", "size_px", NULL) : NULL;

    if (text != NULL && strchr(text, 'x') == NULL && g_ascii_string_to_signed(text, 10, 1, 4096, &size[0], NULL))
        size[1] = size[0];
    else if (text != NULL && !mt_model_bench_parse_size(text, size))
        memset(size, 0, 3 * sizeof *size);
}

/* Open dimensions: the first is the batch, those of pixels have the size, or 224 for images, and 1 elsewhere. */
static void bind_ports(const mt_model *model, int batch, const int64_t size[3], mt_port *ports)
{
    for (int i = 0; i < mt_model_n_inputs(model); i++) {
        ports[i] = *mt_model_input(model, i);
        int rank = ports[i].rank;
        for (int k = 0; k < rank; k++) {
            int64_t wanted = rank >= 4 && k >= 2 && rank - 1 - k < 3 ? size[rank - 1 - k] : 0;

            if (ports[i].shape[k] < 0)
                ports[i].shape[k] = k == 0 ? batch : wanted > 0 ? wanted : rank == 4 && k >= 2 ? 224 : 1;
        }
    }
}

static int64_t port_bytes(const mt_port *port)
{
    int64_t bytes = (int64_t)mt_dtype_size(port->dtype);

    for (int k = 0; k < port->rank; k++)
        bytes *= port->shape[k];
    return bytes;
}

/* Numbers in [-1, 1) from a fixed generator; zero for whole-number inputs. */
static void fill(const mt_port *port, void *data)
{
    uint32_t state = 1;

    for (int64_t i = 0, n = port_bytes(port) / 4; port->dtype == MT_F32 && i < n; i++) {
        state = state * 1664525u + 1013904223u;
        ((float *)data)[i] = (float)(state >> 8) / (float)(1 << 23) - 1;
    }
}

static void free_step(gpointer data)
{
    mt_step_info *step = data;

    g_free((char *)step->node);
    g_free((char *)step->op);
    g_free((char *)step->implementation);
    g_free((char *)step->reason);
    g_free(step);
}

GPtrArray *mt_list_steps(const mt_session *session)
{
    GPtrArray   *list = g_ptr_array_new_with_free_func(free_step);
    mt_step_info info;

    for (int i = 0; mt_session_step_info(session, i, &info); i++) {
        mt_step_info *copy = g_memdup2(&info, sizeof info);

        copy->node = g_strdup(info.node);
        copy->op = g_strdup(info.op);
        copy->implementation = g_strdup(info.implementation);
        copy->reason = g_strdup(info.reason);
        g_ptr_array_add(list, copy);
    }
    return list;
}

/* Arrays and a run to warm up. */
static bool prepare_lane(lane *l, const team *t, GError **error)
{
    l->inputs = g_new0(void *, t->params->n_inputs);
    l->outputs = g_new0(void *, mt_model_n_outputs(t->model));
    for (int i = 0; i < t->params->n_inputs; i++) {
        l->inputs[i] = mt_alloc(port_bytes(&t->params->inputs[i]), 1, error);
        if (l->inputs[i] == NULL)
            return false;
        fill(&t->params->inputs[i], l->inputs[i]);
    }
    for (int i = 0; i < mt_model_n_outputs(t->model); i++)
        if ((l->outputs[i] = mt_alloc(port_bytes(mt_session_output(l->session, i)), 1, error)) == NULL)
            return false;
    if (!mt_session_run(l->session, (const void *const *)l->inputs, l->outputs, error))
        return false;
    l->warm = mt_list_steps(l->session);
    return true;
}

static void close_lane(lane *l, const mt_model *model)
{
    for (int i = 0; l->inputs != NULL && i < mt_model_n_inputs(model); i++)
        mt_free(l->inputs[i]);
    for (int i = 0; l->outputs != NULL && i < mt_model_n_outputs(model); i++)
        mt_free(l->outputs[i]);
    g_free(l->inputs);
    g_free(l->outputs);
    g_clear_pointer(&l->warm, g_ptr_array_unref);
    g_clear_pointer(&l->session, mt_session_free);
}

static double peak_rss_mb(void)
{
    g_autofree char *status = NULL;
    const char      *line;

    if (!g_file_get_contents("/proc/self/status", &status, NULL, NULL) || (line = strstr(status, "VmHWM:")) == NULL)
        return 0;
    return g_ascii_strtod(line + strlen("VmHWM:"), NULL) * 1024 / 1e6;
}

static double seconds_since(gint64 begin_us)
{
    return (double)(g_get_monotonic_time() - begin_us) / 1e6;
}

/* One thread's share: its own session, as many runs as fit. */
static void work(lane *l, team *t, mt_model_bench *bench, GError **error)
{
    l->session = mt_session_new(t->model, t->params, error);
    bool ok = l->session != NULL;

#pragma omp barrier
#pragma omp single
    {
        bench->sessions_s = seconds_since(t->began_us) - bench->import_s;
        mt_model_sha256(t->model); /* waits: the measurement is not to share the CPU with it */
        bench->load_s = seconds_since(t->began_us);
    }
    ok = ok && prepare_lane(l, t, error);
#pragma omp barrier
#pragma omp single
    t->deadline_us = g_get_monotonic_time() + (gint64)(bench->seconds * 1e6);
    while (ok && (g_get_monotonic_time() < t->deadline_us || l->runs == 0)) {
        ok = mt_session_run(l->session, (const void *const *)l->inputs, l->outputs, error);
        l->runs++;
    }
}

/* All lanes run the same steps. */
static GPtrArray *sum_steps(const lane *lanes, int n)
{
    GPtrArray *sum = mt_list_steps(lanes[0].session);

    for (guint i = 0; i < sum->len; i++) {
        mt_step_info *step = sum->pdata[i], other;

        step->seconds = 0;
        for (int k = 0; k < n; k++)
            if (mt_session_step_info(lanes[k].session, (int)i, &other))
                step->seconds += other.seconds - ((const mt_step_info *)lanes[k].warm->pdata[i])->seconds;
    }
    return sum;
}

static void sum_up(mt_model_bench *bench, const lane *lanes, gint64 start_us, int64_t batch)
{
    double flop = 0;

    bench->measured_s = seconds_since(start_us);
    for (int i = 0; i < bench->threads; i++) {
        bench->runs += lanes[i].runs;
        flop += (double)lanes[i].runs * mt_session_flop(lanes[i].session);
    }
    bench->items = bench->runs * batch;
    bench->items_per_second = (double)bench->items / bench->measured_s;
    bench->gflops = flop / bench->measured_s / 1e9;
    bench->peak_rss_mb = peak_rss_mb();
    bench->steps = sum_steps(lanes, bench->threads);
}

static bool first_error(GError **errors, int n, GError **error)
{
    bool ok = true;

    for (int i = 0; i < n; i++) {
        if (errors[i] == NULL)
            continue;
        if (ok)
            g_propagate_error(error, errors[i]);
        else
            g_error_free(errors[i]);
        ok = false;
    }
    return ok;
}

static bool measure(mt_model_bench *bench, team *t, int64_t batch, GError **error)
{
    int                 n = bench->threads, next = 0;
    g_autofree lane    *lanes = g_new0(lane, n);
    g_autofree GError **errors = g_new0(GError *, n);

#pragma omp parallel num_threads(n)
    {
        int i;
#pragma omp atomic capture
        i = next++;
        work(&lanes[i], t, bench, &errors[i]);
    }
    bool ok = first_error(errors, n, error);
    if (ok)
        sum_up(bench, lanes, t->deadline_us - (gint64)(bench->seconds * 1e6), batch);
    for (int i = 0; i < n; i++)
        close_lane(&lanes[i], t->model);
    return ok;
}

#define PEAK_S 0.3

bool mt_model_bench_run(mt_model_bench *bench, const char *path, GError **error)
{
    gint64 began_us = g_get_monotonic_time();
    g_autoptr(mt_model) model = mt_model_load(path, error);

    if (model == NULL)
        return false;
    bench->import_s = seconds_since(began_us);
    g_autofree mt_port *ports = g_new0(mt_port, mt_model_n_inputs(model));
    if (bench->size[0] == 0)
        size_of_card(path, bench->size);
    bind_ports(model, bench->batch, bench->size, ports);
    mt_session_params params = {
        .precision = bench->precision, .threads = 1, .inputs = ports, .n_inputs = mt_model_n_inputs(model), .profile = bench->profile};
    team t = {.model = model, .params = &params, .began_us = began_us};
    if (!measure(bench, &t, ports[0].rank > 0 ? ports[0].shape[0] : 1, error))
        return false;
    bench->peak_gflops = mt_engine_peak_gflops(bench->precision, bench->threads, PEAK_S);
    return true;
}

void mt_model_bench_clear(mt_model_bench *bench)
{
    g_clear_pointer(&bench->steps, g_ptr_array_unref);
}
