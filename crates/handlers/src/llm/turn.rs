//! One turn of a model: a request goes out, and a stream comes back, through genai.
//!
//! Bounds what comes: by what may be written (`limits.output`), by what may be sent around it, and by silence. genai and what is below
//! it log nothing here: they would log what an endpoint says, and an endpoint may say the key.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use agentbus::Fault;
use futures::StreamExt;
use genai::{
    Client, Headers, ModelIden, ServiceTarget,
    adapter::AdapterKind,
    chat::{
        ChatFrameSink, ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent, ContentPart, FrameCtx, MessageContent, RawFrameRef,
        ReasoningEffort, StopReason, StreamEnd, ToolCall, ToolChoice,
    },
    resolver::{AuthData, Endpoint as Base},
};
use roster::Provider;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tracing::{Dispatch, instrument::WithSubscriber};

use super::{
    calls::{self, Calls},
    endpoint::Endpoint,
    reports::Reports,
    trouble,
};
use crate::web::{self, Secrets, Trouble};

/// How often silence and limits are looked at while nothing comes.
const LOOK: Duration = Duration::from_millis(100);

/// How many bytes may be sent for each that is written: events have names and numbers around a word.
const AROUND: u64 = 16;

/// A way to a model.
#[derive(Debug)]
pub(super) struct Chat {
    client: Client,
    target: ServiceTarget,
    provider: Provider,
    /// How long nothing may come.
    stall: Duration,
    /// How much may be written in a turn, in bytes.
    most: u64,
}

/// What a turn may be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowed {
    pub(super) tools: bool,
    pub(super) tokens: Option<u32>,
}

/// What a model has said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) calls: Vec<ToolCall>,
    /// Tokens read and written, where the endpoint says.
    pub(super) usage: (u64, u64),
    pub(super) stop: Option<StopReason>,
    /// The same for the next request.
    pub(super) message: ChatMessage,
}

impl Chat {
    /// A way to this endpoint, with these headers beside its own.
    pub(super) fn new(
        endpoint: &Endpoint,
        key: Option<&SecretString>,
        more: Vec<(String, String)>,
        stall: Duration,
        most: u64,
    ) -> Result<Self, Fault> {
        let failed = |error: genai::Error| Fault::fail("no_http_client", error.to_string());
        let client = Client::builder().with_reqwest(web::client(endpoint.url.as_str())?).build().map_err(failed)?;
        let kind = match endpoint.provider {
            Provider::Anthropic => AdapterKind::Anthropic,
            Provider::OpenAi => AdapterKind::OpenAI,
            Provider::Ollama => AdapterKind::Ollama,
        };
        let mut headers = endpoint.headers(key.map(ExposeSecret::expose_secret));
        headers.extend(more);
        // Address and headers are ours whole: genai would want a key where a local endpoint has none.
        let auth = AuthData::RequestOverride { url: endpoint.url.to_string(), headers: Headers::from(headers) };
        let base = Base::from_owned(endpoint.url.as_str());
        let target = ServiceTarget { endpoint: base, auth, model: ModelIden::new(kind, endpoint.model.clone()) };
        Ok(Self { client, target, provider: endpoint.provider, stall, most })
    }

    /// One turn. Counts what it costs as soon as that is known.
    pub(super) async fn turn(
        &self,
        talk: &ChatRequest,
        allowed: Allowed,
        secrets: &Secrets,
        reports: &mut Reports<'_>,
    ) -> Result<Said, Trouble> {
        let wire = Arc::new(Wire::default());
        let mut talk = talk.clone();
        if !allowed.tools && self.provider == Provider::Ollama {
            // It knows no way to forbid what it was given.
            talk.tools = None;
        }
        let options = self.options(allowed, talk.tools.is_some(), wire.clone());
        let opened = self.client.exec_chat_stream(self.target.clone(), talk, Some(&options)).with_subscriber(Dispatch::none()).await;
        let mut stream = opened.map_err(|error| trouble::trouble(&error, secrets))?.stream;
        let mut heard = Heard::new(self.provider == Provider::OpenAi);
        let mut quiet = Quiet::new();
        let end = loop {
            let next = stream.next().with_subscriber(Dispatch::none());
            match tokio::time::timeout(LOOK, next).await {
                Ok(Some(Ok(ChatStreamEvent::End(end)))) => break end,
                Ok(Some(Ok(event))) => heard.take(event, reports),
                Ok(Some(Err(error))) => return Err(trouble::trouble(&error, secrets)),
                Ok(None) => return Err(trouble::broken("it ended in the middle").into()),
                Err(_) => {}
            }
            reports.due().await;
            self.bound(&wire, &heard)?;
            if quiet.lasts(&wire) >= self.stall {
                return Err(Fault::retry("stalled", format!("the model said nothing for {:?}", self.stall)).into());
            }
        };
        reports.end().await;
        self.bound(&wire, &heard)?;
        self.whole(&end, &wire, secrets)?;
        Ok(heard.said(end))
    }

