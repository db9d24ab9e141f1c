/* Every route of the desk, and who may take it.  A route without a row does not exist; a row without a role is for everybody. */
#include "src/serve/desk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const mt_route routes[] = {
    {"GET", "/", MT_ROLE_NONE, mt_answer_page},
    {"GET", "/login", MT_ROLE_NONE, mt_answer_page},
    {"GET", "/case/*", MT_ROLE_NONE, mt_answer_page},
    {"GET", "/compare/*/*", MT_ROLE_NONE, mt_answer_page},
    {"GET", "/assets/*", MT_ROLE_NONE, mt_answer_asset},
    {"GET", "/healthz", MT_ROLE_NONE, mt_answer_health},
    {"POST", "/api/login", MT_ROLE_NONE, mt_answer_login},
    {"POST", "/api/logout", MT_ROLE_VIEWER, mt_answer_logout},
    {"GET", "/api/me", MT_ROLE_VIEWER, mt_answer_me},
    {"GET", "/metrics", MT_ROLE_VIEWER, mt_answer_metrics},
    {"GET", "/api/worklist", MT_ROLE_VIEWER, mt_answer_worklist},
    {"GET", "/api/events", MT_ROLE_VIEWER, mt_answer_events},
    {"GET", "/api/cases/*", MT_ROLE_VIEWER, mt_answer_case},
    {"GET", "/api/cases/*/thumbnail.jpg", MT_ROLE_VIEWER, mt_answer_picture},
    {"GET", "/api/cases/*/slide.dzi", MT_ROLE_VIEWER, mt_answer_picture},
    {"GET", "/api/cases/*/slide_files/*/*", MT_ROLE_VIEWER, mt_answer_tile},
    {"GET", "/api/cases/*/tile/*", MT_ROLE_VIEWER, mt_answer_map},
    {"GET", "/api/cases/*/heat", MT_ROLE_VIEWER, mt_answer_map},
    {"GET", "/api/cases/*/plane/*", MT_ROLE_VIEWER, mt_answer_plane},
    {"GET", "/api/cases/*/mask/*", MT_ROLE_VIEWER, mt_answer_plane},
    {"GET", "/api/cases/*/similar", MT_ROLE_VIEWER, mt_answer_similar},
    {"GET", "/api/cases/*/review", MT_ROLE_VIEWER, mt_answer_review},
    {"POST", "/api/cases/*/review", MT_ROLE_REVIEWER, mt_answer_say},
    {"GET", "/api/cases/*/regions.geojson", MT_ROLE_VIEWER, mt_answer_regions},
    {"GET", "/api/cases/*/overlay.png", MT_ROLE_VIEWER, mt_answer_paper},
    {"GET", "/api/cases/*/heat.geojson", MT_ROLE_VIEWER, mt_answer_paper},
    {"GET", "/api/cases/*/heat.csv", MT_ROLE_VIEWER, mt_answer_paper},
    {"GET", "/api/cases/*/sr.dcm", MT_ROLE_VIEWER, mt_answer_paper},
    {"GET", "/api/cases/*/report.html", MT_ROLE_VIEWER, mt_answer_report},
    {"GET", "/api/cases/*/report.pdf", MT_ROLE_VIEWER, mt_answer_report},
    {"GET", "/api/board.html", MT_ROLE_VIEWER, mt_answer_board},
    {"GET", "/api/board.pdf", MT_ROLE_VIEWER, mt_answer_board},
    {"GET", "/api/decisions.csv", MT_ROLE_VIEWER, mt_answer_export},
    {"GET", "/api/decisions.json", MT_ROLE_VIEWER, mt_answer_export},
    {"GET", "/api/labels.csv", MT_ROLE_VIEWER, mt_answer_export},
    {"GET", "/api/compare/*/*", MT_ROLE_VIEWER, mt_answer_compare},
};

const mt_route *mt_routes(int *n)
{
    *n = G_N_ELEMENTS(routes);
    return routes;
}

char *mt_serve_routes(void)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(routes); i++)
        g_string_append_printf(text, "%s %s %s\n", routes[i].method, routes[i].pattern,
                               routes[i].least == MT_ROLE_NONE ? "everybody" : mt_role_name(routes[i].least));
    return g_string_free(text, FALSE);
}

void mt_response_text(mt_response *r, int status, const char *type, const char *text)
{
    r->status = status;
    r->type = type;
    g_clear_pointer(&r->body, g_bytes_unref);
    r->body = g_bytes_new(text, strlen(text));
}

void mt_response_json(mt_response *r, int status, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);

    mt_response_text(r, status, "application/json", text);
    free(text);
    json_decref(value);
}

void mt_response_error(mt_response *r, int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (status == 503 || status == 429)
        r->retry_after = status == 503 ? 1 : 60;
    mt_response_json(r, status, json_pack("{s:s}", "error", text));
}

/* No fault of one case is a fault of the server: 503 for what may pass, else the client's. */
void mt_response_fail(mt_response *r, const GError *error)
{
    int status = 422;

    if (g_error_matches(error, MT_ERROR, MT_ERROR_MISSING))
        status = 404;
    else if (g_error_matches(error, MT_ERROR, MT_ERROR_STOPPED) || g_error_matches(error, MT_ERROR, MT_ERROR_IO) ||
             g_error_matches(error, MT_ERROR, MT_ERROR_MEMORY))
        status = 503;
    else if (g_error_matches(error, MT_ERROR, MT_ERROR_USAGE) || g_error_matches(error, MT_ERROR, MT_ERROR_RANGE))
        status = 400;
    mt_response_error(r, status, "%s", error->message);
}

