/* Many threads read what another one tells, over a medium that is slow on its own clock and fails now and then. */
#include "src/case/file_bytes_private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define PIECE UINT64_C(5000)
#define PIECES 4000
#define READERS 4

/* Shared, atomic. */
typedef struct medium {
    int64_t clock_us;
    bool    fails; /* once at every third piece */
    bool    failed[PIECES];
} medium;

typedef struct scene {
    char           *path;
    uint8_t        *bytes;
    medium          m;
    mt_medium_calls calls;
    mt_file_bytes  *file;
    uint64_t        next_told, next_taken, wrong; /* atomic */
} scene;

static ssize_t slow_pread(int fd, void *out, size_t size, off_t offset, void *user)
{
    medium  *m = user;
    uint64_t piece = (uint64_t)offset / PIECE;

    __atomic_fetch_add(&m->clock_us, 20000, __ATOMIC_RELAXED);
    if (m->fails && piece % 3 == 0 && !__atomic_exchange_n(&m->failed[piece], true, __ATOMIC_RELAXED)) {
        errno = piece % 2 == 0 ? EIO : ESTALE;
        return -1;
    }
    return pread(fd, out, size, offset);
}

static void no_pause(int ms, void *user)
{
    (void)ms, (void)user;
}

static int64_t medium_now_us(void *user)
{
    return __atomic_load_n(&((medium *)user)->clock_us, __ATOMIC_RELAXED);
}

static void open_scene(scene *s, bool fails)
{
    int fd = g_file_open_tmp("file_reads_XXXXXX", &s->path, NULL);

    s->bytes = g_malloc(PIECE * PIECES);
    for (uint64_t i = 0; i < PIECE * PIECES; i++)
        s->bytes[i] = (uint8_t)(i * 2654435761u >> 11);
    g_assert_cmpint(write(fd, s->bytes, PIECE * PIECES), ==, (gssize)(PIECE * PIECES));
    close(fd);
    s->m.fails = fails;
    s->calls = mt_medium_system;
    s->calls.pread = slow_pread;
    s->calls.pause = no_pause;
    s->calls.now_us = medium_now_us;
    s->calls.waits = medium_now_us;
    s->calls.user = &s->m;
    s->file = mt_file_bytes_open_with(s->path, &s->calls, NULL);
    g_assert_nonnull(s->file);
}

static void close_scene(scene *s)
{
    mt_file_bytes_free(s->file);
    g_unlink(s->path);
    g_free(s->path);
    g_free(s->bytes);
}

/* Each reader tells a few pieces ahead of all readers, then reads the next one. */
static void *read_pieces(void *user)
{
    scene  *s = user;
    uint8_t got[PIECE];

    for (uint64_t i; (i = __atomic_fetch_add(&s->next_taken, 1, __ATOMIC_RELAXED)) < PIECES;) {
        for (int k = 0; k < 3; k++) {
            uint64_t told = __atomic_fetch_add(&s->next_told, 1, __ATOMIC_RELAXED);
            if (told < PIECES)
                mt_file_bytes_ahead(s->file, told * PIECE, PIECE);
        }
        bool ok = mt_file_bytes_read(s->file, i * PIECE, PIECE, got, NULL);
        if (!ok || memcmp(got, s->bytes + i * PIECE, PIECE) != 0)
            __atomic_fetch_add(&s->wrong, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* How many reads were served by what was read ahead. */
static uint64_t read_scene(bool fails)
{
    scene     s = {0};
    pthread_t threads[READERS];

    open_scene(&s, fails);
    for (int i = 0; i < READERS; i++)
        g_assert_cmpint(pthread_create(&threads[i], NULL, read_pieces, &s), ==, 0);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    g_assert_cmpuint(s.wrong, ==, 0);
    mt_file_counts counts = mt_file_bytes_counts(s.file);
    g_assert_cmpuint(counts.retries > 0, ==, fails);
    close_scene(&s);
    return (uint64_t)counts.ahead_hits;
}

/* On a busy machine the readers may all be faster than those ahead of them: not every time. */
static void test_many_readers(gconstpointer data)
{
    uint64_t hits = 0;

    for (int i = 0; i < 50 && hits == 0; i++)
        hits = read_scene(GPOINTER_TO_INT(data) != 0);
    g_assert_cmpuint(hits, >, 0);
}

/* Closed while readers ahead are in the middle of their reads. */
static void test_close_early(void)
{
    for (int i = 0; i < 20; i++) {
        scene   s = {0};
        uint8_t got[PIECE];

        open_scene(&s, false);
        g_assert_true(mt_file_bytes_read(s.file, 0, PIECE, got, NULL));
        for (uint64_t k = 1; k < 100; k++)
            g_assert_true(mt_file_bytes_ahead(s.file, k * 30 * PIECE, PIECE));
        close_scene(&s);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/file_reads/many_readers", GINT_TO_POINTER(0), test_many_readers);
    g_test_add_data_func("/file_reads/many_readers_with_faults", GINT_TO_POINTER(1), test_many_readers);
    g_test_add_func("/file_reads/close_early", test_close_early);
    return g_test_run();
}
