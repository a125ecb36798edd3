//! Which fact bears on which topic, and how well.
//!
//! Owns the matching rule. It must never guess: words are compared whole, in their normal form.
//! Next: `answer`.

use std::collections::BTreeSet;

use protocol::{Fact, FactKind};

use super::{topics::Topic, words::words};

/// What a fact is worth for one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bearing {
    /// It answers the topic.
    Answers,
    /// It bears on the topic without answering it.
    Evidence,
}

/// A fact with its normal forms.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    fact: &'a Fact,
    key: BTreeSet<String>,
    declared: Vec<BTreeSet<String>>,
}

impl<'a> Subject<'a> {
    /// Prepares a fact for matching.
    #[must_use]
    pub fn new(fact: &'a Fact) -> Self {
        let declared = fact.topics.iter().map(|topic| words(topic)).collect();
        Self { fact, key: words(fact.key.as_str()), declared }
    }

    /// The fact.
    #[must_use]
    pub const fn fact(&self) -> &'a Fact {
        self.fact
    }

    /// What the fact is worth for a topic; none where it does not match.
    ///
    /// A fact matches when all words of the topic stand in its key, or all of them in ONE topic
    /// that its source declares. Words are not gathered from several places: a fact about
    /// `repository.contributors` that declares "team size" would otherwise match "repository
    /// size", and one that declares "team" and "model size" would match "team size".
    ///
    /// Only a value that matches by its key answers. By a declared topic a source says what its
    /// fact bears on, which is less: the kinds of manifests in a repository are the value of
    /// `kubernetes.kinds`, and evidence about the infrastructure.
    #[must_use]
    pub fn bearing(&self, topic: &Topic) -> Option<Bearing> {
        if topic.words.is_subset(&self.key) {
            return Some(match self.fact.kind {
                FactKind::Value => Bearing::Answers,
                FactKind::Evidence => Bearing::Evidence,
            });
        }
        let declared = self.declared.iter().any(|declared| topic.words.is_subset(declared));
        declared.then_some(Bearing::Evidence)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bearing(kind: &str, key: &str, declared: &[&str], topic: &str) -> Option<Bearing> {
        let fact: Fact = serde_json::from_value(serde_json::json!({
            "key": key, "value": 1, "kind": kind, "source": "a test", "topics": declared,
            "observed_by": "tester", "observed_at": "2026-11-21T10:00:00Z",
        }))
        .unwrap();
        Subject::new(&fact).bearing(&Topic::new(topic).unwrap())
    }

    #[rstest::rstest]
    #[case("team.size", &[], "team size")]
    #[case("team.size", &[], "the current size of our teams")]
    #[case("team.size", &[], "size")]
    #[case("ml_workloads.count", &[], "ML workloads")]
    #[case("on-call.rota", &[], "on-call rota")]
    #[case("compliance.requirement", &[], "compliance requirements")]
    fn a_value_answers_by_its_key(#[case] key: &str, #[case] declared: &[&str], #[case] topic: &str) {
        assert_eq!(bearing("value", key, declared, topic), Some(Bearing::Answers));
        assert_eq!(bearing("evidence", key, declared, topic), Some(Bearing::Evidence));
    }

    #[rstest::rstest]
    #[case("repository.contributors.90d", &["team size"], "team size")]
    #[case("kubernetes.kinds", &["Kubernetes infrastructure"], "current infrastructure")]
    #[case("ci.systems", &["CI/CD pipelines"], "CI pipelines")]
    fn by_a_declared_topic_any_fact_is_evidence(#[case] key: &str, #[case] declared: &[&str], #[case] topic: &str) {
        assert_eq!(bearing("value", key, declared, topic), Some(Bearing::Evidence));
        assert_eq!(bearing("evidence", key, declared, topic), Some(Bearing::Evidence));
    }

    #[rstest::rstest]
    #[case::other_word("team.size", &[], "fleet size")]
    #[case::part_of_a_word("teamwork.sizes", &[], "team size")]
    #[case::key_and_topic("repository.contributors.90d", &["team size"], "repository size")]
    #[case::two_topics("people.overview", &["team", "model size"], "team size")]
    #[case::wider_topic("kubernetes.kinds", &["infrastructure"], "infrastructure budget")]
    fn words_are_not_gathered_from_several_places(#[case] key: &str, #[case] declared: &[&str], #[case] topic: &str) {
        assert_eq!(bearing("value", key, declared, topic), None);
    }
}
