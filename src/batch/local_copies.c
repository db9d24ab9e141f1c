#include "src/batch/local_copies.h"

#include "src/base/alloc.h"
#include "src/base/size.h"
#include "src/batch/copy_folder.h"
#include "src/case/case_files.h"
#include "src/case/file_bytes.h"

#include <microtome/batch.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define PIECE_BYTES (UINT64_C(1) << 20)
/* Never the last bytes of a disk. */
#define SPARE_BYTES (UINT64_C(256) << 20)
/* How long the end waits for a read under way. */
#define LONGEST_READ_S 10
#define DICOM_MARK_AT 128

typedef struct copy {
    char         *id, *path;
    mt_copy_state state;
    int           number;
    uint64_t      bytes; /* counted in `used` */
    char         *where, *why;
} copy;

struct mt_local_copies {
    char           *parent;
    mt_copy_folder *folder;
    uint64_t        most;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t  moved;
    GHashTable     *copies; /* id -> copy */
    GQueue          asked;  /* copy */
    uint64_t        used;
    int             next_number;
    bool            stop; /* atomic as well: the thread looks without the lock */
    pthread_t       thread;
};

bool mt_batch_parse_copy_to(const char *text, char **folder, uint64_t *bytes, GError **error)
{
    const char *colon = strrchr(text, ':');
    bool        sized = colon != NULL && g_ascii_isdigit(colon[1]); /* else a colon of the folder's name */
    int64_t     size = 0;

    if (sized && !mt_size_parse(colon + 1, &size)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--copy-to %s: DIR or DIR:SIZE is wanted, SIZE a number with K, M, G or T", text);
        return false;
    }
    *bytes = (uint64_t)size;
    *folder = sized ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
    if (**folder != '\0')
        return true;
    g_clear_pointer(folder, g_free);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--copy-to %s: the folder has no name", text);
    return false;
}

static uint64_t free_bytes(const char *folder)
{
    struct statvfs status;

    return statvfs(folder, &status) == 0 ? (uint64_t)status.f_bavail * status.f_frsize : 0;
}

static void copy_free(void *data)
{
    copy *c = data;

    g_free(c->id);
    g_free(c->path);
    g_free(c->where);
    g_free(c->why);
    g_free(c);
}

static bool write_all(int fd, const uint8_t *bytes, uint64_t size, GError **error)
{
    for (uint64_t done = 0; done < size;) {
        ssize_t n = write(fd, bytes + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_IO, "%s", g_strerror(errno));
            return false;
        }
        done += (uint64_t)n;
    }
    return true;
}

/* Pieces are told ahead, so that a slow storage is asked for many at once. */
static bool copy_bytes(mt_local_copies *self, mt_file_bytes *file, int fd, GError **error)
{
    uint64_t size = mt_file_bytes_size(file), told = 0;
    uint8_t *piece = mt_alloc((int64_t)PIECE_BYTES, 1, error);
    bool     ok = piece != NULL;

    for (uint64_t done = 0; ok && done < size; done += PIECE_BYTES) {
        while (told < size && mt_file_bytes_ahead(file, told, MIN(PIECE_BYTES, size - told)))
            told += PIECE_BYTES;
        if (__atomic_load_n(&self->stop, __ATOMIC_RELAXED)) {
            g_set_error(error, MT_ERROR, MT_ERROR_STOPPED, "stopped");
            ok = false;
        } else
            ok = mt_file_bytes_read(file, done, MIN(PIECE_BYTES, size - done), piece, error) &&
                 write_all(fd, piece, MIN(PIECE_BYTES, size - done), error);
    }
    mt_free(piece);
    return ok;
}

