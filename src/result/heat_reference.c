/* The numbers of many results together, among which the tiles of one are ranked. */
#include "src/base/alloc.h"
#include "src/result/evidence.h"
#include "src/result/headline.h"

#include <stdlib.h>
#include <string.h>

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static char *head_of(const mt_result *result)
{
    g_autofree char *line = mt_result_headline(mt_result_path(result), NULL);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, mt_result_path(result), NULL) : NULL;

    return headline != NULL ? g_steal_pointer(&headline->head_sha256) : NULL;
}

static bool differ(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) != 0;
}

bool mt_heat_reference_fits(const mt_heat_reference *reference, const mt_result *result, const char *label, const char *object,
                            GError **error)
{
    g_autofree char *head = head_of(result);
    const char      *path = mt_result_path(result);

    if (differ(reference->head_sha256, head))
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "rank %s among the reference: it is of head %.12s, and the reference of %.12s", path,
                    head, reference->head_sha256);
    else if (differ(reference->label, label))
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "rank %s among the reference: its class is %s, and that of the reference %s: choose one with --class", path, label,
                    reference->label);
    else if (differ(reference->object, object))
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "rank %s among the reference: it has %s, and the reference %s", path, object,
                    reference->object);
    else
        return true;
    return false;
}

static bool add(mt_heat_reference *reference, const char *path, const mt_heatmap_params *params, GArray *numbers, GError **error)
{
    g_autoptr(mt_result) result = mt_result_open(path, error);
    g_autofree char *label = NULL;
    const char      *object = NULL;

    if (result == NULL || !mt_evidence_ranked(result, params, numbers, &label, &object, error))
        return false;
    if (object == NULL)
        return true;
    if (reference->object != NULL)
        return mt_heat_reference_fits(reference, result, label, object, error);
    reference->label = g_steal_pointer(&label);
    reference->object = g_strdup(object);
    reference->head_sha256 = head_of(result);
    return true;
}

mt_heat_reference *mt_heat_reference_read(const char *const *paths, const mt_heatmap_params *params, GError **error)
{
    g_autoptr(mt_heat_reference) reference = g_new0(mt_heat_reference, 1);
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(float));

    for (; *paths != NULL; paths++)
        if (!add(reference, *paths, params, numbers, error)) {
            g_prefix_error(error, "read the reference: ");
            return NULL;
        }
    if (numbers->len == 0) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "read the reference: its results have no tile that was read");
        return NULL;
    }
    qsort(numbers->data, numbers->len, sizeof(float), compare_floats);
    reference->n = numbers->len;
    reference->numbers = mt_alloc(reference->n, sizeof *reference->numbers, error);
    if (reference->numbers == NULL)
        return NULL;
    memcpy(reference->numbers, numbers->data, numbers->len * sizeof(float));
    return g_steal_pointer(&reference);
}

void mt_heat_reference_free(mt_heat_reference *reference)
{
    if (reference == NULL)
        return;
    mt_free(reference->numbers);
    g_free(reference->label);
    g_free(reference->object);
    g_free(reference->head_sha256);
    g_free(reference);
}
