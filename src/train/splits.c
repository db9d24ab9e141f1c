#include "src/train/splits_private.h"

#include <string.h>

void mt_splits_free(mt_splits *splits)
{
    if (splits == NULL)
        return;
    g_ptr_array_unref(splits->names);
    g_ptr_array_unref(splits->sides);
    g_free(splits);
}

mt_splits *mt_splits_new(guint n)
{
    mt_splits *splits = g_new0(mt_splits, 1);

    splits->n = n;
    splits->names = g_ptr_array_new_with_free_func(g_free);
    splits->sides = g_ptr_array_new_with_free_func(g_free);
    return splits;
}

uint8_t *mt_splits_add(mt_splits *splits, const char *name)
{
    uint8_t *sides = g_new0(uint8_t, splits->n);

    g_ptr_array_add(splits->names, g_strdup(name));
    g_ptr_array_add(splits->sides, sides);
    return sides;
}

int mt_splits_n(const mt_splits *splits)
{
    return (int)splits->sides->len;
}

mt_side mt_splits_side(const mt_splits *splits, int fold, guint i)
{
    const uint8_t *sides = splits->sides->pdata[fold];

    return (mt_side)sides[i];
}

const char *mt_splits_name(const mt_splits *splits, int fold)
{
    return splits->names->pdata[fold];
}

guint mt_splits_count(const mt_splits *splits, int fold, mt_side side)
{
    guint count = 0;

    for (guint i = 0; i < splits->n; i++)
        count += mt_splits_side(splits, fold, i) == side;
    return count;
}

static bool check_fold(const mt_splits *splits, int fold, const mt_split_case *cases, GError **error)
{
    static const char *const words[] = {"none", "train", "val", "test"};
    g_autoptr(GHashTable) first = g_hash_table_new(g_str_hash, g_str_equal); /* patient -> case + 1 */

    for (guint i = 0; i < splits->n; i++) {
        mt_side side = mt_splits_side(splits, fold, i);
        if (side == MT_SIDE_NONE)
            continue;
        guint before = GPOINTER_TO_UINT(g_hash_table_lookup(first, cases[i].patient));
        if (before == 0)
            g_hash_table_insert(first, (gpointer)(uintptr_t)cases[i].patient, GUINT_TO_POINTER(i + 1));
        else if (mt_splits_side(splits, fold, before - 1) != side) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "fold %s: patient %s stands on both sides: case %s in %s, case %s in %s: keep a patient together",
                        mt_splits_name(splits, fold), cases[i].patient, cases[before - 1].id,
                        words[mt_splits_side(splits, fold, before - 1)], cases[i].id, words[side]);
            return false;
        }
    }
    return true;
}

bool mt_splits_check(const mt_splits *splits, const mt_split_case *cases, GError **error)
{
    for (int fold = 0; fold < mt_splits_n(splits); fold++)
        if (!check_fold(splits, fold, cases, error))
            return false;
    return true;
}
