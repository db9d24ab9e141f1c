/* Many threads making and running sessions of one encoder at once: they share its compiled graph and its packed weights. */
#include "kernels/onnx/model_private.h"
#include "tests/threads/shared_scene.h"

#include <microtome/engine.h>

#define N_THREADS 8
#define N_ROUNDS 6
#define N_TILES 6
#define CARD "[encoder]\nsize_px=32\nvalue=rgb8\nmean=0.5\nstd=0.25\nbatch=4\n"

static const mt_backend backends[] = {MT_BACKEND_AUTO, MT_BACKEND_REFERENCE};

/* N_TILES tiles of noise in batches of `batch`, through a session of their own. */
static float *encode(mt_encoder *encoder, mt_backend backend, int batch, uint32_t seed, int n)
{
    int                 edge = mt_encoder_card(encoder)->size_px;
    g_autofree uint8_t *rgb = g_malloc((size_t)(edge * edge * 3));
    mt_tile_pixels      pixels = {MT_U8, 3, edge, edge, rgb};
    int64_t             dim = mt_encoder_dim(encoder);
    float              *features = g_new0(float, n *dim);
    g_autoptr(mt_encoder_session) session = mt_encoder_session_new(encoder, backend, MT_PRECISION_FP32, batch, 1, NULL);

    g_assert_nonnull(session);
    for (int first = 0; first < n; first += batch) {
        int filled = MIN(batch, n - first);
        for (int slot = 0; slot < filled; slot++) {
            fill_noise(rgb, (size_t)(edge * edge * 3), seed + (uint32_t)(first + slot) + 1);
            g_assert_true(mt_encoder_session_put(session, slot, &pixels, NULL));
        }
        g_assert_true(mt_encoder_session_run(session, filled, features + first * dim, NULL));
    }
    return features;
}

typedef struct worker {
    mt_encoder *encoder;
    uint32_t    number;
    int         rounds, tiles;
    float      *features[N_ROUNDS];
} worker;

static mt_backend backend_of(uint32_t number, int round)
{
    return backends[(number + (uint32_t)round) % 2];
}

static int batch_of(uint32_t number, int round)
{
    return 1 << ((number + (uint32_t)round / 2) % 3);
}

static void *work(void *data)
{
    worker *w = data;

    mt_encoder_ref(w->encoder);
    for (int round = 0; round < w->rounds; round++)
        w->features[round] = encode(w->encoder, backend_of(w->number, round), batch_of(w->number, round), 10 * w->number, w->tiles);
    mt_encoder_unref(w->encoder);
    return NULL;
}

static size_t packed_bytes(mt_encoder *encoder)
{
    return mt_compiled_packed_bytes(mt_model_compiled(mt_encoder_model(encoder), false, NULL));
}

/* `lone` is the same model, loaded a second time: its sessions are made one after the other. */
static void check_encoder(mt_encoder *shared, mt_encoder *lone, uint32_t n_threads, int rounds, int tiles)
{
    size_t   bytes = (size_t)(tiles * mt_encoder_dim(lone)) * sizeof(float);
    GThread *threads[N_THREADS];
    worker   workers[N_THREADS];

    for (uint32_t i = 0; i < n_threads; i++) {
        workers[i] = (worker){.encoder = shared, .number = i, .rounds = rounds, .tiles = tiles};
        threads[i] = g_thread_new("session", work, &workers[i]);
    }
    for (uint32_t i = 0; i < n_threads; i++)
        g_thread_join(threads[i]);
    for (uint32_t i = 0; i < n_threads; i++) {
        for (int round = 0; round < rounds; round++) {
            g_autofree float *got = workers[i].features[round];
            g_autofree float *want = encode(lone, backend_of(i, round), batch_of(i, round), 10 * i, tiles);

            g_assert_cmpmem(got, bytes, want, bytes);
        }
    }
    g_assert_cmpuint(packed_bytes(shared), ==, packed_bytes(lone));
}

static void test_shared(void)
{
    g_autoptr(mt_encoder) shared = load_encoder("unit/data/encoder", "open", CARD);
    g_autoptr(mt_encoder) lone = load_encoder("unit/data/encoder", "open", CARD);

    check_encoder(shared, lone, N_THREADS, N_ROUNDS, N_TILES);
}

static void *load_demo(void *unused)
{
    const mt_engine_library *libraries = mt_engine_libraries();

    (void)unused;
    g_assert_cmpstr(libraries[0].name, ==, "microtome");
    return mt_encoder_load("builtin:demo", NULL);
}

/* Loaded by several threads at once, then one of them shared by all. */
static void test_demo(void)
{
    GThread    *threads[4];
    mt_encoder *encoders[4];

    for (int i = 0; i < 4; i++)
        threads[i] = g_thread_new("load", load_demo, NULL);
    for (int i = 0; i < 4; i++) {
        encoders[i] = g_thread_join(threads[i]);
        g_assert_nonnull(encoders[i]);
        g_assert_cmpstr(mt_model_sha256(mt_encoder_model(encoders[i])), ==, mt_model_sha256(mt_encoder_model(encoders[0])));
    }
    check_encoder(encoders[0], encoders[1], 4, 2, 2);
    for (int i = 0; i < 4; i++)
        mt_encoder_unref(encoders[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_test_folder("mt-sessions-XXXXXX");
    g_test_add_func("/sessions/shared", test_shared);
    g_test_add_func("/sessions/demo", test_demo);
    int result = g_test_run();

    remove_test_folder();
    return result;
}
