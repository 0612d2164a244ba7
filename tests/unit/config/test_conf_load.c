// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/config/conf_try.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- what is right

static const char stable_example[] =
	"{"
	"  \"realm\": \"example.org\","
	"  \"run_directory\": \"/run/turnpike\","
	"  \"ports\":     [ { \"name\": \"wan\", \"mode\": \"af_xdp\", \"interface\": \"eth0\", "
	"\"queues\": 1 } ],"
	"  \"workers\":   { \"cores\": [1], \"idle\": \"backoff\" },"
	"  \"listeners\": [ { \"address\": \"198.18.0.2\", \"port\": 3478, \"transports\": "
	"[\"udp\", \"tcp\"] },"
	"                 { \"address\": \"198.18.0.2\", \"port\": 5349, \"transports\": [\"tls\", "
	"\"dtls\"] },"
	"                 { \"address\": \"fd00:198:18::2\", \"port\": 3478, \"transports\": "
	"[\"udp\", \"tcp\"] } ],"
	"  \"relay\":     { \"addresses\": [ { \"address\": \"198.18.0.2\" },"
	"                   { \"address\": \"10.0.0.5\", \"public\": \"203.0.113.5\" }, { "
	"\"prefix\": \"198.18.7.0/26\" } ],"
	"                 \"port_range\": [49152, 65535] },"
	"  \"tls\":       { \"certificate\": \"cert.pem\", \"key\": \"key.pem\" },"
	"  \"streams\":   { \"processes\": 1 },"
	"  \"auth\":      { \"users\": [ { \"name\": \"u\", \"password\": \"p\" } ], "
	"\"rest_secrets\": [\"s\"] },"
	"  \"peers\":     { \"allow\": [\"fd00:198:18::/64\"], \"deny\": [] },"
	"  \"quotas\":    { \"allocations_total\": 0, \"allocations_per_user\": 0, "
	"\"bits_per_second_per_allocation\": 0 },"
	"  \"metrics\":   { \"address\": \"127.0.0.1\", \"port\": 9641 }"
	"}";

static struct conf *load_good(const char *text)
{
	struct conf *conf;
	char *problems;
	int rc = try_load(text, strlen(text), &conf, &problems);

	assert_string_equal(problems, "");
	assert_int_equal(rc, 0);
	free(problems);
	return conf;
}

static void assert_ip(const struct tp_ip *ip, const char *text)
{
	char out[TP_ADDR_STRLEN];

	assert_string_equal(tp_ip_format(ip, out), text);
}

static void stable_example_loads_as_it_stands(void **state)
{
	struct conf *c = load_good(stable_example);

	assert_string_equal(c->realm, "example.org");
	assert_int_equal(c->n_ports, 1);
	assert_string_equal(c->ports[0].name, "wan");
	assert_string_equal(c->ports[0].interface, "eth0");
	assert_int_equal(c->workers.n_cores, 1);
	assert_int_equal(c->workers.cores[0], 1);
	assert_int_equal(c->workers.idle, CONF_IDLE_BACKOFF);
	assert_int_equal(c->n_listeners, 3);
	assert_int_equal(c->listeners[0].transports, CONF_TRANSPORT_UDP | CONF_TRANSPORT_TCP);
	assert_int_equal(c->listeners[1].transports, CONF_TRANSPORT_TLS | CONF_TRANSPORT_DTLS);
	assert_int_equal(c->listeners[1].port, 5349);
	assert_ip(&c->listeners[2].address, "fd00:198:18::2");
	assert_int_equal(c->relay.n_addresses, 3);
	assert_ip(&c->relay.addresses[0].public_address, "198.18.0.2");
	assert_int_equal(c->relay.addresses[0].prefix_bits, 32);
	assert_ip(&c->relay.addresses[1].address, "10.0.0.5");
	assert_ip(&c->relay.addresses[1].public_address, "203.0.113.5");
	assert_ip(&c->relay.addresses[2].address, "198.18.7.0");
	assert_int_equal(c->relay.addresses[2].prefix_bits, 26);
	assert_int_equal(c->relay.port_min, 49152);
	assert_int_equal(c->relay.port_max, 65535);
	assert_string_equal(c->tls.certificate, "cert.pem");
	assert_string_equal(c->auth.users[0].name, "u");
	assert_string_equal(c->auth.users[0].password, "p");
	assert_string_equal(c->auth.rest_secrets[0], "s");
	assert_int_equal(c->peers.n_allow, 1);
	assert_ip(&c->peers.allow[0].address, "fd00:198:18::");
	assert_int_equal(c->peers.allow[0].bits, 64);
	assert_int_equal(c->peers.n_deny, 0);
	assert_ip(&c->metrics.address, "127.0.0.1");
	assert_int_equal(c->metrics.port, 9641);
	conf_free(c);
}

static const char least[] = "{\"realm\":\"r\",\"ports\":[{\"name\":\"p\",\"interface\":\"eth0\"}],"
			    "\"listeners\":[{\"address\":\"192.0.2.1\"}],"
			    "\"relay\":{\"addresses\":[{\"address\":\"2001:db8::1\"}]}}";

#define KEY32       "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
#define KEY16       "MTIzNDU2Nzg5MDEyMzQ1Ng=="
#define OAUTH(keys) "{'auth':{'oauth':{'server_name':'t','keys':[" keys "]}}}"

static void keys_of_third_party_authorization(void **state)
{
	static const char text[] =
		"{\"realm\":\"r\",\"ports\":[{\"name\":\"p\",\"interface\":\"eth0\"}],"
		"\"listeners\":[{\"address\":\"192.0.2.1\"}],"
		"\"relay\":{\"addresses\":[{\"address\":\"2001:db8::1\"}]},"
		"\"auth\":{\"oauth\":{\"server_name\":\"turn.example.org\",\"keys\":["
		"{\"kid\":\"new\",\"key\":\"" KEY32 "\",\"algorithm\":\"A256GCM\"},"
		"{\"kid\":\"old\",\"key\":\"" KEY16 "\",\"algorithm\":\"A128GCM\","
		"\"timestamp\":1700000000,\"lifetime\":86400}]}}}";
	struct conf *c = load_good(text);

	assert_string_equal(c->auth.oauth.server_name, "turn.example.org");
	assert_int_equal(c->auth.oauth.n_keys, 2);
	assert_string_equal(c->auth.oauth.keys[0].kid, "new");
	assert_string_equal(c->auth.oauth.keys[0].key, KEY32);
	assert_int_equal(c->auth.oauth.keys[0].algorithm, CONF_OAUTH_A256GCM);
	assert_int_equal(c->auth.oauth.keys[0].timestamp, 0);
	assert_int_equal(c->auth.oauth.keys[0].lifetime_s, 0);
	assert_int_equal(c->auth.oauth.keys[1].algorithm, CONF_OAUTH_A128GCM);
	assert_int_equal(c->auth.oauth.keys[1].timestamp, 1700000000);
	assert_int_equal(c->auth.oauth.keys[1].lifetime_s, 86400);
	conf_free(c);
}

