#include "mil/ensemble.h"
#include "mil/head_card.h"
#include "mil/head_private.h"
#include "mil/onnx_head.h"
#include "src/base/alloc.h"
#include "src/base/hash.h"
#include "src/base/key_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

mt_head *mt_head_ref(mt_head *head)
{
    g_atomic_int_inc(&head->ref_count);
    return head;
}

void mt_head_unref(mt_head *head)
{
    if (head == NULL || !g_atomic_int_dec_and_test(&head->ref_count))
        return;
    if (head->aggregator != NULL)
        head->aggregator->free(head->state);
    g_clear_pointer(&head->reference, mt_feature_reference_free);
    mt_head_card_free(head->card);
    g_free(head->sha256);
    g_free(head->path);
    g_free(head);
}

const mt_head_card *mt_head_get_card(const mt_head *head)
{
    return head->card;
}

const char *mt_head_kind(const mt_head *head)
{
    return head->aggregator->name;
}

const char *mt_head_sha256(const mt_head *head)
{
    return head->sha256;
}

int64_t mt_head_dim(const mt_head *head)
{
    return head->shape.dim;
}

/* The card beside the head, else what `metadata` holds, else an empty one; false on error. */
static bool find_card(mt_head *head, GHashTable *metadata, bool strict, GError **error)
{
    g_autoptr(GError) cause = NULL;

    head->card = mt_head_card_load(head->path, &cause);
    if (head->card == NULL && cause == NULL)
        head->card = mt_head_card_from_metadata(metadata, head->path, strict, &cause);
    if (cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    if (head->card == NULL)
        head->card = mt_head_card_new();
    return true;
}

/* By the card's kind, else by the keys. */
static const mt_aggregator *find_aggregator(const mt_head *head, const mt_state_dict *dict, GError **error)
{
    const char          *kind = head->card->kind;
    const mt_aggregator *found = kind != NULL ? mt_aggregator_find(kind) : mt_aggregator_recognise(dict);

    if (found != NULL && (kind == NULL || found->recognise != NULL))
        return found;
    g_autofree char *names = mt_aggregator_names(), *keys = mt_state_dict_keys(dict);
    if (kind != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card says kind=%s, known for this file are: %s", kind, names);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "no aggregator knows its keys (%s); known are: %s", keys, names);
    return NULL;
}

/* What no reader looked at may hold what is missing. */
static void append_skipped(GError *error, const char *skipped)
{
    char *message = g_strdup_printf("%s (not looked at: %s)", error->message, skipped);

    g_free(error->message);
    error->message = message;
}

static bool configure(mt_head *head, GError **error)
{
    const mt_aggregator *kind = head->aggregator;

    return mt_head_card_check_pooling(head->card, kind->name, kind->card_keys, error) &&
           (kind->configure == NULL || kind->configure(head->state, head->card, error));
}

static bool load_weights(mt_head *head, GError **error)
{
    g_autoptr(mt_weights) file = mt_weights_open(head->path, error);

    if (file == NULL || !find_card(head, mt_weights_metadata(file), true, error))
        return false;
    g_autoptr(mt_state_dict) dict = mt_state_dict_new(file, error);
    if (dict != NULL)
        mt_state_dict_set_card_heads(dict, head->card->heads);
    const mt_aggregator *found = dict != NULL ? find_aggregator(head, dict, error) : NULL;
    head->state = found != NULL ? found->build(dict, &head->shape, error) : NULL;
    if (head->state == NULL) {
        g_prefix_error(error, "head %s: ", head->path);
        if (error != NULL && mt_weights_skipped(file) != NULL)
            append_skipped(*error, mt_weights_skipped(file));
        return false;
    }
    head->aggregator = found;
    if (!configure(head, error)) {
        g_prefix_error(error, "head %s: ", head->path);
        return false;
    }
    head->sha256 = mt_hash_file(head->path, error);
    return head->sha256 != NULL;
}

/* What the metadata_props say of our keys; others belong to whoever exported the graph. */
static GHashTable *onnx_metadata(const mt_model *model)
{
    GHashTable *metadata = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);

    for (const char *const *key = mt_head_card_keys(); *key != NULL; key++)
        if (mt_model_metadata(model, *key) != NULL)
            g_hash_table_insert(metadata, (gpointer)(uintptr_t)*key, g_strdup(mt_model_metadata(model, *key)));
    return metadata;
}

static bool load_onnx(mt_head *head, GError **error)
{
    g_autoptr(mt_model) model = mt_model_load(head->path, error);

    if (model == NULL)
        return false;
    g_autoptr(GHashTable) metadata = onnx_metadata(model);
    if (!find_card(head, metadata, false, error))
        return false;
    head->state = mt_onnx_head_new(model, head->card, &head->shape, error);
    if (head->state == NULL) {
        g_prefix_error(error, "head %s: ", head->path);
        return false;
    }
    head->aggregator = &mt_aggregator_onnx;
    head->sha256 = g_strdup(mt_model_sha256(model));
    return true;
}

static bool load_weightless(mt_head *head, GError **error)
{
    head->card = mt_head_card_new();
    head->aggregator = mt_aggregator_find(head->path);
    head->state = head->aggregator->build(NULL, &head->shape, error);
    head->sha256 = g_strdup("");
    return head->state != NULL;
}

static bool refuse_path(const char *path, GError **error)
{
    struct stat status;

    if (stat(path, &status) != 0 && errno == ENOENT)
        g_set_error(
            error, MT_ERROR, MT_ERROR_MISSING,
            "read head %s: no such file; heads are mean, max, FILE.safetensors, FILE.pt, FILE.pth, FILE.ckpt, FILE.onnx or ENSEMBLE.card",
            path);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "read head %s: a head is mean, max, FILE.safetensors, FILE.pt, FILE.pth, FILE.ckpt, FILE.onnx or ENSEMBLE.card", path);
    return false;
}

