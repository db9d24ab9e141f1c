/* SIGTERM and SIGINT in verbs that wait for a network. */
#ifndef MT_NETWORK_STOP_H
#define MT_NETWORK_STOP_H

/* Set by the first of them. */
extern volatile int mt_network_stopped;

/* From now on; SIGPIPE is ignored.  Whatever a library waits for: some seconds after the signal the process is gone, with 75, so nothing may be in memory
 * that has to be on the disk. */
void mt_network_stop_catch(void);

#endif
