//! Serving: taking the requests that are addressed to the seat's name, reporting about them, and answering them. A session
//! cannot be woken, so it waits in a call, and is told that it still waits.

use std::{sync::Arc, time::Duration};

use agentbus::{
    Done, Fact, FactKey, FactKind, Fault, Held, Inquiry, Name, Problem, QueryId,
    protocol::{Extra, schema},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Told, data, problem, read, waiting::waiting};
use crate::{
    bus::{seat::Seat, text},
    mcp::{Caller, Output, Tool},
};

/// How long a call waits for a request unless it says otherwise: less than the minute after which many clients give up.
const WAIT: u64 = 50;

/// What a session is told that is given a request a second time.
const AGAIN: &str = "You took this before and have done nothing about it since. If you know of it, say so with progress_request; \
    the call after that takes the next one.";

/// Arguments of `wait_for_request`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Await {
    /// How long this call waits, in seconds. Default 50, at most 1800.
    wait_s: Option<u64>,
}

/// Arguments of `answer_request`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reply {
    /// The request's id.
    id: QueryId,
    /// What was delivered, in words.
    delivery: String,
    /// The answer proper.
    result: Option<Value>,
    /// The facts that it rests on.
    #[serde(default)]
    facts: Vec<Stated>,
    /// What was asked and you do not know. Say so rather than guess.
    #[serde(default)]
    unknown: Vec<String>,
    /// Only if it failed: why.
    failed: Option<Failed>,
}

/// A fact in an answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Stated {
    /// What it is about: dotted words, as in `team.size`.
    key: FactKey,
    /// What was observed.
    value: Value,
    /// Where it comes from, in words.
    source: String,
    /// Who observed it. Default: you.
    observed_by: Option<Name>,
    /// When. Default: now.
    observed_at: Option<Timestamp>,
    /// Whether it only bears on a topic without answering it.
    #[serde(default)]
    evidence: bool,
}

/// Why a request failed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Failed {
    /// A stable word, as in `no_such_file`: small letters, digits and `_`.
    code: String,
    /// Whether another try may go better.
    #[serde(default)]
    again: bool,
}

/// Arguments of `progress_request`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Step {
    /// The request's id.
    id: QueryId,
    /// What you are doing, in a word, as in `reading`.
    status: String,
    /// What there is to report: names and values.
    #[serde(default)]
    progress: Extra,
}

/// Arguments of `release_request`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Release {
    /// The request's id.
    id: QueryId,
}

/// Arguments of `ask_requester`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskBack {
    /// The request's id.
    id: QueryId,
    /// The question, in words.
    text: String,
    /// Replies to choose from.
    #[serde(default)]
    choices: Vec<String>,
    /// What you go on with when nobody replies in time.
    default: Option<Value>,
    /// How long you wait, in seconds. Default and at most 1800.
    wait_s: Option<u64>,
}

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::of::<Await>(
            "wait_for_request",
            "Wait for the next request that is addressed to you, and take it. If there is none in time, it says so: call it again. \
             Answer what you took with answer_request. One that you took before and have done nothing about is given to you again: \
             say with progress_request that you have it, and the call after that takes the next one.",
        ),
        Tool::of::<Reply>("answer_request", "Answer a request that you took: what was delivered, the result, its facts, what is unknown."),
        Tool::of::<Step>("progress_request", "Report progress about a request that you took, to whoever asked."),
        Tool::of::<AskBack>("ask_requester", "Ask whoever asked, and wait for the reply: you need input to go on with a request."),
        Tool::of::<Release>("release_request", "Give back a request that you took, so that another agent or instance can take it."),
    ]
}

pub(super) async fn wait(seat: &Seat, arguments: Extra, caller: &Caller) -> Told {
    let wait = Duration::from_secs(read::<Await>(arguments)?.wait_s.unwrap_or(WAIT).min(super::LONGEST));
    let bus = seat.bus().await?;
    let inbox = seat.desk().inbox(&seat.station, &bus).await?;
    if let Some(held) = seat.desk().unheard(caller.session()) {
        return Ok(request(&held, true));
    }
    seat.desk().room()?;
    let taken = waiting(seat, caller, "waiting for a request", inbox.take(wait, None)).await?;
    let taken = taken.transpose().map_err(problem)?.flatten();
    let Some(held) = taken else {
        return Ok(Output::text("Nothing yet. Call wait_for_request again.").data(json!({ "request": null })));
    };
    // Other calls may have been handed some meanwhile. What is too much goes back.
    seat.desk().room()?;
    Ok(request(&seat.desk().hold(held, caller.session()), false))
}

/// A request in hand. `again`: it was given to this session before.
fn request(held: &Held, again: bool) -> Output {
    let (id, query, assignment) = (held.id(), held.query(), held.assignment());
    let mut text = if again { format!("{AGAIN}\n\n") } else { String::new() };
    text.push_str(&format!("{} asks ({}, query {id}, until {}):\n", held.requester(), query.request_type, assignment.deadline));
    text.push_str(&text::cut(held.text().to_owned()));
    text.push('\n');
    text::attachments(&mut text, id, query.attachments.iter());
    text.push_str("\nFinish with answer_request, or give it back with release_request.");
    let request = json!({
        "id": id, "requester": held.requester(), "request_type": query.request_type, "text": held.text(),
        "attempt": held.attempt(), "deadline": assignment.deadline, "query": query, "again": again,
    });
    Output::text(text).data(json!({ "request": request }))
}

