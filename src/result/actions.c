#include "src/result/actions.h"

#include "src/store/schema.h"

#include <math.h>
#include <string.h>

typedef struct part {
    int    measure; /* -1: else */
    char   compare[3];
    double value;
    char  *words[MT_LANGUAGES];
} part;

struct mt_action_rule {
    char   *name;
    GArray *parts;
};

static void part_clear(gpointer data)
{
    part *p = data;

    for (int l = 0; l < MT_LANGUAGES; l++)
        g_free(p->words[l]);
}

void mt_action_rule_free(mt_action_rule *rule)
{
    if (rule == NULL)
        return;
    g_free(rule->name);
    g_array_unref(rule->parts);
    g_free(rule);
}

static void refuse(const char *source, const char *text, const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [action] %s: %s", source, text, what);
}

/* "size >= 8" */
static bool read_condition(const char *condition, mt_measure_rule *const *measures, int n, part *p)
{
    static const char *const compares[] = {">=", "<=", ">", "<"};

    for (size_t i = 0; i < G_N_ELEMENTS(compares); i++) {
        const char *at = strstr(condition, compares[i]);
        char       *end;
        if (at == NULL)
            continue;
        g_autofree char *name = g_strstrip(g_strndup(condition, (gsize)(at - condition)));
        g_autofree char *number = g_strstrip(g_strdup(at + strlen(compares[i])));
        p->value = g_ascii_strtod(number, &end);
        if (*number == '\0' || *end != '\0' || !isfinite(p->value))
            return false;
        g_strlcpy(p->compare, compares[i], sizeof p->compare);
        for (p->measure = 0; p->measure < n; p->measure++)
            if (strcmp(measures[p->measure]->name, name) == 0)
                return true;
        return false;
    }
    return false;
}

static bool read_part(const char *text, mt_measure_rule *const *measures, int n, part *p)
{
    const char *colon = strchr(text, ':');

    if (colon == NULL)
        return false;
    g_autofree char *condition = g_strstrip(g_strndup(text, (gsize)(colon - text)));
    g_auto(GStrv) words = g_strsplit(colon + 1, "|", 2);
    p->measure = -1;
    if (strcmp(condition, "else") != 0 && !read_condition(condition, measures, n, p))
        return false;
    if (words[0] == NULL) /* nothing behind the colon: g_strsplit makes no part of it */
        return false;
    p->words[MT_LANGUAGE_EN] = g_strdup(g_strstrip(words[0]));
    p->words[MT_LANGUAGE_KO] = g_strdup(words[1] != NULL ? g_strstrip(words[1]) : words[0]);
    return *p->words[MT_LANGUAGE_EN] != '\0' && *p->words[MT_LANGUAGE_KO] != '\0';
}

mt_action_rule *mt_action_rule_parse(const char *text, mt_measure_rule *const *measures, int n_measures, const char *source, GError **error)
{
    const char *equals = strchr(text, '=');
    g_autoptr(mt_action_rule) rule = g_new0(mt_action_rule, 1);

    rule->parts = g_array_new(FALSE, TRUE, sizeof(part));
    g_array_set_clear_func(rule->parts, part_clear);
    rule->name = g_strstrip(g_strndup(text, (gsize)(equals != NULL ? equals - text : 0)));
    if (*rule->name == '\0' || equals[1 + strspn(equals + 1, " \t;")] == '\0') {
        refuse(source, text, "NAME=MEASURE >= VALUE: text; ... is wanted", error);
        return NULL;
    }
    g_auto(GStrv) pieces = g_strsplit(equals + 1, ";", -1);
    for (char **piece = pieces; *piece != NULL; piece++) {
        part p = {0};
        if (*g_strstrip(*piece) == '\0' && piece[1] == NULL)
            break; /* a semicolon behind the last part, as lists of key files have it */
        if (rule->parts->len > 0 && g_array_index(rule->parts, part, rule->parts->len - 1).measure < 0) {
            refuse(source, rule->name, "else is the last part: what follows it would never be read", error);
            return NULL;
        }
        bool ok = read_part(*piece, measures, n_measures, &p);
        g_array_append_vals(rule->parts, &p, 1);
        if (ok)
            continue;
        g_autofree char *what =
            g_strdup_printf("'%s': MEASURE >= VALUE: text, with a measure of [measure], or else: text, is wanted", *piece);
        refuse(source, rule->name, what, error);
        return NULL;
    }
    return g_steal_pointer(&rule);
}

