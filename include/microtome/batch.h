/* <microtome/batch.h>  Many cases into one folder, each in a worker process, every one accounted for.
 * The supervisor opens no slide and calls no HDF5: a crash in a codec costs that case only. */
#ifndef MICROTOME_BATCH_H
#define MICROTOME_BATCH_H

#include <microtome/aggregate.h>
#include <microtome/pipeline.h>

#include <math.h>

G_BEGIN_DECLS

typedef struct mt_batch_case {
    char  *path;
    char  *id;           /* as given or the file's stem, escaped for a file name */
    char  *patient;      /* manifest column, NULL */
    double mpp_x, mpp_y; /* manifest column or option, 0 */
    char  *mpp_source;
    char  *preparation; /* manifest column, NULL */
    char **columns; /* the manifest's row as it was given: name, value, name, value, .., NULL; NULL: there was none */
    /* further columns of the manifest that the batch goes by; docs/batch.md */
    double priority; /* the larger, the earlier; 0 is routine, MT_BATCH_URGENT comes before all that is not */
    gint64 due_us;   /* µs since 1970; 0: none */
    char  *control;  /* what the score has to be: "LO..HI" or a label; NULL: no control case */
    char  *recipe;   /* the recipe it is meant for: a name, or a path where the cell has a slash; NULL: any */
    guint  position; /* among the cases as they were given */
    char  *shown;    /* what logs and records call its file; NULL: its bare name */
    char  *refused;  /* why it cannot be run, to be recorded as its failure; NULL: it can */
} mt_batch_case;

#define MT_BATCH_URGENT HUGE_VAL

/* The cases named on a command line: paths; folders, of which every supported file below is taken, slides of several files once; patterns
 * as the shell has them; MANIFEST.csv (columns as docs/batch.md has them).  mpp_x, mpp_y > 0 apply to every case without its own (source
 * "option").  Elements are mt_batch_case.  `warnings` (char *, or NULL) takes what was left out of folders, and why.  `studies`: the recipe
 * chooses among series, so that a folder whose series lie in folders of their own is one case.
 * MT_ERROR_MISSING for a manifest that is not there and for a folder or pattern without cases, MT_ERROR_USAGE for two equal ids (both paths
 * named) and for cells that mean nothing. */
MT_PUBLIC GPtrArray *mt_batch_cases_warned(const char *const *arguments, double mpp_x, double mpp_y, bool studies, GPtrArray *warnings,
                                           GError **error);
MT_PUBLIC GPtrArray *mt_batch_cases(const char *const *arguments, double mpp_x, double mpp_y, GError **error);
/* A cell of the case's row in its manifest; NULL: it has none. */
MT_PUBLIC const char *mt_batch_case_column(const mt_batch_case *c, const char *name);
/* Cases whose manifest names another recipe than the run's (`recipe_path`, NULL: the run has none) are refused: a folder takes one recipe.
 * MT_ERROR_USAGE. */
MT_PUBLIC bool mt_batch_check_recipe(GPtrArray *cases, const char *recipe_path, GError **error);
/* Put keyed hashes (HMAC-SHA256, 128 bits in hex) in the place of ids, patients and every manifest column that is not a number or word of
 * ours; which is which is kept in KEY.ids.csv beside the key.  MT_ERROR_MISSING without a key file, MT_ERROR_USAGE for one in `out` or of
 * less than 16 bytes, MT_ERROR_IO. */
MT_PUBLIC bool mt_batch_hash_identifiers(GPtrArray *cases, const char *key_path, const char *out, GError **error);
/* The patient of each case by the columns of a labels file (id or slide_id, patient or case_id).  MT_ERROR_INPUT for a case that the
 * file does not have. */
MT_PUBLIC bool mt_batch_assign_patients(GPtrArray *cases, const char *labels_path, GError **error);
/* The id of a path: its stem, bytes outside [A-Za-z0-9._-] %-escaped, over 180 bytes cut and hashed. */
MT_PUBLIC char *mt_batch_case_id(const char *text);

/* Keep the cases of one of n processes, and all control cases (the claims see to it that one process runs each): "I/N" (1/4 .. 4/4, every fourth case from the I-th on) or "auto", which reads the array variables
 * of Slurm, Grid Engine, PBS and Kubernetes Indexed Jobs.  MT_ERROR_USAGE. */
MT_PUBLIC bool mt_batch_shard(GPtrArray *cases, const char *shard, GError **error);
/* "HH:MM", local time: the next time the clocks show it, as µs since 1970.  MT_ERROR_USAGE. */
MT_PUBLIC bool mt_batch_parse_until(const char *text, gint64 now_us, gint64 *until_us, GError **error);

/* "DIR" or "DIR:SIZE", SIZE a number with K, M, G or T (powers of 1024); *bytes is 0 without one.  MT_ERROR_USAGE. */
MT_PUBLIC bool mt_batch_parse_copy_to(const char *text, char **folder, uint64_t *bytes, GError **error);

typedef enum mt_batch_event_kind {
    MT_BATCH_STARTED,
    MT_BATCH_PROGRESS,
    MT_BATCH_DONE,
    MT_BATCH_SKIPPED,
    MT_BATCH_FAILED,
    MT_BATCH_RETRIED,
    MT_BATCH_WARNED /* of the whole batch: c is NULL */
} mt_batch_event_kind;