static void all_else_has_defaults(void **state)
{
	struct conf *c = load_good(least);

	assert_string_equal(c->path, "t.json");
	assert_string_equal(c->software, "Turnpike");
	assert_string_equal(c->run_directory, "/run/turnpike");
	assert_int_equal(c->log_level, CONF_LOG_INFO);
	assert_int_equal(c->ports[0].mode, CONF_PORT_AF_XDP);
	assert_int_equal(c->ports[0].queues, 1);
	assert_int_equal(c->workers.n_cores, 1);
	assert_int_equal(c->workers.cores[0], TRY_CORES - 1);
	assert_int_equal(c->workers.idle, CONF_IDLE_BACKOFF);
	assert_int_equal(c->listeners[0].port, 3478);
	assert_int_equal(c->listeners[0].transports, CONF_TRANSPORT_UDP);
	assert_int_equal(c->relay.addresses[0].prefix_bits, 128);
	assert_int_equal(c->relay.port_min, 49152);
	assert_int_equal(c->relay.port_max, 65535);
	assert_null(c->tls.certificate);
	assert_int_equal(c->streams.processes, 1);
	assert_int_equal(c->streams.connections, 65536);
	assert_int_equal(c->streams.buffer_bytes, 65536);
	assert_int_equal(c->streams.buffer_ms, 200);
	assert_int_equal(c->tls.minimum_version, CONF_TLS_1_2);
	assert_int_equal(c->auth.n_users + c->auth.n_rest_secrets, 0);
	assert_null(c->auth.oauth.server_name);
	assert_int_equal(c->auth.nonce_lifetime_s, 600);
	assert_int_equal(c->unauthenticated.per_address, 50000);
	assert_int_equal(c->unauthenticated.per_network, 200000);
	assert_int_equal(c->unauthenticated.punts, 20000);
	assert_int_equal(c->lifetimes.allocation_default_s, 600);
	assert_int_equal(c->lifetimes.allocation_max_s, 3600);
	assert_int_equal(c->lifetimes.permission_s, 300);
	assert_int_equal(c->lifetimes.channel_s, 600);
	assert_int_equal(c->lifetimes.port_rest_s, 60);
	assert_int_equal(c->limits.allocations, 131072);
	assert_int_equal(c->limits.flows, 4 * 131072);
	assert_int_equal(c->limits.mbufs, 32768);
	assert_int_equal(c->limits.routes, 16384);
	assert_int_equal(c->metrics.address.family, TP_FAMILY_NONE);
	assert_int_equal(c->forwarding.hop_limit, 0);
	assert_false(c->mobility);
	conf_free(c);
}

static void examples_load(void **state)
{
	static const char *const names[] = {"lab", "carrier", "public-nat"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[512];

		snprintf(
			path, sizeof(path), "%s/config/examples/%s.json", TP_SOURCE_ROOT, names[i]);
		char *text = try_read(path);
		struct conf *c = load_good(text);
		assert_true(c->relay.n_addresses > 0);
		conf_free(c);
		free(text);
	}
}

// The four of each family, those that the document has not twice.
static void discovery_adds_its_listeners(void **state)
{
	static const struct {
		const char *address;
		uint16_t port;
	} expected[] = {{"192.0.2.9", 5000}, {"10.0.0.5", 3478}, {"10.0.0.6", 3480},
		{"2001:db8::1", 3478}, {"10.0.0.5", 3480}, {"10.0.0.6", 3478},
		{"2001:db8::1", 3480}, {"2001:db8::2", 3478}, {"2001:db8::2", 3480}};
	struct conf *c = load_good(
		"{\"realm\":\"r\",\"ports\":[{\"name\":\"p\",\"interface\":\"eth0\"}],"
		"\"listeners\":[{\"address\":\"192.0.2.9\",\"port\":5000,\"transports\":[\"tcp\"]},"
		"{\"address\":\"10.0.0.5\"},{\"address\":\"10.0.0.6\",\"port\":3480},"
		"{\"address\":\"2001:db8::1\"}],\"relay\":{\"addresses\":["
		"{\"address\":\"10.0.0.5\",\"public\":\"203.0.113.5\"}]},"
		"\"nat_discovery\":{\"alternate_address\":\"10.0.0.6\","
		"\"alternate_address6\":\"2001:db8::2\",\"alternate_port\":3480}}");
	struct conf_discovery_place at;

	assert_int_equal(c->n_listeners, 9);
	assert_int_equal(c->nat_discovery.n_listeners, 5);
	for (size_t i = 0; i < 9; i++) {
		const struct conf_listener *l = &c->listeners[i];
		struct tp_addr addr = {.ip = l->address, .port = l->port};

		assert_ip(&l->address, expected[i].address);
		assert_int_equal(l->port, expected[i].port);
		assert_int_equal(l->transports, i == 0 ? CONF_TRANSPORT_TCP : CONF_TRANSPORT_UDP);
		assert_int_equal(conf_discovery_find(c->nat_discovery.families, &addr, &at), i > 0);
		if (i == 0)
			continue;
		assert_ip(&at.of->address[at.address], expected[i].address);
		assert_int_equal(at.of->port[at.port], expected[i].port);
	}
	assert_ip(&c->nat_discovery.families[0].public_address[0], "203.0.113.5");
	assert_ip(&c->nat_discovery.families[0].public_address[1], "10.0.0.6");
	conf_free(c);
}

// ---- what is wrong: keys of a good document replaced, and all that is then printed

struct mistake {
	const char *changes;
	const char *problems;
};

static const char base[] =
	"{\"realm\":\"r\",\"ports\":[{\"name\":\"p\",\"interface\":\"eth0\"}],"
	"\"workers\":{\"cores\":[1]},"
	"\"listeners\":[{\"address\":\"192.0.2.1\",\"port\":3478}],"
	"\"relay\":{\"addresses\":[{\"address\":\"192.0.2.1\"}],\"port_range\":[50000,60000]}}";

