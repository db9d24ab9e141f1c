#include "src/result/finding_sentence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TENTH(x) (floor((x)*10 + 0.5) / 10)

char *mt_number_words(double value, int digits)
{
    char   text[G_ASCII_DTOSTR_BUF_SIZE], format[8];
    double ten = pow(10, digits), rounded = (value < 0 ? -1 : 1) * floor(fabs(value) * ten + 0.5) / ten;

    g_snprintf(format, sizeof format, "%%.%df", digits);
    return g_strdup(g_ascii_formatd(text, sizeof text, format, rounded == 0 ? 0 : rounded));
}

char *mt_signed_words(double value, int digits)
{
    g_autofree char *words = mt_number_words(value, digits);

    return g_strconcat(*words != '-' && g_ascii_strtod(words, NULL) > 0 ? "+" : "", words, NULL);
}

char *mt_length_words(double mm)
{
    if (!isfinite(mm))
        return NULL;
    if (mm > 0 && mm < 0.1) {
        g_autofree char *um = mt_number_words(mm * 1000, 0);
        return g_strconcat(um, " µm", NULL);
    }
    g_autofree char *digits = mt_number_words(mm, TENTH(mm) >= 3 ? 0 : 1);
    return g_strconcat(digits, " mm", NULL);
}

char *mt_extent_words(double value, const char *unit)
{
    bool large = strcmp(unit, "mm3") == 0 && value >= 999.5;

    if (!isfinite(value))
        return NULL;
    g_autofree char *digits = large ? mt_number_words(value / 1000, 1) : mt_number_words(value, TENTH(value) >= 10 ? 0 : 1);
    return g_strconcat(digits, " ", large ? "cm3" : unit, NULL);
}

char *mt_location_words(const char *location, mt_language language)
{
    static const struct {
        const char *word;
        mt_message  message;
    } words[] = {{"right", MT_MESSAGE_PLACE_RIGHT},
                 {"left", MT_MESSAGE_PLACE_LEFT},
                 {"upper third", MT_MESSAGE_PLACE_UPPER},
                 {"middle third", MT_MESSAGE_PLACE_MIDDLE},
                 {"lower third", MT_MESSAGE_PLACE_LOWER}};
    g_auto(GStrv) parts = g_strsplit(location, ", ", -1);

    for (char **part = parts; *part != NULL; part++)
        for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
            if (strcmp(*part, words[i].word) == 0) {
                g_free(*part);
                *part = g_strdup(mt_message_template(words[i].message, language));
                break;
            }
    return g_strjoinv(", ", parts);
}

/* Its longest diameter, else how many pixels its box has. */
static char *size_words(const mt_finding *f, mt_language language)
{
    char *length = mt_length_words(f->longest_mm);

    if (length != NULL)
        return length;
    int64_t width = f->box[3] - f->box[0], height = f->box[4] - f->box[1], planes = f->box[5] - f->box[2];
    if (planes > 1)
        return g_strdup_printf("%" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " %s", width, height, planes,
                               mt_message_template(MT_MESSAGE_VOXELS, language));
    return g_strdup_printf("%" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " px", width, height);
}

/* Words where the file has a patient frame, else the pixel: never a side or an organ that nobody told. */
static char *place_words(const mt_finding *f, mt_language language)
{
    if (f->location != NULL)
        return mt_location_words(f->location, language);
    if (!isfinite(f->centre[0]) || !isfinite(f->centre[1]))
        return NULL;
    g_autofree char *x = mt_number_words(f->centre[0], 0), *y = mt_number_words(f->centre[1], 0);
    return mt_message_text(MT_MESSAGE_PLACE_PIXEL, language, "x", x, "y", y, NULL);
}

char *mt_finding_sentence(const mt_finding *f, mt_language language)
{
    g_autofree char *size = size_words(f, language), *place = place_words(f, language);
    const char      *by = f->finding != NULL ? f->finding : mt_message_template(MT_MESSAGE_OBJECT_SCORE, language);
    double           sure = f->finding != NULL ? f->finding_score : f->score;
    GString         *text = g_string_new(NULL);

    char *thing = mt_message_text(MT_MESSAGE_OBJECT, language, "size", size, "class", f->label, NULL);
    g_string_append(text, thing);
    g_free(thing);
    if (place != NULL)
        g_string_append_printf(text, ", %s", place);
    if (f->finding != NULL || isfinite(sure)) {
        g_autofree char *number = isfinite(sure) ? mt_number_words(sure, 2) : NULL;
        g_string_append_printf(text, ", %s%s%s", by, number != NULL ? " " : "", number != NULL ? number : "");
    }
    return g_string_free(text, FALSE);
}

