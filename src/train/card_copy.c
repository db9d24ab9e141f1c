#include "src/train/card_copy.h"

#include "src/base/publish.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void forget_decision(mt_head_card *card)
{
    card->temperature = 1;
    card->platt[0] = card->platt[1] = 0;
    card->n_isotonic = 0;
    card->threshold = NAN;
    card->threshold_high = 0;
    card->n_conformal = 0;
    card->conformal_alpha = 0;
}

mt_head_card *mt_card_copy(const mt_head *head, const char *positive, GError **error)
{
    g_autofree char *text = mt_head_card_text(mt_head_get_card(head));
    g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GKeyFile) file = g_key_file_new();

    if (!g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, error))
        return NULL;
    g_auto(GStrv) names = g_key_file_get_keys(file, "head", NULL, NULL);
    for (char **name = names; name != NULL && *name != NULL; name++)
        g_hash_table_insert(keys, g_strdup(*name), g_key_file_get_string(file, "head", *name, NULL));
    if (positive != NULL)
        g_hash_table_insert(keys, g_strdup("positive"), g_strdup(positive));
    mt_head_card *card = mt_head_card_from_metadata(keys, "the head", false, error);
    if (card != NULL)
        forget_decision(card);
    return card;
}

/* Without links, so that two spellings of a folder are one. */
static char *folder_of(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    char            *real = realpath(folder, NULL);

    if (real == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "write %s: %s", path, g_strerror(errno));
    char *copy = g_strdup(real);
    free(real);
    return copy;
}

/* FROM/NAME as a path below TO; NULL: it is not. */
static char *path_below(const char *from, const char *name, const char *to)
{
    g_autofree char *whole = g_build_filename(from, name, NULL), *start = strcmp(to, "/") == 0 ? g_strdup(to) : g_strconcat(to, "/", NULL);

    return g_str_has_prefix(whole, start) ? g_strdup(whole + strlen(start)) : NULL;
}

static bool move_members(mt_head_card *card, const char *from, const char *to, const char *path, GError **error)
{
    for (char **member = card->members; member != NULL && *member != NULL; member++) {
        char *below = path_below(from, *member, to);
        if (below == NULL) {
            g_set_error(
                error, MT_ERROR, MT_ERROR_USAGE,
                "calibrate: the ensemble's card %s would not find its members: they are paths below its folder, and %s is in %s: write the "
                "card into that folder",
                path, *member, from);
            return false;
        }
        g_free(*member);
        *member = below;
    }
    return true;
}

static bool move_reference(mt_head_card *card, const char *from, const char *to, const char *path, mt_feature_reference **reference,
                           GError **error)
{
    if (card->reference == NULL || *reference != NULL)
        return true;
    char *below = path_below(from, card->reference, to);
    if (below == NULL) {
        g_autofree char *old = g_build_filename(from, card->reference, NULL), *new = mt_feature_reference_path(path);
        *reference = mt_feature_reference_load(old, -1, error);
        below = g_path_get_basename(new);
        g_clear_pointer(&card->reference_sha256, g_free);
    }
    g_free(card->reference);
    card->reference = below;
    return card->reference_sha256 != NULL || *reference != NULL;
}

bool mt_card_move(mt_head_card *card, const char *from, const char *to, mt_feature_reference **reference, GError **error)
{
    g_autofree char *old = folder_of(from, error), *new = old != NULL ? folder_of(to, error) : NULL;

    if (new == NULL)
        return false;
    return strcmp(old, new) == 0 || (move_members(card, old, new, to, error) && move_reference(card, old, new, to, reference, error));
}

bool mt_card_publish(const mt_head_card *card, const char *path, const mt_feature_reference *reference, const char *points, bool replace,
                     GError **error)
{
    g_autofree char *text = mt_head_card_text(card),
                    *whole = g_strconcat("# fitted to held-out predictions by microtome calibrate\n", text, NULL);
    const char      *dot = strrchr(path, '.');
    int              stem = dot != NULL && strchr(dot, '/') == NULL ? (int)(dot - path) : (int)strlen(path);
    g_autofree char *points_path = g_strdup_printf("%.*s.points.json", stem, path), *reference_path = mt_feature_reference_path(path);

    return (reference == NULL || mt_feature_reference_write(reference, reference_path, error)) &&
           mt_publish_text(points_path, points, true, error) && mt_publish_text(path, whole, replace, error);
}
