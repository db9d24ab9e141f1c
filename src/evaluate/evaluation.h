/* What an evaluation holds: filled stage by stage in this folder, shown by src/export/evaluation_*.c. */
#ifndef MT_EVALUATION_H
#define MT_EVALUATION_H

#include "src/evaluate/curve.h"
#include "src/evaluate/estimate.h"
#include "src/evaluate/predictions.h"
#include "src/evaluate/targets.h"

#include <microtome/evaluate.h>

typedef struct mt_metric {
    const char *name;         /* its key in JSON: "auroc" */
    mt_estimate estimate;     /* interval at 95 % */
    bool        bootstrapped; /* low and high are percentiles over resampled patients */
    double      low, high;
    int64_t     hits, n;   /* of a proportion; n 0: it is none */
    const char *undefined; /* why it is not defined */
} mt_metric;

/* A case, or a patient with --level patient, whose truth and scores are both known. */
typedef struct mt_subject {
    const char               *id, *patient;
    guint                     row;        /* of the labels file; of a patient the first */
    const mt_case_prediction *prediction; /* of a patient that of its highest score */
    double                   *scores;     /* one a label of the task; binary: 0 negative, 1 positive */
    int                       truth;      /* class; -1 for findings and survival */
    float                    *holds;      /* findings: 1, 0 or NAN each; else NULL */
    double                    time;       /* survival */
    bool                      event;
    int                       called; /* class that was decided for; findings and survival: -1 */
    bool                      trained_on;
} mt_subject;

typedef struct mt_unanswered {
    const char *id, *status, *reason;
    bool        positive; /* binary: what it is in truth */
} mt_unanswered;

/* Points beside each other, of a calibration or decision curve. */
typedef struct mt_points {
    int      n;
    double  *x, *y, *second; /* second: another y at the same x; NULL: none */
    int64_t *counts;         /* cases behind each; NULL: none */
} mt_points;

/* One label against all others: what sensitivity, AUROC and curves are of. */
typedef struct mt_view {
    const char *label;
    int         n, n_positive;
    double     *scores;
    int        *truth, *called;
    int        *subject;   /* index of each */
    double      threshold; /* NAN: the highest score decides */
    GArray     *metrics;   /* mt_metric */
    int64_t     tp, fp, tn, fn;
    mt_curve    roc, pr;
    mt_points   reliability; /* mean score, share observed, cases of each bin that has any */
    mt_points   decision;    /* threshold, net benefit of the model and (second) of treating all */
} mt_view;

#define MT_GROUP_METRICS 3

typedef struct mt_group {
    char       *name; /* "f", "40-59" */
    int         n, n_positive;
    mt_estimate estimates[MT_GROUP_METRICS];
} mt_group;

typedef struct mt_grouping {
    char       *column;
    const char *metrics[MT_GROUP_METRICS]; /* what the estimates are; NULL behind the last */
    GPtrArray  *groups;                    /* mt_group; in the order of bands, else by name */
    int         n_unknown;
    mt_estimate tpr_gap, fpr_gap, odds; /* binary: largest less smallest; not defined else */
    const char *tpr_pair[2], *fpr_pair[2];
} mt_grouping;

typedef struct mt_goal {
    char       *name;
    double      wanted;
    mt_estimate got;
    bool        upper;  /* the goal is a largest value: its upper bound counts */
    bool        strict; /* the bound must pass it, not only reach it */
    bool        met;
} mt_goal;

/* NULL: none.  `goals` as of --goal, `file` with [goals]. */
typedef struct mt_goal_source {
    const char *const *goals;
    const char        *file;
} mt_goal_source;

typedef struct mt_difference {
    const char *name;
    const char *label;                     /* of several findings: whose number it is; else NULL */
    mt_estimate first, second, difference; /* first - second */
    double      p;                         /* NAN: none */
} mt_difference;

typedef struct mt_comparison {
    char   *other; /* the folder, or column:VALUE */
    int     n, n_other;
    GArray *differences;             /* mt_difference */
    int64_t first_only, second_only; /* right in one alone */
    double  mcnemar_p;
} mt_comparison;

typedef struct mt_reader {
    char       *name;
    int64_t     n;                  /* cases that it read */
    mt_estimate kappa, model_kappa; /* with the majority; with the model's calls */
} mt_reader;

