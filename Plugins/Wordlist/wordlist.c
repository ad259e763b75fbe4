/* Wordlist: a guard in plain C against the headers alone. Finds words of a list in everything that was written,
 * whatever their case, and reports them; the operator's config decides what that means.
 *
 * How: text is folded to lower case into a buffer, eight ASCII bytes at a time. A small hash filter looks at the next
 * bytes of each place and passes nearly all of them by; where it cannot, an Aho-Corasick automaton takes over until
 * nothing of a word is left. So the time is linear in the text, whatever the text and however many words. An instance
 * is immutable.
 */
#include <stdlib.h>
#include <string.h>

#include "gatehouse/gatehouse.h"

/* ---- case folding ------------------------------------------------------------------------------------------------ */

/* Unicode's simple case folding beyond ASCII (CaseFolding.txt, status C and S): count characters from first on, step
 * apart, fold to themselves plus delta. */
static const struct fold_run { uint32_t first; uint16_t count; uint16_t step; int32_t delta; } fold_runs[] = {
    {0x00B5, 1, 1, 775}, {0x00C0, 23, 1, 32}, {0x00D8, 7, 1, 32}, {0x0100, 24, 2, 1}, {0x0132, 3, 2, 1},
    {0x0139, 8, 2, 1}, {0x014A, 23, 2, 1}, {0x0178, 1, 1, -121}, {0x0179, 3, 2, 1}, {0x017F, 1, 1, -268},
    {0x0181, 1, 1, 210}, {0x0182, 2, 2, 1}, {0x0186, 1, 1, 206}, {0x0187, 1, 1, 1}, {0x0189, 2, 1, 205},
    {0x018B, 1, 1, 1}, {0x018E, 1, 1, 79}, {0x018F, 1, 1, 202}, {0x0190, 1, 1, 203}, {0x0191, 1, 1, 1},
    {0x0193, 1, 1, 205}, {0x0194, 1, 1, 207}, {0x0196, 1, 1, 211}, {0x0197, 1, 1, 209}, {0x0198, 1, 1, 1},
    {0x019C, 1, 1, 211}, {0x019D, 1, 1, 213}, {0x019F, 1, 1, 214}, {0x01A0, 3, 2, 1}, {0x01A6, 1, 1, 218},
    {0x01A7, 1, 1, 1}, {0x01A9, 1, 1, 218}, {0x01AC, 1, 1, 1}, {0x01AE, 1, 1, 218}, {0x01AF, 1, 1, 1},
    {0x01B1, 2, 1, 217}, {0x01B3, 2, 2, 1}, {0x01B7, 1, 1, 219}, {0x01B8, 1, 1, 1}, {0x01BC, 1, 1, 1},
    {0x01C4, 1, 1, 2}, {0x01C5, 1, 1, 1}, {0x01C7, 1, 1, 2}, {0x01C8, 1, 1, 1}, {0x01CA, 1, 1, 2}, {0x01CB, 9, 2, 1},
    {0x01DE, 9, 2, 1}, {0x01F1, 1, 1, 2}, {0x01F2, 2, 2, 1}, {0x01F6, 1, 1, -97}, {0x01F7, 1, 1, -56},
    {0x01F8, 20, 2, 1}, {0x0220, 1, 1, -130}, {0x0222, 9, 2, 1}, {0x023A, 1, 1, 10795}, {0x023B, 1, 1, 1},
    {0x023D, 1, 1, -163}, {0x023E, 1, 1, 10792}, {0x0241, 1, 1, 1}, {0x0243, 1, 1, -195}, {0x0244, 1, 1, 69},
    {0x0245, 1, 1, 71}, {0x0246, 5, 2, 1}, {0x0345, 1, 1, 116}, {0x0370, 2, 2, 1}, {0x0376, 1, 1, 1},
    {0x037F, 1, 1, 116}, {0x0386, 1, 1, 38}, {0x0388, 3, 1, 37}, {0x038C, 1, 1, 64}, {0x038E, 2, 1, 63},
    {0x0391, 17, 1, 32}, {0x03A3, 9, 1, 32}, {0x03C2, 1, 1, 1}, {0x03CF, 1, 1, 8}, {0x03D0, 1, 1, -30},
    {0x03D1, 1, 1, -25}, {0x03D5, 1, 1, -15}, {0x03D6, 1, 1, -22}, {0x03D8, 12, 2, 1}, {0x03F0, 1, 1, -54},
    {0x03F1, 1, 1, -48}, {0x03F4, 1, 1, -60}, {0x03F5, 1, 1, -64}, {0x03F7, 1, 1, 1}, {0x03F9, 1, 1, -7},
    {0x03FA, 1, 1, 1}, {0x03FD, 3, 1, -130}, {0x0400, 16, 1, 80}, {0x0410, 32, 1, 32}, {0x0460, 17, 2, 1},
    {0x048A, 27, 2, 1}, {0x04C0, 1, 1, 15}, {0x04C1, 7, 2, 1}, {0x04D0, 48, 2, 1}, {0x0531, 38, 1, 48},
    {0x10A0, 38, 1, 7264}, {0x10C7, 1, 1, 7264}, {0x10CD, 1, 1, 7264}, {0x13F8, 6, 1, -8}, {0x1C80, 1, 1, -6222},
    {0x1C81, 1, 1, -6221}, {0x1C82, 1, 1, -6212}, {0x1C83, 2, 1, -6210}, {0x1C85, 1, 1, -6211}, {0x1C86, 1, 1, -6204},
    {0x1C87, 1, 1, -6180}, {0x1C88, 1, 1, 35267}, {0x1C90, 43, 1, -3008}, {0x1CBD, 3, 1, -3008}, {0x1E00, 75, 2, 1},
    {0x1E9B, 1, 1, -58}, {0x1E9E, 1, 1, -7615}, {0x1EA0, 48, 2, 1}, {0x1F08, 8, 1, -8}, {0x1F18, 6, 1, -8},
    {0x1F28, 8, 1, -8}, {0x1F38, 8, 1, -8}, {0x1F48, 6, 1, -8}, {0x1F59, 4, 2, -8}, {0x1F68, 8, 1, -8},
    {0x1F88, 8, 1, -8}, {0x1F98, 8, 1, -8}, {0x1FA8, 8, 1, -8}, {0x1FB8, 2, 1, -8}, {0x1FBA, 2, 1, -74},
    {0x1FBC, 1, 1, -9}, {0x1FBE, 1, 1, -7173}, {0x1FC8, 4, 1, -86}, {0x1FCC, 1, 1, -9}, {0x1FD8, 2, 1, -8},
    {0x1FDA, 2, 1, -100}, {0x1FE8, 2, 1, -8}, {0x1FEA, 2, 1, -112}, {0x1FEC, 1, 1, -7}, {0x1FF8, 2, 1, -128},
    {0x1FFA, 2, 1, -126}, {0x1FFC, 1, 1, -9}, {0x2126, 1, 1, -7517}, {0x212A, 1, 1, -8383}, {0x212B, 1, 1, -8262},
    {0x2132, 1, 1, 28}, {0x2160, 16, 1, 16}, {0x2183, 1, 1, 1}, {0x24B6, 26, 1, 26}, {0x2C00, 48, 1, 48},
    {0x2C60, 1, 1, 1}, {0x2C62, 1, 1, -10743}, {0x2C63, 1, 1, -3814}, {0x2C64, 1, 1, -10727}, {0x2C67, 3, 2, 1},
    {0x2C6D, 1, 1, -10780}, {0x2C6E, 1, 1, -10749}, {0x2C6F, 1, 1, -10783}, {0x2C70, 1, 1, -10782}, {0x2C72, 1, 1, 1},
    {0x2C75, 1, 1, 1}, {0x2C7E, 2, 1, -10815}, {0x2C80, 50, 2, 1}, {0x2CEB, 2, 2, 1}, {0x2CF2, 1, 1, 1},
    {0xA640, 23, 2, 1}, {0xA680, 14, 2, 1}, {0xA722, 7, 2, 1}, {0xA732, 31, 2, 1}, {0xA779, 2, 2, 1},
    {0xA77D, 1, 1, -35332}, {0xA77E, 5, 2, 1}, {0xA78B, 1, 1, 1}, {0xA78D, 1, 1, -42280}, {0xA790, 2, 2, 1},
    {0xA796, 10, 2, 1}, {0xA7AA, 1, 1, -42308}, {0xA7AB, 1, 1, -42319}, {0xA7AC, 1, 1, -42315},
    {0xA7AD, 1, 1, -42305}, {0xA7AE, 1, 1, -42308}, {0xA7B0, 1, 1, -42258}, {0xA7B1, 1, 1, -42282},
    {0xA7B2, 1, 1, -42261}, {0xA7B3, 1, 1, 928}, {0xA7B4, 8, 2, 1}, {0xA7C4, 1, 1, -48}, {0xA7C5, 1, 1, -42307},
    {0xA7C6, 1, 1, -35384}, {0xA7C7, 2, 2, 1}, {0xA7D0, 1, 1, 1}, {0xA7D6, 2, 2, 1}, {0xA7F5, 1, 1, 1},
    {0xAB70, 80, 1, -38864}, {0xFF21, 26, 1, 32}, {0x10400, 40, 1, 40}, {0x104B0, 36, 1, 40}, {0x10570, 11, 1, 39},
    {0x1057C, 15, 1, 39}, {0x1058C, 7, 1, 39}, {0x10594, 2, 1, 39}, {0x10C80, 51, 1, 64}, {0x118A0, 32, 1, 32},
    {0x16E40, 32, 1, 32}, {0x1E900, 34, 1, 34},
};

