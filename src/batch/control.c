#include "src/batch/control.h"

#include "src/base/publish.h"
#include "src/result/withheld.h"

#include <microtome/result.h>

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#define LOOKS 3

static bool parse_number(const char *text, double *value)
{
    char *end;

    *value = g_ascii_strtod(text, &end);
    return *text != '\0' && *end == '\0' && isfinite(*value);
}

bool mt_control_parse(const char *text, mt_control_wish *wish)
{
    g_auto(GStrv) parts = g_strsplit(text, "..", 2);
    double number;

    *wish = (mt_control_wish){.low = NAN, .high = NAN};
    if (*text == '\0' || parse_number(text, &number)) /* a lone number is no interval, and no label that could be meant */
        return false;
    if (parts[1] != NULL)
        return parse_number(g_strstrip(parts[0]), &wish->low) && parse_number(g_strstrip(parts[1]), &wish->high) && wish->low <= wish->high;
    wish->label = g_strdup(text);
    return true;
}

void mt_control_wish_clear(mt_control_wish *wish)
{
    g_clear_pointer(&wish->label, g_free);
}

static char *file_of(const char *out, const char *folder, const char *id, const char *ending)
{
    g_autofree char *name = g_strconcat(id, ending, NULL);

    return g_build_filename(out, folder, name, NULL);
}

static char *interval_fault(const mt_headline *h, const mt_control_wish *wish)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (h->score >= wish->low && h->score <= wish->high) /* NaN is in no interval */
        return NULL;
    return isfinite(h->score) ? g_strdup_printf("its score is %s", g_ascii_formatd(text, sizeof text, "%.9g", h->score))
                              : g_strdup("it has no score");
}

static char *label_fault(const mt_headline *h, const mt_control_wish *wish)
{
    int best = -1;

    for (int i = 0; i < h->n_scores; i++)
        if (isfinite(h->scores[i]) && (best < 0 || h->scores[i] > h->scores[best]))
            best = i;
    if (best < 0)
        return g_strdup("it has no score");
    if (strcmp(h->labels[best], wish->label) == 0)
        return NULL;
    return g_strdup_printf("label '%s' has the highest score%s", h->labels[best],
                           g_strv_contains((const char *const *)h->labels, wish->label) ? "" : ", and its own is none of the head's");
}

char *mt_control_fault(const char *out, const mt_batch_case *c)
{
    g_autofree char *failed = file_of(out, "failed", c->id, ".json"), *path = file_of(out, "cases", c->id, ".h5"), *line = NULL,
                    *fault = NULL;
    g_autoptr(mt_headline) headline = NULL;
    mt_control_wish wish;

    if (g_file_test(failed, G_FILE_TEST_EXISTS))
        return g_strdup("it failed");
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return g_strdup("it has no result yet");
    line = mt_result_headline(path, NULL);
    headline = line != NULL ? mt_headline_parse(line, path, NULL) : NULL;
    if (headline == NULL)
        return g_strdup("its result cannot be read");
    if (g_strcmp0(headline->status, "withheld") == 0 || g_strcmp0(headline->status, "insufficient") == 0)
        return g_strdup_printf("its status is %s", headline->status);
    if (!mt_control_parse(c->control, &wish))
        return g_strdup("what it has to give cannot be read");
    fault = wish.label != NULL ? label_fault(headline, &wish) : interval_fault(headline, &wish);
    mt_control_wish_clear(&wish);
    return g_steal_pointer(&fault);
}

/* Since when, as the record says already; -1: there is none. */
static gint64 known_since(const char *path)
{
    json_t *record = json_load_file(path, 0, NULL);
    gint64  since = record != NULL ? json_integer_value(json_object_get(record, "since_us")) : -1;

    json_decref(record);
    return since;
}

