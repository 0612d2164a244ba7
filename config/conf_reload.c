// SPDX-License-Identifier: BSD-3-Clause
#include "config/conf_reload.h"

#include <errno.h>
#include <string.h>

#include "config/conf_document.h"
#include "config/conf_load.h"

static void note(void *context, const struct conf_option *option)
{
	struct conf_reload *out = context;

	if (option->change != CONF_CHANGE_NOTHING && out->n_changed < CONF_RELOAD_OPTIONS)
		out->changed[out->n_changed++] = option;
}

// The section auth.oauth does not go by a reload. Its document has hashes for keys: they are filled
// in.
static int keep_oauth(const struct conf *running, json_t *merged)
{
	json_t *auth = json_object_get(merged, "auth"), *oauth, *key;
	size_t i;
	int rc = 0;

	if (!running->auth.oauth.server_name || json_object_get(auth, "oauth"))
		return 0;
	oauth = json_deep_copy(
		json_object_get(json_object_get(running->document, "auth"), "oauth"));
	json_array_foreach(json_object_get(oauth, "keys"), i, key)
		rc |= json_object_set_new(key, "key", json_string(running->auth.oauth.keys[i].key));
	return json_object_set_new(auth, "oauth", oauth) || rc ? -ENOMEM : 0;
}

int conf_reload(const struct conf *running, int (*prepare)(struct conf *conf, FILE *errors),
	struct conf_reload *out, FILE *errors)
{
	struct conf *fresh;
	json_t *merged;
	int rc;

	*out = (struct conf_reload){0};
	rc = conf_load_again(running->path, &fresh, errors);
	if (rc == 0 && prepare)
		rc = prepare(fresh, errors);
	if (rc) {
		conf_free(fresh);
		return rc;
	}
	merged = conf_document_merge(running->document, fresh->document);
	if (merged)
		rc = keep_oauth(running, merged);
	if (merged && rc == 0)
		rc = conf_veil_secrets(fresh, running->veil_key);
	if (merged && rc == 0) {
		conf_document_compare(running->document, fresh->document, note, out);
		// Sound apart, the old half and the new one may still contradict each other.
		rc = conf_load_json(running->path, merged, &out->conf, errors);
		if (rc == -EINVAL)
			fprintf(errors,
				"%s: the file is right by itself, but not together with the "
				"options that keep their old values until a restart\n",
				running->path);
	} else {
		fprintf(errors, "%s: %s\n", running->path, strerror(ENOMEM));
		rc = -ENOMEM;
	}
	if (rc == 0 && prepare)
		rc = prepare(out->conf, errors);
	if (rc == 0)
		rc = conf_veil_secrets(out->conf, running->veil_key);
	conf_document_forget(merged);
	conf_free(fresh);
	if (rc) {
		conf_free(out->conf);
		*out = (struct conf_reload){0};
	}
	return rc;
}
