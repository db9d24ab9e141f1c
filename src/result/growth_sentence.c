/* "nodule grew from 6.1 to 7.9 mm (+29 %), volume +117 %, doubling time 161 days; right, lower third". */
#include "src/result/finding_sentence.h"
#include "src/result/growth.h"

#include <math.h>
#include <string.h>

/* Both diameters in one unit, with the decimal that a change needs. */
static char *size_sentence(const mt_growth *g, const mt_growth_row *r, mt_message message, mt_language language)
{
    double           a = r->before->longest_mm, b = r->after->longest_mm;
    bool             small = a < 0.1 && b < 0.1;
    g_autofree char *before = mt_number_words(small ? 1000 * a : a, !small), *after = mt_number_words(small ? 1000 * b : b, !small),
                    *share = mt_signed_words(r->change_percent, 0), *extent = mt_number_words(fabs(r->extent_percent), 0);
    g_autofree char *number = mt_number_words(g->limit_mm, 1);
    g_autofree char *limit = g->limit_mm >= 0.1 ? g_strconcat(number, " mm", NULL) : mt_length_words(g->limit_mm);

    return mt_message_text(message, language, "class", r->after->label, "before", before, "after", after, "unit", small ? "µm" : "mm",
                           "percent", share, "extent", extent, "limit", limit, NULL);
}

static mt_message message_of(const mt_growth *g, const mt_growth_row *r)
{
    bool inside = fabs(r->change_mm) <= g->limit_mm;

    if (r->state == MT_GROWTH_GROWN)
        return inside ? MT_MESSAGE_GREW_INSIDE : MT_MESSAGE_GREW;
    if (r->state == MT_GROWTH_SHRUNK)
        return inside ? MT_MESSAGE_SHRANK_INSIDE : MT_MESSAGE_SHRANK;
    return MT_MESSAGE_SAME_SIZE;
}

static void add_part(GString *text, char *part)
{
    g_string_append_printf(text, ", %s", part);
    g_free(part);
}

/* What a later stage said of it, where it said the same thing both times. */
static void add_finding(GString *text, const mt_growth_row *r, mt_language language)
{
    const mt_finding *f = r->before, *h = r->after;

    if (h->finding == NULL || g_strcmp0(f->finding, h->finding) != 0 || !isfinite(f->finding_score) || !isfinite(h->finding_score))
        return;
    g_autofree char *before = mt_number_words(f->finding_score, 2), *after = mt_number_words(h->finding_score, 2);
    add_part(text, mt_message_text(MT_MESSAGE_FINDING_BEFORE, language, "name", h->finding, "before", before, "after", after, NULL));
}

static char *pair_sentence(const mt_growth *g, const mt_growth_row *r, mt_language language)
{
    bool     sized = isfinite(r->change_mm), inside = sized && r->state != MT_GROWTH_STABLE && fabs(r->change_mm) <= g->limit_mm;
    char    *first = sized ? size_sentence(g, r, message_of(g, r), language)
                           : mt_message_text(MT_MESSAGE_NOT_SIZED, language, "class", r->after->label, NULL);
    GString *text = g_string_new(first);

    g_free(first);
    if (!inside && isfinite(r->extent_percent) && isfinite(r->after->volume_mm3)) {
        g_autofree char *share = mt_signed_words(r->extent_percent, 0);
        add_part(text, mt_message_text(MT_MESSAGE_VOLUME_CHANGE, language, "percent", share, NULL));
    }
    if (isfinite(r->doubling_days)) {
        g_autofree char *days = mt_number_words(r->doubling_days, 0);
        add_part(text, mt_message_text(MT_MESSAGE_DOUBLING, language, "days", days, NULL));
    }
    add_finding(text, r, language);
    g_autofree char *place = r->after->location != NULL ? mt_location_words(r->after->location, language) : NULL;
    if (place != NULL)
        g_string_append_printf(text, "; %s", place);
    return g_string_free(text, FALSE);
}

static char *alone_sentence(const mt_growth_row *r, mt_language language)
{
    static const mt_message messages[] = {[MT_GROWTH_NEW] = MT_MESSAGE_NEW,
                                          [MT_GROWTH_GONE] = MT_MESSAGE_GONE,
                                          [MT_GROWTH_MERGED] = MT_MESSAGE_MERGED,
                                          [MT_GROWTH_SPLIT] = MT_MESSAGE_SPLIT};
    g_autofree char        *thing = mt_finding_sentence(r->after != NULL ? r->after : r->before, language);

    return mt_message_text(messages[r->state], language, "text", thing, NULL);
}

/* A ratio's and a count's change as it is, a share's in points of it, that of a size in percent. */
static char *change_words(const mt_growth_value *v)
{
    const mt_finding_value *after = v->after;

    if (*after->unit != '\0' && isfinite(v->change_percent)) {
        g_autofree char *share = mt_signed_words(v->change_percent, 0);
        return g_strconcat(share, " %", NULL);
    }
    if (g_str_has_prefix(after->rule, "share(")) {
        g_autofree char *points = mt_signed_words(100 * v->change, 1);
        return g_strconcat(points, " %p", NULL);
    }
    return mt_signed_words(v->change, g_str_has_prefix(after->rule, "count(") ? 0 : 2);
}

static char *value_sentence(const mt_growth_value *v, mt_language language)
{
    g_autofree char *name = mt_value_name(v->after), *before = mt_value_words(v->before, v->before->value),
                    *after = mt_value_words(v->after, v->after->value);

    if (before == NULL || after == NULL)
        return NULL;
    if (strcmp(before, after) == 0)
        return mt_message_text(MT_MESSAGE_VALUE_SAME, language, "name", name, "after", after, NULL);
    g_autofree char *change = change_words(v);
    return mt_message_text(MT_MESSAGE_VALUE_CHANGE, language, "name", name, "before", before, "after", after, "change", change, NULL);
}

void mt_growth_word(mt_growth *g, mt_language language)
{
    for (int i = 0; i < g->n_rows; i++) {
        mt_growth_row *r = &g->rows[i];
        r->text = r->before != NULL && r->after != NULL ? pair_sentence(g, r, language) : alone_sentence(r, language);
    }
    for (int i = 0; i < g->n_values; i++)
        g->values[i].text = value_sentence(&g->values[i], language);
}
