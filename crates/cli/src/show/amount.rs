//! Amounts for people: bytes, and how many of what.

/// Bytes in the largest unit of which there is one, as in `3.5 GiB`.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match UNITS.iter().find(|(_, shift)| n >> shift > 0) {
        // Tenths, rounded down: less room than there is does no harm.
        Some((unit, shift)) => format!("{}.{} {unit}", n >> shift, ((n & ((1 << shift) - 1)) * 10) >> shift),
        None => format!("{n} B"),
    }
}

/// A number and its noun, as in `1 file` and `2 copies`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if n == 1 => format!("1 {noun}"),
        Some(stem) => format!("{n} {stem}ies"),
        None => format!("{n} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_their_largest_unit() {
        let shown = [0, 1023, 1024, 1536, (4 << 30) - 1, 4 << 30, 5 << 40].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "3.9 GiB", "4.0 GiB", "5.0 TiB"]);
    }

    #[test]
    fn one_is_one() {
        let shown = [count(1, "file"), count(0, "file"), count(1, "query"), count(2, "query")];
        assert_eq!(shown, ["1 file", "0 files", "1 query", "2 queries"]);
    }
}
