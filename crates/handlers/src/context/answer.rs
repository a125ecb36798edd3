//! The answer to a query: for each topic what is known, what only bears on it, and what is not
//! known.
//!
//! Owns the shape of the result and the only words of its own that an answer may contain. It must
//! never merge, average or interpret facts: two observers who disagree are both shown.

use std::cmp::Reverse;

use protocol::Fact;
use serde_json::{Value, json};

use super::{
    matching::{Bearing, Subject},
    topics::{Topic, topics},
};

/// Said of a topic on which there is only evidence.
const ONLY_EVIDENCE: &str = "Not known. The evidence bears on it without answering it.";

/// Said of a topic on which there is nothing.
const UNKNOWN: &str = "Not known. No fact bears on it.";

/// What the facts say about a query.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextAnswer {
    /// `{"topics": [{topic, status, note?, facts, evidence}]}`, in the order asked. `status` is
    /// `known`, `evidence` (there is only evidence: the value is not known) or `unknown`.
    pub result: Value,
    /// Each fact that the result names, once, by key and then observer.
    pub facts: Vec<Fact>,
    /// The topics with neither facts nor evidence, in the requester's words.
    pub unknown: Vec<String>,
    /// The delivery notification: counts, and nothing else.
    pub delivery: String,
}

/// A fact that somebody gave when asked for topics: it bears on them, whatever its words are.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The fact.
    pub fact: Fact,
    /// The topics that it was given for, in the requester's words. On others it bears as any fact does.
    pub topics: Vec<String>,
    /// How it bears on them.
    pub bearing: Bearing,
}

/// Answers a query's text from facts: those that are known, and those that were given for it. The order of the facts
/// does not matter.
#[must_use]
pub fn answer(text: &str, facts: &[Fact], given: &[Given]) -> ContextAnswer {
    let subjects = sorted(facts.iter().chain(given.iter().map(|given| &given.fact)));
    let found: Vec<_> = topics(text).into_iter().map(|topic| Found::new(topic, &subjects, given)).collect();
    let used = |subject: &&Subject| found.iter().any(|found| found.names(subject.fact()));
    ContextAnswer {
        facts: subjects.iter().filter(used).map(|subject| subject.fact().clone()).collect(),
        unknown: found.iter().filter(|found| found.status() == Status::Unknown).map(|found| found.topic.text.clone()).collect(),
        delivery: delivery(&found),
        result: json!({ "topics": found.iter().map(Found::json).collect::<Vec<_>>() }),
    }
}

/// The facts in the order of an answer, each once. Facts that differ in anything are different
/// ones, so that the order is total and the input's order leaves no trace.
fn sorted<'a>(facts: impl Iterator<Item = &'a Fact>) -> Vec<Subject<'a>> {
    let order = |fact: &&Fact| (fact.key.clone(), fact.observed_by.clone(), Reverse(fact.observed_at), json!(fact).to_string());
    let mut facts: Vec<_> = facts.collect();
    facts.sort_by_cached_key(order);
    facts.dedup();
    facts.into_iter().map(Subject::new).collect()
}

/// What is known about a topic.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Known,
    Evidence,
    Unknown,
}

/// A topic with what bears on it.
struct Found<'a> {
    topic: Topic,
    facts: Vec<&'a Fact>,
    evidence: Vec<&'a Fact>,
}

