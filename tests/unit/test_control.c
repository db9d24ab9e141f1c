#include "src/batch/control.h"

#include "src/base/publish.h"
#include "src/result/withheld.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <microtome/result.h>
#include <string.h>
#include <sys/stat.h>

static void test_parse(void)
{
    static const char *const good[] = {"0.9..1", "-1..-1", "0 .. 0.5", "1e-3..2e-3"}, *const bad[] = {"",    "0.9", "1..0",
                                                                                                      "..1", "0..", "0..nan"};
    mt_control_wish wish;

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(mt_control_parse(good[i], &wish));
        g_assert_true(wish.label == NULL && wish.low <= wish.high);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(mt_control_parse(bad[i], &wish));
    g_assert_true(mt_control_parse("tumour", &wish));
    g_assert_cmpstr(wish.label, ==, "tumour");
    mt_control_wish_clear(&wish);
}

static char *file_in(const char *out, const char *below)
{
    g_autofree char *path = g_build_filename(out, below, NULL), *above = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(above, 0755), ==, 0);
    return g_steal_pointer(&path);
}

/* The headline alone: what those who tell scores read. */
static void write_result(const char *out, const char *id, const char *more)
{
    g_autofree char *below = g_strdup_printf("cases/%s.h5", id), *path = file_in(out, below),
                    *block = g_malloc0(MT_RESULT_HEADLINE_BYTES + 8);

    g_snprintf(block, MT_RESULT_HEADLINE_BYTES, "{\"schema\":1,\"id\":\"%s\",%s}\n", id, more);
    memcpy(block + MT_RESULT_HEADLINE_BYTES, "\x89HDF\r\n\x1a\n", 8);
    g_assert_true(g_file_set_contents(path, block, MT_RESULT_HEADLINE_BYTES + 8, NULL));
}

static void set_time(const char *out, const char *below, gint64 us)
{
    g_autofree char *path = g_build_filename(out, below, NULL);
    struct timespec  times[2] = {{.tv_sec = us / G_USEC_PER_SEC, .tv_nsec = us % G_USEC_PER_SEC * 1000}};

    times[1] = times[0];
    g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
}

static void remove_folder(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            remove_folder(path);
        else
            g_unlink(path);
    }
    g_rmdir(folder);
}

#define OK "\"status\":\"ok\",\"decision\":\"urgent\",\"score\":0.75,\"scores\":{\"normal\":0.25,\"tumour\":0.75}"

static void test_faults(void)
{
    static const struct {
        const char *headline, *control, *fault;
    } cases[] = {
        {OK, "0.75..1", NULL},
        {OK, "0..0.75", NULL},
        {OK, "0.8..1", "its score is 0.75"},
        {OK, "tumour", NULL},
        {OK, "normal", "label 'tumour' has the highest score"},
        {OK, "cancer", "label 'tumour' has the highest score, and its own is none of the head's"},
        {"\"status\":\"embedded\",\"decision\":\"none\",\"score\":null", "0..1", "it has no score"},
        {"\"status\":\"embedded\",\"decision\":\"none\",\"score\":null", "tumour", "it has no score"},
        {"\"status\":\"insufficient\",\"decision\":\"none\",\"score\":null", "0..1", "its status is insufficient"},
        {"\"status\":\"withheld\",\"decision\":\"none\",\"score\":null", "0..1", "its status is withheld"},
        {"", "0..1", "its result cannot be read"},
    };
    g_autofree char *out = g_dir_make_tmp("microtome-XXXXXX", NULL);
    char             id[] = "ctl";

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        mt_batch_case c = {.id = id, .control = (char *)cases[i].control};
        write_result(out, id, cases[i].headline);
        g_autofree char *fault = mt_control_fault(out, &c);
        g_assert_cmpstr(fault, ==, cases[i].fault);
    }
    remove_folder(out);
}

