//! The trees of queries once more, as plainly as possible: who asked on whose behalf, and every reason why that may
//! not be, read off the whole ledger before it. Slow on purpose, and shares no code with the trees that it judges.

use jiff::Timestamp;
use ledger::{Entry, Key};
use protocol::{
    Message, Name, QueryId,
    message::{Budget, DEFAULT_DEPTH, DEFAULT_QUERIES},
};

use crate::truths::Truths;

/// How one query that names a parent stands to the others.
#[derive(Clone, Debug)]
pub(crate) struct Kin {
    /// The sequence of the query.
    pub(crate) seq: u64,
    pub(crate) parent: Option<Key>,
    /// The attempt at the parent by which it was asked.
    pub(crate) attempt: u32,
    /// The first requester, then each asker.
    pub(crate) path: Vec<Name>,
    /// Every reason why it may not be asked.
    pub(crate) reasons: Vec<&'static str>,
}

impl Kin {
    /// What an entry shows that is the first under its key. None for a query that nobody asked on behalf of another.
    pub(crate) fn of(truths: &Truths, entry: &Entry) -> Option<Self> {
        let Ok(Message::Query(query)) = &entry.body else { return None };
        let (before, asker) = (entry.seq - 1, entry.subject.from());
        let Some(parent) = asked_for(truths, query.parent?, asker, before) else {
            return Some(Self { seq: entry.seq, parent: None, attempt: 0, path: Vec::new(), reasons: vec!["unknown_parent"] });
        };
        let reasons = reasons(truths, &parent, asker, before);
        // Whoever has no right to ask hangs on nothing.
        if reasons.contains(&"not_delegated") {
            return Some(Self { seq: entry.seq, parent: None, attempt: 0, path: Vec::new(), reasons });
        }
        let above = truths.path(&parent);
        let first = if above.is_empty() { vec![parent.requester.clone()] } else { above };
        Some(Self {
            seq: entry.seq,
            attempt: truths.at(&parent, before)?.number,
            path: first.into_iter().chain([asker.clone()]).collect(),
            reasons,
            parent: Some(parent),
        })
    }
}

/// Who has a query in hand.
fn holder(truths: &Truths, key: &Key, seq: u64) -> Option<Name> {
    truths.at(key, seq)?.current.as_ref().map(|(agent, ..)| agent.clone())
}

/// The query under this id that the asker has in hand; or else the first one.
fn asked_for(truths: &Truths, id: QueryId, asker: &Name, before: u64) -> Option<Key> {
    let under = || truths.keys().filter(|key| key.id == id);
    under().find(|key| holder(truths, key, before).as_ref() == Some(asker)).or_else(|| under().next()).cloned()
}

fn reasons(truths: &Truths, parent: &Key, asker: &Name, before: u64) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    if holder(truths, parent, before).as_ref() != Some(asker) {
        reasons.push("not_delegated");
    }
    for (above, ancestor) in truths.line(parent).into_iter().enumerate() {
        let limits = truths.limits(&ancestor);
        if truths.at(&ancestor, before).is_none_or(|truth| truth.end.is_some()) {
            reasons.push("not_delegated");
        }
        if limits.depth.is_some_and(|most| above + 1 > most as usize) {
            reasons.push("too_deep");
        }
        let too_many = limits.queries.is_some_and(|most| truths.below(&ancestor, before) + 1 > most);
        if too_many || limits.tokens.is_some_and(|most| truths.tokens(&ancestor, before) >= most) {
            reasons.push("budget_spent");
        }
    }
    reasons
}

impl Truths {
    /// A query, its parent, and so on.
    pub(crate) fn line(&self, key: &Key) -> Vec<Key> {
        std::iter::successors(Some(key.clone()), |key| self.kin(key)?.parent.clone()).collect()
    }

    pub(crate) fn path(&self, key: &Key) -> Vec<Name> {
        self.kin(key).map(|kin| kin.path.clone()).unwrap_or_default()
    }

    /// What a query limits below itself; the first one of a tree has defaults.
    pub(crate) fn limits(&self, key: &Key) -> Budget {
        let own = self.query(key).and_then(|(_, query)| query?.budget.clone()).unwrap_or_default();
        if self.kin(key).is_some_and(|kin| kin.parent.is_some()) {
            return own;
        }
        Budget { queries: own.queries.or(Some(DEFAULT_QUERIES)), depth: own.depth.or(Some(DEFAULT_DEPTH)), ..own }
    }

