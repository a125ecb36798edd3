//! The tools, one file a kind: `ask` (queries of one's own), `look` (what there is), `say` (facts, reports and notices),
//! `serve` (requests of others).
//! Arguments are read here, once; a tool says what went wrong as a problem with a code and a hint.

mod ask;
mod look;
mod say;
mod serve;
mod waiting;

use agentbus::{Problem, protocol::Extra};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::seat::Seat;
use crate::mcp::{Caller, Output, Tool};

/// The longest that one call waits, in seconds. What it waits for may take longer, and can be waited for again.
const LONGEST: u64 = 30 * 60;

/// What a tool gives back.
type Told = Result<Output, Problem>;

pub(super) fn all() -> Vec<Tool> {
    [ask::tools(), serve::tools(), look::tools(), say::tools()].into_iter().flatten().collect()
}

/// Calls a tool; `None` if there is none of this name.
pub(super) async fn call(seat: &Seat, tool: &str, arguments: Extra, caller: &Caller) -> Option<Told> {
    Some(match tool {
        "ask" => ask::ask(seat, arguments, caller).await,
        "wait_for_answer" => ask::wait(seat, arguments, caller).await,
        "reply" => ask::reply(seat, arguments).await,
        "cancel" => ask::cancel(seat, arguments).await,
        "wait_for_request" => serve::wait(seat, arguments, caller).await,
        "answer_request" => serve::answer(seat, arguments, caller).await,
        "progress_request" => serve::progress(seat, arguments, caller).await,
        "ask_requester" => serve::ask_back(seat, arguments, caller).await,
        "release_request" => serve::release(seat, arguments, caller).await,
        "status" => look::status(seat, arguments).await,
        "history" => look::history(seat, arguments).await,
        "list_queries" => look::queries(seat, arguments).await,
        "list_agents" => look::agents(seat, arguments).await,
        "explain_route" => look::route(seat, arguments).await,
        "get_facts" => say::get_facts(seat, arguments).await,
        "set_fact" => say::set_fact(seat, arguments).await,
        "report_progress" => say::report(seat, arguments).await,
        "notify_delivery" => say::notify(seat, arguments).await,
        _ => return None,
    })
}

/// A tool's arguments.
fn read<T: DeserializeOwned>(arguments: Extra) -> Result<T, Problem> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        let why: String = error.to_string().chars().take(300).collect();
        Problem::new("bad_arguments", why).hint("The tool's input schema says what it takes.")
    })
}

/// What is wrong, as the bus says it.
fn problem(error: agentbus::Error) -> Problem {
    error.problem()
}

/// Data for a program. Everything that is given back is an object, and can be written.
fn data(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
