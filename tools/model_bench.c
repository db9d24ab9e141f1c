#include "tools/model_bench.h"

#include "src/base/alloc.h"

#include <stdio.h>
#include <string.h>

typedef struct lane {
    mt_session *session;
    void      **inputs, **outputs;
    int64_t     runs;
} lane;

/* Open dimensions: the first is the batch, the others keep 224 for pixels of images and 1 elsewhere. */
static void bind_ports(const mt_model *model, int batch, mt_port *ports)
{
    for (int i = 0; i < mt_model_n_inputs(model); i++) {
        ports[i] = *mt_model_input(model, i);
        for (int k = 0; k < ports[i].rank; k++)
            if (ports[i].shape[k] < 0)
                ports[i].shape[k] = k == 0 ? batch : ports[i].rank == 4 && k >= 2 ? 224 : 1;
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

static bool open_lane(lane *l, mt_model *model, const mt_session_params *params, GError **error)
{
    l->session = mt_session_new(model, params, error);
    if (l->session == NULL)
        return false;
    l->inputs = g_new0(void *, params->n_inputs);
    l->outputs = g_new0(void *, mt_model_n_outputs(model));
    for (int i = 0; i < params->n_inputs; i++) {
        l->inputs[i] = mt_alloc(port_bytes(&params->inputs[i]), 1, error);
        if (l->inputs[i] == NULL)
            return false;
        fill(&params->inputs[i], l->inputs[i]);
    }
    for (int i = 0; i < mt_model_n_outputs(model); i++)
        if ((l->outputs[i] = mt_alloc(port_bytes(mt_session_output(l->session, i)), 1, error)) == NULL)
            return false;
    return mt_session_run(l->session, (const void *const *)l->inputs, l->outputs, error); /* warm */
}

static void close_lane(lane *l, const mt_model *model)
{
    for (int i = 0; l->inputs != NULL && i < mt_model_n_inputs(model); i++)
        mt_free(l->inputs[i]);
    for (int i = 0; l->outputs != NULL && i < mt_model_n_outputs(model); i++)
        mt_free(l->outputs[i]);
    g_free(l->inputs);
    g_free(l->outputs);
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

/* One thread's share: its own session, as many runs as fit. */
static void work(lane *l, mt_model *model, const mt_session_params *params, gint64 *deadline_us, double seconds, GError **error)
{
    bool ok = open_lane(l, model, params, error);

#pragma omp barrier
#pragma omp single
    *deadline_us = g_get_monotonic_time() + (gint64)(seconds * 1e6);
    while (ok && (g_get_monotonic_time() < *deadline_us || l->runs == 0)) {
        ok = mt_session_run(l->session, (const void *const *)l->inputs, l->outputs, error);
        l->runs++;
    }
}

static void sum_up(mt_model_bench *bench, const lane *lanes, gint64 start_us, int64_t batch)
{
    double flop = 0;

    bench->measured_s = (double)(g_get_monotonic_time() - start_us) / 1e6;
    for (int i = 0; i < bench->threads; i++) {
        bench->items += lanes[i].runs * batch;
        flop += (double)lanes[i].runs * mt_session_flop(lanes[i].session);
    }
    bench->items_per_second = (double)bench->items / bench->measured_s;
    bench->gflops = flop / bench->measured_s / 1e9;
    bench->peak_rss_mb = peak_rss_mb();
    bench->table = bench->profile ? mt_session_profile(lanes[0].session) : NULL;
}

bool mt_model_bench_run(mt_model_bench *bench, mt_model *model, GError **error)
{
    int                 n = bench->threads;
    g_autofree mt_port *ports = g_new0(mt_port, mt_model_n_inputs(model));
    g_autofree lane    *lanes = g_new0(lane, n);
    g_autofree GError **errors = g_new0(GError *, n);
    gint64              deadline_us = 0;
    bool                ok = true;

    bind_ports(model, bench->batch, ports);
    mt_session_params params = {
        .precision = bench->precision, .threads = 1, .inputs = ports, .n_inputs = mt_model_n_inputs(model), .profile = bench->profile};
    int next = 0;
#pragma omp parallel num_threads(n)
    {
        int i;
#pragma omp atomic capture
        i = next++;
        work(&lanes[i], model, &params, &deadline_us, bench->seconds, &errors[i]);
    }
    for (int i = 0; i < n; i++)
        if (errors[i] != NULL) {
            ok = false;
            if (error != NULL && *error == NULL)
                g_propagate_error(error, errors[i]);
            else
                g_error_free(errors[i]);
        }
    if (ok)
        sum_up(bench, lanes, deadline_us - (gint64)(bench->seconds * 1e6), ports[0].rank > 0 ? ports[0].shape[0] : 1);
    for (int i = 0; i < n; i++)
        close_lane(&lanes[i], model);
    return ok;
}
