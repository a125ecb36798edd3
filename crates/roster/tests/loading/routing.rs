//! The routing decision, over cards.

use proptest::prelude::*;
use protocol::{Card, Decision, Extra, Name, Step, To, message::Query};
use roster::{Asked, Pattern, Roster, Standing};

use super::name;

fn card(agent: &str, answers: &[&str]) -> Card {
    Card {
        agent: name(agent),
        description: String::new(),
        handler: "context".to_owned(),
        answers: answers.iter().map(|&text| text.to_owned()).collect(),
        aliases: Vec::new(),
        fallback: false,
        extra: Extra::new(),
    }
}

/// Who is live; nobody has anything in hand, and nobody is done.
pub(crate) struct Live<F>(pub(crate) F);

impl<F: Fn(&Name) -> bool> Standing for Live<F> {
    fn is_live(&self, agent: &Name) -> bool {
        (self.0)(agent)
    }

    fn in_hand(&self, _: &Name) -> usize {
        0
    }

    fn is_done(&self, _: &Name) -> bool {
        false
    }
}

fn ask(cards: &[Card], query: &Query, to: &To, silent: &[&str]) -> Decision {
    Roster::new(cards.to_vec()).route(&Asked { query, to, path: &[] }, &Live(|agent: &Name| !silent.contains(&agent.as_str())))
}

fn query(from: &str) -> Query {
    Query::new(name(from), "get_ml_context", "What is known?")
}

fn agent(decision: &Decision) -> Option<&str> {
    decision.agent.as_ref().map(protocol::Name::as_str)
}

fn steps(decision: &Decision) -> Vec<Step> {
    decision.steps.iter().map(|taken| taken.step).collect()
}

#[test]
fn a_target_comes_before_any_registration() {
    let cards = [card("a", &["get_ml_context"]), Card { aliases: vec![name("bee")], ..card("b", &[]) }];
    for (to, target, expected) in [
        (To::One(name("b")), None, "the query names b"),
        (To::Any, Some(name("b")), "the query names b"),
        (To::One(name("bee")), None, "the query names b by its alias 'bee'"),
        (To::One(name("b")), Some(name("a")), "the query names b"),
    ] {
        let decision = ask(&cards, &Query { target, ..query("me") }, &to, &[]);
        assert_eq!((agent(&decision), decision.step, decision.reason.as_str()), (Some("b"), Step::Target, expected));
        assert_eq!(steps(&decision), [Step::Target]);
    }
}

#[test]
fn a_name_comes_before_an_alias() {
    let cards = [Card { aliases: vec![name("b")], ..card("a", &[]) }, card("b", &[])];
    assert_eq!(agent(&ask(&cards, &query("me"), &To::One(name("b")), &[])), Some("b"));
}

#[test]
fn an_unknown_target_is_never_guessed() {
    let cards = [card("qa-expert", &["*"]), card("sql-expert", &[]), card("baker", &[]), card("mysql-experts", &[])];
    let decision = ask(&cards, &query("me"), &To::One(name("mysql-expert")), &[]);
    assert_eq!((agent(&decision), decision.step), (None, Step::Target));
    assert_eq!(decision.reason, "no agent goes by the name 'mysql-expert'");
    assert_eq!(decision.hint.as_deref(), Some("the nearest names are mysql-experts, sql-expert, qa-expert"));
    let empty = ask(&[], &query("me"), &To::One(name("x")), &[]);
    assert_eq!(empty.hint.as_deref(), Some("no agent is known yet"));
}

#[test]
fn names_are_case_sensitive() {
    assert_eq!(agent(&ask(&[card("QA", &[])], &query("me"), &To::One(name("qa")), &[])), None);
}

#[rstest::rstest]
#[case::exact_first(&[("a", "get_*_context"), ("b", "get_ml_context")], &[], "b")]
#[case::exact_even_if_silent(&[("a", "get_*_context"), ("b", "get_ml_context")], &["b"], "b")]
#[case::more_literal_first(&[("a", "*"), ("b", "get_*"), ("c", "get_*_context")], &[], "c")]
#[case::live_first(&[("a", "get_*"), ("b", "get_*")], &["a"], "b")]
#[case::live_first_where_patterns_weigh_alike(&[("a", "get_*"), ("b", "*text")], &["a"], "b")]
#[case::then_by_name(&[("b", "get_*"), ("a", "get_*")], &[], "a")]
#[case::all_silent(&[("b", "get_*"), ("a", "get_*")], &["a", "b"], "a")]
fn registrations_are_ordered(#[case] agents: &[(&str, &str)], #[case] silent: &[&str], #[case] expected: &str) {
    let cards: Vec<_> = agents.iter().map(|(agent, pattern)| card(agent, &[pattern])).collect();
    let decision = ask(&cards, &query("me"), &To::Any, silent);
    assert_eq!((agent(&decision), decision.step), (Some(expected), Step::Registration));
    assert_eq!(decision.candidates.len(), agents.len());
    assert_eq!(steps(&decision), [Step::Target, Step::Registration]);
    let waits = silent.contains(&expected);
    assert_eq!(decision.reason.contains("no live instance"), waits, "{}", decision.reason);
}

#[test]
fn the_requester_is_its_own_answer_only_if_it_names_itself() {
    let cards = [card("me", &["get_ml_context"]), card("other", &["get_*"])];
    assert_eq!(agent(&ask(&cards, &query("me"), &To::Any, &[])), Some("other"));
    assert_eq!(agent(&ask(&cards, &query("me"), &To::One(name("me")), &[])), Some("me"));
    let alone = ask(&cards[..1], &query("me"), &To::Any, &[]);
    assert_eq!(agent(&alone), None);
    assert_eq!(alone.steps[1].found, "nobody is registered for 'get_ml_context' but me, which asks");
}

