/* What a running desk has, and the requests that reach it: a handler a route (routes.c), files by what they are about. */
#ifndef MT_DESK_H
#define MT_DESK_H

#include "src/serve/board.h"
#include "src/serve/byte_cache.h"
#include "src/serve/events.h"
#include "src/serve/reader_pool.h"
#include "src/serve/sessions.h"

#include <microtome/serve.h>

typedef struct mt_desk {
    const mt_serve_params *params;
    char                  *local_user; /* who sits there where the desk has no users */
    bool                   has_users, encrypted;
    mt_review_store       *store;
    mt_sessions           *sessions;
    mt_reader_pool        *readers;
    mt_board              *board;
    mt_byte_cache         *tiles;
    mt_events             *events;
    int64_t                requests, errors, decisions; /* atomic */
} mt_desk;

typedef struct mt_request {
    void       *connection; /* libmicrohttpd's */
    const char *method, *path;
    char      **parts; /* of the path, without the empty ones */
    const char *body;
    size_t      body_bytes;
    char       *user;  /* NULL: nobody */
    char       *token; /* of the session; NULL: none */
    mt_role     role;
    char        address[64];
} mt_request;

typedef struct mt_response {
    int         status;
    const char *type;
    GBytes     *body;
    char       *cookie, *file_name; /* Set-Cookie; of a file to be kept; g_free */
    bool        kept;               /* the browser may keep it for an hour */
    bool        stream;             /* of events, without end */
    int         retry_after;        /* s; 0: not said */
} mt_response;

typedef void (*mt_handler)(mt_desk *desk, const mt_request *request, mt_response *response);

typedef struct mt_route {
    const char *method, *pattern; /* "*" stands for one part */
    mt_role     least;            /* NONE: for everybody */
    mt_handler  handler;
} mt_route;

/* The table; *n: its rows. */
const mt_route *mt_routes(int *n);
/* Who asks, whether he may, and the answer. */
void mt_routes_answer(mt_desk *desk, mt_request *request, mt_response *response);

/* From query and header; NULL: absent.  A query's value is decoded (g_free), a header's is the request's. */
char       *mt_request_query(const mt_request *request, const char *name);
const char *mt_request_header(const mt_request *request, const char *name);

void mt_response_json(mt_response *response, int status, json_t *value); /* takes it */
void mt_response_text(mt_response *response, int status, const char *type, const char *text);
void mt_response_error(mt_response *response, int status, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* By the code of an engine's error. */
void mt_response_fail(mt_response *response, const GError *error);

void mt_answer_page(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_asset(mt_desk *desk, const mt_request *request, mt_response *response);

void mt_answer_login(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_logout(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_me(mt_desk *desk, const mt_request *request, mt_response *response);

void mt_answer_worklist(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_events(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_health(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_metrics(mt_desk *desk, const mt_request *request, mt_response *response);

void mt_answer_case(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_picture(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_tile(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_map(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_plane(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_paper(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_report(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_board(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_similar(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_compare(mt_desk *desk, const mt_request *request, mt_response *response);

void mt_answer_review(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_say(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_export(mt_desk *desk, const mt_request *request, mt_response *response);
void mt_answer_regions(mt_desk *desk, const mt_request *request, mt_response *response);

#endif
