/* Who may use the desk: a file of names, roles and Argon2id hashes (RFC 9106, libsodium's), one line a user, kept for its owner alone. */
#ifndef MT_USERS_H
#define MT_USERS_H

#include <microtome/error.h>

typedef enum mt_role { MT_ROLE_NONE, MT_ROLE_VIEWER, MT_ROLE_REVIEWER, MT_ROLE_ADMIN, MT_ROLES } mt_role;

typedef struct mt_users mt_users;

/* A file that is not there: no users.  MT_ERROR_INPUT names a line that is none, or a file that others may read. */
mt_users   *mt_users_read(const char *path, GError **error);
void        mt_users_free(mt_users *users);
int         mt_users_count(const mt_users *users);
const char *mt_users_name(const mt_users *users, int i);            /* in the order of the file */
mt_role     mt_users_role(const mt_users *users, const char *name); /* NONE: no such user */

/* The role where the password is the user's, else NONE; takes the same time for a name that nobody has.  Half a second and 64 MiB, by design. */
mt_role mt_users_check(const mt_users *users, const char *name, const char *password);

/* Add a user, or replace one of that name; the file is written whole.  MT_ERROR_USAGE for a name of other than 1 to 64 of [A-Za-z0-9._@-], a
 * password below 12 characters. */
bool mt_users_add(const char *path, const char *name, mt_role role, const char *password, GError **error);
bool mt_users_remove(const char *path, const char *name, GError **error);

const char *mt_role_name(mt_role role);
mt_role     mt_role_parse(const char *name); /* NONE: unknown */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_users, mt_users_free)

#endif
