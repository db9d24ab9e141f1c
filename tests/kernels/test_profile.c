/* What a session tells about its steps, and the yardstick beside them. */
#include "kernels/graph/model_from_graph.h"
#include "tests/kernels/graph_maker.h"

#include <string.h>

/* Conv -> Relu -> Hardmax, which no primitive does. */
static mt_model *make_model(void)
{
    maker     m = maker_new(1, 14);
    mt_value *x = mt_graph_add_input(m.graph, "pixels", MT_F32, 4, (int64_t[]){2, 3, 8, 8});
    mt_value *y = OP(&m, "Hardmax", OP(&m, "Relu", OP(&m, "Conv", x, maker_constant(&m, 1, 0, DIMS(16, 3, 3, 3)))));

    mt_graph_mark_output(m.graph, y);
    mt_model *model = mt_model_new_from_graph(g_steal_pointer(&m.graph), "small", NULL);
    maker_clear(&m);
    return model;
}

static mt_session *make_session(mt_model *model, mt_backend backend, bool profile)
{
    mt_session_params params = {.backend = backend, .threads = 1, .inputs = mt_model_input(model, 0), .n_inputs = 1, .profile = profile};

    return mt_session_new(model, &params, NULL);
}

static void run(mt_session *session)
{
    g_autofree float *x = g_new0(float, 2 * 3 * 8 * 8), *y = g_new0(float, 2 * 16 * 6 * 6);

    g_assert_true(mt_session_run(session, (const void *[]){x}, (void *[]){y}, NULL));
}

static bool find(const mt_session *session, const char *op, mt_step_info *info)
{
    for (int i = 0; mt_session_step_info(session, i, info); i++)
        if (strcmp(info->op, op) == 0)
            return true;
    return false;
}

static void test_steps(void)
{
    g_autoptr(mt_model) model = make_model();
    g_autoptr(mt_session) session = make_session(model, MT_BACKEND_REFERENCE, true);
    mt_step_info info;
    double       seconds = 0;

    run(session);
    run(session);
    g_assert_cmpint(mt_session_n_steps(session), ==, 3);
    g_assert_false(mt_session_step_info(session, 3, &info));
    g_assert_false(mt_session_step_info(session, -1, &info));
    for (int i = 0; mt_session_step_info(session, i, &info); i++) {
        g_assert_cmpstr(info.implementation, ==, "reference");
        g_assert_null(info.reason);
        seconds += info.seconds;
    }
    g_assert_cmpfloat(seconds, >, 0);
    g_assert_true(find(session, "Conv", &info));
    g_assert_cmpfloat(info.flop, ==, 2.0 * 2 * 16 * 6 * 6 * 3 * 3 * 3);
    g_assert_true(find(session, "Relu", &info));
    g_assert_cmpfloat(info.flop, ==, 0);
}

/* What has no primitive says so; the work stays with the primitive that the Relu was fused into. */
static void test_reasons(void)
{
    g_autoptr(mt_model) model = make_model();
    g_autoptr(mt_session) session = make_session(model, MT_BACKEND_ONEDNN, false);
    mt_step_info info;

    if (session == NULL) {
        g_test_skip("built without oneDNN");
        return;
    }
    run(session);
    g_assert_true(find(session, "Hardmax", &info));
    g_assert_cmpstr(info.implementation, ==, "reference");
    g_assert_cmpstr(info.reason, ==, "no primitive does this operator");
    g_assert_true(find(session, "Conv", &info));
    g_assert_cmpstr(info.implementation, !=, "reference");
    g_assert_null(info.reason);
    g_assert_cmpfloat(info.flop, ==, mt_session_flop(session));
    g_assert_cmpfloat(info.seconds, ==, 0);
    g_assert_false(find(session, "Relu", &info));
}

static mt_value *matrix(maker *m, const char *name, int64_t rows, int64_t columns)
{
    return mt_graph_add_input(m->graph, name, MT_F32, 4, (int64_t[]){1, 2, rows, columns});
}

/* Fused attention keeps the work of its two products. */
static void test_attention_work(void)
{
    maker     m = maker_new(1, 14);
    mt_value *q = matrix(&m, "q", 5, 8), *k = matrix(&m, "k", 8, 7), *v = matrix(&m, "v", 7, 8);
    mt_value *y = OP(&m, "MatMul", OP(&m, "Softmax", OP(&m, "MatMul", q, k)), v);

    mt_graph_mark_output(m.graph, y);
    g_autoptr(mt_model) model = mt_model_new_from_graph(g_steal_pointer(&m.graph), "attention", NULL);
    mt_port           ports[] = {*mt_model_input(model, 0), *mt_model_input(model, 1), *mt_model_input(model, 2)};
    mt_session_params params = {.threads = 1, .inputs = ports, .n_inputs = 3};
    g_autoptr(mt_session) session = mt_session_new(model, &params, NULL);
    mt_step_info info;
    double       flop = 0;

    maker_clear(&m);
    for (int i = 0; mt_session_step_info(session, i, &info); i++)
        flop += info.flop;
    g_assert_cmpfloat(flop, ==, 2.0 * 2 * 5 * 7 * (8 + 8));
    g_assert_cmpfloat(flop, ==, mt_session_flop(session));
}

static void test_peak(void)
{
    g_autoptr(mt_model) model = make_model();
    g_autoptr(mt_session) session = make_session(model, MT_BACKEND_ONEDNN, false);
    double one = mt_engine_peak_gflops(MT_PRECISION_FP32, 1, 0.001), two = mt_engine_peak_gflops(MT_PRECISION_FP32, 2, 0.001);

    g_assert_true(session != NULL ? one > 0 && two > 0 : one == 0 && two == 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/profile/steps", test_steps);
    g_test_add_func("/profile/reasons", test_reasons);
    g_test_add_func("/profile/attention-work", test_attention_work);
    g_test_add_func("/profile/peak", test_peak);
    return g_test_run();
}
