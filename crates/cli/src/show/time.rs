//! Times for people: always UTC, so that two people who compare notes read the same.

use jiff::{SignedDuration, Timestamp};

/// The time of day, to the millisecond.
pub(super) fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M:%S%.3f").to_string()
}

/// Date and time, to the second.
pub(crate) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How long ago that was, in its largest unit, as in `5m`.
pub(crate) fn age(time: Timestamp, now: Timestamp) -> String {
    let secs = now.duration_since(time).as_secs().max(0);
    match secs {
        0..60 => format!("{secs}s"),
        60..3_600 => format!("{}m", secs / 60),
        3_600..172_800 => format!("{}h", secs / 3_600),
        _ => format!("{}d", secs / 86_400),
    }
}

/// How long it took from one time to another: milliseconds below a minute, seconds above.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    let span = to.duration_since(from);
    if span.is_negative() || span < SignedDuration::from_mins(1) {
        return format!("{:.3}s", span.as_secs_f64());
    }
    let (hours, mins, secs) = (span.as_hours(), span.as_mins() % 60, span.as_secs() % 60);
    if hours > 0 { format!("{hours}h{mins:02}m{secs:02}s") } else { format!("{mins}m{secs:02}s") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_utc() {
        let time = at("2026-11-21T09:05:07.123987+02:00");
        assert_eq!((clock(time), moment(time)), ("07:05:07.123".to_owned(), "2026-11-21 07:05:07 UTC".to_owned()));
    }

    #[test]
    fn an_age_has_one_unit() {
        let shown = |time: &str| age(at(time), at("2026-11-21T09:00:00Z"));
        let times =
            ["2026-11-21T09:00:01Z", "2026-11-21T08:59:01Z", "2026-11-21T08:00:01Z", "2026-11-19T09:00:01Z", "2026-10-22T09:00:00Z"];
        assert_eq!(times.map(shown), ["0s", "59s", "59m", "47h", "30d"]);
    }

    #[test]
    fn a_span_is_as_fine_as_it_is_short() {
        let shown = |to: &str| span(at("2026-11-21T09:00:00Z"), at(to));
        let ends = [
            "2026-11-21T09:00:00.012Z",
            "2026-11-21T09:00:59.999Z",
            "2026-11-21T09:02:03Z",
            "2026-11-23T09:02:03Z",
            "2026-11-21T08:59:59Z",
        ];
        assert_eq!(ends.map(shown), ["0.012s", "59.999s", "2m03s", "48h02m03s", "-1.000s"]);
    }
}