#[test]
fn a_fallback_answers_what_nobody_else_does() {
    let fallback = |agent| Card { fallback: true, ..card(agent, &["get_ml_context"]) };
    let cards = [card("a", &["get_sre_context"]), fallback("z"), fallback("y"), fallback("me")];
    let decision = ask(&cards, &query("me"), &To::Any, &["y"]);
    assert_eq!((agent(&decision), decision.step), (Some("z"), Step::Fallback));
    assert_eq!(steps(&decision), [Step::Target, Step::Registration, Step::Score, Step::Fallback]);
    assert_eq!(decision.reason, "z is a fallback: it answers because nobody else does");
    assert_eq!(decision.candidates[1].why, "a fallback; it has no live instance");
}

#[test]
fn nobody_is_unroutable_with_every_step_on_record() {
    let decision = ask(&[card("a", &[])], &query("me"), &To::Any, &[]);
    assert_eq!((agent(&decision), decision.step), (None, Step::None));
    assert_eq!(steps(&decision), [Step::Target, Step::Registration, Step::Score, Step::Fallback, Step::None]);
    assert_eq!(decision.steps[2].found, "the text fits nobody");
    assert!(decision.hint.unwrap().contains("answers: [\"get_ml_context\"]"));
}

#[test]
fn a_roster_can_be_changed() {
    let mut roster = Roster::default();
    assert_eq!(roster.insert(card("a", &[])), None);
    assert!(roster.insert(card("a", &["x"])).is_some());
    assert_eq!((roster.cards().count(), roster.get(&name("a")).unwrap().answers.len()), (1, 1));
    assert!(roster.remove(&name("a")).is_some() && roster.resolve(&name("a")).is_none());
}

const AGENTS: [&str; 6] = ["a", "b", "c", "d", "e", "me"];
const PATTERNS: [&str; 6] = ["get_ml_context", "get_*_context", "get_*", "*context", "*", "other"];

prop_compose! {
    fn cards()(
        flags in prop::collection::vec((any::<bool>(), prop::sample::subsequence(&PATTERNS[..], 0..4), prop::option::of(0..6_usize), prop::bool::weighted(0.3)), 6),
    ) -> Vec<Card> {
        let cards = AGENTS.iter().zip(flags).filter(|(_, (there, ..))| *there);
        cards.map(|(agent, (_, answers, alias, fallback))| {
            let aliases = alias.map(|i| name(&format!("alias-{}", AGENTS[i]))).into_iter().collect();
            Card { aliases, fallback, ..card(agent, &answers) }
        }).collect()
    }
}

fn target() -> impl Strategy<Value = To> {
    let named = prop::sample::select(vec!["a", "b", "me", "alias-a", "alias-c", "nobody"]).prop_map(|text| To::One(name(text)));
    prop_oneof![3 => Just(To::Any), 1 => named]
}

/// How well an agent's best pattern fits: the larger the better. Written apart from the code under test.
fn fit(card: &Card, request_type: &str) -> Option<(bool, usize)> {
    let fits = card.answers.iter().filter(|text| Pattern::try_from((*text).clone()).unwrap().matches(request_type));
    fits.map(|text| (!text.contains('*'), text.replace('*', "").len())).max()
}

proptest! {
    #[test]
    fn the_order_of_insertion_changes_nothing(
        (cards, shuffled) in cards().prop_flat_map(|cards| (Just(cards.clone()), Just(cards).prop_shuffle())),
        to in target(), live in 0..64_usize,
    ) {
        let live = |agent: &protocol::Name| live & (1 << AGENTS.iter().position(|a| *a == agent.as_str()).unwrap()) != 0;
        let (one, other) = (Roster::new(cards), Roster::new(shuffled));
        let query = query("me");
        let asked = Asked { query: &query, to: &to, path: &[] };
        prop_assert_eq!(one.route(&asked, &Live(live)), other.route(&asked, &Live(live)));
        prop_assert_eq!(one.nearest("alias-b", 6), other.nearest("alias-b", 6));
    }

    #[test]
    fn nobody_better_was_passed_over(cards in cards(), live in 0..64_usize) {
        let is_live = |agent: &protocol::Name| live & (1 << AGENTS.iter().position(|a| *a == agent.as_str()).unwrap()) != 0;
        let query = query("me");
        let decision = Roster::new(cards.clone()).route(&Asked { query: &query, to: &To::Any, path: &[] }, &Live(is_live));
        prop_assert_eq!(&decision.agent, &decision.candidates.first().map(|c| c.agent.clone()));
        prop_assert!(decision.candidates.iter().all(|c| c.agent != name("me")));
        prop_assert_eq!(decision.steps.last().unwrap().step, decision.step);
        let others: Vec<_> = cards.iter().filter(|c| c.agent != name("me")).collect();
        let merit = |card: &&&Card| (fit(card, &query.request_type), is_live(&card.agent), std::cmp::Reverse(card.agent.clone()));
        let registered = others.iter().filter(|c| !c.fallback && fit(c, &query.request_type).is_some()).max_by_key(merit);
        let fallback = others.iter().filter(|c| c.fallback).max_by_key(|c| (is_live(&c.agent), std::cmp::Reverse(c.agent.clone())));
        let (expected, step) = match (registered, fallback) {
            (Some(best), _) => (Some(&best.agent), Step::Registration),
            (None, Some(best)) => (Some(&best.agent), Step::Fallback),
            (None, None) => (None, Step::None),
        };
        prop_assert_eq!((decision.agent.as_ref(), decision.step), (expected, step));
    }
}
