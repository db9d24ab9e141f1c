#include "src/case/read_ahead.h"

#include "src/base/alloc.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#define BLOCK_BYTES (UINT64_C(1) << 20)
#define GAP_BYTES (UINT64_C(64) << 10)
/* A range is forgotten when so much was read since it was told: as it was told in the order of need, nobody wants it. */
#define STALE_BYTES (2 * MT_AHEAD_HELD_BYTES)
/* Mean wait of a read, from which on reading ahead pays, and below which it does not; a byte may take 1 ns besides. */
#define SLOW_US 1000
#define FAST_US 500
#define LONGEST_US 64000
#define STACK_BYTES ((size_t)256 << 10)

typedef enum block_state { IN_FLIGHT, READY, FAILED } block_state;

/* Neighbouring ranges read at once.  Held by each of its ranges, by the thread that reads it and by those that wait for it. */
typedef struct block {
    uint64_t    offset, size;
    uint8_t    *data;
    block_state state;
    int         holders;
} block;

typedef struct range {
    uint64_t offset, size;
    uint64_t order, told_at; /* of all that were told; bytes that had been read by then */
    block   *block;          /* NULL: nobody has begun to read it */
} range;

struct mt_read_ahead {
    mt_file_medium *medium;
    pthread_mutex_t lock; /* of all below; pthread's: ThreadSanitizer knows it */
    pthread_cond_t  work, arrived;
    GArray         *ranges;  /* by offset */
    guint           waiting; /* ranges without a block */
    uint64_t        held, bytes_read, next_order, hits;
    double          wait_us; /* of recent reads */
    bool            slow, stop;
    guint           n_threads, idle;
    pthread_t       threads[MT_AHEAD_THREADS];
};

mt_read_ahead *mt_read_ahead_new(mt_file_medium *medium)
{
    mt_read_ahead *self = g_new0(mt_read_ahead, 1);

    self->medium = medium;
    self->ranges = g_array_new(FALSE, FALSE, sizeof(range));
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->work, NULL);
    pthread_cond_init(&self->arrived, NULL);
    return self;
}

/* All static functions below are called with the lock held. */

static range *range_at(const mt_read_ahead *self, guint i)
{
    return &g_array_index(self->ranges, range, i);
}