// Single quotes stand for double ones.
static const struct mistake mistakes[] = {
	// Keys.
	{"{'realmm':'x'}", "t.json: realmm: unknown key; did you mean \"realm\"?\n"},
	{"{'Metrics':{}}", "t.json: Metrics: unknown key; did you mean \"metrics\"?\n"},
	{"{'listners':[]}", "t.json: listners: unknown key; did you mean \"listeners\"?\n"},
	{"{'xyzzy':1}", "t.json: xyzzy: unknown key\n"},
	{"{'nonce_lifetime_s':1}",
		"t.json: nonce_lifetime_s: unknown key; did you mean \"auth.nonce_lifetime_s\"?\n"},
	{"{'ports':[{'name':'p','interface':'eth0','queue':1}]}",
		"t.json: ports[0].queue: unknown key; did you mean \"queues\"?\n"},
	{"{'quotas':{'a\\nb':1}}", "t.json: quotas.a\\x0ab: unknown key\n"},
	{"{'realm':null,'ports':null}",
		"t.json: realm: must be a string of 1 to 127 characters, is null\n"
		"t.json: ports: must be a list of 1 to 8 objects, is null\n"},
	// Types and ranges.
	{"{'realm':5}", "t.json: realm: must be a string of 1 to 127 characters, is 5\n"},
	{"{'realm':''}", "t.json: realm: must be a string of 1 to 127 characters, is \"\"\n"},
	{"{'realm':'a\\tb'}", "t.json: realm: has a control character\n"},
	{"{'realm':'a\\\"b'}",
		"t.json: realm: has a quotation mark or a backslash, which a realm cannot have\n"},
	{"{'realm':'a\\\\b'}",
		"t.json: realm: has a quotation mark or a backslash, which a realm cannot have\n"},
	{"{'realm':{},'ports':{}}",
		"t.json: realm: must be a string of 1 to 127 characters, is an object\n"
		"t.json: ports: must be a list of 1 to 8 objects, is an object\n"},
	{"{'run_directory':'run'}", "t.json: run_directory: \"run\" is not an absolute path\n"},
	{"{'log_level':'inof'}", "t.json: log_level: must be \"error\", \"warning\", \"notice\", "
				 "\"info\" or \"debug\", is "
				 "\"inof\"; did you mean \"info\"?\n"},
	{"{'log_level':3}", "t.json: log_level: must be \"error\", \"warning\", \"notice\", "
			    "\"info\" or \"debug\", is 3\n"},
	{"{'workers':[]}", "t.json: workers: must be an object, is a list of 0\n"},
	{"{'streams':{'processes':1.5}}", "t.json: streams.processes: must be an integer from 0 to "
					  "64, is a number with a fraction "
					  "or exponent\n"},
	{"{'streams':{'processes':true}}",
		"t.json: streams.processes: must be an integer from 0 to 64, is true\n"},
	{"{'streams':{'processes':65}}",
		"t.json: streams.processes: must be an integer from 0 to 64, is 65\n"},
	{"{'streams':{'processes':-1}}",
		"t.json: streams.processes: must be an integer from 0 to 64, is -1\n"},
	{"{'quotas':{'allocations_total':-1}}",
		"t.json: quotas.allocations_total: must be an integer of 0 or more, is -1\n"},
	{"{'limits':{'flows':0}}",
		"t.json: limits.flows: must be an integer from 4 to 134217728, is 0\n"},
	{"{'alternate_servers':{}}", "t.json: alternate_servers.servers: is required\n"},
	{"{'alternate_servers':{'servers':[]}}", "t.json: alternate_servers.servers: must be a "
						 "list of 1 to 16 objects, is a list of "
						 "0\n"},
	{"{'alternate_servers':{'servers':[{'address':'192.0.2.1'}]}}",
		"t.json: alternate_servers.servers[0]: is listeners[0]\n"},
	{"{'relay':{'addresses':[{'prefix':'192.0.2.0/31','public':'203.0.113.4'}]},"
	 "'alternate_servers':{'servers':[{'address':'203.0.113.5'}]}}",
		"t.json: alternate_servers.servers[0]: is listeners[0]\n"},
	{"{'alternate_servers':{'servers':[{'address':'192.0.2.2'},{'address':'192.0.2.2'}]}}",
		"t.json: alternate_servers.servers[1]: is the same as "
		"alternate_servers.servers[0]\n"},
	{"{'compatibility':{'stun':'rfc5389'}}",
		"t.json: compatibility.stun: must be \"rfc8489\" or \"rfc3489\", is "
		"\"rfc5389\"; did you mean \"rfc8489\"?\n"},
	{"{'quotas':{'permissions_per_allocation':2049}}",
		"t.json: quotas.permissions_per_allocation: must be an integer from 1 to 2048, is "
		"2049\n"},
	// Ports.
	{"{'ports':[]}", "t.json: ports: must be a list of 1 to 8 objects, is a list of 0\n"},
	{"{'ports':['eth0']}", "t.json: ports[0]: must be an object, is \"eth0\"\n"},
	{"{'ports':[{'interface':'eth0'}]}", "t.json: ports[0].name: is required\n"},
	{"{'ports':[{'name':'p'}]}",
		"t.json: ports[0]: \"interface\" is required in mode \"af_xdp\"\n"},
	{"{'ports':[{'name':'p','mode':'bench','interface':'eth0'}]}",
		"t.json: ports[0]: \"vdev\" is required in mode \"bench\"\n"},
	{"{'ports':[{'name':'p','mode':'dpdk','interface':'eth0'}]}",
		"t.json: ports[0].mode: must be \"af_xdp\" or \"bench\", is \"dpdk\"\n"},
	{"{'ports':[{'name':'p','interface':'a-name-too-long-'}]}",
		"t.json: ports[0].interface: must be a string of 1 to 15 bytes, is "
		"\"a-name-too-long-\"\n"},
	{"{'ports':[{'name':'p','interface':'e/0'}]}",
		"t.json: ports[0].interface: \"e/0\" cannot be the name of an interface\n"},
	{"{'ports':[{'name':'p q','interface':'eth0'}]}",
		"t.json: ports[0].name: \"p q\" has characters other than letters, digits, dot, "
		"dash and "
		"underscore\n"},
	{"{'ports':[{'name':'p','interface':'eth0'},{'name':'p','interface':'eth0'}]}",
		"t.json: ports[1].name: \"p\" is the name of ports[0] too\n"
		"t.json: ports[1].interface: \"eth0\" is the interface of ports[0] too\n"},
	// Workers.
	{"{'workers':{'cores':[]}}",
		"t.json: workers.cores: must be a list of 1 to 16 integers, is a list of 0\n"},
	{"{'workers':{'cores':[16]}}", "t.json: workers.cores[0]: core 16 does not exist: this "
				       "machine has cores 0 to 15\n"},
	{"{'workers':{'cores':[2,3,2]}}",
		"t.json: workers.cores[2]: core 2 is workers.cores[0] too\n"},
	// Listeners.
	{"{'listeners':[{}]}", "t.json: listeners[0].address: is required\n"},
	{"{'listeners':[{'address':'192.0.2.1'},{'address':'192.0.2.2','port':'3478'}]}",
		"t.json: listeners[1].port: must be an integer from 1 to 65535, is \"3478\"\n"},
	{"{'listeners':[{'address':'192.0.2.1','port':0}]}",
		"t.json: listeners[0].port: must be an integer from 1 to 65535, is 0\n"},
	{"{'listeners':[{'address':'192.0.2.1','port':65536}]}",
		"t.json: listeners[0].port: must be an integer from 1 to 65535, is 65536\n"},
	{"{'listeners':[{'address':'192.0.2.256'}]}", "t.json: listeners[0].address: must be an "
						      "IPv4 or IPv6 address, is \"192.0.2.256\"\n"},
	{"{'listeners':[{'address':'0.0.0.0'}]}",
		"t.json: listeners[0].address: 0.0.0.0 is the unspecified address\n"},
	{"{'listeners':[{'address':'::'}]}",
		"t.json: listeners[0].address: :: is the unspecified address\n"},
	{"{'listeners':[{'address':'127.0.0.1'}]}",
		"t.json: listeners[0].address: 127.0.0.1 is a loopback address\n"},
	{"{'listeners':[{'address':'::1'}]}",
		"t.json: listeners[0].address: ::1 is a loopback address\n"},
	{"{'listeners':[{'address':'224.0.0.1'}]}",
		"t.json: listeners[0].address: 224.0.0.1 is a multicast address\n"},
	{"{'listeners':[{'address':'ff02::1'}]}",
		"t.json: listeners[0].address: ff02::1 is a multicast address\n"},
	{"{'listeners':[{'address':'255.255.255.255'}]}",
		"t.json: listeners[0].address: 255.255.255.255 is the broadcast address\n"},
	{"{'listeners':[{'address':'169.254.1.1'}]}",
		"t.json: listeners[0].address: 169.254.1.1 is a link-local address\n"},
	{"{'listeners':[{'address':'fe80::1'}]}",
		"t.json: listeners[0].address: fe80::1 is a link-local address\n"},
	{"{'listeners':[{'address':'::ffff:192.0.2.1'}]}",
		"t.json: listeners[0].address: ::ffff:192.0.2.1 is IPv4 in an IPv6 form; write it "
		"as IPv4\n"},
	{"{'listeners':[{'address':'192.0.2.1','transports':[]}]}",
		"t.json: listeners[0].transports: must be a list of at least one of \"udp\", "
		"\"tcp\", "
		"\"tls\" or \"dtls\", is a list of 0\n"},
	{"{'listeners':[{'address':'192.0.2.1','transports':['udp','upd','udp']}]}",
		"t.json: listeners[0].transports[1]: must be \"udp\", \"tcp\", \"tls\" or "
		"\"dtls\", is "
		"\"upd\"; did you mean \"udp\"?\n"
		"t.json: listeners[0].transports[2]: \"udp\" is there twice\n"},
	{"{'listeners':[{'address':'192.0.2.1'},{'address':'192.0.2.1','transports':['dtls']}],"
	 "'tls':{'certificate':'c','key':'k'}}",
		"t.json: listeners[1]: overlaps listeners[0]: both take UDP 192.0.2.1:3478\n"},
	{"{'listeners':[{'address':'2001:db8::1','transports':['tcp']},"
	 "{'address':'2001:DB8:0::1','transports':['udp','tcp']}]}",
		"t.json: listeners[1]: overlaps listeners[0]: both take TCP [2001:db8::1]:3478\n"},
	{"{'listeners':[{'address':'192.0.2.1','port':5349,'transports':['tls']}]}",
		"t.json: listeners[0].transports: tls and dtls need the section \"tls\" with "
		"certificate "
		"and key\n"},
	{"{'listeners':[{'address':'192.0.2.1','proxy_protocol':true}]}",
		"t.json: listeners[0].proxy_protocol: is of tcp and tls, and the listener has "
		"neither\n"
		"t.json: listeners[0].proxy_protocol: needs streams.proxy_sources: nobody may "
		"come there\n"},
	{"{'listeners':[{'address':'192.0.2.1','transports':['tcp'],'proxy_protocol':true}],"
	 "'streams':{'proxy_sources':['198.18.0.0/15','10.0.0.1/8']}}",
		"t.json: streams.proxy_sources[1]: \"10.0.0.1/8\" has bits set behind the prefix "
		"length, or a length beyond the address\n"},
	{"{'listeners':[{'address':'192.0.2.1','port':55555}]}",
		"t.json: listeners[0].port: 55555 lies in relay.port_range, and the address is of "
		"relay.addresses[0]\n"},
	{"{'mobility':1}", "t.json: mobility: must be true or false, is 1\n"},
	{"{'mobility':'true'}", "t.json: mobility: must be true or false, is \"true\"\n"},
	// NAT behaviour discovery.
	{"{'nat_discovery':{}}", "t.json: nat_discovery: needs \"alternate_address\" or "
				 "\"alternate_address6\"\n"},
	{"{'nat_discovery':{'alternate_address':'192.0.2.1'}}",
		"t.json: nat_discovery.alternate_address: must differ from the address of "
		"listeners[0]\n"},
	{"{'nat_discovery':{'alternate_address':'192.0.2.2','alternate_port':3478}}",
		"t.json: nat_discovery.alternate_port: must differ from the port of "
		"listeners[0]\n"},
	{"{'nat_discovery':{'alternate_address':'192.0.2.2','alternate_port':0}}",
		"t.json: nat_discovery.alternate_port: must be an integer from 1 to 65535, is 0\n"},
	{"{'nat_discovery':{'alternate_address':'2001:db8::2'}}",
		"t.json: nat_discovery.alternate_address: is IPv6, must be IPv4\n"},
	{"{'nat_discovery':{'alternate_address6':'192.0.2.2'}}",
		"t.json: nat_discovery.alternate_address6: is IPv4, must be IPv6\n"},
	{"{'nat_discovery':{'alternate_address6':'2001:db8::2'}}",
		"t.json: nat_discovery.alternate_address6: there is no IPv6 listener with udp "
		"beside it\n"},
	{"{'listeners':[{'address':'192.0.2.1','transports':['tcp']}],"
	 "'nat_discovery':{'alternate_address':'192.0.2.2'}}",
		"t.json: nat_discovery.alternate_address: there is no IPv4 listener with udp "
		"beside it\n"},
	{"{'nat_discovery':{'alternate_address':'192.0.2.2','alternate_port':50001}}",
		"t.json: nat_discovery: 192.0.2.1:50001 lies in relay.port_range, and the address "
		"is of relay.addresses[0]\n"},
	{"{'listeners':[{'address':'192.0.2.1','port':50001}],"
	 "'relay':{'addresses':[{'address':'192.0.2.2'}],'port_range':[50000,60000]},"
	 "'nat_discovery':{'alternate_address':'192.0.2.2'}}",
		"t.json: nat_discovery: 192.0.2.2:50001 lies in relay.port_range, and the address "
		"is of relay.addresses[0]\n"},
	{"{'listeners':[{'address':'192.0.2.1'},{'address':'192.0.2.2','port':3479,"
	 "'transports':['dtls']}],'tls':{'certificate':'c','key':'k'},"
	 "'nat_discovery':{'alternate_address':'192.0.2.2'}}",
		"t.json: nat_discovery: needs UDP 192.0.2.2:3479, which listeners[1] takes for "
		"dtls\n"},
	{"{'nat_discovery':{'alternate_address':'127.0.0.1'}}",
		"t.json: nat_discovery.alternate_address: 127.0.0.1 is a loopback address\n"},
	// Relay.
	{"{'relay':{}}", "t.json: relay.addresses: is required\n"},
	{"{'relay':{'addresses':[]}}",
		"t.json: relay.addresses: must be a list of 1 to 256 objects, is a list of 0\n"},
	{"{'relay':{'addresses':[{'address':'192.0.2.1'}],'port_range':[65535,49152]}}",
		"t.json: relay.port_range: is upside down: 65535 is above 49152\n"},
	{"{'relay':{'addresses':[{'address':'192.0.2.1'}],'port_range':[0,65536]}}",
		"t.json: relay.port_range[0]: must be an integer from 1024 to 65535, is 0\n"
		"t.json: relay.port_range[1]: must be an integer from 1024 to 65535, is 65536\n"},
	{"{'relay':{'addresses':[{'address':'192.0.2.1'}],'port_range':[]}}",
		"t.json: relay.port_range: must be a list of two integers from 1024 to 65535, is a "
		"list of "
		"0\n"},
	{"{'relay':{'addresses':[{}]}}", "t.json: relay.addresses[0]: must have exactly one of the "
					 "keys \"address\" or \"prefix\", "
					 "has 0\n"},
	{"{'relay':{'addresses':[{'address':'192.0.2.1','prefix':'192.0.2.1'}]}}",
		"t.json: relay.addresses[0]: must have exactly one of the keys \"address\" or "
		"\"prefix\", "
		"has 2\n"},
	{"{'relay':{'addresses':[{'prefix':'198.18.7.1/26'}]}}",
		"t.json: relay.addresses[0].prefix: \"198.18.7.1/26\" has bits set behind the "
		"prefix "
		"length, or a length beyond the address\n"},
	{"{'relay':{'addresses':[{'prefix':'198.18.7.0/x'}]}}",
		"t.json: relay.addresses[0].prefix: must be a prefix like 198.18.0.0/15 or "
		"2001:db8::/32, "
		"is \"198.18.7.0/x\"\n"},
	{"{'relay':{'addresses':[{'prefix':'255.255.255.0/24'}]}}",
		"t.json: relay.addresses[0].prefix: 255.255.255.0/24 holds what is the broadcast "
		"address\n"},
	{"{'relay':{'addresses':[{'prefix':'198.18.0.0/19'}]}}",
		"t.json: relay.addresses: all prefixes and listeners make more than 4096 "
		"addresses\n"},
	{"{'relay':{'addresses':[{'prefix':'198.18.0.0/20'}]}}",
		"t.json: relay.addresses: all prefixes and listeners make more than 4096 "
		"addresses\n"},
	{"{'relay':{'addresses':[{'prefix':'2001:db8::/32'}]}}",
		"t.json: relay.addresses: all prefixes and listeners make more than 4096 "
		"addresses\n"},
	{"{'relay':{'addresses':[{'address':'10.0.0.5','public':'2001:db8::5'}]}}",
		"t.json: relay.addresses[0].public: is IPv6, but the address is IPv4\n"},
	{"{'relay':{'addresses':[{'prefix':'10.0.0.4/31','public':'203.0.113.5'}]}}",
		"t.json: relay.addresses[0].public: must be the first address of a prefix as long "
		"as the private one, /31: that would be 203.0.113.4\n"},
	{"{'relay':{'addresses':[{'prefix':'2001:db8:0:1::/120','public':'2001:db8::101'}]}}",
		"t.json: relay.addresses[0].public: must be the first address of a prefix as long "
		"as the private one, /120: that would be 2001:db8::100\n"},
	{"{'relay':{'addresses':[{'prefix':'10.0.0.0/28','public':'255.255.255.240'}]}}",
		"t.json: relay.addresses[0].public: 255.255.255.240/28 holds the broadcast "
		"address\n"},
	{"{'relay':{'addresses':[{'prefix':'10.0.0.0/28','public':'2001:db8::'}]}}",
		"t.json: relay.addresses[0].public: is IPv6, but the address is IPv4\n"},
	// Prefixes in public form, in every way that two can meet.
	{"{'relay':{'addresses':[{'prefix':'10.0.0.0/28','public':'203.0.113.16'},"
	 "{'address':'10.1.0.1','public':'203.0.113.31'}]}}",
		"t.json: relay.addresses[1]: its public address is one of relay.addresses[0] "
		"too\n"},
	{"{'relay':{'addresses':[{'address':'203.0.113.17'},"
	 "{'prefix':'10.0.0.0/28','public':'203.0.113.16'}]}}",
		"t.json: relay.addresses[1]: its public address is one of relay.addresses[0] "
		"too\n"},
	{"{'relay':{'addresses':[{'prefix':'10.0.0.0/28','public':'203.0.113.16'},"
	 "{'prefix':'203.0.113.0/24'}]}}",
		"t.json: relay.addresses[1]: its public address is one of relay.addresses[0] "
		"too\n"},
	{"{'relay':{'addresses':[{'prefix':'2001:db8:0:1::/120','public':'2001:db8:0:2::'},"
	 "{'prefix':'2001:db8:0:3::/124','public':'2001:db8:0:2::10'}]}}",
		"t.json: relay.addresses[1]: its public address is one of relay.addresses[0] "
		"too\n"},
	{"{'relay':{'addresses':[{'address':'2001:db8::5','public':'2001:db8:0:1::5'},"
	 "{'address':'2001:db8:0:1::5'}]}}",
		"t.json: relay.addresses[1]: its public address is one of relay.addresses[0] "
		"too\n"},
	{"{'relay':{'addresses':[{'address':'10.0.0.5'},{'address':'10.0.0.5'}]}}",
		"t.json: relay.addresses[1]: 10.0.0.5/32 overlaps relay.addresses[0]\n"},
	{"{'relay':{'addresses':[{'prefix':'10.0.0.0/28'},{'prefix':'10.0.0.8/29'}]}}",
		"t.json: relay.addresses[1]: 10.0.0.8/29 overlaps relay.addresses[0]\n"},
	{"{'relay':{'addresses':[{'address':'10.0.0.5','public':'203.0.113.5'},"
	 "{'address':'10.0.0.6','public':'203.0.113.5'}]}}",
		"t.json: relay.addresses[1]: its public address is one of relay.addresses[0] "
		"too\n"},
	{"{'relay':{'addresses':[{'address':'203.0.113.5'},"
	 "{'address':'10.0.0.6','public':'203.0.113.5'}]}}",
		"t.json: relay.addresses[1]: its public address is one of relay.addresses[0] "
		"too\n"},
	// Users and secrets: no value of a secret is ever printed.
	{"{'auth':{'users':[{'name':'u'}]}}", "t.json: auth.users[0]: must have exactly one of the "
					      "keys \"password\" or \"key\", has 0\n"},
	{"{'auth':{'users':[{'name':'u','password':''}]}}",
		"t.json: auth.users[0].password: must be a string of 1 to 1024 bytes, is a string "
		"of 0 "
		"bytes\n"},
	{"{'auth':{'users':[{'name':'u','password':'p','key':'00112233445566778899aabbccddeeff'}]}"
	 "}",
		"t.json: auth.users[0]: must have exactly one of the keys \"password\" or \"key\", "
		"has 2\n"},
	{"{'auth':{'users':[{'name':'u','key':'00112233445566778899aabbccddeefg'}]}}",
		"t.json: auth.users[0].key: has characters other than hexadecimal digits\n"},
	{"{'auth':{'users':[{'name':'u','key':'001122'}]}}",
		"t.json: auth.users[0].key: must be a string of 32 bytes, is a string of 6 "
		"bytes\n"},
	{"{'auth':{'users':[{'name':'u','password':'p','key_sha256':"
	 "'00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'}]}}",
		"t.json: auth.users[0]: \"key_sha256\" has its place beside \"key\"\n"},
	{"{'auth':{'users':[{'name':'u','password':'p','realm':'b.example.org'}]}}",
		"t.json: auth.users[0].realm: no listener is of the realm \"b.example.org\"\n"},
	{"{'auth':{'rest_expiry':'never'}}",
		"t.json: auth.rest_expiry: must be \"allocate\" or \"always\", is \"never\"\n"},
	{"{'auth':{'users':[{'name':'u','password':1234}]}}",
		"t.json: auth.users[0].password: must be a string of 1 to 1024 bytes, is an "
		"integer\n"},
	{"{'auth':{'users':[{'name':'b','password':'1'},{'name':'a','password':'2'},"
	 "{'name':'b','password':'3'},{'name':'b','password':'4'}]}}",
		"t.json: auth.users[2].name: \"b\" is the name of auth.users[0] too\n"
		"t.json: auth.users[3].name: \"b\" is the name of auth.users[2] too\n"},
	{"{'auth':{'rest_secrets':['']}}", "t.json: auth.rest_secrets[0]: must be a string of 1 to "
					   "1024 bytes, is a string of 0 "
					   "bytes\n"},
	{"{'auth':{'rest_secrets':['s','t','s']}}",
		"t.json: auth.rest_secrets[2]: is the same as auth.rest_secrets[0]\n"},

	// Third-party authorization: kids differ, keys have the length of their algorithm.
	{"{'auth':{'oauth':{'server_name':''}}}",
		"t.json: auth.oauth.server_name: must be a string of 1 to 64 bytes, is \"\"\n"
		"t.json: auth.oauth.keys: is required\n"},
	{"{'auth':{'oauth':{'server_name':'t','keys':[]}}}",
		"t.json: auth.oauth.keys: must be a list of 1 to 64 objects, is a list of 0\n"},
	{OAUTH("{'kid':'a','key':'secret','algorithm':'A256GCM'}"),
		"t.json: auth.oauth.keys[0].key: is not base64\n"},
	{OAUTH("{'kid':'a','key':'" KEY16 "','algorithm':'A256GCM'}"),
		"t.json: auth.oauth.keys[0].key: has 16 bytes; A256GCM takes 32\n"},
	{OAUTH("{'kid':'a','key':'" KEY32 "','algorithm':'A128GCM'}"),
		"t.json: auth.oauth.keys[0].key: has 32 bytes; A128GCM takes 16\n"},
	{OAUTH("{'kid':'a','key':'" KEY32 "','algorithm':'A256GCMKW'}"),
		"t.json: auth.oauth.keys[0].algorithm: must be \"A256GCM\" or \"A128GCM\", is "
		"\"A256GCMKW\"; did you mean \"A256GCM\"?\n"},
	{OAUTH("{'kid':'a','key':['secret'],'algorithm':'A128GCM','lifetime':60}"),
		"t.json: auth.oauth.keys[0].key: must be a string of 1 to 128 bytes, is a list of "
		"1\n"
		"t.json: auth.oauth.keys[0].lifetime: needs \"timestamp\", from when it counts\n"},
	{OAUTH("{'kid':'a','key':'" KEY32 "','algorithm':'A256GCM'},"
	       "{'kid':'a','key':'" KEY16 "','algorithm':'A128GCM'}"),
		"t.json: auth.oauth.keys[1].kid: \"a\" is the kid of auth.oauth.keys[0] too\n"},
	{OAUTH("{'kid':'44444444444444444444444444444444444444444444','key':'" KEY32
	       "','algorithm':'A256GCM'}"),
		"t.json: auth.oauth.keys[0].kid: must be a string of 1 to 43 bytes, is "
		"\"44444444444444444444444444444444444444444444\"\n"},
	// The rest.
	{"{'peers':{'allow':['10.0.0.0/8','10.0.0.0/8'],'deny':['10.0.0.0/8','10.0.0.0/33']}}",
		"t.json: peers.deny[1]: \"10.0.0.0/33\" has bits set behind the prefix length, or "
		"a length "
		"beyond the address\n"
		"t.json: peers.allow[1]: is the same as peers.allow[0]\n"
		"t.json: peers.deny[0]: is peers.allow[0] too\n"
		"t.json: peers.deny[0]: is peers.allow[1] too\n"},
	{"{'lifetimes':{'allocation_default_s':3601}}",
		"t.json: lifetimes.allocation_default_s: 3601 is more than "
		"lifetimes.allocation_max_s, "
		"which is 3600\n"},
	{"{'tls':{'certificate':'c'}}", "t.json: tls.key: is required\n"},
	{"{'metrics':{'address':'224.0.0.1'}}",
		"t.json: metrics.address: 224.0.0.1 is a multicast address\n"},
	{"{'listeners':[{'address':'192.0.2.9','transports':['tcp']}],"
	 "'metrics':{'address':'192.0.2.9','port':3478}}",
		"t.json: metrics: takes the TCP port of listeners[0]\n"},
};

