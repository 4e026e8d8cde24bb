#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/cli/context.h"
#include "icecore/cli/text_table.h"
#include "icecore/cli/top.h"
#include "icecore/govern/access_token.h"
#include "icecore/net/http_client.h"
#include "icecore/spec/parse.h"
#include "icecore/spec/references.h"

namespace icecore::cli {
namespace {

using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

// The file of tokens that `icecore serve` reads in this project.
arrow::Result<std::string> TokenFile() {
  base::Diagnostics diagnostics;
  ARROW_ASSIGN_OR_RAISE(const spec::Project project, spec::ParseProject(".", &diagnostics));
  ARROW_RETURN_NOT_OK(diagnostics.ToStatus());
  ARROW_ASSIGN_OR_RAISE(const std::string path,
                        spec::ResolveReferences(project.serve.tokens, project.serve.location,
                                                spec::MakeSystemReferences(project.root)));
  return path.starts_with("/") ? path : project.root + "/" + path;
}

std::string ScopesText(const govern::AccessToken& token) {
  std::string text;
  for (const govern::Scope& scope : token.scopes) {
    text += (text.empty() ? "" : ",") + scope.ToString();
  }
  return text;
}

json TokenJson(const govern::AccessToken& token) {
  return {
      {"id", token.id},
      {"scopes", ScopesText(token)},
      {"created", base::FormatInstant(token.created_at_us)},
      {"expires", token.expires_at_us ? json(base::FormatInstant(*token.expires_at_us)) : json()},
      {"label", token.label}};
}

struct NewTokenArguments {
  std::vector<std::string> scopes;
  std::string label;
  std::string expires;
};

arrow::Status NewToken(Context* context, const NewTokenArguments& arguments) {
  govern::NewToken wanted;
  for (const std::string& text : arguments.scopes) {
    ARROW_ASSIGN_OR_RAISE(govern::Scope scope, govern::ParseScope(text));
    wanted.scopes.push_back(std::move(scope));
  }
  wanted.label = arguments.label;
  wanted.created_at_us = base::MakeSystemClock()->NowMicros();
  if (!arguments.expires.empty()) {
    ARROW_ASSIGN_OR_RAISE(const int64_t after_us, base::ParseDuration(arguments.expires));
    wanted.expires_at_us = base::SaturatingAdd(wanted.created_at_us, after_us);
  }
  ARROW_ASSIGN_OR_RAISE(const std::string path, TokenFile());
  ARROW_ASSIGN_OR_RAISE(const auto issued, govern::IssueToken(path, wanted, base::SystemRandom()));
  if (context->json) {
    json document = TokenJson(issued.token);
    document["token"] = issued.text;
    std::printf("%s\n", document.dump(1).c_str());
    return arrow::Status::OK();
  }
  std::printf("%s\n", issued.text.c_str());
  std::fprintf(stderr,
               "token %s (%s) is shown this once; %s keeps its digest. Send it as\n"
               "  Authorization: Bearer TOKEN\n",
               issued.token.id.c_str(), ScopesText(issued.token).c_str(), path.c_str());
  return arrow::Status::OK();
}

arrow::Status ListTokens(Context* context) {
  ARROW_ASSIGN_OR_RAISE(const std::string path, TokenFile());
  ARROW_ASSIGN_OR_RAISE(const auto tokens, govern::AccessTokens::Load(path));
  if (context->json) {
    json list = json::array();
    for (const govern::AccessToken& token : tokens.tokens()) {
      list.push_back(TokenJson(token));
    }
    std::printf("%s\n", list.dump(1).c_str());
    return arrow::Status::OK();
  }
  TextTable table({"id", "scopes", "created", "expires", "label"});
  for (const govern::AccessToken& token : tokens.tokens()) {
    table.Add({token.id, ScopesText(token), base::FormatInstantShort(token.created_at_us),
               token.expires_at_us ? base::FormatInstantShort(*token.expires_at_us) : "",
               token.label});
  }
  std::fputs(table.ToString().c_str(), stdout);
  return arrow::Status::OK();
}

arrow::Status RevokeToken(const std::string& id) {
  ARROW_ASSIGN_OR_RAISE(const std::string path, TokenFile());
  ARROW_RETURN_NOT_OK(govern::RevokeToken(path, id));
  std::printf("token %s opens nothing any more; running servers notice within a second\n",
              id.c_str());
  return arrow::Status::OK();
}

struct TopArguments {
  std::string url = "http://127.0.0.1:8080";
  std::string ca_file;
  std::string interval = "2s";
  int64_t count = 0;
};

arrow::Result<std::vector<MetricSample>> Scrape(net::HttpClient* client, const std::string& url) {
  net::HttpRequest request;
  request.method = "GET";
  request.url = url + "/metrics";
  request.timeout_ms = 10'000;
  if (const char* token = std::getenv("ICECORE_TOKEN"); token != nullptr && *token != '\0') {
    request.headers.emplace_back("Authorization", std::string("Bearer ") + token);
  }
  ARROW_ASSIGN_OR_RAISE(const net::HttpResponse response, client->Send(request));
  if (response.status == 401 || response.status == 403) {
    return MakeError(ErrorCode::kDenied,
                     url + " wants a token with the scope metrics; put it into ICECORE_TOKEN");
  }
  if (response.status != 200) {
    return MakeError(ErrorCode::kUnavailable,
                     url + "/metrics answers " + std::to_string(response.status));
  }
  return ParsePrometheusText(response.body);
}

// A terminal that can be cleared is; anything else gets one block below the other.
void ShowLoad(const ServerLoad& load, const std::string& url) {
  const char* terminal = std::getenv("TERM");
  const bool clears =
      ::isatty(STDOUT_FILENO) == 1 && terminal != nullptr && std::string(terminal) != "dumb";
  std::printf("%s%s at %s\n%s%s", clears ? "\x1b[H\x1b[J" : "", url.c_str(),
              base::FormatInstantShort(
                  base::FloorTo(base::MakeSystemClock()->NowMicros(), base::kMicrosPerSecond))
                  .c_str(),
              LoadText(load).c_str(), clears ? "" : "\n");
  std::fflush(stdout);
}

arrow::Status Top(Context* context, const TopArguments& arguments) {
  ARROW_ASSIGN_OR_RAISE(const int64_t interval_us, base::ParseDuration(arguments.interval));
  if (interval_us < 100'000 || interval_us > base::kMicrosPerHour) {
    return MakeError(ErrorCode::kInvalidArgument, "--interval takes 100ms to 1h");
  }
  std::string url = arguments.url;
  url = url.find("://") == std::string::npos ? "http://" + url : url;
  while (url.ends_with('/')) {
    url.pop_back();
  }
  net::HttpClient::Options options;
  options.ca_file = arguments.ca_file;
  ARROW_ASSIGN_OR_RAISE(const auto client, net::HttpClient::Open(options));
  ARROW_ASSIGN_OR_RAISE(auto before, Scrape(client.get(), url));
  int64_t scraped_ns = base::MonotonicNanos();
  const int64_t count = context->json ? 1 : arguments.count;
  for (int64_t shown = 0; count == 0 || shown < count; ++shown) {
    std::this_thread::sleep_for(std::chrono::microseconds(interval_us));
    ARROW_ASSIGN_OR_RAISE(auto after, Scrape(client.get(), url));
    const int64_t now_ns = base::MonotonicNanos();
    const ServerLoad load =
        LoadBetween(before, after, static_cast<double>(now_ns - scraped_ns) * 1e-9);
    if (context->json) {
      std::printf("%s\n", LoadJson(load).c_str());
    } else {
      ShowLoad(load, url);
    }
    before = std::move(after);
    scraped_ns = now_ns;
  }
  return arrow::Status::OK();
}

void AddTop(CLI::App* app, Context* context) {
  auto* top = app->add_subcommand("top", "What a running server does, as it does it");
  top->footer(
      "Reads /metrics. A server that asks for tokens wants one with the scope metrics, in "
      "ICECORE_TOKEN.");
  auto arguments = std::make_shared<TopArguments>();
  top->add_option("URL", arguments->url, "The server, default http://127.0.0.1:8080");
  top->add_option("--ca", arguments->ca_file, "Trust these certificates, PEM")->type_name("FILE");
  top->add_option("--interval", arguments->interval, "How often to look, default 2s")
      ->type_name("DURATION");
  top->add_option("--count", arguments->count, "End after so many looks; default: go on")
      ->check(CLI::PositiveNumber);
  top->callback([=] { Guard(context, [&] { return Top(context, *arguments); }); });
}

void AddServe(CLI::App* app, Context* context) {
  auto* serve = app->add_subcommand("serve", "Answer feature requests over HTTP and Arrow Flight");
  serve->footer(
      "Beyond loopback it wants TLS and at least one access token (`icecore token new`). A project "
      "that\n"
      "has tokens asks for them on loopback, too. icecore.yaml may say the same under `serve:`.");
  auto said = std::make_shared<spec::ServeSettings>();
  said->tokens.clear();
  auto flight = std::make_shared<std::string>();
  serve->add_option("--http", said->http, "Where to listen, default 127.0.0.1:8080")
      ->type_name("ADDRESS:PORT");
  serve
      ->add_option("--flight", *flight,
                   "Listen for Arrow Flight, too, e.g. on 127.0.0.1:8815; default: not")
      ->type_name("ADDRESS:PORT");
  serve
      ->add_option(
          "--tls-cert", said->tls_cert,
          "The server's certificate and those up to the root, PEM; nothing but TLS from then on")
      ->type_name("FILE");
  serve->add_option("--tls-key", said->tls_key, "Its private key, PEM")->type_name("FILE");
  serve->add_option("--tokens", said->tokens, "The file of tokens, default .icecore/tokens")
      ->type_name("FILE");
  serve->add_flag("--insecure", said->insecure,
                  "Ask for no tokens, and listen anywhere without TLS: whoever can reach the "
                  "address can read every feature");
  serve->add_flag("--log-requests", said->log_requests,
                  "A JSON line on stderr for every request; else for those that fail (500 and "
                  "above)");
  serve->callback([=] {
    Guard(context, [&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto options, context->EngineOptions());
      return context->serve(options, *said, *flight);
    });
  });
}

void AddToken(CLI::App* app, Context* context) {
  auto* token = app->add_subcommand("token", "Access tokens of `icecore serve`");
  token->require_subcommand(1);
  auto* make = token->add_subcommand("new", "Make a token and print it, this once");
  auto arguments = std::make_shared<NewTokenArguments>();
  make->add_option("--scope", arguments->scopes,
                   "What it allows: read, read:SERVICE, push, push:SOURCE, metrics (repeatable, or "
                   "with commas)")
      ->required()
      ->delimiter(',')
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("SCOPE");
  make->add_option("--label", arguments->label, "Whose it is, for people");
  make->add_option("--expires", arguments->expires,
                   "Valid for so long, e.g. 90d; default: for ever")
      ->type_name("DURATION");
  make->callback([=] { Guard(context, [&] { return NewToken(context, *arguments); }); });
  auto* list = token->add_subcommand("list", "The tokens that there are, without their texts");
  list->callback([=] { Guard(context, [&] { return ListTokens(context); }); });
  auto* revoke = token->add_subcommand("revoke", "A token opens nothing any more");
  auto id = std::make_shared<std::string>();
  revoke->add_option("ID", *id, "Its id, as in `icecore token list`")->required();
  revoke->callback([=] { Guard(context, [&] { return RevokeToken(*id); }); });
}

}  // namespace

void AddServerCommands(CLI::App* app, Context* context) {
  AddServe(app, context);
  AddToken(app, context);
  AddTop(app, context);
}

}  // namespace icecore::cli
