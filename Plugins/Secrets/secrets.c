/* Secrets: a guard in plain C against the headers alone. Finds API keys, tokens, private keys and passwords in everything
 * that was written, and reports them, takes them out, or refuses.
 *
 * How: one pass goes from word to word, a word being letters, digits, '_' and '-'. A word that begins with a known
 * prefix (ghp_, AKIA, sk-ant-) is looked at closely, and so is one that is the name of a secret with a value after it
 * (api_key = "…") or the scheme of a URL with a password. What the end of a window leaves open is held back from the
 * beginning of its word on and looked at again, so a stream gives the same findings wherever it is cut.
 *
 * Nothing that was found is ever reported or logged, only of what kind it is. An instance is immutable.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gatehouse/gatehouse.h"

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

/* Of which characters a secret is, after its prefix. */
enum { HEX = 1, UPPER = 2, ALNUM = 4, WORD = 8, URL64 = 16, BASE64 = 32, DOT = 64, SLASH = 128, NAME = 256 };
/* What else is asked of it. */
enum { CRC = 1, JWT = 2, DIGITS = 4 };

typedef struct rule {
  const char *kind;
  const char *prefix;
  int characters;
  uint32_t least, most; /* characters after the prefix */
  int check;
} rule;

/* The formats are those that the services have published or that their scanners' partners use. A longer prefix comes
 * before a shorter one that it begins with. */
static const rule rules[] = {
    {"aws-access-key", "AKIA", UPPER, 16, 16, 0},
    {"aws-access-key", "ASIA", UPPER, 16, 16, 0},
    {"github-token", "ghp_", ALNUM, 36, 36, CRC},
    {"github-token", "gho_", ALNUM, 36, 36, CRC},
    {"github-token", "ghu_", ALNUM, 36, 36, CRC},
    {"github-token", "ghs_", ALNUM, 36, 255, CRC},
    {"github-token", "ghr_", ALNUM, 36, 255, CRC},
    {"github-token", "github_pat_", WORD, 60, 255, 0},
    {"gitlab-token", "glpat-", URL64 | DOT, 20, 320, 0},
    {"gitlab-token", "gldt-", URL64, 20, 64, 0},
    {"gitlab-token", "glrt-", URL64 | DOT, 20, 320, 0},
    {"gitlab-token", "glptt-", URL64, 40, 64, 0},
    {"gitlab-token", "glsoat-", URL64, 20, 64, 0},
    {"slack-token", "xoxb-", URL64, 20, 250, DIGITS},
    {"slack-token", "xoxp-", URL64, 20, 250, DIGITS},
    {"slack-token", "xoxa-", URL64, 20, 250, DIGITS},
    {"slack-token", "xoxr-", URL64, 20, 250, DIGITS},
    {"slack-token", "xoxs-", URL64, 20, 250, DIGITS},
    {"slack-token", "xoxe-", URL64, 20, 250, DIGITS},
    {"slack-token", "xoxe.", URL64 | DOT, 20, 300, DIGITS},
    {"slack-token", "xapp-1-", URL64, 40, 250, DIGITS},
    {"slack-webhook", "hooks.slack.com/services/", ALNUM | SLASH, 36, 80, 0},
    {"stripe-key", "sk_live_", ALNUM, 16, 255, 0},
    {"stripe-key", "rk_live_", ALNUM, 16, 255, 0},
    {"stripe-key", "sk_test_", ALNUM, 16, 255, 0},
    {"stripe-key", "rk_test_", ALNUM, 16, 255, 0},
    {"stripe-key", "whsec_", ALNUM, 24, 128, 0},
    {"anthropic-key", "sk-ant-", URL64, 32, 200, 0},
    {"openrouter-key", "sk-or-v1-", HEX, 64, 64, 0},
    {"openai-key", "sk-proj-", URL64, 40, 255, 0},
    {"openai-key", "sk-svcacct-", URL64, 40, 255, 0},
    {"openai-key", "sk-admin-", URL64, 40, 255, 0},
    {"api-key", "sk-", ALNUM, 32, 64, DIGITS},
    {"google-api-key", "AIza", URL64, 35, 35, 0},
    {"google-oauth-secret", "GOCSPX-", URL64, 28, 28, 0},
    {"google-oauth-token", "ya29.", URL64, 30, 2048, 0},
    {"twilio-key", "SK", HEX, 32, 32, DIGITS},
    {"sendgrid-key", "SG.", URL64 | DOT, 60, 72, 0},
    {"mailgun-key", "key-", HEX, 32, 32, DIGITS},
    {"npm-token", "npm_", ALNUM, 36, 36, CRC},
    {"pypi-token", "pypi-AgE", URL64, 60, 1000, 0},
    {"hugging-face-token", "hf_", ALNUM, 30, 64, 0},
    {"groq-key", "gsk_", ALNUM, 40, 64, DIGITS},
    {"xai-key", "xai-", ALNUM, 70, 90, DIGITS},
    {"perplexity-key", "pplx-", ALNUM, 40, 64, DIGITS},
    {"replicate-token", "r8_", ALNUM, 37, 40, DIGITS},
    {"digitalocean-token", "dop_v1_", HEX, 64, 64, 0},
    {"digitalocean-token", "doo_v1_", HEX, 64, 64, 0},
    {"digitalocean-token", "dor_v1_", HEX, 64, 64, 0},
    {"databricks-token", "dapi", HEX, 32, 32, DIGITS},
    {"docker-token", "dckr_pat_", URL64, 20, 64, 0},
    {"shopify-token", "shpat_", HEX, 32, 32, 0},
    {"shopify-token", "shpss_", HEX, 32, 32, 0},
    {"shopify-token", "shpca_", HEX, 32, 32, 0},
    {"shopify-token", "shppa_", HEX, 32, 32, 0},
    {"grafana-token", "glsa_", WORD, 38, 64, 0},
    {"linear-key", "lin_api_", ALNUM, 32, 64, 0},
    {"vault-token", "hvs.", URL64, 24, 300, DIGITS},
    {"age-key", "AGE-SECRET-KEY-1", UPPER, 58, 58, 0},
    {"supabase-key", "sbp_", HEX, 40, 40, 0},
    {"jwt", "eyJ", URL64 | DOT, 40, 16384, JWT},
};
enum { RULES = sizeof rules / sizeof rules[0] };

