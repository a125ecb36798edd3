//! The one place that knows the library which speaks the protocol: it turns its types into ours and back, by way of the
//! JSON that both mean. It decides nothing.
//!
//! `client` is the other direction: what a server sends to a client during a call.

mod client;

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use agentbus::Problem;
use axum::http::request::Parts;
use rmcp::{ErrorData, RoleServer, ServerHandler, model as theirs, service::RequestContext};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

pub(super) use rmcp::{
    service::serve_server_with_ct,
    transport::{
        async_rw::AsyncRwTransport,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService,
            session::local::{LocalSessionManager, SessionConfig},
        },
    },
};

use self::client::Peer;
use super::{Caller, Server, SessionId};

/// The levels of a client's log, from all to nothing but disasters.
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// The header by which a request over HTTP names its session.
pub(super) const SESSION: &str = "mcp-session-id";

/// One session of one client. The library drops it when the session is over and its last call has returned.
pub(super) struct Session<S: Server> {
    server: Arc<S>,
    id: SessionId,
    /// The least level that the client wants to hear of, as a place in [`LEVELS`].
    level: Arc<AtomicU8>,
}

impl<S: Server> Session<S> {
    pub(super) fn new(server: Arc<S>) -> Self {
        Self { server, id: SessionId::next(), level: Arc::default() }
    }

    fn caller(&self, context: &RequestContext<RoleServer>) -> Caller {
        let token = context.meta.get_progress_token().and_then(|token| serde_json::to_value(token).ok());
        let peer = Peer::new(context.peer.clone(), self.level.clone());
        // Over HTTP, a request that names no session is served by itself, and its handler dropped with it.
        let alone = context.extensions.get::<Parts>().is_some_and(|parts| !parts.headers.contains_key(SESSION));
        Caller::new(Box::new(peer), (!alone).then_some(self.id), token, context.ct.clone())
    }
}

impl<S: Server> Drop for Session<S> {
    fn drop(&mut self) {
        self.server.left(self.id);
    }
}

/// A result as the library has it.
fn rebuilt<T: DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    if let Some(result) = value.as_object_mut() {
        // The newest revision tells a whole result from one that asks for more; the library leaves it out for older ones.
        result.insert("resultType".to_owned(), "complete".into());
    }
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(format!("a result cannot be written: {error}"), None))
}

fn listed<T: DeserializeOwned>(field: &str, items: impl Serialize) -> Result<T, ErrorData> {
    rebuilt(json!({ field: items }))
}

/// A problem where the protocol has no place for it but an error. A bus that is away is no fault of the request.
fn refused(problem: &Problem) -> ErrorData {
    let data = serde_json::to_value(problem).ok();
    ErrorData::internal_error(problem.message.clone(), data)
}

impl<S: Server> ServerHandler for Session<S> {
    fn get_info(&self) -> theirs::ServerConfig {
        let about = self.server.about();
        let mut capabilities = json!({ "tools": {}, "resources": { "subscribe": about.subscribe } });
        if let Some(capabilities) = capabilities.as_object_mut() {
            let more = [("logging", about.logging), ("prompts", about.prompts), ("completions", about.prompts)];
            capabilities.extend(more.into_iter().filter(|(_, has)| *has).map(|(name, _)| (name.to_owned(), json!({}))));
        }
        let info = json!({
            "protocolVersion": theirs::ProtocolVersion::V_2025_11_25, "capabilities": capabilities,
            "serverInfo": { "name": about.name, "version": about.version }, "instructions": about.instructions,
        });
        serde_json::from_value(info).unwrap_or_default()
    }

    async fn list_tools(
        &self,
        _: Option<theirs::PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<theirs::ListToolsResult, ErrorData> {
        listed("tools", self.server.tools())
    }

    async fn call_tool(
        &self,
        request: theirs::CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<theirs::CallToolResponse, ErrorData> {
        let caller = self.caller(&context);
        let output = self.server.call(&request.name, request.arguments.unwrap_or_default(), &caller).await;
        let Some(output) = output else {
            return Err(ErrorData::invalid_params(format!("there is no tool {:?}", shortened(&request.name)), None));
        };
        let output = serde_json::to_value(output).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(rebuilt::<theirs::CallToolResult>(output)?.into())
    }

    async fn list_resources(
        &self,
        _: Option<theirs::PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<theirs::ListResourcesResult, ErrorData> {
        listed("resources", self.server.resources())
    }

    async fn list_resource_templates(
        &self,
        _: Option<theirs::PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<theirs::ListResourceTemplatesResult, ErrorData> {
        listed("resourceTemplates", self.server.templates())
    }

    async fn read_resource(
        &self,
        request: theirs::ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<theirs::ReadResourceResponse, ErrorData> {
        let contents = self.server.read(&request.uri).await.map_err(|problem| refused(&problem))?;
        let Some(contents) = contents else {
            return Err(ErrorData::resource_not_found("there is no such resource", Some(json!({ "uri": request.uri }))));
        };
        Ok(listed::<theirs::ReadResourceResult>("contents", [contents])?.into())
    }

    async fn subscribe(&self, request: theirs::SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.wants(&request.uri, true)
    }

    async fn unsubscribe(&self, request: theirs::UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.wants(&request.uri, false)
    }

    async fn list_prompts(
        &self,
        _: Option<theirs::PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<theirs::ListPromptsResult, ErrorData> {
        listed("prompts", self.server.prompts())
    }

    async fn get_prompt(
        &self,
        request: theirs::GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<theirs::GetPromptResponse, ErrorData> {
        let Some(said) = self.server.prompt(&request.name, &request.arguments.unwrap_or_default()) else {
            return Err(ErrorData::invalid_params(format!("there is no prompt {:?}", shortened(&request.name)), None));
        };
        Ok(listed::<theirs::GetPromptResult>("messages", said)?.into())
    }

    async fn complete(
        &self,
        request: theirs::CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<theirs::CompleteResult, ErrorData> {
        let values = self.server.complete(&request.argument.name, &request.argument.value);
        listed("completion", json!({ "values": values }))
    }

    #[expect(deprecated, reason = "the newest revision has no log any more; clients of today do")]
    async fn set_level(&self, request: theirs::SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let level = serde_json::to_value(request.level).ok();
        let place = LEVELS.iter().position(|known| level.as_ref().and_then(Value::as_str) == Some(known)).unwrap_or_default();
        self.level.store(u8::try_from(place).unwrap_or_default(), Ordering::Relaxed);
        Ok(())
    }
}

impl<S: Server> Session<S> {
    fn wants(&self, uri: &str, wanted: bool) -> Result<(), ErrorData> {
        if !self.server.about().subscribe {
            return Err(ErrorData::method_not_found::<theirs::SubscribeRequestMethod>());
        }
        self.server.subscribe(uri, wanted);
        Ok(())
    }
}

/// What somebody sent, as much of it as belongs in a message.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
