/* Who sits there: login, logout, me. */
#include "src/serve/desk.h"

#include <string.h>

/* HttpOnly, so that no script reads it; Strict, so that no other site's page sends it. */
static char *cookie_of(const mt_desk *desk, const char *token, const char *age)
{
    bool secure = desk->encrypted || desk->params->trusted_proxy;

    return g_strdup_printf("microtome=%s; Path=/; HttpOnly; SameSite=Strict%s%s", token, secure ? "; Secure" : "", age);
}

void mt_answer_login(mt_desk *desk, const mt_request *q, mt_response *r)
{
    json_t     *body = json_loadb(q->body, q->body_bytes, JSON_REJECT_DUPLICATES, NULL);
    const char *user = json_string_value(json_object_get(body, "user")), *password = json_string_value(json_object_get(body, "password"));
    g_autofree char *token = NULL, *name = NULL;

    if (!desk->has_users)
        mt_response_error(r, 400, "this desk has no users: everybody at this machine is let in");
    else if (user == NULL || password == NULL || strlen(user) > 64 || strlen(password) > 1024)
        mt_response_error(r, 400, "a login has a user and a password");
    else {
        mt_login outcome = mt_sessions_login(desk->sessions, q->address, user, password, &token);
        if (outcome == MT_LOGIN_DONE) {
            mt_role role = mt_sessions_find(desk->sessions, token, &name);
            r->cookie = cookie_of(desk, token, "");
            mt_response_json(r, 200, json_pack("{s:s s:s}", "user", user, "role", mt_role_name(role)));
        } else if (outcome == MT_LOGIN_LATER)
            mt_response_error(r, 429, "too many tries: wait a quarter of an hour");
        else
            mt_response_error(r, 401, "user or password is wrong");
    }
    json_decref(body);
}

void mt_answer_logout(mt_desk *desk, const mt_request *q, mt_response *r)
{
    if (q->token != NULL)
        mt_sessions_logout(desk->sessions, q->token);
    r->cookie = cookie_of(desk, "", "; Max-Age=0");
    mt_response_json(r, 200, json_object());
}

void mt_answer_me(mt_desk *desk, const mt_request *q, mt_response *r)
{
    mt_response_json(r, 200,
                     json_pack("{s:s s:s s:b s:b s:b s:s}", "user", q->user, "role", mt_role_name(q->role), "users", desk->has_users,
                               "read_first", desk->params->read_first, "slides", desk->params->slides != NULL, "version", MT_VERSION));
}