static uint32_t fold(uint32_t c) {
  size_t low = 0, high = sizeof fold_runs / sizeof fold_runs[0];
  while (low < high) {
    size_t middle = (low + high) / 2;
    const struct fold_run *run = &fold_runs[middle];
    if (c < run->first) high = middle;
    else if (c > run->first + (uint32_t)(run->count - 1) * run->step) low = middle + 1;
    else return (c - run->first) % run->step ? c : c + (uint32_t)run->delta;
  }
  return c;
}

/* Decodes the character at p, whose length goes to *size; a malformed byte stands for itself. */
static uint32_t decode(const uint8_t *p, size_t left, size_t *size) {
  size_t length = p[0] < 0xC2 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 1;
  uint32_t c = length == 1 ? p[0] : p[0] & (0x7Fu >> length);
  *size = 1;
  if (length > left) return p[0];
  for (size_t i = 1; i < length; i++) {
    if ((p[i] & 0xC0) != 0x80) return p[0];
    c = c << 6 | (p[i] & 0x3F);
  }
  *size = length;
  return c;
}

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

/* Zeros after a folded text, so that the filter may look beyond its end. */
enum { PADDING = 16 };

/* Folding never needs more: two bytes become three at most (U+023A), and eight are written at a time. */
static size_t folded_room(size_t length) { return length + length / 2 + 8 + PADDING; }

