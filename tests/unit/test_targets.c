/* Targets of each task, and what a labels file is refused for. */
#include "tests/unit/labels_sample.h"

#include "src/evaluate/targets.h"

#include <math.h>

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

static mt_targets *targets_of(const sample_folder *folder, const char *text, const mt_targets_params *params, GError **error)
{
    g_autoptr(mt_labels) labels = sample_labels(folder, text, error);

    g_assert_nonnull(labels);
    return mt_targets_new(labels, params, error);
}

static mt_targets *good(const sample_folder *folder, const char *text, const mt_targets_params *params)
{
    GError     *error = NULL;
    mt_targets *t = targets_of(folder, text, params, &error);

    g_assert_no_error(error);
    return t;
}

static void refuse(const sample_folder *folder, const char *text, mt_targets_params params, int code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_targets) t = targets_of(folder, text, &params, &error);

    g_assert_null(t);
    sample_expect(folder, error, code, message);
}

static void expect_labels(const mt_targets *t, const char *joined)
{
    g_autofree char *labels = g_strjoinv(";", (char **)(uintptr_t)mt_targets_labels(t));

    g_assert_cmpstr(labels, ==, joined);
}

static void test_binary(sample_folder *folder, gconstpointer data)
{
    static const char text[] = "id,label\na,tumour\nb,normal\nc,\nd,tumour\n";
    g_autoptr(mt_targets) t = good(folder, text, &(mt_targets_params){.task = MT_TASK_BINARY, .positive = "normal"});

    (void)data;
    expect_labels(t, "tumour;normal");
    g_assert_cmpstr(mt_targets_positive(t), ==, "normal");
    g_assert_cmpuint(mt_targets_n(t), ==, 4);
    g_assert_cmpuint(mt_targets_n_unknown(t), ==, 1);
    g_assert_false(mt_targets_known(t, 2));
    g_assert_cmpint(mt_targets_class(t, 0), ==, 0);
    g_assert_cmpint(mt_targets_class(t, 1), ==, 1);
    g_assert_cmpint(mt_targets_class(t, 2), ==, -1);
    g_assert_cmpfloat(mt_targets_holds(t, 1, 1), ==, 1);
    g_assert_cmpfloat(mt_targets_holds(t, 1, 0), ==, 0);
    g_assert_true(isnan(mt_targets_holds(t, 2, 0)));
    g_assert_true(isnan(mt_targets_time(t, 0)));
    g_assert_false(mt_targets_event(t, 0));
    g_autoptr(mt_targets) numbers = good(folder, "id,label\na,1\nb,0\n", &(mt_targets_params){.task = MT_TASK_BINARY});
    g_assert_cmpstr(mt_targets_positive(numbers), ==, "1");
    g_autoptr(mt_targets) one = good(folder, text, &(mt_targets_params){.task = MT_TASK_BINARY, .labels = LABELS("tumour")});
    expect_labels(one, "normal;tumour");
}

static void test_binary_refused(sample_folder *folder, gconstpointer data)
{
    static const char text[] = "id,label\na,tumour\nb,normal\n";

    (void)data;
    refuse(folder, text, (mt_targets_params){0}, MT_ERROR_USAGE,
           "labels %s: which of 'normal' and 'tumour' is the positive one? Say it with --positive");
    refuse(folder, text, (mt_targets_params){.positive = "tumor"}, MT_ERROR_USAGE,
           "the positive label 'tumor' is not among those of %s: normal, tumour");
    refuse(folder, text, (mt_targets_params){.labels = LABELS("normal", "tumor")}, MT_ERROR_INPUT,
           "labels %s: line 2: unknown label 'tumour'; known are: normal, tumor");
    refuse(folder, text, (mt_targets_params){.labels = LABELS("a", "a")}, MT_ERROR_USAGE, "the labels to learn: twice a");
    refuse(folder, text, (mt_targets_params){.labels = LABELS("a", "")}, MT_ERROR_USAGE, "the labels to learn: one has no name");
    refuse(folder, text, (mt_targets_params){.column = "grade"}, MT_ERROR_INPUT,
           "labels %s: no column 'grade': name the column of the labels");
    refuse(folder, "id,label\na,x\nb,y\nc,z\n", (mt_targets_params){.positive = "x"}, MT_ERROR_INPUT,
           "labels %s: column 'label' holds 3 labels (x, y, z): a binary task has two");
    refuse(folder, "id,label\na,x\nb,x\n", (mt_targets_params){.positive = "x"}, MT_ERROR_INPUT,
           "labels %s: column 'label' holds the one label x: two labels at least are needed");
    refuse(folder, "id,label\na,\n", (mt_targets_params){.positive = "x"}, MT_ERROR_INPUT,
           "labels %s: column 'label' holds no label: two labels at least are needed");
}

