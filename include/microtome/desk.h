/* <microtome/desk.h>  What belongs to a review desk beside the server: its users, and what was said on it as files. */
#ifndef MICROTOME_DESK_H
#define MICROTOME_DESK_H

#include <microtome/error.h>

G_BEGIN_DECLS

/* Add a user or replace one of that name: role "viewer", "reviewer" or "admin"; the password is kept as an Argon2id hash.  MT_ERROR_USAGE for a
 * name of other than 1 to 64 of [A-Za-z0-9._@-], another role, a password of less than 12 characters; MT_ERROR_INPUT, MT_ERROR_IO. */
MT_PUBLIC bool mt_desk_user_add(const char *users, const char *name, const char *role, const char *password, GError **error);
/* MT_ERROR_MISSING: there is no such user. */
MT_PUBLIC bool mt_desk_user_remove(const char *users, const char *name, GError **error);
/* "name role" a line; free with g_free. */
MT_PUBLIC char *mt_desk_user_list(const char *users, GError **error);

/* The reviews of a folder as a file: by its ending and name "decisions.csv", "decisions.json" or "labels.csv" (id, label, patient, reader: what
 * `train` and `evaluate` take).  Free with g_free.  MT_ERROR_MISSING for a folder without reviews, MT_ERROR_INPUT for a damaged store. */
MT_PUBLIC char *mt_desk_export(const char *out, const char *name, GError **error);
/* Whether every event of the folder's review is as it was written; *events: how many.  MT_ERROR_INPUT names the first that is not. */
MT_PUBLIC bool mt_desk_check(const char *out, int64_t *events, GError **error);

G_END_DECLS

#endif