static bool holds(const part *p, double value)
{
    if (strcmp(p->compare, ">=") == 0)
        return value >= p->value;
    if (strcmp(p->compare, "<=") == 0)
        return value <= p->value;
    return *p->compare == '>' ? value > p->value : value < p->value;
}

/* "size >= 8 mm" */
static char *condition_words(const part *p, const mt_measurement *measured)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(digits, sizeof digits, "%.6g", p->value);
    return g_strconcat(measured->name, " ", p->compare, " ", digits, *measured->unit != '\0' ? " " : "", measured->unit, NULL);
}

/* What the other part says, where the condition of `on` holds or does not. */
static void put_change(char *texts[MT_LANGUAGES], const mt_action_rule *rule, const part *other, const part *on, mt_message message,
                       const mt_measurement *measurements)
{
    if (on->measure < 0)
        return;
    g_autofree char *condition = condition_words(on, &measurements[on->measure]);
    for (int l = 0; l < MT_LANGUAGES; l++)
        texts[l] = mt_message_text(message, (mt_language)l, "name", rule->name, "text", other->words[l], "condition", condition, NULL);
}

mt_action *mt_action_choose(const mt_action_rule *rule, const mt_measurement *measurements)
{
    for (guint i = 0; i < rule->parts->len; i++) {
        const part *p = &g_array_index(rule->parts, part, i);
        if (p->measure >= 0 && isnan(measurements[p->measure].value))
            return NULL;
        if (p->measure >= 0 && !holds(p, measurements[p->measure].value))
            continue;
        mt_action *action = g_new0(mt_action, 1);
        for (int l = 0; l < MT_LANGUAGES; l++)
            action->text[l] = g_strdup_printf("%s: %s", rule->name, p->words[l]);
        if (i > 0)
            put_change(action->before, rule, p - 1, p - 1, MT_MESSAGE_ACTION_IF, measurements);
        if (i + 1 < rule->parts->len)
            put_change(action->otherwise, rule, p + 1, p, MT_MESSAGE_ACTION_UNLESS, measurements);
        return action;
    }
    return NULL;
}

void mt_action_free(mt_action *action)
{
    for (int l = 0; action != NULL && l < MT_LANGUAGES; l++) {
        g_free(action->text[l]);
        g_free(action->before[l]);
        g_free(action->otherwise[l]);
    }
    g_free(action);
}

static bool store_changes(const GPtrArray *actions, mt_language language, mt_store *store, GError **error)
{
    g_autoptr(GPtrArray) changes = g_ptr_array_new();
    g_autofree char *name = g_strconcat("changes_", mt_language_name(language), NULL);

    for (guint i = 0; i < actions->len; i++) {
        const mt_action *action = actions->pdata[i];
        if (action->before[language] != NULL)
            g_ptr_array_add(changes, action->before[language]);
        if (action->otherwise[language] != NULL)
            g_ptr_array_add(changes, action->otherwise[language]);
    }
    if (changes->len == 0)
        return true;
    g_ptr_array_add(changes, NULL);
    return mt_store_attr_strings(store, MT_OBJECT_ACTIONS, name, (const char *const *)changes->pdata, error);
}

static const char **texts_of(const GPtrArray *actions, mt_language language)
{
    const char **texts = g_new0(const char *, actions->len + 1);

    for (guint i = 0; i < actions->len; i++)
        texts[i] = ((const mt_action *)actions->pdata[i])->text[language];
    return texts;
}

bool mt_actions_store(const GPtrArray *actions, mt_language language, mt_store *store, GError **error)
{
    if (actions->len == 0)
        return true;
    g_autofree const char **own = texts_of(actions, language);
    bool                    ok = mt_store_write_strings(store, MT_OBJECT_ACTIONS, own, actions->len, error);
    for (int l = 0; ok && l < MT_LANGUAGES; l++) {
        g_autofree const char **texts = texts_of(actions, (mt_language)l);
        ok = mt_store_attr_strings(store, MT_OBJECT_ACTIONS, mt_language_name((mt_language)l), texts, error) &&
             store_changes(actions, (mt_language)l, store, error);
    }
    return ok;
}
