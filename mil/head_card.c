#include "mil/head_card.h"

#include "mil/score_activation.h"
#include "src/base/key_file.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define GROUP "head"
/* Until mt_head_card_fit: the card does not say. */
#define UNSAID ((mt_activation)255)

static const char *const key_names[] = {"kind",
                                        "encoder",
                                        "encoder_sha256",
                                        "target_mpp",
                                        "labels",
                                        "positive",
                                        "activation",
                                        "logits",
                                        "attention",
                                        "temperature",
                                        "threshold",
                                        "demonstration",
                                        "threshold_low",
                                        "threshold_high",
                                        "platt",
                                        "isotonic",
                                        "audit_share",
                                        "min_tissue_mm2",
                                        "min_tiles",
                                        "min_sharpness",
                                        "min_field_share",
                                        "min_exposure",
                                        "max_exposure",
                                        "max_clipping",
                                        "max_blur",
                                        "max_ghosting",
                                        "min_illumination",
                                        "min_field_complete",
                                        "conformal_alpha",
                                        "conformal",
                                        "reference",
                                        "reference_sha256",
                                        "members",
                                        "combine",
                                        "weights",
                                        "average",
                                        "distill",
                                        "groups",
                                        "repeats",
                                        "k",
                                        "seed",
                                        "heads",
                                        "probabilities",
                                        "op_norm",
                                        "thresholds",
                                        "logit_scale",
                                        NULL};

static const mt_key known_keys[] = {
    {GROUP, "kind"},
    {GROUP, "encoder"},
    {GROUP, "encoder_sha256"},
    {GROUP, "target_mpp"},
    {GROUP, "labels"},
    {GROUP, "positive"},
    {GROUP, "activation"},
    {GROUP, "logits"},
    {GROUP, "attention"},
    {GROUP, "temperature"},
    {GROUP, "threshold"},
    {GROUP, "demonstration"},
    {GROUP, "threshold_low"},
    {GROUP, "threshold_high"},
    {GROUP, "platt"},
    {GROUP, "isotonic"},
    {GROUP, "audit_share"},
    {GROUP, "min_tissue_mm2"},
    {GROUP, "min_tiles"},
    {GROUP, "min_sharpness"},
    {GROUP, "min_field_share"},
    {GROUP, "min_exposure"},
    {GROUP, "max_exposure"},
    {GROUP, "max_clipping"},
    {GROUP, "max_blur"},
    {GROUP, "max_ghosting"},
    {GROUP, "min_illumination"},
    {GROUP, "min_field_complete"},
    {GROUP, "conformal_alpha"},
    {GROUP, "conformal"},
    {GROUP, "reference"},
    {GROUP, "reference_sha256"},
    {GROUP, "members"},
    {GROUP, "combine"},
    {GROUP, "weights"},
    {GROUP, "average"},
    {GROUP, "distill"},
    {GROUP, "groups"},
    {GROUP, "repeats"},
    {GROUP, "k"},
    {GROUP, "seed"},
    {GROUP, "heads"},
    {GROUP, "probabilities"},
    {GROUP, "op_norm"},
    {GROUP, "thresholds"},
    {GROUP, "logit_scale"},
    {NULL, NULL},
};

const char *const *mt_head_card_keys(void)
{
    return key_names;
}

mt_head_card *mt_head_card_new(void)
{
    mt_head_card *card = g_new0(mt_head_card, 1);

    card->activation = UNSAID;
    card->temperature = 1;
    card->threshold = NAN;
    card->audit_share = MT_AUDIT_SHARE;
    return card;
}

void mt_head_card_free(mt_head_card *card)
{
    if (card == NULL)
        return;
    g_free(card->kind);
    g_free(card->encoder);
    g_free(card->encoder_sha256);
    g_strfreev(card->labels);
    g_free(card->positive);
    g_free(card->logits);
    g_free(card->attention);
    g_free(card->isotonic);
    g_free(card->conformal);
    g_free(card->reference);
    g_free(card->reference_sha256);
    g_free(card->op_norm);
    g_free(card->thresholds);
    g_strfreev(card->members);
    g_free(card->combine);
    g_free(card->weights);
    g_free(card);
}

/* A key with nothing behind it says nothing. */
static bool read_text(GKeyFile *file, const char *name, const char *key, char **text, GError **error)
{
    if (!mt_key_file_string(file, name, GROUP, key, text, error))
        return false;
    if (*text != NULL && **text == '\0')
        g_clear_pointer(text, g_free);
    return true;
}

