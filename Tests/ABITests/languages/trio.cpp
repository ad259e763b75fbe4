// The three checks in C++17: see trio.c. Exceptions stop at the border: each hook catches what its check throws.
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "gatehouse/gatehouse.h"

namespace {

std::string_view text_of(gh_str view) { return view.ptr ? std::string_view(view.ptr, view.len) : std::string_view(); }
gh_str view_of(std::string_view text) { return {text.data(), text.size()}; }

template <typename T>
T sized() {
  T value{};
  value.struct_size = sizeof value;
  return value;
}

gh_verdict deny(gh_decision &out) {
  out.http_status = 451;
  out.code = GH_LIT("word");
  out.message = GH_LIT("A word that is not allowed.");
  return GH_DENY;
}

struct Check {
  const gh_host *host;
  explicit Check(const gh_host *host) : host(host) {}
  virtual ~Check() = default;
  virtual gh_verdict request(gh_exchange *, gh_decision &) = 0;
  virtual gh_verdict response(gh_exchange *, gh_decision &) { return GH_CONTINUE; }
  virtual gh_verdict window(const gh_window &, gh_decision &) { return GH_CONTINUE; }

  template <typename Body>
  void each(gh_exchange *exchange, gh_side side, Body body) const {
    auto segment = sized<gh_segment>();
    for (size_t i = 0; host->segment(exchange, side, i, &segment) == GH_OK; i++) body(segment);
  }
};

struct Echo final : Check {
  using Check::Check;

  gh_verdict request(gh_exchange *exchange, gh_decision &out) override {
    auto list = std::make_unique<std::string>("[");
    each(exchange, GH_SIDE_REQUEST, [&](const gh_segment &segment) {
      if (list->size() > 1) *list += ",";
      *list += "[" + std::to_string(segment.role) + ",\"";
      for (char byte : text_of(segment.text)) {
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
        if (static_cast<unsigned char>(byte) < 0x20 || byte == '"' || byte == '\\') *list += escaped;
        else *list += byte;
      }
      *list += "\"]";
    });
    *list += "]";
    out.body.ptr = list->data();
    out.body.len = list->size();
    out.body.release = [](void *owner) { delete static_cast<std::string *>(owner); };
    out.body.owner = list.release();
    return GH_ANSWER;
  }
};

struct Deny final : Check {
  std::string word;
  Deny(const gh_host *host, std::string word) : Check(host), word(std::move(word)) {}

  gh_verdict look(gh_exchange *exchange, gh_side side, gh_decision &out) const {
    bool found = false;
    each(exchange, side, [&](const gh_segment &segment) {
      found |= !(segment.flags & GH_SEGMENT_BINARY) && text_of(segment.text).find(word) != std::string_view::npos;
    });
    return found ? deny(out) : static_cast<gh_verdict>(GH_CONTINUE);
  }
  gh_verdict request(gh_exchange *exchange, gh_decision &out) override { return look(exchange, GH_SIDE_REQUEST, out); }
  gh_verdict response(gh_exchange *exchange, gh_decision &out) override { return look(exchange, GH_SIDE_RESPONSE, out); }
  gh_verdict window(const gh_window &window, gh_decision &out) override {
    return text_of(window.text).find(word) != std::string_view::npos ? deny(out) : static_cast<gh_verdict>(GH_CONTINUE);
  }
};

struct Judge final : Check {
  std::string url;
  const gh_http *http;
  Judge(const gh_host *host, std::string url)
      : Check(host), url(std::move(url)), http(static_cast<const gh_http *>(host->extension(host, GH_EXT_HTTP))) {
    if (!http) throw std::runtime_error("this host lacks gh.http/1");
  }

  struct Question {
    const gh_host *host;
    gh_token token;
  };

  static void judged(void *user, const gh_http_in *answer) noexcept {
    std::unique_ptr<Question> asked(static_cast<Question *>(user));
    auto decision = sized<gh_decision>();
    gh_verdict verdict = GH_CONTINUE;
    if (answer->status != 200) {
      verdict = GH_FAIL;
      decision.message = GH_LIT("the judge did not answer");
    } else if (text_of(answer->body).find("deny") != std::string_view::npos) {
      verdict = deny(decision);
    }
    asked->host->complete(asked->token, verdict, &decision);
  }

  gh_verdict request(gh_exchange *exchange, gh_decision &) override {
    auto request = sized<gh_http_request>();
    request.method = GH_LIT("POST");
    request.url = view_of(url);
    request.body = host->json(exchange, GH_SIDE_REQUEST, GH_LIT("/messages/0/content"));
    auto asked = std::make_unique<Question>(Question{host, host->pend(exchange)});
    if (http->fetch(host, exchange, &request, judged, asked.get())) {
      asked.release();
    } else {
      auto failed = sized<gh_decision>();
      failed.message = GH_LIT("the judge cannot be asked");
      host->complete(asked->token, GH_FAIL, &failed);
    }
    return GH_PENDING;
  }
};

// The one parameter of a compact object, which has no escapes but "\/".
std::string parameter(std::string_view config) {
  std::string text;
  for (auto at = config.find(':') + 2; at < config.size() && config[at] != '"'; at++)
    if (config[at] != '\\') text += config[at];
  return text;
}

void *create(const gh_host *host, const gh_create_info *info) noexcept try {
  const auto check = text_of(info->check);
  if (check == "echo") return static_cast<Check *>(new Echo(host));
  auto text = parameter(text_of(info->config_json));
  if (text.empty()) {
    host->config_error(host, view_of(check == "deny" ? "/word" : "/url"), GH_LIT("must not be empty"));
    return nullptr;
  }
  if (check == "deny") return static_cast<Check *>(new Deny(host, std::move(text)));
  return static_cast<Check *>(new Judge(host, std::move(text)));
} catch (const std::exception &error) {
  host->config_error(host, GH_LIT(""), view_of(error.what()));
  return nullptr;
}

// Runs a hook; what it throws is a failure.
template <typename Hook>
gh_verdict guarded(gh_decision *out, Hook hook) noexcept try {
  return hook();
} catch (...) {
  out->message = GH_LIT("an exception");
  return GH_FAIL;
}

gh_hooks make_hooks() {
  auto hooks = sized<gh_hooks>();
  hooks.on_request = [](void *self, gh_exchange *exchange, gh_decision *out) {
    return guarded(out, [&] { return static_cast<Check *>(self)->request(exchange, *out); });
  };
  hooks.on_response = [](void *self, gh_exchange *exchange, gh_decision *out) {
    return guarded(out, [&] { return static_cast<Check *>(self)->response(exchange, *out); });
  };
  hooks.on_stream = [](void *self, gh_exchange *, const gh_window *window, gh_decision *out) {
    return guarded(out, [&] { return static_cast<Check *>(self)->window(*window, *out); });
  };
  return hooks;
}

const gh_hooks hooks = make_hooks();

gh_plugin make_plugin() {
  auto plugin = sized<gh_plugin>();
  plugin.abi_minor = GH_ABI_MINOR;
  plugin.flags = GH_ABI_DRAFT;
  plugin.id = GH_LIT("trio");
  plugin.version = GH_LIT("1.0.0");
  plugin.create = create;
  plugin.destroy = [](void *self) { delete static_cast<Check *>(self); };
  plugin.query = [](const char *id) -> const void * { return std::strcmp(id, GH_INTERFACE_HOOKS) == 0 ? &hooks : nullptr; };
  return plugin;
}

const gh_plugin plugin = make_plugin();

}  // namespace

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) { return GH_HAS(host, gh_host, complete) ? &plugin : nullptr; }
