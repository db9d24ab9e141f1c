/* Whom a head was trained on: HEAD.trained.csv beside it, so that nobody measures it on the same patients.
 * Ids stand there as salted SHA-256, one row a case with columns salt, side (train, val), case_sha256, patient_sha256: a head can be given away
 * without a list of patients.  The salt is public: who has a list of ids can try them, and that is what the check does. */
#ifndef MT_TRAINING_LIST_H
#define MT_TRAINING_LIST_H

#include <microtome/error.h>

typedef struct mt_trained_case {
    const char *id, *patient;
    bool        validation; /* chose the epoch, which is learning too */
} mt_trained_case;

/* HEAD.trained.csv for HEAD.safetensors; free with g_free. */
char *mt_training_list_path(const char *head_path);
/* Beside the head, which is there already: the salt follows from its bytes.  The same bytes for the same head and cases.  `begun_with`: the head
 * whose weights it began with, whose cases are then its own too, where a list says so; NULL: none. */
bool mt_training_list_write(const char *head_path, const char *begun_with, const mt_trained_case *cases, guint n, GError **error);

typedef struct mt_training_list mt_training_list;

/* Of one file.  MT_ERROR_MISSING, MT_ERROR_INPUT. */
mt_training_list *mt_training_list_read(const char *path, GError **error);
/* That of a head, or of all members of an ensemble's card (MT_ERROR_MISSING: one has none). */
mt_training_list *mt_training_list_of_head(const char *head_path, GError **error);
void              mt_training_list_free(mt_training_list *list);
guint             mt_training_list_n(const mt_training_list *list);
bool              mt_training_list_has_case(const mt_training_list *list, const char *id);
bool              mt_training_list_has_patient(const mt_training_list *list, const char *patient);

/* OUT/trained/<sha256 of the head>.csv: what results know of their head; free with g_free. */
char *mt_training_list_kept(const char *out, const char *head_sha256);
/* Keep the head's list there; true where it has none. */
bool mt_training_list_keep(const char *head_path, const char *head_sha256, const char *out, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_training_list, mt_training_list_free)

#endif
