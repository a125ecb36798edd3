//! What else of a definition decides what is run, or where its queries and keys go: pinned word for word.
//!
//! Pure. Holds no secret: keys and variables are named by where they are.

use std::{collections::BTreeMap, net::IpAddr};

use roster::{Bus, Definition, Handler, Tools};
use sha2::{Digest, Sha256};
use url::{Host, Url};

/// Why a definition needs to be trusted.
pub(super) fn needs_trust(block: &Bus) -> bool {
    match block.handler() {
        // A definition that came with a repository must not choose where queries go.
        Handler::Exec | Handler::ClaudeCode | Handler::Http => true,
        // Nor which variable or file is sent along, be it to this machine, or to a vendor under somebody else's account.
        Handler::Llm => {
            let names_secrets = block.key.is_some() || block.headers.as_ref().is_some_and(|headers| !headers.is_empty());
            names_secrets || block.url.as_deref().is_some_and(|url| !is_loopback(url))
        }
        Handler::Context | Handler::Mailbox | Handler::Synadia => false,
    }
}

/// The settings of a definition that count, by their keys.
pub(super) fn of(definition: &Definition) -> BTreeMap<String, String> {
    let block = &definition.bus;
    let mut settings = BTreeMap::new();
    let mut set = |key: &str, value: Option<String>| drop(value.map(|value| settings.insert(key.to_owned(), value)));
    set("pass_env", block.pass_env.as_ref().map(|names| names.join(" ")));
    set("workdir", block.workdir.as_ref().map(|workdir| workdir.display().to_string()));
    match block.handler() {
        Handler::ClaudeCode => {
            set("handler", Some(Handler::ClaudeCode.to_string()));
            set("model", block.model.clone().or_else(|| definition.model.clone()));
            set("tools", Some(tools(&definition.tools)));
            set("permissions", Some(block.permissions.unwrap_or_default().to_string()));
            // A prompt is the program of whoever may use tools.
            set("prompt", Some(format!("sha256 {}", hex::encode(Sha256::digest(&definition.body)))));
        }
        Handler::Http | Handler::Llm if needs_trust(block) => {
            set("handler", Some(block.handler().to_string()));
            set("url", block.url.clone());
            set("key", block.key.as_ref().map(ToString::to_string));
            set("provider", block.provider.map(|provider| provider.to_string()));
            for (name, value) in block.headers.iter().flatten() {
                set(&format!("header {name}"), Some(value.clone()));
            }
        }
        _ => {}
    }
    settings
}

fn tools(tools: &Tools) -> String {
    match tools {
        Tools::Unsaid => "those that Claude Code allows".to_owned(),
        Tools::All => "*".to_owned(),
        Tools::Only(names) => names.join(", "),
    }
}

/// Whether an address is this machine, whatever is asked to find it: a name that only resolves to it does not count.
pub(crate) fn is_loopback(url: &str) -> bool {
    let host = Url::parse(url).ok();
    match host.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(at)) => IpAddr::from(at).is_loopback(),
        Some(Host::Ipv6(at)) => IpAddr::from(at).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    fn definition(bus: &str) -> Definition {
        let text = format!("---\nname: poet\ntools: Read, Bash\nbus: {bus}\n---\nYou write.\n");
        roster::parse(Path::new("poet.md"), &text).0.unwrap()
    }

    #[rstest::rstest]
    #[case("{handler: context}", false)]
    #[case("{handler: mailbox}", false)]
    #[case("{handler: exec, command: ls}", true)]
    #[case("{handler: claude-code}", true)]
    #[case("{handler: http, url: 'http://127.0.0.1:1/'}", true)]
    #[case("{handler: llm, model: m}", false)]
    #[case("{handler: llm, url: 'http://127.0.0.1:11434'}", false)]
    #[case("{handler: llm, url: 'http://localhost:8080/v1'}", false)]
    #[case("{handler: llm, url: 'http://[::1]:8080/v1'}", false)]
    #[case("{handler: llm, url: 'https://localhost.example.com/v1'}", true)]
    #[case("{handler: llm, url: 'http://127.0.0.1@example.com/v1'}", true)]
    #[case("{handler: llm, url: 'no url'}", true)]
    #[case("{handler: llm, model: m, provider: ollama}", false)]
    #[case("{handler: llm, model: m, headers: {}}", false)]
    #[case("{handler: llm, model: m, key: 'file:theirs'}", true)]
    #[case("{handler: llm, model: m, headers: {x: '${ANY}'}}", true)]
    #[case("{handler: llm, url: 'http://127.0.0.1:11434', key: env:ANY}", true)]
    #[case("{handler: llm, url: 'http://127.0.0.1:11434', headers: {x: '${ANY}'}}", true)]
    fn whoever_runs_something_or_sends_queries_away_needs_trust(#[case] bus: &str, #[case] needs: bool) {
        assert_eq!(needs_trust(&definition(bus).bus), needs);
    }

    #[test]
    fn what_decides_is_pinned() {
        let keys = |bus: &str| of(&definition(bus)).into_keys().collect::<Vec<_>>().join(" ");
        assert_eq!(keys("{handler: exec, command: ls}"), "");
        assert_eq!(keys("{handler: exec, command: ls, pass_env: [TOKEN], workdir: sub}"), "pass_env workdir");
        assert_eq!(keys("{handler: claude-code}"), "handler permissions prompt tools");
        let http = "{handler: http, url: 'https://example.com', headers: {Authorization: 'Bearer ${TOKEN}'}}";
        assert_eq!(keys(http), "handler header Authorization url");
        assert_eq!(keys("{handler: llm, url: 'https://example.com', key: env:KEY}"), "handler key url");
        assert_eq!(keys("{handler: llm, key: env:KEY}"), "handler key");
        assert_eq!(keys("{handler: llm, headers: {x: '${ANY}'}}"), "handler header x");
        assert_eq!(keys("{handler: llm, url: 'http://127.0.0.1:11434'}"), "");
    }
}