/* Kinds that are not found by a prefix. */
static const char *const other_kinds[] = {"private-key", "url-password", "azure-key", "azure-secret", "aws-secret-key",
                                          "telegram-token", "credential"};
enum { PRIVATE_KEY = RULES, URL_PASSWORD, AZURE_KEY, AZURE_SECRET, AWS_SECRET, TELEGRAM, CREDENTIAL, KINDS };

static const char *kind_name(size_t kind) { return kind < RULES ? rules[kind].kind : other_kinds[kind - RULES]; }

/* ---- characters -------------------------------------------------------------------------------------------------- */

static uint16_t classes[256];

static void fill_classes(void) {
  for (int c = 0; c < 256; c++) {
    int digit = c >= '0' && c <= '9', upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
    int set = 0;
    if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) set |= HEX;
    if (digit || upper) set |= UPPER;
    if (digit || upper || lower) set |= ALNUM | WORD | URL64 | BASE64 | NAME;
    if (c == '_') set |= WORD | URL64 | NAME;
    if (c == '-') set |= URL64 | NAME;
    if (c == '+' || c == '/' || c == '=') set |= BASE64;
    if (c == '.') set |= DOT;
    if (c == '/') set |= SLASH;
    classes[c] = (uint16_t)set;
  }
}

static int is(uint8_t c, int set) { return (classes[c] & set) != 0; }
static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c; }
static int is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static int is_quote(uint8_t c) { return c == '"' || c == '\'' || c == '`'; }

/* Shannon's entropy of the bytes' own distribution, in bits per byte. */
static double entropy(const uint8_t *p, size_t n) {
  uint32_t counts[256] = {0};
  double sum = 0;
  for (size_t i = 0; i < n; i++) counts[p[i]]++;
  for (int c = 0; c < 256; c++)
    if (counts[c]) sum -= (double)counts[c] / (double)n * log2((double)counts[c] / (double)n);
  return sum;
}

static int has_digit(const uint8_t *p, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (p[i] >= '0' && p[i] <= '9') return 1;
  return 0;
}

/* The checksum of GitHub's and npm's tokens: CRC-32 of what is before the last six characters, which are its digits in
 * base 62 (0-9, A-Z, a-z). */
static int has_checksum(const uint8_t *p, size_t n) {
  uint32_t crc = 0xFFFFFFFFu;
  uint64_t told = 0;
  if (n < 7) return 0;
  for (size_t i = 0; i + 6 < n; i++) {
    crc ^= p[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1)));
  }
  for (size_t i = n - 6; i < n; i++) {
    uint8_t c = p[i];
    told = told * 62 + (uint64_t)(c <= '9' ? c - '0' : c <= 'Z' ? c - 'A' + 10 : c - 'a' + 36);
  }
  return told == (uint64_t)(crc ^ 0xFFFFFFFFu);
}

/* ---- looking at one place ---------------------------------------------------------------------------------------- */

typedef struct settings {
  uint8_t wanted[KINDS];
  double min_entropy;
  int action;
  char *replacement;
  size_t replacement_length;
} settings;

enum { REPORT, REDACT, DENY };

/* The text that is searched. More may follow it unless last. */
typedef struct text {
  const uint8_t *p;
  size_t n;
  int last;
} text;

/* What a place holds. */
typedef struct outcome {
  enum { NOTHING, OPEN, FOUND } what; /* OPEN: what follows decides, and has not come */
  size_t begin, end;                  /* FOUND: the secret */
  size_t kind;
} outcome;

static const outcome nothing = {NOTHING, 0, 0, 0}, open_end = {OPEN, 0, 0, 0};

static outcome found_at(size_t begin, size_t end, size_t kind) {
  outcome o = {FOUND, begin, end, kind};
  return o;
}

/* How far a run of characters goes; at most most + 1 of them. */
static size_t run(const text *t, size_t from, int set, size_t most) {
  size_t end = from;
  while (end < t->n && end - from <= most && is(t->p[end], set)) end++;
  return end;
}

static int begins(const text *t, size_t at, const char *literal, size_t length) {
  return t->n - at >= length && !memcmp(t->p + at, literal, length);
}

/* Whether what is left of the text may be the beginning of a literal. */
static int may_begin(const text *t, size_t at, const char *literal, size_t length) {
  size_t left = t->n - at;
  return !t->last && left < length && !memcmp(t->p + at, literal, left);
}

static size_t count_of(const uint8_t *p, size_t n, uint8_t c) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) count += p[i] == c;
  return count;
}

/* A JWT: header and claims are JSON objects in base64, so both begin with "eyJ"; then the signature. */
static outcome match_jwt(const settings *s, const text *t, size_t at, size_t index) {
  enum { MOST_PART = 8192, LEAST_PART = 12, LEAST_SIGNATURE = 16 };
  size_t end = at;
  for (int part = 0; part < 3; part++) {
    size_t from = end;
    if (part == 1 && may_begin(t, from, "eyJ", 3)) return open_end;
    if (part == 1 && !begins(t, from, "eyJ", 3)) return nothing;
    end = run(t, from, URL64, MOST_PART);
    if (end == t->n && !t->last && end - from <= MOST_PART) return open_end;
    if (end - from < (part < 2 ? LEAST_PART : LEAST_SIGNATURE) || end - from > MOST_PART) return nothing;
    if (part < 2 && (end == t->n || t->p[end++] != '.')) return nothing;
  }
  return s->wanted[index] ? found_at(at, end, index) : nothing;
}

static outcome match_rule(const settings *s, const text *t, size_t at, size_t index) {
  const rule *r = &rules[index];
  if (r->check & JWT) return match_jwt(s, t, at, index);
  size_t prefix = strlen(r->prefix), from = at + prefix, end = run(t, from, r->characters, r->most);
  if (end == t->n && !t->last && end - from <= r->most) return open_end;
  /* A full stop at the end is the sentence's. */
  while (end > from && t->p[end - 1] == '.') end--;
  size_t length = end - from;
  if (length < r->least || length > r->most) return nothing;
  const uint8_t *p = t->p + from;
  if (r->check & DIGITS && !has_digit(p, length)) return nothing;
  /* A right checksum says enough; otherwise it must look random. Few letters make less: hexadecimal has 4 bits at most. */
  double least = r->characters == HEX ? 2.6 : 3.0;
  if (!(r->check & CRC && has_checksum(p, length)) && entropy(p, length) < least) return nothing;
  return s->wanted[index] ? found_at(at, end, index) : nothing;
}

