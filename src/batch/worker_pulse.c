#include "src/batch/worker_pulse.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

/* Less than what looking costs itself. */
#define LEAST_CPU_SHARE 0.02
#define LEAST_BYTES 16384
#define LEAST_FAULTS 16

struct mt_worker_pulse {
    pthread_t       thread;
    pthread_mutex_t lock;
    pthread_cond_t  moved;
    bool            stop;
    gint64          every_us;
    void (*beat)(void *user);
    void *user;
};

typedef struct effort {
    double    cpu_s;
    long long bytes;
    long      faults; /* of pages that had to be read: mapped files */
} effort;

static effort measure(void)
{
    struct timespec cpu = {0};
    effort          now = {0};
    FILE           *file = fopen("/proc/self/io", "re");
    struct rusage   usage = {0};

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    getrusage(RUSAGE_SELF, &usage);
    now.faults = usage.ru_majflt;
    now.cpu_s = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
    if (file != NULL && fscanf(file, "rchar: %lld", &now.bytes) != 1)
        now.bytes = 0;
    if (file != NULL)
        fclose(file);
    return now;
}

/* False: stop. */
static bool wait_a_while(mt_worker_pulse *pulse)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    gint64 at = (gint64)until.tv_sec * G_USEC_PER_SEC + until.tv_nsec / 1000 + pulse->every_us;
    until = (struct timespec){.tv_sec = at / G_USEC_PER_SEC, .tv_nsec = at % G_USEC_PER_SEC * 1000};
    pthread_mutex_lock(&pulse->lock);
    while (!pulse->stop && pthread_cond_timedwait(&pulse->moved, &pulse->lock, &until) == 0)
        ;
    bool stop = pulse->stop;
    pthread_mutex_unlock(&pulse->lock);
    return !stop;
}

static bool is_at_work(const effort *before, const effort *now, gint64 every_us)
{
    return now->cpu_s - before->cpu_s > LEAST_CPU_SHARE * (double)every_us / 1e6 || now->bytes - before->bytes > LEAST_BYTES ||
           now->faults - before->faults > LEAST_FAULTS;
}

static void *beat_until_stopped(void *user)
{
    mt_worker_pulse *pulse = user;
    effort           before = measure();

    while (wait_a_while(pulse)) {
        effort now = measure();
        if (is_at_work(&before, &now, pulse->every_us))
            pulse->beat(pulse->user);
        before = now;
    }
    return NULL;
}

static void init_clock(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

mt_worker_pulse *mt_worker_pulse_new(gint64 every_us, void (*beat)(void *user), void *user)
{
    mt_worker_pulse *pulse = g_new0(mt_worker_pulse, 1);
    sigset_t         all, before;

    *pulse = (mt_worker_pulse){.every_us = every_us, .beat = beat, .user = user};
    pthread_mutex_init(&pulse->lock, NULL);
    init_clock(&pulse->moved);
    sigfillset(&all); /* signals are the main thread's: they end its reading */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&pulse->thread, NULL, beat_until_stopped, pulse) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        return pulse;
    pthread_cond_destroy(&pulse->moved);
    pthread_mutex_destroy(&pulse->lock);
    g_free(pulse);
    return NULL;
}

void mt_worker_pulse_free(mt_worker_pulse *pulse)
{
    if (pulse == NULL)
        return;
    pthread_mutex_lock(&pulse->lock);
    pulse->stop = true;
    pthread_cond_broadcast(&pulse->moved);
    pthread_mutex_unlock(&pulse->lock);
    pthread_join(pulse->thread, NULL);
    pthread_cond_destroy(&pulse->moved);
    pthread_mutex_destroy(&pulse->lock);
    g_free(pulse);
}