typedef struct mt_batch_event {
    mt_batch_event_kind  kind;
    const mt_batch_case *c;
    int64_t              tiles_done, tiles_total; /* of this case */
    int                  cases_done, cases_total; /* done, skipped or failed so far */
    double               seconds;
    const char          *message; /* FAILED, RETRIED, WARNED: why */
} mt_batch_event;

typedef struct mt_batch_options {
    const mt_recipe *recipe;
    const char      *out;
    int              threads; /* in all, shared by the workers */
    int              workers;
    const char      *copy_to;    /* folder to copy each case to before it is opened; NULL: read in place */
    uint64_t         copy_bytes; /* that copies may hold at once; 0: half of what is free */
    const char      *program;    /* executable whose hidden verb `worker` calls mt_batch_worker() */
    void (*event)(void *user, const mt_batch_event *event);
    void         *user;
    volatile int *stop;     /* set by a signal handler: 1 stop soon, 2 at once */
    bool          force;    /* the folder takes this recipe; results of another are moved to OUT/superseded one by one */
    gint64        lease_us; /* how long another run must have been silent before its case is taken over; 0: MT_BATCH_LEASE_US */
    gint64        stall_us; /* how long a worker may not get on before it is killed; 0: MT_BATCH_STALL_US */
    const char   *watch;    /* a folder whose cases are taken as they become whole, until stopped; NULL: only those that were given */
    const char   *identifiers_key; /* the cases of `watch` get keyed hashes for names, as mt_batch_hash_identifiers; NULL: not */
    gint64        settle_us;       /* how long the files of such a case have to stay the same */
    double        mpp_x, mpp_y;    /* of such a case, where its files lack it; 0: none */
    gint64        until_us; /* wall clock, µs since 1970: no case begins that would usually end later, none runs on; 0: no such hour */
    const char   *metrics;  /* also write metrics.prom here; NULL: in OUT alone */
    const char   *on_fail;  /* command for each failed case; NULL: none */
    const char *const *on;  /* decision or status, command, .., NULL: commands for finished cases; NULL: none */
} mt_batch_options;

#define MT_BATCH_LEASE_US (60 * G_USEC_PER_SEC)
#define MT_BATCH_STALL_US (600 * G_USEC_PER_SEC)

typedef struct mt_batch_totals {
    int        done, skipped, failed;
    int64_t    tiles;
    bool       stopped, demonstration;
    char      *summary;  /* path of summary.csv */
    GArray    *timings;  /* mt_timings of each case done now */
    GPtrArray *withheld; /* char *: what is wrong with each control case; while there is one, scores are withheld */
} mt_batch_totals;

/* Run all cases that OUT does not hold yet, then write summary.csv.  Cases that fail are in OUT/failed and in the totals; an
 * error is only what stops the batch: MT_ERROR_USAGE (another recipe in the folder), MT_ERROR_MODEL, MT_ERROR_IO. */
MT_PUBLIC bool mt_batch_run(GPtrArray *cases, const mt_batch_options *options, mt_batch_totals *totals, GError **error);
/* The headline of a case's result, as it may be told: without score and decision where a control case withholds them.  NULL: no result.
 * Free with g_free. */
MT_PUBLIC char *mt_batch_headline(const char *out, const char *id);
/* Why neither score nor decision of the result OUT/cases/<id>.h5 may be told: a control case of OUT; NULL: they may, or it is no result of
 * an output folder.  Free with g_free. */
MT_PUBLIC char *mt_batch_withheld(const char *result_path);
/* Run the operator's command at the end of a batch, `sh -c`, with MICROTOME_OUT, _DONE, _SKIPPED, _FAILED, _SUMMARY, _REPORT and _EXIT_CODE in
 * its environment; a minute at most.  NULL, or how it failed; free with g_free. */
MT_PUBLIC char *mt_batch_finish_hook(const char *out, const char *command, const mt_batch_totals *totals, int exit_code);
MT_PUBLIC void  mt_batch_totals_clear(mt_batch_totals *totals);

/* The same for cases whose paths are stored features (mt_aggregate_case), in this process; recipe, threads, workers, copies and program
 * of `options` are not used. */
MT_PUBLIC bool mt_batch_aggregate(GPtrArray *cases, const mt_scorer *scorer, const mt_batch_options *options, mt_batch_totals *totals,
                                  GError **error);

typedef struct mt_patient_totals {
    int done, skipped, failed;
} mt_patient_totals;

/* Publish OUT/patients/<id>.h5 for each patient among `cases`, from the results in OUT/cases.  One that is there and would be the same is
 * kept; one that would differ is moved to OUT/superseded first.  `failed` calls back with each patient that could not be. */
MT_PUBLIC bool mt_batch_patients(GPtrArray *cases, const mt_scorer *scorer, mt_patient_rule rule, const char *out,
                                 void (*failed)(void *user, const char *patient, const char *reason), void *user, mt_patient_totals *totals,
                                 GError **error);
/* The worker's side: commands on fd 0, events on fd 3, until end of file.  Returns an exit code. */
MT_PUBLIC int mt_batch_worker(void);

G_END_DECLS

#endif