/* -----BEGIN … PRIVATE KEY-----, its body, and the line that ends it. Without that line, as far as base64 goes. */
static outcome match_private_key(const settings *s, const text *t, size_t at) {
  enum { MOST_LABEL = 48, MOST_BODY = 16384 };
  static const char mark[] = "PRIVATE KEY";
  size_t label = at + 11, end = label;
  while (end < t->n && end - label < MOST_LABEL && t->p[end] != '-' && t->p[end] >= ' ') end++;
  if (end == t->n && !t->last) return open_end;
  size_t length = end - label, has_mark = 0;
  for (size_t i = label; i + sizeof mark - 1 <= end; i++) has_mark |= !memcmp(t->p + i, mark, sizeof mark - 1);
  if (!has_mark || length >= MOST_LABEL) return nothing;
  size_t body = end;
  while (body < t->n && body - end < 5 && t->p[body] == '-') body++;
  if (body == t->n && !t->last) return open_end;
  if (body - end < 5) return nothing;
  size_t stop = body, key = body;
  for (; stop < t->n && stop - body < MOST_BODY; stop++) {
    uint8_t c = t->p[stop];
    if (c == '-' && begins(t, stop, "-----END ", 9)) {
      size_t foot = stop + 9;
      while (foot < t->n && foot - stop < MOST_LABEL + 9 && t->p[foot] != '-' && t->p[foot] >= ' ') foot++;
      size_t dashes = foot;
      while (dashes < t->n && dashes - foot < 5 && t->p[dashes] == '-') dashes++;
      if (dashes == t->n && dashes - foot < 5 && !t->last) return open_end;
      return s->wanted[PRIVATE_KEY] ? found_at(at, dashes, PRIVATE_KEY) : nothing;
    }
    if (c == '-' && (may_begin(t, stop, "-----END ", 9) || may_begin(t, stop, "-----BEGIN ", 11))) return open_end;
    if (c == '-' && begins(t, stop, "-----BEGIN ", 11)) break;
    /* Base64 with its line ends, also as \n, and the header lines of encrypted keys. */
    if (!is(c, BASE64) && !is_space(c) && c != '\\' && c != ':' && c != ',' && c != '-') break;
  }
  if (stop == t->n && !t->last && stop - body < MOST_BODY) return open_end;
  while (key < stop && (is(t->p[key], BASE64) || t->p[key] == '\n' || t->p[key] == '\r' || t->p[key] == '\\')) key++;
  return key - body >= 40 && s->wanted[PRIVATE_KEY] ? found_at(at, key, PRIVATE_KEY) : nothing;
}

/* ---- names with values ------------------------------------------------------------------------------------------- */

/* What a value must not have: it is a variable, a call, or a text that stands for the value. */
static int is_placeholder(const uint8_t *p, size_t n) {
  static const char *const words[] = {"example", "your", "xxxx", "changeme", "placeholder", "redacted", "secret:", "environ",
                                      "process.env", "getenv", "dummy", "1234567890", "abcdefgh", "config.", "self.", "****"};
  if (p[0] == '<' || p[0] == '$' || p[0] == '{' || p[0] == '%' || p[0] == '[' || p[0] == '(') return 1;
  for (size_t i = 0; i < n; i++) {
    if (p[i] == '(' || p[i] == '{') return 1;
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
      size_t length = strlen(words[w]), k = 0;
      while (k < length && i + k < n && lower(p[i + k]) == (uint8_t)words[w][k]) k++;
      if (k == length) return 1;
    }
  }
  return 0;
}

/* Whether a name has a word in it, which ends there: "token" is in API_TOKEN and accessToken, and not in tokenizer. */
static int names(const uint8_t *p, size_t n, const char *word) {
  size_t length = strlen(word);
  for (size_t i = 0; i + length <= n; i++) {
    size_t k = 0;
    while (k < length && lower(p[i + k]) == (uint8_t)word[k]) k++;
    if (k == length && (i + length == n || !(p[i + length] >= 'a' && p[i + length] <= 'z'))) return 1;
  }
  return 0;
}

