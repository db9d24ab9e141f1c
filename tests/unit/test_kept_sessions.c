/* Sessions between cases: the same one again where it is bound alike, the oldest freed where there is no room. */
#include "src/encoder/kept_sessions.h"

#include <microtome/error.h>

typedef struct fixture {
    mt_model         *model;
    mt_kept_sessions *kept;
    mt_port           input;
    mt_session_params params;
} fixture;

static void set_up(fixture *f, gconstpointer data)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "..", "samples", "encoders", "demo.onnx", NULL);
    GError          *error = NULL;

    (void)data;
    f->model = mt_model_load(path, &error);
    g_assert_no_error(error);
    f->kept = mt_kept_sessions_new();
    f->input = *mt_model_input(f->model, 0);
    f->input.shape[0] = 1;
    f->params = (mt_session_params){.threads = 1, .inputs = &f->input, .n_inputs = 1};
}

static void tear_down(fixture *f, gconstpointer data)
{
    (void)data;
    mt_kept_sessions_free(f->kept);
    mt_model_unref(f->model);
}

static mt_session *take(fixture *f, int64_t batch, int threads)
{
    GError *error = NULL;

    f->input.shape[0] = batch;
    f->params.threads = threads;
    mt_session *session = mt_kept_sessions_take(f->kept, f->model, &f->params, &error);
    g_assert_no_error(error);
    return session;
}

static void test_alike(fixture *f, gconstpointer data)
{
    mt_session *one = take(f, 1, 1), *other = take(f, 1, 1);

    (void)data;
    g_assert_true(one != other); /* in use at once */
    mt_kept_sessions_give(f->kept, one);
    mt_session *batch = take(f, 2, 1), *threads = take(f, 1, 2);
    g_assert_true(batch != one && threads != one);
    g_assert_true(take(f, 1, 1) == one);
    mt_kept_sessions_give(f->kept, other);
    g_assert_true(take(f, 1, 1) == other);
    mt_kept_sessions_give(f->kept, NULL);
    mt_session *all[] = {one, other, batch, threads};
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        mt_kept_sessions_give(f->kept, all[i]);
}

/* Of sessions that together are too large the one given back last stays. */
static void test_room(fixture *f, gconstpointer data)
{
    mt_session *small = take(f, 1, 1);
    int64_t     batch = (int64_t)(MT_KEPT_SESSIONS_BYTES / mt_session_bytes(small)) - 1;
    mt_session *large = take(f, batch, 1), *second = take(f, batch - 1, 1);

    (void)data;
    g_assert_cmpuint(mt_session_bytes(large) + mt_session_bytes(second), >, MT_KEPT_SESSIONS_BYTES);
    g_assert_cmpuint(mt_session_bytes(large), <, MT_KEPT_SESSIONS_BYTES);
    mt_kept_sessions_give(f->kept, large);
    mt_kept_sessions_give(f->kept, second);
    g_assert_true(take(f, batch - 1, 1) == second);
    mt_kept_sessions_give(f->kept, second);
    mt_kept_sessions_give(f->kept, small);
    g_assert_true(take(f, 1, 1) == small);
    mt_kept_sessions_give(f->kept, small);
}

static void test_refused(fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    f->params.threads = 0;
    g_assert_null(mt_kept_sessions_take(f->kept, f->model, &f->params, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/kept_sessions/alike", fixture, NULL, set_up, test_alike, tear_down);
    g_test_add("/kept_sessions/room", fixture, NULL, set_up, test_room, tear_down);
    g_test_add("/kept_sessions/refused", fixture, NULL, set_up, test_refused, tear_down);
    return g_test_run();
}