static bool has_extension(const char *path, const char *extension)
{
    g_autofree char *lower = g_ascii_strdown(path, -1);

    return g_str_has_suffix(lower, extension);
}

static bool load(mt_head *head, GError **error)
{
    if (strcmp(head->path, "mean") == 0 || strcmp(head->path, "max") == 0)
        return load_weightless(head, error);
    if (mt_weights_is_name(head->path))
        return load_weights(head, error);
    if (has_extension(head->path, ".onnx"))
        return load_onnx(head, error);
    if (g_str_has_suffix(head->path, ".card"))
        return mt_ensemble_load(head, error);
    return refuse_path(head->path, error);
}

/* The hash goes into the card: what a result was made with includes the reference. */
static bool load_reference(mt_head *head, GError **error)
{
    mt_head_card *card = head->card;

    if (card->reference == NULL || *card->reference == '\0')
        return true;
    g_autofree char *path = mt_key_file_resolve(head->path, card->reference, error);
    g_autofree char *sha256 = path != NULL ? mt_hash_file(path, error) : NULL;
    if (sha256 == NULL)
        return false;
    if (card->reference_sha256 != NULL && g_ascii_strcasecmp(card->reference_sha256, sha256) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "reference %s is another file than the card's: its sha256 is %.8s…, %.8s… is wanted",
                    path, sha256, card->reference_sha256);
        return false;
    }
    g_free(card->reference_sha256);
    card->reference_sha256 = g_steal_pointer(&sha256);
    head->reference = mt_feature_reference_load(path, head->shape.dim, error);
    return head->reference != NULL;
}

mt_head *mt_head_load(const char *path, GError **error)
{
    g_autoptr(mt_head) head = g_new0(mt_head, 1);

    head->ref_count = 1;
    head->path = g_strdup(path);
    if (!load(head, error))
        return NULL;
    if (!mt_head_card_fit(head->card, head->aggregator->name, head->shape.n_logits, error) || !load_reference(head, error)) {
        g_prefix_error(error, "head %s: ", path);
        return NULL;
    }
    return g_steal_pointer(&head);
}

static bool check_bag(const mt_head *head, const mt_bag *bag, GError **error)
{
    if (bag->n <= 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "head %s: the bag is empty, there is no tile to aggregate", head->path);
        return false;
    }
    if (bag->dim <= 0 || (head->shape.dim >= 0 && bag->dim != head->shape.dim)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "head %s takes %" G_GINT64_FORMAT " features per tile, these have %" G_GINT64_FORMAT ": use the head's own encoder",
                    head->path, head->shape.dim, bag->dim);
        return false;
    }
    return true;
}

static bool complete_options(const mt_head_options *given, mt_head_options *options, GError **error)
{
    if (given != NULL)
        *options = *given;
    if (options->memory_bytes < 0 || options->threads < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "predict with %" G_GINT64_FORMAT " bytes and %d threads: neither may be negative",
                    options->memory_bytes, options->threads);
        return false;
    }
    options->memory_bytes = options->memory_bytes > 0 ? options->memory_bytes : MT_HEAD_MEMORY_BYTES;
    options->threads = MAX(1, options->threads);
    return true;
}

/* Of an ensemble without a reference of its own: its members' largest. */
static bool measure_distance(const mt_head *head, const mt_bag *bag, double members, mt_head_output *output, GError **error)
{
    double *mean = head->reference != NULL ? mt_alloc(bag->dim, sizeof(double), error) : NULL;
    bool    ok = head->reference == NULL || (mean != NULL && mt_bag_mean(bag, mean, error));

    output->distance = members;
    if (ok && mean != NULL)
        output->distance = mt_feature_reference_distance(head->reference, mean);
    if (head->reference != NULL || members > 0) {
        output->distance_limit = 1;
        output->distance_share = MT_REFERENCE_SHARE;
    }
    mt_free(mean);
    return ok;
}

mt_head_output *mt_head_predict(const mt_head *head, const mt_bag *bag, const mt_head_options *given, GError **error)
{
    mt_head_options options = {0};
    mt_raw_output   raw = {0};
    mt_head_output *output = NULL;

    if (!complete_options(given, &options, error) || !check_bag(head, bag, error))
        return NULL;
    if (head->aggregator->predict(head->state, bag, &options, &raw, error))
        output = mt_head_output_finish(head, &raw, error);
    if (output != NULL && !measure_distance(head, bag, raw.distance, output, error))
        g_clear_pointer(&output, mt_head_output_free);
    if (output == NULL)
        g_prefix_error(error, "head %s: ", head->path);
    mt_raw_output_clear(&raw);
    return output;
}
