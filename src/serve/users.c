#include "src/serve/users.h"

#include "src/base/publish.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#define MIN_PASSWORD 12
#define MAX_PASSWORD 1024
#define MAX_NAME 64
#define HEADER "# microtome users: name, role, Argon2id hash\n"

typedef struct user {
    char   *name, *hash;
    mt_role role;
} user;

struct mt_users {
    GPtrArray *list;   /* user *, in the order of the file */
    char      *nobody; /* a hash that no password has */
};

static const char *const roles[MT_ROLES] = {"none", "viewer", "reviewer", "admin"};

const char *mt_role_name(mt_role role)
{
    return roles[role];
}

mt_role mt_role_parse(const char *name)
{
    for (int r = MT_ROLE_VIEWER; r < MT_ROLES; r++)
        if (g_strcmp0(name, roles[r]) == 0)
            return (mt_role)r;
    return MT_ROLE_NONE;
}

static void user_free(gpointer data)
{
    user *u = data;

    g_free(u->name);
    g_free(u->hash);
    g_free(u);
}

void mt_users_free(mt_users *users)
{
    if (users == NULL)
        return;
    g_ptr_array_unref(users->list);
    g_free(users->nobody);
    g_free(users);
}

static bool is_name(const char *name)
{
    size_t n = strlen(name);

    return n >= 1 && n <= MAX_NAME && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-") == n;
}

static bool start_sodium(GError **error)
{
    if (sodium_init() >= 0)
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INTERNAL, "users: libsodium has no source of random numbers");
    return false;
}

static char *hash_of(const char *password, GError **error)
{
    char *hash = g_malloc0(crypto_pwhash_STRBYTES);

    if (crypto_pwhash_str_alg(hash, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE,
                              crypto_pwhash_ALG_ARGON2ID13) == 0)
        return hash;
    g_free(hash);
    g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "users: Argon2id wants %d MiB of memory, and did not get them",
                (int)(crypto_pwhash_MEMLIMIT_INTERACTIVE >> 20));
    return NULL;
}

static bool read_line(mt_users *users, const char *line)
{
    g_auto(GStrv) parts = g_strsplit(line, " ", 3);
    mt_role role = parts[0] != NULL && parts[1] != NULL ? mt_role_parse(parts[1]) : MT_ROLE_NONE;

    if (role == MT_ROLE_NONE || parts[2] == NULL || !is_name(parts[0]) || !g_str_has_prefix(parts[2], "$argon2id$") ||
        strlen(parts[2]) >= crypto_pwhash_STRBYTES || mt_users_role(users, parts[0]) != MT_ROLE_NONE)
        return false;
    user *u = g_new0(user, 1);
    *u = (user){g_strdup(parts[0]), g_strdup(parts[2]), role};
    g_ptr_array_add(users->list, u);
    return true;
}

static bool read_text(mt_users *users, const char *path, const char *text, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (int i = 0; lines[i] != NULL; i++)
        if (*lines[i] != '\0' && *lines[i] != '#' && !read_line(users, lines[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read users of %s: line %d is no NAME ROLE HASH of a user not named before", path,
                        i + 1);
            return false;
        }
    return true;
}

mt_users *mt_users_read(const char *path, GError **error)
{
    g_autoptr(mt_users) users = g_new0(mt_users, 1);
    g_autoptr(GError) reason = NULL;
    g_autofree char *text = NULL;
    struct stat      status;

    users->list = g_ptr_array_new_with_free_func(user_free);
    if (!start_sodium(error) || (users->nobody = hash_of("nobody has this", error)) == NULL)
        return NULL;
    if (stat(path, &status) != 0 && errno == ENOENT)
        return g_steal_pointer(&users);
    if (stat(path, &status) == 0 && (status.st_mode & 077) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read users of %s: others may read it; make it yours alone: chmod 600 %s", path, path);
        return NULL;
    }
    if (!g_file_get_contents(path, &text, NULL, &reason)) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "read users of %s: %s", path, reason->message);
        return NULL;
    }
    return read_text(users, path, text, error) ? g_steal_pointer(&users) : NULL;
}

int mt_users_count(const mt_users *users)
{
    return (int)users->list->len;
}

static const user *find(const mt_users *users, const char *name)
{
    for (guint i = 0; i < users->list->len; i++)
        if (strcmp(((const user *)users->list->pdata[i])->name, name) == 0)
            return users->list->pdata[i];
    return NULL;
}

const char *mt_users_name(const mt_users *users, int i)
{
    return ((const user *)users->list->pdata[i])->name;
}

mt_role mt_users_role(const mt_users *users, const char *name)
{
    const user *u = find(users, name);

    return u != NULL ? u->role : MT_ROLE_NONE;
}

mt_role mt_users_check(const mt_users *users, const char *name, const char *password)
{
    const user *u = find(users, name);
    bool        right =
        strlen(password) <= MAX_PASSWORD && crypto_pwhash_str_verify(u != NULL ? u->hash : users->nobody, password, strlen(password)) == 0;

    return right && u != NULL ? u->role : MT_ROLE_NONE;
}

static bool write_all(const char *path, const mt_users *users, GError **error)
{
    g_autoptr(GString) text = g_string_new(HEADER);
    g_autoptr(GError) reason = NULL;

    for (guint i = 0; i < users->list->len; i++) {
        const user *u = users->list->pdata[i];
        g_string_append_printf(text, "%s %s %s\n", u->name, roles[u->role], u->hash);
    }
    if (g_file_set_contents_full(path, text->str, (gssize)text->len, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                 &reason))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "write users to %s: %s", path, reason->message);
    return false;
}

bool mt_users_add(const char *path, const char *name, mt_role role, const char *password, GError **error)
{
    if (!is_name(name)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "add user '%s': a name has 1 to %d of A-Z a-z 0-9 . _ @ -", name, MAX_NAME);
        return false;
    }
    if (!g_utf8_validate(password, -1, NULL) || g_utf8_strlen(password, -1) < MIN_PASSWORD || strlen(password) > MAX_PASSWORD) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "add user %s: a password has %d characters or more, %d bytes at most", name,
                    MIN_PASSWORD, MAX_PASSWORD);
        return false;
    }
    g_autoptr(mt_users) users = mt_users_read(path, error);
    char *hash = users != NULL ? hash_of(password, error) : NULL;
    user *u = hash != NULL ? (user *)find(users, name) : NULL;
    if (hash == NULL)
        return false;
    if (u == NULL) {
        u = g_new0(user, 1);
        u->name = g_strdup(name);
        g_ptr_array_add(users->list, u);
    }
    g_free(u->hash);
    u->hash = hash;
    u->role = role;
    return write_all(path, users, error);
}

bool mt_users_remove(const char *path, const char *name, GError **error)
{
    g_autoptr(mt_users) users = mt_users_read(path, error);
    const user *u = users != NULL ? find(users, name) : NULL;

    if (users != NULL && u == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "remove user %s: %s has none of that name", name, path);
    return u != NULL && g_ptr_array_remove(users->list, (gpointer)u) && write_all(path, users, error);
}
