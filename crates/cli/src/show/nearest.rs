//! Hints for what was mistyped. Nothing is ever done by likeness.

/// How many names a hint offers.
const OFFERED: usize = 3;

/// From which likeness on a name may be what was meant.
const ALIKE: f64 = 0.5;

/// The names that are most like a text, best first, with commas between; empty if none is like it.
pub(crate) fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(text, name);
    let mut alike: Vec<_> = names.into_iter().map(|name| (likeness(name), name)).filter(|(likeness, _)| *likeness >= ALIKE).collect();
    alike.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.cmp(other)));
    alike.dedup();
    alike.into_iter().take(OFFERED).map(|(_, name)| name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_hint_offers_what_is_alike_or_nothing() {
        let names = ["query", "question", "reply", "record"];
        assert_eq!(nearest("qurey", names), "query");
        assert_eq!(nearest("zzz", names), "");
    }
}
