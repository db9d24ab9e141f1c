/* Values of tests/golden/metrics/<name>.json, and comparison with them. */
#ifndef METRICS_VALUES_H
#define METRICS_VALUES_H

#include "src/evaluate/estimate.h"

#include <jansson.h>
#include <math.h>

static inline json_t *metrics_file(const char *name)
{
    g_autofree char *file = g_strconcat(name, ".json", NULL);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "metrics", file, NULL);
    json_error_t     error;
    json_t          *root = json_load_file(path, 0, &error);

    if (root == NULL)
        g_error("%s: %s", path, error.text);
    return root;
}

/* Equal to 1e-10, relative above 1. */
static inline void assert_near(double got, double wanted, const char *what)
{
    if (!(fabs(got - wanted) <= 1e-10 * fmax(1, fabs(wanted))))
        g_error("%s is %.17g, wanted %.17g", what, got, wanted);
}

static inline double json_number_at(const json_t *array, size_t i)
{
    const json_t *value = json_array_get(array, i);

    g_assert_true(json_is_number(value));
    return json_number_value(value);
}

/* null or absent: not defined. */
static inline void assert_estimate(const mt_estimate *got, const json_t *wanted, const char *what)
{
    if (wanted == NULL || json_is_null(wanted)) {
        if (got->defined || got->value != 0)
            g_error("%s is %.17g, wanted: not defined", what, got->value);
        return;
    }
    if (!got->defined)
        g_error("%s is not defined, wanted %.17g", what, json_number_value(wanted));
    assert_near(got->value, json_number_value(wanted), what);
}

/* `wanted`: [low, high] from place `at` on; absent: no interval. */
static inline void assert_interval(const mt_estimate *got, const json_t *wanted, size_t at, const char *interval)
{
    if (wanted == NULL) {
        g_assert_cmpstr(got->interval, ==, NULL);
        return;
    }
    g_assert_cmpstr(got->interval, ==, interval);
    assert_near(got->low, json_number_at(wanted, at), interval);
    assert_near(got->high, json_number_at(wanted, at + 1), interval);
}

static inline double *json_doubles(const json_t *array)
{
    double *values = g_new0(double, json_array_size(array) + 1);

    for (size_t i = 0; i < json_array_size(array); i++)
        values[i] = json_number_at(array, i);
    return values;
}

static inline int *json_ints(const json_t *array)
{
    int *values = g_new0(int, json_array_size(array) + 1);

    for (size_t i = 0; i < json_array_size(array); i++)
        values[i] = (int)json_number_at(array, i);
    return values;
}

static inline double json_number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    g_assert_true(json_is_number(value));
    return json_number_value(value);
}

/* `error` is of the code and says exactly `message`; it is freed. */
static inline void assert_refused(bool ok, GError **error, int code, const char *message)
{
    g_assert_false(ok);
    g_assert_error(*error, MT_ERROR, code);
    g_assert_cmpstr((*error)->message, ==, message);
    g_clear_error(error);
}

#endif