/* How many ranges begin at `offset` or before. */
static guint count_up_to(const mt_read_ahead *self, uint64_t offset)
{
    guint low = 0, high = self->ranges->len;

    while (low < high) {
        guint middle = (low + high) / 2;
        if (range_at(self, middle)->offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void let_go(mt_read_ahead *self, block *b)
{
    if (--b->holders > 0)
        return;
    self->held -= b->size;
    mt_free(b->data);
    g_free(b);
}

static void forget_range(mt_read_ahead *self, guint i)
{
    range *r = range_at(self, i);

    if (r->block != NULL)
        let_go(self, r->block);
    else {
        self->held -= r->size;
        self->waiting--;
    }
    g_array_remove_index(self->ranges, i);
}

static void forget_stale(mt_read_ahead *self)
{
    for (guint i = self->ranges->len; i-- > 0;)
        if (range_at(self, i)->told_at + STALE_BYTES < self->bytes_read)
            forget_range(self, i);
}

/* Of those that nobody reads yet, the one that is needed first; -1: none. */
static int first_needed(const mt_read_ahead *self)
{
    int best = -1;

    for (guint i = 0; self->waiting > 0 && i < self->ranges->len; i++)
        if (range_at(self, i)->block == NULL && (best < 0 || range_at(self, i)->order < range_at(self, (guint)best)->order))
            best = (int)i;
    return best;
}

/* Let the block reach over the range as well when it is near and the block stays small. */
static bool reach(const mt_read_ahead *self, block *b, const range *r, uint64_t told_bytes)
{
    uint64_t start = MIN(b->offset, r->offset), end = MAX(b->offset + b->size, r->offset + r->size);
    uint64_t gap = r->offset > b->offset + b->size ? r->offset - b->offset - b->size : 0;

    if (b->offset > r->offset + r->size)
        gap = b->offset - r->offset - r->size;
    if (r->block != NULL || gap > GAP_BYTES || end - start > BLOCK_BYTES || self->held - told_bytes + end - start > MT_AHEAD_HELD_BYTES)
        return false;
    b->offset = start;
    b->size = end - start;
    return true;
}

/* A block of range i and its neighbours, for the caller to read. */
static block *gather(mt_read_ahead *self, guint i)
{
    block   *b = g_new0(block, 1);
    guint    first = i, last = i;
    uint64_t told_bytes = range_at(self, i)->size;

    b->offset = range_at(self, i)->offset;
    b->size = range_at(self, i)->size;
    while (last + 1 < self->ranges->len && reach(self, b, range_at(self, last + 1), told_bytes + range_at(self, last + 1)->size))
        told_bytes += range_at(self, ++last)->size;
    while (first > 0 && reach(self, b, range_at(self, first - 1), told_bytes + range_at(self, first - 1)->size))
        told_bytes += range_at(self, --first)->size;
    for (guint k = first; k <= last; k++)
        range_at(self, k)->block = b;
    b->holders = (int)(last - first) + 2;
    self->waiting -= last - first + 1;
    self->held += b->size - told_bytes;
    return b;
}

static void note_wait(mt_read_ahead *self, int64_t us, uint64_t size);

/* Without the lock while it reads. */
static void read_block(mt_read_ahead *self, block *b)
{
    pthread_mutex_unlock(&self->lock);
    b->data = mt_alloc((int64_t)b->size, 1, NULL);
    mt_medium_watch watch = mt_file_medium_watch(self->medium);
    bool            ok = b->data != NULL && mt_file_medium_try(self->medium, b->offset, b->size, b->data);
    int64_t         us = mt_file_medium_waited_us(self->medium, watch);
    pthread_mutex_lock(&self->lock);
    if (ok)
        note_wait(self, us, b->size);
    b->state = ok ? READY : FAILED;
    pthread_cond_broadcast(&self->arrived);
    let_go(self, b);
}

static void *read_until_stopped(void *user)
{
    mt_read_ahead *self = user;

    pthread_mutex_lock(&self->lock);
    self->idle--;
    while (!self->stop) {
        int i = self->slow ? first_needed(self) : -1;

        if (i >= 0)
            read_block(self, gather(self, (guint)i));
        else {
            self->idle++;
            pthread_cond_wait(&self->work, &self->lock);
            self->idle--;
        }
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* The process's signals are for its other threads. */
static bool start_thread(mt_read_ahead *self)
{
    pthread_attr_t attributes;
    sigset_t       all, before;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&self->threads[self->n_threads], &attributes, read_until_stopped, self) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    self->n_threads += ok;
    self->idle += ok;
    return ok;
}

/* A thread for each range that waits, as far as they go. */
static void call_readers(mt_read_ahead *self)
{
    while (self->slow && !self->stop && self->waiting > self->idle && self->n_threads < MT_AHEAD_THREADS && start_thread(self))
        ;
}

static void note_wait(mt_read_ahead *self, int64_t us, uint64_t size)
{
    double wait = CLAMP((double)us - (double)size / 1000, 0, LONGEST_US);
    bool   was_slow = self->slow;

    self->wait_us += (wait - self->wait_us) / 4;
    self->slow = self->wait_us > (was_slow ? FAST_US : SLOW_US);
    if (self->slow && !was_slow) {
        call_readers(self);
        pthread_cond_broadcast(&self->work);
    }
}

void mt_read_ahead_free(mt_read_ahead *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    self->stop = true;
    pthread_cond_broadcast(&self->work);
    pthread_mutex_unlock(&self->lock);
    for (guint i = 0; i < self->n_threads; i++)
        pthread_join(self->threads[i], NULL);
    while (self->ranges->len > 0)
        forget_range(self, self->ranges->len - 1);
    g_array_unref(self->ranges);
    pthread_cond_destroy(&self->arrived);
    pthread_cond_destroy(&self->work);
    pthread_mutex_destroy(&self->lock);
    g_free(self);
}

static bool is_full(const mt_read_ahead *self, uint64_t size)
{
    return self->held + size > MT_AHEAD_HELD_BYTES || self->ranges->len >= MT_AHEAD_RANGES;
}

static void add_range(mt_read_ahead *self, uint64_t offset, uint64_t size)
{
    range r = {.offset = offset, .size = size, .order = self->next_order++, .told_at = self->bytes_read};

    g_array_insert_val(self->ranges, count_up_to(self, offset), r);
    self->held += size;
    self->waiting++;
    call_readers(self);
    if (self->slow)
        pthread_cond_signal(&self->work);
}

bool mt_read_ahead_tell(mt_read_ahead *self, uint64_t offset, uint64_t size)
{
    uint64_t end = mt_file_medium_size(self->medium);
    bool     room = true;

    /* What the file does not have, or what would never fit: the read itself will see. */
    if (size == 0 || size > MT_AHEAD_HELD_BYTES || size > end || offset > end - size)
        return true;
    pthread_mutex_lock(&self->lock);
    if (is_full(self, size))
        forget_stale(self);
    room = !is_full(self, size);
    if (room)
        add_range(self, offset, size);
    pthread_mutex_unlock(&self->lock);
    return room;
}

/* The block that has or will have these bytes, now held by the caller; their range is told no longer.  NULL: none. */
static block *claim(mt_read_ahead *self, uint64_t offset, uint64_t size)
{
    guint n = count_up_to(self, offset);

    if (n == 0 || offset - range_at(self, n - 1)->offset + size > range_at(self, n - 1)->size)
        return NULL;
    block *b = range_at(self, n - 1)->block;
    if (b != NULL)
        b->holders++;
    forget_range(self, n - 1);
    return b;
}

bool mt_read_ahead_take(mt_read_ahead *self, uint64_t offset, uint64_t size, void *out)
{
    bool taken = false;

    pthread_mutex_lock(&self->lock);
    self->bytes_read += size;
    block *b = claim(self, offset, size);
    while (b != NULL && b->state == IN_FLIGHT)
        pthread_cond_wait(&self->arrived, &self->lock);
    if (b != NULL && b->state == READY) {
        pthread_mutex_unlock(&self->lock);
        memcpy(out, b->data + (offset - b->offset), size);
        taken = true;
        pthread_mutex_lock(&self->lock);
    }
    self->hits += taken;
    if (b != NULL)
        let_go(self, b);
    pthread_mutex_unlock(&self->lock);
    return taken;
}

void mt_read_ahead_note(mt_read_ahead *self, int64_t us, uint64_t size)
{
    pthread_mutex_lock(&self->lock);
    note_wait(self, us, size);
    pthread_mutex_unlock(&self->lock);
}

uint64_t mt_read_ahead_hits(mt_read_ahead *self)
{
    pthread_mutex_lock(&self->lock);
    uint64_t hits = self->hits;
    pthread_mutex_unlock(&self->lock);
    return hits;
}