// A document with this many relay addresses: every fourth is a prefix, every fifth has a public
// form. `twice` repeats one of them at the end.
static char *many_relays(unsigned int n, int twice)
{
	char *text;
	size_t length;
	FILE *f = open_memstream(&text, &length);

	fprintf(f, "{\"realm\":\"r\",\"ports\":[{\"name\":\"p\",\"interface\":\"eth0\"}],"
		   "\"listeners\":[{\"address\":\"192.0.2.1\"}],\"relay\":{\"addresses\":[");
	for (unsigned int k = 0; k < n; k++) {
		unsigned int i = twice >= 0 && k == n - 1 ? (unsigned int)twice : k;
		if (i % 4 == 0)
			fprintf(f, "{\"prefix\":\"10.%u.0.16/28\"", i);
		else
			fprintf(f, "{\"address\":\"10.%u.0.1\"", i);
		if (i % 5 == 0)
			fprintf(f, ",\"public\":\"203.0.%u.%u\"", i, i % 4 == 0 ? 16 : 1);
		fprintf(f, "}%s", k + 1 < n ? "," : "");
	}
	fprintf(f, "]}}");
	fclose(f);
	return text;
}

static void a_pool_holds_256_entries(void **state)
{
	char *text = many_relays(256, -1), *problems;
	struct conf *c;

	assert_int_equal(try_load(text, strlen(text), &c, &problems), 0);
	assert_string_equal(problems, "");
	assert_int_equal(c->relay.n_addresses, 256);
	assert_int_equal(c->relay.addresses[252].prefix_bits, 28);
	assert_ip(&c->relay.addresses[252].address, "10.252.0.16");
	assert_ip(&c->relay.addresses[220].public_address, "203.0.220.16");
	assert_ip(&c->relay.addresses[255].public_address, "203.0.255.1");
	conf_free(c);
	free(problems);
	free(text);

	text = many_relays(257, -1);
	assert_int_equal(try_load(text, strlen(text), &c, &problems), -EINVAL);
	assert_string_equal(problems, "t.json: relay.addresses: must be a list of 1 to 256 "
				      "objects, is a list of 257\n");
	free(problems);
	free(text);

	// The very last one against the very first.
	text = many_relays(256, 0);
	assert_int_equal(try_load(text, strlen(text), &c, &problems), -EINVAL);
	assert_string_equal(problems,
		"t.json: relay.addresses[255]: 10.0.0.16/28 overlaps relay.addresses[0]\n");
	free(problems);
	free(text);
}

