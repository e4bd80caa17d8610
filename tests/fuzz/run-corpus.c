/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run-corpus.c - the fuzz targets on known inputs, without a fuzzer.
 *
 *     run-corpus DIRECTORY [TARGET]
 *     run-corpus FILE TARGET
 *
 * runs each target on the files in DIRECTORY/TARGET (corpus/ has what made the
 * fuzzer find new code, and each input that ever found a fault), or one target
 * on one file.  An input that fails ends the program, which says which it was.
 */

#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SIZE (1 << 20)

static const struct target {
    const char *name;
    void (*run)(const uint8_t *data, size_t size);
} targets[] = {
#define FUZZ_TARGET_ROW(NAME, HELP) { #NAME, fuzz_##NAME },
    FUZZ_TARGETS(FUZZ_TARGET_ROW)
#undef FUZZ_TARGET_ROW
};

static char current[1024];      /* The input that is being run. */

void
fuzz_must(bool ok, const char *cond, const char *file, int line)
{
    if (!ok) {
        printf("%s:%d: must be: %s\n", file, line, cond);
        fflush(stdout);
        abort();
    }
}

static void
tell_input(void)
{
    static const char text[] = "failed on ";

    if (write(STDOUT_FILENO, text, sizeof text - 1) < 0
        || write(STDOUT_FILENO, current, strlen(current)) < 0
        || write(STDOUT_FILENO, "\n", 1) < 0) {
        _exit(EXIT_FAILURE);
    }
}

static void
die(int signal_)
{
    tell_input();
    _exit(128 + signal_);
}

/* Where a sanitizer is. */
void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

static void
watch_for_failures(void)
{
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(tell_input);
    } else {
        signal(SIGSEGV, die);
    }
    signal(SIGABRT, die);
}

static bool
run_file(const struct target *target, const char *name)
{
    static uint8_t data[MAX_SIZE];
    uint8_t *exact;
    size_t size;
    FILE *f;

    snprintf(current, sizeof current, "%s", name);
    f = fopen(name, "rb");
    if (!f) {
        perror(name);
        return false;
    }
    size = fread(data, 1, sizeof data, f);
    fclose(f);

    exact = malloc(size ? size : 1);    /* So ASan sees a step too far. */
    memcpy(exact, data, size);
    target->run(exact, size);
    free(exact);
    return true;
}

/* Runs all files of a target's folder.  Returns how many; -1 on error. */
static int
run_folder(const struct target *target, const char *directory)
{
    char name[1024];
    struct dirent *entry;
    DIR *d;
    int n = 0;

    snprintf(name, sizeof name, "%s/%s", directory, target->name);
    d = opendir(name);
    if (!d) {
        perror(name);
        return -1;
    }
    while ((entry = readdir(d))) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(name, sizeof name, "%s/%s/%s", directory, target->name,
                 entry->d_name);
        if (!run_file(target, name)) {
            n = -1;
            break;
        }
        n++;
    }
    closedir(d);
    return n;
}

int
main(int argc, char *argv[])
{
    int n_passed = 0, n_failed = 0;
    struct stat s;

    if (argc < 2 || argc > 3 || stat(argv[1], &s)) {
        fprintf(stderr, "usage: %s DIRECTORY [TARGET] | FILE TARGET\n",
                argv[0]);
        return EXIT_FAILURE;
    }
    watch_for_failures();
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(targets); i++) {
        const struct target *t = &targets[i];
        int n;

        if (argc == 3 && strcmp(argv[2], t->name)) {
            continue;
        }
        n = S_ISDIR(s.st_mode) ? run_folder(t, argv[1])
            : run_file(t, argv[1]) ? 1 : -1;
        printf("%s %s: %d inputs\n", n > 0 ? "ok" : "not ok", t->name, n);
        n_passed += n > 0;
        n_failed += n <= 0;
    }
    printf("%d passed, %d failed, 0 skipped\n", n_passed, n_failed);
    return n_failed || !n_passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