/* The folded forms of U+0080 to U+07FF, for speed: two bytes each, or 0 where it takes more or less than two. */
typedef struct fold_table { uint8_t bytes[0x800][2]; } fold_table;

static void fill_fold_table(fold_table *t) {
  memset(t, 0, sizeof *t);
  for (uint32_t c = 0x80; c < 0x800; c++) {
    uint8_t encoded[4];
    if (encode(fold(c), encoded) == 2) memcpy(t->bytes[c], encoded, 2);
  }
}

/* Folds text into out, which has folded_room(length) bytes, and writes zeros after it. */
static size_t fold_text(const fold_table *t, const char *text, size_t length, uint8_t *out) {
  const uint8_t *in = (const uint8_t *)text, *end = in + length;
  uint8_t *start = out;
  while (in < end) {
    uint64_t block;
    if (end - in >= 8 && (memcpy(&block, in, 8), !(block & 0x8080808080808080u))) {
      /* 0x80 in each byte that is at least 'A' and at most 'Z', moved down to 0x20 */
      uint64_t upper = (block + 0x3F3F3F3F3F3F3F3Fu) & ~(block + 0x2525252525252525u) & 0x8080808080808080u;
      block |= upper >> 2;
      memcpy(out, &block, 8);
      in += 8, out += 8;
    } else if (*in < 0x80) {
      *out++ = (uint8_t)(*in >= 'A' && *in <= 'Z' ? *in | 0x20 : *in);
      in++;
    } else if (*in >= 0xC2 && *in < 0xE0 && end - in >= 2 && (in[1] & 0xC0) == 0x80 &&
               t->bytes[(in[0] & 0x1F) << 6 | (in[1] & 0x3F)][0]) {
      memcpy(out, t->bytes[(in[0] & 0x1F) << 6 | (in[1] & 0x3F)], 2);
      in += 2, out += 2;
    } else {
      size_t size;
      uint32_t c = decode(in, (size_t)(end - in), &size);
      if (size == 1) *out++ = *in;
      else out += encode(fold(c), out);
      in += size;
    }
  }
  memset(out, 0, PADDING);
  return (size_t)(out - start);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static int is_ascii_word(uint32_t c) { return (c | 0x20) - 'a' < 26 || c - '0' < 10 || c == '_'; }

/* Whether a character belongs to a word, so that a whole word cannot end beside it. Scripts that put no spaces between
 * words (Han, Hiragana, Thai, Lao, Burmese, Khmer) do not bind. */
static int binds(uint32_t c) {
  static const struct { uint32_t first, last; } not_in_words[] = {
      {0x00A0, 0x00A9}, {0x00AB, 0x00B1}, {0x00B4, 0x00B4}, {0x00B6, 0x00B8}, {0x00BB, 0x00BF}, {0x00D7, 0x00D7},
      {0x00F7, 0x00F7}, {0x0E00, 0x0EFF}, {0x1000, 0x109F}, {0x1680, 0x1680}, {0x1780, 0x17FF}, {0x2000, 0x206F},
      {0x20A0, 0x20CF}, {0x2190, 0x2BFF}, {0x2E00, 0x2FFF}, {0x3000, 0x3004}, {0x3008, 0x3020}, {0x302A, 0x3030},
      {0x3036, 0x309F}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xF900, 0xFAFF}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE6F},
      {0xFEFF, 0xFEFF}, {0xFF00, 0xFF0F}, {0xFF1A, 0xFF20}, {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF},
      {0x1F000, 0x1FAFF}, {0x20000, 0x3FFFF}};
  if (c < 0x80) return is_ascii_word(c);
  size_t low = 0, high = sizeof not_in_words / sizeof not_in_words[0];
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (c > not_in_words[middle].last) low = middle + 1;
    else high = middle;
  }
  return low == sizeof not_in_words / sizeof not_in_words[0] || c < not_in_words[low].first;
}