static bool write_record(const char *path, const mt_batch_case *c, const char *fault, gint64 since_us, GError **error)
{
    g_autoptr(GDateTime) since = g_date_time_new_from_unix_utc(since_us / G_USEC_PER_SEC);
    g_autofree char *time = g_date_time_format(since, "%Y-%m-%dT%H:%M:%SZ");
    json_t *record = json_pack("{s:s s:s s:s s:s s:I s:s s:i}", "control", c->id, "expected", c->control, "found", fault, "since", time,
                               "since_us", (json_int_t)since_us, "host", g_get_host_name(), "pid", (int)getpid());
    char   *text = json_dumps(record, JSON_INDENT(2));
    bool    ok = mt_publish_text(path, text, true, error);

    free(text);
    json_decref(record);
    return ok;
}

/* A new record withholds everything for a moment: its own time, by the clock of the file system that dates the results too, says since
 * when. */
static bool withhold(const char *path, const mt_batch_case *c, const char *fault, GError **error)
{
    gint64 since = known_since(path);

    if (since < 0) {
        if (!write_record(path, c, fault, 0, error))
            return false;
        since = mt_withheld_changed_us(path);
    }
    return write_record(path, c, fault, MAX(since, 0), error);
}

/* Looked at again after a record is written: another process may have finished the control meanwhile. */
static bool review_case(const char *out, const mt_batch_case *c, GPtrArray *faults, GError **error)
{
    g_autofree char *path = file_of(out, "withheld", c->id, ".json"), *fault = mt_control_fault(out, c);

    for (int look = 0; look < LOOKS && fault != NULL; look++) {
        g_autofree char *before = g_steal_pointer(&fault);
        if (!withhold(path, c, before, error))
            return false;
        fault = mt_control_fault(out, c);
        if (g_strcmp0(fault, before) == 0)
            break;
    }
    if (fault == NULL)
        unlink(path);
    else if (faults != NULL)
        g_ptr_array_add(faults, g_strdup_printf("control case '%s' has to give %s: %s", c->id, c->control, fault));
    return true;
}

bool mt_control_review(const char *out, GPtrArray *cases, GPtrArray *faults, GError **error)
{
    g_autofree char *folder = g_build_filename(out, "withheld", NULL);

    for (guint i = 0; i < cases->len; i++) {
        const mt_batch_case *c = cases->pdata[i];
        if (c->control == NULL)
            continue;
        if (g_mkdir_with_parents(folder, 0755) != 0 || !review_case(out, c, faults, error)) {
            if (error != NULL && *error == NULL)
                mt_publish_io_error(error, "create folder", folder, errno);
            g_prefix_error(error, "review control case '%s': ", c->id);
            return false;
        }
    }
    return true;
}

char *mt_batch_withheld(const char *result_path)
{
    g_autofree char *whole = g_canonicalize_filename(result_path, NULL), *cases = g_path_get_dirname(whole);
    g_autofree char *name = g_path_get_basename(cases), *out = g_path_get_dirname(cases);
    g_autoptr(mt_withheld) withheld = strcmp(name, "cases") == 0 ? mt_withheld_read(out) : NULL;

    return g_strdup(mt_withheld_why(withheld, whole));
}

char *mt_batch_headline(const char *out, const char *id)
{
    g_autofree char *path = file_of(out, "cases", id, ".h5");
    g_autoptr(mt_withheld) withheld = mt_withheld_read(out);
    const char *why = mt_withheld_why(withheld, path);
    char       *line = mt_result_headline(path, NULL);
    json_t     *headline = line != NULL && why != NULL ? json_loads(line, 0, NULL) : NULL;

    if (headline == NULL)
        return line;
    json_object_set_new(headline, "status", json_string("withheld"));
    json_object_set_new(headline, "decision", json_string("none"));
    json_object_set_new(headline, "reason", json_string(why));
    json_object_set_new(headline, "score", json_null());
    json_object_del(headline, "scores");
    char *text = json_dumps(headline, JSON_COMPACT | JSON_REAL_PRECISION(9));
    g_free(line);
    line = g_strdup(text);
    free(text);
    json_decref(headline);
    return line;
}