static void test_multiclass(sample_folder *folder, gconstpointer data)
{
    static const char text[] = "id,label\na,10\nb,9\nc,2\n";
    g_autoptr(mt_targets) t = good(folder, text, &(mt_targets_params){.task = MT_TASK_MULTICLASS, .positive = "9"});

    (void)data;
    expect_labels(t, "2;9;10");
    g_assert_cmpint(mt_targets_class(t, 0), ==, 2);
    g_assert_cmpint(mt_targets_stratum(t, 1), ==, 1);
    g_assert_cmpstr(mt_targets_positive(t), ==, "9");
    refuse(folder, text, (mt_targets_params){.task = MT_TASK_MULTICLASS, .positive = "3"}, MT_ERROR_USAGE,
           "the positive label '3' is not among those of %s: 2, 9, 10");
}

static void test_ordinal(sample_folder *folder, gconstpointer data)
{
    g_autoptr(mt_targets) t = good(folder, "id,label\na,4\nb,0\nc,2\n", &(mt_targets_params){.task = MT_TASK_ORDINAL});
    g_autoptr(mt_targets) named =
        good(folder, "id,grade\na,severe\nb,mild\n",
             &(mt_targets_params){.task = MT_TASK_ORDINAL, .column = "grade", .labels = LABELS("none", "mild", "severe")});

    (void)data;
    expect_labels(t, "0;1;2;3;4");
    g_assert_cmpint(mt_targets_class(t, 2), ==, 2);
    expect_labels(named, "none;mild;severe");
    g_assert_cmpint(mt_targets_class(named, 0), ==, 2);
    refuse(folder, "id,label\na,1\nb,mild\n", (mt_targets_params){.task = MT_TASK_ORDINAL}, MT_ERROR_INPUT,
           "labels %s: line 3: 'mild' is no whole number: give grades as integers, or name them from the lowest to the highest");
    refuse(folder, "id,label\na,1\nb,100\n", (mt_targets_params){.task = MT_TASK_ORDINAL}, MT_ERROR_INPUT,
           "labels %s: grades from 1 to 100: at most 64 grades are learnt");
}

/* CheXpert: 1, 0, -1, blank under each policy. */
static void test_columns(sample_folder *folder, gconstpointer data)
{
    static const char text[] = "Path,Edema,Mass\na,1.0,\nb,-1.0,0\nc,,\nd,0,1\n";
    const float       expected[] = {NAN, 0, 1};

    (void)data;
    for (int policy = MT_UNCERTAIN_IGNORE; policy <= MT_UNCERTAIN_ONES; policy++) {
        mt_targets_params params = {.task = MT_TASK_MULTILABEL, .labels = LABELS("Edema", "Mass"), .uncertain = (mt_uncertain)policy};
        g_autoptr(mt_targets) t = good(folder, text, &params);
        float uncertain = mt_targets_holds(t, 1, 0);
        g_assert_true(isnan(expected[policy]) ? isnan(uncertain) : uncertain == expected[policy]);
        g_assert_cmpfloat(mt_targets_holds(t, 0, 0), ==, 1);
        g_assert_true(isnan(mt_targets_holds(t, 0, 1)));
        g_assert_cmpfloat(mt_targets_holds(t, 1, 1), ==, 0);
        g_assert_false(mt_targets_known(t, 2));
        g_assert_cmpuint(mt_targets_n_unknown(t), ==, 1);
        g_assert_cmpint(mt_targets_class(t, 0), ==, -1);
    }
    refuse(folder, "id,Edema\na,2\n", (mt_targets_params){.task = MT_TASK_MULTILABEL, .labels = LABELS("Edema")}, MT_ERROR_INPUT,
           "labels %s: line 2: '2' in column 'Edema': 1, 0, -1 (uncertain) or nothing is wanted");
    refuse(folder, text, (mt_targets_params){.task = MT_TASK_MULTILABEL, .labels = LABELS("Edema", "Mas")}, MT_ERROR_INPUT,
           "labels %s: no column 'Mas' for the finding of that name");
    refuse(folder, text, (mt_targets_params){.task = MT_TASK_MULTILABEL}, MT_ERROR_INPUT,
           "labels %s: no column 'label' with findings as A|B: name the columns that hold one finding each");
}