static int is_secret_name(const uint8_t *p, size_t n) {
  static const char *const words[] = {"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "api_key", "api-key",
                                      "accesskey", "access_key", "access-key", "privatekey", "private_key", "authkey", "auth_key",
                                      "secretkey", "secret_key", "secret-key", "accountkey", "account_key", "authorization",
                                      "credential", "encryption_key", "signing_key", "subscription-key"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (names(p, n, words[i])) return 1;
  return 0;
}

static size_t skip_spaces(const text *t, size_t at, size_t most) {
  size_t end = at;
  while (end < t->n && end - at < most && (t->p[end] == ' ' || t->p[end] == '\t')) end++;
  return end;
}

static size_t classify(const uint8_t *name, size_t name_length, size_t length) {
  int is_azure = names(name, name_length, "accountkey") || names(name, name_length, "sharedaccesskey");
  if (is_azure && length >= 40) return AZURE_KEY;
  int is_aws = names(name, name_length, "secret_access_key") || names(name, name_length, "secretaccesskey");
  return is_aws && length == 40 ? AWS_SECRET : CREDENTIAL;
}

/* name = value, name: "value", "name" => 'value', Authorization: Bearer value. */
static outcome match_assignment(const settings *s, const text *t, size_t at, size_t name_end) {
  enum { LEAST = 8, MOST = 256 };
  size_t i = name_end;
  if (i < t->n && is_quote(t->p[i])) i++;
  i = skip_spaces(t, i, 8);
  if (i == t->n) return t->last ? nothing : open_end;
  if (t->p[i] != '=' && t->p[i] != ':') return nothing;
  if (!is_secret_name(t->p + at, name_end - at)) return nothing;
  for (size_t signs = 0; i < t->n && signs < 3 && (t->p[i] == '=' || t->p[i] == ':' || t->p[i] == '>'); signs++) i++;
  i = skip_spaces(t, i, 8);
  uint8_t quote = 0;
  if (i < t->n && is_quote(t->p[i])) quote = t->p[i++];
  for (int scheme = 0; scheme < 2; scheme++) {
    static const char *const schemes[] = {"Bearer ", "Basic "};
    size_t length = strlen(schemes[scheme]);
    if (may_begin(t, i, schemes[scheme], length)) return open_end;
    if (begins(t, i, schemes[scheme], length)) i += length;
  }
  size_t begin = i;
  while (i < t->n && i - begin <= MOST) {
    uint8_t c = t->p[i];
    if (quote ? c == quote || c <= ' ' : c <= ' ' || is_quote(c) || strchr(",;)]}>&|", c)) break;
    if (c >= 0x80 || (c == '=' && i + 1 < t->n && is(t->p[i + 1], ALNUM))) break;
    i++;
  }
  if (i == t->n && !t->last && i - begin <= MOST) return open_end;
  /* The equals sign that ends base64 and the one that ends a name are told apart by what follows. */
  if (i + 1 >= t->n && !t->last) return open_end;
  size_t end = i;
  while (end > begin && (t->p[end - 1] == '.' || t->p[end - 1] == ':') && !quote) end--;
  size_t length = end - begin;
  if (length < LEAST || length > MOST || is_placeholder(t->p + begin, length)) return nothing;
  int letters = 0;
  for (size_t k = begin; k < end; k++) letters |= is(t->p[k], ALNUM) && !(t->p[k] >= '0' && t->p[k] <= '9');
  if (!letters || !has_digit(t->p + begin, length) || entropy(t->p + begin, length) < s->min_entropy) return nothing;
  size_t kind = classify(t->p + at, name_end - at, length);
  return s->wanted[kind] ? found_at(begin, end, kind) : nothing;
}

/* scheme://user:password@host: the password. */
static outcome match_url(const settings *s, const text *t, size_t scheme_end) {
  enum { MOST = 512 };
  static const char *const common[] = {"password", "pass", "pwd", "secret", "token"};
  size_t i = scheme_end + 3, start = i, colon = 0;
  for (; i < t->n && i - start <= MOST; i++) {
    uint8_t c = t->p[i];
    if (c == ':' && !colon) colon = i;
    if (c == '@' || c == '/' || c == '?' || c == '#' || c <= ' ' || is_quote(c) || c == '<' || c == '>' || c >= 0x7F) break;
  }
  if (i == t->n && !t->last && i - start <= MOST) return open_end;
  if (i >= t->n || t->p[i] != '@' || !colon || colon + 1 >= i) return nothing;
  const uint8_t *p = t->p + colon + 1;
  size_t length = i - colon - 1;
  for (size_t w = 0; w < sizeof common / sizeof common[0]; w++)
    if (strlen(common[w]) == length && !memcmp(common[w], p, length)) return nothing;
  if (is_placeholder(p, length) || count_of(p, length, '*') == length) return nothing;
  return s->wanted[URL_PASSWORD] ? found_at(colon + 1, i, URL_PASSWORD) : nothing;
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

enum { MOST_NAME = 64, MOST_PREFIX = 26 };

/* The first two bytes of all prefixes. */
static uint8_t first_pairs[65536 / 8];

static void fill_pairs(void) {
  for (size_t i = 0; i < RULES; i++) {
    unsigned pair = (unsigned)(uint8_t)rules[i].prefix[0] << 8 | (uint8_t)rules[i].prefix[1];
    first_pairs[pair / 8] |= (uint8_t)(1u << pair % 8);
  }
}

/* The word that begins at a place. */
static outcome look_at(const settings *s, const text *t, size_t at) {
  const uint8_t *p = t->p + at;
  size_t left = t->n - at;
  if (left >= 2 && first_pairs[(p[0] << 8 | p[1]) / 8] >> (p[1] % 8) & 1) {
    for (size_t i = 0; i < RULES; i++) {
      if (rules[i].prefix[0] != (char)p[0] || rules[i].prefix[1] != (char)p[1]) continue;
      size_t length = strlen(rules[i].prefix);
      if (may_begin(t, at, rules[i].prefix, length)) return open_end;
      if (!begins(t, at, rules[i].prefix, length)) continue;
      outcome o = match_rule(s, t, at, i);
      if (o.what != NOTHING) return o;
    }
  }
  if (p[0] == '-') {
    if (may_begin(t, at, "-----BEGIN ", 11)) return open_end;
    if (begins(t, at, "-----BEGIN ", 11)) return match_private_key(s, t, at);
  }
  size_t end = run(t, at, NAME, MOST_NAME);
  if (end - at > MOST_NAME) return nothing;
  if (end == t->n) return t->last ? nothing : open_end;
  uint8_t next = t->p[end];
  /* A client secret of Microsoft's Entra: three characters, a digit, "Q~", 31 to 34 more. */
  if (next == '~' && end - at == 5 && p[4] == 'Q' && p[3] >= '0' && p[3] <= '9') {
    size_t stop = end + 1;
    while (stop < t->n && stop - end <= 40 && (is(t->p[stop], URL64 | DOT) || t->p[stop] == '~')) stop++;
    if (stop == t->n && !t->last && stop - end <= 40) return open_end;
    if (stop - end >= 32 && stop - end <= 36 && s->wanted[AZURE_SECRET]) return found_at(at, stop, AZURE_SECRET);
  }
  if (next == ':') {
    if (may_begin(t, end, "://", 3)) return open_end;
    if (begins(t, end, "://", 3)) return match_url(s, t, end);
    /* The token of a Telegram bot: its number, a colon, "AA", 33 more. */
    if (end - at >= 8 && end - at <= 10 && p[0] >= '0' && p[0] <= '9') {
      size_t stop = run(t, end + 1, URL64, 40);
      if (stop == t->n && !t->last && stop - end <= 41) return open_end;
      if (stop - end == 36 && begins(t, end + 1, "AA", 2) && s->wanted[TELEGRAM]) return found_at(at, stop, TELEGRAM);
    }
  }
  int may_have_value = next == '=' || next == ':' || next == ' ' || next == '\t' || is_quote(next);
  return may_have_value ? match_assignment(s, t, at, end) : nothing;
}

typedef void (*on_found)(void *user, size_t begin, size_t end, size_t kind);

/* Calls found for each secret in turn. before: the byte that stands before the text, 0 at its beginning. Returns how far
 * the text is done with. */
static size_t search(const settings *s, const text *t, uint8_t before, on_found found, void *user) {
  size_t i = 0;
  uint8_t previous = before;
  while (i < t->n) {
    if (!is(t->p[i], NAME)) {
      previous = t->p[i++];
      continue;
    }
    /* The dashes before BEGIN and before a word are part of no word that came before. */
    if (is(previous, NAME)) {
      previous = t->p[i++];
      continue;
    }
    outcome o = look_at(s, t, i);
    if (o.what == OPEN) return i;
    size_t next = i + 1;
    if (o.what == FOUND) {
      found(user, o.begin, o.end, o.kind);
      next = o.end;
    }
    previous = t->p[next - 1];
    i = next;
  }
  return t->n;
}

/* ---- JSON text --------------------------------------------------------------------------------------------------- */

/* In streams, a tool call's arguments are JSON text. Only its string values are searched, decoded, as the host presents
 * them in whole answers. */
typedef struct json_state {
  uint8_t place;        /* 0 outside of strings, 1 in a key, 2 in a value */
  uint8_t expects_key;
  uint32_t depth, deeper;
  uint8_t objects[128]; /* a bit for each open object or array: 1 for an object; deeper ones are only counted */
} json_state;

/* The decoded values, a zero byte at their edges, and where each byte came from. */
typedef struct decoded {
  uint8_t *bytes;
  uint32_t *from;
  size_t length;
} decoded;

/* Writes a character at out and returns its length. */
static size_t encode(uint32_t c, uint8_t *out) {
  if (c < 0x80) {
    out[0] = (uint8_t)c;
    return 1;
  }
  if (c < 0x800) {
    out[0] = (uint8_t)(0xC0 | c >> 6), out[1] = (uint8_t)(0x80 | (c & 0x3F));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = (uint8_t)(0xE0 | c >> 12), out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    out[2] = (uint8_t)(0x80 | (c & 0x3F));
    return 3;
  }
  out[0] = (uint8_t)(0xF0 | c >> 18), out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
  out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F)), out[3] = (uint8_t)(0x80 | (c & 0x3F));
  return 4;
}


