/*
 * Cyrus SASL on standard input and output, for sasl.spec.ts: one line in, one line out, octets in base64.
 *
 *   cyrus-peer client|server MECHANISM USER PASSWORD REALM HOST MAXSSF [SASLDB]
 *   in:  S token   a step ("S -" without a token)       E plain   encode      D packet   decode
 *   out: C token   goes on        K token   done        R octets  result      X text     failed
 */
#include <sasl/sasl.h>
#include <sasl/saslutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 131072

static const char *user, *password, *realm, *database, *mechanism;

static int simple(void *context, int id, const char **result, unsigned *length) {
  (void)context;
  /* The authorization identity is left empty: who logs in acts as himself. */
  *result = id == SASL_CB_AUTHNAME ? user : "";
  if (length) *length = strlen(*result);
  return SASL_OK;
}

static int secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **result) {
  static sasl_secret_t *held;
  (void)conn, (void)context, (void)id;
  held = realloc(held, sizeof *held + strlen(password) + 1);
  held->len = strlen(password);
  strcpy((char *)held->data, password);
  *result = held;
  return SASL_OK;
}

static int chosen_realm(void *context, int id, const char **available, const char **result) {
  (void)context, (void)id, (void)available;
  *result = realm;
  return SASL_OK;
}

static int option(void *context, const char *plugin, const char *name, const char **result, unsigned *length) {
  (void)context, (void)plugin;
  if (!strcmp(name, "auxprop_plugin")) *result = "sasldb";
  else if (!strcmp(name, "sasldb_path") && database) *result = database;
  else if (!strcmp(name, "mech_list")) *result = mechanism;
  else return SASL_FAIL;
  if (length) *length = strlen(*result);
  return SASL_OK;
}

/* The table holds functions of several types; libsasl2 casts them back by their id. */
typedef int (*any)(void);
static sasl_callback_t callbacks[] = {
    {SASL_CB_AUTHNAME, (any)simple, NULL}, {SASL_CB_USER, (any)simple, NULL},
    {SASL_CB_PASS, (any)secret, NULL},     {SASL_CB_GETREALM, (any)chosen_realm, NULL},
    {SASL_CB_GETOPT, (any)option, NULL},   {SASL_CB_LIST_END, NULL, NULL},
};

static void say(char what, const char *octets, unsigned length) {
  static char text[ROOM * 2];
  unsigned out = 0;
  sasl_encode64(octets ? octets : "", octets ? length : 0, text, sizeof text, &out);
  printf("%c %.*s\n", what, (int)out, text);
  fflush(stdout);
}

static void say_error(const char *text) {
  printf("X %s\n", text);
  fflush(stdout);
}

int main(int argc, char **argv) {
  static char line[ROOM * 2], octets[ROOM];
  sasl_conn_t *conn = NULL;
  int begun = 0, is_server, code;
  if (argc < 8) return 64;
  is_server = !strcmp(argv[1], "server");
  mechanism = argv[2], user = argv[3], password = argv[4], realm = argv[5];
  database = argc > 8 ? argv[8] : NULL;
  code = is_server ? sasl_server_init(callbacks, "imxp") : sasl_client_init(callbacks);
  if (code == SASL_OK)
    code = is_server ? sasl_server_new("beep", argv[6], realm, NULL, NULL, callbacks, 0, &conn)
                     : sasl_client_new("beep", argv[6], NULL, NULL, callbacks, SASL_SUCCESS_DATA, &conn);
  if (code != SASL_OK) return say_error(sasl_errstring(code, NULL, NULL)), 1;
  sasl_security_properties_t props = {0};
  props.max_ssf = atoi(argv[7]);
  /* Exactly this strength: otherwise a failing negotiation would go unnoticed. */
  props.min_ssf = props.max_ssf;
  props.maxbufsize = 65536;
  sasl_setprop(conn, SASL_SEC_PROPS, &props);

  while (fgets(line, sizeof line, stdin)) {
    unsigned length = 0, outlen = 0;
    const char *out = NULL, *used = NULL;
    char *text = line + 2;
    int absent = text[0] == '-';
    text[strcspn(text, "\r\n")] = 0;
    if (!absent && sasl_decode64(text, strlen(text), octets, sizeof octets, &length) != SASL_OK) {
      say_error("base64");
      continue;
    }
    if (line[0] == 'E') code = sasl_encode(conn, octets, length, &out, &outlen);
    else if (line[0] == 'D') code = sasl_decode(conn, octets, length, &out, &outlen);
    else if (is_server)
      code = begun ? sasl_server_step(conn, octets, length, &out, &outlen)
                   : sasl_server_start(conn, mechanism, absent ? NULL : octets, length, &out, &outlen);
    else
      code = begun ? sasl_client_step(conn, octets, length, NULL, &out, &outlen)
                   : sasl_client_start(conn, mechanism, NULL, &out, &outlen, &used);
    begun = 1;
    if (code != SASL_OK && code != SASL_CONTINUE) say_error(sasl_errdetail(conn));
    else say(line[0] != 'S' ? 'R' : code == SASL_OK ? 'K' : 'C', out, outlen);
  }
  return 0;
}