typedef struct mt_readers {
    GArray      *readers;                            /* mt_reader */
    mt_estimate *pairwise;                           /* n x n kappa */
    int64_t      n_cases;                            /* read by all */
    mt_estimate  fleiss, mean_pairwise, model_kappa; /* model_kappa: with the majority */
    int64_t      n_ties;                             /* read, but without a majority */
    bool         consensus_is_truth;
} mt_readers;

#define MT_RISK_TIMES 7

/* Those whose risk lies below the cut, or at it and above. */
typedef struct mt_risk_group {
    const char *name;
    int         n, n_events;
    mt_curve    curve;      /* Kaplan and Meier: time, share without event, Greenwood's standard error */
    double     *low, *high; /* of each point, log-log at 95 %; NAN where the share is 0 or 1 */
    mt_estimate median;     /* time by which half had the event; not defined: not reached */
    int64_t     at_risk[MT_RISK_TIMES];
} mt_risk_group;

typedef struct mt_risk_groups {
    double        cut;
    const char   *cut_source; /* "median", "head", "option" */
    mt_risk_group groups[2];  /* low, high */
    int           n_times;
    double        times[MT_RISK_TIMES]; /* of at_risk */
    bool          tested;               /* false: one group is empty, or there is no event */
    double        chi_squared, p;       /* log-rank */
    mt_estimate   hazard_ratio;         /* of high against low */
} mt_risk_groups;

struct mt_evaluation {
    char           *folder, *labels_path;
    const char     *level; /* "case", "patient" */
    mt_predictions *predictions;
    mt_labels      *labels;
    mt_targets     *targets;
    mt_task         task;
    int             n_labels; /* of the task */
    double          threshold;
    const char     *threshold_source; /* "head", "option", "default" */
    GPtrArray      *subjects;         /* mt_subject, ascending by id */
    GArray         *unanswered;       /* mt_unanswered */
    guint           n_labelled, n_unknown;
    GPtrArray      *missing_results, *missing_labels; /* ids */
    GPtrArray      *warnings;
    GPtrArray      *views;     /* mt_view */
    GArray         *metrics;   /* mt_metric over all labels; of a binary task those of its one view */
    int64_t        *confusion; /* n_labels x n_labels, truth by call; NULL: findings, survival */
    GPtrArray      *groupings; /* mt_grouping */
    GArray         *goals;     /* mt_goal */
    mt_comparison  *comparison, *external;
    mt_readers     *readers;
    int             bootstrap;
    uint64_t        seed;
    int            *consensus;    /* truth of each row by the readers; NULL: the labels say it */
    GHashTable     *test;         /* ids that --splits tests; NULL: all */
    bool            borrowed;     /* predictions, labels, targets and subjects are another's */
    double          prevalence;   /* stated; 0: none */
    GPtrArray      *leak_sources; /* char *: what was looked at for who was trained on; empty: nothing says */
    guint           n_trained_on; /* subjects that the head was trained on: only where that was allowed */
    mt_risk_groups *risk_groups;  /* survival; NULL else */
};

/* evaluation_cohort.c: predictions, labels, targets and subjects. */
bool mt_evaluation_gather(mt_evaluation *e, const mt_evaluation_params *params, GError **error);
void mt_evaluation_warn(mt_evaluation *e, const char *format, ...) G_GNUC_PRINTF(2, 3);
void mt_subject_free(void *subject);

/* evaluation.c: empty, to be gathered. */
mt_evaluation *mt_evaluation_begin(const char *folder, const mt_evaluation_params *params);
/* The same evaluation over some of its subjects, measured; without goals, groups and files.  Borrows from `e`. */
mt_evaluation *mt_evaluation_of(const mt_evaluation *e, GPtrArray *subjects, GError **error);

/* evaluation_view.c: label `index` of the task against the others, among all subjects. */
mt_view *mt_view_new(const mt_evaluation *e, int index, GError **error);
void     mt_view_free(void *view);
/* evaluation_patients.c: where patients have several cases, the intervals of AUROC and shares become those over patients. */
bool mt_view_widen(mt_view *view, const mt_evaluation *e, GError **error);

/* evaluation_metrics.c */
void             mt_metrics_add(GArray *metrics, const char *name, mt_estimate estimate, int64_t hits, int64_t n, const char *undefined);
const mt_metric *mt_metrics_find(const GArray *metrics, const char *name); /* NULL: not among them */
/* Views, metrics over all labels, confusion. */
bool mt_evaluation_measure(mt_evaluation *e, GError **error);