static int hex_unit(const uint8_t *p) {
  int value = 0;
  for (int i = 0; i < 4; i++) {
    int c = p[i], digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
    if (digit < 0) return -1;
    value = value << 4 | digit;
  }
  return value;
}

/* The size of the escape at p and its character; 0 when it is cut. */
static size_t read_escape(const uint8_t *p, size_t left, int last, uint32_t *c) {
  static const char escapes[] = "bfnrt", meanings[] = "\b\f\n\r\t";
  *c = '\\';
  if (left < 2) return last ? 1 : 0;
  if (p[1] != 'u') {
    const char *known = p[1] ? strchr(escapes, p[1]) : NULL;
    if (p[1] >= 0x80) return 1;
    *c = known ? (uint8_t)meanings[known - escapes] : p[1];
    return 2;
  }
  if (left < 6) return last ? 2 : 0;
  int high = hex_unit(p + 2);
  *c = high < 0 || (high & 0xF800) == 0xD800 ? 0xFFFD : (uint32_t)high;
  if (high < 0) return 2;
  if ((high & 0xFC00) != 0xD800) return 6;
  if (left < 12) return last || (left > 6 && p[6] != '\\') || (left > 7 && p[7] != 'u') ? 6 : 0;
  int low = p[6] == '\\' && p[7] == 'u' ? hex_unit(p + 8) : -1;
  if (low < 0 || (low & 0xFC00) != 0xDC00) return 6;
  *c = 0x10000u + ((uint32_t)(high & 0x3FF) << 10) + (uint32_t)(low & 0x3FF);
  return 12;
}

static void open_container(json_state *j, int is_object) {
  if (j->depth < 8 * sizeof j->objects) {
    uint8_t bit = (uint8_t)(1u << j->depth % 8);
    if (is_object) j->objects[j->depth / 8] |= bit;
    else j->objects[j->depth / 8] &= (uint8_t)~bit;
    j->depth++;
  } else {
    j->deeper++;
  }
  j->expects_key = (uint8_t)is_object;
}

static void close_container(json_state *j) {
  if (j->deeper) j->deeper--;
  else if (j->depth) j->depth--;
  j->expects_key = 0;
}

static int in_object(const json_state *j) {
  return !j->deeper && j->depth && j->objects[(j->depth - 1) / 8] >> (j->depth - 1) % 8 & 1;
}

static void pass_structure(json_state *j, uint8_t c) {
  if (c == '{' || c == '[') open_container(j, c == '{');
  else if (c == '}' || c == ']') close_container(j);
  else if (c == ',') j->expects_key = (uint8_t)in_object(j);
  else if (c == ':') j->expects_key = 0;
}

static void put_decoded(decoded *d, uint8_t byte, size_t from) {
  if (!d) return;
  d->bytes[d->length] = byte;
  d->from[d->length++] = (uint32_t)from;
}

/* Reads n bytes of JSON text on from a state. d, where it is given, has room for n bytes. Returns how far it came: an
 * escape that is cut is left for the next time. */
static size_t read_json(json_state *j, const uint8_t *p, size_t n, int last, decoded *d) {
  size_t i = 0;
  while (i < n) {
    if (p[i] == '"') {
      j->place = j->place ? 0 : j->expects_key ? 1 : 2;
      if (!j->place) j->expects_key = 0;
      put_decoded(d, 0, i++);
    } else if (!j->place) {
      pass_structure(j, p[i++]);
    } else if (p[i] == '\\') {
      uint32_t c;
      size_t size = read_escape(p + i, n - i, last, &c);
      if (!size) return i;
      if (j->place == 2) {
        uint8_t encoded[4];
        size_t length = encode(c, encoded);
        for (size_t k = 0; k < length; k++) put_decoded(d, encoded[k], i);
      }
      i += size;
    } else {
      if (j->place == 2) put_decoded(d, p[i], i);
      i++;
    }
  }
  return i;
}

/* ---- reporting --------------------------------------------------------------------------------------------------- */

typedef struct buffer { char *ptr; size_t length, room; int failed; } buffer;

