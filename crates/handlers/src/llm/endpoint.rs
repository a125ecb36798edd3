//! Which model is asked, where, and by which API: read off a definition.
//!
//! Pure. Holds no key. A definition written for Claude Code often says `model: sonnet`; which model that is, only Claude Code
//! knows, so it is not guessed here.

use roster::{Definition, KeySource, Provider};
use url::Url;

/// Names of models that mean something to Claude Code only.
const ALIASES: [&str; 8] = ["best", "default", "fable", "haiku", "inherit", "opus", "opusplan", "sonnet"];

/// Where a model is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) provider: Provider,
    pub(super) model: String,
    /// The address that is posted to.
    pub(super) url: Url,
    /// Where the key is, if one is sent.
    pub(super) key: Option<KeySource>,
}

impl Endpoint {
    /// The endpoint of a definition; otherwise what is missing in it.
    pub(super) fn of(definition: &Definition) -> Result<Self, String> {
        let block = &definition.bus;
        let model = model(block.model.as_deref(), definition.model.as_deref())?;
        let provider = block.provider.or_else(|| provider(&model));
        let provider = provider.ok_or_else(|| format!("nothing says which API the model '{model}' has: say 'provider'"))?;
        let url = block.url.as_deref().map_or_else(|| Ok(own(provider).to_owned()), |base| address(provider, base));
        let url = url.and_then(|url| Url::parse(&url).map_err(|error| format!("its 'url' is not right: {error}")))?;
        // The vendor's key goes to the vendor; an endpoint that somebody else named gets only what was named for it.
        let default = if block.url.is_none() { variable(provider) } else { None };
        let key = block.key.clone().or_else(|| default.map(|name| KeySource::Env(name.to_owned())));
        Ok(Self { provider, model, url, key })
    }

    /// The headers that carry the key, and those that the API wants.
    pub(super) fn headers(&self, key: Option<&str>) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let mut set = |name: &str, value: String| headers.push((name.to_owned(), value));
        match (self.provider, key) {
            (Provider::Anthropic, key) => {
                set("anthropic-version", "2023-06-01".to_owned());
                if let Some(key) = key {
                    set("x-api-key", key.to_owned());
                }
            }
            (_, Some(key)) => set("authorization", format!("Bearer {key}")),
            (_, None) => {}
        }
        headers
    }
}

/// The block's word counts first. The definition's own was written for Claude Code.
fn model(block: Option<&str>, own: Option<&str>) -> Result<String, String> {
    match block.or(own).map(str::trim).filter(|model| !model.is_empty()) {
        None => Err("it names no model: say 'model'".to_owned()),
        Some(alias) if ALIASES.contains(&alias) => {
            Err(format!("its model is '{alias}', which only Claude Code knows: say 'model' in its block, or under [defaults]"))
        }
        Some(model) => Ok(model.to_owned()),
    }
}

/// Whose model has such a name.
fn provider(model: &str) -> Option<Provider> {
    let begins = |starts: &[&str]| starts.iter().any(|start| model.starts_with(start));
    match () {
        () if begins(&["claude-"]) => Some(Provider::Anthropic),
        () if begins(&["gpt-", "chatgpt-", "o1", "o3", "o4"]) => Some(Provider::OpenAi),
        () => None,
    }
}

/// Where a vendor's own service is.
const fn own(provider: Provider) -> &'static str {
    match provider {
        Provider::Anthropic => "https://api.anthropic.com/v1/messages",
        Provider::OpenAi => "https://api.openai.com/v1/chat/completions",
        Provider::Ollama => "http://127.0.0.1:11434/api/chat",
    }
}

/// The variable in which a vendor's key is by custom.
const fn variable(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::Anthropic => Some("ANTHROPIC_API_KEY"),
        Provider::OpenAi => Some("OPENAI_API_KEY"),
        Provider::Ollama => None,
    }
}

