/* The reader of a folder's predictions: headline and HDF5 agree, what has no score is kept and counted, two heads are refused. */
#include "src/evaluate/predictions.h"
#include "src/result/headline.h"
#include "src/store/schema.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

typedef struct made {
    const char *id, *file; /* file NULL: the id */
    mt_status   status;
    float       score; /* NAN: none */
    const char *head;
    const char *second; /* label of the score */
} made;

static void make_result(const char *folder, const made *m)
{
    float             scores[2] = {1 - m->score, m->score}, logits[2] = {0, m->score * 2};
    const char       *labels[] = {"normal", m->second != NULL ? m->second : "tumour", NULL};
    bool              scored = !isnan(m->score);
    mt_prediction     p = {.status = m->status,
                           .decision = MT_DECISION_NONE,
                           .score = scored ? (double)m->score : (double)NAN,
                           .threshold = 0.5,
                           .positive = (char *)"tumour",
                           .n_labels = scored ? 2 : 0,
                           .labels = (char **)labels,
                           .scores = scored ? scores : NULL,
                           .tiles = 12};
    mt_headline_facts facts = {.id = m->id, .tissue_mm2 = 1.5, .head = "h", .head_sha256 = m->head, .model_sha256 = "e"};
    g_autofree char  *line = mt_headline_json(&p, &facts, NULL);
    g_autofree char  *name = g_strdup_printf("%s.h5", m->file != NULL ? m->file : m->id);
    g_autofree char  *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);

    g_assert_no_error(error);
    if (scored) {
        g_assert_true(mt_schema_write_floats(store, MT_OBJECT_SCORES, scores, 2, &error));
        g_assert_true(mt_schema_write_floats(store, MT_OBJECT_LOGITS, logits, 2, &error));
        g_assert_true(mt_store_attr_strings(store, MT_OBJECT_SCORES, MT_ATTR_LABELS, labels, &error));
    }
    g_assert_true(mt_store_publish(store, line, &error));
}

static char *make_folder(const made *cases, size_t n)
{
    char            *out = g_dir_make_tmp("microtome-XXXXXX", NULL);
    g_autofree char *results = g_build_filename(out, "cases", NULL), *failed = g_build_filename(out, "failed", NULL);

    g_assert_cmpint(g_mkdir(results, 0755), ==, 0);
    g_assert_cmpint(g_mkdir(failed, 0755), ==, 0);
    for (size_t i = 0; i < n; i++)
        make_result(results, &cases[i]);
    return out;
}

