/* A WebSocket client of many sockets in one thread, which costs little: it is not what is measured.
 *
 * It knows of RFC 6455 what a measurement needs: the handshake, short masked frames with a mask of
 * zeros, whole frames from the server, an answer to pings. It checks no accept key and is no client
 * to use. One line of JSON on standard output says what happened; times are in milliseconds.
 *
 *   load open PORT PATH SOCKETS                   all handshakes at the same instant
 *   load echo PORT PATH SOCKETS SECONDS SIZE      each sends its next frame upon the last one's echo;
 *                                                 "missing": those whose last frame stayed away
 *   load tell PORT PATH SOCKETS POST TIMES SIZE   POSTs one by one, each behind the last arrival
 *   load flood PORT PATH SOCKETS POST TIMES SIZE [EACH]
 *                                                 POSTs back to back; EACH: messages that come of one
 *   load connect PORT PATH SOCKETS SECONDS        handshakes one behind the other, SOCKETS at once
 *   load hold PORT PATH SOCKETS                   open until standard input ends
 *
 * A # in PATH becomes the socket's number. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 200, EVENTS = 1024, BUFFER = 262144, MAX_SIZE = 16384 };
static const double TIMEOUT_S = 60.0, LAST_ECHOES_S = 5.0;

enum state { CONNECTING, SHAKING, OPEN, GONE };

struct peer {
    int fd;
    enum state state;
    unsigned char head[14]; /* of the frame that is coming, or the last bytes of the handshake */
    int head_size;
    uint64_t payload_left;
    int opcode;
    long frames;
    double sent_at;
};

static struct peer *peers;
static int count, epoll_fd, opened, failed, lost;
static struct sockaddr_in address;
static const char *path_before, *path_behind; /* of the number; behind is NULL without one */
static int server_port, is_connecting_again;
static char frame[MAX_SIZE + 16];
static int frame_size;
static unsigned char buffer[BUFFER];
static void (*on_frame)(struct peer *);
static double *samples;
static long sample_count, sample_room;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void sample(double value) {
    if (sample_count == sample_room) {
        sample_room = sample_room ? sample_room * 2 : 65536;
        samples = realloc(samples, sample_room * sizeof *samples);
        if (!samples) die("samples");
    }
    samples[sample_count++] = value;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double q) {
    return sample_count ? samples[(long)(q * (sample_count - 1))] : -1;
}

static void leave(struct peer *p) {
    if (p->state == OPEN) lost++;
    else failed++;
    p->state = GONE;
    close(p->fd);
}

static void write_all(struct peer *p, const void *bytes, int size) {
    ssize_t n = send(p->fd, bytes, size, MSG_NOSIGNAL);
    if (n != size && !(n < 0 && errno == EAGAIN)) leave(p);
}

static void start(struct peer *p) {
    memset(p, 0, sizeof *p);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (p->fd < 0) die("socket");
    int on = 1;
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(p->fd, (void *)&address, sizeof address) < 0 && errno != EINPROGRESS) die("connect");
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = p};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fd, &e) < 0) die("epoll_ctl");
    p->sent_at = now();
}

static void ask(struct peer *p) {
    char request[1024], number[16] = "";
    if (path_behind) snprintf(number, sizeof number, "%d", (int)(p - peers));
    int size = snprintf(request, sizeof request,
        "GET %s%s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Origin: http://127.0.0.1:%d\r\n\r\n", path_before, number,
        path_behind ? path_behind : "", server_port, server_port);
    write_all(p, request, size);
}

/* How many of the bytes belong to the head of the answer; opens the socket at its end. */
static int shake(struct peer *p, const unsigned char *bytes, int size) {
    for (int i = 0; i < size; i++) {
        memmove(p->head, p->head + 1, 3);
        p->head[3] = bytes[i];
        if (p->head_size < 12) {
            if (bytes[i] != (unsigned char)"HTTP/1.1 101"[p->head_size]) { leave(p); return size; }
            p->head_size++;
        }
        if (memcmp(p->head, "\r\n\r\n", 4) == 0) {
            p->state = OPEN;
            p->head_size = 0;
            opened++;
            sample((now() - p->sent_at) * 1000);
            if (is_connecting_again) { close(p->fd); start(p); return size; }
            return i + 1;
        }
    }
    return size;
}