/// The address to post to: people write the server, the API's base, or all of it.
fn address(provider: Provider, base: &str) -> Result<String, String> {
    let mut url = Url::parse(base).map_err(|error| format!("its 'url' is not right: {error}"))?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err("its 'url' is none that begins with http:// or https://".to_owned());
    }
    let (version, end) = match provider {
        Provider::Anthropic => ("/v1", "/messages"),
        Provider::OpenAi => ("/v1", "/chat/completions"),
        Provider::Ollama => ("/api", "/chat"),
    };
    let path = url.path().trim_end_matches('/').to_owned();
    let path = match path.as_str() {
        path if path.ends_with(end) => path.to_owned(),
        "" => format!("{version}{end}"),
        path => format!("{path}{end}"),
    };
    url.set_path(&path);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    fn endpoint(model: &str, bus: &str) -> Result<Endpoint, String> {
        let text = format!("---\nname: poet\n{model}\nbus: {{handler: llm{bus}}}\n---\nYou write.\n");
        Endpoint::of(&roster::parse(Path::new("poet.md"), &text).0.unwrap())
    }

    #[rstest::rstest]
    #[case("model: claude-x", "", "https://api.anthropic.com/v1/messages", Some("env:ANTHROPIC_API_KEY"))]
    #[case("model: sonnet", ", model: gpt-x", "https://api.openai.com/v1/chat/completions", Some("env:OPENAI_API_KEY"))]
    #[case("", ", model: m, provider: ollama", "http://127.0.0.1:11434/api/chat", None)]
    #[case("", ", model: m, provider: openai, url: 'http://127.0.0.1:8000'", "http://127.0.0.1:8000/v1/chat/completions", None)]
    #[case("", ", model: m, provider: openai, url: 'http://127.0.0.1:8000/v1/'", "http://127.0.0.1:8000/v1/chat/completions", None)]
    #[case("", ", model: m, provider: openai, url: 'http://h/x/chat/completions?a=b'", "http://h/x/chat/completions?a=b", None)]
    #[case("", ", model: claude-x, url: 'http://h/proxy', key: env:K", "http://h/proxy/messages", Some("env:K"))]
    #[case("", ", model: m, provider: ollama, url: 'http://h:1/'", "http://h:1/api/chat", None)]
    #[case("", ", model: m, provider: ollama, url: 'http://h:1/api'", "http://h:1/api/chat", None)]
    fn an_endpoint_is_read_off_a_definition(#[case] top: &str, #[case] bus: &str, #[case] url: &str, #[case] key: Option<&str>) {
        let endpoint = endpoint(top, bus).unwrap();
        assert_eq!((endpoint.url.as_str(), endpoint.key.map(|key| key.to_string()).as_deref()), (url, key));
    }

    #[rstest::rstest]
    #[case("", "", "it names no model: say 'model'")]
    #[case("model: sonnet", "", "its model is 'sonnet', which only Claude Code knows")]
    #[case("", ", model: inherit", "its model is 'inherit'")]
    #[case("", ", model: llama", "which API the model 'llama' has: say 'provider'")]
    #[case("model: claude-x", ", url: 'ftp://h/'", "its 'url' is none that begins with http")]
    #[case("model: claude-x", ", url: 'h'", "its 'url' is not right")]
    fn what_is_missing_is_said(#[case] top: &str, #[case] bus: &str, #[case] says: &str) {
        let why = endpoint(top, bus).unwrap_err();
        assert!(why.contains(says), "{why}");
    }

    #[test]
    fn a_key_goes_where_the_api_wants_it() {
        let names = |model: &str, bus: &str, key| {
            let headers = endpoint(model, bus).unwrap().headers(key);
            headers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(names("model: claude-x", "", Some("k")), "anthropic-version: 2023-06-01; x-api-key: k");
        assert_eq!(names("model: gpt-x", "", Some("k")), "authorization: Bearer k");
        assert_eq!(names("model: m", ", provider: ollama", None), "");
    }
}
