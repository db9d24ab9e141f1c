#include "mil/score_activation.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char *const names[] = {
    [MT_ACTIVATION_SOFTMAX] = "softmax",
    [MT_ACTIVATION_SIGMOID] = "sigmoid",
    [MT_ACTIVATION_ORDINAL] = "ordinal",
    [MT_ACTIVATION_HAZARD] = "hazard",
};

bool mt_activation_from_name(const char *name, mt_activation *activation)
{
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(names[i], name) == 0) {
            *activation = (mt_activation)i;
            return true;
        }
    return false;
}

const char *mt_activation_name(mt_activation activation)
{
    return names[activation];
}

int64_t mt_activation_n_classes(mt_activation activation, int64_t n_logits)
{
    return activation == MT_ACTIVATION_ORDINAL && n_logits > 0 ? n_logits + 1 : n_logits;
}

/* No overflow for either sign. */
static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static void softmax(double temperature, const float *logits, int64_t n, float *scores)
{
    double top = -INFINITY, sum = 0;

    for (int64_t i = 0; i < n; i++)
        top = fmax(top, logits[i] / temperature);
    for (int64_t i = 0; i < n; i++)
        sum += exp(logits[i] / temperature - top);
    for (int64_t i = 0; i < n; i++)
        scores[i] = (float)(exp(logits[i] / temperature - top) / sum);
}

static void ordinal(double temperature, const float *logits, int64_t n, float *scores)
{
    double above = 1; /* P(class >= i) */

    for (int64_t i = 0; i < n; i++) {
        double more = fmin(above, sigmoid(logits[i] / temperature));
        scores[i] = (float)(above - more);
        above = more;
    }
    scores[n] = (float)above;
}

static void survival(double temperature, const float *logits, int64_t n, float *scores)
{
    double alive = 1;

    for (int64_t i = 0; i < n; i++) {
        alive *= sigmoid(-logits[i] / temperature);
        scores[i] = (float)alive;
    }
}

void mt_activation_scores(mt_activation activation, double temperature, const float *logits, int64_t n_logits, float *scores)
{
    switch (activation) {
    case MT_ACTIVATION_SOFTMAX:
        softmax(temperature, logits, n_logits, scores);
        break;
    case MT_ACTIVATION_SIGMOID:
        for (int64_t i = 0; i < n_logits; i++)
            scores[i] = (float)sigmoid(logits[i] / temperature);
        break;
    case MT_ACTIVATION_ORDINAL:
        ordinal(temperature, logits, n_logits, scores);
        break;
    case MT_ACTIVATION_HAZARD:
        survival(temperature, logits, n_logits, scores);
        break;
    }
}

void mt_activation_class_logits(mt_activation activation, const float *logits, int64_t n_logits, float *class_logits)
{
    if (activation != MT_ACTIVATION_ORDINAL) {
        memcpy(class_logits, logits, (size_t)n_logits * sizeof(float));
        return;
    }
    ordinal(1, logits, n_logits, class_logits);
    for (int64_t i = 0; i <= n_logits; i++)
        class_logits[i] = logf(fmaxf(class_logits[i], FLT_MIN));
}

void mt_activation_invert(mt_activation activation, float *probabilities, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double p = fmax(probabilities[i], FLT_MIN);
        double rest = fmax(1 - p, FLT_MIN);
        probabilities[i] = (float)(activation == MT_ACTIVATION_SOFTMAX ? log(p) : log(p) - log(rest));
    }
}