    fn options(&self, allowed: Allowed, tools: bool, wire: Arc<Wire>) -> ChatOptions {
        let options = ChatOptions {
            max_tokens: allowed.tokens,
            capture_usage: Some(true),
            capture_content: Some(true),
            // Anthropic wants its thoughts back with the tools' results.
            capture_reasoning_content: Some(true),
            capture_tool_calls: Some(false),
            tool_choice: (tools && !allowed.tools).then_some(ToolChoice::None),
            ..ChatOptions::default()
        };
        let options = options.with_raw_frame_sink_arc(wire);
        match self.provider {
            // Sends nothing; without it genai takes the end of a name such as `qwen-max` for an effort, and cuts it off.
            Provider::OpenAi => options.with_reasoning_effort(ReasoningEffort::Budget(0)),
            Provider::Anthropic | Provider::Ollama => options,
        }
    }

    fn bound(&self, wire: &Wire, heard: &Heard) -> Result<(), Trouble> {
        if heard.size > self.most || wire.bytes.load(Ordering::Relaxed) > self.most.saturating_mul(AROUND) {
            return Err(Fault::fail("output_limit", format!("the model wrote more than {} bytes", self.most)).into());
        }
        if heard.calls.len() > calls::MOST {
            return Err(Fault::fail("bad_tool_calls", format!("the model called more than {} tools at once", calls::MOST)).into());
        }
        Ok(())
    }

    /// genai makes an end of its own where an Ollama stream breaks off, and passes over its error line.
    fn whole(&self, end: &StreamEnd, wire: &Wire, secrets: &Secrets) -> Result<(), Trouble> {
        if self.provider != Provider::Ollama || end.captured_usage.is_some() {
            return Ok(());
        }
        let error = wire.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(error.map_or_else(|| trouble::broken("it ended in the middle").into(), |error| trouble::said(&error, secrets)))
    }
}

/// What has been heard of a turn.
struct Heard {
    text: String,
    calls: Calls,
    /// How much was written, in bytes.
    size: u64,
}

impl Heard {
    const fn new(in_pieces: bool) -> Self {
        Self { text: String::new(), calls: Calls::new(in_pieces), size: 0 }
    }

    fn take(&mut self, event: ChatStreamEvent, reports: &mut Reports<'_>) {
        let grown = match event {
            ChatStreamEvent::Chunk(chunk) => {
                reports.grow(&chunk.content);
                self.text.push_str(&chunk.content);
                chunk.content.len()
            }
            ChatStreamEvent::ReasoningChunk(chunk) | ChatStreamEvent::ThoughtSignatureChunk(chunk) => chunk.content.len(),
            ChatStreamEvent::ToolCallChunk(chunk) => self.calls.take(chunk.tool_call),
            _ => 0,
        };
        self.size = self.size.saturating_add(u64::try_from(grown).unwrap_or(u64::MAX));
    }

    fn said(self, end: StreamEnd) -> Said {
        let tokens = |count: Option<i32>| count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        let usage = end.captured_usage.as_ref().map_or((0, 0), |usage| (tokens(usage.prompt_tokens), tokens(usage.completion_tokens)));
        let calls = self.calls.into_calls();
        let mut content = end.captured_content.unwrap_or_else(|| MessageContent::from_parts(Vec::new()));
        for call in &calls {
            // The APIs take back only what they would have sent.
            let arguments = if call.fn_arguments.is_object() { call.fn_arguments.clone() } else { Value::Object(Map::new()) };
            content.push(ContentPart::ToolCall(ToolCall { fn_arguments: arguments, ..call.clone() }));
        }
        Said { text: self.text, calls, usage, stop: end.captured_stop_reason, message: ChatMessage::assistant(content) }
    }
}

/// What comes over the wire, before anything is made of it.
#[derive(Debug, Default)]
struct Wire {
    bytes: AtomicU64,
    frames: AtomicU64,
    error: Mutex<Option<Value>>,
}

impl ChatFrameSink for Wire {
    fn on_frame(&self, _: &FrameCtx, frame: RawFrameRef<'_>) {
        self.bytes.fetch_add(u64::try_from(frame.data.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.frames.fetch_add(1, Ordering::Relaxed);
        if frame.data.starts_with("{\"error\"") {
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = frame.json();
        }
    }
}

/// How long nothing has come. What keeps a connection alive counts as something.
struct Quiet {
    frames: u64,
    since: Instant,
}

impl Quiet {
    fn new() -> Self {
        Self { frames: 0, since: Instant::now() }
    }

    fn lasts(&mut self, wire: &Wire) -> Duration {
        let frames = wire.frames.load(Ordering::Relaxed);
        if frames != self.frames {
            *self = Self { frames, since: Instant::now() };
        }
        self.since.elapsed()
    }
}
