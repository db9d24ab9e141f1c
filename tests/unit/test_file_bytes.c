/* Reads over a medium that fails and is slow as the test wants: what is tried again, what is given up, what is read ahead. */
#include "src/base/alloc.h"
#include "src/case/file_bytes_private.h"
#include "src/case/read_ahead.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define FOREVER 1000000

/* The system's calls with faults before them; `lock` guards it all, as readers ahead call too. */
typedef struct shaky {
    pthread_mutex_t lock;
    pthread_cond_t  called;
    int             open_code, open_failures, read_code, read_failures, interrupts;
    uint64_t        bad_from, bad_to; /* read failures only there */
    size_t          most_at_once;
    int64_t         clock_us, delay_us;
    bool            never_waits; /* the time passes, but the thread only lost its CPU */
    int             opens, preads, pauses, pause_ms;
} shaky;

typedef struct fixture {
    char           *path;
    uint8_t        *bytes;
    uint64_t        size;
    shaky           s;
    mt_medium_calls calls;
} fixture;

static int shaky_open(const char *path, void *user)
{
    shaky *s = user;
    bool   fails = s->opens++ >= 0 && s->open_failures > 0;

    if (!fails)
        return open(path, O_RDONLY | O_CLOEXEC);
    s->open_failures--;
    errno = s->open_code;
    return -1;
}

static int shaky_fault(shaky *s, uint64_t offset)
{
    if (s->interrupts > 0) {
        s->interrupts--;
        return EINTR;
    }
    if (s->read_failures > 0 && offset >= s->bad_from && offset < s->bad_to) {
        s->read_failures--;
        return s->read_code;
    }
    return 0;
}

static ssize_t shaky_pread(int fd, void *out, size_t size, off_t offset, void *user)
{
    shaky *s = user;

    pthread_mutex_lock(&s->lock);
    s->clock_us += s->delay_us;
    int    code = shaky_fault(s, (uint64_t)offset);
    size_t most = s->most_at_once > 0 ? MIN(size, s->most_at_once) : size;
    s->preads++;
    pthread_cond_broadcast(&s->called);
    pthread_mutex_unlock(&s->lock);
    ssize_t n = code == 0 ? pread(fd, out, most, offset) : -1;
    if (code != 0)
        errno = code;
    return n;
}

static void shaky_pause(int ms, void *user)
{
    shaky *s = user;

    s->pauses++;
    s->pause_ms += ms;
}

static int64_t shaky_now_us(void *user)
{
    shaky *s = user;

    pthread_mutex_lock(&s->lock);
    int64_t now = s->clock_us;
    pthread_mutex_unlock(&s->lock);
    return now;
}

static int64_t shaky_waits(void *user)
{
    shaky *s = user;

    return s->never_waits ? 1 : shaky_now_us(user) + 1;
}

static int preads_of(fixture *f)
{
    pthread_mutex_lock(&f->s.lock);
    int n = f->s.preads;
    pthread_mutex_unlock(&f->s.lock);
    return n;
}

static void await_preads(fixture *f, int n)
{
    pthread_mutex_lock(&f->s.lock);
    while (f->s.preads < n)
        pthread_cond_wait(&f->s.called, &f->s.lock);
    pthread_mutex_unlock(&f->s.lock);
}

static void set_delay(fixture *f, int64_t us)
{
    pthread_mutex_lock(&f->s.lock);
    f->s.delay_us = us;
    pthread_mutex_unlock(&f->s.lock);
}