/* ChestX-ray14: findings between bars. */
static void test_piped(sample_folder *folder, gconstpointer data)
{
    static const char text[] = "Image Index,Finding Labels\na,Effusion|Mass\nb,No Finding\nc,\nd,Effusion\n";
    g_autoptr(mt_targets) t = good(folder, text, &(mt_targets_params){.task = MT_TASK_MULTILABEL});

    (void)data;
    expect_labels(t, "Effusion;Mass");
    g_assert_cmpfloat(mt_targets_holds(t, 0, 0), ==, 1);
    g_assert_cmpfloat(mt_targets_holds(t, 0, 1), ==, 1);
    g_assert_cmpfloat(mt_targets_holds(t, 1, 0), ==, 0);
    g_assert_cmpfloat(mt_targets_holds(t, 3, 1), ==, 0);
    g_assert_false(mt_targets_known(t, 2));
    g_assert_cmpint(mt_targets_stratum(t, 0), ==, 1); /* Mass is the rarer one */
    g_assert_cmpint(mt_targets_stratum(t, 1), ==, 2);
    g_assert_cmpint(mt_targets_stratum(t, 3), ==, 0);
    refuse(folder, text, (mt_targets_params){.task = MT_TASK_MULTILABEL, .labels = LABELS("Effusion")}, MT_ERROR_INPUT,
           "labels %s: line 2: unknown finding 'Mass'; known are: Effusion, or No Finding alone");
    refuse(folder, "id,label\na,Mass|No Finding\n", (mt_targets_params){.task = MT_TASK_MULTILABEL}, MT_ERROR_INPUT,
           "labels %s: line 2: unknown finding 'No Finding'; known are: Mass, or No Finding alone");
    refuse(folder, "id,label\na,No Finding\n", (mt_targets_params){.task = MT_TASK_MULTILABEL}, MT_ERROR_INPUT,
           "labels %s: no row has a finding");
}

/* Quantiles of the event times 1, 2, 3, 5 (numpy.quantile): 2.5 halves them. */
static void test_hazard(sample_folder *folder, gconstpointer data)
{
    static const char text[] = "id,time,event\na,1,1\nb,2,1\nc,3,1\nd,5,1\ne,9,0\nf,,1\n";
    g_autoptr(mt_targets) t = good(folder, text, &(mt_targets_params){.task = MT_TASK_HAZARD, .intervals = 2});
    g_autoptr(mt_targets) named =
        good(folder, text, &(mt_targets_params){.task = MT_TASK_HAZARD, .labels = LABELS("survive_2", "4", "survive_6")});

    (void)data;
    expect_labels(t, "survive_2.5;survive_5");
    g_assert_cmpint(mt_targets_class(t, 1), ==, 0);
    g_assert_cmpint(mt_targets_class(t, 2), ==, 1);
    g_assert_cmpint(mt_targets_class(t, 4), ==, 1);
    g_assert_cmpint(mt_targets_class(t, 5), ==, -1);
    g_assert_cmpfloat(mt_targets_time(t, 4), ==, 9);
    g_assert_true(mt_targets_event(t, 3));
    g_assert_false(mt_targets_event(t, 4));
    g_assert_cmpfloat(mt_targets_holds(t, 3, 1), ==, 1);
    g_assert_cmpfloat(mt_targets_holds(t, 4, 1), ==, 0);
    g_assert_cmpint(mt_targets_stratum(t, 4), ==, 2);
    g_assert_cmpint(mt_targets_stratum(t, 3), ==, 3);
    expect_labels(named, "survive_2;survive_4;survive_6");
    g_assert_cmpint(mt_targets_class(named, 1), ==, 0);
    g_assert_cmpint(mt_targets_class(named, 2), ==, 1);
    g_assert_cmpint(mt_targets_class(named, 4), ==, 2);
}

