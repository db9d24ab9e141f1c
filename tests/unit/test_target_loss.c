/* Losses of each task: values from train_expected.py (PyTorch), gradients against finite differences; L-BFGS on functions with known minima. */
#include "tests/unit/labels_sample.h"

#include "src/train/lbfgs.h"
#include "src/train/target_loss.h"

#include <math.h>

#define N 6

static const guint rows[N] = {0, 1, 2, 3, 4, 5};

typedef struct example {
    const char       *text;
    mt_targets_params params;
    bool              class_weights;
    double            expected; /* of the logits below, by train_expected.py */
} example;

static const double logits[N * 3] = {0.5, -1.2, 0.3, 2.0, 0.1, -0.7, -0.4, 0.9, 1.5, 0.0, 0.2, -2.2, 1.1, -0.6, 0.8, -1.9, 0.7, 0.4};

static void check(sample_folder *folder, const example *e)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_labels) labels = sample_labels(folder, e->text, &error);
    g_autoptr(mt_targets) targets = mt_targets_new(labels, &e->params, &error);
    g_assert_no_error(error);
    g_autoptr(mt_target_loss) loss = mt_target_loss_new(targets, rows, N, e->class_weights, &error);
    g_assert_no_error(error);
    int    n = N * mt_target_loss_n_logits(loss);
    double x[N * 3], gradient[N * 3], step = 1e-5;

    for (int i = 0; i < n; i++)
        x[i] = logits[i];
    double value = mt_target_loss_value(loss, x, gradient);
    g_assert_cmpfloat_with_epsilon(value, e->expected, 1e-9);
    g_assert_cmpfloat(mt_target_loss_value(loss, x, NULL), ==, value);
    for (int i = 0; i < n; i++) {
        x[i] = logits[i] + step;
        double above = mt_target_loss_value(loss, x, NULL);
        x[i] = logits[i] - step;
        double below = mt_target_loss_value(loss, x, NULL);
        x[i] = logits[i];
        g_assert_cmpfloat_with_epsilon(gradient[i], (above - below) / (2 * step), 1e-8);
    }
}

static const char classes_text[] = "id,label\na,0\nb,2\nc,1\nd,0\ne,2\nf,0\n";
static const char pair_text[] = "id,label\na,0\nb,1\nc,1\nd,0\ne,0\nf,0\n";
static const char findings_text[] = "id,A,B,C\na,1,0,\nb,,1,1\nc,0,0,0\nd,1,-1,0\ne,,,1\nf,0,1,1\n";
static const char survival_text[] = "id,time,event\na,5,1\nb,2,0\nc,2,1\nd,9,0\ne,7,1\nf,7,1\n";

static void test_values(sample_folder *folder, gconstpointer data)
{
    static const char *const three[] = {"A", "B", "C", NULL}, *const bounds[] = {"3", "6", "9", NULL};
    const example examples[] = {
#include "tests/unit/train_expected.h"
    };

    (void)data;
    for (gsize i = 0; i < G_N_ELEMENTS(examples); i++)
        check(folder, &examples[i]);
}

static void test_no_event(sample_folder *folder, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_labels) labels = sample_labels(folder, "id,time,event\na,5,0\nb,2,0\nc,2,0\nd,9,0\ne,7,0\nf,7,0\n", &error);
    g_autoptr(mt_targets) targets = mt_targets_new(labels, &(mt_targets_params){.task = MT_TASK_COX}, &error);
    g_autoptr(mt_target_loss) loss = mt_target_loss_new(targets, rows, N, false, &error);

    (void)data;
    g_assert_null(loss);
    g_assert_cmpstr(error->message, ==, "nothing to learn from: no event among the cases to train on");
}

/* (x - 1)^2 + 10 (y - x^2)^2 + z^4: least at (1, 1, 0). */
static double valley(void *user, const double *x, double *gradient)
{
    int *calls = user;

    (*calls)++;
    gradient[0] = 2 * (x[0] - 1) - 40 * x[0] * (x[1] - x[0] * x[0]);
    gradient[1] = 20 * (x[1] - x[0] * x[0]);
    gradient[2] = 4 * x[2] * x[2] * x[2];
    return (x[0] - 1) * (x[0] - 1) + 10 * (x[1] - x[0] * x[0]) * (x[1] - x[0] * x[0]) + x[2] * x[2] * x[2] * x[2];
}

static void test_lbfgs(void)
{
    int                   calls = 0;
    double                x[3] = {-1.5, 2, 0.7};
    const mt_lbfgs_params params = {.max_steps = 500, .tolerance = 1e-10, .function = valley, .user = &calls};

    g_assert_true(mt_lbfgs_minimise(&params, x, 3, NULL));
    g_assert_cmpfloat_with_epsilon(x[0], 1, 1e-7);
    g_assert_cmpfloat_with_epsilon(x[1], 1, 1e-7);
    g_assert_cmpfloat_with_epsilon(x[2], 0, 1e-3);
    g_assert_cmpint(calls, <, 400);
}

static bool stop_at_three(void *user, int step, double value)
{
    (void)user;
    (void)value;
    return step < 3;
}

static double nowhere(void *user, const double *x, double *gradient)
{
    (void)user;
    gradient[0] = x[0];
    return NAN;
}

static void test_lbfgs_ends(void)
{
    g_autoptr(GError) error = NULL;
    int                   calls = 0;
    double                x[3] = {-1.5, 2, 0.7}, start = 0;
    const mt_lbfgs_params stopped = {.max_steps = 500, .tolerance = 1e-10, .function = valley, .step = stop_at_three, .user = &calls};
    const mt_lbfgs_params lost = {.max_steps = 5, .function = nowhere};

    g_assert_true(mt_lbfgs_minimise(&stopped, x, 3, NULL));
    g_assert_cmpint(calls, <, 20);
    g_assert_false(mt_lbfgs_minimise(&lost, &start, 1, &error));
    g_assert_cmpstr(error->message, ==, "minimise: the value is not finite where it starts");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/loss/values", sample_folder, NULL, sample_set_up, test_values, sample_tear_down);
    g_test_add("/loss/no-event", sample_folder, NULL, sample_set_up, test_no_event, sample_tear_down);
    g_test_add_func("/lbfgs/minimum", test_lbfgs);
    g_test_add_func("/lbfgs/ends", test_lbfgs_ends);
    return g_test_run();
}