typedef struct word {
  char *text; /* as the config has it */
  size_t length;
  uint8_t *folded;
  size_t folded_length;
  uint32_t first_binds, last_binds;
} word;

enum { NO_WORD = 0, ROOT = 0, MOST_FOUND = 32 };

typedef struct list {
  word *words;
  size_t count;
  size_t room; /* while reading */
  char *message;
  size_t message_length;
  int whole_words;
  size_t hold; /* bytes of a window's end in which a word may still begin */

  fold_table fold;

  /* The automaton: a trie in breadth-first order, so that the children of state s are first[s] to first[s + 1] - 1. */
  uint32_t states;
  uint32_t *first;
  uint8_t *label;  /* the byte that leads into a state, ascending among siblings */
  uint32_t *fail;  /* the state of the longest proper suffix */
  uint32_t *ending; /* number of the word that ends here, from 1 */
  uint32_t *shorter; /* the nearest state on the fail chain where a word ends, else ROOT */
  uint32_t root[256];

  /* The filter: one bit for each hash of a word's first bytes. */
  uint32_t *filter;
  uint32_t filter_mask;  /* the number of bits less one */
  uint64_t filter_key;   /* all bits of the bytes that it looks at */
  uint32_t filter_bytes; /* how many bytes it looks at: at most 8, at most the shortest word */
} list;

typedef struct found {
  size_t count;
  uint32_t words[MOST_FOUND]; /* places in list->words */
} found;

/* ---- building ---------------------------------------------------------------------------------------------------- */

/* Seventeen bytes of memory for each state. */
enum { MOST_WORDS = 100000, MOST_STATES = 2000002 };

/* Reads eight bytes at p, whatever the words' length. */
static uint32_t filter_place(const list *l, const uint8_t *p) {
  uint64_t key;
  memcpy(&key, p, 8);
  return (uint32_t)((key & l->filter_key) * 0x9E3779B97F4A7C15u >> 40) & l->filter_mask;
}

/* 1 where the filter lets the bytes at p pass. */
static uint32_t may_begin(const list *l, const uint8_t *p) {
  uint32_t place = filter_place(l, p);
  return l->filter[place / 32] >> place % 32 & 1;
}

static int build_filter(list *l) {
  uint32_t bits = 1u << 12;
  while (bits < l->count * 16 && bits < 1u << 20) bits *= 2;
  l->filter_mask = bits - 1;
  l->filter_bytes = 8;
  for (size_t i = 0; i < l->count; i++)
    if (l->words[i].folded_length < l->filter_bytes) l->filter_bytes = (uint32_t)l->words[i].folded_length;
  memset(&l->filter_key, 0xFF, l->filter_bytes);
  if (!(l->filter = calloc(bits / 32, sizeof *l->filter))) return 0;
  for (size_t i = 0; i < l->count; i++) {
    uint32_t place = filter_place(l, l->words[i].folded);
    l->filter[place / 32] |= 1u << place % 32;
  }
  return 1;
}

static int by_folded(const void *a, const void *b) {
  const word *x = a, *y = b;
  size_t shorter = x->folded_length < y->folded_length ? x->folded_length : y->folded_length;
  int order = memcmp(x->folded, y->folded, shorter);
  return order ? order : (x->folded_length > y->folded_length) - (x->folded_length < y->folded_length);
}

