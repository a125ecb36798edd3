//! How a query ended, in words: the delivery notification, and what to do about a bad ending.

use agentbus::{Answer, Close, State};
use protocol::message::Failure;
use serde_json::Value;

use super::{
    fields::Fields,
    plain::{lines, plain},
    style,
};

/// The delivery notification with its lines; before a bad ending stands its state, after it what can be done.
pub(super) fn text(state: State, answer: Option<&Answer>, close: Option<&Close>) -> String {
    let mut out = Fields::default();
    let notification = match (answer, close) {
        (Some(answer), _) => lines(&answer.delivery),
        (None, Some(close)) => lines(&close.message),
        (None, None) => String::new(),
    };
    match state {
        State::Completed => out.line(notification),
        state => out.line(format_args!("{}: {notification}", style::state(state))),
    }
    if let Some((answer, failure)) = answer.and_then(|answer| Some((answer, answer.failure.as_ref()?))) {
        out.field("why", why(failure, Some(&answer.delivery)));
        out.field("hint", hint(failure));
    }
    if let Some(close) = close.filter(|_| answer.is_none()) {
        out.field("where", close.pointer.as_deref().map(plain).unwrap_or_default());
        out.field("hint", close.hint.as_deref().map(plain).unwrap_or_default());
    }
    out.finish()
}

/// Why it failed. Said once is enough: an agent's notification of a failure is often the failure itself.
pub(super) fn why(failure: &Failure, delivery: Option<&str>) -> String {
    let code = plain(&failure.code);
    if delivery == Some(failure.message.as_str()) { code } else { format!("{} ({code})", plain(&failure.message)) }
}

/// What can be done about a failure, where its agent says so.
pub(super) fn hint(failure: &Failure) -> String {
    failure.extra.get("hint").and_then(Value::as_str).map(plain).unwrap_or_default()
}
