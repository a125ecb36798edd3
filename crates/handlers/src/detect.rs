//! What there is on this machine that could do agents' work: a key for a model, Claude Code, a model's server.
//!
//! Looks only, and says why it picks what it picks. A key is sent to the vendor whose it is, and to nobody else; a model is
//! never guessed: its name comes from whoever would run it.

use std::{env, path::Path, time::Duration};

use reqwest::RequestBuilder;
use roster::{Handler, Provider};
use serde_json::Value;

use crate::web;

/// How long a server of this machine may take to say which models it has.
const NEAR: Duration = Duration::from_secs(1);

/// How long a vendor may take.
const FAR: Duration = Duration::from_secs(10);

/// The most of such an answer that is read, in bytes.
const LONGEST: usize = 4 << 20;

/// Where the servers of models listen that people run themselves, unless they are told otherwise.
const SERVERS: [(&str, Provider, &str); 4] = [
    ("Ollama", Provider::Ollama, "http://127.0.0.1:11434"),
    ("LM Studio", Provider::OpenAi, "http://127.0.0.1:1234/v1"),
    ("llama.cpp", Provider::OpenAi, "http://127.0.0.1:8080/v1"),
    ("vLLM", Provider::OpenAi, "http://127.0.0.1:8000/v1"),
];

/// The vendors whose keys are looked for, by the variable in which such a key is by custom.
const VENDORS: [(&str, Provider, &str); 2] = [
    ("ANTHROPIC_API_KEY", Provider::Anthropic, "https://api.anthropic.com/v1"),
    ("OPENAI_API_KEY", Provider::OpenAi, "https://api.openai.com/v1"),
];

/// What should do the work of agents that say nothing about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The handler.
    pub handler: Handler,
    /// Which API the model's endpoint speaks, for `llm`.
    pub provider: Option<Provider>,
    /// The endpoint, where it is not the vendor's own.
    pub url: Option<String>,
    /// The model, where one is known to be there.
    pub model: Option<String>,
    /// Why, in words.
    pub why: String,
}

impl Choice {
    fn of(handler: Handler, why: impl Into<String>) -> Self {
        Self { handler, provider: None, url: None, model: None, why: why.into() }
    }
}

/// Looks around: a key first, then Claude Code, then a server on this machine. Takes 14 s at most.
pub async fn detect() -> Choice {
    for (variable, provider, base) in VENDORS {
        if let Some(key) = env::var(variable).ok().filter(|key| !key.trim().is_empty()) {
            return vendor(variable, provider, base, key.trim()).await;
        }
    }
    if let Some(program) = on_path("claude") {
        return Choice::of(Handler::ClaudeCode, format!("no key for a model is in the environment, and {} is there", program.display()));
    }
    for (name, provider, base) in SERVERS {
        if let Some(choice) = server(name, provider, base).await {
            return choice;
        }
    }
    Choice::of(
        Handler::Context,
        "there is no key for a model in the environment, no 'claude' on PATH, and no model's server on this machine",
    )
}

async fn vendor(variable: &str, provider: Provider, base: &str, key: &str) -> Choice {
    let models = models(provider, base, Some(key), FAR).await;
    let why = match &models {
        Ok(Some(model)) => format!("{variable} is set, and {provider} has the model {model}"),
        Ok(None) => format!("{variable} is set; {provider} names no model that fits, so name one"),
        Err(why) => format!("{variable} is set; which models there are could not be learnt ({why}), so name one"),
    };
    Choice { provider: Some(provider), model: models.ok().flatten(), ..Choice::of(Handler::Llm, why) }
}

async fn server(name: &str, provider: Provider, base: &str) -> Option<Choice> {
    let model = models(provider, base, None, NEAR).await.ok()??;
    let why = format!("{name} answers at {base}, and has the model {model}");
    // Where it listens by itself needs not be said.
    let url = (provider != Provider::Ollama).then(|| base.to_owned());
    Some(Choice { provider: Some(provider), url, model: Some(model), ..Choice::of(Handler::Llm, why) })
}

/// The model to take of those that somebody has; the error is one in words, and holds no key.
async fn models(provider: Provider, base: &str, key: Option<&str>, limit: Duration) -> Result<Option<String>, String> {
    let path = if provider == Provider::Ollama { "/api/tags" } else { "/models" };
    let request = web::client(base).map_err(|_| "no HTTP client can be made".to_owned())?.get(format!("{base}{path}"));
    let request = match (provider, key) {
        (Provider::Anthropic, Some(key)) => request.header("x-api-key", key).header("anthropic-version", "2023-06-01"),
        (_, Some(key)) => request.bearer_auth(key),
        (_, None) => request,
    };
    let listed = tokio::time::timeout(limit, read(request)).await.map_err(|_| format!("no answer within {limit:?}"))??;
    Ok(pick(provider, &listed))
}