static void test_cox(sample_folder *folder, gconstpointer data)
{
    g_autoptr(mt_targets) t =
        good(folder, "id,days,dead\na,1.5,True\nb,2,0.0\n", &(mt_targets_params){.task = MT_TASK_COX, .time = "days", .event = "dead"});

    (void)data;
    expect_labels(t, "risk");
    g_assert_cmpfloat(mt_targets_time(t, 0), ==, 1.5);
    g_assert_true(mt_targets_event(t, 0));
    g_assert_cmpint(mt_targets_stratum(t, 1), ==, 0);
    g_assert_cmpfloat(mt_targets_holds(t, 0, 0), ==, 1);
}

static void test_survival_refused(sample_folder *folder, gconstpointer data)
{
    const mt_targets_params cox = {.task = MT_TASK_COX}, hazard = {.task = MT_TASK_HAZARD};

    (void)data;
    refuse(folder, "id,event\na,1\n", cox, MT_ERROR_INPUT, "labels %s: no column 'time' of the time to the event or to the last visit");
    refuse(folder, "id,time\na,1\n", cox, MT_ERROR_INPUT,
           "labels %s: no column 'event' that says whether the event happened (1) or not (0)");
    refuse(folder, "id,time,event\na,-1,1\n", cox, MT_ERROR_INPUT,
           "labels %s: line 2: '-1' in column 'time': a time of 0 or more is wanted");
    refuse(folder, "id,time,event\na,1,2\n", cox, MT_ERROR_INPUT,
           "labels %s: line 2: '2' in column 'event': 1 (it happened) or 0 (censored) is wanted");
    refuse(folder, "id,time,event\na,1,1\nb,1,1\n", hazard, MT_ERROR_INPUT,
           "labels %s: 2 events: too few different times for intervals; use the task cox");
    refuse(folder, "id,time,event\na,1,1\n", (mt_targets_params){.task = MT_TASK_HAZARD, .labels = LABELS("9", "3")}, MT_ERROR_USAGE,
           "interval '3': upper bounds that rise are wanted, as survive_365");
    refuse(folder, "id,time,event\na,1,1\nb,2,1\n", (mt_targets_params){.task = MT_TASK_HAZARD, .intervals = 65}, MT_ERROR_RANGE,
           "65 intervals of time: 2 to 64 are wanted");
}

static void test_names(void)
{
    mt_task task;

    for (int i = MT_TASK_BINARY; i <= MT_TASK_COX; i++) {
        g_assert_true(mt_task_from_name(mt_task_name((mt_task)i), &task));
        g_assert_cmpint(task, ==, i);
    }
    g_assert_true(mt_task_from_name("survival", &task));
    g_assert_cmpint(task, ==, MT_TASK_HAZARD);
    g_assert_false(mt_task_from_name("regression", &task));
    g_assert_cmpint(mt_task_of_activation(MT_ACTIVATION_SOFTMAX, 2), ==, MT_TASK_BINARY);
    g_assert_cmpint(mt_task_of_activation(MT_ACTIVATION_SOFTMAX, 3), ==, MT_TASK_MULTICLASS);
    g_assert_cmpint(mt_task_of_activation(MT_ACTIVATION_SIGMOID, 1), ==, MT_TASK_BINARY);
    g_assert_cmpint(mt_task_of_activation(MT_ACTIVATION_SIGMOID, 2), ==, MT_TASK_MULTILABEL);
    g_assert_cmpint(mt_task_of_activation(mt_task_activation(MT_TASK_ORDINAL), 4), ==, MT_TASK_ORDINAL);
    g_assert_cmpint(mt_task_of_activation(mt_task_activation(MT_TASK_HAZARD), 4), ==, MT_TASK_HAZARD);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/targets/names", test_names);
#define ADD(name) g_test_add("/targets/" #name, sample_folder, NULL, sample_set_up, test_##name, sample_tear_down)
    ADD(binary);
    ADD(binary_refused);
    ADD(multiclass);
    ADD(ordinal);
    ADD(columns);
    ADD(piped);
    ADD(hazard);
    ADD(cox);
    ADD(survival_refused);
    return g_test_run();
}
