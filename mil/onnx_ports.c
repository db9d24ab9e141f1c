#include "mil/onnx_ports.h"

#include <microtome/error.h>

#include <string.h>

mt_port_role mt_port_role_of(const mt_port *port, int64_t n)
{
    mt_port_role role = {.name = port->name, .form = MT_PORT_OTHER, .width = 1};
    int64_t      before = 1, after = 1;
    int          axis = -1, large = 0;

    for (int i = 0; i < port->rank; i++) {
        if (port->shape[i] == n && axis < 0)
            axis = i;
        else
            *(axis < 0 ? &before : &after) *= port->shape[i];
        large += port->shape[i] != 1;
    }
    role.width = before * after;
    if (port->dtype != MT_F32 || port->rank < 0 || role.width <= 0)
        return role;
    if (axis < 0)
        role.form = large <= 1 ? MT_PORT_VECTOR : MT_PORT_OTHER;
    else if (role.width % n != 0 && (before == 1 || after == 1)) /* a second n is an affinity of tiles, no attention */
        role.form = before == 1 ? MT_PORT_TILES : MT_PORT_TILES_FLIPPED;
    return role;
}

static bool name_has(const char *name, const char *const *words)
{
    g_autofree char *lower = g_ascii_strdown(name, -1);

    for (; *words != NULL; words++)
        if (strstr(lower, *words) != NULL)
            return true;
    return false;
}

static const char *const logit_words[] = {"logit", NULL};
static const char *const probability_words[] = {"prob", "score", NULL};
static const char *const embedding_words[] = {"embed", "feature", NULL};
static const char *const attention_words[] = {"att", NULL};
static const char *const other_tile_words[] = {"logit", "prob", "score", "instance", "embed", "feature", "hidden", NULL};

static char *list_names(const mt_port_role *roles, int n)
{
    GString *names = g_string_new(NULL);

    for (int i = 0; i < n; i++)
        g_string_append_printf(names, "%s'%s'", i > 0 ? ", " : "", roles[i].name);
    return g_string_free(names, FALSE);
}

static bool is_tiles(const mt_port_role *role)
{
    return role->form == MT_PORT_TILES || role->form == MT_PORT_TILES_FLIPPED;
}

static bool find_named(const mt_port_role *roles, int n, const char *key, const char *name, int *found, GError **error)
{
    for (int i = 0; i < n; i++)
        if (strcmp(roles[i].name, name) == 0) {
            *found = i;
            return true;
        }
    g_autofree char *names = list_names(roles, n);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card says %s=%s, the graph's outputs are %s", key, name, names);
    return false;
}

/* Of the slide's vectors with one of `words` (NULL: any) and none of `but`: their number, the first in *found. */
static int count_vectors(const mt_port_role *roles, int n, const char *const *words, const char *const *but, const char *const *but_too,
                         int *found)
{
    int count = 0;

    for (int i = n - 1; i >= 0; i--) {
        if (roles[i].form != MT_PORT_VECTOR || (words != NULL && !name_has(roles[i].name, words)) ||
            (but != NULL && name_has(roles[i].name, but)) || (but_too != NULL && name_has(roles[i].name, but_too)))
            continue;
        *found = i;
        count++;
    }
    return count;
}

static bool choose_logits_by_card(const mt_port_role *roles, int n, const char *name, mt_head_ports *ports, GError **error)
{
    if (!find_named(roles, n, "logits", name, &ports->logits, error))
        return false;
    if (roles[ports->logits].form != MT_PORT_VECTOR) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card says logits=%s, that output is not one float32 vector per slide", name);
        return false;
    }
    ports->probabilities = name_has(name, probability_words) && !name_has(name, logit_words);
    return true;
}

static bool choose_logits(const mt_port_role *roles, int n, mt_head_ports *ports, GError **error)
{
    g_autofree char *names = list_names(roles, n);
    int              found = -1;

    for (int i = 0; i < n; i++)
        if (strcmp(roles[i].name, "logits") == 0 && roles[i].form == MT_PORT_VECTOR) {
            ports->logits = i;
            return true;
        }
    int count = count_vectors(roles, n, logit_words, embedding_words, NULL, &found);
    if (count == 0)
        count = count_vectors(roles, n, NULL, probability_words, embedding_words, &found);
    if (count == 1) {
        ports->logits = found;
        return true;
    }
    if (count > 1)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "more than one of the outputs %s could be the slide's logits: name it in a card (logits=)", names);
    else if (count_vectors(roles, n, probability_words, NULL, NULL, &found) > 0)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "output '%s' seems to hold probabilities: say so in a card (logits=%s)",
                    roles[found].name, roles[found].name);
    else if (ports->embedding >= 0)
        return true;
    else
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "none of the outputs %s is one float32 vector per slide", names);
    return false;
}

static bool choose_attention_by_card(const mt_port_role *roles, int n, const char *name, int64_t n_logits, int *found, GError **error)
{
    if (!find_named(roles, n, "attention", name, found, error))
        return false;
    const mt_port_role *role = &roles[*found];
    if (is_tiles(role) && (role->width == 1 || role->width == n_logits))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "the card says attention=%s, that output is not one or %" G_GINT64_FORMAT " float32 values per tile", name, n_logits);
    return false;
}

static int choose_attention(const mt_port_role *roles, int n, int64_t n_logits)
{
    int named = -1, n_named = 0, shaped = -1, n_shaped = 0;

    for (int i = 0; i < n; i++) {
        if (!is_tiles(&roles[i]) || (roles[i].width != 1 && roles[i].width != n_logits))
            continue;
        if (strcmp(roles[i].name, "attention") == 0)
            return i;
        if (name_has(roles[i].name, attention_words)) {
            named = i;
            n_named++;
        } else if (roles[i].width == 1 && !name_has(roles[i].name, other_tile_words)) {
            shaped = i;
            n_shaped++;
        }
    }
    if (n_named > 0)
        return n_named == 1 ? named : -1;
    return n_shaped == 1 ? shaped : -1;
}

bool mt_head_ports_choose(const mt_port_role *roles, int n_roles, const mt_head_card *card, mt_head_ports *ports, GError **error)
{
    *ports = (mt_head_ports){-1, -1, -1, false};
    count_vectors(roles, n_roles, embedding_words, NULL, NULL, &ports->embedding);
    if (card->logits != NULL ? !choose_logits_by_card(roles, n_roles, card->logits, ports, error)
                             : !choose_logits(roles, n_roles, ports, error))
        return false;
    if (ports->embedding == ports->logits)
        ports->embedding = -1;
    int64_t n_logits = ports->logits >= 0 ? roles[ports->logits].width : 1;
    if (card->attention != NULL)
        return choose_attention_by_card(roles, n_roles, card->attention, n_logits, &ports->attention, error);
    ports->attention = choose_attention(roles, n_roles, n_logits);
    return true;
}