async fn read(request: RequestBuilder) -> Result<Value, String> {
    let mut response = request.send().await.map_err(|error| if error.is_connect() { "nobody answers" } else { "it failed" })?;
    if !response.status().is_success() {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| "it broke off")? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LONGEST {
            return Err("the list has no end".to_owned());
        }
    }
    serde_json::from_slice(&bytes).map_err(|_| "its answer is no JSON".to_owned())
}

/// The model of a list that fits best: for conversation, and of a vendor's the newest of the middle size.
fn pick(provider: Provider, listed: &Value) -> Option<String> {
    let (list, name) = if provider == Provider::Ollama { ("models", "name") } else { ("data", "id") };
    let mut models: Vec<(i64, &str)> = Vec::new();
    for model in listed.get(list)?.as_array()? {
        let Some(id) = model.get(name).and_then(Value::as_str) else { continue };
        if !id.is_empty() && !OTHER_WORK.iter().any(|word| id.contains(word)) {
            models.push((model.get("created").and_then(Value::as_i64).unwrap_or_default(), id));
        }
    }
    let family = |wanted: &str| models.iter().filter(|(_, id)| id.contains(wanted)).copied().collect::<Vec<_>>();
    let named = match provider {
        Provider::Anthropic => family("sonnet"),
        Provider::OpenAi => family("gpt-"),
        Provider::Ollama => Vec::new(),
    };
    let of = if named.is_empty() { &models } else { &named };
    // The first of the newest: where nobody says when, the list's own order counts.
    let newest = of.iter().map(|(created, _)| *created).max()?;
    of.iter().find(|(created, _)| *created == newest).map(|(_, id)| (*id).to_owned())
}

/// What stands in the names of models that do not converse.
const OTHER_WORK: [&str; 11] =
    ["embed", "whisper", "tts", "audio", "realtime", "image", "dall-e", "moderation", "transcribe", "search", "instruct"];

/// Where a program is on PATH.
fn on_path(program: &str) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// The address of somebody who answers every request with this, and what was asked of it.
    async fn answers(status: &'static str, body: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            String::from_utf8_lossy(request.get(..length).unwrap()).into_owned()
        });
        (base, asked)
    }

    #[test]
    fn the_newest_of_the_middle_size_is_taken_and_nothing_that_does_not_converse() {
        let anthropic = json!({ "data": [{ "id": "claude-opus-9" }, { "id": "claude-sonnet-9" }, { "id": "claude-sonnet-8" }] });
        assert_eq!(pick(Provider::Anthropic, &anthropic).as_deref(), Some("claude-sonnet-9"));
        let openai = json!({ "data": [
            { "id": "gpt-7", "created": 70 }, { "id": "gpt-9-audio", "created": 91 }, { "id": "text-embedding-9", "created": 95 },
            { "id": "gpt-8", "created": 80 }, { "id": "o9", "created": 90 },
        ] });
        assert_eq!(pick(Provider::OpenAi, &openai).as_deref(), Some("gpt-8"));
        let ollama = json!({ "models": [{ "name": "nomic-embed-text:latest" }, { "name": "llama3.2:latest" }] });
        assert_eq!(pick(Provider::Ollama, &ollama).as_deref(), Some("llama3.2:latest"));
        for nothing in [json!(null), json!({ "data": [] }), json!({ "data": [{ "id": "" }, { "id": 7 }] }), json!({ "data": {} })] {
            assert_eq!(pick(Provider::OpenAi, &nothing), None, "{nothing}");
        }
    }

    #[tokio::test]
    async fn a_server_that_has_a_model_is_taken() {
        let (base, asked) = answers("200 OK", r#"{"data":[{"id":"qwen"}]}"#).await;
        let choice = server("vLLM", Provider::OpenAi, &base).await.unwrap();
        assert!(asked.await.unwrap().starts_with("GET /models HTTP/1.1"));
        assert_eq!((choice.handler, choice.url, choice.model.as_deref()), (Handler::Llm, Some(base), Some("qwen")));
    }

    #[tokio::test]
    async fn a_server_of_something_else_is_not() {
        for body in ["<html>", "{}", "[1]"] {
            let (base, _asked) = answers("200 OK", body).await;
            assert_eq!(server("vLLM", Provider::OpenAi, &base).await, None, "{body}");
        }
        assert_eq!(server("vLLM", Provider::OpenAi, "http://127.0.0.1:1/v1").await, None);
    }

    #[tokio::test]
    async fn a_key_counts_though_the_vendor_is_not_reached_and_is_never_told() {
        let (base, asked) = answers("401 Unauthorized", "bad key sk-secret-of-mine").await;
        let choice = vendor("OPENAI_API_KEY", Provider::OpenAi, &base, "sk-secret-of-mine").await;
        assert!(asked.await.unwrap().contains("sk-secret-of-mine"), "it was sent to the vendor");
        assert_eq!((choice.handler, &choice.model), (Handler::Llm, &None));
        assert!(choice.why.contains("status 401") && !format!("{choice:?}").contains("sk-secret"), "{choice:?}");
    }
}
