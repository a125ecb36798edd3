//! The coordinator's API as a NATS micro service, so that plain `nats req` works.

use async_nats::service::{ServiceExt, endpoint::Endpoint};
use bytes::Bytes;
use futures::{StreamExt, stream::SelectAll};
use protocol::{Name, Problem};
use serde::Serialize;

use crate::{Connection, Error, Kind, core};

/// The running micro service. Several coordinators share its calls.
pub struct Api {
    service: async_nats::service::Service,
    calls: SelectAll<futures::stream::BoxStream<'static, Call>>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api")
    }
}

/// One call of an endpoint.
pub struct Call {
    /// The endpoint.
    pub endpoint: &'static str,
    limit: usize,
    request: async_nats::service::Request,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Api {
    /// Starts serving `endpoints`, each under `{service}.{endpoint}.{caller}`.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn start(connection: &Connection, version: &str, endpoints: &[&'static str]) -> Result<Self, Error> {
        let unavailable = |error: &dyn std::fmt::Display| Error::new(Kind::Unavailable, error);
        let space = connection.space();
        let builder = connection.client.service_builder().description(format!("The coordinator's API of the bus '{space}'"));
        let service = builder.start(space.service(), version).await.map_err(|error| unavailable(&error))?;
        let limit = connection.max_payload().saturating_sub(1024);
        let mut calls = SelectAll::new();
        for &name in endpoints {
            let added = service.endpoint_builder().name(name).add(space.api(name, "*")).await;
            let endpoint: Endpoint = added.map_err(|error| unavailable(&error))?;
            calls.push(endpoint.map(move |request| Call { endpoint: name, limit, request }).boxed());
        }
        connection.sentinel().await?;
        Ok(Self { service, calls })
    }

    /// The next call; `None` when the connection is closed for good.
    pub async fn next(&mut self) -> Option<Call> {
        loop {
            let call = self.calls.next().await?;
            // We may publish where a caller may not: nothing goes to a subject that is no inbox.
            if call.request.message.reply.as_deref().is_some_and(core::is_inbox) {
                return Some(call);
            }
        }
    }

    /// Takes no further calls.
    pub async fn stop(self) {
        let _ = self.service.stop().await;
    }
}

impl Call {
    /// Who calls: the last token of the subject.
    ///
    /// # Errors
    /// When it is no name, or a reserved one.
    pub fn caller(&self) -> Result<Name, Problem> {
        let token = self.request.message.subject.rsplit('.').next().unwrap_or_default();
        let name = Name::from_token(token).and_then(|name| name.as_str().parse::<Name>());
        name.map_err(|error| Problem::new(error.code(), format!("{token:?} is no name to call under: {error}")))
    }

    /// The most bytes that one answer has.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// What the caller sent.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.request.message.payload
    }

    /// A header of the call.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.message.headers.as_ref()?.get(name).map(async_nats::HeaderValue::as_str)
    }

    /// Answers with bytes as they are.
    pub async fn answer_bytes(self, bytes: Bytes) {
        if bytes.len() > self.limit {
            let problem = Problem::new("answer_too_large", format!("the answer has {} bytes", bytes.len()));
            return self.answer::<()>(Err(&problem)).await;
        }
        if let Err(error) = self.request.respond(Ok(bytes)).await {
            tracing::warn!(%error, "an API answer was not sent");
        }
    }

    /// Answers: with a value, or with a problem, whose code stands in the micro service headers too.
    pub async fn answer<T: Serialize + Sync>(self, answer: Result<&T, &Problem>) {
        let sent = match answer.map(bytes) {
            Ok(body) if body.len() <= self.limit => self.request.respond(Ok(body)).await,
            Ok(body) => {
                let problem = Problem::new("answer_too_large", format!("the answer has {} bytes", body.len()));
                self.refuse(&problem.hint("Read it message by message: agentbus watch --query ID --from-seq 1")).await
            }
            Err(problem) => self.refuse(problem).await,
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "an API answer was not sent");
        }
    }

    /// The micro service protocol puts the error into headers; ours is in the body as well.
    async fn refuse(&self, problem: &Problem) -> Result<(), async_nats::PublishError> {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(async_nats::service::NATS_SERVICE_ERROR, problem.code.as_str());
        headers.insert(async_nats::service::NATS_SERVICE_ERROR_CODE, "400");
        self.request.respond_with_headers(Ok(bytes(&serde_json::json!({ "error": problem }))), headers).await
    }
}

fn bytes<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
