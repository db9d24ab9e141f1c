/* How much of a volume's time is bare patches.  Alternating: every window's patch through the sessions of a team of threads, nothing else;
 * the same with sessions, cutting, blending and label map.  Prints the seconds of each round and the median ratio, of the clock on the wall
 * and, for a machine that has other work too, of the processor.
 *
 * usage: measure_sliding MODEL.onnx WxHxD [THREADS [fp32|bf16|int8 [ROUNDS [FINER]]]]     (make_unet.py makes a model)
 * ROUNDS 0: only the memory is told.  FINER: how many times finer the case's own grid is along each axis, for the way back (default 1). */
#include "src/base/alloc.h"
#include "tiling/label_slabs.h"
#include "tiling/sliding.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_ROUNDS 21

typedef struct setup {
    mt_dense    *dense;
    mt_volume   *volume;
    mt_precision precision;
    int          threads;
    int64_t      windows, bytes;
    double       finer, flop;
} setup;

typedef struct clocks {
    double wall_s, cpu_s;
} clocks;

static double now(void)
{
    return (double)g_get_monotonic_time() / 1e6;
}

static clocks clocks_now(void)
{
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (clocks){now(), (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9};
}

static clocks since(clocks start)
{
    clocks end = clocks_now();

    return (clocks){end.wall_s - start.wall_s, end.cpu_s - start.cpu_s};
}

/* Windows' worth of one patch, by as many sessions as threads, made before the clock starts. */
static clocks bare(setup *s, GError **error)
{
    int64_t patch = mt_dense_patch_voxels(s->dense), next = 0;
    int     members = s->windows < s->threads ? 1 : s->threads, inner = members == 1 ? s->threads : 1;
    clocks  start = {0};
    bool    ok = true;

#pragma omp parallel num_threads(members)
    {
        GError           *failure = NULL;
        mt_dense_session *session = mt_dense_session_new(s->dense, s->precision, inner, &failure);
        float            *input = g_new0(float, patch *mt_dense_inputs(s->dense));
        float            *logits = g_new0(float, patch *mt_dense_get_card(s->dense)->n_labels);
        const bool        never[3] = {false};

        memcpy(input, s->volume->data, (size_t)MIN(patch * mt_dense_inputs(s->dense), mt_volume_voxels(s->volume)) * sizeof *input);
        bool good = session != NULL && mt_dense_session_run(session, input, never, logits, &failure);
#pragma omp barrier
#pragma omp          single
        start = clocks_now();
        while (good && __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) < s->windows)
            good = mt_dense_session_run(session, input, never, logits, &failure);
#pragma omp critical(measure_sliding)
        if (!good && ok) {
            ok = false;
            g_propagate_error(error, failure);
        }
        if (session != NULL)
            s->flop = mt_dense_session_flop(session);
        mt_dense_session_free(session);
        g_free(input);
        g_free(logits);
    }
    return ok ? since(start) : (clocks){NAN, NAN};
}

typedef struct clocked {
    mt_label_slabs *slabs;
    double          seconds;
} clocked;

static bool take_clocked(void *user, int64_t z0, int64_t count, const float *logits, GError **error)
{
    clocked *c = user;
    double   start = now();
    bool     ok = mt_label_slabs_take(c->slabs, z0, count, logits, error);

    c->seconds += now() - start;
    return ok;
}

static clocks whole(setup *s, double *back_s, GError **error)
{
    mt_label_slabs_params back = {.card = mt_dense_get_card(s->dense), .order = 1, .apart = -1, .map_label = -1};
    clocked               c = {0};
    mt_sliding_params     params = {.precision = s->precision, .threads = s->threads, .sink = take_clocked, .sink_user = &c};
    clocks                start = clocks_now();

    for (int a = 0; a < 3; a++) {
        back.grid[a] = s->volume->size[a];
        back.box[a] = back.size[a] = (int64_t)((double)s->volume->size[a] * s->finer + 0.5);
    }
    c.slabs = mt_label_slabs_new(&back, error);
    bool ok = c.slabs != NULL && mt_sliding_run(s->dense, s->volume, &params, error);
    mt_label_slabs_free(c.slabs);
    *back_s = c.seconds;
    return ok ? since(start) : (clocks){NAN, NAN};
}

