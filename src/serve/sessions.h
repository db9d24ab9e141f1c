/* Who is logged in: tokens of 256 random bits, known to us by their hash alone; they end after half a day, or an hour without use, by a clock
 * that nobody sets.  Any thread. */
#ifndef MT_SESSIONS_H
#define MT_SESSIONS_H

#include "src/serve/users.h"

typedef struct mt_sessions mt_sessions;

typedef enum mt_login { MT_LOGIN_WRONG, MT_LOGIN_DONE, MT_LOGIN_LATER } mt_login;

/* The users file is read anew when it changes: who was taken out is out at once. */
mt_sessions *mt_sessions_new(const char *users_path);
void         mt_sessions_free(mt_sessions *sessions);

/* DONE: *token is the new session's (g_free).  LATER: this name failed five times from this address within a quarter of an hour, or many try at
 * once. */
mt_login mt_sessions_login(mt_sessions *sessions, const char *address, const char *name, const char *password, char **token);
/* NONE: no such session any more; else *user is its name (g_free). */
mt_role mt_sessions_find(mt_sessions *sessions, const char *token, char **user);
void    mt_sessions_logout(mt_sessions *sessions, const char *token);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_sessions, mt_sessions_free)

#endif
