//! A request of Claude Code to use a tool, as a question to the requester, and the reply as the program takes it.
//!
//! Whoever does not reply has not allowed it. Only the word `allow` allows something. The tool with which the
//! model itself asks (`AskUserQuestion`) is no request for permission: what it asks is asked, and the replies are its result.

use std::time::Duration;

use agentbus::{Error, Fault, Inquiry, Task};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{report::cut, stream::May};

/// How long a reply is waited for; no longer than half of what is left until the deadline.
const PATIENCE: Duration = Duration::from_secs(300);

/// The most of a tool's input that a question shows, in characters. What is longer cannot be allowed.
const SHOWN: usize = 4000;

/// The longest name of a tool, in characters.
const NAMED: usize = 100;

/// The tool with which the model asks.
const ASKS: &str = "AskUserQuestion";

/// The most replies to choose from that a question of the bus takes.
const CHOICES: usize = 64;

const ALLOW: &str = "allow";
const DENY: &str = "deny";

/// Asks, and returns the line that tells the program. Only an error of the bus that may pass ends the attempt.
pub(super) async fn decide(task: Task, may: May) -> Result<String, Box<Fault>> {
    let decided = if may.tool == ASKS { consult(&task, &may.input).await } else { permit(&task, &may).await };
    match decided {
        Ok(decision) => Ok(line(&may.request_id, decision)),
        Err(error) if error.is_unavailable() || error.code() == "storage_full" => Err(Box::new(error.into())),
        Err(error) => Ok(line(&may.request_id, deny(&format!("The requester cannot be asked: {error}. Go on without.")))),
    }
}

/// The line that refuses what too many others wait for.
pub(super) fn too_many(may: &May) -> String {
    line(&may.request_id, deny("Too many requests wait for a reply. Try again when they have been answered."))
}

/// The line that says that a host does not do this.
pub(super) fn unsupported(request_id: &str) -> String {
    let response = json!({ "subtype": "error", "request_id": request_id, "error": "this host does not support it" });
    json!({ "type": "control_response", "response": response }).to_string()
}

async fn permit(task: &Task, may: &May) -> Result<Value, Error> {
    let shown = shown(may);
    let choices: &[&str] = if shown.is_some() { &[ALLOW, DENY] } else { &[DENY] };
    let inquiry = Inquiry::new(text(task.agent().as_str(), may, shown.as_deref())).choices(choices.iter().copied()).default(DENY);
    let replied = task.question(inquiry.within(patience(task))).await?;
    Ok(match replied.value.as_str().map(str::trim) {
        Some(ALLOW) if shown.is_some() => json!({ "behavior": "allow", "updatedInput": may.input }),
        _ if replied.by_default => deny("Nobody allowed it in time. Go on without, and say so."),
        Some(DENY) | None => deny("The requester does not allow it."),
        Some(words) => deny(&format!("The requester does not allow it, and says: {words}")),
    })
}

