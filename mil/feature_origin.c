/* mt_head_accepts: were these features made the way the head was trained on? */
#include "mil/head_private.h"

#include <math.h>
#include <string.h>

#define MPP_TOLERANCE 0.02
#define HASH_DIGITS 8

/* 'uni' (sha256 12345678…) with what is known of it. */
static char *describe_encoder(const char *name, const char *sha256)
{
    GString *text = g_string_new(NULL);

    if (name != NULL)
        g_string_append_printf(text, "'%s'", name);
    if (sha256 != NULL)
        g_string_append_printf(text, name != NULL ? " (sha256 %.*s…)" : "sha256 %.*s…", HASH_DIGITS, sha256);
    return g_string_free(text, FALSE);
}

static bool said(const char *text)
{
    return text != NULL && *text != '\0';
}

static bool check_encoder(const mt_head *head, const mt_feature_origin *origin, GError **error)
{
    const mt_head_card *card = head->card;
    bool                other_name = said(card->encoder) && said(origin->encoder) && strcmp(card->encoder, origin->encoder) != 0;
    bool                other_hash =
        said(card->encoder_sha256) && said(origin->encoder_sha256) && g_ascii_strcasecmp(card->encoder_sha256, origin->encoder_sha256) != 0;

    if (!other_name && !other_hash)
        return true;
    g_autofree char *ours = describe_encoder(card->encoder, card->encoder_sha256);
    g_autofree char *theirs =
        describe_encoder(said(origin->encoder) ? origin->encoder : NULL, said(origin->encoder_sha256) ? origin->encoder_sha256 : NULL);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "head %s was made for encoder %s, the features are from %s: use the head's own encoder",
                head->path, ours, theirs);
    return false;
}

static bool check_mpp(const mt_head *head, const mt_feature_origin *origin, GError **error)
{
    double ours = head->card->target_mpp, theirs = origin->target_mpp;

    if (!(ours > 0) || !(theirs > 0) || fabs(theirs / ours - 1) <= MPP_TOLERANCE)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "head %s was made for %g µm/px, the features were read at %g µm/px: read the slides at %g µm/px", head->path, ours, theirs,
                ours);
    return false;
}

bool mt_head_accepts(const mt_head *head, const mt_feature_origin *origin, GError **error)
{
    if (!check_encoder(head, origin, error) || !check_mpp(head, origin, error))
        return false;
    if (head->shape.dim < 0 || head->shape.dim == origin->dim)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "head %s takes %" G_GINT64_FORMAT " features per tile, these have %" G_GINT64_FORMAT ": use the head's own encoder",
                head->path, head->shape.dim, origin->dim);
    return false;
}
