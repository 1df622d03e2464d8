/* Runs a fuzz target once on each kept input, so that what fuzzing found stays a test.
 *
 *     corpus_TARGET FOLDER...
 *
 * Built with every compiler; libFuzzer is not needed. Fails when the folders hold no input.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Runs one file; the input is in memory of exactly its size, for AddressSanitizer. 0 or -1. */
static int run_file(const char *path, off_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc((size_t)size + !size);
    int result = -1;
    if (file && data && fread(data, 1, (size_t)size, file) == (size_t)size) {
        LLVMFuzzerTestOneInput(data, (size_t)size);
        result = 0;
    } else {
        perror(path);
    }
    free(data);
    if (file)
        fclose(file);
    return result;
}

/* Runs each regular file of a folder; how many, or -1. */
static int run_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        perror(folder);
        return -1;
    }
    int ran = 0;
    for (struct dirent *entry = readdir(dir); entry && ran >= 0; entry = readdir(dir)) {
        char path[4096];
        struct stat info;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        ran = run_file(path, info.st_size) == 0 ? ran + 1 : -1;
    }
    closedir(dir);
    return ran;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int ran = run_folder(argv[i]);
        if (ran < 0)
            return 1;
        total += ran;
    }
    printf("%d inputs\n", total);
    return total > 0 ? 0 : 1;
}
