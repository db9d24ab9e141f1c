#include "src/batch/claims.h"

#include "src/base/fence.h"
#include "src/base/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BEATS_PER_LEASE 6
#define CLAIM_BYTES 1024
#define SILENT_AFTER_S 120 /* several beats: clocks of hosts differ by seconds */
#define CUT_AFTER_S 3600   /* a file that is still being made is younger */

/* Somebody else's claim as it was seen last. */
typedef struct sighting {
    char  *beat;
    gint64 since_us; /* when it was first seen with this beat */
} sighting;

struct mt_claims {
    char       *folder, *beat_path;
    char        run[MT_RUN_DIGITS + 1];
    char       *text; /* of every claim of ours */
    gint64      lease_us, beaten_us;
    guint64     beats;
    GHashTable *ours;   /* id -> epoch */
    GHashTable *others; /* path -> sighting */
};

/* Who made a claim, by its text: run, host, boot, pid namespace, pid, start of the process. */
typedef struct owner {
    char **fields;
} owner;

enum { RUN, HOST, BOOT, SPACE, PID, START, N_FIELDS };

gint64 mt_claims_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (gint64)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void free_sighting(void *data)
{
    sighting *s = data;

    g_free(s->beat);
    g_free(s);
}

/* Fields 3 (state) and 22 (start) of /proc/<pid>/stat, counted from behind the name; NULL when they cannot be read, "-" for a process
 * that has ended and was not waited for. */
static char *start_of_process(int pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid), *text = NULL;
    const char      *behind = g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;
    g_auto(GStrv) fields = behind != NULL ? g_strsplit(behind + 1, " ", 22) : NULL;

    if (fields == NULL || g_strv_length(fields) < 21)
        return NULL;
    return g_strdup(strchr("ZX", *fields[1]) != NULL ? "-" : fields[20]);
}

static char *boot_id(void)
{
    char *text = NULL;

    return g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL) ? g_strstrip(text) : g_strdup("-");
}

static char *pid_namespace(void)
{
    char *text = g_file_read_link("/proc/self/ns/pid", NULL);

    return text != NULL ? text : g_strdup("-");
}

static char *own_text(const char *run)
{
    g_autofree char *boot = boot_id(), *space = pid_namespace(), *start = start_of_process((int)getpid());

    return g_strdup_printf("%s\n%s\n%s\n%s\n%d\n%s\n", run, g_get_host_name(), boot, space, (int)getpid(), start != NULL ? start : "-");
}

static void make_run(char run[MT_RUN_DIGITS + 1])
{
    guint64 number;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        number = ((guint64)g_random_int() << 32) | g_random_int();
    g_snprintf(run, MT_RUN_DIGITS + 1, "%016" G_GINT64_MODIFIER "x", number);
}

/* A few bytes under a name that nobody had; the descriptor is closed, so that other hosts see them (NFS). */
static bool write_new(const char *path, const char *text, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);

    if (fd < 0)
        return false;
    bool ok = mt_publish_write(fd, text, strlen(text), path, NULL);
    int  saved = ok ? 0 : errno;
    ok &= close(fd) == 0;
    if (!ok && (flags & O_EXCL) != 0) {
        saved = saved != 0 ? saved : errno;
        unlink(path);
        errno = saved;
    }
    return ok;
}

static mt_fence fence_of(const mt_claims *claims, const char *id, int epoch)
{
    return (mt_fence){.folder = claims->folder, .id = id, .run = claims->run, .epoch = epoch};
}

/* The epoch in a claim's name when it is of `id` (NULL: of any, whose bytes go to *id_bytes); 0: not a claim. */
static int epoch_in_name(const char *name, const char *id, size_t *id_bytes)
{
    const char *dot = strrchr(name, '.');
    char       *end;
    size_t      n = dot != NULL ? (size_t)(dot - name) : 0;

    if (n == 0 || !g_ascii_isdigit(dot[1]) || (id != NULL && (strlen(id) != n || memcmp(name, id, n) != 0)))
        return 0;
    guint64 epoch = g_ascii_strtoull(dot + 1, &end, 10);
    if (id_bytes != NULL)
        *id_bytes = n;
    return *end == '\0' && epoch > 0 && epoch < G_MAXINT ? (int)epoch : 0;
}

