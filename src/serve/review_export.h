/* What was said about the cases of a folder, a row each: for tables of decisions, for labels of `train` and `evaluate`, for board lists. */
#ifndef MT_REVIEW_EXPORT_H
#define MT_REVIEW_EXPORT_H

#include "src/serve/review_store.h"

typedef struct mt_review_row {
    char   *id, *patient;           /* patient NULL: none */
    char   *decision, *model_label; /* of the model; NULL: not known */
    double  score;                  /* NAN: none */
    bool    decided, agree, signed_off;
    char   *label;                             /* what the reader says it is, after the model; NULL: not known */
    char   *reason, *reader, *decided_at;      /* of the last decision */
    char   *opinion, *opinion_by, *opinion_at; /* before the model */
    char   *revealed_at, *signed_by, *signed_at;
    int64_t version;
} mt_review_row;

/* Cases about which something was said, by id; mt_review_row *. */
GPtrArray *mt_review_rows(const char *out, mt_review_store *store, GError **error);

char *mt_review_decisions_csv(const GPtrArray *rows);
char *mt_review_decisions_json(const GPtrArray *rows);
/* Those that have a label: id, label, patient, reader (his own opinion), reader_with_model, signed. */
char *mt_review_labels_csv(const GPtrArray *rows);
/* By name: "decisions.csv", "decisions.json", "labels.csv"; NULL: another. */
char *mt_review_file(const GPtrArray *rows, const char *name);

#endif