/// Asks what the model asks, one after the other.
async fn consult(task: &Task, input: &Value) -> Result<Value, Error> {
    let questions = input.get("questions").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut answers = Map::new();
    for question in &questions {
        let Some(text) = question.get("question").and_then(Value::as_str) else { continue };
        match task.question(inquiry(text, question).within(patience(task))).await {
            Ok(replied) => drop(answers.insert(text.to_owned(), plain(replied.value).into())),
            Err(error) if error.code() == "question_unanswered" => {
                return Ok(deny("Nobody replied in time. Decide yourself, and say what you assumed."));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(json!({ "behavior": "allow", "updatedInput": { "questions": questions, "answers": answers } }))
}

fn inquiry(text: &str, question: &Value) -> Inquiry {
    let options = question.get("options").and_then(Value::as_array).into_iter().flatten();
    let options: Vec<(&str, &str)> = options
        .filter_map(|option| Some((option.get("label")?.as_str()?, option.get("description").and_then(Value::as_str).unwrap_or_default())))
        .take(CHOICES)
        .collect();
    let listed: String = options.iter().map(|(label, about)| format!("\n- {label}: {about}")).collect();
    let inquiry = Inquiry::new(cut(&format!("{text}{listed}"), SHOWN));
    // Several at once are a text of their own.
    let several = question.get("multiSelect").and_then(Value::as_bool).unwrap_or(false);
    if several { inquiry } else { inquiry.choices(options.into_iter().map(|(label, _)| label)) }
}

/// All that the tool is to do: nobody can allow what they do not see. None where it is more than a question shows.
fn shown(may: &May) -> Option<String> {
    let mut rest = may.input.clone();
    let command = rest.as_object_mut().and_then(|fields| match fields.remove("command") {
        Some(Value::String(command)) => Some(command),
        Some(other) => {
            fields.insert("command".to_owned(), other);
            None
        }
        None => None,
    });
    let pretty = || serde_json::to_string_pretty(&rest).unwrap_or_default();
    let shown = match command {
        Some(command) if rest.as_object().is_some_and(Map::is_empty) => command,
        Some(command) => format!("{command}\n{}", pretty()),
        None => pretty(),
    };
    let fits = shown.chars().count() <= SHOWN && may.tool.chars().count() <= NAMED;
    fits.then_some(shown)
}

/// The question.
fn text(agent: &str, may: &May, shown: Option<&str>) -> String {
    let reason = may.reason.as_ref().map(|reason| format!("\n({})", cut(reason, 300))).unwrap_or_default();
    let tool = cut(&may.tool, NAMED);
    let Some(shown) = shown else {
        let start = cut(&may.input.to_string(), SHOWN / 4);
        return format!("May {agent} use {tool}?\n{start}\n(This is more than a question shows, so it cannot be allowed here.){reason}");
    };
    format!("May {agent} use {tool}?\n{shown}{reason}")
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn deny(message: &str) -> Value {
    json!({ "behavior": "deny", "message": message })
}

fn line(request_id: &str, decision: Value) -> String {
    let response = json!({ "subtype": "success", "request_id": request_id, "response": decision });
    json!({ "type": "control_response", "response": response }).to_string()
}

fn patience(task: &Task) -> Duration {
    let left = Duration::try_from(task.assignment().deadline.duration_since(Timestamp::now())).unwrap_or_default();
    PATIENCE.min(left / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(input: Value) -> May {
        May { request_id: "r".to_owned(), tool: "Bash".to_owned(), input, reason: Some("outside".to_owned()) }
    }

    #[test]
    fn a_question_shows_what_would_be_done() {
        let asked = |input: Value| {
            let may = may(input);
            text("poet", &may, shown(&may).as_deref())
        };
        assert_eq!(asked(json!({ "command": "rm -r x" })), "May poet use Bash?\nrm -r x\n(outside)");
        let more = asked(json!({ "command": "ls", "dangerouslyDisableSandbox": true }));
        assert_eq!(more, "May poet use Bash?\nls\n{\n  \"dangerouslyDisableSandbox\": true\n}\n(outside)");
    }

    #[test]
    fn what_is_not_shown_whole_cannot_be_allowed() {
        assert!(shown(&may(json!({ "command": "x".repeat(SHOWN) }))).is_some());
        let long = may(json!({ "command": "x".repeat(SHOWN + 1) }));
        assert_eq!(shown(&long), None);
        assert!(text("poet", &long, None).contains("it cannot be allowed here"));
        assert_eq!(shown(&May { tool: "x".repeat(NAMED + 1), ..long }), None);
    }

    #[test]
    fn a_choice_of_the_models_is_one_of_the_bus() {
        let options = json!([{ "label": "Red", "description": "warm" }, { "label": "Blue", "description": "cold" }]);
        let one = inquiry("Which?", &json!({ "options": options }));
        assert_eq!((one.text.as_str(), one.choices), ("Which?\n- Red: warm\n- Blue: cold", vec!["Red".to_owned(), "Blue".to_owned()]));
        assert!(inquiry("Which?", &json!({ "options": options, "multiSelect": true })).choices.is_empty());
    }
}