static uint32_t child(const list *l, uint32_t state, uint8_t byte) {
  if (state == ROOT) return l->root[byte];
  uint32_t low = l->first[state], high = l->first[state + 1];
  while (high - low > 8) {
    uint32_t middle = low + (high - low) / 2;
    if (l->label[middle] <= byte) low = middle;
    else high = middle;
  }
  for (; low < high; low++)
    if (l->label[low] == byte) return low;
  return ROOT;
}

static uint32_t step(const list *l, uint32_t state, uint8_t byte) {
  uint32_t next;
  while ((next = child(l, state, byte)) == ROOT && state != ROOT) state = l->fail[state];
  return next;
}

/* The root, the end, and one for each byte of the words at most. */
static size_t states_needed(const list *l) {
  size_t most = 2;
  for (size_t i = 0; i < l->count; i++) most += l->words[i].folded_length;
  return most;
}

/* Lays the trie out: each state stands for the words, a range of the sorted list, that share a prefix. */
static int build_trie(list *l) {
  size_t most = states_needed(l);
  struct range { uint32_t from, to, depth, parent; } *ranges = malloc(most * sizeof *ranges);
  l->first = calloc(most, sizeof *l->first);
  l->label = calloc(most, sizeof *l->label);
  l->fail = calloc(most, sizeof *l->fail);
  l->ending = calloc(most, sizeof *l->ending);
  l->shorter = calloc(most, sizeof *l->shorter);
  if (!ranges || !l->first || !l->label || !l->fail || !l->ending || !l->shorter) return free(ranges), 0;

  l->states = 1;
  ranges[ROOT] = (struct range){0, (uint32_t)l->count, 0, ROOT};
  for (uint32_t s = 0; s < l->states; s++) {
    uint32_t i = ranges[s].from, to = ranges[s].to, depth = ranges[s].depth;
    for (; i < to && l->words[i].folded_length == depth; i++) l->ending[s] = i + 1;
    l->first[s] = l->states;
    while (i < to) {
      uint8_t byte = l->words[i].folded[depth];
      uint32_t from = i, next = l->states++;
      while (i < to && l->words[i].folded[depth] == byte) i++;
      l->label[next] = byte;
      ranges[next] = (struct range){from, i, depth + 1, s};
      if (s == ROOT) l->root[byte] = next;
    }
    l->first[s + 1] = l->states;
  }
  /* Now that all children are known: the longest suffix of s is found from that of its parent, which comes before. */
  for (uint32_t s = 1; s < l->states; s++) {
    uint32_t parent = ranges[s].parent;
    l->fail[s] = parent == ROOT ? ROOT : step(l, l->fail[parent], l->label[s]);
    l->shorter[s] = l->ending[l->fail[s]] ? l->fail[s] : l->shorter[l->fail[s]];
  }
  free(ranges);
  return 1;
}

/* How many bytes of text a word can take: a character that is folded may have been longer (U+212A folds to k). */
static size_t longest_source(const word *w) {
  size_t total = 0, size;
  for (size_t i = 0; i < w->folded_length; i += size) {
    decode(w->folded + i, w->folded_length - i, &size);
    total += size < 3 ? 3 : size;
  }
  return total;
}

static int fold_words(list *l) {
  fill_fold_table(&l->fold);
  for (size_t i = 0; i < l->count; i++) {
    word *w = &l->words[i];
    size_t size, last = 0;
    if (!(w->folded = malloc(folded_room(w->length)))) return 0;
    w->folded_length = fold_text(&l->fold, w->text, w->length, w->folded);
    w->first_binds = (uint32_t)binds(decode(w->folded, w->folded_length, &size));
    for (size_t at = 0; at < w->folded_length; at += size) {
      last = at;
      decode(w->folded + at, w->folded_length - at, &size);
    }
    w->last_binds = (uint32_t)binds(decode(w->folded + last, w->folded_length - last, &size));
    /* One character more on either side, to see whether the word is whole. */
    size_t source = longest_source(w) + 8;
    if (source > l->hold) l->hold = source;
  }
  return 1;
}

static void list_free(list *l) {
  if (!l) return;
  for (size_t i = 0; i < l->count; i++) free(l->words[i].text), free(l->words[i].folded);
  free(l->words), free(l->message), free(l->first), free(l->label), free(l->fail);
  free(l->ending), free(l->shorter), free(l->filter), free(l);
}

/* ---- searching --------------------------------------------------------------------------------------------------- */

typedef struct haystack {
  const uint8_t *text; /* folded, with zeros after it */
  size_t length;
  int starts; /* the text begins here, and not somewhere before */
  int ends;
} haystack;

