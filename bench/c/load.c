/* Load: connections that ask and read streams, every event checked. Options are `name=value`:
 *
 *   port=, path=, header=, body=     what is asked; ports, headers and bodies may be several
 *   conns=N                          connections
 *   mark=TEXT                        each event's data holds this; {i} is the connection's number
 *   pid=, core=                      processes whose CPU and memory are told, and the core that they have
 *   seconds=S                        the most that it may take
 *
 * `mode=watch`: all ask; when each is ready (ready=event|head), events are published and read by all.
 *   to=, template=, replies=, base=  where and what to publish (see publish.h)
 *   count=K, window=W | rate=R       how many events, at most so many in flight or so many a second
 *   hold=S                           or it publishes nothing: they stay for so long, and read what others publish
 *   source=other                     or others publish K events, once all are ready
 *
 * `mode=ask`: requests, one after another on each connection.
 *   total=N, until=first|close|K     how many; each ends with its first event, with its stream, or with K events
 *   rate=R                           begun so many a second, whether others are done or not
 */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options options = {
    .request = {.path = "/", .headers = "", .tasks = 1},
    .mode = "watch", .replies = "resp", .until = "first", .ready_when = "event",
    .conns = 1, .total = 1, .window = 1, .core = -1, .seconds = 60,
};
struct course course;
static char headers[4096];

uint64_t processes_ns(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < options.pid_count; i++)
        sum += process_ns(options.pids[i]);
    return sum;
}

long processes_rss(void)
{
    long sum = 0;
    for (int i = 0; i < options.pid_count; i++)
        sum += process_rss_kb(options.pids[i]);
    return sum;
}

static void option(const char *name, const char *value)
{
    struct request *asked = &options.request;
    if (!strcmp(name, "port") && asked->port_count < 8) asked->ports[asked->port_count++] = atoi(value);
    else if (!strcmp(name, "path")) asked->path = value;
    else if (!strcmp(name, "header")) strcat(strncat(headers, value, 2000), "\r\n");
    else if (!strcmp(name, "body") && asked->body_count < 16) asked->bodies[asked->body_count++] = value;
    else if (!strcmp(name, "tasks")) asked->tasks = atoi(value);
    else if (!strcmp(name, "mode")) options.mode = value;
    else if (!strcmp(name, "to")) options.to = value;
    else if (!strcmp(name, "template")) options.template_file = value;
    else if (!strcmp(name, "replies")) options.replies = value;
    else if (!strcmp(name, "until")) options.until = value;
    else if (!strcmp(name, "ready")) options.ready_when = value;
    else if (!strcmp(name, "mark")) options.mark = value;
    else if (!strcmp(name, "conns")) options.conns = atol(value);
    else if (!strcmp(name, "count")) options.count = atol(value);
    else if (!strcmp(name, "total")) options.total = atol(value);
    else if (!strcmp(name, "window")) options.window = atol(value);
    else if (!strcmp(name, "base")) options.base = atol(value);
    else if (!strcmp(name, "core")) options.core = atol(value);
    else if (!strcmp(name, "source")) options.others = 1;
    else if (!strcmp(name, "rate")) options.rate = atof(value);
    else if (!strcmp(name, "hold")) options.hold = atof(value);
    else if (!strcmp(name, "seconds")) options.seconds = atof(value);
    else if (!strcmp(name, "pid") && options.pid_count < 16) options.pids[options.pid_count++] = atoi(value);
    else die("unknown option %s", name);
}

static void print(void)
{
    double wall = (double)(course.ended - course.begun) / 1e9;
    const struct faults *f = &tally.faults;
    uint64_t bad = f->gaps + f->doubles + f->reordered + f->foreign + f->refused + f->broken;
    int whole = options.mode[0] == 'a' ? course.done == (uint64_t)options.total && !course.closed : options.hold > 0 ? !course.closed : course.done == (uint64_t)options.count;
    printf("{\"ok\":%s,\"conns\":%ld,\"events\":%llu,\"live\":%llu,\"done\":%llu,\"closed\":%llu,\"late\":%llu,",
           !bad && whole ? "true" : "false", options.conns, (unsigned long long)tally.events, (unsigned long long)tally.live,
           (unsigned long long)course.done, (unsigned long long)course.closed, (unsigned long long)course.late);
    printf("\"faults\":{\"gaps\":%llu,\"doubles\":%llu,\"reordered\":%llu,\"foreign\":%llu,\"refused\":%llu,\"broken\":%llu},",
           (unsigned long long)f->gaps, (unsigned long long)f->doubles, (unsigned long long)f->reordered,
           (unsigned long long)f->foreign, (unsigned long long)f->refused, (unsigned long long)f->broken);
    printf("\"heard\":%llu,\"bytes\":%llu,\"reads\":%llu,\"wall_s\":%.6f,\"server_s\":%.6f,\"core_s\":%.4f,\"irq_s\":%.4f,\"own_s\":%.6f,",
           (unsigned long long)(tally.events - course.events), (unsigned long long)(tally.bytes - course.bytes), (unsigned long long)tally.reads, wall,
           (double)(processes_ns() - course.cpu) / 1e9, options.core >= 0 ? (double)(core_ns((int)options.core) - course.core) / 1e9 : 0,
           options.core >= 0 ? (double)(core_irq_ns((int)options.core) - course.irq) / 1e9 : 0, (double)(own_ns() - course.own) / 1e9);
    printf("\"rss_before_kb\":%ld,\"rss_kb\":%ld,", course.rss, processes_rss());
    hist_print("latency", &tally.live_latency);
    putchar(',');
    hist_print("first", &tally.first);
    putchar(',');
    hist_print("whole", &tally.whole);
    printf("}\n");
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            die("options are name=value, this is %s", argv[i]);
        *value = 0;
        option(argv[i], value + 1);
    }
    if (!options.request.port_count)
        die("port= is missing");
    options.request.headers = headers;
    all_files();
    uint64_t deadline = now_ns() + (uint64_t)(options.seconds * 1e9);
    if (options.mode[0] == 'a')
        ask(deadline);
    else
        watch(deadline);
    print();
    return 0;
}
