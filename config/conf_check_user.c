// SPDX-License-Identifier: BSD-3-Clause
// Users that cannot be told apart.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf_check.h"

static int user_compare(const void *a, const void *b)
{
	const struct conf_user *const *x = a, *const *y = b;
	int order = strcmp((*x)->name, (*y)->name);

	if (order == 0)
		order = ((*x)->realm_index > (*y)->realm_index) -
			((*x)->realm_index < (*y)->realm_index);
	return order ? order : *x < *y ? -1 : 1;
}

void conf_check_users(const struct conf *conf, struct conf_report *report)
{
	const struct conf_user **sorted = calloc(conf->auth.n_users + 1, sizeof(*sorted));
	char path[CONF_PATH_BYTES];
	size_t n = 0;

	if (!sorted) {
		conf_problem(report, "auth.users", "%s", strerror(ENOMEM));
		return;
	}
	for (size_t i = 0; i < conf->auth.n_users; i++) {
		if (conf->auth.users[i].name)
			sorted[n++] = &conf->auth.users[i];
	}
	qsort(sorted, n, sizeof(*sorted), user_compare);
	for (size_t i = 1; i < n; i++) {
		if (sorted[i]->realm_index == sorted[i - 1]->realm_index &&
			strcmp(sorted[i]->name, sorted[i - 1]->name) == 0)
			conf_problem(report,
				conf_path(path, "auth.users[%zu].name",
					(size_t)(sorted[i] - conf->auth.users)),
				"\"%s\" is the name of auth.users[%zu] too", sorted[i]->name,
				(size_t)(sorted[i - 1] - conf->auth.users));
	}
	free(sorted);
}
