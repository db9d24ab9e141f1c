#include "src/evaluate/targets.h"

#include "src/base/alloc.h"
#include "src/evaluate/target_values.h"

#include <math.h>
#include <string.h>

#define MAX_INTEGER_DIGITS 9

static const char *const task_names[] = {"binary", "multiclass", "multilabel", "ordinal", "hazard", "cox"};

void mt_targets_free(mt_targets *targets)
{
    if (targets == NULL)
        return;
    g_strfreev(targets->labels);
    g_free(targets->positive);
    g_free(targets->classes);
    mt_free(targets->holds);
    g_free(targets->times);
    g_free(targets->events);
    g_free(targets->strata);
    g_free(targets);
}

int mt_target_column(const mt_labels *labels, const char *name, const char *why, GError **error)
{
    int column = mt_labels_column(labels, name);

    if (column < 0)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: no column '%s'%s", mt_labels_path(labels), name, why);
    return column;
}

bool mt_target_number(const char *cell, double *value)
{
    char *end;

    *value = g_ascii_strtod(cell, &end);
    return end != cell && *end == '\0' && isfinite(*value);
}

bool mt_target_integer(const char *cell, gint64 *value)
{
    const char *digits = *cell == '-' ? cell + 1 : cell;
    gsize       n = strlen(digits);

    *value = g_ascii_strtoll(cell, NULL, 10);
    return n > 0 && n <= MAX_INTEGER_DIGITS && strspn(digits, "0123456789") == n;
}

int mt_target_index(char *const *labels, const char *label)
{
    for (int i = 0; labels[i] != NULL; i++)
        if (strcmp(labels[i], label) == 0)
            return i;
    return -1;
}

static bool refuse_repeated(const mt_targets_params *params, GError **error)
{
    for (const char *const *label = params->labels; label != NULL && *label != NULL; label++)
        if (**label == '\0' || g_strv_contains(label + 1, *label)) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "the labels to learn: %s%s", **label == '\0' ? "one has no name" : "twice ",
                        *label);
            return false;
        }
    return true;
}

static void count_unknown(mt_targets *t)
{
    t->n_unknown = 0;
    for (guint row = 0; row < t->n; row++)
        t->n_unknown += t->strata[row] < 0;
}

mt_targets *mt_targets_new(const mt_labels *labels, const mt_targets_params *params, GError **error)
{
    g_autoptr(mt_targets) t = g_new0(mt_targets, 1);

    t->task = params->task;
    t->n = mt_labels_n(labels);
    t->strata = g_new(int, t->n);
    if (!refuse_repeated(params, error))
        return NULL;
    bool ok = t->task == MT_TASK_MULTILABEL                         ? mt_targets_read_findings(t, labels, params, error)
              : t->task == MT_TASK_HAZARD || t->task == MT_TASK_COX ? mt_targets_read_survival(t, labels, params, error)
                                                                    : mt_targets_read_classes(t, labels, params, error);
    if (!ok)
        return NULL;
    t->n_labels = (int)g_strv_length(t->labels);
    count_unknown(t);
    if (params->positive != NULL && t->positive == NULL) {
        if (mt_target_index(t->labels, params->positive) < 0) {
            g_autofree char *known = g_strjoinv(", ", t->labels);
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "the positive label '%s' is not among those of %s: %s", params->positive,
                        mt_labels_path(labels), known);
            return NULL;
        }
        t->positive = g_strdup(params->positive);
    }
    return g_steal_pointer(&t);
}

mt_task mt_targets_task(const mt_targets *targets)
{
    return targets->task;
}

const char *const *mt_targets_labels(const mt_targets *targets)
{
    return (const char *const *)targets->labels;
}

int mt_targets_n_labels(const mt_targets *targets)
{
    return targets->n_labels;
}

const char *mt_targets_positive(const mt_targets *targets)
{
    return targets->positive;
}

guint mt_targets_n(const mt_targets *targets)
{
    return targets->n;
}

guint mt_targets_n_unknown(const mt_targets *targets)
{
    return targets->n_unknown;
}

bool mt_targets_known(const mt_targets *targets, guint row)
{
    return targets->strata[row] >= 0;
}

int mt_targets_class(const mt_targets *targets, guint row)
{
    return targets->classes != NULL ? targets->classes[row] : -1;
}

float mt_targets_holds(const mt_targets *targets, guint row, int label)
{
    if (!mt_targets_known(targets, row))
        return NAN;
    if (targets->holds != NULL)
        return targets->holds[(gsize)row * (gsize)targets->n_labels + (gsize)label];
    if (targets->events != NULL && !targets->events[row])
        return 0;
    return targets->classes == NULL || targets->classes[row] == label ? 1 : 0;
}

double mt_targets_time(const mt_targets *targets, guint row)
{
    return targets->times != NULL ? targets->times[row] : NAN;
}

bool mt_targets_event(const mt_targets *targets, guint row)
{
    return targets->events != NULL && targets->events[row];
}

int mt_targets_stratum(const mt_targets *targets, guint row)
{
    return targets->strata[row];
}

bool mt_task_from_name(const char *name, mt_task *task)
{
    if (strcmp(name, "survival") == 0)
        name = "hazard";
    for (gsize i = 0; i < G_N_ELEMENTS(task_names); i++)
        if (strcmp(task_names[i], name) == 0) {
            *task = (mt_task)i;
            return true;
        }
    return false;
}

const char *mt_task_name(mt_task task)
{
    return task_names[task];
}

mt_activation mt_task_activation(mt_task task)
{
    static const mt_activation activations[] = {
        [MT_TASK_BINARY] = MT_ACTIVATION_SOFTMAX,     [MT_TASK_MULTICLASS] = MT_ACTIVATION_SOFTMAX,
        [MT_TASK_MULTILABEL] = MT_ACTIVATION_SIGMOID, [MT_TASK_ORDINAL] = MT_ACTIVATION_ORDINAL,
        [MT_TASK_HAZARD] = MT_ACTIVATION_HAZARD,      [MT_TASK_COX] = MT_ACTIVATION_SIGMOID,
    };

    return activations[task];
}

mt_task mt_task_of_activation(mt_activation activation, guint n_labels)
{
    if (activation == MT_ACTIVATION_ORDINAL)
        return MT_TASK_ORDINAL;
    if (activation == MT_ACTIVATION_HAZARD)
        return MT_TASK_HAZARD;
    if (activation == MT_ACTIVATION_SIGMOID && n_labels > 1)
        return MT_TASK_MULTILABEL;
    return n_labels <= 2 ? MT_TASK_BINARY : MT_TASK_MULTICLASS;
}