static bool read_activation(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    g_autofree char *word = NULL;

    if (!read_text(file, name, "activation", &word, error))
        return false;
    if (word == NULL || mt_activation_from_name(word, &card->activation))
        return true;
    if (strcmp(word, "none") == 0) {
        card->activation = MT_ACTIVATION_SIGMOID;
        card->probabilities = true;
        return true;
    }
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [head] activation=%s: softmax, sigmoid, ordinal, hazard or none is wanted", name,
                word);
    return false;
}

static bool read_hash(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    if (!read_text(file, name, "encoder_sha256", &card->encoder_sha256, error))
        return false;
    const char *hash = card->encoder_sha256;
    if (hash == NULL || (strlen(hash) == 64 && strspn(hash, "0123456789abcdefABCDEF") == 64))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [head] encoder_sha256=%s: 64 hexadecimal digits are wanted", name, hash);
    return false;
}

static bool read_labels(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    if (!mt_key_file_list(file, name, GROUP, "labels", &card->labels, error))
        return false;
    for (char **label = card->labels; label != NULL && *label != NULL; label++) {
        bool twice = g_strv_contains((const char *const *)label + 1, *label);
        if (**label != '\0' && !twice)
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [head] labels: %s%s", name, twice ? "twice " : "an empty label", *label);
        return false;
    }
    if (card->labels != NULL && *card->labels == NULL)
        g_clear_pointer(&card->labels, g_strfreev);
    return true;
}

static mt_head_card *parse(GKeyFile *file, const char *name, GError **error)
{
    g_autoptr(mt_head_card) card = mt_head_card_new();

    card->has_card = true;
    if (!read_text(file, name, "kind", &card->kind, error) || !read_text(file, name, "encoder", &card->encoder, error) ||
        !read_hash(file, name, card, error) || !mt_key_file_double(file, name, GROUP, "target_mpp", 0, 1000, &card->target_mpp, error) ||
        !read_labels(file, name, card, error) || !read_text(file, name, "positive", &card->positive, error) ||
        !read_activation(file, name, card, error) || !read_text(file, name, "logits", &card->logits, error) ||
        !read_text(file, name, "attention", &card->attention, error) ||
        !mt_key_file_double(file, name, GROUP, "temperature", 1e-6, 1e6, &card->temperature, error) ||
        !mt_key_file_double(file, name, GROUP, "threshold", 0, 1, &card->threshold, error) ||
        !mt_key_file_bool(file, name, GROUP, "demonstration", &card->demonstration, error) ||
        !mt_head_card_read_decision(file, name, card, error) || !mt_head_card_read_pooling(file, name, card, error) ||
        !mt_head_card_read_task(file, name, card, error))
        return NULL;
    return g_steal_pointer(&card);
}

char *mt_head_card_path(const char *head_path)
{
    const char *dot = strrchr(head_path, '.');
    int         stem = dot != NULL && strchr(dot, '/') == NULL ? (int)(dot - head_path) : (int)strlen(head_path);

    return g_strdup_printf("%.*s.card", stem, head_path);
}

/* Absent is only what lstat calls absent: a dangling link, a folder or a locked file is a card that cannot be read. */
static GKeyFile *open_card(const char *head_path, const mt_key *keys, char **path, GError **error)
{
    struct stat status;

    *path = mt_head_card_path(head_path);
    if (lstat(*path, &status) != 0) {
        int saved = errno;
        if (saved != ENOENT)
            g_set_error(error, MT_ERROR, MT_ERROR_IO, "read %s: %s", *path, g_strerror(saved));
        return NULL;
    }
    if (stat(*path, &status) == 0 && !S_ISREG(status.st_mode)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: not a plain file", *path);
        return NULL;
    }
    return mt_key_file_load(*path, keys, error);
}

mt_head_card *mt_head_card_load(const char *head_path, GError **error)
{
    g_autofree char *path = NULL;
    g_autoptr(GKeyFile) file = open_card(head_path, known_keys, &path, error);

    return file != NULL ? parse(file, path, error) : NULL;
}

/* What a model's card may hold beside [head]: read by others, each of its own group. */
static mt_key *model_keys(void)
{
    mt_key *keys = g_new0(mt_key, G_N_ELEMENTS(known_keys) + 1);

    memcpy(keys + 1, known_keys, sizeof known_keys);
    keys[0] = (mt_key){"encoder", "*"};
    return keys;
}

