//! The llm handler: an agent whose work a model does, at Anthropic, at any endpoint that speaks OpenAI's chat completions, or in Ollama.
//!
//! The definition's body is the system prompt; a section on the bus and the query follows it (`prompt`). The query is the user's
//! message. The model may use the bus (`tools`): each use is one more turn. Its last message is the answer; where the query has a
//! `reply_schema`, it is checked against that, and the model is given one more turn to put it right (`reply`). The answer
//! streams as progress (`reports`). Tokens stand in the answer, also in a failed one, and count against the query's budget.
//!
//! How an attempt ends:
//!
//! | code | when | outcome |
//! |---|---|---|
//! | | an answer | completed |
//! | `no_answer` | the model says nothing | failed |
//! | `reply_schema_unmet`, `bad_reply_schema` | the answer is not what the schema wants, even when asked again; the schema is none, or takes too long to check | failed |
//! | `answer_cut` | the answer is longer than `max_tokens` | failed, with a `hint` |
//! | `turns_spent`, `budget_spent` | it wants more turns, or tokens, than it has | failed |
//! | `bad_tool_calls` | more than 3 calls of tools that are not right | failed |
//! | `model_refused`, `bad_key`, `no_such_model`, `redirected` | HTTP 4xx, 401 or 403, 404, 3xx; a refusal | failed |
//! | `model_busy` | 429 or 529; held back for as long as `retry-after` says, 30 s at most | retry |
//! | `model_timeout`, `model_unavailable` | 408 or 504; another 5xx, no connection, or one that breaks off | retry |
//! | `bad_response` | a stream that is not as its API has it, or ends in the middle | retry |
//! | `stalled` | silence for as long as `stall` says, else 60 s | retry |
//! | `output_limit`, `time_limit` | a limit is exceeded | failed |
//! | `no_key`, `untrusted` | the key is missing; it is not, or no longer, trusted | failed, with a `hint` |
//!
//! Keys: `web::Secrets`. Reading order: this file, `endpoint` (whom to ask), `prompt`, `turn` (one request), `api` (in whose words), `tools`.

mod api;
mod attached;
mod endpoint;
mod prompt;
mod reply;
mod reports;
mod talk;
mod tools;
mod trouble;
mod turn;

use std::{num::NonZeroU32, path::PathBuf, sync::Arc};

use agentbus::{Done, Fact, Fault, Task, protocol::message::Usage};
use roster::{Bus as Block, Definition};

pub(crate) use reply::Wanted;

use self::{
    api::Allowed,
    endpoint::Endpoint,
    prompt::Frame,
    reports::Reports,
    talk::{Message, Said, Stop, Talk, Tokens},
    tools::Hands,
    turn::Chat,
};
use crate::{
    checker::Checker,
    exec,
    trust::Gate,
    web::{self, Secrets, Trouble},
};

/// How many turns a model has where nothing is said.
const TURNS: u32 = 8;

/// A budget below this bounds what one turn may write, in tokens.
const SMALL: u32 = 4096;

/// An agent whose work a model does.
#[derive(Debug)]
pub(crate) struct Llm {
    endpoint: Endpoint,
    block: Block,
    body: String,
    workdir: PathBuf,
    gate: Arc<Gate>,
    checker: Checker,
}

/// Tokens that an attempt has cost.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    /// In the turns that are over.
    before: Tokens,
    /// In the turn that runs, as far as it has said so.
    turn: Tokens,
    /// By others, on this one's behalf: they say so themselves.
    others: u64,
}

impl Llm {
    /// The handler of a definition; otherwise what is missing in it.
    pub(crate) fn new(definition: &Definition, workdir: PathBuf, gate: Arc<Gate>, checker: Checker) -> Result<Self, String> {
        let endpoint = Endpoint::of(definition)?;
        Ok(Self { endpoint, block: definition.bus.clone(), body: definition.body.clone(), workdir, gate, checker })
    }

    /// What a definition does not say that must be known of its endpoint; none if it says all.
    pub(crate) fn lacks(definition: &Definition) -> Option<String> {
        Endpoint::of(definition).err()
    }

    /// Works on one query. Dropping the future closes the connection.
    pub(crate) async fn answer(&self, task: Task) -> Result<Done, Fault> {
        self.gate.check().await.map_err(|why| Fault::fail(why.code(), why.to_string()).with("hint", why.hint()))?;
        let limits = self.block.limits.clone().unwrap_or_default();
        let limit = limits.time.unwrap_or_else(|| exec::until(task.assignment().deadline) + exec::AFTER_DEADLINE);
        let mut spent = Spent::default();
        let worked = tokio::time::timeout(limit, self.work(&task, &mut spent)).await;
        let usage = self.usage(spent);
        match worked {
            Ok(Ok(done)) => Ok(Done { usage: Some(usage), ..done }),
            Ok(Err(trouble)) => {
                web::hold_back(&task, &trouble.retry).await;
                Err(trouble.fault.used(usage))
            }
            Err(_) => Err(Fault::fail("time_limit", format!("the model took longer than {limit:?}")).used(usage)),
        }
    }

