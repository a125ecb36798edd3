//! A decision is the same whatever the order of the agents, how often it is made, and what happened to the roster
//! before; and who may not answer is never found.

use proptest::prelude::*;
use protocol::{Card, Name, Step, To, message::Query};
use roster::{Asked, Roster, Standing};

use super::{name, scoring::cards};

const WORDS: [&str; 8] = ["sail", "mast", "rope", "knot", "anchor", "tide", "fog", "compass"];
const AGENTS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "me"];

/// Live, in hand and done, by agent: one bit or digit each.
#[derive(Clone, Debug)]
struct State {
    live: u8,
    done: u8,
    in_hand: [usize; 7],
}

fn at(agent: &Name) -> usize {
    AGENTS.iter().position(|name| *name == agent.as_str()).unwrap()
}

impl Standing for State {
    fn is_live(&self, agent: &Name) -> bool {
        self.live & (1 << at(agent)) != 0
    }

    fn in_hand(&self, agent: &Name) -> usize {
        self.in_hand[at(agent)]
    }

    fn is_done(&self, agent: &Name) -> bool {
        self.done & (1 << at(agent)) != 0
    }
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&WORDS[..]), 1..6).prop_map(|words| words.join(" "))
}

fn front() -> impl Strategy<Value = String> {
    let weighted =
        (prop::collection::btree_map(prop::sample::select(&WORDS[..]), -3_i64..20, 1..5), 0_i64..4, prop::sample::select(&WORDS[..]));
    let weighted = weighted.prop_map(|(keywords, given, tag)| {
        let keywords: Vec<_> = keywords.iter().map(|(word, points)| format!("{word}: {points}")).collect();
        format!("default_score: {given}\nrequired: {{context_tags: [{tag}]}}\nweights: {{keywords: {{{}}}}}", keywords.join(", "))
    });
    let described = (text(), any::<bool>(), any::<bool>());
    let described = described.prop_map(|(text, fallback, registered)| {
        let answers = if registered { "bus: {answers: [sailing]}" } else { "" };
        format!("description: {text}\nfallback: {}\n{answers}", fallback && !registered)
    });
    prop_oneof![weighted, described]
}

fn roster() -> impl Strategy<Value = Vec<Card>> {
    prop::collection::vec(front(), AGENTS.len()).prop_map(|fronts| {
        let files: Vec<_> = AGENTS.iter().zip(&fronts).map(|(agent, front)| (*agent, front.as_str())).collect();
        cards(&files)
    })
}

fn state() -> impl Strategy<Value = State> {
    (any::<u8>(), any::<u8>(), any::<u8>(), prop::array::uniform7(0_usize..3)).prop_map(|(live, one, other, in_hand)| State {
        live,
        done: one & other,
        in_hand,
    })
}

fn query() -> impl Strategy<Value = Query> {
    (text(), prop::option::of(prop::sample::select(&WORDS[..])), prop::sample::select(vec!["sailing", "other"]))
        .prop_map(|(text, tag, kind)| Query { context_tags: tag.map(|tag| vec![tag.to_owned()]), ..Query::new(name("me"), kind, text) })
}

proptest! {
    #[test]
    fn order_and_history_change_nothing(
        (cards, shuffled) in roster().prop_flat_map(|cards| (Just(cards.clone()), Just(cards).prop_shuffle())),
        query in query(), state in state(), most in prop::option::of(0_usize..5),
    ) {
        let asked = Asked { query: &query, to: &To::Any, path: &[] };
        let one = Roster::new(cards.clone());
        let mut other = Roster::new(shuffled.iter().take(3).cloned());
        prop_assert!(other.route(&asked, &state).candidates.len() <= 10);
        shuffled.iter().for_each(|card| drop(other.insert(card.clone())));
        let gone = other.remove(&name("c")).unwrap();
        prop_assert!(other.route(&asked, &state).candidates.len() <= 10);
        other.insert(gone);
        let decision = one.route(&asked, &state);
        prop_assert_eq!(&decision, &other.route(&asked, &state));
        prop_assert_eq!(&decision, &one.route(&asked, &state));
        prop_assert_eq!(one.choose(&asked, most, &state), other.choose(&asked, most, &state));
    }

    #[test]
    fn who_may_not_answer_is_never_found(
        cards in roster(), query in query(), state in state(), path in prop::sample::subsequence(&AGENTS[..], 0..4), most in prop::option::of(0_usize..5),
    ) {
        let path: Vec<_> = path.into_iter().map(name).collect();
        let asked = Asked { query: &query, to: &To::Any, path: &path };
        let roster = Roster::new(cards);
        let (routed, chosen) = (roster.route(&asked, &state), roster.choose(&asked, most, &state));
        for candidate in routed.candidates.iter().chain(&chosen.candidates) {
            prop_assert!(!path.contains(&candidate.agent) && candidate.agent != query.requesting_agent && !state.is_done(&candidate.agent));
        }
        prop_assert_eq!(routed.agent.as_ref(), routed.candidates.first().map(|candidate| &candidate.agent));
        let mut names: Vec<_> = chosen.candidates.iter().map(|candidate| candidate.agent.clone()).collect();
        prop_assert!(chosen.agent.is_none() && most.is_none_or(|most| names.len() <= most));
        prop_assert!(most.is_some() || names.iter().all(|agent| state.is_live(agent)));
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), chosen.candidates.len(), "nobody twice");
    }

    #[test]
    fn every_score_is_the_sum_of_its_parts(cards in roster(), query in query(), state in state()) {
        let decision = Roster::new(cards).route(&Asked { query: &query, to: &To::Any, path: &[] }, &state);
        let mut before = i64::MAX;
        for score in decision.candidates.iter().filter_map(|candidate| candidate.score.as_ref()).filter(|score| score.more == 0) {
            let order = score.adjusted.unwrap_or(score.total);
            prop_assert_eq!(score.parts.iter().map(|part| part.points).sum::<i64>(), score.total);
            prop_assert_eq!(score.parts.iter().map(|part| part.adjusted.unwrap_or(part.points)).sum::<i64>(), order);
            prop_assert!(order <= before, "best first");
            before = order;
        }
    }
}

