//! One turn of a model: a request goes out, and a stream comes back.
//!
//! Bounds what comes: by what may be written (`limits.output`), by what may be sent around it, and by silence.

use std::{pin::pin, time::Duration};

use agentbus::Fault;
use reqwest::{
    Client, Response,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{
    api::{self, Allowed, Hearing},
    endpoint::Endpoint,
    reports::Reports,
    talk::{Said, Talk, Tokens},
    tools::TOOLS,
    trouble,
};
use crate::web::{self, Body, Secrets, Side, Trouble};

/// How often what has grown is looked at while nothing comes.
const LOOK: Duration = Duration::from_millis(100);

/// How many bytes may be sent for each that is written: events have names and numbers around a word.
const AROUND: u64 = 16;

/// A way to a model.
pub(super) struct Chat<'a> {
    client: Client,
    endpoint: &'a Endpoint,
    /// They hold the key.
    headers: Vec<(String, SecretString)>,
    /// How long nothing may come.
    stall: Duration,
    /// How much may be written in a turn, in bytes.
    most: u64,
}

impl<'a> Chat<'a> {
    /// A way to this endpoint, with these headers beside its own.
    pub(super) fn new(
        endpoint: &'a Endpoint,
        key: Option<&SecretString>,
        more: Vec<(String, String)>,
        stall: Duration,
        most: u64,
    ) -> Result<Self, Fault> {
        let own = endpoint.headers(key.map(ExposeSecret::expose_secret));
        let headers = own.into_iter().chain(more).map(|(name, value)| (name, SecretString::from(value))).collect();
        Ok(Self { client: web::client(endpoint.url.as_str())?, endpoint, headers, stall, most })
    }

    /// One turn. What it costs stands in `spent` as soon as it is known, however the turn ends.
    pub(super) async fn turn(
        &self,
        talk: &Talk,
        allowed: Allowed,
        secrets: &Secrets,
        reports: &mut Reports<'_>,
        spent: &mut Tokens,
    ) -> Result<Said, Trouble> {
        let request = api::request(self.endpoint.provider, &self.endpoint.model, talk, &TOOLS, allowed);
        let response = self.send(&request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Body::new(response, Side::Model, self.most.saturating_mul(AROUND), self.stall);
        if !status.is_success() {
            let said = trouble::message(&body.beginning(secrets).await);
            return Err(Side::Model.refused(status, &headers, &said));
        }
        let mut hearing = Hearing::new(self.endpoint.provider);
        while !hearing.over {
            let line = next(&mut body, reports).await?;
            let Some(line) = line else { return Err(cut_short(&headers, secrets).into()) };
            let before = hearing.said.text.len();
            let taken = hearing.take(&line, secrets);
            *spent = hearing.said.usage;
            taken?;
            reports.grow(hearing.said.text.get(before..).unwrap_or_default());
            reports.due().await;
            if u64::try_from(hearing.size).unwrap_or(u64::MAX) > self.most {
                return Err(Fault::fail("output_limit", format!("the model wrote more than {} bytes", self.most)).into());
            }
        }
        reports.turn_over().await;
        Ok(hearing.said)
    }

    async fn send(&self, body: &Value) -> Result<Response, Fault> {
        let mut request = self.client.post(self.endpoint.url.clone()).json(body).header(ACCEPT, "text/event-stream, application/x-ndjson");
        for (name, value) in &self.headers {
            request = request.header(name, value.expose_secret());
        }
        match tokio::time::timeout(self.stall, request.send()).await {
            Ok(sent) => sent.map_err(|error| web::unreachable(Side::Model, &error)),
            Err(_) => Err(Side::Model.stalled(self.stall)),
        }
    }
}

/// A stream that ended before the model had; or something that was no stream at all.
fn cut_short(headers: &HeaderMap, secrets: &Secrets) -> Fault {
    let form = headers.get(CONTENT_TYPE).and_then(|form| form.to_str().ok()).unwrap_or("of no declared type");
    let streams = ["text/event-stream", "application/x-ndjson"].iter().any(|stream| form.starts_with(stream));
    if streams {
        return Side::Model.malformed("it ended in the middle");
    }
    Side::Model.malformed(&format!("it ended in the middle, and is no stream but {}", secrets.hide(form)))
}

/// The next line. Meanwhile what has grown is reported.
async fn next(body: &mut Body, reports: &mut Reports<'_>) -> Result<Option<String>, Fault> {
    let mut line = pin!(body.line());
    loop {
        match tokio::time::timeout(LOOK, &mut line).await {
            Ok(line) => return line,
            Err(_) => reports.due().await,
        }
    }
}
