//! A message on one line.

use agentbus::{Message, Progress};
use protocol::{Extra, message::Query};

use super::plain::{cut, plain, value, word};

/// The longest gist, in characters.
const MOST: usize = 120;

/// What a message says, on one line of at most 120 characters.
pub(crate) fn gist(message: &Message) -> String {
    short(&match message {
        Message::Query(body) => query(body),
        Message::Assign(body) => format!("attempt {}: {}", body.attempt, body.decision.reason),
        Message::Accept(body) => format!("attempt {} taken by instance {}", body.attempt, body.instance.as_str()),
        Message::Progress(body) => report(body),
        Message::Question(body) => format!("question {}: {}", body.question, body.text),
        Message::Reply(body) => format!("to question {}: {}", body.question, value(&body.reply)),
        Message::Answer(body) => format!("{}: {}", word(&body.outcome), body.delivery),
        Message::Close(body) => format!("{}: {}", word(&body.reason), body.message),
        Message::Cancel(body) => body.reason.clone().unwrap_or_else(|| "no reason given".to_owned()),
        Message::Notice(body) => body.delivery.clone(),
    })
}

/// What a progress report says, on one line.
pub(crate) fn progress(progress: &Progress) -> String {
    short(&report(progress))
}

/// Any text from a message, on one line of the same length.
pub(super) fn short(text: &str) -> String {
    // Cut before and after: a megabyte need not be looked at, and white space is not worth a column.
    let begin: String = text.chars().take(MOST * 8).collect();
    let words: Vec<_> = begin.split_whitespace().collect();
    cut(&plain(&words.join(" ")), MOST)
}

fn query(query: &Query) -> String {
    format!("{}: {}", query.request_type, query.payload.query)
}

fn report(progress: &Progress) -> String {
    let fields = progress.progress.as_ref().map(fields).unwrap_or_default();
    if fields.is_empty() { progress.status.clone() } else { format!("{}: {fields}", progress.status) }
}

fn fields(fields: &Extra) -> String {
    // A name that begins with an underscore says nothing to a person: it is there so that no fact is made of the text.
    let told = |(name, field): (&String, &_)| match name.starts_with('_') {
        true => value(field),
        false => format!("{name} {}", value(field)),
    };
    fields.iter().map(told).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use protocol::Kind;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn gist_of(kind: Kind, body: &Value) -> String {
        let from = ["requesting_agent", "agent"].into_iter().find_map(|field| body.get(field)?.as_str()).unwrap_or("coordinator");
        gist(&Message::parse(kind, &protocol::Name::from_token(from).unwrap(), body.to_string().as_bytes()).unwrap())
    }

    #[rstest]
    #[case(Kind::Query, json!({ "requesting_agent": "a", "request_type": "get_x", "payload": { "query": "one\n\ttwo" } }), "get_x: one two")]
    #[case(Kind::Accept, json!({ "agent": "b", "attempt": 2, "instance": "i7" }), "attempt 2 taken by instance i7")]
    #[case(Kind::Progress, json!({ "agent": "b", "status": "training" }), "training")]
    #[case(
        Kind::Progress,
        json!({ "agent": "b", "status": "training", "progress": { "epoch": 3, "stage": "fit" } }),
        "training: epoch 3, stage fit"
    )]
    #[case(
        Kind::Progress,
        json!({ "agent": "b", "status": "answering", "progress": { "_text": "Roses are" } }),
        "answering: Roses are"
    )]
    #[case(Kind::Question, json!({ "agent": "b", "attempt": 1, "instance": "i7", "question": 1, "text": "which?" }), "question 1: which?")]
    #[case(Kind::Reply, json!({ "requesting_agent": "a", "question": 1, "reply": "this" }), "to question 1: this")]
    #[case(
        Kind::Answer,
        json!({ "agent": "b", "attempt": 1, "instance": "i7", "outcome": "retry", "delivery": "Not yet." }),
        "retry: Not yet."
    )]
    #[case(Kind::Close, json!({ "reason": "expired", "code": "deadline", "message": "Too late.", "coordinator": "c" }), "expired: Too late.")]
    #[case(Kind::Cancel, json!({ "requesting_agent": "a" }), "no reason given")]
    #[case(Kind::Notice, json!({ "agent": "b", "delivery": "Done." }), "Done.")]
    fn every_kind_has_its_gist(#[case] kind: Kind, #[case] body: Value, #[case] expected: &str) {
        assert_eq!(gist_of(kind, &body), expected);
    }

    #[test]
    fn a_hostile_body_stays_on_its_line() {
        let body = json!({ "agent": "b", "status": "\u{1b}[2J", "progress": { "\u{202e}k\n": "v\u{7}\r" } });
        assert_eq!(gist_of(Kind::Progress, &body), "\u{fffd}[2J: \u{fffd}k v\u{fffd}");
    }

    #[test]
    fn a_long_body_is_cut() {
        let gist = gist_of(Kind::Notice, &json!({ "agent": "b", "delivery": "word ".repeat(100_000) }));
        assert_eq!((gist.chars().count() <= MOST, gist.ends_with('…')), (true, true));
    }
}
