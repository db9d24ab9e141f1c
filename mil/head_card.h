/* The card of a head: what it was made for, what its classes are called, how logits become scores.
 * Found beside the head (HEAD.card), else inside it (safetensors __metadata__, ONNX metadata), else made up. */
#ifndef MT_HEAD_CARD_H
#define MT_HEAD_CARD_H

#include <microtome/head.h>

/* Share of clear cases marked for a second look where a card does not say. */
#define MT_AUDIT_SHARE 0.05

mt_head_card *mt_head_card_new(void);
void          mt_head_card_free(mt_head_card *card);

/* HEAD.card for HEAD.safetensors or HEAD.onnx; free with g_free. */
char *mt_head_card_path(const char *head_path);
/* NULL without an error: there is no such file.  A file that is there and cannot be read or understood is an error. */
mt_head_card *mt_head_card_load(const char *head_path, GError **error);
/* The group [head] of the card beside a model, which other groups say more of; NULL without an error: there is none. */
mt_head_card *mt_head_card_load_model(const char *model_path, GError **error);
/* The same from text; `name` is for messages. */
mt_head_card *mt_head_card_from_text(const char *text, const char *name, GError **error);
/* The same keys from a head's own metadata (char * -> char *).  NULL without an error when none of them is there.  With
 * `strict`, a key that is neither ours nor "format" is an error once one of ours is there. */
mt_head_card *mt_head_card_from_metadata(GHashTable *metadata, const char *head_path, bool strict, GError **error);
/* Names of the keys of [head], NULL-terminated. */
const char *const *mt_head_card_keys(void);

/* The keys of single kinds: average, distill, groups, repeats, k, seed, heads (head_card_pooling.c). */
bool mt_head_card_read_pooling(GKeyFile *file, const char *name, mt_head_card *card, GError **error);
/* MT_ERROR_MODEL for one of them that is not in `known` ("k,seed"; NULL: none). */
bool mt_head_card_check_pooling(const mt_head_card *card, const char *kind, const char *known, GError **error);
/* What a kind means where the card does not say. */
void mt_head_card_suggest_activation(mt_head_card *card, mt_activation activation);

/* Hold the card against the head it describes and complete it: labels class_0 .. where it has none, sigmoid for a single
 * logit where it does not say. */
bool mt_head_card_fit(mt_head_card *card, const char *kind, int64_t n_logits, GError **error);

/* The keys that make a decision of a score (head_card_triage.c): reading them, and holding them against a fitted card. */
bool mt_head_card_read_decision(GKeyFile *file, const char *name, mt_head_card *card, GError **error);
bool mt_head_card_fit_decision(const mt_head_card *card, GError **error);
/* The keys of tasks (head_card_task.c): probabilities, op_norm, thresholds, logit_scale.  `kind`: of a head that is none; NULL: of a task. */
bool mt_head_card_read_task(GKeyFile *file, const char *name, mt_head_card *card, GError **error);
bool mt_head_card_fit_task(mt_head_card *card, const char *kind, GError **error);
/* Whether this is the name of a task. */
bool mt_head_task_known(const char *name);
/* A card file that says the same as a fitted card; free with g_free. */
char *mt_head_card_text(const mt_head_card *card);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_head_card, mt_head_card_free)

#endif