static void frames(struct peer *p, const unsigned char *bytes, int size) {
    while (size > 0 && p->state == OPEN) {
        if (p->payload_left) {
            int used = p->payload_left < (uint64_t)size ? (int)p->payload_left : size;
            p->payload_left -= used;
            bytes += used;
            size -= used;
        } else {
            p->head[p->head_size++] = *bytes++;
            size--;
            int short_size = p->head_size > 1 ? p->head[1] & 127 : 0;
            int wanted = p->head_size < 2 ? 2 : short_size == 126 ? 4 : short_size == 127 ? 10 : 2;
            if (p->head_size < wanted) continue;
            p->opcode = p->head[0] & 15;
            p->payload_left = short_size;
            if (wanted > 2) {
                p->payload_left = 0;
                for (int i = 2; i < wanted; i++) p->payload_left = p->payload_left << 8 | p->head[i];
            }
            p->head_size = 0;
        }
        if (p->payload_left) continue;
        if (p->opcode == 1 || p->opcode == 2) {
            p->frames++;
            on_frame(p);
        } else if (p->opcode == 9) {
            static const unsigned char pong[] = {0x8a, 0x80, 0, 0, 0, 0};
            write_all(p, pong, sizeof pong);
        } else if (p->opcode == 8) {
            leave(p);
        }
    }
}

static void turn(int wait_ms) {
    static struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, wait_ms);
    for (int i = 0; i < n; i++) {
        struct peer *p = events[i].data.ptr;
        if (p->state == CONNECTING && events[i].events & EPOLLOUT) {
            int error = 0;
            socklen_t size = sizeof error;
            getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error) { leave(p); continue; }
            p->state = SHAKING;
            ask(p);
        }
        while (p->state == SHAKING || p->state == OPEN) {
            ssize_t size = recv(p->fd, buffer, BUFFER, 0);
            if (size < 0 && errno == EAGAIN) break;
            if (size <= 0) { leave(p); break; }
            int used = p->state == SHAKING ? shake(p, buffer, size) : 0;
            frames(p, buffer + used, size - used);
            if (size < BUFFER) break;
        }
    }
}

static void nothing(struct peer *p) { (void)p; }

static void open_all(int at_once) {
    double end = now() + TIMEOUT_S;
    int started = 0;
    on_frame = nothing;
    while (opened + failed < count && now() < end) {
        while (started < count && started - opened - failed < at_once) start(&peers[started++]);
        turn(100);
    }
    for (int i = 0; i < count; i++)
        if (peers[i].state < OPEN) leave(&peers[i]);
}

static long echoes;
static int is_ending; /* what comes is counted, nothing more is sent */

static void echo(struct peer *p) {
    double t = now();
    echoes++;
    sample((t - p->sent_at) * 1000);
    if (is_ending) return;
    p->sent_at = t;
    write_all(p, frame, frame_size);
}

static long wanted_frames, arrived;
static double last_at;

static void arrive(struct peer *p) {
    (void)p;
    arrived++;
    last_at = now();
    sample(last_at);
}

/* A kept connection of its own for the POSTs; answers are read, but only counted. A server may close
 * it while no answer is due; it is opened again then. */
static int poster = -1;
static char post[MAX_SIZE + 512];
static int post_size;
static long posted, answers;

static void open_poster(void) {
    poster = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    setsockopt(poster, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(poster, (void *)&address, sizeof address) < 0) die("connect for POSTs");
    fcntl(poster, F_SETFL, O_NONBLOCK);
}

static void prepare_post(int port, const char *path, int size) {
    post_size = snprintf(post, sizeof post,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: text/plain\r\n"
        "Content-Length: %d\r\n\r\n", path, port, size);
    memset(post + post_size, 'x', size);
    post_size += size;
}

/* An answer's head begins with "HTTP/1.1 2"; what does not is a failure of the server. */
static void read_answers(void) {
    static char last[16];
    static int held;
    char bytes[65536];
    if (poster < 0) return;
    ssize_t size = recv(poster, bytes, sizeof bytes, 0);
    if (size == 0 || (size < 0 && errno == ECONNRESET)) {
        if (answers < posted) { fprintf(stderr, "the connection was closed before a POST's answer\n"); exit(1); }
        close(poster);
        poster = -1;
        held = 0;
    }
    for (ssize_t i = 0; i < size; i++) {
        if (held == 10) { memmove(last, last + 1, 9); held = 9; }
        last[held++] = bytes[i];
        if (held == 10 && memcmp(last, "HTTP/1.1 ", 9) == 0) {
            if (last[9] != '2') { fprintf(stderr, "a POST was answered with %c..\n", last[9]); exit(1); }
            answers++;
        }
    }
}

static void send_post(void) {
    int done = 0;
    if (answers == posted) read_answers(); /* it may have been closed since the last one */
    if (poster < 0) open_poster();
    posted++;
    while (done < post_size) {
        ssize_t n = send(poster, post + done, post_size - done, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) die("POST");
        if (n > 0) done += n;
        else turn(1);
    }
}

