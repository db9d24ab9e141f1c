#include "tools/command.h"

#include <microtome/desk.h>

#include <stdio.h>
#include <string.h>

/* The first line, without its end; a prompt would hang a script. */
static char *read_password(const char *path, GError **error)
{
    char             line[1100] = "";
    g_autofree char *text = NULL;

    if (path != NULL) {
        if (!g_file_get_contents(path, &text, NULL, error))
            return NULL;
        g_strlcpy(line, text, sizeof line);
    } else if (fgets(line, sizeof line, stdin) == NULL)
        line[0] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    return g_strdup(line);
}

static int add(const char *users, const char *name, const char *role, const char *password_file)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *password = read_password(password_file, &error);

    if (password == NULL) {
        fprintf(stderr, "microtome user: read the password: %s\n", error->message);
        return 66;
    }
    if (!mt_desk_user_add(users, name, role, password, &error))
        return mt_command_fail(&mt_command_user, error);
    printf("%s may log in as %s (%s)\n", name, role, users);
    return 0;
}

static int list(const char *users)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = mt_desk_user_list(users, &error);

    if (text == NULL)
        return mt_command_fail(&mt_command_user, error);
    fputs(text, stdout);
    return 0;
}

/* A folder's own file, or the file that is named. */
static char *users_of(const char *where)
{
    return g_file_test(where, G_FILE_TEST_IS_DIR) ? g_build_filename(where, "review", "users", NULL) : g_strdup(where);
}

static int run(int argc, char **argv)
{
    g_autofree char *role = g_strdup("reviewer"), *password_file = NULL;
    GOptionEntry     entries[] = {
            {"role", 0, 0, G_OPTION_ARG_STRING, &role, "viewer reads, reviewer decides and signs (default), admin", "NAME"},
            {"password-file", 0, 0, G_OPTION_ARG_FILENAME, &password_file, "its first line is the password (default: standard input)", "FILE"},
            {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    g_autoptr(GError) error = NULL;

    if (!mt_command_parse(&mt_command_user, entries, &argc, &argv))
        return 64;
    const char *what = argc > 1 ? argv[1] : "";
    bool        lists = strcmp(what, "list") == 0, removes = strcmp(what, "remove") == 0;
    if (argc != (lists ? 3 : 4) || (!lists && !removes && strcmp(what, "add") != 0))
        return mt_command_usage(&mt_command_user, "say add, remove or list, the folder, and whom");
    g_autofree char *users = users_of(argv[2]);
    if (lists)
        return list(users);
    if (!removes)
        return add(users, argv[3], role, password_file);
    return mt_desk_user_remove(users, argv[3], &error) ? 0 : mt_command_fail(&mt_command_user, error);
}

const mt_command mt_command_user = {
    .name = "user",
    .arguments = "add|remove|list OUT|FILE [NAME]",
    .summary = "Who may log in to the review desk of a folder.",
    .help = "OUT: its own users (OUT/review/users).  Passwords have 12 characters or more and are kept as Argon2id hashes; adding a name "
            "again\n"
            "changes role and password.  Who is removed is out at once.\n\n"
            "  microtome user add OUT dr.kim --role reviewer < password.txt\n"
            "  microtome user list OUT",
    .run = run,
};