static char **parts_of(const char *path)
{
    g_auto(GStrv) all = g_strsplit(path, "/", 16);
    g_autoptr(GStrvBuilder) kept = g_strv_builder_new();

    for (int i = 0; all[i] != NULL; i++)
        if (all[i][0] != '\0')
            g_strv_builder_add(kept, all[i]);
    return g_strv_builder_end(kept);
}

static bool matches(const char *pattern, char *const *parts)
{
    g_auto(GStrv) wanted = parts_of(pattern);
    int i = 0;

    for (; wanted[i] != NULL && parts[i] != NULL; i++)
        if (strcmp(wanted[i], "*") != 0 && strcmp(wanted[i], parts[i]) != 0)
            return false;
    return wanted[i] == NULL && parts[i] == NULL;
}

/* Names and addresses that the desk answers to: a page of another name that resolves to us is not ours. */
static bool is_our_host(const mt_desk *desk, const char *host)
{
    g_autofree char *name = NULL;

    if (host == NULL)
        return false;
    const char *colon = host[0] == '[' ? strstr(host, "]") : strchr(host, ':');
    name = host[0] == '['  ? (colon != NULL ? g_strndup(host + 1, (gsize)(colon - host - 1)) : g_strdup(host))
           : colon != NULL ? g_strndup(host, (gsize)(colon - host))
                           : g_strdup(host);
    if (desk->params->hosts != NULL && g_strv_contains(desk->params->hosts, name))
        return true;
    return g_hostname_is_ip_address(name) || g_ascii_strcasecmp(name, "localhost") == 0 ||
           (desk->params->hosts == NULL && g_ascii_strcasecmp(name, g_get_host_name()) == 0);
}

/* A browser names the page that a write comes from; it has to be one of ours. */
static bool is_our_origin(const mt_desk *desk, const mt_request *q)
{
    const char *origin = mt_request_header(q, "Origin"), *site = mt_request_header(q, "Sec-Fetch-Site"),
               *host = mt_request_header(q, "Host");

    if (site != NULL && strcmp(site, "same-origin") != 0)
        return false;
    if (origin == NULL)
        return true; /* no browser: what it sends is JSON, which no form of another page can */
    g_autofree char *plain = g_strconcat("http://", host, NULL), *secure = g_strconcat("https://", host, NULL);
    return g_ascii_strcasecmp(origin, secure) == 0 ||
           (!desk->encrypted && !desk->params->trusted_proxy && g_ascii_strcasecmp(origin, plain) == 0);
}

static char *session_token(const mt_request *q)
{
    const char *header = mt_request_header(q, "Cookie");
    g_auto(GStrv) cookies = g_strsplit(header != NULL ? header : "", ";", 32);

    for (int i = 0; cookies[i] != NULL; i++) {
        const char *one = g_strstrip(cookies[i]);
        if (g_str_has_prefix(one, "microtome="))
            return g_strdup(one + strlen("microtome="));
    }
    return NULL;
}

static void find_user(mt_desk *desk, mt_request *q)
{
    if (!desk->has_users) {
        q->user = g_strdup(desk->local_user);
        q->role = MT_ROLE_ADMIN;
        return;
    }
    q->token = session_token(q);
    q->role = q->token != NULL ? mt_sessions_find(desk->sessions, q->token, &q->user) : MT_ROLE_NONE;
}

static const mt_route *find_route(const mt_request *q, bool *other_method)
{
    const char *method = strcmp(q->method, "HEAD") == 0 ? "GET" : q->method;

    *other_method = false;
    for (size_t i = 0; i < G_N_ELEMENTS(routes); i++)
        if (matches(routes[i].pattern, q->parts)) {
            if (strcmp(method, routes[i].method) == 0)
                return &routes[i];
            *other_method = true;
        }
    return NULL;
}

static bool is_json(const mt_request *q)
{
    const char *type = mt_request_header(q, "Content-Type");

    return type != NULL && g_ascii_strncasecmp(type, "application/json", strlen("application/json")) == 0;
}

void mt_routes_answer(mt_desk *desk, mt_request *q, mt_response *r)
{
    bool other_method;

    q->parts = parts_of(q->path);
    const mt_route *route = find_route(q, &other_method);
    find_user(desk, q);
    if (!is_our_host(desk, mt_request_header(q, "Host")))
        mt_response_error(r, 403, "this desk is not called that: start it with --host NAME");
    else if (route != NULL && strcmp(route->method, "GET") != 0 && !is_our_origin(desk, q))
        mt_response_error(r, 403, "this request comes from a page that is not the desk's");
    else if (route != NULL && route->least > q->role)
        mt_response_error(r, q->role == MT_ROLE_NONE ? 401 : 403, q->role == MT_ROLE_NONE ? "log in first" : "your role may not do this");
    else if (route == NULL)
        mt_response_error(r, q->role == MT_ROLE_NONE ? 401 : other_method ? 405 : 404, "there is nothing here");
    else if (strcmp(route->method, "POST") == 0 && !is_json(q))
        mt_response_error(r, 415, "send JSON, as application/json");
    else
        route->handler(desk, q, r);
    g_strfreev(q->parts);
}
