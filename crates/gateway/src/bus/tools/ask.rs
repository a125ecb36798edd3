//! Queries of one's own: asking, waiting for the answer, cancelling. What happens meanwhile is told in order; a call that
//! is given up cancels its query, one whose server goes leaves it running.

use std::time::Duration;

use agentbus::{
    Asking, Bus, Event, Message, Name, Problem, Query, QueryId, Record, State,
    protocol::{
        Extra,
        message::{Budget, Gather, Priority, Question},
        schema,
    },
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    LONGEST, Told, data, problem, read,
    waiting::{heartbeat, tell},
};
use crate::{
    bus::{seat::Seat, text},
    mcp::{Caller, Output, Tool},
};

/// How often it is looked whether a coordinator has read a reply, and how many times.
const LOOK: (Duration, u32) = (Duration::from_millis(50), 40);

/// Arguments of `ask`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// The question or the task, in words.
    text: String,
    /// The agent that is to answer. Default: whoever is best placed to.
    to: Option<Name>,
    /// The request type, as in `get_mlops_context`. Default: `request`.
    request_type: Option<String>,
    /// Tags that help to route it.
    #[serde(default)]
    tags: Vec<String>,
    /// When the query expires, in seconds. Default 600, at most 7 days.
    timeout_s: Option<u64>,
    /// How long this call waits for the answer, in seconds. Default and at most 1800. With 0 it returns the id at once.
    wait_s: Option<u64>,
    /// Which goes first where not all can.
    priority: Option<Priority>,
    /// Several agents to ask at once, and how many answers to wait for.
    gather: Option<Gather>,
    /// What agents may spend on its behalf.
    budget: Option<Budget>,
    /// Whether the next best agent takes over when its attempts are spent.
    failover: Option<bool>,
    /// A JSON schema that the answer's result must meet.
    reply_schema: Option<Value>,
    /// An id of your own (a lower-case UUID): the same id with the same content is the same query.
    id: Option<QueryId>,
}

/// Arguments of `wait_for_answer`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// The query's id.
    id: QueryId,
    /// How long this call waits, in seconds. Default and at most 1800.
    wait_s: Option<u64>,
}

/// Arguments of `reply`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reply {
    /// The query's id.
    id: QueryId,
    /// The question's number. Default: the one that is open.
    question: Option<u32>,
    /// The reply: a text, or whatever the question asks for.
    reply: Value,
}

/// Arguments of `cancel`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Cancel {
    /// The query's id.
    id: QueryId,
    /// Why, for whoever works on it.
    reason: Option<String>,
}

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::of::<Ask>(
            "ask",
            "Ask an agent of the bus, and wait for the answer. Progress is reported meanwhile; cancelling this call cancels the query. \
             The answer says where each fact comes from, and what nobody knows.",
        ),
        Tool::of::<Wait>(
            "wait_for_answer",
            "Wait for the answer of a query that was asked before, as after `reply`, or after an `ask` that did not wait long enough.",
        )
        .reads_only(),
        Tool::of::<Reply>("reply", "Reply to a question that an agent asks about a query of yours; then go on with wait_for_answer."),
        Tool::of::<Cancel>("cancel", "Cancel a query of yours, with everything that was asked on its behalf."),
    ]
}

pub(super) async fn ask(seat: &Seat, arguments: Extra, caller: &Caller) -> Told {
    let ask: Ask = read(arguments)?;
    let wait = ask.wait_s;
    let query = query(seat, ask)?;
    let bus = seat.bus().await?;
    let asking = bus.ask(query).await.map_err(problem)?;
    tell(seat, caller, &format!("{} is posted", asking.id())).await;
    Following { seat, bus, asking, caller, cancels: true }.run(wait).await
}

pub(super) async fn wait(seat: &Seat, arguments: Extra, caller: &Caller) -> Told {
    let Wait { id, wait_s } = read(arguments)?;
    let bus = seat.bus().await?;
    let asking = bus.follow(id).await.map_err(problem)?;
    // It may have been asked while nobody listened.
    if let Some(question) = bus.status(id).await.map_err(problem)?.questions.first() {
        return Ok(asked(id, question));
    }
    Following { seat, bus, asking, caller, cancels: false }.run(wait_s).await
}

pub(super) async fn reply(seat: &Seat, arguments: Extra) -> Told {
    let Reply { id, question, reply } = read(arguments)?;
    let bus = seat.bus().await?;
    let question = bus.reply(id, question, reply).await.map_err(problem)?;
    // A question that still stands open would be asked once more by the call that comes next.
    for _ in 0..LOOK.1 {
        let record = bus.status(id).await.map_err(problem)?;
        if record.questions.iter().all(|open| open.question != question) {
            break;
        }
        tokio::time::sleep(LOOK.0).await;
    }
    let text = format!("The ledger has the reply to question {question}. Go on with wait_for_answer.");
    Ok(Output::text(text).data(json!({ "id": id, "question": question })))
}

pub(super) async fn cancel(seat: &Seat, arguments: Extra) -> Told {
    let Cancel { id, reason } = read(arguments)?;
    seat.bus().await?.cancel(id, reason.as_deref()).await.map_err(problem)?;
    Ok(Output::text(format!("The ledger has the wish to cancel {id}; its status says when it has ended.")).data(json!({ "id": id })))
}

