//! The http handler: an agent whose work is done behind a URL.
//!
//! Each attempt POSTs the query to the URL as JSON, the same object that `exec` gives a command on its standard input. What comes
//! back is read as what a command says (`exec::said`): lines of JSON as they come (`application/x-ndjson`), or one answer
//! (`application/json`). An answer ends the attempt; what follows it is not read.
//!
//! | header | |
//! |---|---|
//! | `agentbus-query-id`, `agentbus-attempt` | which query, which attempt |
//! | `idempotency-key` | the query's id: the same for all its attempts, so that what was done once is not done again |
//! | those of the definition | `${NAME}` in a value stands for a variable of the bus's environment |
//!
//! How an attempt ends:
//!
//! | code | when | outcome |
//! |---|---|---|
//! | | an answer | completed |
//! | `no_answer` | 204, an empty body, or lines without an answer | failed |
//! | `bad_response` | a line or a body is not right, or of another type | failed |
//! | `unsupported` | it asks a question, or asks others | failed |
//! | `attachments_unsupported` | an attachment does not travel in the query | failed, with a `hint` |
//! | `endpoint_refused`, `redirected` | a status 4xx or 3xx | failed |
//! | `endpoint_busy` | 425 or 429; held back for as long as `retry-after` says, 30 s at most | retry |
//! | `endpoint_timeout`, `endpoint_unavailable` | 408 or 504; another 5xx, no connection, or one that breaks off | retry |
//! | `stalled` | silence for as long as `stall` says, else 60 s | retry |
//! | `output_limit`, `time_limit` | a limit is exceeded | failed |
//! | `no_key`, `untrusted` | a variable of a header is missing; it is not, or no longer, trusted | failed, with a `hint` |
//!
//! Attachments that travel in the query go with it. What the variables held is taken out of everything that comes back. Next: `form` (what came).

mod form;

use std::{path::PathBuf, sync::Arc, time::Duration};

use agentbus::{Attachment, Done, Fact, Fault, Task, protocol::Extra};
use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use roster::{Bus as Block, Definition};
use url::Url;

use self::form::Form;
use crate::{
    exec::{
        self,
        said::{self, Given, Report, Said, Told},
    },
    trust::Gate,
    web::{self, Body, Secrets, Side, Trouble},
};

/// What may come back.
const TAKEN: &str = "application/x-ndjson, application/json";

/// How much of a line that is for the log is logged, in characters.
const LOGGED: usize = 400;

/// An agent whose work is done behind a URL.
#[derive(Debug)]
pub(crate) struct Http {
    url: Url,
    block: Block,
    definition: PathBuf,
    gate: Arc<Gate>,
}

/// What has been said so far.
#[derive(Debug, Default)]
struct Heard {
    facts: Vec<Fact>,
    answer: Option<Given>,
}

impl Http {
    /// The handler of a definition; otherwise what is missing in it.
    pub(crate) fn new(definition: &Definition, gate: Arc<Gate>) -> Result<Self, String> {
        let (block, url) = (definition.bus.clone(), Self::url(definition)?);
        let definition = definition.path.canonicalize().unwrap_or_else(|_| definition.path.clone());
        Ok(Self { url, block, definition, gate })
    }

    /// Where the endpoint of a definition is.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub(crate) fn url(definition: &Definition) -> Result<Url, String> {
        let url = definition.bus.url.as_deref().ok_or("it names no 'url'")?;
        let url = Url::parse(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        Ok(url.ok_or("its 'url' is none that begins with http:// or https://")?)
    }