#[test]
fn of_equals_the_live_one_comes_first_then_the_idle_one_then_the_first_by_name() {
    let same = "weights: {keywords: {sail: 5}}";
    let roster = Roster::new(cards(&[("a", same), ("b", same), ("c", same), ("d", same)]));
    let query = Query::new(name("me"), "other", "sail");
    let order = |state: State| {
        let decision = roster.route(&Asked { query: &query, to: &To::Any, path: &[] }, &state);
        decision.candidates.iter().map(|candidate| candidate.agent.to_string()).collect::<String>()
    };
    assert_eq!(order(State { live: 0b1111, done: 0, in_hand: [2, 1, 1, 0, 0, 0, 0] }), "dbca");
    assert_eq!(order(State { live: 0b0101, done: 0, in_hand: [2, 0, 1, 0, 0, 0, 0] }), "cabd");
    assert_eq!(order(State { live: 0b0101, done: 0b0100, in_hand: [2, 0, 1, 1, 0, 0, 0] }), "abd");
}

#[test]
fn whom_to_ask_at_once() {
    let files = [
        ("a", "description: fog\nbus: {answers: [sailing]}"),
        ("b", "weights: {keywords: {sail: 9}}"),
        ("c", "weights: {keywords: {sail: 5}}"),
        ("d", "description: x\nfallback: true"),
    ];
    let roster = Roster::new(cards(&files));
    let state = State { live: 0b1101, done: 0, in_hand: [0; 7] };
    let choose = |kind: &str, text: &str, most| {
        let query = Query::new(name("me"), kind, text);
        let decision = roster.choose(&Asked { query: &query, to: &To::Any, path: &[] }, most, &state);
        (decision.candidates.iter().map(|candidate| candidate.agent.to_string()).collect::<String>(), decision.step)
    };
    assert_eq!(choose("sailing", "sail", Some(2)), ("ab".to_owned(), Step::Registration));
    assert_eq!(choose("sailing", "sail", Some(9)), ("abc".to_owned(), Step::Registration));
    assert_eq!(choose("sailing", "sail", None), ("ac".to_owned(), Step::Registration), "b is silent");
    assert_eq!(choose("other", "sail", Some(1)), ("b".to_owned(), Step::Score));
    assert_eq!(choose("other", "?", Some(3)), ("d".to_owned(), Step::Fallback));
}

#[test]
fn who_waits_for_the_answer_is_passed_over_and_named() {
    let roster = Roster::new(cards(&[("a", "description: x\nbus: {answers: [sailing]}")]));
    let query = Query::new(name("me"), "sailing", "?");
    let path = [name("a"), name("me")];
    let state = State { live: 0xff, done: 0, in_hand: [0; 7] };
    let decision = roster.route(&Asked { query: &query, to: &To::Any, path: &path }, &state);
    assert_eq!(decision.steps[1].found, "nobody is registered for 'sailing' but a, which waits for the answer");
    let named = roster.route(&Asked { query: &query, to: &To::One(name("a")), path: &path }, &state);
    assert_eq!(named.agent, Some(name("a")), "a target is a target: the ledger refuses the circle");
}
