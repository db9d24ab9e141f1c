/* Which cases of a list are this process's, where several share it. */
#include <microtome/batch.h>

#include <string.h>

/* The variables by which a scheduler tells the tasks of an array apart. */
typedef struct scheduler {
    const char *name, *index, *first, *last, *step, *count;
} scheduler;

static const scheduler schedulers[] = {
    {"Slurm", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP", NULL},
    {"Grid Engine", "SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST", "SGE_TASK_STEPSIZE", NULL},
    {"PBS", "PBS_ARRAY_INDEX", NULL, NULL, NULL, "MICROTOME_SHARDS"},
    {"Torque", "PBS_ARRAYID", NULL, NULL, NULL, "MICROTOME_SHARDS"},
    {"Kubernetes", "JOB_COMPLETION_INDEX", NULL, NULL, NULL, "MICROTOME_SHARDS"},
};

static bool read_number(const char *name, gint64 *value, GError **error)
{
    const char *text = name != NULL ? g_getenv(name) : NULL;
    char       *end = NULL;

    *value = text != NULL ? g_ascii_strtoll(text, &end, 10) : 0;
    if (text != NULL && end != text && *end == '\0' && *value >= 0 && *value < G_MAXINT)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--shard auto: the variable %s %s%s: give --shard I/N", name,
                text != NULL ? "is not a number: " : "is not set", text != NULL ? text : "");
    return false;
}

/* Tasks are numbered from `first` in steps; a count alone numbers them from 0, or from 1 where the index says so. */
static bool read_scheduler(const scheduler *by, gint64 *part, gint64 *parts, GError **error)
{
    gint64 index, first = 0, last, step = 1;

    if (!read_number(by->index, &index, error))
        return false;
    if (by->count != NULL) {
        if (!read_number(by->count, parts, error))
            return false;
        *part = index + (strcmp(by->name, "Kubernetes") == 0 ? 1 : 0);
        return true;
    }
    if (!read_number(by->first, &first, error) || !read_number(by->last, &last, error) || !read_number(by->step, &step, error))
        return false;
    step = MAX(1, step);
    *part = (index - first) / step + 1;
    *parts = (last - first) / step + 1;
    return true;
}

static bool is_set(const char *name)
{
    const char *text = g_getenv(name);

    return text != NULL && *text != '\0' && strcmp(text, "undefined") != 0; /* Grid Engine's word outside an array */
}

static bool find_scheduler(gint64 *part, gint64 *parts, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(schedulers); i++)
        if (is_set(schedulers[i].index))
            return read_scheduler(&schedulers[i], part, parts, error);
    g_set_error(
        error, MT_ERROR, MT_ERROR_USAGE,
        "--shard auto: no array variable of Slurm, Grid Engine, PBS or Kubernetes is set: submit an array job, or give --shard I/N");
    return false;
}

static bool parse_pair(const char *text, gint64 *part, gint64 *parts)
{
    char *end;

    *part = g_ascii_strtoll(text, &end, 10);
    if (end == text || *end != '/')
        return false;
    const char *rest = end + 1;
    *parts = g_ascii_strtoll(rest, &end, 10);
    return end != rest && *end == '\0';
}

bool mt_batch_shard(GPtrArray *cases, const char *shard, GError **error)
{
    gint64 part = 0, parts = 0;

    if (strcmp(shard, "auto") == 0) {
        if (!find_scheduler(&part, &parts, error))
            return false;
    } else if (!parse_pair(shard, &part, &parts))
        part = parts = 0;
    if (parts < 1 || part < 1 || part > parts) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--shard %s: I/N with I from 1 to N is wanted, or auto%s", shard,
                    strcmp(shard, "auto") == 0 ? ": the scheduler's variables name a task outside the array" : "");
        return false;
    }
    for (guint i = cases->len; i-- > 0;)
        if ((gint64)i % parts != part - 1 && ((mt_batch_case *)cases->pdata[i])->control == NULL)
            g_ptr_array_remove_index(cases, i);
    return true;
}
