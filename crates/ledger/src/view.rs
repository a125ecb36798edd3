//! The fold as users see it: the record of one query, with every message and what became of it.

use jiff::Timestamp;
use protocol::{AttemptState, Decision, Logged, Message, Name, QueryId, Record, Summary};
use serde_json::Value;

use crate::{Attempt, Book, Entry, Fold};

/// The record of the query `id` as `asker` may mean it, from all messages stored under that id.
/// `None` if there is no query among them.
#[must_use]
pub fn record(id: QueryId, asker: &Name, entries: &[Entry]) -> Option<Record> {
    let mut book = Book::default();
    let verdicts: Vec<_> = entries.iter().map(|entry| book.apply(entry)).collect();
    let fold = book.find(id, asker)?;
    let mine = entries.iter().zip(verdicts).filter(|(_, applied)| applied.key.as_ref() == Some(fold.key()));
    let mut record = outline(fold);
    for (entry, applied) in mine {
        if entry.seq == record.seq {
            record.query = body(entry);
        }
        if let (Ok(Message::Assign(assign)), protocol::Verdict::Counted) = (&entry.body, applied.verdict) {
            record.decision = Some(assign.decision.clone());
        }
        if let (Ok(Message::Question(question)), protocol::Verdict::Counted) = (&entry.body, applied.verdict)
            && fold.awaits(question.question)
        {
            // An earlier attempt may have asked under the same number.
            record.questions.retain(|earlier| earlier.question != question.question);
            record.questions.push(question.clone());
        }
        if Some(entry.seq) == record.end_seq {
            match &entry.body {
                Ok(Message::Answer(answer)) => record.answer = Some(answer.clone()),
                Ok(Message::Close(close)) => record.close = Some(close.clone()),
                _ => {}
            }
        }
        record.messages.push(logged(entry, applied.verdict));
    }
    Some(record)
}

fn outline(fold: &Fold) -> Record {
    let posted = fold.posted();
    Record {
        id: fold.key().id,
        requester: fold.key().requester.clone(),
        state: fold.state(),
        waiting_for: None,
        query: Value::Null,
        seq: posted.seq,
        posted_at: posted.at,
        deadline: posted.request_type.is_some().then_some(posted.deadline),
        attempts: fold.attempts().iter().map(attempt).collect(),
        questions: Vec::new(),
        decision: None::<Decision>,
        answer: None,
        close: None,
        ended_at: fold.ended().map(|ended| ended.at),
        end_seq: fold.ended().map(|ended| ended.seq),
        messages: Vec::new(),
        extra: protocol::Extra::new(),
    }
}

fn attempt(attempt: &Attempt) -> protocol::Attempt {
    protocol::Attempt {
        attempt: attempt.number,
        agent: attempt.agent.clone(),
        instance: attempt.instance.clone(),
        state: attempt.state,
        assigned_at: attempt.assigned_at,
        accepted_at: attempt.accepted_at,
        outcome: attempt.outcome.map(|(outcome, _)| outcome),
        failure: attempt.failure.clone(),
    }
}

fn logged(entry: &Entry, verdict: protocol::Verdict) -> Logged {
    Logged {
        seq: entry.seq,
        time: entry.time,
        kind: entry.subject.kind(),
        from: entry.subject.from().clone(),
        to: entry.subject.to().to_string(),
        verdict,
        body: body(entry),
    }
}

fn body(entry: &Entry) -> Value {
    entry.body.as_ref().map_or(Value::Null, Message::to_value)
}

/// The line of a query in a list.
#[must_use]
pub fn summary(fold: &Fold, waiting_for: Option<String>) -> Summary {
    let posted = fold.posted();
    let last = fold.attempts().last().filter(|attempt| attempt.state != AttemptState::Lost);
    Summary {
        id: fold.key().id,
        requester: fold.key().requester.clone(),
        state: fold.state(),
        request_type: posted.request_type.as_deref().map(str::to_owned),
        priority: posted.priority,
        agent: last.map(|attempt| attempt.agent.clone()),
        posted_at: posted.at,
        ended_at: fold.ended().map(|ended: &crate::Ended| -> Timestamp { ended.at }),
        waiting_for,
    }
}

/// The line of a query whose record is at hand.
#[must_use]
pub fn summary_of(record: &Record) -> Summary {
    let field = |name: &str| record.query.get(name).and_then(Value::as_str);
    Summary {
        id: record.id,
        requester: record.requester.clone(),
        state: record.state,
        request_type: field("request_type").map(str::to_owned),
        priority: record.query.get("priority").and_then(|priority| serde_json::from_value(priority.clone()).ok()).unwrap_or_default(),
        agent: record.attempts.last().filter(|last| last.state != AttemptState::Lost).map(|last| last.agent.clone()),
        posted_at: record.posted_at,
        ended_at: record.ended_at,
        waiting_for: record.waiting_for.clone(),
    }
}

#[cfg(test)]
mod tests;