/* Whether a word may begin at this place: no character of a word stands before. */
static int free_before(const haystack *h, size_t at) {
  size_t size, before = at;
  if (at == 0) return h->starts;
  do before--;
  while (before > 0 && at - before < 4 && (h->text[before] & 0xC0) == 0x80);
  return !binds(decode(h->text + before, at - before, &size));
}

static int free_after(const haystack *h, size_t at) {
  size_t size;
  if (at == h->length) return h->ends;
  return !binds(decode(h->text + at, h->length - at, &size));
}

static void note(const list *l, const haystack *h, uint32_t number, size_t end, found *f) {
  const word *w = &l->words[number - 1];
  if (l->whole_words && ((w->last_binds && !free_after(h, end)) ||
                         (w->first_binds && !free_before(h, end - w->folded_length)))) return;
  for (size_t i = 0; i < f->count; i++)
    if (f->words[i] == number - 1) return;
  if (f->count < MOST_FOUND) f->words[f->count++] = number - 1;
}

/* The first place from i on that the filter lets pass, and where a whole word may begin; the length when there is none.
 * Four places at a time: each alone would cost a branch. */
static size_t next_place(const list *l, const haystack *h, size_t i) {
  size_t n = h->length, needed = l->filter_bytes;
  for (;; i++) {
    uint32_t hits = 0;
    while (i + 3 + needed <= n) {
      const uint8_t *p = h->text + i;
      hits = may_begin(l, p) | may_begin(l, p + 1) << 1 | may_begin(l, p + 2) << 2 | may_begin(l, p + 3) << 3;
      if (hits) break;
      i += 4;
    }
    while (i + needed <= n && !(hits ? hits & 1 : may_begin(l, h->text + i))) i++, hits >>= 1;
    if (i + needed > n) return n;
    if (!l->whole_words || i == 0 || !is_ascii_word(h->text[i]) || !is_ascii_word(h->text[i - 1])) return i;
  }
}

static void search(const list *l, const haystack *h, found *f) {
  size_t i = 0, n = h->length;
  while (f->count < MOST_FOUND && (i = next_place(l, h, i)) < n) {
    uint32_t state = ROOT;
    do {
      state = step(l, state, h->text[i++]);
      for (uint32_t s = l->ending[state] ? state : l->shorter[state]; s != ROOT; s = l->shorter[s])
        note(l, h, l->ending[s], i, f);
    } while (state != ROOT && i < n);
  }
}