static int by_value(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static long peak_mb(void)
{
    g_autofree char *text = NULL;
    const char      *line = g_file_get_contents("/proc/self/status", &text, NULL, NULL) ? strstr(text, "VmHWM:") : NULL;

    return line != NULL ? strtol(line + 6, NULL, 10) / 1024 : 0;
}

static bool measure(setup *s, int rounds, GError **error)
{
    double wall[MAX_ROUNDS], cpu[MAX_ROUNDS];

    if (rounds == 0)
        printf("%d windows, %d threads: told %ld MB beside volume and weights\n", (int)s->windows, s->threads, (long)(s->bytes >> 20));
    if (rounds == 0)
        return true;
    for (int i = 0; i < rounds; i++) {
        double back_s = 0;
        clocks patches = bare(s, error), all = isnan(patches.wall_s) ? patches : whole(s, &back_s, error);

        if (isnan(all.wall_s))
            return false;
        wall[i] = all.wall_s / patches.wall_s;
        cpu[i] = all.cpu_s / patches.cpu_s;
        printf(
            "round %d: patches %.2f s (processor %.2f s, %.1f GFLOP/s), whole %.2f s (%.2f s), of it label map %.2f s, ratio %.3f (%.3f)\n",
            i, patches.wall_s, patches.cpu_s, s->flop * (double)s->windows / patches.wall_s / 1e9, all.wall_s, all.cpu_s, back_s, wall[i],
            cpu[i]);
    }
    qsort(wall, (size_t)rounds, sizeof *wall, by_value);
    qsort(cpu, (size_t)rounds, sizeof *cpu, by_value);
    printf("%d windows, %d threads: ratio %.3f (processor %.3f; medians of %d), told %ld MB beside volume and weights, peak of the process "
           "%ld MB\n",
           (int)s->windows, s->threads, wall[rounds / 2], cpu[rounds / 2], rounds, (long)(s->bytes >> 20), peak_mb());
    return true;
}

static bool make_volume(setup *s, const char *text, GError **error)
{
    int64_t size[3];

    if (sscanf(text, "%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT, &size[0], &size[1], &size[2]) != 3) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "WxHxD is wanted, not %s", text);
        return false;
    }
    s->volume = mt_volume_new(size, mt_dense_get_card(s->dense)->n_channels, error);
    for (int64_t i = 0; s->volume != NULL && i < mt_volume_voxels(s->volume) * s->volume->channels; i++)
        s->volume->data[i] = (float)((i * 2654435761U) % 1001) / 500 - 1;
    return s->volume != NULL;
}

int main(int argc, char **argv)
{
    setup             s = {.threads = argc > 3 ? atoi(argv[3]) : 2, .finer = argc > 6 ? atof(argv[6]) : 1};
    mt_sliding_params params = {.threads = s.threads};
    g_autoptr(GError) error = NULL;

    if (argc < 3 || (argc > 4 && !mt_precision_parse(argv[4], &s.precision))) {
        fprintf(stderr, "usage: measure_sliding MODEL.onnx WxHxD [THREADS [fp32|bf16|int8 [ROUNDS [FINER]]]]\n");
        return 64;
    }
    omp_set_num_threads(s.threads);
    params.precision = s.precision;
    s.dense = mt_dense_load(argv[1], &error);
    bool ok = s.dense != NULL && make_volume(&s, argv[2], &error) &&
              mt_sliding_windows(s.dense, s.volume->size, &params, &s.windows, &error) &&
              mt_sliding_bytes(s.dense, s.volume->size, &params, &s.bytes, &error) &&
              measure(&s, argc > 5 ? CLAMP(atoi(argv[5]), 0, MAX_ROUNDS) : 3, &error);
    if (!ok)
        fprintf(stderr, "measure_sliding: %s\n", error->message);
    mt_volume_free(s.volume);
    mt_dense_unref(s.dense);
    return ok ? 0 : 1;
}