// The discovery's answers show the public form of a listener inside a prefix.
static void discovery_in_a_public_prefix(void **state)
{
	static const char text[] =
		"{\"realm\":\"r\",\"ports\":[{\"name\":\"p\",\"interface\":\"eth0\"}],"
		"\"listeners\":[{\"address\":\"10.0.0.6\"}],"
		"\"relay\":{\"addresses\":[{\"prefix\":\"10.0.0.0/28\",\"public\":"
		"\"203.0.113.32\"}]},"
		"\"nat_discovery\":{\"alternate_address\":\"10.0.0.7\"}}";
	char *problems;
	struct conf *c;

	assert_int_equal(try_load(text, strlen(text), &c, &problems), 0);
	assert_ip(&c->nat_discovery.families[0].public_address[0], "203.0.113.38");
	assert_ip(&c->nat_discovery.families[0].public_address[1], "203.0.113.39");
	conf_free(c);
	free(problems);
}

static char *double_quotes(const char *text)
{
	char *copy = strdup(text);

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return copy;
}

static void every_mistake_has_its_message(void **state)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		char *changes_text = double_quotes(mistakes[i].changes), *text, *problems;
		json_t *document = json_loads(base, 0, NULL);
		json_t *changes = json_loads(changes_text, 0, NULL);
		struct conf *conf = NULL;

		assert_non_null(document);
		if (!changes)
			fail_msg("not JSON: %s", changes_text);
		json_object_update(document, changes);
		text = json_dumps(document, 0);
		assert_int_equal(try_load(text, strlen(text), &conf, &problems), -EINVAL);
		assert_null(conf);
		if (strcmp(problems, mistakes[i].problems) != 0)
			fail_msg("%s\n  gave: %s  want: %s", mistakes[i].changes, problems,
				mistakes[i].problems);
		free(problems);
		free(text);
		free(changes_text);
		json_decref(changes);
		json_decref(document);
	}
}