pub(super) async fn answer(seat: &Seat, arguments: Extra, caller: &Caller) -> Told {
    let reply: Reply = read(arguments)?;
    let (id, held) = (reply.id, seat.desk().find(reply.id, caller.session())?);
    let settled = match reply.failed {
        Some(failed) => held.fail(fault(&failed, reply.delivery)?).await,
        None => {
            let mut done = Done::new(reply.delivery);
            done.result = reply.result;
            done.facts = reply.facts.into_iter().map(|fact| stated(seat, fact)).collect::<Result<_, _>>()?;
            done.unknown = reply.unknown;
            held.answer(done).await
        }
    };
    settle(seat, id, settled)?;
    Ok(Output::text(format!("The ledger has the answer to {id}.")).data(json!({ "id": id })))
}

pub(super) async fn release(seat: &Seat, arguments: Extra, caller: &Caller) -> Told {
    let Release { id } = read(arguments)?;
    let settled = seat.desk().find(id, caller.session())?.release().await;
    settle(seat, id, settled)?;
    Ok(Output::text(format!("{id} is given back.")).data(json!({ "id": id })))
}

/// An answer that cannot be sent leaves the request in hand, so that it can be answered better.
fn settle(seat: &Seat, id: QueryId, settled: Result<(), agentbus::Error>) -> Result<(), Problem> {
    let over = settled.as_ref().err().is_none_or(|error| matches!(error.code(), "stopped" | "ended"));
    if over {
        seat.desk().forget(id);
    }
    settled.map_err(problem)
}

pub(super) async fn progress(seat: &Seat, arguments: Extra, caller: &Caller) -> Told {
    let Step { id, status, progress } = read(arguments)?;
    seat.bus().await?;
    in_hand(seat, id, caller)?.progress(status, progress).await.map_err(problem)?;
    Ok(Output::text(format!("reported about {id}")).data(json!({ "id": id })))
}

pub(super) async fn ask_back(seat: &Seat, arguments: Extra, caller: &Caller) -> Told {
    let AskBack { id, text, choices, default, wait_s } = read(arguments)?;
    let held = in_hand(seat, id, caller)?;
    let mut inquiry = Inquiry::new(text).choices(choices).within(Duration::from_secs(wait_s.unwrap_or(super::LONGEST).min(super::LONGEST)));
    inquiry.default = default;
    let gone = Problem::new("stopped", format!("the query {id} ended while its requester was asked"));
    let question = async { held.stopped().run_until_cancelled(held.question(inquiry)).await.ok_or(gone)?.map_err(problem) };
    let replied = waiting(seat, caller, "waiting for the requester's reply", question).await?;
    let replied = replied.ok_or_else(|| Problem::new("leaving", "this server is leaving; the requester has not replied"))??;
    let by = if replied.by_default { "nobody replied; the default is" } else { "the requester replied:" };
    let value = replied.value.as_str().map_or_else(|| replied.value.to_string(), str::to_owned);
    Ok(Output::text(format!("{by} {value}")).data(json!({ "id": id, "reply": replied.value, "by_default": replied.by_default })))
}

/// A request that is in hand and has not ended meanwhile.
fn in_hand(seat: &Seat, id: QueryId, caller: &Caller) -> Result<Arc<Held>, Problem> {
    let held = seat.desk().find(id, caller.session())?;
    if held.stopped().is_cancelled() {
        seat.desk().forget(id);
        return Err(
            Problem::new("stopped", format!("the query {id} has ended, or was taken away")).hint("Its status says what became of it.")
        );
    }
    Ok(held)
}

fn fault(failed: &Failed, why: String) -> Result<Fault, Problem> {
    let word = |code: &str| code.starts_with(|c: char| c.is_ascii_lowercase()) && code.len() <= 64;
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_');
    if !word(&failed.code) || !failed.code.chars().all(plain) {
        return Err(Problem::new("bad_arguments", "a code is a word of small letters, digits and '_', as in no_such_file"));
    }
    Ok(if failed.again { Fault::retry(&failed.code, why) } else { Fault::fail(&failed.code, why) })
}

fn stated(seat: &Seat, stated: Stated) -> Result<Fact, Problem> {
    let fact = json!({
        "key": stated.key, "value": stated.value, "source": stated.source,
        "kind": if stated.evidence { FactKind::Evidence } else { FactKind::Value },
        "observed_by": stated.observed_by.as_ref().unwrap_or(&seat.station.name),
        "observed_at": stated.observed_at.unwrap_or_else(Timestamp::now),
    });
    schema::check("fact", &fact)?;
    serde_json::from_value(data(fact)).map_err(|error| Problem::new("schema_violation", error.to_string()))
}
