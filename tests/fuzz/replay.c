/* replay.c: runs a fuzz target over files, for builds without libFuzzer.
 *
 * Takes files and folders, and gives the target each file once, in the order of the names. Each
 * input lies in memory of exactly its size, so that a sanitizer sees a read behind it. Exits 1 if
 * there was no input: a corpus that got lost is not a test that passed. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);
/* A target may have it, as with libFuzzer. */
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static unsigned long input_count;

static int stop(const char *what, const char *path) {
    fprintf(stderr, "replay: %s %s: %s\n", what, path, strerror(errno));
    return 1;
}

static int replay_file(const char *path, size_t size_bytes) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return stop("open", path);
    uint8_t *data = malloc(size_bytes); /* tidy: allow malloc: no budget, and of the exact size */
    size_t read_bytes = data == NULL ? 0 : fread(data, 1, size_bytes, file);
    fclose(file);
    if (read_bytes != size_bytes)
        return stop("read", path);
    fprintf(stderr, "%s\n", path); /* the last line printed names the input that crashed */
    LLVMFuzzerTestOneInput(data, size_bytes);
    input_count++;
    free(data); /* tidy: allow free: allocated above */
    return 0;
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int replay(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0)
        return stop("stat", path);
    if (!S_ISDIR(info.st_mode))
        return replay_file(path, (size_t)info.st_size);
    struct dirent **entries;
    int entry_count = scandir(path, &entries, is_visible, alphasort);
    if (entry_count < 0)
        return stop("scan", path);
    int status = 0;
    for (int i = 0; i < entry_count; i++) {
        char name[PATH_BYTES_MAX];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        status |= replay(name);
        free(entries[i]); /* tidy: allow free: scandir's */
    }
    free(entries); /* tidy: allow free: scandir's */
    return status;
}

int main(int argc, char **argv) {
    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    int status = 0;
    for (int i = 1; i < argc; i++)
        status |= replay(argv[i]);
    printf("%lu inputs\n", input_count);
    return status != 0 || input_count == 0;
}
