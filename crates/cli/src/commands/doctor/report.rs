//! The checks as they are shown: to people as lines, to programs as JSON.

use serde::Serialize;

use crate::show;

/// What a check came to; the worst of all is the report's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// All is well.
    Ok,
    /// It works, and may not for long, or not as well as it could.
    Warning,
    /// It does not work.
    Problem,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    /// What was seen.
    pub(super) seen: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, seen: seen.into(), mend: None }
    }

    pub(super) fn warning(name: &'static str, seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warning, seen: seen.into(), mend: Some(mend.into()) }
    }

    pub(super) fn problem(name: &'static str, seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { verdict: Verdict::Problem, ..Self::warning(name, seen, mend) }
    }
}

/// Every check, and the worst verdict among them.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn of(checks: Vec<Check>) -> Self {
        let verdict = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok);
        Self { verdict, checks }
    }

    /// A line a check, and under it how to mend what is wrong.
    pub(super) fn text(&self) -> String {
        self.checks.iter().map(line).collect()
    }

    /// How many of what.
    pub(super) fn summary(&self) -> String {
        let count = |verdict| self.checks.iter().filter(|check| check.verdict == verdict).count();
        match (count(Verdict::Problem), count(Verdict::Warning)) {
            (0, 0) => "all is well".to_owned(),
            (problems, warnings) => format!("{}, {}", show::count(problems, "problem"), show::count(warnings, "warning")),
        }
    }
}

fn line(Check { name, verdict, seen, mend }: &Check) -> String {
    let mark = format!("{:<8}", verdict.as_str());
    let mark = match verdict {
        Verdict::Ok => show::green(mark),
        Verdict::Warning => show::yellow(mark),
        Verdict::Problem => show::red(mark),
    };
    let mend = mend.as_ref().map(|mend| format!("{:22}mend: {}\n", "", show::plain(mend))).unwrap_or_default();
    format!("{mark} {name:<12} {}\n{mend}", show::plain(seen))
}
