//! Dead letters: what nobody could do, and asking it again.

use std::collections::BTreeMap;

use ledger::{Pack, Page};
use nats::{Archive, Packs};
use protocol::{
    DeadLetters, Kind, Message, Name, Problem, QueryId, Record, State, Subject,
    message::{Close, Query, Reason},
};
use serde_json::json;

use crate::{Bus, Error, Receipt};

impl Bus {
    /// The newest dead letters, `limit` of them at most, and the messages that nobody can read. Of those that
    /// have been archived, a coordinator knows what has died since it was started: see [`Bus::dead_archived`].
    ///
    /// # Errors
    /// `no_coordinator`, `unavailable`.
    pub async fn dead(&self, limit: usize) -> Result<DeadLetters, Error> {
        let mut all = DeadLetters::default();
        let mut before = None;
        loop {
            let left = limit.saturating_sub(all.letters.len());
            let page: DeadLetters = self.call("dead", &json!({ "limit": left, "before": before })).await?;
            all.letters.extend(page.letters);
            all.unreadable.extend(page.unreadable);
            all.before = page.before;
            before = page.before;
            if before.is_none() || all.letters.len() >= limit {
                return Ok(all);
            }
        }
    }

    /// The newest dead queries of the archive, `limit` of them at most, newest first. It reads the whole archive, which
    /// not everybody may.
    ///
    /// # Errors
    /// `unavailable`, `forbidden`.
    pub async fn dead_archived(&self, limit: usize) -> Result<Vec<Record>, Error> {
        let mut found = BTreeMap::new();
        let mut packs = Packs::new(self.connection().clone(), None);
        packs
            .read(|_, _, pack| {
                let Some((_, Pack::Pages(pages))) = pack else { return };
                for page in &pages {
                    found.extend(self.died(page).map(|key| (page.seq, key)));
                }
                while found.len() > limit {
                    found.pop_first();
                }
            })
            .await?;
        let archive = Archive::of(self.connection().clone());
        let mut letters = Vec::new();
        for (id, requester) in found.into_values().rev() {
            let whole = archive.whole(id, 1).await?;
            let entries: Vec<_> = whole.pages().filter_map(|page| self.connection().entry(page)).collect();
            let record = ledger::record(id, &requester, &entries).filter(|record| whole.erased().is_none() && record.state == State::Dead);
            letters.extend(record.map(|record| Record { messages: Vec::new(), decision: None, ..record }));
        }
        Ok(letters)
    }

    /// Whose query died of this message, if one did.
    fn died(&self, page: &Page) -> Option<(QueryId, Name)> {
        let subject = Subject::parse(self.space(), &page.subject).ok().filter(|subject| subject.kind() == Kind::Close)?;
        let entry = self.connection().entry(page)?;
        let is_death = matches!(entry.body, Ok(Message::Close(Close { reason: Reason::Dead, .. })));
        is_death.then(|| (subject.id(), subject.from().clone()))
    }

    /// Asks a dead query again: the same content under a new id, which names the old one. Its time and its
    /// attempts begin anew; a deadline that was a moment becomes the default time-out, and it stands for itself,
    /// without the query on whose behalf the old one was asked.
    ///
    /// # Errors
    /// `not_yours` unless this handle speaks for its requester; `not_dead`; `unreadable` where there is no
    /// query in it; and as [`Bus::status`] and [`Bus::post`].
    pub async fn replay(&self, id: QueryId) -> Result<Receipt, Error> {
        let query = again(&self.status(id).await?, self.name())?;
        self.post(query).await
    }
}

/// The query of a dead record, ready to be asked again.
fn again(record: &Record, me: &Name) -> Result<Query, Problem> {
    let (id, requester) = (record.id, &record.requester);
    if requester != me {
        let problem = Problem::new("not_yours", format!("the query {id} belongs to {requester}"));
        return Err(problem.hint("Only its requester can ask it again: --from NAME"));
    }
    if !matches!(record.state, State::Dead | State::Rejected) {
        let problem = Problem::new("not_dead", format!("the query {id} is no dead letter: {}", record.state));
        return Err(problem.hint("What there is: agentbus dead list"));
    }
    let unreadable = || Problem::new("unreadable", format!("what was posted as {id} is no valid query, and can be no second time"));
    match Message::parse(Kind::Query, requester, record.query.to_string().as_bytes()) {
        Ok(Message::Query(query)) => Ok(Query { id: None, deadline: None, parent: None, path: None, replays: Some(id), ..query }),
        _ => Err(unreadable().hint("Post it anew as it should have been: agentbus post")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(state: &str, query: &serde_json::Value) -> Record {
        let id = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3";
        let record =
            json!({ "id": id, "requester": "alice", "state": state, "query": query, "seq": 1, "posted_at": "2026-01-05T09:00:00Z" });
        serde_json::from_value(record).unwrap()
    }

    fn query() -> serde_json::Value {
        json!({
            "requesting_agent": "alice", "request_type": "build", "payload": { "query": "it", "tries": 7 }, "target": "builder", "x": 1,
            "id": "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3", "deadline": "2026-01-05T09:10:00Z", "path": ["bob"],
        })
    }

    #[test]
    fn the_content_stays_and_what_belongs_to_its_time_goes() {
        let again = again(&record("dead", &query()), &"alice".parse().unwrap()).unwrap();
        let expected = json!({
            "requesting_agent": "alice", "request_type": "build", "payload": { "query": "it", "tries": 7 }, "target": "builder", "x": 1,
            "replays": "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3",
        });
        assert_eq!(Message::Query(again).to_value(), expected);
    }

    #[test]
    fn who_may_not_and_what_cannot() {
        let code = |record: &Record, me: &str| again(record, &me.parse().unwrap()).unwrap_err().code;
        assert_eq!(code(&record("dead", &query()), "bob"), "not_yours");
        assert_eq!(code(&record("completed", &query()), "alice"), "not_dead");
        assert_eq!(code(&record("rejected", &json!(null)), "alice"), "unreadable");
    }
}
