/* Tables of a cohort: labels under every task, splits (ours, CLAM's, by a column), the list of training cases. */
#include "tests/fuzz/fuzz_target.h"

#include "mil/training_list.h"
#include "src/evaluate/targets.h"
#include "src/train/splits.h"

static const char *const findings[] = {"Edema", "Mass", NULL};
static const char *const grades[] = {"0", "1", "2", NULL};

static void read_targets(const mt_labels *labels)
{
    for (mt_task task = MT_TASK_BINARY; task <= MT_TASK_COX; task++) {
        mt_targets_params params = {.task = task};
        G_GNUC_UNUSED     g_autoptr(mt_targets) plain = mt_targets_new(labels, &params, NULL);

        params.labels = task == MT_TASK_MULTILABEL ? findings : grades;
        params.uncertain = MT_UNCERTAIN_ONES;
        G_GNUC_UNUSED g_autoptr(mt_targets) named = mt_targets_new(labels, &params, NULL);
    }
}

static void read_splits(const mt_labels *labels, const char *path)
{
    guint                     n = mt_labels_n(labels);
    int                       column = mt_labels_column(labels, "split");
    g_autofree mt_split_case *cases = g_new0(mt_split_case, n + 1);

    for (guint i = 0; i < n; i++)
        cases[i] = (mt_split_case){.id = mt_labels_id(labels, i),
                                   .patient = mt_labels_patient(labels, i),
                                   .group = column >= 0 ? mt_labels_cell(labels, i, column) : ""};
    G_GNUC_UNUSED g_autoptr(mt_splits) read = mt_splits_read(path, cases, n, true, NULL);
    G_GNUC_UNUSED g_autoptr(mt_splits) of_column = mt_splits_of_column(cases, n, "split", 0.2, 1, NULL);
    G_GNUC_UNUSED g_autoptr(mt_splits) left_out = mt_splits_leave_out(cases, n, "split", 0, 1, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mt_split_case known[] = {{.id = "a", .patient = "p"}, {.id = "b", .patient = "q"}, {.id = "c", .patient = "r"}};
    const char                *path = fuzz_file_write(data, size, ".csv");
    g_autoptr(mt_labels) labels = mt_labels_read(path, NULL);
    G_GNUC_UNUSED g_autoptr(mt_splits) splits = mt_splits_read(path, known, G_N_ELEMENTS(known), false, NULL);
    G_GNUC_UNUSED g_autoptr(mt_training_list) list = mt_training_list_read(path, NULL);

    if (labels != NULL) {
        read_targets(labels);
        read_splits(labels, path);
    }
    fuzz_file_remove();
    return 0;
}