    async fn work(&self, task: &Task, spent: &mut Spent) -> Result<Done, Trouble> {
        let mut secrets = Secrets::default();
        let key = self.endpoint.key.as_ref().map(|source| secrets.key(source, &self.workdir)).transpose().map_err(Fault::from)?;
        let more = secrets.headers(&self.block.headers.clone().unwrap_or_default()).map_err(Fault::from)?;
        let wanted = Wanted::by(task.query().reply_schema.as_ref(), &self.checker).await?;
        let limits = self.block.limits.clone().unwrap_or_default();
        let chat = Chat::new(&self.endpoint, key.as_ref(), more, self.block.stall.unwrap_or(web::SILENCE), limits.output())?;
        let (mut hands, mut reports) = (Hands::new(task, &secrets, &self.endpoint.model), Reports::new(task, &secrets));
        let (mut talk, turns) = (self.opening(task).await?, self.turns());
        let (mut turn, mut repaired) = (1, false);
        loop {
            let allowed = Allowed { tools: turn < turns && !repaired, tokens: self.tokens(task, spent)? };
            spent.turn_over();
            let said = chat.turn(&talk, allowed, &secrets, &mut reports, &mut spent.turn).await?;
            self.stopped_well(task, &said, spent)?;
            if !said.calls.is_empty() {
                if !allowed.tools {
                    return Err(Fault::fail("turns_spent", format!("the model has not answered within {turns} turns")).into());
                }
                let results = hands.act(&said.calls).await?;
                spent.others = hands.spent;
                talk.messages.extend([Message::Model(said), Message::Results(results)]);
                turn += 1;
                continue;
            }
            reports.end().await;
            match wanted.read(&said.text, &secrets).await? {
                Ok(result) => return Ok(self.done(result, hands.facts, turn)),
                Err(why) if repaired => {
                    let message = format!("the model's answer does not meet the query's reply_schema: {why}");
                    return Err(Fault::fail("reply_schema_unmet", message).into());
                }
                Err(why) => {
                    talk.messages.extend([Message::Model(said), Message::User(prompt::repair(&why))]);
                    (turn, repaired) = (turn + 1, true);
                }
            }
        }
    }

    async fn opening(&self, task: &Task) -> Result<Talk, Fault> {
        let tools = self.turns() > 1;
        let frame = Frame {
            agent: task.agent(),
            requester: task.requester(),
            id: task.id(),
            attempt: task.attempt(),
            deadline: task.assignment().deadline,
            tools,
        };
        let question = Message::User(prompt::question(task.query(), &attached::told(task).await?));
        Ok(Talk { system: prompt::system(&self.body, &frame), tools, messages: vec![question] })
    }

    fn turns(&self) -> u32 {
        self.block.turns.map_or(TURNS, NonZeroU32::get)
    }

    /// How many tokens the next turn may write.
    ///
    /// # Errors
    /// `budget_spent`.
    fn tokens(&self, task: &Task, spent: &Spent) -> Result<Option<u32>, Fault> {
        let most = self.block.max_tokens.map(NonZeroU32::get);
        let Some(left) = left(task, spent) else { return Ok(most) };
        if left == 0 {
            return Err(budget_spent(spent));
        }
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        // Where nothing is said it is the model's own limit, which a large budget must not exceed.
        Ok(most.or((left < SMALL).then_some(left)).map(|most| most.min(left)))
    }

    /// Whether the model came to an end, and said something.
    fn stopped_well(&self, task: &Task, said: &Said, spent: &Spent) -> Result<(), Fault> {
        let Some(stop) = said.stop else {
            return Err(web::Side::Model.malformed("it does not say why the model stopped"));
        };
        match stop {
            Stop::TooLong if left(task, spent) == Some(0) => Err(budget_spent(spent)),
            Stop::TooLong => {
                let hint = "Raise 'max_tokens' in the agent's block, or ask for less.";
                Err(Fault::fail("answer_cut", "the model's answer is longer than it may be").with("hint", hint))
            }
            Stop::Refusal => Err(Fault::fail("model_refused", "the model declines to answer")),
            Stop::Broken => Err(web::Side::Model.malformed("the model did not come to an end")),
            Stop::Done if said.text.trim().is_empty() && said.calls.is_empty() => Err(Fault::fail("no_answer", "the model gave no answer")),
            Stop::Done => Ok(()),
        }
    }

    fn done(&self, result: serde_json::Value, facts: Vec<Fact>, turns: u32) -> Done {
        let turns = if turns == 1 { "1 turn".to_owned() } else { format!("{turns} turns") };
        let delivery = format!("Answered by {} in {turns}.", self.endpoint.model);
        Done { facts, ..Done::new(delivery).result(result) }
    }

    fn usage(&self, spent: Spent) -> Usage {
        let model = Some(self.endpoint.model.clone());
        let Tokens { input, output } = spent.all();
        Usage { model, input_tokens: input, output_tokens: output, ..Usage::default() }
    }
}

impl Spent {
    fn turn_over(&mut self) {
        self.before = self.all();
        self.turn = Tokens::default();
    }

    fn all(&self) -> Tokens {
        self.before.and(self.turn)
    }

    fn total(&self) -> u64 {
        let Tokens { input, output } = self.all();
        input.unwrap_or(0).saturating_add(output.unwrap_or(0)).saturating_add(self.others)
    }
}

/// What is left of the query's budget, where it has one.
fn left(task: &Task, spent: &Spent) -> Option<u64> {
    let tokens = task.assignment().budget.as_ref().and_then(|budget| budget.tokens)?;
    Some(tokens.saturating_sub(spent.total()))
}

fn budget_spent(spent: &Spent) -> Fault {
    Fault::fail("budget_spent", format!("the query's budget of tokens is spent, {} of them here", spent.total()))
}
