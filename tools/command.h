/* What the verbs share: parsing, messages, exit codes.  Results go to stdout, everything else to stderr. */
#ifndef MT_COMMAND_H
#define MT_COMMAND_H

#include <microtome/grid.h>
#include <microtome/model.h>
#include <microtome/recipe.h>

typedef struct mt_command {
    const char *name;
    const char *arguments; /* as --help shows them */
    const char *summary;   /* one line */
    const char *help;      /* what --help teaches below the options; may be NULL */
    int (*run)(int argc, char **argv);
} mt_command;

extern const mt_command mt_command_deidentify;
extern const mt_command mt_command_run, mt_command_info, mt_command_tissue, mt_command_tile, mt_command_heatmap, mt_command_model,
    mt_command_bench, mt_command_aggregate, mt_command_evaluate, mt_command_calibrate, mt_command_search, mt_command_doctor,
    mt_command_train, mt_command_status, mt_command_verify, mt_command_report, mt_command_prune, mt_command_plan, mt_command_worker,
    mt_command_compare, mt_command_convert, mt_command_export, mt_command_send, mt_command_worklist,
    mt_command_serve, mt_command_reader, mt_command_user, mt_command_review;

/* Parse argv (argv[0] is the verb); what is left are the arguments.  False after an error was printed: return 64. */
bool mt_command_parse(const mt_command *command, const GOptionEntry *entries, int *argc, char ***argv);
/* Print "microtome VERB: MESSAGE" and return the exit code of `error`. */
int mt_command_fail(const mt_command *command, const GError *error);
/* The same for a usage error: 64. */
int mt_command_usage(const mt_command *command, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* "X" or "X,Y" as µm/px; false after an error was printed. */
bool mt_command_mpp(const mt_command *command, const char *text, double *x, double *y);
/* "800M", "4G", "1048576" as bytes; false after an error was printed. */
bool mt_command_size(const mt_command *command, const char *option, const char *text, int64_t at_least, int64_t *bytes);
/* "fp32", "bf16" or "int8"; NULL: fp32; false after an error was printed. */
bool mt_command_precision(const mt_command *command, const char *text, mt_precision *precision);
/* "METHOD[:IMAGE]" into the recipe; NULL leaves it as it is; false after an error was printed. */
bool mt_command_stain(const mt_command *command, const char *text, mt_recipe *recipe);
/* "trident" or "clam"; NULL: as it is; false after an error was printed. */
bool mt_command_compat(const mt_command *command, const char *text, mt_compat *compat);
/* Files as they are named, a folder as its *.h5, or as those of its cases/ where it is the output of a run; NULL ends them. */
GPtrArray *mt_command_results(const char *const *arguments);
/* Threads that --threads 0 (default) means: the CPUs this process may use. */
int mt_command_threads(int wanted);
/* OUT/report.html by a process of its own: no damaged result can take a finished batch's exit code away.  hurry: without pictures, within
 * seconds; *stop (NULL: never) tells of stops meanwhile, at the second it is given up.  Several runs that end together leave it to the last. */
void mt_command_report_folder(const mt_command *command, const char *out, const char *language, bool hurry, const volatile int *stop);

#endif
