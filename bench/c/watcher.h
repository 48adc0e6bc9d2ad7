/* One connection of the load: asks, reads what streams back, and checks it. */
#ifndef WATCHER_H
#define WATCHER_H

#include "common.h"
#include "sse.h"

struct request { /* what is asked; {i}, {n} and {t} in the bodies are numbers of connection, request and task */
    int ports[8], port_count;
    const char *path, *headers;
    const char *bodies[16];
    int body_count, tasks;
};

struct faults {
    uint64_t gaps, doubles, reordered, foreign, refused, broken;
};

enum doing { CONNECTING, IDLE, ASKING, STREAMING, GONE };

struct watcher {
    int fd, index;
    enum doing doing;
    struct reader reader;
    uint64_t asked, first;   /* when; 0 if not yet */
    uint64_t epoch, offset;  /* the last position */
    int64_t number;          /* the last event's number, as the publisher counts */
    uint64_t events, live;   /* of this request: all, and those with a number */
    unsigned number_at, mark_at;
    char mark[32];           /* what each event's data holds that is this watcher's own; empty for none */
    int mark_length;
};

struct tally {
    uint64_t events, live, bytes, reads;
    struct hist first, whole, live_latency;
    struct faults faults;
};

extern struct tally tally;

void watcher_connect(struct watcher *w, const struct request *r, int poll);
/* The connection is up, or not. */
int watcher_connected(struct watcher *w);
/* Ask; `since` is from when it counts. */
void watcher_ask(struct watcher *w, const struct request *r, uint64_t since);
/* Read what has come. */
enum progress watcher_read(struct watcher *w, uint64_t now);
void watcher_close(struct watcher *w);

#endif
