/* What the output folder says of a batch: recipe.ini, failed/<id>.json, runs/<time>-<host>-<pid>.jsonl, summary.csv.
 * Paths of cases are replaced by their ids: parent folders may hold names. */
#ifndef MT_ACCOUNT_H
#define MT_ACCOUNT_H

#include <microtome/batch.h>

#include <jansson.h>

typedef struct mt_account mt_account;

/* Make the folders, remove unfinished results (`.tmp-*`) older than an hour, begin runs/...jsonl.  `options` are kept by reference.
 * MT_ERROR_IO. */
mt_account *mt_account_open(const mt_batch_options *options, GError **error);
/* From time to time: metrics, and the operator's commands. */
void mt_account_tick(mt_account *account);
/* The run is at its end: log it, wait for commands, the last metrics. */
void mt_account_end(mt_account *account, const mt_batch_totals *totals);
void mt_account_close(mt_account *account);
/* Keep the list of cases in manifest.csv, so that the pending ones are known to all. */
bool mt_account_cases(mt_account *account, GPtrArray *cases, GError **error);
/* The first run publishes recipe.ini; later ones must equal it, else MT_ERROR_USAGE with the first line that differs, or, forced, it is
 * replaced. */
bool mt_account_recipe(mt_account *account, const char *resolved, bool force, GError **error);
/* The precision in recipe.ini, NULL before the first run; free with g_free. */
char *mt_account_precision(const mt_account *account);
/* cases/<id>.h5; free with g_free. */
char *mt_account_target(const mt_account *account, const mt_batch_case *c);
bool  mt_account_is_done(const mt_account *account, const mt_batch_case *c);
/* False when the published case was made from other bytes than the path holds now; true when that cannot be told. */
bool mt_account_same_input(const mt_account *account, const mt_batch_case *c);

typedef enum mt_standing {
    MT_STANDING_NONE,        /* nothing is published */
    MT_STANDING_DONE,        /* by the folder's recipe, from this very file */
    MT_STANDING_OTHER_INPUT, /* a result of that name, of other bytes: the slide was scanned again */
    MT_STANDING_OTHER_RECIPE /* of the recipe before --force */
} mt_standing;

/* After mt_account_recipe.  What cannot be told counts as the same. */
mt_standing mt_account_standing(const mt_account *account, const mt_batch_case *c);
/* Move the published case to superseded/<id>.<n>.h5; returns the new name below OUT, free with g_free.  MT_ERROR_IO. */
char *mt_account_supersede(mt_account *account, const mt_batch_case *c, GError **error);
/* `reason` as others may read it: without folders, which may hold names, and with the name that is shown for the case's file. */
char *mt_account_told(const mt_account *account, const char *reason, const mt_batch_case *c);
/* failed/<id>.json, replaced; signal_number 0: none; `record` (may be NULL) is added to it. */
bool mt_account_failed(mt_account *account, const mt_batch_case *c, const char *reason, const char *stage, int code, int signal_number,
                       int attempts, const json_t *record, GError **error);
/* The text of failed/<id>.json, or its reason; NULL when there is none.  Free with g_free. */
char *mt_account_failure(const mt_account *account, const mt_batch_case *c);
char *mt_account_failed_reason(const mt_account *account, const mt_batch_case *c);
void  mt_account_clear_failed(mt_account *account, const mt_batch_case *c);
/* One line of runs/...jsonl; takes the reference.  `time` is added. */
void mt_account_log(mt_account *account, json_t *event);
/* summary.csv over all cases of the folder.  Returns its path. */
char *mt_account_summary(mt_account *account, GError **error);
/* A case was published: no failure of it is left, and the log says what came out.  `timings` (of mt_timings_to_json) may be NULL. */
void mt_account_done(mt_account *account, const mt_batch_case *c, double seconds, const json_t *timings);
/* Tiles done, for those who watch: a line of the log every few seconds at most. */
void mt_account_progress(mt_account *account, const mt_batch_case *c, int64_t tiles_done, int64_t tiles_total);

#endif