static void put(buffer *b, const char *bytes, size_t length) {
  if (b->length + length > b->room) {
    size_t room = 2 * b->room + length + 256;
    char *larger = realloc(b->ptr, room);
    if (!larger) { b->failed = 1; return; }
    b->ptr = larger, b->room = room;
  }
  memcpy(b->ptr + b->length, bytes, length);
  b->length += length;
}

static void put_string(buffer *b, const char *text, size_t length) {
  static const char digits[] = "0123456789abcdef";
  put(b, "\"", 1);
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    if (c < 0x20) put(b, escape, 6);
    else if (c == '"' || c == '\\') escape[1] = (char)c, put(b, escape, 2);
    else put(b, text + i, 1);
  }
  put(b, "\"", 1);
}

#define PUT(b, literal) put(b, literal, sizeof literal - 1)

typedef struct counts { uint32_t total, of[KINDS]; } counts;

static void put_number(buffer *b, uint32_t number) {
  char digits[12], *digit = digits + sizeof digits;
  do *--digit = (char)('0' + number % 10);
  while (number /= 10);
  put(b, digit, (size_t)(digits + sizeof digits - digit));
}

static gh_verdict fail(gh_decision *d) {
  static const gh_str message = GH_LIT("Out of memory");
  d->message = message;
  return GH_FAIL;
}

/* The kinds that were found and how often: never what was found. */
static gh_verdict report(const gh_host *host, const settings *s, gh_exchange *x, const counts *c, gh_decision *d) {
  buffer b = {NULL, 0, 0, 0};
  int first = 1;
  if (!c->total) PUT(&b, "{\"explanation\":\"No secret was found.\"");
  else if (s->action == REDACT) PUT(&b, "{\"explanation\":\"Secrets were taken out.\"");
  else PUT(&b, "{\"explanation\":\"Secrets were found.\"");
  PUT(&b, ",\"count\":");
  put_number(&b, c->total);
  PUT(&b, ",\"found\":[");
  for (size_t k = 0; k < KINDS; k++) {
    uint32_t count = 0;
    int is_first = 1;
    for (size_t other = 0; other < KINDS; other++) {
      if (strcmp(kind_name(k), kind_name(other))) continue;
      if (other < k) is_first = 0;
      count += c->of[other];
    }
    if (!count || !is_first) continue;
    if (!first) PUT(&b, ",");
    first = 0;
    PUT(&b, "{\"kind\":");
    put_string(&b, kind_name(k), strlen(kind_name(k)));
    PUT(&b, ",\"count\":");
    put_number(&b, count);
    PUT(&b, "}");
  }
  PUT(&b, "]}");
  gh_str data = {b.ptr, b.length};
  uint32_t passed = s->action == REDACT || !c->total;
  gh_status status = b.failed ? GH_ERROR : host->report(x, passed, data);
  free(b.ptr);
  return status == GH_OK ? GH_CONTINUE : fail(d);
}

static gh_verdict deny(gh_decision *d) {
  static const gh_str code = GH_LIT("secret_found"), message = GH_LIT("The text has a key, a token or a password in it.");
  d->code = code;
  d->message = message;
  return GH_DENY;
}

/* ---- hooks ------------------------------------------------------------------------------------------------------- */

typedef struct instance {
  const gh_host *host;
  settings *settings;
} instance;

/* One search of one segment. */
typedef struct finding {
  const instance *it;
  gh_exchange *x;
  const gh_segment *segment;
  counts *counts;
  const decoded *decoded; /* NULL: the text itself was searched */
  size_t raw_length;      /* of the JSON text that was decoded */
  int failed;
} finding;

/* What takes the place of a secret, escaped where it goes into JSON text. */
static void put_replacement(buffer *b, const settings *s, size_t kind, int is_json) {
  static const char slot[] = "{kind}";
  buffer plain = {NULL, 0, 0, 0};
  for (size_t i = 0; i < s->replacement_length;) {
    if (s->replacement_length - i >= sizeof slot - 1 && !memcmp(s->replacement + i, slot, sizeof slot - 1)) {
      put(&plain, kind_name(kind), strlen(kind_name(kind)));
      i += sizeof slot - 1;
    } else {
      put(&plain, s->replacement + i++, 1);
    }
  }
  if (is_json) {
    put_string(b, plain.ptr, plain.length);
    if (!b->failed) memmove(b->ptr, b->ptr + 1, b->length -= 2);
  } else {
    put(b, plain.ptr, plain.length);
  }
  b->failed |= plain.failed;
  free(plain.ptr);
}

static void take(void *user, size_t begin, size_t end, size_t kind) {
  finding *f = user;
  const settings *s = f->it->settings;
  f->counts->total++;
  f->counts->of[kind]++;
  if (s->action != REDACT || f->segment->flags & GH_SEGMENT_READ_ONLY || f->failed) return;
  if (f->decoded) {
    const decoded *d = f->decoded;
    size_t stop = end < d->length ? d->from[end] : f->raw_length;
    begin = d->from[begin];
    end = stop;
  }
  buffer b = {NULL, 0, 0, 0};
  put_replacement(&b, s, kind, f->decoded != NULL);
  gh_str text = {b.ptr ? b.ptr : "", b.length};
  if (b.failed || f->it->host->edit(f->x, f->segment->id, begin, end, text) != GH_OK) f->failed = 1;
  free(b.ptr);
}

static gh_verdict judge(const instance *it, gh_exchange *x, gh_side side, gh_decision *d) {
  const gh_host *host = it->host;
  counts c;
  memset(&c, 0, sizeof c);
  size_t count = host->segment_count(x, side);
  for (size_t i = 0; i < count; i++) {
    gh_segment segment;
    memset(&segment, 0, sizeof segment);
    segment.struct_size = sizeof segment;
    if (host->segment(x, side, i, &segment) != GH_OK) continue;
    if (segment.flags & GH_SEGMENT_BINARY || !segment.text.ptr) continue;
    text t = {(const uint8_t *)segment.text.ptr, segment.text.len, 1};
    finding f = {it, x, &segment, &c, NULL, 0, 0};
    search(it->settings, &t, 0, take, &f);
    if (f.failed) return fail(d);
  }
  if (c.total && it->settings->action == DENY) return deny(d);
  return report(host, it->settings, x, &c, d);
}

static gh_verdict on_request(void *self, gh_exchange *x, gh_decision *d) { return judge(self, x, GH_SIDE_REQUEST, d); }
static gh_verdict on_response(void *self, gh_exchange *x, gh_decision *d) { return judge(self, x, GH_SIDE_RESPONSE, d); }

