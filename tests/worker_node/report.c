/* The one program of the image htc/static:1, which has no shell and no libraries.
 * report [--exit CODE] [--signal N] [--sleep SECONDS] [--] [ARG...]
 * prints its working directory, arguments and environment, a line each, then ends as told. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    char cwd[4096];
    int code = 0, number = 0, seconds = 0, first = 1;

    while (first + 1 < argc) {
        if (!strcmp(argv[first], "--exit")) code = atoi(argv[first + 1]);
        else if (!strcmp(argv[first], "--signal")) number = atoi(argv[first + 1]);
        else if (!strcmp(argv[first], "--sleep")) seconds = atoi(argv[first + 1]);
        else break;
        first += 2;
    }
    if (first < argc && !strcmp(argv[first], "--")) first++;

    printf("cwd=%s\n", getcwd(cwd, sizeof cwd) ? cwd : "?");
    printf("uid=%d gid=%d pid=%d\n", (int)getuid(), (int)getgid(), (int)getpid());
    for (int i = first; i < argc; i++) printf("arg=%s\n", argv[i]);
    for (char **e = environ; *e; e++) printf("env=%s\n", *e);
    fflush(stdout);
    while (seconds > 0) seconds = (int)sleep((unsigned)seconds);
    if (number) {
        raise(number);
        pause();
    }
    return code;
}
