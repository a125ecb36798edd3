//! Asking others what no fact answers: the one thing that a context agent which delegates does more than the others.
//!
//! Owns the errands, from who is there to what has come back: each expert is asked once, on behalf of the query in
//! hand, and in time for that to be answered. It must never ask whoever waits for the answer, nor wait longer than
//! the query does. An expert that fails or is late leaves its topics unknown, and the answer says so.
//!
//! Reading order: `choice` (whom to ask), this, `told` (what an answer tells), `consulted` (what is said of it all).

mod choice;
mod consulted;
mod told;

use std::{collections::BTreeSet, time::Duration};

use agentbus::{Answer, Asking, Error, Event, Name, Query, State, Task, protocol::Extra};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use protocol::message::Budget;
use roster::MayCost;

use self::{
    choice::{Asker, Choice, Errand, Pointed, choose},
    consulted::Asked,
    told::told,
};
use crate::exec::now;

pub(super) use consulted::Consulted;

/// How many experts are asked at once.
const AT_ONCE: usize = 8;

/// The least time that is worth asking for.
const LEAST: Duration = Duration::from_secs(1);

/// The longest status of a progress report, in characters.
const LONGEST_STATUS: usize = 256;

/// Until when experts may answer (four fifths of the time that is left), and until when they are waited for (nine
/// tenths): a query that has run out is heard of a moment later, and the answer needs its time.
#[derive(Clone, Copy)]
struct Limits {
    deadline: Timestamp,
    wait: tokio::time::Instant,
}

/// Asks the experts of these topics. What cannot be asked is not: no expert, no budget, no time, no coordinator.
pub(super) async fn consult(task: &Task, topics: &[String], may_cost: &MayCost) -> Consulted {
    let Some(limits) = limits(task) else { return Consulted::default() };
    if topics.is_empty() || is_spent(task.assignment().budget.as_ref()) {
        return Consulted::default();
    }
    let path = task.path();
    let asker = Asker { query: task.query(), path: &path, may_cost };
    let Choice { errands, too_dear } = match find(task, topics, &asker).await {
        Ok(choice) => choice,
        Err(error) => {
            tracing::warn!(%error, id = %task.id(), "no expert is asked, since none can be looked for");
            return Consulted::default();
        }
    };
    let runs = errands.into_iter().enumerate().map(|(at, errand)| {
        let asker = &asker;
        async move { (at, run(task, asker, errand, limits).await) }
    });
    let mut runs: Vec<_> = stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
    runs.sort_by_key(|(at, _)| *at);
    Consulted::of(runs.into_iter().map(|(_, run)| run).collect(), too_dear)
}

/// Asks the coordinator whom each topic points to, and who of those is there. Nothing is posted, so it does not ask in
/// the agent's name: not everybody who serves an agent may do that.
async fn find(task: &Task, topics: &[String], asker: &Asker<'_>) -> Result<Choice, Error> {
    let bus = task.bus();
    let point = |topic: &String| {
        let (topic, search) = (topic.clone(), Query { requesting_agent: bus.name().clone(), ..asker.search(topic) });
        async move { Ok::<_, Error>(Pointed::new(&topic, bus.route(&search).await?)) }
    };
    let pointed: Vec<_> = stream::iter(topics.iter().map(point)).buffered(AT_ONCE).try_collect().await?;
    let agents: BTreeSet<_> = pointed.iter().flat_map(Pointed::agents).cloned().collect();
    if agents.is_empty() {
        return Ok(Choice::default());
    }
    let present = bus.present(&agents.into_iter().collect::<Vec<_>>()).await?;
    Ok(choose(&pointed, asker, &present))
}

/// None where nothing that is asked now could be answered in time.
fn limits(task: &Task) -> Option<Limits> {
    let now = Timestamp::now();
    let left = Duration::try_from(task.assignment().deadline.duration_since(now)).ok()?;
    let deadline = now.checked_add(left * 4 / 5).ok()?;
    (left >= LEAST).then(|| Limits { deadline, wait: tokio::time::Instant::now() + left * 9 / 10 })
}

/// Whether nothing more may be asked on behalf of the query: it would only be refused.
fn is_spent(budget: Option<&Budget>) -> bool {
    budget.is_some_and(|budget| budget.queries == Some(0) || budget.depth == Some(0) || budget.tokens == Some(0))
}

/// Asks one expert, and waits for what comes of it.
async fn run(task: &Task, asker: &Asker<'_>, errand: Errand, limits: Limits) -> (Asked, Vec<super::Given>) {
    let mut asked = Asked::new(&errand);
    let ended = tokio::time::timeout_at(limits.wait, ask(task, asker, &errand, limits.deadline, &mut asked)).await;
    let answer = match ended {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::info!(%error, agent = %errand.agent, id = %task.id(), "an expert was not asked to the end");
            asked.problem = Some(error.code().to_owned());
            None
        }
        Err(_) => None,
    };
    let given = match (answer, asked.id) {
        (Some(answer), Some(id)) => told(&errand, id, &answer, now()),
        _ => Vec::new(),
    };
    (asked, given)
}

/// The expert's answer, if its query is completed. `asked` says how far it came.
async fn ask(
    task: &Task,
    asker: &Asker<'_>,
    errand: &Errand,
    deadline: Timestamp,
    asked: &mut Asked,
) -> Result<Option<Box<Answer>>, Error> {
    task.progress(status(&errand.agent, &errand.topics), Extra::new()).await?;
    let mut question = errand.question(asker);
    question.deadline = Some(deadline);
    let mut asking: Asking = task.ask(question).await?;
    asked.id = Some(asking.id());
    asked.state = Some(State::Posted);
    loop {
        match asking.next().await? {
            Event::Accepted(_) => asked.state = Some(State::Accepted),
            Event::Progress(_) | Event::Question(_) => asked.state = Some(State::Working),
            Event::Ended(ended) => {
                asked.ended(&ended);
                return Ok(ended.answer.filter(|_| ended.state == State::Completed));
            }
        }
    }
}

/// Whom it asks for what. A report's fields would become facts, so it has none.
fn status(agent: &Name, topics: &[String]) -> String {
    let text = format!("asking {agent}: {}", topics.join("; "));
    if text.chars().count() <= LONGEST_STATUS {
        return text;
    }
    text.chars().take(LONGEST_STATUS - 1).chain(['…']).collect()
}