static void set_up(fixture *f, gconstpointer data)
{
    int fd = g_file_open_tmp("file_bytes_XXXXXX", &f->path, NULL);

    (void)data;
    f->size = 2 * MIB;
    f->bytes = g_malloc(f->size);
    for (uint64_t i = 0; i < f->size; i++)
        f->bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    g_assert_cmpint(write(fd, f->bytes, f->size), ==, (gssize)f->size);
    /* behind it a hole, for ranges by the megabyte */
    g_assert_cmpint(ftruncate(fd, (off_t)(80 * MIB)), ==, 0);
    close(fd);
    pthread_mutex_init(&f->s.lock, NULL);
    pthread_cond_init(&f->s.called, NULL);
    f->s.bad_to = UINT64_MAX;
    f->calls = mt_medium_system;
    f->calls.open = shaky_open;
    f->calls.pread = shaky_pread;
    f->calls.pause = shaky_pause;
    f->calls.now_us = shaky_now_us;
    f->calls.waits = shaky_waits;
    f->calls.user = &f->s;
}

static void tear_down(fixture *f, gconstpointer data)
{
    (void)data;
    g_unlink(f->path);
    g_free(f->path);
    g_free(f->bytes);
    pthread_cond_destroy(&f->s.called);
    pthread_mutex_destroy(&f->s.lock);
}

static mt_file_bytes *open_shaky(fixture *f)
{
    g_autoptr(GError) error = NULL;
    mt_file_bytes *file = mt_file_bytes_open_with(f->path, &f->calls, &error);

    g_assert_no_error(error);
    return file;
}

static void assert_reads(fixture *f, mt_file_bytes *file, uint64_t offset, uint64_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *got = g_malloc0(size + 1);
    bool                ok = mt_file_bytes_read(file, offset, size, got, &error);

    g_assert_no_error(error);
    g_assert_true(ok);
    if (offset + size <= f->size)
        g_assert_cmpmem(got, size, f->bytes + offset, size);
}

static void assert_refused(mt_file_bytes *file, uint64_t offset, uint64_t size, mt_error code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *got = g_malloc0(MIN(size, MIB));

    g_assert_false(mt_file_bytes_read(file, offset, size, got, &error));
    g_assert_error(error, MT_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
}

static void fail_reads(fixture *f, int code, int times)
{
    f->s.read_code = code;
    f->s.read_failures = times;
}

static void test_plain(fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_file_bytes) file = mt_file_bytes_open(f->path, &error);

    (void)data;
    g_assert_no_error(error);
    g_assert_cmpuint(mt_file_bytes_size(file), ==, 80 * MIB);
    assert_reads(f, file, 0, 1);
    assert_reads(f, file, 12345, 54321);
    assert_reads(f, file, f->size - 7, 7);
    assert_reads(f, file, 80 * MIB, 0);
    mt_file_counts counts = mt_file_bytes_counts(file);
    g_assert_cmpuint(counts.bytes, ==, 1 + 54321 + 7);
    g_assert_cmpuint(counts.ahead_hits + counts.retries, ==, 0);
}

static void test_cut_short(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    assert_refused(file, 80 * MIB - 1, 2, MT_ERROR_INPUT, "the file is cut short");
    assert_refused(file, UINT64_MAX - 9, 20, MT_ERROR_INPUT, "the file is cut short");
    g_assert_cmpint(truncate(f->path, (off_t)MIB), ==, 0);
    assert_refused(file, MIB - 1, 2, MT_ERROR_INPUT, "the file is cut short");
    assert_reads(f, file, MIB - 1, 1);
}

