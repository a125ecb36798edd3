//! How a query ended, in words: the delivery notification, and what to do about a bad ending.

use agentbus::{Answer, Close, State};

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
    if let Some(failure) = answer.and_then(|answer| answer.failure.as_ref()) {
        out.field("why", format_args!("{} ({})", plain(&failure.message), plain(&failure.code)));
    }
    if let Some(close) = close.filter(|_| answer.is_none()) {
        out.field("where", close.pointer.as_deref().map(plain).unwrap_or_default());
        out.field("hint", close.hint.as_deref().map(plain).unwrap_or_default());
    }
    out.finish()
}
