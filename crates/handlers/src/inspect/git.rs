//! What git's history says: how many people commit, since when, and what was released.
//!
//! Owns the reading of git's output. It must never report a name or an address, only counts. A
//! number of committers is evidence about the size of a team, never the size.

use std::{collections::BTreeSet, path::Path};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    command::{GitError, git},
    report::{Report, printable},
};

/// What the number of committers bears on.
const PEOPLE: &[&str] = &["team size", "size of the engineering team", "number of developers"];

/// What the history bears on.
const HISTORY: &[&str] = &["repository activity", "commit history", "recent changes", "project age"];

/// What tags bear on.
const RELEASES: &[&str] = &["releases", "release history", "latest version"];

/// How long a committer counts as recent: 90 days.
const RECENT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Reports on the repository that the folder belongs to.
pub(super) fn inspect(folder: &Path, report: &mut Report) {
    let shallow = match git(folder, &["rev-parse", "--is-shallow-repository"]) {
        Ok(answer) => answer.trim() == "true",
        Err(why) => return report.skip("git", why),
    };
    let last = ["log", "-1", "--format=%ct", "HEAD"];
    match git(folder, &last) {
        Ok(text) => report.value("repository.commits.last", time(&text), typed(&last), HISTORY),
        Err(why) => return report.skip("git", why),
    }
    if shallow {
        // Numbers taken from a cut history would look like facts.
        report.skip("git history", "the clone is shallow, so commits and contributors cannot be counted");
    } else {
        recent(folder, report);
        all(folder, report);
    }
    tags(folder, report);
    default_branch(folder, report);
}

fn recent(folder: &Path, report: &mut Report) {
    // Whole days, so that the same command stands in a fact all day.
    let since = report.now().checked_sub(RECENT).unwrap_or(Timestamp::MIN);
    let since = format!("--since={}", since.strftime("%Y-%m-%dT00:00:00Z"));
    let args = ["log", "--use-mailmap", &since, "--format=%aE", "HEAD"];
    match git(folder, &args) {
        Ok(text) => report.evidence("repository.contributors.90d", people(text.lines()), counted(&args), PEOPLE),
        Err(why) => report.skip("git contributors of the last 90 days", why),
    }
}

fn all(folder: &Path, report: &mut Report) {
    let args = ["log", "--use-mailmap", "--format=%ct %aE", "HEAD"];
    let text = match git(folder, &args) {
        Ok(text) => text,
        Err(why) => return report.skip("git history", why),
    };
    let commits: Vec<_> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let first = commits.iter().filter_map(|(at, _)| at.parse::<i64>().ok()).min();
    report.evidence("repository.contributors.all", people(commits.iter().map(|(_, who)| *who)), counted(&args), PEOPLE);
    report.value("repository.commits.all", commits.len(), typed(&args), HISTORY);
    report.value("repository.commits.first", first.map_or(Value::Null, |at| time(&at.to_string())), typed(&args), HISTORY);
}

fn tags(folder: &Path, report: &mut Report) {
    let args = ["for-each-ref", "--sort=-creatordate", "--count=5", "--format=%(creatordate:unix)%20%(refname:short)", "refs/tags"];
    let text = match git(folder, &args) {
        Ok(text) => text,
        Err(why) => return report.skip("git tags", why),
    };
    let tag = |(at, name): (&str, &str)| json!({ "tag": printable(name), "at": time(at) });
    let tags: Vec<_> = text.lines().filter_map(|line| line.split_once(' ')).map(tag).collect();
    report.value("repository.tags.latest", tags, typed(&args), RELEASES);
}

/// The branch that the remote named as its default when the repository was cloned. The one that is
/// checked out says nothing about it.
fn default_branch(folder: &Path, report: &mut Report) {
    let args = ["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"];
    match git(folder, &args) {
        Ok(text) => {
            let branch = text.trim().trim_start_matches("origin/");
            report.value("repository.branch.default", printable(branch), typed(&args), &["default branch", "branching model"]);
        }
        // No remote, or none that said so.
        Err(GitError::Refused(_)) => {}
        Err(why) => report.skip("git default branch", why),
    }
}