    /// Works on one query. Dropping the future closes the connection.
    pub(crate) async fn answer(&self, task: Task) -> Result<Done, Fault> {
        self.gate.check().await.map_err(|why| Fault::fail(why.code(), why.to_string()).with("hint", why.hint()))?;
        only_inline(task.attachments())?;
        let limits = self.block.limits.clone().unwrap_or_default();
        let limit = limits.time.unwrap_or_else(|| exec::until(task.assignment().deadline) + exec::AFTER_DEADLINE);
        match tokio::time::timeout(limit, self.exchange(&task, limits.output())).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(trouble)) => {
                web::hold_back(&task, &trouble.retry).await;
                Err(trouble.fault)
            }
            Err(_) => Err(Fault::fail("time_limit", format!("the endpoint took longer than {limit:?}"))),
        }
    }

    async fn exchange(&self, task: &Task, most: u64) -> Result<Done, Trouble> {
        let mut secrets = Secrets::default();
        let headers = secrets.headers(&self.block.headers.clone().unwrap_or_default()).map_err(Fault::from)?;
        let stall = self.block.stall.unwrap_or(web::SILENCE);
        let response = self.send(&web::client(self.url.as_str())?, task, headers, stall).await?;
        let (status, form) = (response.status(), Form::of(response.headers().get(CONTENT_TYPE)));
        let received = response.headers().clone();
        let mut body = Body::new(response, Side::Endpoint, most, stall);
        if !status.is_success() {
            return Err(Side::Endpoint.refused(status, &received, &body.beginning(&secrets).await));
        }
        if status == StatusCode::NO_CONTENT {
            return Err(no_answer().into());
        }
        match form {
            Form::Lines => self.listen(task, &mut body, &secrets).await,
            Form::One => self.one(task, &mut body, &secrets).await,
            Form::Other(other) => Err(bad(&format!("it is {}", secrets.hide(&other))).into()),
        }
    }

    async fn send(&self, client: &Client, task: &Task, headers: Vec<(String, String)>, stall: Duration) -> Result<Response, Fault> {
        let mut request = client.post(self.url.clone()).json(&exec::asked(task, &self.definition)).header(ACCEPT, TAKEN);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let id = task.id().to_string();
        let own = [("agentbus-query-id", id.clone()), ("agentbus-attempt", task.attempt().to_string()), ("idempotency-key", id)];
        for (name, value) in own {
            request = request.header(name, value);
        }
        match tokio::time::timeout(stall, request.send()).await {
            Ok(sent) => sent.map_err(|error| web::unreachable(Side::Endpoint, &error)),
            Err(_) => Err(Side::Endpoint.stalled(stall)),
        }
    }

    /// Hears lines until an answer.
    async fn listen(&self, task: &Task, body: &mut Body, secrets: &Secrets) -> Result<Done, Trouble> {
        let mut heard = Heard::default();
        while heard.answer.is_none() {
            let Some(line) = body.line().await? else { break };
            self.hear(task, &secrets.hide_in_json(&line), &mut heard).await?;
        }
        Ok(done(heard)?)
    }

    /// Reads one answer. What is no answer in the bus's words is itself the result.
    async fn one(&self, task: &Task, body: &mut Body, secrets: &Secrets) -> Result<Done, Trouble> {
        let text = secrets.hide_in_json(&body.whole().await?);
        if text.trim().is_empty() {
            return Err(no_answer().into());
        }
        let mut heard = Heard::default();
        heard.answer = match form::answer(&text).map_err(|why| bad(&why))? {
            Some(given) => Some(self.taken(task, given, &mut heard.facts)),
            None => {
                self.hear(task, &text, &mut heard).await?;
                heard.answer
            }
        };
        Ok(done(heard)?)
    }

    async fn hear(&self, task: &Task, line: &str, heard: &mut Heard) -> Result<(), Fault> {
        match said::read(line) {
            Said::Progress(report) => progress(task, report).await?,
            Said::Fact(told) => heard.facts.push(self.fact(task, told)),
            Said::Answer(given) => heard.answer = Some(self.taken(task, *given, &mut heard.facts)),
            Said::Bad(why) => return Err(bad(&why)),
            Said::Other => {
                let line: String = line.chars().take(LOGGED).collect();
                tracing::info!(agent = %task.agent(), id = %task.id(), ?line, "the endpoint says");
            }
            _ => return Err(Fault::fail("unsupported", "the endpoint asks back, which http does not carry")),
        }
        Ok(())
    }

    /// The answer, with its facts put to the others.
    fn taken(&self, task: &Task, mut given: Given, facts: &mut Vec<Fact>) -> Given {
        facts.extend(std::mem::take(&mut given.facts).into_iter().map(|told| self.fact(task, told)));
        given
    }

    fn fact(&self, task: &Task, told: Told) -> Fact {
        // Without what may be a secret: a user's name and a query string.
        let place = self.url.origin().ascii_serialization() + self.url.path();
        told.told(task.agent(), &format!("told by the endpoint: {place}"), exec::now())
    }
}

/// Whether the endpoint is given every attachment: one that goes by reference can be fetched from the bus only.
fn only_inline(attachments: &[Attachment]) -> Result<(), Fault> {
    let Some(far) = attachments.iter().find(|attachment| attachment.data.is_none()) else { return Ok(()) };
    let message = format!("the attachment '{}' does not travel in the query, and http carries no other", far.name);
    let hint = "Send 256 KiB at most, or ask an agent that works with files (exec, claude-code).";
    Err(Fault::fail("attachments_unsupported", message).with("hint", hint))
}

fn done(heard: Heard) -> Result<Done, Fault> {
    let given = heard.answer.ok_or_else(no_answer)?;
    let Given { delivery, result, unknown, usage, .. } = given;
    Ok(Done { delivery, result, facts: heard.facts, unknown, usage, ..Done::default() })
}

/// Passes a report on. One that cannot be stored just now is not worth the work itself.
async fn progress(task: &Task, report: Report) -> Result<(), Fault> {
    let progress: Extra = report.progress;
    match task.progress(report.status, progress).await {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.code(), "schema_violation" | "payload_too_large") => Err(bad(&format!("progress: {error}"))),
        Err(error) => {
            tracing::warn!(agent = %task.agent(), id = %task.id(), %error, "a progress report is not stored");
            Ok(())
        }
    }
}

fn no_answer() -> Fault {
    Fault::fail("no_answer", "the endpoint gave no answer")
}

fn bad(why: &str) -> Fault {
    Side::Endpoint.malformed(why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_attachment_that_the_endpoint_would_not_get_fails_the_attempt() {
        let near = Attachment::inline("near.txt", b"near");
        let far = Attachment { data: None, ..Attachment::inline("far.txt", b"far") };
        assert!(only_inline(&[]).is_ok() && only_inline(std::slice::from_ref(&near)).is_ok());
        let fault = only_inline(&[near, far]).unwrap_err();
        assert_eq!((fault.code(), fault.is_retry()), ("attachments_unsupported", false));
        assert!(format!("{fault:?}").contains("'far.txt'"));
    }
}