/* Nothing yet, outside, inside; a result made before the run is not withheld, one made since is. */
static void test_review(void)
{
    g_autofree char *out = g_dir_make_tmp("microtome-XXXXXX", NULL), *record = g_build_filename(out, "withheld", "ctl.json", NULL),
                    *before = g_build_filename(out, "cases", "before.h5", NULL), *since = g_build_filename(out, "cases", "since.h5", NULL);
    char          id[] = "ctl", wish[] = "0.8..1", plain[] = "plain";
    mt_batch_case control = {.id = id, .control = wish}, other = {.id = plain};
    g_autoptr(GPtrArray) cases = g_ptr_array_new(), faults = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(cases, &other);
    g_ptr_array_add(cases, &control);
    write_result(out, "before", OK);
    write_result(out, "since", OK);
    g_assert_null(mt_withheld_read(out));
    g_assert_true(mt_control_review(out, cases, faults, &error));
    g_assert_cmpuint(faults->len, ==, 1);
    g_assert_cmpstr(faults->pdata[0], ==, "control case 'ctl' has to give 0.8..1: it has no result yet");
    gint64 began = mt_withheld_changed_us(record);
    set_time(out, "cases/before.h5", began - 10 * (gint64)G_USEC_PER_SEC);
    set_time(out, "cases/since.h5", began + 10 * (gint64)G_USEC_PER_SEC);
    write_result(out, id, OK);
    g_assert_true(mt_control_review(out, cases, NULL, &error)); /* the record changes, its beginning does not */
    g_autoptr(mt_withheld) withheld = mt_withheld_read(out);
    g_assert_cmpstr(mt_withheld_why(withheld, since), ==, "control case 'ctl' has to give 0.8..1: its score is 0.75");
    g_assert_null(mt_withheld_why(withheld, before));
    g_assert_null(mt_withheld_why(withheld, "/nowhere"));
    g_assert_true(g_file_set_contents(record, "{", 1, NULL));
    g_autoptr(mt_withheld) damaged = mt_withheld_read(out);
    g_assert_cmpstr(mt_withheld_why(damaged, before), ==, "the record withheld/ctl.json of a control case cannot be read");
    write_result(out, id, "\"status\":\"ok\",\"decision\":\"urgent\",\"score\":0.9");
    g_ptr_array_set_size(faults, 0);
    g_assert_true(mt_control_review(out, cases, faults, &error));
    g_assert_cmpuint(faults->len, ==, 0);
    g_assert_null(mt_withheld_read(out));
    g_assert_no_error(error);
    remove_folder(out);
}

static void test_failed_control(void)
{
    g_autofree char *out = g_dir_make_tmp("microtome-XXXXXX", NULL), *failed = file_in(out, "failed/ctl.json");
    char             id[] = "ctl", wish[] = "tumour";
    mt_batch_case    c = {.id = id, .control = wish};

    write_result(out, id, OK); /* of an older scan */
    g_assert_true(g_file_set_contents(failed, "{}", 2, NULL));
    g_autofree char *fault = mt_control_fault(out, &c);
    g_assert_cmpstr(fault, ==, "it failed");
    remove_folder(out);
}

static void test_withhold(void)
{
    g_autoptr(mt_headline) h = mt_headline_parse("{\"schema\":1,\"id\":\"a\"," OK "}", "a", NULL);

    g_assert_nonnull(h);
    mt_headline_withhold(h, "why");
    g_assert_cmpstr(h->status, ==, "withheld");
    g_assert_cmpstr(h->decision, ==, "none");
    g_assert_cmpstr(h->reason, ==, "why");
    g_assert_true(isnan(h->score));
    for (int i = 0; i < h->n_scores; i++)
        g_assert_true(isnan(h->scores[i]));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/control/parse", test_parse);
    g_test_add_func("/control/faults", test_faults);
    g_test_add_func("/control/review", test_review);
    g_test_add_func("/control/failed", test_failed_control);
    g_test_add_func("/control/withhold", test_withhold);
    return g_test_run();
}