/// How many different addresses there are, without those of bots.
fn people<'a>(addresses: impl Iterator<Item = &'a str>) -> usize {
    let person = |address: &str| (!address.contains("[bot]")).then(|| address.to_lowercase());
    addresses.filter_map(person).collect::<BTreeSet<_>>().len()
}

/// A Unix time as git prints it.
fn time(seconds: &str) -> Value {
    let seconds = seconds.trim().parse().ok();
    let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or(Value::Null, |at| json!(at))
}

fn typed(args: &[&str]) -> String {
    format!("git {}", args.join(" "))
}

fn counted(args: &[&str]) -> String {
    format!("{}, different addresses without bots", typed(args))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::inspect::{
        Inspection,
        fixture::{Folder, now, observer},
    };
    use protocol::FactKind;

    const OLD: &str = "2025-01-02T03:04:05Z";
    const NEW: &str = "2026-11-20T12:00:00Z";

    fn inspected(folder: &Folder) -> Inspection {
        let mut report = Report::new(now(), observer());
        inspect(folder.path(), &mut report);
        report.finish()
    }

    fn history() -> Folder {
        let folder = Folder::new();
        folder.write("a", "x");
        folder.commit("old@example.com", OLD);
        folder.git(&["tag", "v1"], "old@example.com", OLD);
        folder.commit("new@example.com", NEW);
        folder.commit("NEW@example.com", NEW);
        folder.commit("123+helper[bot]@users.noreply.example.com", NEW);
        folder.git(&["tag", "-a", "v2", "-m", "Second"], "new@example.com", NEW);
        folder
    }

    #[test]
    fn a_history_is_counted() {
        let found = inspected(&history());
        let value = |key: &str| found.fact(key).value.clone();
        assert_eq!(value("repository.contributors.90d"), 1);
        assert_eq!(value("repository.contributors.all"), 2);
        assert_eq!(value("repository.commits.all"), 4);
        assert_eq!(value("repository.commits.first"), OLD);
        assert_eq!(value("repository.commits.last"), NEW);
        assert_eq!(value("repository.tags.latest"), json!([{ "tag": "v2", "at": NEW }, { "tag": "v1", "at": OLD }]));
        assert_eq!(found.skipped, Vec::<String>::new());
    }

    #[test]
    fn contributors_are_evidence_with_the_command_that_counted_them() {
        let found = inspected(&history());
        let fact = found.fact("repository.contributors.90d");
        assert_eq!(fact.kind, FactKind::Evidence);
        assert_eq!(fact.source, "git log --use-mailmap --since=2026-08-23T00:00:00Z --format=%aE HEAD, different addresses without bots");
        assert_eq!(found.fact("repository.contributors.all").kind, FactKind::Evidence);
    }

    #[test]
    fn a_clone_knows_the_default_branch() {
        let (origin, clone) = (history(), Folder::new());
        let from = format!("file://{}", origin.path().display());
        clone.git(&["clone", "--quiet", &from, "."], "x@example.com", NEW);
        let found = inspected(&clone);
        assert_eq!(found.fact("repository.branch.default").value, "main");
        assert_eq!(found.fact("repository.commits.all").value, 4);
    }

    #[test]
    fn a_shallow_clone_counts_nobody() {
        let (origin, clone) = (history(), Folder::new());
        let from = format!("file://{}", origin.path().display());
        clone.git(&["clone", "--quiet", "--depth=1", &from, "."], "x@example.com", NEW);
        let found = inspected(&clone);
        let keys: Vec<_> = found.facts.iter().map(|fact| fact.key.as_str()).collect();
        assert!(keys.contains(&"repository.commits.last"));
        assert!(!keys.iter().any(|key| key.contains("contributors") || key.ends_with("all") || key.ends_with("first")));
        assert_eq!(found.skipped, ["git history: the clone is shallow, so commits and contributors cannot be counted"]);
    }

    #[test]
    fn a_repository_without_commits_is_skipped() {
        let folder = Folder::new();
        folder.git(&["init", "--quiet"], "x@example.com", NEW);
        let found = inspected(&folder);
        assert_eq!((found.facts.len(), found.skipped.len()), (0, 1), "{:?}", found.skipped);
    }
}
