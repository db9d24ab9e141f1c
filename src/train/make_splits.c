/* Folds by dealing patients, by site, or as a column says. */
#include "src/train/deal_patients.h"
#include "src/train/splits_private.h"

#include <string.h>

#define MAX_FOLDS 1000
#define VAL_SEED UINT64_C(0x76616c) /* the shuffle of val is another one than that of the folds */

static bool check_share(double val_share, GError **error)
{
    if (val_share >= 0 && val_share <= 0.5)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "a validation share of %g: 0 to 0.5 is wanted", val_share);
    return false;
}

/* Move `share` of the train patients of the newest fold to val. */
static void take_val(mt_splits *splits, const mt_split_case *cases, double share, uint64_t seed)
{
    guint            fold = splits->sides->len - 1;
    uint8_t         *sides = splits->sides->pdata[fold];
    g_autofree bool *train = g_new0(bool, MAX(splits->n, 1));

    if (share <= 0)
        return;
    for (guint i = 0; i < splits->n; i++)
        train[i] = sides[i] == MT_SIDE_TRAIN;
    g_autofree bool *val = mt_share_of_patients(cases, splits->n, train, share, seed ^ (VAL_SEED + fold));
    for (guint i = 0; i < splits->n; i++)
        if (val[i])
            sides[i] = MT_SIDE_VAL;
}

mt_splits *mt_splits_k_fold(const mt_split_case *cases, guint n, int folds, double val_share, uint64_t seed, GError **error)
{
    guint n_patients;

    if (!check_share(val_share, error))
        return NULL;
    if (folds < 2 || folds > MAX_FOLDS) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "%d folds: 2 to %d are wanted", folds, MAX_FOLDS);
        return NULL;
    }
    g_autofree int *part = mt_deal_patients(cases, n, NULL, folds, seed, &n_patients);
    if (n_patients < (guint)folds) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%u patients cannot fill %d folds: ask for fewer folds", n_patients, folds);
        return NULL;
    }
    mt_splits *splits = mt_splits_new(n);
    for (int fold = 0; fold < folds; fold++) {
        g_autofree char *name = g_strdup_printf("%d", fold);
        uint8_t         *sides = mt_splits_add(splits, name);
        for (guint i = 0; i < n; i++)
            sides[i] = part[i] == fold ? MT_SIDE_TEST : MT_SIDE_TRAIN;
        take_val(splits, cases, val_share, seed);
    }
    return splits;
}

mt_splits *mt_splits_whole(const mt_split_case *cases, guint n, double val_share, uint64_t seed, GError **error)
{
    if (!check_share(val_share, error))
        return NULL;
    mt_splits *splits = mt_splits_new(n);
    memset(mt_splits_add(splits, "all"), MT_SIDE_TRAIN, n);
    take_val(splits, cases, val_share, seed);
    return splits;
}

static gint compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *groups_of(const mt_split_case *cases, guint n, const char *column, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) groups = g_ptr_array_new();

    for (guint i = 0; i < n; i++) {
        if (*cases[i].group == '\0') {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "leave out by column '%s': case %s has nothing there", column, cases[i].id);
            return NULL;
        }
        if (g_hash_table_add(seen, (gpointer)(uintptr_t)cases[i].group))
            g_ptr_array_add(groups, (gpointer)(uintptr_t)cases[i].group);
    }
    g_ptr_array_sort(groups, compare_text);
    if (groups->len >= 2 && groups->len <= MAX_FOLDS)
        return g_steal_pointer(&groups);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "leave out by column '%s': it holds %u values, 2 to %d are wanted", column, groups->len,
                MAX_FOLDS);
    return NULL;
}

mt_splits *mt_splits_leave_out(const mt_split_case *cases, guint n, const char *column, double val_share, uint64_t seed, GError **error)
{
    g_autoptr(GPtrArray) groups = check_share(val_share, error) ? groups_of(cases, n, column, error) : NULL;

    if (groups == NULL)
        return NULL;
    g_autoptr(mt_splits) splits = mt_splits_new(n);
    for (guint fold = 0; fold < groups->len; fold++) {
        uint8_t *sides = mt_splits_add(splits, groups->pdata[fold]);
        for (guint i = 0; i < n; i++)
            sides[i] = strcmp(cases[i].group, groups->pdata[fold]) == 0 ? MT_SIDE_TEST : MT_SIDE_TRAIN;
    }
    if (!mt_splits_check(splits, cases, error))
        return NULL;
    g_autoptr(mt_splits) with_val = mt_splits_new(n);
    for (guint fold = 0; fold < groups->len; fold++) {
        memcpy(mt_splits_add(with_val, groups->pdata[fold]), splits->sides->pdata[fold], n);
        take_val(with_val, cases, val_share, seed);
    }
    return g_steal_pointer(&with_val);
}

static bool side_of_word(const char *word, uint8_t *side)
{
    static const struct {
        const char *word;
        mt_side     side;
    } words[] = {
        {"", MT_SIDE_NONE},        {"train", MT_SIDE_TRAIN},   {"training", MT_SIDE_TRAIN}, {"val", MT_SIDE_VAL},
        {"valid", MT_SIDE_VAL},    {"tune", MT_SIDE_VAL},      {"validation", MT_SIDE_VAL}, {"test", MT_SIDE_TEST},
        {"testing", MT_SIDE_TEST}, {"held-out", MT_SIDE_TEST}, {"holdout", MT_SIDE_TEST},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_ascii_strcasecmp(words[i].word, word) == 0) {
            *side = (uint8_t)words[i].side;
            return true;
        }
    return false;
}

mt_splits *mt_splits_of_column(const mt_split_case *cases, guint n, const char *column, double val_share, uint64_t seed, GError **error)
{
    g_autoptr(mt_splits) splits = mt_splits_new(n);
    uint8_t *sides = mt_splits_add(splits, "0");

    if (!check_share(val_share, error))
        return NULL;
    for (guint i = 0; i < n; i++)
        if (!side_of_word(cases[i].group, &sides[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "split by column '%s': case %s says '%s': train, val, test or nothing is wanted",
                        column, cases[i].id, cases[i].group);
            return NULL;
        }
    if (mt_splits_count(splits, 0, MT_SIDE_TRAIN) == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "split by column '%s': no case is in train", column);
        return NULL;
    }
    if (!mt_splits_check(splits, cases, error))
        return NULL;
    if (mt_splits_count(splits, 0, MT_SIDE_VAL) == 0)
        take_val(splits, cases, val_share, seed);
    return g_steal_pointer(&splits);
}