static bool same_facts(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool copy_file(mt_local_copies *self, const copy *c, const char *source, const char *relative, GError **error)
{
    struct stat before, after;
    int         fd = -1;
    g_autoptr(mt_file_bytes) file = stat(source, &before) == 0 ? mt_file_bytes_open(source, error) : NULL;
    bool ok = file != NULL && mt_copy_folder_create(self->folder, c->number, relative, &fd, error) && copy_bytes(self, file, fd, error);

    if (fd >= 0 && close(fd) != 0 && ok) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "%s", g_strerror(errno));
        return false;
    }
    if (ok && (stat(source, &after) != 0 || !same_facts(&before, &after))) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it changed meanwhile");
        return false;
    }
    if (!ok && error != NULL && *error == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "it cannot be read");
    return ok;
}

/* Files of a case lie beside it or in a folder there: their names from there on. */
static const char *name_beside(const char *path, const char *file)
{
    size_t      folder = strrchr(path, '/') != NULL ? (size_t)(strrchr(path, '/') - path) + 1 : 0;
    const char *last = strrchr(file, '/');

    if (strncmp(path, file, folder) == 0 && !g_str_has_prefix(file + folder, "./"))
        return file + folder;
    return last != NULL ? last + 1 : file;
}

static bool copy_files(mt_local_copies *self, const copy *c, GPtrArray *files, GError **error)
{
    for (guint i = 0; i < files->len; i++)
        if (!copy_file(self, c, files->pdata[i], name_beside(c->path, files->pdata[i]), error))
            return false;
    return true;
}

/* A DICOM slide is a folder of files that name each other: which ones is not known here. */
static bool is_dicom(const char *path)
{
    char mark[4];
    g_autoptr(mt_file_bytes) file = mt_file_bytes_open(path, NULL);

    return file != NULL && mt_file_bytes_read(file, DICOM_MARK_AT, sizeof mark, mark, NULL) && memcmp(mark, "DICM", sizeof mark) == 0;
}

static uint64_t bytes_of(GPtrArray *files)
{
    uint64_t    sum = 0;
    struct stat status;

    for (guint i = 0; i < files->len; i++)
        sum += stat(files->pdata[i], &status) == 0 ? (uint64_t)status.st_size : 0;
    return sum;
}

/* Waits until the other copies leave room; false: it will never fit, or the end has come. */
static bool take_room(mt_local_copies *self, copy *c, uint64_t bytes)
{
    pthread_mutex_lock(&self->lock);
    while (!self->stop && bytes <= self->most && self->used + bytes > self->most)
        pthread_cond_wait(&self->moved, &self->lock);
    bool ok = !self->stop && bytes <= self->most;
    if (ok) {
        c->bytes = bytes;
        self->used += bytes;
    }
    pthread_mutex_unlock(&self->lock);
    return ok;
}

/* NULL: it is copied; else why not. */
static char *copy_case(mt_local_copies *self, copy *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) files = mt_case_files(c->path);
    uint64_t bytes = bytes_of(files);

    if (is_dicom(c->path))
        return g_strdup("the files of a DICOM slide are not known before it is opened");
    if (!take_room(self, c, bytes))
        return g_strdup_printf("its %" G_GUINT64_FORMAT " MiB are over the %" G_GUINT64_FORMAT " MiB that copies may hold", bytes >> 20,
                               self->most >> 20);
    if (bytes + SPARE_BYTES > free_bytes(self->parent) && bytes > 0)
        return g_strdup_printf("%s has %" G_GUINT64_FORMAT " MiB left", self->parent, free_bytes(self->parent) >> 20);
    return copy_files(self, c, files, &error) ? NULL : g_strdup_printf("it cannot be copied: %s", error->message);
}

static void finish_copy(mt_local_copies *self, copy *c, char *why)
{
    g_autofree char *name = g_path_get_basename(c->path);

    if (why != NULL)
        mt_copy_folder_delete(self->folder, c->number);
    pthread_mutex_lock(&self->lock);
    if (why != NULL) {
        self->used -= c->bytes;
        c->bytes = 0;
    }
    c->why = why;
    c->where = mt_copy_folder_path(self->folder, c->number, name);
    c->state = why != NULL ? MT_COPY_DECLINED : MT_COPY_READY;
    pthread_cond_broadcast(&self->moved);
    pthread_mutex_unlock(&self->lock);
}