/* What is known of one segment of a stream: what stands before its window. */
typedef struct place {
  uint64_t segment;
  uint8_t before;
  json_state json;
} place;

/* What is known of one stream: calls for one exchange and instance are serial. */
typedef struct stream {
  counts counts;
  place *places;
  size_t count;
} stream;

static void stream_drop(void *state) {
  stream *s = state;
  free(s->places);
  free(s);
}

static stream *stream_of(const gh_host *host, gh_exchange *x) {
  stream *s = host->state(x);
  if (s || !(s = calloc(1, sizeof *s))) return s;
  if (host->set_state(x, s, stream_drop) == GH_OK) return s;
  free(s);
  return NULL;
}

static place *place_of(stream *s, uint64_t segment) {
  for (size_t i = s->count; i-- > 0;)
    if (s->places[i].segment == segment) return &s->places[i];
  place *larger = realloc(s->places, (s->count + 1) * sizeof *larger);
  if (!larger) return NULL;
  s->places = larger;
  memset(&larger[s->count], 0, sizeof *larger);
  larger[s->count].segment = segment;
  return &larger[s->count++];
}

/* Searches a window of JSON text. Returns 0 when memory is short. */
static int search_json(finding *f, place *at, gh_str window, int last, size_t *done) {
  decoded d = {malloc(window.len + 1), malloc((window.len + 1) * sizeof(uint32_t)), 0};
  int ok = d.bytes && d.from && window.len < UINT32_MAX;
  if (ok) {
    json_state end = at->json;
    size_t read = read_json(&end, (const uint8_t *)window.ptr, window.len, last, &d);
    text t = {d.bytes, d.length, last};
    f->decoded = &d;
    f->raw_length = read;
    size_t searched = search(f->it->settings, &t, at->before, take, f);
    *done = searched < d.length ? d.from[searched] : read;
    if (searched) at->before = d.bytes[searched - 1];
    read_json(&at->json, (const uint8_t *)window.ptr, *done, 1, NULL);
  }
  free(d.bytes), free(d.from);
  return ok && !f->failed;
}

static gh_verdict on_stream(void *self, gh_exchange *x, const gh_window *w, gh_decision *d) {
  const instance *it = self;
  stream *s = stream_of(it->host, x);
  if (!s) return fail(d);
  if (w->flags & GH_WINDOW_END) return report(it->host, it->settings, x, &s->counts, d);
  int last = (w->flags & GH_WINDOW_LAST) != 0;
  uint32_t known = s->counts.total;
  place *at = place_of(s, w->segment->id);
  if (!at) return fail(d);
  finding f = {it, x, w->segment, &s->counts, NULL, 0, 0};
  size_t done;
  if (w->segment->kind == GH_SEGMENT_TOOL_ARGUMENTS) {
    if (!search_json(&f, at, w->text, last, &done)) return fail(d);
  } else {
    text t = {(const uint8_t *)w->text.ptr, w->text.len, last};
    done = search(it->settings, &t, at->before, take, &f);
    if (done) at->before = t.p[done - 1];
    if (f.failed) return fail(d);
  }
  if (!last) d->released_to = done;
  if (s->counts.total == known) return GH_CONTINUE;
  if (it->settings->action == DENY) return deny(d);
  /* Said before the text is let go: a config that denies can still stop it. */
  return it->settings->action == REPORT && !known ? report(it->host, it->settings, x, &s->counts, d) : GH_CONTINUE;
}

static const gh_hooks hooks = {sizeof hooks, 0, on_request, on_response, on_stream, NULL, NULL, NULL};

/* ---- parameters -------------------------------------------------------------------------------------------------- */

typedef struct reader { const char *at, *end; int depth; } reader;

/* The rest reads the little JSON that the parameters are: the host has checked them by the manifest's schema. */
enum { MOST_DEPTH = 64 };

static void skip_space(reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) r->at++;
}

static int take_char(reader *r, char c) {
  skip_space(r);
  if (r->at == r->end || *r->at != c) return 0;
  r->at++;
  return 1;
}

static int read_hex(reader *r, uint32_t *unit) {
  *unit = 0;
  for (int i = 0; i < 4; i++, r->at++) {
    if (r->at == r->end) return 0;
    char c = *r->at;
    uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0')
                     : (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint32_t)((c | 32) - 'a' + 10) : 16;
    if (digit > 15) return 0;
    *unit = *unit << 4 | digit;
  }
  return 1;
}

/* A \u escape, or two that are a pair. */
static int read_unicode(reader *r, uint8_t **out) {
  uint32_t c, low;
  if (!read_hex(r, &c)) return 0;
  if (c >= 0xD800 && c < 0xE000) {
    const char *after = r->at;
    if (c < 0xDC00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u' && (r->at += 2, read_hex(r, &low)) &&
        low >= 0xDC00 && low < 0xE000) {
      c = 0x10000 + ((c - 0xD800) << 10 | (low - 0xDC00));
    } else {
      c = 0xFFFD;
      r->at = after;
    }
  }
  *out += encode(c, *out);
  return 1;
}

/* Reads a string into memory of its own. */
static int read_string(reader *r, char **text, size_t *length) {
  static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  if (!take_char(r, '"')) return 0;
  uint8_t *out = malloc((size_t)(r->end - r->at) + 4), *start = out;
  if (!out) return 0;
  while (r->at < r->end && *r->at != '"') {
    char c = *r->at++;
    const char *escape;
    if (c != '\\') *out++ = (uint8_t)c;
    else if (r->at == r->end) break;
    else if (*r->at == 'u' && (r->at++, read_unicode(r, &out))) continue;
    else if (*r->at && (escape = strchr(escapes, *r->at))) *out++ = (uint8_t)meanings[escape - escapes], r->at++;
    else break;
  }
  if (!take_char(r, '"')) return free(start), 0;
  *text = (char *)start;
  *length = (size_t)(out - start);
  return 1;
}