    /// What was asked on behalf of a query, as far as the ledger had come.
    pub(crate) fn children(&self, key: &Key, upto: u64) -> Vec<Key> {
        self.kins().filter(|(_, kin)| kin.seq <= upto && kin.parent.as_ref() == Some(key)).map(|(key, _)| key.clone()).collect()
    }

    /// Whether something is open that was asked on behalf of a query.
    pub(crate) fn is_delegating(&self, key: &Key, upto: u64) -> bool {
        self.children(key, upto).iter().any(|child| self.at(child, upto).is_some_and(|truth| truth.end.is_none()))
    }

    /// Whether something is open that was asked on behalf of a query, and might be.
    pub(crate) fn is_waiting(&self, key: &Key, upto: u64) -> bool {
        let might = |child: &&Key| self.kin(child).is_some_and(|kin| kin.reasons.is_empty());
        let is_open = |child: &Key| self.at(child, upto).is_some_and(|truth| truth.end.is_none());
        self.children(key, upto).iter().filter(might).any(is_open)
    }

    fn is_below(&self, key: &Key, ancestor: &Key) -> bool {
        self.line(key).iter().skip(1).any(|above| above == ancestor)
    }

    /// How many queries that may be asked were asked below this one.
    pub(crate) fn below(&self, ancestor: &Key, upto: u64) -> u32 {
        let counts = |(key, kin): &(&Key, &Kin)| kin.seq <= upto && kin.reasons.is_empty() && self.is_below(key, ancestor);
        self.kins().filter(counts).count() as u32
    }

    /// The tokens that were spent on a query and below it.
    pub(crate) fn tokens(&self, ancestor: &Key, upto: u64) -> u64 {
        let spent_on = |key: &Key| -> u64 { self.counted(key, upto).map(cost).sum() };
        self.keys().filter(|key| *key == ancestor || self.is_below(key, ancestor)).map(spent_on).sum()
    }

    /// When a query must be answered: no later than any that it was asked for.
    pub(crate) fn deadline(&self, key: &Key) -> Option<Timestamp> {
        self.line(key).iter().filter_map(|key| Some(self.now(key)?.deadline)).min()
    }

    /// From which sequence on nobody waits for a query that may be asked, and whether its parent ended there.
    pub(crate) fn abandoned(&self, key: &Key, upto: u64) -> Option<(u64, bool)> {
        let kin = self.kin(key).filter(|kin| kin.reasons.is_empty())?;
        let over = |truth: &crate::model::Truth| truth.current.as_ref().is_none_or(|(_, number, _)| *number != kin.attempt);
        let later = self.history(kin.parent.as_ref()?).iter().filter(|(seq, _)| *seq > kin.seq && *seq <= upto);
        later.clone().find(|(_, truth)| over(truth)).map(|(seq, truth)| (*seq, truth.end.is_some()))
    }

    /// What is left of all the budgets above.
    pub(crate) fn left(&self, key: &Key, upto: u64) -> Option<Budget> {
        let line = self.line(key);
        let sets = self.query(key).and_then(|(_, query)| query?.budget.as_ref()).is_some();
        if line.len() == 1 && !sets {
            return None;
        }
        let each = || line.iter().enumerate().map(|(above, key)| (above as u32, key, self.limits(key)));
        Some(Budget {
            queries: each().filter_map(|(_, key, most)| Some(most.queries?.saturating_sub(self.below(key, upto)))).min(),
            depth: each().filter_map(|(above, _, most)| Some(most.depth?.saturating_sub(above))).min(),
            tokens: each().filter_map(|(_, key, most)| Some(most.tokens?.saturating_sub(self.tokens(key, upto)))).min(),
            extra: protocol::Extra::new(),
        })
    }
}

fn cost(message: &Message) -> u64 {
    let Message::Answer(answer) = message else { return 0 };
    answer.usage.as_ref().map_or(0, |usage| usage.input_tokens.unwrap_or(0) + usage.output_tokens.unwrap_or(0))
}