/* The newest epoch of a case, 0 when it is free; `lower` gets those below `below`. */
static int newest_epoch(const mt_claims *claims, const char *id, int below, GArray *lower)
{
    g_autoptr(GDir) dir = g_dir_open(claims->folder, 0, NULL);
    const char *name;
    int         newest = 0;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        int epoch = epoch_in_name(name, id, NULL);
        newest = MAX(newest, epoch);
        if (lower != NULL && epoch > 0 && epoch < below)
            g_array_append_val(lower, epoch);
    }
    return newest;
}

static owner read_owner(const char *path)
{
    g_autofree char *text = NULL;
    gsize            bytes = 0;
    owner            o = {0};

    if (g_file_get_contents(path, &text, &bytes, NULL) && bytes < CLAIM_BYTES)
        o.fields = g_strsplit(text, "\n", -1);
    if (o.fields != NULL && (g_strv_length(o.fields) < N_FIELDS || strlen(o.fields[RUN]) != MT_RUN_DIGITS))
        g_clear_pointer(&o.fields, g_strfreev);
    return o;
}

/* Its process can be seen from here. */
static bool is_of_here(const char *own_text, const owner *o)
{
    g_auto(GStrv) own = g_strsplit(own_text, "\n", -1);

    return o->fields != NULL && strcmp(o->fields[BOOT], own[BOOT]) == 0 && strcmp(o->fields[SPACE], own[SPACE]) == 0 &&
           strcmp(o->fields[BOOT], "-") != 0 && strcmp(o->fields[SPACE], "-") != 0;
}

static bool is_there(const owner *o)
{
    int              pid = atoi(o->fields[PID]);
    g_autofree char *start = start_of_process(pid);

    return start != NULL ? strcmp(start, o->fields[START]) == 0 : kill(pid, 0) == 0 || errno != ESRCH;
}

/* The process of the claim is gone for certain: same boot, same numbering of processes, and no such process. */
static bool is_dead(const mt_claims *claims, const owner *o)
{
    return is_of_here(claims->text, o) && !is_there(o);
}

/* The owner as in a claim, then the number, always of one length: the file is written over in place. */
static bool write_beat(const mt_claims *claims, int flags)
{
    g_autofree char *text = g_strdup_printf("%s%020" G_GUINT64_FORMAT "\n", claims->text, claims->beats);

    return write_new(claims->beat_path, text, flags);
}

/* Of runs that were killed on this machine: their beats, and the claims of cases that they had published. */
static void remove_dead(const mt_claims *claims, const char *out)
{
    g_autoptr(GDir) dir = g_dir_open(claims->folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        size_t           n = 0;
        bool             claim = epoch_in_name(name, NULL, &n) > 0;
        g_autofree char *path = g_build_filename(claims->folder, name, NULL), *result = g_strdup_printf("%.*s.h5", (int)n, name);
        g_autofree char *published = g_build_filename(out, "cases", result, NULL);
        bool             over = claim ? access(published, F_OK) == 0 : g_str_has_suffix(name, ".beat");
        owner            o = over ? read_owner(path) : (owner){0};
        struct stat      status; /* one that was cut names nobody */
        bool             cut = over && o.fields == NULL && stat(path, &status) == 0 && time(NULL) - status.st_mtime > CUT_AFTER_S;
        if (cut || is_dead(claims, &o))
            unlink(path);
        g_strfreev(o.fields);
    }
}

mt_claims *mt_claims_open(const char *out, gint64 lease_us, GError **error)
{
    g_autofree char *folder = g_build_filename(out, "claims", NULL), *beat = NULL;
    mt_claims       *claims;

    if (g_mkdir_with_parents(folder, 0755) != 0) {
        mt_publish_io_error(error, "create folder", folder, errno);
        return NULL;
    }
    claims = g_new0(mt_claims, 1);
    make_run(claims->run);
    beat = g_strdup_printf("%s.beat", claims->run);
    claims->folder = g_steal_pointer(&folder);
    claims->beat_path = g_build_filename(claims->folder, beat, NULL);
    claims->text = own_text(claims->run);
    claims->lease_us = lease_us;
    claims->ours = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    claims->others = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_sighting);
    if (write_beat(claims, O_EXCL)) {
        remove_dead(claims, out);
        return claims;
    }
    mt_publish_io_error(error, "create", claims->beat_path, errno);
    mt_claims_close(claims);
    return NULL;
}