mt_head_card *mt_head_card_load_model(const char *model_path, GError **error)
{
    g_autofree char   *path = NULL;
    g_autofree mt_key *keys = model_keys();
    g_autoptr(GKeyFile) file = open_card(model_path, keys, &path, error);

    return file != NULL && g_key_file_has_group(file, GROUP) ? parse(file, path, error) : NULL;
}

mt_head_card *mt_head_card_from_text(const char *text, const char *name, GError **error)
{
    g_autofree mt_key *keys = model_keys();
    g_autoptr(GKeyFile) file = mt_key_file_load_data(text, strlen(text), name, keys, error);

    return file != NULL && g_key_file_has_group(file, GROUP) ? parse(file, name, error) : NULL;
}

static bool check_metadata_keys(GHashTable *metadata, const char *name, const char *head_path, GError **error)
{
    GHashTableIter   iter;
    gpointer         key;
    g_autofree char *card_path = mt_head_card_path(head_path);

    g_hash_table_iter_init(&iter, metadata);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (!g_strv_contains(key_names, key) && strcmp(key, "format") != 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: unknown key '%.64s'; where it must stay, put the card's keys into %s",
                        name, (char *)key, card_path);
            return false;
        }
    return true;
}

mt_head_card *mt_head_card_from_metadata(GHashTable *metadata, const char *head_path, bool strict, GError **error)
{
    g_autoptr(GKeyFile) values = g_key_file_new();
    g_autofree char *name = g_strdup_printf("the metadata of %s", head_path);
    bool             any = false;

    for (const char *const *key = key_names; *key != NULL; key++) {
        const char *value = g_hash_table_lookup(metadata, *key);
        if (value == NULL)
            continue;
        any = true;
        g_autofree char *plain = g_strstrip(g_strdup(value)); /* spaces in front would be escaped */
        g_key_file_set_string(values, GROUP, *key, plain);
    }
    if (!any || (strict && !check_metadata_keys(metadata, name, head_path, error)))
        return NULL;
    gsize            bytes;
    g_autofree char *text = g_key_file_to_data(values, &bytes, NULL);
    g_autoptr(GKeyFile) file = mt_key_file_load_data(text, bytes, name, known_keys, error);
    return file != NULL ? parse(file, name, error) : NULL;
}

static char **made_up_labels(int64_t n)
{
    g_autoptr(GPtrArray) labels = g_ptr_array_new();

    for (int64_t i = 0; i < n; i++)
        g_ptr_array_add(labels, g_strdup_printf("class_%" G_GINT64_FORMAT, i));
    g_ptr_array_add(labels, NULL);
    return (char **)g_ptr_array_steal(labels, NULL);
}

static bool check_labels(const mt_head_card *card, int64_t n_classes, GError **error)
{
    guint n = g_strv_length(card->labels);

    if (n_classes == 0)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card names %u labels, the head has no classifier", n);
    else if (n != (guint)n_classes)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card names %u labels, the head has %" G_GINT64_FORMAT " classes", n, n_classes);
    return n == (guint)n_classes;
}

void mt_head_card_suggest_activation(mt_head_card *card, mt_activation activation)
{
    if (card->activation == UNSAID)
        card->activation = activation;
}

bool mt_head_card_fit(mt_head_card *card, const char *kind, int64_t n_logits, GError **error)
{
    if (card->kind != NULL && strcmp(card->kind, kind) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card says kind=%s, the head is %s", card->kind, kind);
        return false;
    }
    bool task = mt_head_task_known(kind);
    if (strcmp(kind, "ensemble") != 0 && (card->members != NULL || (card->combine != NULL && !task) || card->n_weights > 0)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card's members, combine and weights are of kind=ensemble, the head is %s", kind);
        return false;
    }
    if (n_logits == 1 && card->activation == MT_ACTIVATION_SOFTMAX) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "activation=softmax of a single logit is always 1: sigmoid is wanted");
        return false;
    }
    if (card->activation == UNSAID)
        card->activation = n_logits == 1 ? MT_ACTIVATION_SIGMOID : MT_ACTIVATION_SOFTMAX;
    int64_t n_classes = mt_activation_n_classes(card->activation, n_logits);
    if (card->labels == NULL)
        card->labels = made_up_labels(n_classes);
    else if (!check_labels(card, n_classes, error))
        return false;
    if (card->positive != NULL && !g_strv_contains((const char *const *)card->labels, card->positive)) {
        g_autofree char *labels = g_strjoinv(", ", card->labels);
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card says positive=%s, its labels are: %s", card->positive, labels);
        return false;
    }
    return mt_head_card_fit_decision(card, error) && mt_head_card_fit_task(card, task ? NULL : kind, error);
}