static bool has_rule(const mt_finding_value *v, const char *rule)
{
    return g_str_has_prefix(v->rule, rule);
}

char *mt_value_name(const mt_finding_value *v)
{
    bool  ratio = has_rule(v, "ratio_");
    char *name = g_strdelimit(g_strdup(v->name), "_", ratio ? '-' : ' ');

    if (!ratio || strstr(name, "ratio") != NULL)
        return name;
    g_autofree char *bare = name;
    return g_strconcat(bare, " ratio", NULL);
}

char *mt_value_words(const mt_finding_value *v, double number)
{
    if (!isfinite(number))
        return NULL;
    if (strcmp(v->unit, "mm") == 0)
        return mt_length_words(number);
    if (strcmp(v->unit, "mm2") == 0 || strcmp(v->unit, "mm3") == 0)
        return mt_extent_words(number, v->unit);
    if (strcmp(v->unit, "/mm2") == 0) {
        g_autofree char *digits = mt_number_words(number, 1);
        return g_strconcat(digits, " /mm2", NULL);
    }
    if (has_rule(v, "share(")) {
        g_autofree char *digits = mt_number_words(100 * number, TENTH(100 * number) >= 10 ? 0 : 1);
        return g_strconcat(digits, " %", NULL);
    }
    g_autofree char *digits = mt_number_words(number, has_rule(v, "count(") ? 0 : 2);
    return *v->unit != '\0' ? g_strconcat(digits, " ", v->unit, NULL) : g_steal_pointer(&digits);
}

char *mt_value_sentence(const mt_finding_value *v, mt_language language)
{
    g_autofree char *name = mt_value_name(v), *words = mt_value_words(v, v->value), *low = mt_value_words(v, v->low),
                    *high = mt_value_words(v, v->high);

    if (words == NULL)
        return NULL;
    if (low == NULL || high == NULL || strcmp(low, high) == 0)
        return g_strdup_printf("%s %s", name, words);
    return mt_message_text(MT_MESSAGE_VALUE_BETWEEN, language, "name", name, "value", words, "low", low, "high", high, NULL);
}

char *mt_finding_text(const mt_finding *finding, const char *language)
{
    return mt_finding_sentence(finding, mt_language_of(language));
}

char *mt_finding_value_text(const mt_finding_value *value, const char *language)
{
    return mt_value_sentence(value, mt_language_of(language));
}

/* Longest first; what cannot be measured by its score; then as they stand in the result. */
static int compare_sizes(const void *a, const void *b)
{
    const mt_finding *f = *(const mt_finding *const *)a, *g = *(const mt_finding *const *)b;
    double            x = isfinite(f->longest_mm) ? f->longest_mm : -1, y = isfinite(g->longest_mm) ? g->longest_mm : -1;

    if (x == y && isfinite(f->score) && isfinite(g->score)) {
        x = f->score;
        y = g->score;
    }
    return x != y ? (x > y ? -1 : 1) : (f > g) - (f < g);
}

const mt_finding **mt_finding_order(const mt_finding_list *list)
{
    const mt_finding **order = g_new0(const mt_finding *, (gsize)list->n_findings + 1);

    for (int i = 0; i < list->n_findings; i++)
        order[i] = &list->findings[i];
    qsort(order, (size_t)list->n_findings, sizeof *order, compare_sizes);
    return order;
}

char **mt_finding_list_texts(const mt_finding_list *list, int most, const char *name)
{
    mt_language                   language = mt_language_of(name);
    GPtrArray                    *texts = g_ptr_array_new();
    g_autofree const mt_finding **order = mt_finding_order(list);

    for (int i = 0; i < list->n_findings && i < most; i++)
        g_ptr_array_add(texts, mt_finding_sentence(order[i], language));
    if (list->n_findings > most) {
        char count[12];
        g_snprintf(count, sizeof count, "%d", list->n_findings - most);
        g_ptr_array_add(texts, mt_message_text(MT_MESSAGE_MORE_OBJECTS, language, "count", count, NULL));
    }
    for (int i = 0; i < list->n_values; i++) {
        char *text = mt_value_sentence(&list->values[i], language);
        if (text != NULL)
            g_ptr_array_add(texts, text);
    }
    for (char **action = list->actions; *action != NULL; action++)
        g_ptr_array_add(texts, g_strdup(*action));
    g_ptr_array_add(texts, NULL);
    return (char **)g_ptr_array_free(texts, FALSE);
}