impl<'a> Found<'a> {
    fn new(topic: Topic, subjects: &[Subject<'a>], given: &[Given]) -> Self {
        let given: Vec<_> = given.iter().filter(|given| given.topics.contains(&topic.text)).collect();
        let bearing = |wanted| {
            let given_as = |fact: &Fact| given.iter().find(|given| given.fact == *fact).map(|given| given.bearing);
            // An answer is more than evidence, and comes before it.
            let best = |subject: &Subject| subject.bearing(&topic).into_iter().chain(given_as(subject.fact())).min();
            let bears = |subject: &&Subject| best(subject) == Some(wanted);
            newest_first(subjects.iter().filter(bears).map(Subject::fact).collect())
        };
        let (facts, evidence) = (bearing(Bearing::Answers), bearing(Bearing::Evidence));
        Self { topic, facts, evidence }
    }

    fn names(&self, fact: &Fact) -> bool {
        self.facts.iter().chain(&self.evidence).any(|named| std::ptr::eq(*named, fact))
    }

    fn status(&self) -> Status {
        match (self.facts.is_empty(), self.evidence.is_empty()) {
            (false, _) => Status::Known,
            (true, false) => Status::Evidence,
            (true, true) => Status::Unknown,
        }
    }

    fn json(&self) -> Value {
        let (status, note) = match self.status() {
            Status::Known => ("known", None),
            Status::Evidence => ("evidence", Some(ONLY_EVIDENCE)),
            Status::Unknown => ("unknown", Some(UNKNOWN)),
        };
        let mut topic = json!({
            "topic": self.topic.text,
            "status": status,
            "facts": self.facts.iter().map(|fact| shown(fact)).collect::<Vec<_>>(),
            "evidence": self.evidence.iter().map(|fact| shown(fact)).collect::<Vec<_>>(),
        });
        if let (Some(topic), Some(note)) = (topic.as_object_mut(), note) {
            topic.insert("note".to_owned(), note.into());
        }
        topic
    }
}

/// Within a key the newest observation goes first; the given order settles the rest.
fn newest_first(mut facts: Vec<&Fact>) -> Vec<&Fact> {
    facts.sort_by(|a, b| (&a.key, Reverse(a.observed_at)).cmp(&(&b.key, Reverse(b.observed_at))));
    facts
}

/// A fact as a topic shows it.
fn shown(fact: &Fact) -> Value {
    json!({
        "key": fact.key,
        "value": fact.value,
        "source": fact.source,
        "observed_by": fact.observed_by,
        "observed_at": fact.observed_at,
    })
}

fn delivery(found: &[Found<'_>]) -> String {
    let count = |status| found.iter().filter(|found| found.status() == status).count();
    let (known, evidence, unknown) = (count(Status::Known), count(Status::Evidence), count(Status::Unknown));
    let answered = known + evidence;
    let asked = found.len();
    let noun = if asked == 1 { "topic" } else { "topics" };
    format!("Answered {answered} of {asked} {noun}: {known} known, {evidence} by evidence only; {unknown} unknown.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const SEED: &str = "MLOps context needed: team size, ML workloads, current infrastructure, pain points, compliance requirements, and growth projections.";

    fn fact(key: &str, kind: &str, value: Value, by: &str, at: &str, topics: &[&str]) -> Fact {
        serde_json::from_value(json!({
            "key": key, "kind": kind, "value": value, "source": format!("how {by} saw {key}"),
            "observed_by": by, "observed_at": at, "topics": topics,
        }))
        .unwrap()
    }

    fn known_facts() -> Vec<Fact> {
        vec![
            fact("repository.contributors.90d", "evidence", json!(14), "context-manager", "2026-11-21T09:00:00Z", &["team size"]),
            fact("team.size", "value", json!(12), "alice", "2026-11-01T09:00:00Z", &[]),
            fact("team.size", "value", json!(11), "bob", "2026-11-20T09:00:00Z", &[]),
            fact("ml.libraries", "evidence", json!(["torch"]), "context-manager", "2026-11-21T09:00:00Z", &["ML workloads"]),
            fact("compliance.requirements", "value", json!(["SOC 2"]), "alice", "2026-11-01T09:00:00Z", &[]),
            fact("weather.today", "value", json!("rain"), "alice", "2026-11-01T09:00:00Z", &[]),
        ]
    }

    fn topic<'a>(answer: &'a ContextAnswer, text: &str) -> &'a Value {
        answer.result["topics"].as_array().unwrap().iter().find(|topic| topic["topic"] == text).unwrap()
    }

    #[test]
    fn the_seeds_query_is_answered_from_facts_alone() {
        let answer = answer(SEED, &known_facts(), &[]);
        assert_eq!(answer.delivery, "Answered 3 of 6 topics: 2 known, 1 by evidence only; 3 unknown.");
        assert_eq!(answer.unknown, ["current infrastructure", "pain points", "growth projections"]);

        let size = topic(&answer, "team size");
        assert_eq!(size["status"], "known");
        let shown: Vec<_> = size["facts"].as_array().unwrap().iter().map(|fact| (&fact["value"], &fact["observed_by"])).collect();
        assert_eq!(shown, [(&json!(11), &json!("bob")), (&json!(12), &json!("alice"))]);
        assert_eq!(size["evidence"][0]["value"], 14);
        assert_eq!(size["evidence"][0]["source"], "how context-manager saw repository.contributors.90d");

        let workloads = topic(&answer, "ML workloads");
        assert_eq!(
            (&workloads["status"], &workloads["note"], &workloads["facts"]),
            (&json!("evidence"), &json!(ONLY_EVIDENCE), &json!([]))
        );
        assert_eq!(topic(&answer, "pain points")["note"], UNKNOWN);

        let keys: Vec<_> = answer.facts.iter().map(|fact| (fact.key.as_str(), fact.observed_by.as_str())).collect();
        assert_eq!(
            keys,
            [
                ("compliance.requirements", "alice"),
                ("ml.libraries", "context-manager"),
                ("repository.contributors.90d", "context-manager"),
                ("team.size", "alice"),
                ("team.size", "bob"),
            ]
        );
    }

    #[test]
    fn committers_alone_never_make_a_team_size_known() {
        let facts: Vec<_> = known_facts().into_iter().filter(|fact| fact.key.as_str() != "team.size").collect();
        let answer = answer("team size", &facts, &[]);
        assert_eq!(answer.delivery, "Answered 1 of 1 topic: 0 known, 1 by evidence only; 0 unknown.");
        assert_eq!(topic(&answer, "team size")["facts"], json!([]));
    }

    #[test]
    fn without_facts_all_is_unknown() {
        let answer = answer(SEED, &[], &[]);
        assert_eq!((answer.facts.len(), answer.unknown.len()), (0, 6));
        assert_eq!(answer.delivery, "Answered 0 of 6 topics: 0 known, 0 by evidence only; 6 unknown.");
    }

    #[test]
    fn what_was_given_for_a_topic_bears_on_it_and_on_others_as_its_words_do() {
        let told = fact("standup.notes", "value", json!("slow builds"), "sre", "2026-11-22T09:00:00Z", &[]);
        let given = |bearing| [Given { fact: told.clone(), topics: vec!["pain points".to_owned()], bearing }];
        for (bearing, status) in [(Bearing::Answers, "known"), (Bearing::Evidence, "evidence")] {
            let answer = answer("pain points, standup notes, budget", &known_facts(), &given(bearing));
            let statuses = ["pain points", "standup notes", "budget"].map(|text| topic(&answer, text)["status"].clone());
            assert_eq!(statuses, [status, "known", "unknown"]);
            assert_eq!((answer.facts, answer.unknown), (vec![told.clone()], vec!["budget".to_owned()]));
        }
    }

    fn any_fact() -> impl Strategy<Value = Fact> {
        let word = || prop::sample::select(vec!["team", "size", "ml", "workload", "pain", "growth"]);
        let value = prop_oneof![any::<i32>().prop_map(Value::from), "[a-z]{3}".prop_map(Value::from), Just(json!({ "n": [7, "seven"] }))];
        let topics = prop::collection::vec((word(), word()).prop_map(|(a, b)| format!("{a} {b}")), 0..3);
        let kind = prop::sample::select(vec!["value", "evidence"]);
        let by = prop::sample::select(vec!["alice", "bob"]);
        (word(), word(), kind, value, by, 0..3_u8, topics).prop_map(|(a, b, kind, value, by, hour, topics)| {
            let topics: Vec<_> = topics.iter().map(String::as_str).collect();
            fact(&format!("{a}.{b}"), kind, value, by, &format!("2026-11-21T0{hour}:00:00Z"), &topics)
        })
    }

    /// All strings and numbers in a value, but not the names of its fields.
    fn atoms(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| atoms(item, into)),
            Value::Object(fields) => fields.values().for_each(|field| atoms(field, into)),
            other => drop(into.insert(other.to_string())),
        }
    }

    proptest! {
        #[test]
        fn the_order_of_facts_leaves_no_trace(
            (facts, shuffled) in prop::collection::vec(any_fact(), 0..12).prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle()))
        ) {
            let (one, other) = (answer(SEED, &facts, &[]), answer(SEED, &shuffled, &[]));
            prop_assert_eq!(one.result.to_string(), other.result.to_string());
            prop_assert_eq!(json!(one.facts).to_string(), json!(other.facts).to_string());
            prop_assert_eq!((one.unknown, one.delivery), (other.unknown, other.delivery));
        }

        #[test]
        fn nothing_is_said_that_is_not_in_a_fact_or_in_the_query(facts in prop::collection::vec(any_fact(), 0..12)) {
            let answer = answer(SEED, &facts, &[]);
            let mut said = BTreeSet::new();
            atoms(&answer.result, &mut said);
            atoms(&json!([answer.facts, answer.unknown]), &mut said);
            let mut allowed = BTreeSet::new();
            atoms(&json!(facts), &mut allowed);
            atoms(&json!(["known", "evidence", "unknown", ONLY_EVIDENCE, UNKNOWN]), &mut allowed);
            let asked = |atom: &String| SEED.contains(atom.trim_matches('"'));
            prop_assert!(said.iter().all(|atom| allowed.contains(atom) || asked(atom)), "{:?}", said.difference(&allowed));
            let counts = answer.delivery.replace(|c: char| c.is_ascii_digit(), "");
            prop_assert_eq!(counts, "Answered  of  topics:  known,  by evidence only;  unknown.");
        }

        #[test]
        fn a_topic_is_known_only_by_a_value_of_its_key(facts in prop::collection::vec(any_fact(), 0..12)) {
            let answer = answer("team size", &facts, &[]);
            let told = facts.iter().any(|fact| json!(fact.kind) == "value" && ["team.size", "size.team"].contains(&fact.key.as_str()));
            prop_assert_eq!(topic(&answer, "team size")["status"] == "known", told);
        }
    }
}
