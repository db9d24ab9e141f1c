/* Names of the states of sending. */
#include <microtome/send.h>

const char *mt_send_state_name(mt_send_state state)
{
    static const char *const names[] = {"sent", "refused", "waiting"};

    return names[state];
}
