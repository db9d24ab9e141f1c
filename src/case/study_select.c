/* One series for each rule, or the reason why there is none. */
#include "src/case/study.h"

#include <string.h>

#define MAX_LISTED 20

static mt_series *at(const mt_study *study, guint i)
{
    return g_ptr_array_index(study->series, i);
}

static void list_one(GString *list, const mt_series *s, const char *why)
{
    g_autofree char *text = mt_series_text(s);

    g_string_append_printf(list, "%s[%d] %s", list->len > 0 ? "; " : "", s->number, text);
    if (why != NULL)
        g_string_append_printf(list, ": %s", why);
}

/* The first fact in which they differ, as the key that would part them. */
static const char *deciding_key(const GPtrArray *found)
{
    const mt_series *a = found->pdata[0], *b = found->pdata[1];

    if (g_strcmp0(a->modality, b->modality) != 0)
        return "modality=";
    if (g_strcmp0(a->view, b->view) != 0)
        return "view=";
    if (a->orientation != b->orientation)
        return "orientation=";
    if (a->contrast != b->contrast)
        return "contrast=";
    if (a->thickness_mm != b->thickness_mm)
        return "thickness= or prefer=thinnest";
    if (g_strcmp0(a->body_part, b->body_part) != 0)
        return "body_part=";
    if (a->images != b->images)
        return "min_images= or prefer=most-images";
    if (g_strcmp0(a->laterality, b->laterality) != 0)
        return "laterality=";
    if (g_strcmp0(a->description, b->description) != 0 || g_strcmp0(a->protocol, b->protocol) != 0)
        return "description=";
    if (a->series_number != b->series_number || a->acquisition != b->acquisition)
        return "prefer=newest";
    return NULL;
}

static bool refuse_several(const mt_series_rule *rule, const GPtrArray *found, GError **error)
{
    g_autoptr(GString) list = g_string_new(NULL);
    g_autofree char *name = mt_series_rule_name(rule);
    const char      *key = deciding_key(found);

    for (guint i = 0; i < MIN(found->len, MAX_LISTED); i++)
        list_one(list, found->pdata[i], NULL);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%u series fit %s (%s%s): %s%s", found->len, name, list->str,
                found->len > MAX_LISTED ? "; ..." : "",
                key != NULL ? key : "nothing that a rule can name tells them apart: name one's folder", key != NULL ? " would decide" : "");
    return false;
}

static bool refuse_none(const mt_study *study, const mt_series_rule *rule, GPtrArray *whys, GError **error)
{
    g_autoptr(GString) list = g_string_new(NULL);
    g_autofree char *name = mt_series_rule_name(rule);

    for (guint i = 0; i < MIN(study->series->len, MAX_LISTED); i++)
        list_one(list, at(study, i), whys->pdata[i]);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "none of its %u series fits %s (%s%s)", study->series->len, name, list->str,
                study->series->len > MAX_LISTED ? "; ..." : "");
    return false;
}

static bool refuse_unsure(const mt_series_rule *rule, const mt_series *s, const char *why, GError **error)
{
    g_autoptr(GString) one = g_string_new(NULL);
    g_autofree char *name = mt_series_rule_name(rule);

    list_one(one, s, NULL);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s may want %s, and %s: description= would decide", name, one->str, why);
    return false;
}

/* By prefer=, the first; NULL where several are first. */
static mt_series *best_of(const mt_series_rule *rule, const GPtrArray *found)
{
    mt_series *best = found->pdata[0];
    bool       alone = true;

    for (guint i = 1; i < found->len; i++) {
        int order = mt_series_rule_order(rule, found->pdata[i], best);
        if (order < 0)
            best = found->pdata[i];
        alone = order < 0 || (alone && order > 0);
    }
    return alone ? best : NULL;
}

/* Why a series was not chosen, told once: the first rule's word where there is one rule, else that none wanted it. */
static void tell_why(mt_series *s, const char *why, bool lone)
{
    if (s->reason == NULL)
        s->reason = g_strdup(lone ? why : "fits no role");
}

static bool select_one(mt_study *study, const mt_series_rule *rule, bool lone, GError **error)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new(), whys = g_ptr_array_new_with_free_func(g_free);
    const char *role = mt_series_rule_role(rule);
    mt_series  *unsure = NULL, *best;

    for (guint i = 0; i < study->series->len; i++) {
        char         *why = NULL;
        mt_series_fit fit = mt_series_rule_fits(rule, at(study, i), &why);
        g_ptr_array_add(whys, why);
        if (fit == MT_FITS)
            g_ptr_array_add(found, at(study, i));
        if (fit == MT_FITS_UNSURE && unsure == NULL)
            unsure = at(study, i);
    }
    if (unsure != NULL)
        return refuse_unsure(rule, unsure, whys->pdata[unsure->number - 1], error);
    if (found->len == 0)
        return refuse_none(study, rule, whys, error);
    if ((best = best_of(rule, found)) == NULL)
        return refuse_several(rule, found, error);
    if (best->chosen != NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "[series.%s] and [series.%s] both choose [%d]", best->chosen, role, best->number);
        return false;
    }
    best->chosen = g_strdup(role != NULL ? role : "");
    for (guint i = 0; i < study->series->len; i++)
        if (at(study, i) != best)
            tell_why(at(study, i), whys->pdata[i] != NULL ? whys->pdata[i] : "another is preferred", lone);
    return true;
}

static bool is_in(const char *path, const char *folder)
{
    g_autofree char *own = g_path_get_dirname(path);

    return strcmp(own, folder) == 0;
}

/* A damaged file may be a slice of any series, except where its folder holds images and none of this one. */
static bool may_belong(const mt_study *study, const char *broken, const mt_series *chosen)
{
    g_autofree char *folder = g_path_get_dirname(broken);
    bool             others = false;

    for (guint i = 0; i < study->series->len; i++)
        for (char **file = at(study, i)->files; *file != NULL; file++)
            if (is_in(*file, folder)) {
                if (at(study, i) == chosen)
                    return true;
                others |= at(study, i)->images > 0;
            }
    return !others;
}

static bool check_damaged(const mt_study *study, GError **error)
{
    for (guint k = 0; k < study->broken->len; k++)
        for (guint i = 0; i < study->series->len; i++)
            if (at(study, i)->chosen != NULL && may_belong(study, study->broken->pdata[k], at(study, i))) {
                g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its file %s; it may be a slice of the chosen series [%d]",
                            (const char *)study->damaged->pdata[k], at(study, i)->number);
                return false;
            }
    return true;
}

static void drop_reasons(mt_study *study)
{
    for (guint i = 0; i < study->series->len; i++)
        if (at(study, i)->chosen != NULL)
            g_clear_pointer(&at(study, i)->reason, g_free);
}

bool mt_study_select(mt_study *study, const mt_series_rule *const *rules, int n, GError **error)
{
    bool ok = true;

    for (int k = 0; ok && k < n; k++)
        ok = select_one(study, rules[k], n == 1, error);
    drop_reasons(study);
    ok = ok && check_damaged(study, error);
    if (!ok)
        g_prefix_error(error, "choose a series of %s: ", study->path);
    return ok;
}
