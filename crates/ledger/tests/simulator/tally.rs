//! What happened how often, so that one can see that the faults really occur.

use std::fmt;

macro_rules! happenings {
    ($($name:ident => $words:literal),* $(,)?) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Happening { $($name),* }

        const WORDS: &[&str] = &[$($words),*];
    };
}

happenings! {
    // Endings.
    Completed => "completed", Failed => "failed", Rejected => "rejected", Unroutable => "unroutable",
    Expired => "expired", Cancelled => "cancelled", Dead => "dead",
    // What the fold made of messages that do not count.
    Duplicate => "duplicates", Conflict => "conflicts", Late => "late", Stale => "stale",
    Premature => "premature", Orphan => "orphans", Invalid => "invalid", OffSubject => "bad subjects",
    // Faults.
    CoordinatorCrash => "coordinator crashes", CrashBetween => "crashes between actions", CoordinatorFreeze => "coordinator freezes",
    Deaf => "times deaf", RosterChange => "roster changes", InstanceCrash => "instance crashes", InstanceFreeze => "instance freezes",
    CoreLost => "core messages lost", CoreTwice => "core messages twice", Refused => "appends refused",
    RefusedFreely => "refused without cause", AckLost => "acknowledgements lost", AppendLost => "appends lost",
    // What followed.
    Handed => "handed", Stops => "stops", Ends => "end signals", Lost => "attempts lost", Unaccepted => "attempts unaccepted",
    LateAfterAnswer => "assigned into an answer", AnsweredPastDeadline => "answered past the deadline",
    EarlyReply => "replies before their question", Waiting => "times waiting for input",
    // What was asked on behalf of others.
    Asked => "sub-queries", Deep => "assigned three deep", ZombieAsks => "asked by a zombie", NotDelegated => "not delegated",
    UnknownParent => "unknown parents", Cycle => "cycles", TooDeep => "too deep", BudgetSpent => "over budget",
    EndedWithParent => "ended with their parent", EndedWithAttempt => "ended with their attempt",
    // What was asked of several at once.
    NestedGather => "nested gathers", PartAsked => "parts", PartRefused => "parts refused by the fence", PartStolen => "parts stolen",
    Gathered => "gathered", PartsOpen => "gathered with open parts", GatherUnmet => "gathered in vain", GatheredTwice => "gathered twice",
}

const KINDS: usize = WORDS.len();

/// Counts of everything that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally([u64; KINDS]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; KINDS])
    }
}

impl Tally {
    pub(crate) fn count(&mut self, what: Happening) {
        self.0[what as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// What never happened.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        WORDS.iter().zip(self.0).filter(|(_, n)| *n == 0).map(|(words, _)| *words).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = WORDS.iter().zip(self.0).map(|(words, n)| format!("{words} {n}")).collect();
        f.write_str(&parts.join(", "))
    }
}
