#include "tools/network_stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#define GRACE_S 4

volatile int mt_network_stopped = 0;

static volatile sig_atomic_t seconds = 0;

/* Once more each second: a signal that comes just before a wait would not end it. */
static void on_signal(int number)
{
    static const char words[] = "stopped while the network did not answer; run again\n";

    mt_network_stopped = 1;
    seconds += number == SIGALRM;
    if (seconds >= GRACE_S) {
        if (write(STDERR_FILENO, words, sizeof words - 1) < 0)
            _exit(75);
        _exit(75);
    }
    alarm(1);
}

void mt_network_stop_catch(void)
{
    const struct sigaction action = {.sa_handler = on_signal}, ignored = {.sa_handler = SIG_IGN}; /* no SA_RESTART: a wait ends */

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGPIPE, &ignored, NULL);
}