static void test_open(fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    f->s.open_code = ETIMEDOUT;
    f->s.open_failures = 3;
    mt_file_bytes_free(open_shaky(f));
    g_assert_cmpint(f->s.pause_ms, ==, 20 + 40 + 80);
    f->s.open_failures = FOREVER;
    g_assert_null(mt_file_bytes_open_with(f->path, &f->calls, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_assert_cmpstr(error->message, ==, "open: Connection timed out");
    g_clear_error(&error);
    f->s.opens = 0;
    f->s.open_code = ENOENT;
    g_assert_null(mt_file_bytes_open_with(f->path, &f->calls, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    g_assert_cmpstr(error->message, ==, "open: No such file or directory");
    g_assert_cmpint(f->s.opens, ==, 1);
    g_clear_error(&error);
    g_assert_null(mt_file_bytes_open(g_get_tmp_dir(), &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_assert_cmpstr(error->message, ==, "open: Is a directory");
}

static void test_transient(fixture *f, gconstpointer data)
{
    static const int codes[] = {EIO, EAGAIN, ETIMEDOUT, EHOSTDOWN, ENODATA};
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        fail_reads(f, codes[i], MT_MEDIUM_TRIES - 1);
        assert_reads(f, file, 1000 * i, 100);
    }
    g_assert_cmpint(f->s.opens, ==, 1);
    g_assert_cmpint(f->s.pause_ms, ==, 5 * (20 + 40 + 80));
    g_assert_cmpuint(mt_file_bytes_counts(file).retries, ==, 5 * (MT_MEDIUM_TRIES - 1));
    g_assert_cmpuint(mt_file_bytes_counts(file).reads, ==, 5);
}

/* Neither a failure nor a pause: a signal came, or the system gave a part. */
static void test_interrupted(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    f->s.interrupts = 50;
    f->s.most_at_once = 7;
    assert_reads(f, file, 3, 1000);
    g_assert_cmpint(f->s.pauses, ==, 0);
    g_assert_cmpuint(mt_file_bytes_counts(file).retries, ==, 0);
}

static void test_bad_place(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    f->s.bad_from = 4096;
    f->s.bad_to = 8192;
    fail_reads(f, EIO, FOREVER);
    for (int i = 0; i < 3 * MT_MEDIUM_LOST_RANGES; i++) {
        assert_refused(file, 5000, 10, MT_ERROR_INPUT, "the storage does not give it: Input/output error, 4 times");
        assert_reads(f, file, 0, 4096);
    }
}

static void test_bad_places_in_a_row(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    fail_reads(f, EIO, FOREVER);
    for (int i = 1; i < MT_MEDIUM_LOST_RANGES; i++)
        assert_refused(file, 100, 10, MT_ERROR_INPUT, "the storage does not give it: Input/output error, 4 times");
    assert_refused(file, 100, 10, MT_ERROR_IO, "the storage is gone: Input/output error at 16 places in a row");
    int before = f->s.preads;
    fail_reads(f, EIO, 0);
    assert_refused(file, 100, 10, MT_ERROR_IO, "the storage is gone: Input/output error");
    g_assert_cmpint(f->s.preads, ==, before);
}

static void test_gone(fixture *f, gconstpointer data)
{
    static const struct {
        int         code;
        const char *message, *later;
    } kinds[] = {
        {ETIMEDOUT, "the storage is gone: Connection timed out, 4 times", "the storage is gone: Connection timed out"},
        {ENOTCONN, "the storage is gone: Transport endpoint is not connected, 4 times",
         "the storage is gone: Transport endpoint is not connected"},
        {ESTALE, "the storage is gone: Stale file handle, 4 times", "the storage is gone: Stale file handle"},
        {EHOSTDOWN, "the storage is gone: Host is down, 4 times", "the storage is gone: Host is down"},
        {EINVAL, "the storage is gone: Invalid argument, 4 times", "the storage is gone: Invalid argument"},
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(mt_file_bytes) file = open_shaky(f);
        fail_reads(f, kinds[i].code, FOREVER);
        assert_refused(file, 100, 10, MT_ERROR_IO, kinds[i].message);
        fail_reads(f, 0, 0);
        assert_refused(file, 100, 10, MT_ERROR_IO, kinds[i].later);
    }
}

static void test_stale_is_reopened(fixture *f, gconstpointer data)
{
    static const int codes[] = {ESTALE, ENODEV, ENOTCONN, ENXIO, ECONNABORTED};
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        fail_reads(f, codes[i], 1);
        assert_reads(f, file, 77, 1000);
        g_assert_cmpint(f->s.opens, ==, (int)i + 2);
    }
    /* the name is away for a moment */
    fail_reads(f, ESTALE, 1);
    f->s.open_code = ENOENT;
    f->s.open_failures = 2;
    assert_reads(f, file, 77, 1000);
    /* and for good */
    fail_reads(f, ESTALE, 1);
    f->s.open_failures = FOREVER;
    assert_refused(file, 100, 10, MT_ERROR_IO, "the storage is gone: Stale file handle, 4 times");
}

static void test_changed(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_cmpint(truncate(f->path, (off_t)(79 * MIB)), ==, 0);
    fail_reads(f, ESTALE, 1);
    assert_refused(file, 100, 10, MT_ERROR_IO, "the file has changed since it was opened");
    assert_refused(file, 100, 10, MT_ERROR_IO, "the file has changed since it was opened");
    g_autoptr(mt_file_bytes) again = open_shaky(f);
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    g_assert_cmpint(utimensat(AT_FDCWD, f->path, times, 0), ==, 0);
    fail_reads(f, ESTALE, 1);
    assert_refused(again, 100, 10, MT_ERROR_IO, "the file has changed since it was opened");
}

/* Fast storage: what is told costs no read and no copy. */
static void test_fast_reads_nothing_ahead(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    for (uint64_t i = 0; i < 32; i++)
        g_assert_true(mt_file_bytes_ahead(file, i * MIB, MIB));
    g_assert_false(mt_file_bytes_ahead(file, 32 * MIB, MIB));
    assert_reads(f, file, 0, MIB);
    g_assert_true(mt_file_bytes_ahead(file, 32 * MIB, MIB));
    g_assert_cmpint(f->s.preads, ==, 1);
    g_assert_cmpuint(mt_file_bytes_counts(file).ahead_hits, ==, 0);
    /* what does not exist or never fits is not kept */
    g_assert_true(mt_file_bytes_ahead(file, 80 * MIB, 1));
    g_assert_true(mt_file_bytes_ahead(file, UINT64_MAX, UINT64_MAX));
    g_assert_true(mt_file_bytes_ahead(file, 0, 33 * MIB));
    g_assert_true(mt_file_bytes_ahead(file, 0, 0));
}

/* 32 neighbours of 16 KiB with gaps of 16 KiB, told before a read is seen to be slow, come in one read, and all are served from it. */
static void test_slow_reads_ahead(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    for (uint64_t i = 32; i-- > 0;)
        g_assert_true(mt_file_bytes_ahead(file, i * 32 * KIB, 16 * KIB));
    set_delay(f, 50000);
    assert_reads(f, file, 2 * MIB - 100, 100);
    await_preads(f, 2);
    for (uint64_t i = 0; i < 32; i++)
        assert_reads(f, file, i * 32 * KIB, 16 * KIB);
    mt_file_counts counts = mt_file_bytes_counts(file);
    g_assert_cmpuint(counts.ahead_hits, ==, 32);
    g_assert_cmpuint(counts.reads, ==, 2);
    g_assert_cmpuint(counts.bytes, ==, 100 + MIB - 16 * KIB);
    /* what is far away is another read; what was read is told no longer */
    g_assert_true(mt_file_bytes_ahead(file, 4 * MIB, MIB));
    await_preads(f, 3);
    assert_reads(f, file, 4 * MIB, MIB);
    assert_reads(f, file, 0, 16 * KIB);
    g_assert_cmpuint(mt_file_bytes_counts(file).ahead_hits, ==, 33);
    g_assert_cmpint(preads_of(f), ==, 4);
}

static void test_fast_again(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    set_delay(f, 100000);
    assert_reads(f, file, 0, 100);
    set_delay(f, 0);
    for (int i = 0; i < 20; i++)
        assert_reads(f, file, 0, 100);
    g_assert_true(mt_file_bytes_ahead(file, 0, 100));
    assert_reads(f, file, 0, 100);
    g_assert_cmpuint(mt_file_bytes_counts(file).ahead_hits, ==, 0);
    g_assert_cmpint(preads_of(f), ==, 22);
}

/* A busy machine is no slow storage. */
static void test_busy_machine(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    f->s.never_waits = true;
    set_delay(f, 100000);
    for (int i = 0; i < 20; i++) {
        g_assert_true(mt_file_bytes_ahead(file, (uint64_t)i * 100, 100));
        assert_reads(f, file, (uint64_t)i * 100, 100);
    }
    g_assert_cmpuint(mt_file_bytes_counts(file).ahead_hits, ==, 0);
    g_assert_cmpint(preads_of(f), ==, 20);
}

/* A failure ahead is nobody's: the bytes are asked for again when they are wanted. */
static void test_failed_ahead(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    set_delay(f, 50000);
    assert_reads(f, file, 0, 100);
    fail_reads(f, EIO, 1);
    g_assert_true(mt_file_bytes_ahead(file, 5000, 100));
    await_preads(f, 2);
    assert_reads(f, file, 5000, 100);
    mt_file_counts counts = mt_file_bytes_counts(file);
    g_assert_cmpuint(counts.ahead_hits, ==, 0);
    g_assert_cmpuint(counts.retries, ==, 1);
    g_assert_cmpint(f->s.pauses, ==, 0);
    f->s.bad_from = 4096;
    f->s.bad_to = 8192;
    fail_reads(f, EIO, FOREVER);
    g_assert_true(mt_file_bytes_ahead(file, 5000, 100));
    assert_refused(file, 5000, 100, MT_ERROR_INPUT, "the storage does not give it: Input/output error, 4 times");
}

/* What was told and is never read makes room in time. */
static void test_forgotten(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);
    int slow = GPOINTER_TO_INT(data);

    set_delay(f, slow ? 50000 : 0);
    assert_reads(f, file, 0, 100);
    for (uint64_t i = 0; i < 32; i++)
        g_assert_true(mt_file_bytes_ahead(file, (2 + 2 * i) * MIB, MIB));
    for (int i = 0; i < 64; i++) {
        assert_reads(f, file, 3 * MIB + MIB / 2, MIB);
        g_assert_false(mt_file_bytes_ahead(file, 0, MIB));
    }
    assert_reads(f, file, 0, 1);
    g_assert_true(mt_file_bytes_ahead(file, 0, MIB));
}

static void test_no_memory_ahead(fixture *f, gconstpointer data)
{
    g_autoptr(mt_file_bytes) file = open_shaky(f);

    (void)data;
    set_delay(f, 50000);
    assert_reads(f, file, 0, 100);
    mt_alloc_fail_at(1);
    g_assert_true(mt_file_bytes_ahead(file, 5000, 100));
    assert_reads(f, file, 5000, 100);
    mt_alloc_fail_at(0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(fixture *f, gconstpointer data);
        int data;
    } tests[] = {
        {"/file_bytes/plain", test_plain, 0},
        {"/file_bytes/cut_short", test_cut_short, 0},
        {"/file_bytes/open", test_open, 0},
        {"/file_bytes/transient", test_transient, 0},
        {"/file_bytes/interrupted", test_interrupted, 0},
        {"/file_bytes/bad_place", test_bad_place, 0},
        {"/file_bytes/bad_places_in_a_row", test_bad_places_in_a_row, 0},
        {"/file_bytes/gone", test_gone, 0},
        {"/file_bytes/stale_is_reopened", test_stale_is_reopened, 0},
        {"/file_bytes/changed", test_changed, 0},
        {"/file_bytes/ahead/fast", test_fast_reads_nothing_ahead, 0},
        {"/file_bytes/ahead/slow", test_slow_reads_ahead, 0},
        {"/file_bytes/ahead/fast_again", test_fast_again, 0},
        {"/file_bytes/ahead/busy_machine", test_busy_machine, 0},
        {"/file_bytes/ahead/failed", test_failed_ahead, 0},
        {"/file_bytes/ahead/forgotten", test_forgotten, 0},
        {"/file_bytes/ahead/forgotten_when_slow", test_forgotten, 1},
        {"/file_bytes/ahead/no_memory", test_no_memory_ahead, 0},
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, fixture, GINT_TO_POINTER(tests[i].data), set_up, tests[i].run, tear_down);
    return g_test_run();
}