/* Passes over a value of any kind. */
static int skip_value(reader *r) {
  char *text;
  size_t length;
  skip_space(r);
  if (r->at == r->end || ++r->depth > MOST_DEPTH) return 0;
  char open = *r->at, close = open == '{' ? '}' : ']';
  if (open == '"') {
    if (!read_string(r, &text, &length)) return 0;
    free(text);
  } else if (open == '{' || open == '[') {
    r->at++;
    if (!take_char(r, close)) {
      do {
        if (open == '{' && (!skip_value(r) || !take_char(r, ':'))) return 0;
        if (!skip_value(r)) return 0;
      } while (take_char(r, ','));
      if (!take_char(r, close)) return 0;
    }
  } else {
    const char *start = r->at;
    while (r->at < r->end && *r->at && strchr("+-.0123456789Eaeflnrstu", *r->at)) r->at++;
    if (r->at == start) return 0;
  }
  r->depth--;
  return 1;
}

static int read_number(reader *r, double *number) {
  char digits[64], *end;
  size_t length = 0;
  skip_space(r);
  while (r->at < r->end && length < sizeof digits - 1 && strchr("+-.0123456789Ee", *r->at) && *r->at) digits[length++] = *r->at++;
  digits[length] = 0;
  *number = strtod(digits, &end);
  return length > 0 && *end == 0;
}

static const char *const unknown_kind = "Must be a kind that the README lists";

/* A list of kinds: sets the flag of each. */
static int read_kinds(reader *r, settings *s, uint8_t flag, const char *member, char *pointer, const char **problem) {
  size_t index = 0;
  if (!take_char(r, '[')) return 0;
  if (take_char(r, ']')) return 1;
  do {
    char *kind;
    size_t length, known = 0;
    if (!read_string(r, &kind, &length)) return 0;
    for (size_t k = 0; k < KINDS; k++) {
      if (strlen(kind_name(k)) != length || memcmp(kind_name(k), kind, length)) continue;
      s->wanted[k] = flag, known = 1;
    }
    free(kind);
    if (!known && !*problem) {
      char digits[24], *digit = digits + sizeof digits - 1;
      size_t number = index;
      *digit = 0;
      do *--digit = (char)('0' + number % 10);
      while (number /= 10);
      strcat(strcat(strcat(strcpy(pointer, "/"), member), "/"), digit);
      *problem = unknown_kind;
    }
    index++;
  } while (take_char(r, ','));
  return take_char(r, ']');
}

static int read_action(reader *r, settings *s) {
  char *word;
  size_t length;
  if (!read_string(r, &word, &length)) return 0;
  int is_report = length == 6 && !memcmp(word, "report", 6), is_redact = length == 6 && !memcmp(word, "redact", 6);
  int is_deny = length == 4 && !memcmp(word, "deny", 4);
  free(word);
  s->action = is_redact ? REDACT : is_deny ? DENY : REPORT;
  return is_report || is_redact || is_deny;
}

/* Reads the members. ignore is heard after kinds, whatever their order: it is read in a second round. */
static int read_config(reader *r, settings *s, int round, char *pointer, const char **problem) {
  if (!take_char(r, '{')) return 0;
  if (take_char(r, '}')) return 1;
  do {
    char *key;
    size_t length;
    if (!read_string(r, &key, &length)) return 0;
    int is_action = length == 6 && !memcmp(key, "action", 6), is_kinds = length == 5 && !memcmp(key, "kinds", 5);
    int is_ignore = length == 6 && !memcmp(key, "ignore", 6), is_entropy = length == 11 && !memcmp(key, "min_entropy", 11);
    int is_replacement = length == 11 && !memcmp(key, "replacement", 11);
    free(key);
    int ok = take_char(r, ':');
    if (!ok) return 0;
    if (round == 1) {
      ok = is_ignore ? read_kinds(r, s, 0, "ignore", pointer, problem) : skip_value(r);
    } else if (is_kinds) {
      memset(s->wanted, 0, sizeof s->wanted);
      ok = read_kinds(r, s, 1, "kinds", pointer, problem);
    } else if (is_replacement && !s->replacement) {
      ok = read_string(r, &s->replacement, &s->replacement_length);
    } else {
      ok = is_action ? read_action(r, s) : is_entropy ? read_number(r, &s->min_entropy) : skip_value(r);
    }
    if (!ok) return 0;
  } while (take_char(r, ','));
  return take_char(r, '}');
}

static const char *fill(settings *s, gh_str config, char *pointer) {
  static const char replacement[] = "[SECRET:{kind}]";
  const char *problem = NULL;
  memset(s->wanted, 1, sizeof s->wanted);
  s->min_entropy = 3.2;
  for (int round = 0; round < 2; round++) {
    reader r = {config.ptr, config.ptr + config.len, 0};
    if (!config.ptr || !read_config(&r, s, round, pointer, &problem)) return "Must be an object as the manifest's schema says";
    if (problem) return problem;
  }
  if (!s->replacement) {
    if (!(s->replacement = malloc(sizeof replacement))) return "Out of memory";
    memcpy(s->replacement, replacement, sizeof replacement);
    s->replacement_length = sizeof replacement - 1;
  }
  return NULL;
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static void destroy(void *self) {
  instance *it = self;
  if (!it) return;
  if (it->settings) free(it->settings->replacement);
  free(it->settings), free(it);
}

static void *create(const gh_host *host, const gh_create_info *info) {
  char pointer[64] = "";
  const char *problem = "Out of memory";
  instance *it = calloc(1, sizeof *it);
  if (it && (it->settings = calloc(1, sizeof *it->settings))) {
    it->host = host;
    if (info->check.len != 4 || memcmp(info->check.ptr, "scan", 4)) problem = "This plugin has one check, \"scan\"";
    else if (!(problem = fill(it->settings, info->config_json, pointer))) return it;
  }
  gh_str where = {pointer, strlen(pointer)}, what = {problem, strlen(problem)};
  host->config_error(host, where, what);
  destroy(it);
  return NULL;
}

static const void *query(const char *interface_id) { return strcmp(interface_id, GH_INTERFACE_HOOKS) ? NULL : &hooks; }

static const gh_plugin plugin = {
    sizeof plugin, GH_ABI_MINOR, 0, GH_ABI_DRAFT, GH_LIT("secrets"), GH_LIT("1.0.0"), create, destroy, query,
};

const gh_plugin *gh_plugin_entry_v1(const gh_host *host) {
  if (!host) return NULL;
  fill_classes();
  fill_pairs();
  return &plugin;
}