static void base_of_the_mistakes_is_good(void **state)
{
	conf_free(load_good(base));
}

static void all_that_is_missing_is_named(void **state)
{
	struct conf *conf;
	char *problems;

	assert_int_equal(try_load("{}", 2, &conf, &problems), -EINVAL);
	assert_string_equal(problems, "t.json: realm: is required\n"
				      "t.json: ports: is required\n"
				      "t.json: listeners: is required\n"
				      "t.json: relay: is required\n");
	free(problems);
}

// ---- what is no document

static void text_gives(const char *text, size_t length, const char *expected)
{
	struct conf *conf;
	char *problems;

	assert_int_equal(try_load(text, length, &conf, &problems), -EINVAL);
	assert_null(conf);
	assert_string_equal(problems, expected);
	free(problems);
}

static void broken_text_names_line_and_column(void **state)
{
	text_gives("", 0, "t.json: is empty\n");
	text_gives(" \n\t\r\n", 5, "t.json: is empty\n");
	text_gives("[1]", 3, "t.json: must be an object, is a list of 1\n");
	text_gives("{\n \"realm\": \"r\",\n}", 18,
		"t.json: line 3, column 1: string or '}' expected\n");
	text_gives("{\"realm\": \"r\"", 13,
		"t.json: line 1, column 13: '}' expected near end of file\n");
	text_gives("{\"realm\": \"r\", \"realm\": \"s\"}", 28,
		"t.json: line 1, column 22: duplicate object key near '\"realm\"'\n");
	text_gives("{\"realm\": \"\xff\"}", 13, "t.json: line 1, column 11: not UTF-8\n");
	text_gives("{} x", 4, "t.json: line 1, column 4: end of file expected\n");
}

