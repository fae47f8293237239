/* What the kernel allows: a server that does nothing but `send` to each of its sockets.
 *
 * It takes every request with "Upgrade" for a handshake (its answer's key fits the one key that
 * load.c sends), answers each POST and sends its body, framed once, to all sockets; what a socket
 * sends goes back. No limits, no checks: it is no server to use.   limit PORT [close]
 *
 * close: no connection is kept behind the answer to a POST, and nothing says so before.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 1024, BUFFER = 65536, MOST = 65536 };

static const char accepted[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char done[] = "HTTP/1.1 204 No Content\r\n\r\n";
static char is_socket[MOST];
static int highest, is_closing;

static void tell_all(const char *body, int size) {
    static char frame[BUFFER];
    int head = size < 126 ? 2 : 4;
    frame[0] = (char)0x81;
    frame[1] = (char)(size < 126 ? size : 126);
    if (head == 4) { frame[2] = (char)(size >> 8); frame[3] = (char)size; }
    memcpy(frame + head, body, size);
    for (int fd = 0; fd <= highest; fd++)
        if (is_socket[fd]) send(fd, frame, head + size, MSG_NOSIGNAL);
}

static void serve_post(int fd, char *bytes, int size) {
    char *end;
    while ((end = memmem(bytes, size, "\r\n\r\n", 4))) {
        char *length = memmem(bytes, end - bytes, "Content-Length: ", 16);
        int body = length ? atoi(length + 16) : 0;
        int whole = end + 4 - bytes + body;
        if (whole > size) return; /* load.c sends each POST in one piece */
        if (is_closing) { /* before the message, so that who has it can know */
            send(fd, done, sizeof done - 1, MSG_NOSIGNAL);
            close(fd);
            tell_all(end + 4, body);
            return;
        }
        tell_all(end + 4, body);
        send(fd, done, sizeof done - 1, MSG_NOSIGNAL);
        bytes += whole;
        size -= whole;
    }
}

static void echo(int fd, unsigned char *bytes, int size) {
    while (size >= 6) {
        int length = bytes[1] & 127, head = length == 126 ? 8 : 6;
        if (length == 126) length = bytes[2] << 8 | bytes[3];
        if (head + length > size) return;
        bytes[4] = bytes[0];
        bytes[5] = (unsigned char)length;
        if (length < 126) send(fd, bytes + 4, 2 + length, MSG_NOSIGNAL);
        bytes += head + length;
        size -= head + length;
    }
}

int main(int argc, char **argv) {
    static char buffer[BUFFER];
    static struct epoll_event events[EVENTS];
    if (argc < 2) { fprintf(stderr, "usage: limit PORT [close]\n"); return 2; }
    is_closing = argc > 2;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, epoll_fd = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) < 0 || listen(listener, 8192) < 0) {
        perror("listen");
        return 1;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int new = accept(listener, NULL, NULL);
                if (new < 0 || new >= MOST) { if (new >= 0) close(new); continue; }
                setsockopt(new, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                e.data.fd = new;
                epoll_ctl(epoll_fd, EPOLL_CTL_ADD, new, &e);
                if (new > highest) highest = new;
                continue;
            }
            ssize_t size = recv(fd, buffer, BUFFER, 0);
            if (size <= 0) { if (size == 0 || errno != EINTR) { is_socket[fd] = 0; close(fd); } continue; }
            if (is_socket[fd]) echo(fd, (unsigned char *)buffer, size);
            else if (memmem(buffer, size, "Upgrade", 7)) {
                is_socket[fd] = 1;
                send(fd, accepted, sizeof accepted - 1, MSG_NOSIGNAL);
            } else serve_post(fd, buffer, size);
        }
    }
}