/* Returns 0 when memory is short. */
static int search_text(const list *l, gh_str text, int starts, int ends, found *f) {
  uint8_t near[6 * 1024], *folded = near;
  if (folded_room(text.len) > sizeof near && !(folded = malloc(folded_room(text.len)))) return 0;
  haystack h = {folded, fold_text(&l->fold, text.ptr, text.len, folded), starts, ends};
  search(l, &h, f);
  if (folded != near) free(folded);
  return 1;
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

/* Reports what was found, "foundWords" in the config's spelling. Nothing found: passed. */
static gh_verdict report(const gh_host *host, const list *l, gh_exchange *x, const found *f, gh_decision *d) {
  static const gh_str passed = GH_LIT("{\"explanation\":\"None of the words was found.\",\"foundWords\":[]}");
  static const gh_str no_memory = GH_LIT("Out of memory");
  if (!f->count) return host->report(x, 1, passed) == GH_OK ? GH_CONTINUE : GH_FAIL;
  buffer b = {NULL, 0, 0, 0};
  PUT(&b, "{\"explanation\":");
  put_string(&b, l->message, l->message_length);
  PUT(&b, ",\"foundWords\":[");
  for (size_t i = 0; i < f->count; i++) {
    const word *w = &l->words[f->words[i]];
    if (i) PUT(&b, ",");
    put_string(&b, w->text, w->length);
  }
  PUT(&b, "]}");
  gh_str data = {b.ptr, b.length};
  gh_status status = b.failed ? GH_ERROR : host->report(x, 0, data);
  free(b.ptr);
  if (status == GH_OK) return GH_CONTINUE;
  d->message = no_memory;
  return GH_FAIL;
}

/* ---- hooks ------------------------------------------------------------------------------------------------------- */

typedef struct instance {
  const gh_host *host;
  list *list;
} instance;

static gh_verdict out_of_memory(gh_decision *d) {
  static const gh_str message = GH_LIT("Out of memory");
  d->message = message;
  return GH_FAIL;
}

static gh_verdict judge(const instance *it, gh_exchange *x, gh_side side, gh_decision *d) {
  const gh_host *host = it->host;
  found f = {0, {0}};
  size_t count = host->segment_count(x, side);
  for (size_t i = 0; i < count; i++) {
    gh_segment segment;
    memset(&segment, 0, sizeof segment);
    segment.struct_size = sizeof segment;
    if (host->segment(x, side, i, &segment) != GH_OK) continue;
    if (segment.flags & GH_SEGMENT_BINARY || !segment.text.ptr) continue;
    if (!search_text(it->list, segment.text, 1, 1, &f)) return out_of_memory(d);
  }
  return report(host, it->list, x, &f, d);
}

static gh_verdict on_request(void *self, gh_exchange *x, gh_decision *d) {
  return judge(self, x, GH_SIDE_REQUEST, d);
}

static gh_verdict on_response(void *self, gh_exchange *x, gh_decision *d) {
  return judge(self, x, GH_SIDE_RESPONSE, d);
}

/* What is known of one stream: calls for one exchange and instance are serial. */
typedef struct stream {
  int reported;   /* a word was found: there is nothing more to say */
  size_t begun_count;
  uint64_t *begun; /* segments whose window does not begin where the segment does */
} stream;

static void stream_drop(void *state) {
  stream *s = state;
  free(s->begun);
  free(s);
}

static stream *stream_of(const gh_host *host, gh_exchange *x) {
  stream *s = host->state(x);
  if (s || !(s = calloc(1, sizeof *s))) return s;
  if (host->set_state(x, s, stream_drop) == GH_OK) return s;
  free(s);
  return NULL;
}

static int has_begun(const stream *s, uint64_t segment) {
  for (size_t i = 0; i < s->begun_count; i++)
    if (s->begun[i] == segment) return 1;
  return 0;
}

static int begin(stream *s, uint64_t segment) {
  if (has_begun(s, segment)) return 1;
  uint64_t *larger = realloc(s->begun, (s->begun_count + 1) * sizeof *larger);
  if (!larger) return 0;
  s->begun = larger;
  s->begun[s->begun_count++] = segment;
  return 1;
}

/* Reports a word as soon as it is seen, before it is let go; that none was, at the end of each segment. A word that
 * more text may complete, or show to be none, comes again in the next window. */
static gh_verdict on_stream(void *self, gh_exchange *x, const gh_window *w, gh_decision *d) {
  const instance *it = self;
  const gh_host *host = it->host;
  int last = (w->flags & GH_WINDOW_LAST) != 0;
  found f = {0, {0}};
  stream *s = stream_of(host, x);
  if (!s) return out_of_memory(d);
  if (s->reported) return GH_CONTINUE;
  if (!search_text(it->list, w->text, !has_begun(s, w->segment->id), last, &f)) return out_of_memory(d);
  if (!last) {
    uint64_t most = w->text.len > it->list->hold ? w->text.len - it->list->hold : 0;
    if (d->released_to > most) d->released_to = most;
    while (d->released_to > 0 && ((unsigned char)w->text.ptr[d->released_to] & 0xC0) == 0x80) d->released_to--;
    if (d->released_to > 0 && !begin(s, w->segment->id)) return out_of_memory(d);
  }
  s->reported = f.count > 0;
  return f.count || last ? report(host, it->list, x, &f, d) : GH_CONTINUE;
}

static const gh_hooks hooks = {sizeof hooks, 0, on_request, on_response, on_stream, NULL, NULL, NULL};

/* ---- parameters -------------------------------------------------------------------------------------------------- */

/* Reads the little JSON that the parameters are: the host has checked them by the manifest's schema. */
typedef struct reader { const char *at, *end; int depth; } reader;

enum { MOST_DEPTH = 64 };

static void skip_space(reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) r->at++;
}

static int take(reader *r, char c) {
  skip_space(r);
  if (r->at == r->end || *r->at != c) return 0;
  r->at++;
  return 1;
}

static int take_word(reader *r, const char *literal) {
  size_t length = strlen(literal);
  skip_space(r);
  if ((size_t)(r->end - r->at) < length || memcmp(r->at, literal, length)) return 0;
  r->at += length;
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
  if (!take(r, '"')) return 0;
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
  if (!take(r, '"')) return free(start), 0;
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
    if (!take(r, close)) {
      do {
        if (open == '{' && (!skip_value(r) || !take(r, ':'))) return 0;
        if (!skip_value(r)) return 0;
      } while (take(r, ','));
      if (!take(r, close)) return 0;
    }
  } else {
    const char *start = r->at;
    while (r->at < r->end && *r->at && strchr("+-.0123456789Eaeflnrstu", *r->at)) r->at++;
    if (r->at == start) return 0;
  }
  r->depth--;
  return 1;
}