static void syntax_error_quotes_no_secret(void **state)
{
	static const char text[] =
		"{\"auth\": {\"users\": [{\"password\": \"hunter2\" \"name\": 1}]}}";
	struct conf *conf;
	char *problems;

	assert_int_equal(try_load(text, strlen(text), &conf, &problems), -EINVAL);
	assert_null(strstr(problems, "hunter2"));
	free(problems);
}

// ---- files

struct files {
	char directory[64], config[96];
};

static int files_setup(void **state)
{
	struct files *f = calloc(1, sizeof(*f));

	strcpy(f->directory, "/tmp/turnpike-conf-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->config, sizeof(f->config), "%s/c.json", f->directory);
	*state = f;
	return 0;
}

static int files_teardown(void **state)
{
	struct files *f = *state;
	static const char *const names[] = {"c.json", "cert.pem", "key.pem"};

	for (size_t i = 0; i < 3; i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", f->directory, names[i]);
		unlink(path);
	}
	rmdir(f->directory);
	free(f);
	return 0;
}

static void write_file(const struct files *f, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->directory, name);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void file_gives(const char *path, int expected_rc, const char *expected)
{
	struct conf *conf;
	char *problems, whole[512];
	FILE *errors = try_stream(&problems);

	assert_int_equal(conf_load(path, &conf, errors), expected_rc);
	fclose(errors);
	snprintf(whole, sizeof(whole), "%s: %s\n", path, expected);
	assert_string_equal(problems, whole);
	assert_null(conf);
	free(problems);
}

static void unreadable_files_say_why(void **state)
{
	struct files *f = *state;

	file_gives(f->config, -ENOENT, "cannot be read: No such file or directory");
	file_gives(f->directory, -EISDIR, "cannot be read: Is a directory");
	file_gives("/dev/null", -EINVAL, "is empty");
	file_gives("/dev/zero", -EFBIG, "is larger than 16 MiB");
	write_file(f, "c.json", "{}");
	assert_int_equal(chmod(f->config, 0), 0);
	if (geteuid() != 0)
		file_gives(f->config, -EACCES, "cannot be read: Permission denied");
}

static void largest_file_is_read_whole(void **state)
{
	struct files *f = *state;
	FILE *out = fopen(f->config, "w"), *errors;
	struct conf *conf;
	char *problems;

	fprintf(out, "%s%*s", least, (int)((16U << 20) - strlen(least)), "");
	fclose(out);
	errors = try_stream(&problems);
	assert_int_equal(conf_load(f->config, &conf, errors), 0);
	fclose(errors);
	free(problems);
	conf_free(conf);
	out = fopen(f->config, "a");
	fputc('\n', out);
	fclose(out);
	file_gives(f->config, -EFBIG, "is larger than 16 MiB");
}

static const char with_tls[] =
	"{\"realm\":\"r\",\"ports\":[{\"name\":\"p\",\"interface\":\"eth0\"}],\"workers\":{"
	"\"cores\":[0]},"
	"\"listeners\":[{\"address\":\"192.0.2.1\",\"port\":5349,\"transports\":[\"%s\"]}],"
	"\"relay\":{\"addresses\":[{\"address\":\"192.0.2.1\"}]},"
	"\"tls\":{\"certificate\":\"cert.pem\",\"key\":\"key.pem\"}}";

static void tls_files_are_looked_for_beside_the_document(void **state)
{
	struct files *f = *state;
	char text[1024], expected[512], path[128];
	struct conf *conf;
	char *problems;
	FILE *errors;

	snprintf(text, sizeof(text), with_tls, "dtls");
	write_file(f, "c.json", text);
	snprintf(expected, sizeof(expected),
		"tls.certificate: %s/cert.pem cannot be read: No such file or directory\n"
		"%s: tls.key: %s/key.pem cannot be read: No such file or directory",
		f->directory, f->config, f->directory);
	file_gives(f->config, -EINVAL, expected);

	write_file(f, "cert.pem", "c");
	snprintf(path, sizeof(path), "%s/key.pem", f->directory);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(expected, sizeof(expected), "tls.key: %s is not a file", path);
	file_gives(f->config, -EINVAL, expected);
	assert_int_equal(rmdir(path), 0);

	write_file(f, "key.pem", "k");
	errors = try_stream(&problems);
	assert_int_equal(conf_load(f->config, &conf, errors), 0);
	fclose(errors);
	free(problems);
	assert_string_equal(conf->tls.key, path);
	conf_free(conf);
}

static const char with_more[] =
	"{\"realm\":\"r\",\"ports\":[{\"name\":\"p\",\"interface\":\"eth0\"}],\"workers\":{"
	"\"cores\":[0]},"
	"\"listeners\":[{\"address\":\"192.0.2.1\",\"port\":5349,\"transports\":[\"tls\"]}],"
	"\"relay\":{\"addresses\":[{\"address\":\"192.0.2.1\"}]},"
	"\"tls\":{\"certificate\":\"a.pem\",\"key\":\"a.key\",\"client_ca\":\"ca.pem\","
	"\"additional\":[{\"certificate\":\"b.pem\",\"key\":\"b.key\"}]}}";

static void more_certificates_are_looked_for_there_too(void **state)
{
	static const char *const missing[][2] = {{"tls.additional[0].certificate", "b.pem"},
		{"tls.additional[0].key", "b.key"}, {"tls.client_ca", "ca.pem"}};
	struct files *f = *state;
	char expected[1024];
	size_t n = 0;

	write_file(f, "c.json", with_more);
	write_file(f, "a.pem", "c");
	write_file(f, "a.key", "k");
	for (int i = 0; i < 3; i++)
		n += (size_t)snprintf(expected + n, sizeof(expected) - n,
			"%s%s%s%s: %s/%s cannot be read: No such file or directory", i ? "\n" : "",
			i ? f->config : "", i ? ": " : "", missing[i][0], f->directory,
			missing[i][1]);
	file_gives(f->config, -EINVAL, expected);
}

static void tls_files_are_not_needed_without_a_listener(void **state)
{
	struct files *f = *state;
	char text[1024];
	struct conf *conf;
	char *problems;
	FILE *errors;

	snprintf(text, sizeof(text), with_tls, "tcp");
	write_file(f, "c.json", text);
	errors = try_stream(&problems);
	assert_int_equal(conf_load(f->config, &conf, errors), 0);
	fclose(errors);
	assert_string_equal(problems, "");
	free(problems);
	conf_free(conf);
}

// Numbered in the order in which listeners first name them, behind the document's own.
static void realms_are_those_of_listeners(void **state)
{
	static const char text[] =
		"{\"realm\":\"a\",\"ports\":[{\"name\":\"p\",\"interface\":\"e\"}],"
		"\"relay\":{\"addresses\":[{\"address\":\"198.18.0.2\"}]},"
		"\"nat_discovery\":{\"alternate_address\":\"198.18.0.9\"},"
		"\"listeners\":[{\"address\":\"198.18.0.2\",\"realm\":\"b\"},"
		"{\"address\":\"198.18.0.3\"},{\"address\":\"198.18.0.4\",\"realm\":\"c\"},"
		"{\"address\":\"198.18.0.5\",\"realm\":\"a\"},"
		"{\"address\":\"198.18.0.6\",\"realm\":\"b\"}],"
		"\"auth\":{\"users\":[{\"name\":\"u\",\"password\":\"1\"},"
		"{\"name\":\"u\",\"password\":\"2\",\"realm\":\"c\"},"
		"{\"name\":\"u\",\"key\":\"00112233445566778899aabbccddeeff\",\"realm\":\"b\"}]}}";
	static const uint16_t of_listener[] = {1, 0, 2, 0, 1, 1, 1, 1}; // three of discovery
	static const uint16_t of_user[] = {0, 2, 1};
	struct conf *c;
	char *problems;

	if (try_load(text, strlen(text), &c, &problems) != 0)
		fail_msg("%s", problems);
	free(problems);
	assert_int_equal(c->n_realms, 3);
	assert_string_equal(c->realms[0], "a");
	assert_string_equal(c->realms[1], "b");
	assert_string_equal(c->realms[2], "c");
	assert_int_equal(c->n_listeners, 8);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(c->listeners[i].realm_index, of_listener[i]);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(c->auth.users[i].realm_index, of_user[i]);
	assert_null(c->auth.users[2].password);
	assert_int_equal(c->auth.rest_expiry, CONF_REST_EXPIRY_ALLOCATE);
	conf_forget_credentials(c);
	assert_int_equal(c->auth.n_users + c->auth.n_rest_secrets, 0);
	conf_free(c);
}

// Two users of one name in one realm, named in two ways.
static void names_are_unique_in_a_realm(void **state)
{
	static const char text[] =
		"{\"realm\":\"a\",\"ports\":[{\"name\":\"p\",\"interface\":\"e\"}],"
		"\"relay\":{\"addresses\":[{\"address\":\"198.18.0.2\"}]},"
		"\"listeners\":[{\"address\":\"198.18.0.2\"}],"
		"\"auth\":{\"users\":[{\"name\":\"u\",\"password\":\"1\"},"
		"{\"name\":\"u\",\"password\":\"2\",\"realm\":\"a\"}]}}";
	struct conf *c;
	char *problems;

	assert_int_equal(try_load(text, strlen(text), &c, &problems), -EINVAL);
	assert_string_equal(
		problems, "t.json: auth.users[1].name: \"u\" is the name of auth.users[0] too\n");
	free(problems);
}

int main(void)
{
#define FILES(name) cmocka_unit_test_setup_teardown(name, files_setup, files_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stable_example_loads_as_it_stands),
		cmocka_unit_test(all_else_has_defaults),
		cmocka_unit_test(examples_load),
		cmocka_unit_test(a_pool_holds_256_entries),
		cmocka_unit_test(discovery_in_a_public_prefix),
		cmocka_unit_test(discovery_adds_its_listeners),
		cmocka_unit_test(base_of_the_mistakes_is_good),
		cmocka_unit_test(every_mistake_has_its_message),
		cmocka_unit_test(all_that_is_missing_is_named),
		cmocka_unit_test(broken_text_names_line_and_column),
		cmocka_unit_test(syntax_error_quotes_no_secret),
		cmocka_unit_test(realms_are_those_of_listeners),
		cmocka_unit_test(names_are_unique_in_a_realm),
		cmocka_unit_test(keys_of_third_party_authorization),
		FILES(unreadable_files_say_why),
		FILES(largest_file_is_read_whole),
		FILES(tls_files_are_looked_for_beside_the_document),
		FILES(more_certificates_are_looked_for_there_too),
		FILES(tls_files_are_not_needed_without_a_listener),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
