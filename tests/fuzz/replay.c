// SPDX-License-Identifier: BSD-3-Clause
// Replays a corpus without libFuzzer: every file of the directories given at every alignment, and
// truncations of it; with "-whole" first, no truncations. Fails when there is nothing to replay.
#include <dirent.h>
#include <errno.h>

#include "tests/fuzz/fuzz.h"

#define REPLAY_MAX_BYTES 65536
// Cut at every byte up to here, in growing steps beyond.
#define REPLAY_EACH_BYTES 256

static bool whole;

static void replay_file(const char *path)
{
	static uint8_t data[REPLAY_MAX_BYTES];
	FILE *f = fopen(path, "rb");

	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	size_t size = fread(data, 1, sizeof(data), f);
	fclose(f);
	for (size_t offset = 0; offset < 4; offset++)
		fuzz_run(data, size, offset);
	for (size_t n = 0; n < size && !whole;
		n += n < REPLAY_EACH_BYTES ? 1 : n / REPLAY_EACH_BYTES)
		fuzz_run(data, n, n & 3);
}

static size_t replay_directory(const char *path)
{
	char name[4096];
	struct dirent *entry;
	size_t files = 0;
	DIR *dir = opendir(path);

	if (!dir) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		int n = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		FUZZ_CHECK(n > 0 && (size_t)n < sizeof(name));
		replay_file(name);
		files++;
	}
	closedir(dir);
	return files;
}

int main(int argc, char **argv)
{
	size_t files = 0;

	whole = argc > 1 && strcmp(argv[1], "-whole") == 0;
	for (int i = whole ? 2 : 1; i < argc; i++)
		files += replay_directory(argv[i]);
	printf("%zu files replayed\n", files);
	return files > 0 ? 0 : 1;
}