static void write_text(const char *out, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(out, name, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void remove_all(const char *path)
{
    GDir       *dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *inner = g_build_filename(path, name, NULL);
        remove_all(inner);
    }
    if (dir != NULL)
        g_dir_close(dir);
    g_remove(path);
}

static const made SIX[] = {{"c", NULL, MT_STATUS_OK, 0.3f, "H", NULL},       {"a b", "a%20b", MT_STATUS_DEGRADED, 0.9f, "H", NULL},
                           {"w", NULL, MT_STATUS_WITHHELD, NAN, "H", NULL},  {"i", NULL, MT_STATUS_INSUFFICIENT, NAN, NULL, NULL},
                           {"e", NULL, MT_STATUS_EMBEDDED, NAN, NULL, NULL}, {"u", NULL, MT_STATUS_UNCALIBRATED, 0.1f, "H", NULL}};

static void check_cases(const mt_predictions *p, bool logits)
{
    static const char *const ids[] = {"a b", "c", "e", "f", "i", "u", "w", "x"};

    g_assert_cmpuint(p->cases->len, ==, G_N_ELEMENTS(ids));
    for (guint i = 0; i < p->cases->len; i++) {
        const mt_case_prediction *c = p->cases->pdata[i];
        g_assert_cmpstr(c->id, ==, ids[i]);
        g_assert_true(mt_predictions_find(p, ids[i]) == c);
        g_assert_cmpint(c->n_scores, ==, strchr("acu", ids[i][0]) != NULL ? 2 : 0);
        g_assert_cmpint(c->logits != NULL, ==, logits && c->n_scores > 0);
    }
    const mt_case_prediction *c = mt_predictions_find(p, "c");
    g_assert_cmpfloat(c->scores[1], ==, 0.3); /* the decimal, not 0.300000011920929 */
    g_assert_cmpfloat(c->score, ==, 0.3);
    g_assert_cmpfloat(c->threshold, ==, 0.5);
    g_assert_cmpstr(c->status, ==, "ok");
    g_assert_cmpstr(c->head_sha256, ==, "H");
    g_assert_cmpint(c->tiles, ==, 12);
    g_assert_cmpstr(mt_predictions_find(p, "f")->status, ==, "failed");
    g_assert_cmpstr(mt_predictions_find(p, "f")->reason, ==, "no tissue scanner");
    g_assert_null(mt_predictions_find(p, "nobody"));
}

static void test_read(void)
{
    g_autofree char *out = make_folder(SIX, G_N_ELEMENTS(SIX));

    write_text(out, "failed/f.json", "{\"id\":\"f\",\"reason\":\"no tissue scanner\"}");
    write_text(out, "failed/c.json", "{\"id\":\"c\",\"reason\":\"an older attempt\"}");
    write_text(out, "cases/x.h5", "not a result");
    for (int logits = 0; logits < 2; logits++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_predictions) p = mt_predictions_read(out, MT_PREDICTIONS_CASES, logits != 0, &error);
        g_assert_no_error(error);
        check_cases(p, logits != 0);
        g_assert_cmpuint(p->n_scored, ==, 3);
        g_assert_cmpuint(p->n_degraded, ==, 1);
        g_assert_cmpuint(p->n_withheld, ==, 1);
        g_assert_cmpuint(p->n_insufficient, ==, 1);
        g_assert_cmpuint(p->n_embedded, ==, 1);
        g_assert_cmpuint(p->n_failed, ==, 2);
        g_assert_cmpint(p->n_labels, ==, 2);
        g_assert_cmpstr(p->labels[1], ==, "tumour");
    }
    remove_all(out);
}

static void refuse(const char *out, int code, const char *form)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *plain = NULL;

    g_assert_null(mt_predictions_read(out, MT_PREDICTIONS_CASES, false, &error));
    g_assert_error(error, MT_ERROR, code);
    g_auto(GStrv) parts = g_strsplit(error->message, out, -1);
    plain = g_strjoinv("OUT", parts);
    g_assert_cmpstr(plain, ==, form);
}

static void test_refusals(void)
{
    static const made heads[] = {{"a", NULL, MT_STATUS_OK, 0.3f, "H", NULL}, {"b", NULL, MT_STATUS_OK, 0.3f, "J", NULL}};
    static const made names[] = {{"a", NULL, MT_STATUS_OK, 0.3f, "H", NULL}, {"b", NULL, MT_STATUS_OK, 0.3f, "H", "cancer"}};
    static const made twice[] = {{"a", NULL, MT_STATUS_OK, 0.3f, "H", NULL}, {"a", "b", MT_STATUS_OK, 0.3f, "H", NULL}};
    const struct {
        const made *cases;
        size_t      n;
        int         code;
        const char *message;
    } all[] = {
        {heads, 2, MT_ERROR_INPUT, "read the predictions of OUT: a and b have different heads: results of one head belong in one folder"},
        {names, 2, MT_ERROR_INPUT, "read the predictions of OUT: a and b have different labels: results of one head belong in one folder"},
        {twice, 2, MT_ERROR_INPUT, "read the predictions of OUT: OUT/cases/a.h5 and OUT/cases/b.h5 are both of case a: remove one of them"},
        {NULL, 0, MT_ERROR_MISSING, "read the predictions of OUT: no results in OUT/cases"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        g_autofree char *out = make_folder(all[i].cases, all[i].n);
        refuse(out, all[i].code, all[i].message);
        remove_all(out);
    }
    refuse("/nowhere", MT_ERROR_MISSING, "read the predictions of OUT: there is no folder OUT/cases: name what run -o wrote");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/predictions/read", test_read);
    g_test_add_func("/predictions/refusals", test_refusals);
    return g_test_run();
}