void mt_claims_beat(mt_claims *claims, gint64 now_us)
{
    if (now_us - claims->beaten_us < claims->lease_us / BEATS_PER_LEASE)
        return;
    claims->beaten_us = now_us;
    claims->beats++;
    write_beat(claims, 0); /* one that fails is a beat missed: the lease says what follows */
}

/* What the run of the claim counted last; an unreadable claim counts as its own beat. */
static char *read_beat(const mt_claims *claims, const owner *o)
{
    g_autofree char *name = o->fields != NULL ? g_strdup_printf("%s.beat", o->fields[RUN]) : NULL;
    g_autofree char *path = name != NULL ? g_build_filename(claims->folder, name, NULL) : NULL;
    char            *text = NULL;

    return path != NULL && g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

/* Seen without a beat for the lease, or dead. */
static bool is_abandoned(mt_claims *claims, const char *path, const owner *o, gint64 now_us)
{
    g_autofree char *beat = read_beat(claims, o);
    sighting        *s = g_hash_table_lookup(claims->others, path);

    if (is_dead(claims, o))
        return true;
    if (s == NULL || strcmp(s->beat, beat) != 0) {
        s = g_new0(sighting, 1);
        s->beat = g_steal_pointer(&beat);
        s->since_us = now_us;
        g_hash_table_replace(claims->others, g_strdup(path), s);
        return false;
    }
    return now_us - s->since_us >= claims->lease_us;
}

/* The file of the next epoch, if nobody was faster. */
static mt_claim_state claim_epoch(mt_claims *claims, const char *id, int epoch, GError **error)
{
    const mt_fence   fence = fence_of(claims, id, epoch);
    g_autofree char *path = mt_fence_claim(&fence);

    if (write_new(path, claims->text, O_EXCL)) {
        g_hash_table_insert(claims->ours, g_strdup(id), GINT_TO_POINTER(epoch));
        return MT_CLAIM_OURS;
    }
    if (errno == EEXIST)
        return MT_CLAIM_ELSEWHERE;
    mt_publish_io_error(error, "claim a case with", path, errno);
    return MT_CLAIM_FAILED;
}

mt_claim_state mt_claims_take(mt_claims *claims, const char *id, const char *target, gint64 now_us, int *epoch, char **who, GError **error)
{
    mt_claim_state state;

    if (who != NULL)
        *who = NULL;
    *epoch = GPOINTER_TO_INT(g_hash_table_lookup(claims->ours, id));
    if (*epoch > 0 && mt_claims_holds(claims, id)) /* a second attempt */
        return MT_CLAIM_OURS;
    int newest = newest_epoch(claims, id, 0, NULL);
    *epoch = newest + 1;
    if (newest == 0)
        return claim_epoch(claims, id, *epoch, error);
    mt_fence         old = fence_of(claims, id, newest);
    g_autofree char *path = mt_fence_claim(&old);
    owner            o = read_owner(path);
    if (is_abandoned(claims, path, &o, now_us)) {
        state = claim_epoch(claims, id, *epoch, error);
        g_hash_table_remove(claims->others, path);
        old.run = o.fields != NULL ? o.fields[RUN] : "";
        g_autofree char *unfinished = mt_fence_temporary(&old, target);
        if (state == MT_CLAIM_OURS)
            unlink(unfinished); /* from here on its owner has nothing to publish */
    } else {
        state = MT_CLAIM_ELSEWHERE;
        if (who != NULL && o.fields != NULL)
            *who = g_strdup_printf("%s, process %s", o.fields[HOST], o.fields[PID]);
    }
    g_strfreev(o.fields);
    return state;
}

bool mt_claims_holds(mt_claims *claims, const char *id)
{
    const mt_fence fence = fence_of(claims, id, GPOINTER_TO_INT(g_hash_table_lookup(claims->ours, id)));

    return fence.epoch > 0 && mt_fence_holds(&fence);
}

void mt_claims_sweep(mt_claims *claims, const char *id, const char *target)
{
    const mt_fence   fence = fence_of(claims, id, GPOINTER_TO_INT(g_hash_table_lookup(claims->ours, id)));
    g_autofree char *unfinished = mt_fence_temporary(&fence, target);

    unlink(unfinished);
}

/* The outdone ones first: while ours is there, theirs are outdone. */
static void remove_claims(mt_claims *claims, const char *id, int epoch)
{
    g_autoptr(GArray) lower = g_array_new(FALSE, FALSE, sizeof(int));

    if (epoch > 1)
        newest_epoch(claims, id, epoch, lower);
    g_array_append_val(lower, epoch);
    for (guint i = 0; i < lower->len; i++) {
        const mt_fence   fence = fence_of(claims, id, g_array_index(lower, int, i));
        g_autofree char *path = mt_fence_claim(&fence);
        unlink(path);
    }
}

void mt_claims_release(mt_claims *claims, const char *id)
{
    int epoch = GPOINTER_TO_INT(g_hash_table_lookup(claims->ours, id));

    if (epoch > 0 && mt_claims_holds(claims, id))
        remove_claims(claims, id, epoch);
    g_hash_table_remove(claims->ours, id);
}

void mt_claims_close(mt_claims *claims)
{
    if (claims == NULL)
        return;
    g_autoptr(GList) ids = g_hash_table_get_keys(claims->ours);
    for (GList *next = ids; next != NULL; next = next->next) {
        g_autofree char *id = g_strdup(next->data);
        mt_claims_release(claims, id);
    }
    unlink(claims->beat_path);
    g_hash_table_unref(claims->ours);
    g_hash_table_unref(claims->others);
    g_free(claims->text);
    g_free(claims->beat_path);
    g_free(claims->folder);
    g_free(claims);
}

const char *mt_claims_folder(const mt_claims *claims)
{
    return claims->folder;
}

const char *mt_claims_run(const mt_claims *claims)
{
    return claims->run;
}

bool mt_claims_run_lives(const char *out, const char *run, gint64 lease_us)
{
    g_autofree char *name = g_strconcat(run, ".beat", NULL), *path = g_build_filename(out, "claims", name, NULL), *own = own_text("");
    struct stat      status;

    if (stat(path, &status) != 0)
        return false;
    owner o = read_owner(path);
    bool  here = is_of_here(own, &o), there = here && is_there(&o);
    g_strfreev(o.fields);
    return here ? there : time(NULL) - status.st_mtime < MAX(lease_us / G_USEC_PER_SEC, SILENT_AFTER_S);
}

static void free_seen(void *data)
{
    mt_claim_seen *seen = data;

    g_free(seen->id);
    g_free(seen->host);
    g_free(seen);
}

GPtrArray *mt_claims_list(const char *out)
{
    g_autofree char *folder = g_build_filename(out, "claims", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GHashTable) newest = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray  *list = g_ptr_array_new_with_free_func(free_seen);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        size_t           n = 0;
        int              epoch = epoch_in_name(name, NULL, &n);
        g_autofree char *id = g_strndup(name, n), *path = g_build_filename(folder, name, NULL);
        mt_claim_seen   *seen = g_hash_table_lookup(newest, id);
        if (epoch == 0 || (seen != NULL && seen->epoch > epoch))
            continue;
        if (seen == NULL) {
            seen = g_new0(mt_claim_seen, 1);
            seen->id = g_steal_pointer(&id);
            g_ptr_array_add(list, seen);
            g_hash_table_insert(newest, seen->id, seen);
        }
        owner o = read_owner(path);
        g_free(seen->host);
        seen->host = g_strdup(o.fields != NULL ? o.fields[HOST] : NULL);
        seen->pid = o.fields != NULL ? atoi(o.fields[PID]) : 0;
        seen->epoch = epoch;
        g_strfreev(o.fields);
    }
    return list;
}
