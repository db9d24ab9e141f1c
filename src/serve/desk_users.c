/* Users of a desk, for the command line. */
#include <microtome/desk.h>

#include "src/base/refuse.h"
#include "src/serve/users.h"

#include <errno.h>
#include <glib/gstdio.h>

bool mt_desk_user_add(const char *path, const char *name, const char *role, const char *password, GError **error)
{
    mt_role          as = mt_role_parse(role);
    g_autofree char *folder = g_path_get_dirname(path);

    if (as == MT_ROLE_NONE)
        return mt_refuse(error, MT_ERROR_USAGE, "add user %s: there is no role %s: viewer, reviewer, admin are", name, role);
    if (g_mkdir_with_parents(folder, 0700) != 0)
        return mt_refuse(error, MT_ERROR_IO, "make %s: %s", folder, g_strerror(errno));
    return mt_users_add(path, name, as, password, error);
}

bool mt_desk_user_remove(const char *path, const char *name, GError **error)
{
    return mt_users_remove(path, name, error);
}

char *mt_desk_user_list(const char *path, GError **error)
{
    g_autoptr(mt_users) users = mt_users_read(path, error);
    g_autoptr(GString) text = g_string_new(NULL);

    if (users == NULL)
        return NULL;
    for (int i = 0; i < mt_users_count(users); i++) {
        const char *name = mt_users_name(users, i);
        g_string_append_printf(text, "%s %s\n", name, mt_role_name(mt_users_role(users, name)));
    }
    return g_strdup(text->str);
}