static void *copy_until_stopped(void *user)
{
    mt_local_copies *self = user;

    pthread_mutex_lock(&self->lock);
    while (!self->stop) {
        copy *c = g_queue_pop_head(&self->asked);

        if (c == NULL) {
            pthread_cond_wait(&self->moved, &self->lock);
            continue;
        }
        pthread_mutex_unlock(&self->lock);
        finish_copy(self, c, copy_case(self, c));
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

mt_local_copies *mt_local_copies_new(const char *folder, uint64_t bytes, GError **error)
{
    mt_copy_folder *made = mt_copy_folder_new(folder, error);

    if (made == NULL)
        return NULL;
    mt_local_copies *self = g_new0(mt_local_copies, 1);
    self->parent = g_strdup(folder);
    self->folder = made;
    self->most = bytes > 0 ? bytes : free_bytes(folder) / 2;
    self->copies = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, copy_free);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->moved, NULL);
    if (pthread_create(&self->thread, NULL, copy_until_stopped, self) == 0)
        return self;
    g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "make local copies in %s: no thread can be started", folder);
    self->stop = true;
    mt_local_copies_free(self);
    return NULL;
}

static bool join_in_time(pthread_t thread)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LONGEST_READ_S;
    return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

void mt_local_copies_free(mt_local_copies *self)
{
    if (self == NULL)
        return;
    bool started = !self->stop;
    pthread_mutex_lock(&self->lock);
    __atomic_store_n(&self->stop, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&self->moved);
    pthread_mutex_unlock(&self->lock);
    if (started && !join_in_time(self->thread))
        return;
    mt_copy_folder_free(self->folder);
    g_queue_clear(&self->asked);
    g_hash_table_unref(self->copies);
    pthread_cond_destroy(&self->moved);
    pthread_mutex_destroy(&self->lock);
    g_free(self->parent);
    g_free(self);
}

void mt_local_copies_ask(mt_local_copies *self, const char *id, const char *path)
{
    pthread_mutex_lock(&self->lock);
    if (!g_hash_table_contains(self->copies, id)) {
        copy *c = g_new0(copy, 1);
        c->id = g_strdup(id);
        c->path = g_strdup(path);
        c->number = self->next_number++;
        g_hash_table_insert(self->copies, c->id, c);
        g_queue_push_tail(&self->asked, c);
        pthread_cond_broadcast(&self->moved);
    }
    pthread_mutex_unlock(&self->lock);
}

mt_copy_state mt_local_copies_get(mt_local_copies *self, const char *id, const char **copy_path, const char **why)
{
    mt_copy_state state = MT_COPY_UNDER_WAY;

    pthread_mutex_lock(&self->lock);
    copy *c = g_hash_table_lookup(self->copies, id);
    if (c != NULL && c->state != MT_COPY_UNDER_WAY) {
        state = c->state;
        *copy_path = c->where;
        *why = c->why;
    }
    pthread_mutex_unlock(&self->lock);
    return state;
}

void mt_local_copies_drop(mt_local_copies *self, const char *id)
{
    pthread_mutex_lock(&self->lock);
    copy *c = g_hash_table_lookup(self->copies, id);
    bool  ready = c != NULL && c->state != MT_COPY_UNDER_WAY;
    if (ready)
        g_hash_table_steal(self->copies, id);
    pthread_mutex_unlock(&self->lock);
    if (!ready)
        return;
    mt_copy_folder_delete(self->folder, c->number);
    pthread_mutex_lock(&self->lock);
    self->used -= c->bytes;
    pthread_cond_broadcast(&self->moved);
    pthread_mutex_unlock(&self->lock);
    copy_free(c);
}