/* One file each: evaluation_groups.c, evaluation_bootstrap.c, evaluation_goals.c, evaluation_against.c, evaluation_readers.c, evaluation_leaks.c. */
bool mt_evaluation_group(mt_evaluation *e, const char *by, GError **error);
bool mt_evaluation_resample(mt_evaluation *e, GError **error);
/* Goals held against any metrics; those of a file that belong to another kind of evaluation are told in `warnings`. */
bool mt_goals_judge(const mt_goal_source *source, const GArray *metrics, GArray *goals, GPtrArray *warnings, GError **error);
bool mt_evaluation_judge(mt_evaluation *e, const mt_evaluation_params *params, GError **error);
bool mt_evaluation_compare(mt_evaluation *e, const mt_evaluation_params *params, GError **error);
bool mt_evaluation_externalise(mt_evaluation *e, const mt_evaluation_params *params, GError **error);
bool mt_evaluation_ask_readers(mt_evaluation *e, const mt_evaluation_params *params, GError **error);

/* Rounds of those intervals that only drawing again gives, without --bootstrap. */
#define MT_EVALUATION_ROUNDS 2000
#define MT_BY_PATIENTS "bootstrap, by patients"

/* evaluation_clusters.c: where patients have several cases, intervals of kappas, gaps and several classes' accuracy over patients; else
 * as they are.  Which patient each subject is of, 0 .. (g_free). */
int64_t *mt_evaluation_patients(const mt_evaluation *e, bool *several);
bool     mt_evaluation_cluster(mt_evaluation *e, GError **error);
bool     mt_evaluation_kappa(const mt_evaluation *e, const int *first, int step, const int *second, int second_step, mt_estimate *kappa,
                             GError **error);
/* Of several readers, [n][n_readers]: Fleiss's, or the mean over pairs; these have no formula, and are always drawn. */
bool mt_evaluation_agreement(const mt_evaluation *e, const int *readings, int n_readers, bool pairwise, mt_estimate *kappa, GError **error);
/* Between two of n_groups, of those of one truth. */
bool mt_evaluation_gap(const mt_evaluation *e, const int *group, int truth, int highest, int lowest, int n_groups, mt_estimate *gap,
                       GError **error);

/* evaluation_survival.c: higher: earlier.  C-index; Kaplan-Meier of two groups of risk; two runs over the same subjects in one order. */
double mt_evaluation_risk(const mt_evaluation *e, const mt_subject *s);
bool   mt_evaluation_measure_survival(mt_evaluation *e, GError **error);
bool   mt_evaluation_risk_groups(mt_evaluation *e, const mt_evaluation_params *params, GError **error);
/* The C-index has no formula for its interval: patients are drawn again. */
bool mt_evaluation_spread_survival(mt_evaluation *e, GError **error);
void mt_risk_groups_free(mt_risk_groups *groups);
bool mt_evaluation_compare_survival(const mt_evaluation *a, const mt_evaluation *b, mt_difference *difference, GError **error);

/* What was trained on is refused; the cases that --splits tests (keys), NULL and the error. */
bool        mt_evaluation_check_leaks(mt_evaluation *e, const mt_evaluation_params *params, GError **error);
GHashTable *mt_evaluation_test_cases(const char *splits, const char *fold, GError **error);
/* evaluation_splits.c: the rows of one fold (mt_split_row), of the file or of one in the folder, whose name `file` gets. */
typedef struct mt_split_row {
    char *id, *patient; /* patient NULL: the file does not say */
    bool  test;         /* else it was trained on */
    guint line;
} mt_split_row;
GArray *mt_evaluation_read_splits(const char *path, const char *fold, char **file, GError **error);
/* evaluation_cohort.c: whether a row of the labels file is asked for. */
bool mt_evaluation_wants(const mt_evaluation *e, const mt_evaluation_params *params, guint row);
/* Of evaluation_cohort.c, and the readers' columns as targets (mt_targets *), and the majority for each row (-1: none; g_free). */
mt_targets_params mt_evaluation_targets_params(const mt_evaluation *e, const mt_evaluation_params *params);
bool mt_evaluation_read_readers(const mt_evaluation *e, const mt_evaluation_params *params, GPtrArray **targets, GError **error);
int *mt_evaluation_consensus(const mt_evaluation *e, GPtrArray *targets, GError **error);

#endif
