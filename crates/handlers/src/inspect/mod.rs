//! The built-in inspectors: facts about the repository in which the bus runs.
//!
//! Owns one bounded walk of a folder and what can be read off its files and its git history. It
//! must never run, follow or import anything of the repository, never name a person, and never
//! report the absence of a thing as a fact. The repository may be hostile: what cannot be read is
//! skipped with its reason, and every read, list and command has a limit.
//!
//! What an inspector finds is declared in files; whether it runs anywhere is another question.
//! So a fact is the value of its own key (`kubernetes.kinds`), and evidence for the topics that
//! it bears on (the infrastructure).
//!
//! Reading order: `walk` and `tree` (the files), `report` (the facts), then one file for each inspector.

mod ci;
mod command;
mod containers;
mod dependencies;
mod git;
mod kubernetes;
mod languages;
mod manifests;
mod ml;
mod report;
mod terraform;
mod test_files;
mod tree;
mod walk;
mod yaml;

#[cfg(test)]
mod fixture;

use std::path::Path;

use jiff::Timestamp;
use protocol::{Fact, Name};

use report::Report;
use tree::Tree;

/// What the inspectors found in one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspection {
    /// The facts, sorted by key. One fact for each key.
    pub facts: Vec<Fact>,
    /// What could not be inspected, each with its reason. At most 101 entries: the last one counts
    /// those that were left out.
    pub skipped: Vec<String>,
}

/// Inspects a folder and the git repository that it belongs to.
///
/// Blocking: call it with `spawn_blocking`, never on an async task. It reads at most 50,000 files
/// and 128 MiB; git gets 5 s for each of its six commands, and counting lines gets 20 s.
///
/// The facts carry `now` and `observer`. The same repository gives the same facts, unless a time
/// limit strikes, which is then reported.
#[must_use]
pub fn inspect(workdir: &Path, now: Timestamp, observer: &Name) -> Inspection {
    let mut report = Report::new(now, observer.clone());
    git::inspect(workdir, &mut report);
    let tree = Tree::new(workdir, &mut report);
    for inspector in [
        ci::inspect,
        containers::inspect,
        kubernetes::inspect,
        terraform::inspect,
        manifests::inspect,
        test_files::inspect,
        // Last, since it reads every file and would use up the reading limit.
        languages::inspect,
    ] {
        inspector(&tree, &mut report);
    }
    report.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        context::answer,
        inspect::fixture::{Folder, now, observer},
    };
    use protocol::FactKind;

    fn model_repository() -> Folder {
        let folder = Folder::new();
        folder.write("src/train.py", "import torch\n\nprint('training')\n");
        folder.write("tests/test_train.py", "def test_it():\n    assert True\n");
        folder.write("requirements.txt", "torch==2.5\nmlflow>=2\n");
        folder.write(".github/workflows/ci.yml", "on: push\n");
        folder.write("Dockerfile", "FROM python:3.13\n");
        folder.write("deploy/app.yaml", "apiVersion: apps/v1\nkind: Deployment\n");
        folder.write("infra/main.tf", "resource \"aws_s3_bucket\" \"models\" {\n}\n");
        folder.commit("dev@example.com", "2026-11-20T12:00:00Z");
        folder
    }

    #[test]
    fn a_repository_gives_these_facts() {
        let folder = model_repository();
        let found = inspect(folder.path(), now(), &observer());
        assert_eq!(found.skipped, Vec::<String>::new());
        let keys: Vec<_> = found.facts.iter().map(|fact| fact.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "ci.systems",
                "ci.workflows",
                "containers.dockerfiles",
                "kubernetes.kinds",
                "ml.libraries",
                "repository.commits.all",
                "repository.commits.first",
                "repository.commits.last",
                "repository.contributors.90d",
                "repository.contributors.all",
                "repository.languages",
                "repository.manifests",
                "terraform.providers",
                "terraform.resources",
                "tests.files",
                "tests.folders",
            ]
        );
        assert!(found.facts.iter().all(|fact| fact.observed_by == observer() && fact.observed_at == now()));
        assert!(found.facts.iter().all(|fact| !fact.topics.is_empty() && !fact.source.is_empty()));
    }

    #[test]
    fn two_runs_give_the_same_facts() {
        let folder = model_repository();
        assert_eq!(inspect(folder.path(), now(), &observer()), inspect(folder.path(), now(), &observer()));
    }

    #[test]
    fn a_repository_alone_makes_no_team_size_known() {
        let query = "MLOps context needed: team size, ML workloads, current infrastructure, pain points, compliance requirements, and growth projections.";
        let found = inspect(model_repository().path(), now(), &observer());
        let answer = answer(query, &found.facts, &[]);
        assert_eq!(answer.delivery, "Answered 3 of 6 topics: 0 known, 3 by evidence only; 3 unknown.");
        assert_eq!(answer.unknown, ["pain points", "compliance requirements", "growth projections"]);
        let people = answer.facts.iter().filter(|fact| fact.key.as_str().contains("contributors"));
        assert!(people.clone().count() == 2 && people.clone().all(|fact| fact.kind == FactKind::Evidence));
    }

    #[test]
    fn nobody_is_named() {
        let found = inspect(model_repository().path(), now(), &observer());
        let text = serde_json::to_string(&found.facts).unwrap();
        assert!(!text.contains("example.com") && !text.contains("Somebody"), "{text}");
    }

    #[test]
    fn an_empty_folder_gives_no_facts() {
        let folder = Folder::new();
        let found = inspect(folder.path(), now(), &observer());
        assert_eq!(found.facts, []);
        assert_eq!(found.skipped, ["git: not a git repository (or any of the parent directories): .git"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_skipped() {
        let found = inspect(Path::new("/nowhere/at/all"), now(), &observer());
        assert_eq!(found.facts, []);
        assert_eq!(found.skipped.len(), 2, "{:?}", found.skipped);
    }

    #[tokio::test]
    async fn it_runs_where_blocking_is_allowed() {
        let folder = model_repository();
        let path = folder.path().to_owned();
        let found = tokio::task::spawn_blocking(move || inspect(&path, now(), &observer())).await.unwrap();
        assert!(!found.facts.is_empty());
    }
}
