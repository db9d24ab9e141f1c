/* Which cases are learnt from, which are watched, which are held out, fold by fold.
 * The patient is what is dealt: no patient ever stands on both sides.  Cases are named by their place in the caller's array.
 * Seeded: the same cases (in any order) and seed give the same folds.  Immutable once made. */
#ifndef MT_SPLITS_H
#define MT_SPLITS_H

#include <microtome/error.h>

typedef enum mt_side { MT_SIDE_NONE, MT_SIDE_TRAIN, MT_SIDE_VAL, MT_SIDE_TEST } mt_side;

typedef struct mt_split_case {
    const char *id, *patient;
    int         stratum; /* folds are balanced by it; a patient counts with the highest of its cases */
    const char *group;   /* site, or side of a split column; NULL: not asked for */
} mt_split_case;

typedef struct mt_splits mt_splits;

/* Patients dealt to `folds` test sets so that each stratum, and all patients, differ by one at most between folds.  `val_share` of
 * the other patients of each fold, [0, 0.5], stratified too, becomes its val.  MT_ERROR_RANGE; MT_ERROR_INPUT with fewer patients
 * than folds. */
mt_splits *mt_splits_k_fold(const mt_split_case *cases, guint n, int folds, double val_share, uint64_t seed, GError **error);
/* One fold a group (site), which is its test set.  MT_ERROR_INPUT: an empty group, fewer than two groups, a patient in two. */
mt_splits *mt_splits_leave_out(const mt_split_case *cases, guint n, const char *column, double val_share, uint64_t seed, GError **error);
/* One fold: groups say train, val (also valid, validation, tune) or test (also held-out); blank: none. */
mt_splits *mt_splits_of_column(const mt_split_case *cases, guint n, const char *column, double val_share, uint64_t seed, GError **error);
/* A folder of CLAM's splits_0.csv .. (columns train, val, test), one such file, or a splits.csv of ours.  An id that is not among
 * the cases is MT_ERROR_INPUT unless `allow_unknown`; a patient on both sides always. */
mt_splits *mt_splits_read(const char *path, const mt_split_case *cases, guint n, bool allow_unknown, GError **error);
/* No folds: everything is train, but for `val_share` of the patients. */
mt_splits *mt_splits_whole(const mt_split_case *cases, guint n, double val_share, uint64_t seed, GError **error);
void       mt_splits_free(mt_splits *splits);

int     mt_splits_n(const mt_splits *splits);
mt_side mt_splits_side(const mt_splits *splits, int fold, guint i);
/* "0", "1", .. or the group that is left out. */
const char *mt_splits_name(const mt_splits *splits, int fold);
guint       mt_splits_count(const mt_splits *splits, int fold, mt_side side);

/* FOLDER/splits.csv (id, patient and one column fold_<name> each) and CLAM's FOLDER/splits_<i>.csv; over older ones. */
bool mt_splits_write(const mt_splits *splits, const mt_split_case *cases, guint n, const char *folder, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_splits, mt_splits_free)

#endif