fn query(seat: &Seat, ask: Ask) -> Result<Query, Problem> {
    let request_type = ask.request_type.unwrap_or_else(|| "request".to_owned());
    let mut query = Query::new(seat.station.name.clone(), request_type, ask.text);
    query.target = ask.to;
    query.context_tags = (!ask.tags.is_empty()).then_some(ask.tags);
    query.timeout_ms = ask.timeout_s.map(|seconds| seconds.saturating_mul(1000));
    query.priority = ask.priority;
    query.gather = ask.gather;
    query.budget = ask.budget;
    query.failover = ask.failover;
    query.reply_schema = ask.reply_schema;
    query.id = ask.id;
    // Said before anything is sent, and though the bus be away.
    schema::check("query", &Message::Query(query.clone()).to_value())?;
    Ok(query)
}

/// A query that somebody waits for.
struct Following<'a> {
    seat: &'a Seat,
    bus: Bus,
    asking: Asking,
    caller: &'a Caller,
    /// Whether giving up the call gives up the query.
    cancels: bool,
}

impl Following<'_> {
    /// Waits for the ending, a question, or until it has waited long enough.
    async fn run(mut self, wait_s: Option<u64>) -> Told {
        let wait = Duration::from_secs(wait_s.unwrap_or(LONGEST).min(LONGEST));
        let until = Instant::now() + wait;
        let mut heartbeat = heartbeat();
        if wait.is_zero() {
            return Ok(self.running("It was not to be waited for."));
        }
        loop {
            let event = tokio::select! {
                biased;
                () = self.caller.given_up().cancelled() => return self.given_up().await,
                () = self.seat.leaving().cancelled() => return Ok(self.running("This server is leaving.")),
                event = self.asking.next() => event.map_err(|error| self.lost(&error))?,
                () = tokio::time::sleep_until(until) => return Ok(self.running("It takes longer than this call waits.")),
                _ = heartbeat.tick() => {
                    self.still_there().await;
                    continue;
                }
            };
            match event {
                Event::Accepted(agent) => self.tell(&format!("{agent} has taken it")).await,
                Event::Progress(progress) => self.tell(&text::progress(&progress)).await,
                Event::Question(question) => return Ok(asked(self.asking.id(), &question)),
                Event::Ended(_) => return Ok(ended(&self.record().await?)),
            }
        }
    }

    /// Tells the caller that it still waits. A bus that has moved meanwhile is followed there.
    async fn still_there(&mut self) {
        if self.bus.connection().is_connected() {
            return self.tell("waiting for the answer").await;
        }
        self.tell("the bus is away; waiting for it").await;
        let Ok(bus) = self.seat.bus().await else { return };
        if self.bus.connection().is_connected() {
            return;
        }
        if let Ok(asking) = bus.follow(self.asking.id()).await {
            (self.bus, self.asking) = (bus, asking);
        }
    }

    async fn tell(&self, what: &str) {
        tell(self.seat, self.caller, what).await;
    }

    async fn record(&self) -> Result<Record, Problem> {
        self.bus.status(self.asking.id()).await.map_err(problem)
    }

    /// Nobody wants the answer any more.
    async fn given_up(&self) -> Told {
        let id = self.asking.id();
        if self.cancels
            && let Err(error) = self.asking.cancel(Some("the call that asked was given up")).await
        {
            tracing::warn!(%id, %error, "a query that nobody wants any more could not be cancelled");
        }
        Err(Problem::new("cancelled", format!("the call was given up; the query is {id}")))
    }

    /// It goes on without the caller.
    fn running(&self, why: &str) -> Output {
        let id = self.asking.id();
        let text = format!("query {id} is on its way. {why} Wait for it with wait_for_answer, or look with status.");
        Output::text(text).data(json!({ "id": id, "ended": false }))
    }

    fn lost(&self, error: &agentbus::Error) -> Problem {
        let id = self.asking.id();
        error.problem().hint(format!("The query {id} is safe in the ledger: look at it with status."))
    }
}

/// The agent wants to know something before it goes on.
fn asked(id: QueryId, question: &Question) -> Output {
    let choices = question.choices.as_ref().map(|choices| format!("\nchoices: {}", choices.join(", "))).unwrap_or_default();
    let text = format!(
        "{} asks before it goes on with query {id}: {}{choices}\nAnswer with reply (id, question {}), then call wait_for_answer.",
        question.agent, question.text, question.question
    );
    Output::text(text).data(json!({ "id": id, "ended": false, "question": question }))
}

/// The record of a query that has ended. One that ended badly is an error that says why, with the record.
fn ended(record: &Record) -> Output {
    let mut output = Output::text(text::record(record));
    let mut whole = data(record);
    if record.state != State::Completed {
        output.is_error = true;
        let why = why(record);
        if let Some(whole) = whole.as_object_mut() {
            whole.insert("error".to_owned(), data(why));
        }
    }
    output.data(whole)
}

fn why(record: &Record) -> Problem {
    if let Some(failure) = record.answer.as_ref().and_then(|answer| answer.failure.as_ref()) {
        let problem = Problem::new(&failure.code, failure.message.clone());
        return match failure.extra.get("hint").and_then(Value::as_str) {
            Some(hint) => problem.hint(hint),
            None => problem,
        };
    }
    match &record.close {
        Some(close) => Problem { hint: close.hint.clone(), ..Problem::new(&close.code, close.message.clone()) },
        None => Problem::new(record.state.as_str(), "the query ended without an answer"),
    }
}