static int read_words(reader *r, list *l) {
  if (!take(r, '[')) return 0;
  if (take(r, ']')) return 1;
  do {
    if (l->count == l->room) {
      size_t room = l->room ? 2 * l->room : 64;
      word *larger = realloc(l->words, room * sizeof *larger);
      if (!larger) return 0;
      memset(larger + l->room, 0, (room - l->room) * sizeof *larger);
      l->words = larger, l->room = room;
    }
    if (!read_string(r, &l->words[l->count].text, &l->words[l->count].length)) return 0;
    l->count++;
  } while (take(r, ','));
  return take(r, ']');
}

static int read_config(reader *r, list *l) {
  char *key;
  size_t length;
  if (!take(r, '{')) return 0;
  if (take(r, '}')) return 1;
  do {
    if (!read_string(r, &key, &length)) return 0;
    int is_words = length == 5 && !memcmp(key, "words", 5);
    int is_whole = length == 11 && !memcmp(key, "whole_words", 11);
    int is_message = length == 7 && !memcmp(key, "message", 7);
    int ok = take(r, ':');
    free(key);
    if (!ok) return 0;
    if (is_words && !l->words) ok = read_words(r, l);
    else if (is_whole) ok = (l->whole_words = take_word(r, "true")) || take_word(r, "false");
    else if (is_message && !l->message) ok = read_string(r, &l->message, &l->message_length);
    else ok = skip_value(r);
    if (!ok) return 0;
  } while (take(r, ','));
  return take(r, '}');
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

/* Sorts the words and leaves out those that fold to the same. */
static void sort_words(list *l) {
  size_t kept = 0;
  qsort(l->words, l->count, sizeof *l->words, by_folded);
  for (size_t i = 0; i < l->count; i++) {
    if (kept && !by_folded(&l->words[kept - 1], &l->words[i])) free(l->words[i].text), free(l->words[i].folded);
    else l->words[kept++] = l->words[i];
  }
  l->count = kept;
}

static const char *fill(list *l, gh_str config, char *pointer) {
  static const char message[] = "A word of the list was found.";
  reader r = {config.ptr, config.ptr + config.len, 0};
  strcpy(pointer, "");
  l->whole_words = 1;
  if (!config.ptr || !read_config(&r, l)) return "Must be an object with \"words\", an array of strings";
  strcpy(pointer, "/words");
  if (!l->count) return "Must have at least one word";
  if (l->count > MOST_WORDS) return "Must have at most 100000 words";
  for (size_t i = 0; i < l->count; i++) {
    if (l->words[i].length) continue;
    char digits[24], *digit = digits + sizeof digits - 1;
    *digit = 0;
    do *--digit = (char)('0' + i % 10);
    while (i /= 10);
    strcat(strcat(pointer, "/"), digit);
    return "Must not be empty";
  }
  if (!l->message) {
    if (!(l->message = malloc(sizeof message))) return "Out of memory";
    memcpy(l->message, message, sizeof message);
    l->message_length = sizeof message - 1;
  }
  if (!fold_words(l)) return "Out of memory";
  strcpy(pointer, "/words");
  if (states_needed(l) > MOST_STATES) return "Must have at most 2000000 bytes in all";
  strcpy(pointer, "");
  sort_words(l);
  return build_trie(l) && build_filter(l) ? NULL : "Out of memory";
}

static void destroy(void *self) {
  instance *it = self;
  if (it) list_free(it->list);
  free(it);
}

static void *create(const gh_host *host, const gh_create_info *info) {
  char pointer[64] = "";
  instance *it = calloc(1, sizeof *it);
  list *l = calloc(1, sizeof *l);
  const char *problem = "Out of memory";
  if (it && l) {
    it->host = host, it->list = l;
    if (info->check.len != 5 || memcmp(info->check.ptr, "block", 5)) problem = "This plugin has one check, \"block\"";
    else if (!(problem = fill(l, info->config_json, pointer))) return it;
  }
  gh_str where = {pointer, strlen(pointer)}, what = {problem, strlen(problem)};
  host->config_error(host, where, what);
  list_free(l);
  free(it);
  return NULL;
}

static const void *query(const char *interface_id) { return strcmp(interface_id, GH_INTERFACE_HOOKS) ? NULL : &hooks; }

static const gh_plugin plugin = {
    sizeof plugin, GH_ABI_MINOR, 0, GH_ABI_DRAFT, GH_LIT("wordlist"), GH_LIT("1.0.0"), create, destroy, query,
};

const gh_plugin *gh_plugin_entry_v1(const gh_host *host) { return host ? &plugin : NULL; }