static void tell(int times) {
    on_frame = arrive;
    for (int i = -1; i < times; i++) { /* the first one warms everything up */
        sample_count = 0;
        arrived = 0;
        double t = now(), end = t + TIMEOUT_S / 2;
        long before = answers;
        send_post();
        while ((arrived < opened - lost || answers == before) && now() < end) { turn(1); read_answers(); }
        if (i < 0) continue;
        for (long k = 0; k < sample_count; k++) samples[k] = (samples[k] - t) * 1000;
        qsort(samples, sample_count, sizeof *samples, compare);
        printf("%s[%.3f,%.3f,%.3f,%ld]", i ? "," : "", quantile(0), quantile(0.5), quantile(1),
            opened - arrived);
    }
}

static double flood(int times, long each) {
    on_frame = arrive;
    wanted_frames = each * times;
    double t = now(), end = t + TIMEOUT_S;
    posted = answers = 0;
    last_at = t;
    for (int i = 0; i < times; i++) { /* as many POSTs wait for their answers as a browser has connections */
        while (i - answers >= 6 && now() < end) { turn(0); read_answers(); }
        send_post();
        turn(0);
    }
    while (arrived < wanted_frames && now() < end && now() - last_at < 5) { turn(10); read_answers(); }
    return last_at - t;
}

int main(int argc, char **argv) {
    if (argc < 5) { fprintf(stderr, "usage: see the head of load.c\n"); return 2; }
    const char *mode = argv[1], *path = argv[3];
    int port = atoi(argv[2]);
    count = atoi(argv[4]);
    struct rlimit files = {count + 100, count + 100}, most;
    getrlimit(RLIMIT_NOFILE, &most);
    if (most.rlim_cur < files.rlim_cur && setrlimit(RLIMIT_NOFILE, &files) < 0) die("open files");
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server_port = port;
    char *number = strchr(argv[3], '#');
    path_before = path;
    if (number) { *number = 0; path_behind = number + 1; }
    peers = calloc(count, sizeof *peers);
    epoll_fd = epoll_create1(0);
    double t = now();
    if (strcmp(mode, "connect") == 0 && argc == 6) {
        is_connecting_again = 1;
        on_frame = nothing;
        for (int i = 0; i < count; i++) start(&peers[i]);
        while (now() < t + atof(argv[5])) turn(10);
    } else {
        open_all(strcmp(mode, "open") == 0 ? count : AT_ONCE);
    }
    double opening_s = now() - t;
    printf("{\"opened\":%d,\"failed\":%d,\"open_ms\":%.3f", opened, failed, opening_s * 1000);
    fflush(stdout);
    if (strcmp(mode, "echo") == 0 && argc == 7) {
        double seconds = atof(argv[5]), end;
        int size = atoi(argv[6]);
        frame[0] = (char)0x81;
        frame_size = size < 126 ? 6 : 8;
        frame[1] = (char)(0x80 | (size < 126 ? size : 126));
        if (size >= 126) { frame[2] = (char)(size >> 8); frame[3] = (char)size; }
        memset(frame + frame_size, 'x', size);
        frame_size += size;
        on_frame = echo;
        sample_count = 0;
        t = now();
        end = t + seconds;
        for (int i = 0; i < count; i++)
            if (peers[i].state == OPEN) { peers[i].sent_at = now(); write_all(&peers[i], frame, frame_size); }
        while (now() < end) turn(10);
        double taken = now() - t;
        long in_time = echoes; /* now each socket waits for one more */
        is_ending = 1;
        end = now() + LAST_ECHOES_S;
        while (echoes - in_time < opened - lost && now() < end) turn(10);
        qsort(samples, sample_count, sizeof *samples, compare);
        printf(",\"per_s\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"echoed\":%ld,\"missing\":%ld",
            in_time / taken, quantile(0.5), quantile(0.99), echoes, opened - (echoes - in_time));
    } else if ((strcmp(mode, "tell") == 0 || strcmp(mode, "flood") == 0) && (argc == 8 || argc == 9)) {
        prepare_post(port, argv[5], atoi(argv[7]));
        open_poster();
        if (mode[0] == 't') {
            printf(",\"told\":[");
            tell(atoi(argv[6]));
            printf("]");
        } else {
            double taken = flood(atoi(argv[6]), argc == 9 ? atol(argv[8]) : opened);
            printf(",\"per_s\":%.1f,\"missing\":%ld", arrived / taken, wanted_frames - arrived);
        }
    } else if (strcmp(mode, "hold") == 0) {
        printf("}\n");
        fflush(stdout);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
        (void)e;
        fcntl(0, F_SETFL, O_NONBLOCK);
        char byte;
        while (read(0, &byte, 1) != 0) turn(200);
        return 0;
    } else if (is_connecting_again) {
        qsort(samples, sample_count, sizeof *samples, compare);
        printf(",\"per_s\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f", opened / opening_s, quantile(0.5),
            quantile(0.99));
    } else if (strcmp(mode, "open") != 0) {
        fprintf(stderr, "unknown or incomplete mode %s\n", mode);
        return 2;
    }
    printf(",\"lost\":%d}\n", lost);
    return 0;
}
