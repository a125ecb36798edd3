//! Continuous integration: which systems the repository holds files for.
//!
//! Owns the list of file names by which a system is known. The files are not read: their names
//! say which system they are for, and nothing says whether it runs.

use std::collections::BTreeMap;

use super::{
    report::{Report, declared_in},
    tree::{File, Tree},
};

/// What such files bear on.
const TOPICS: &[&str] = &["CI/CD pipelines", "continuous integration infrastructure", "build automation", "deployment pipelines"];

/// Reports the systems and their files.
pub(super) fn inspect(tree: &Tree, report: &mut Report) {
    let mut systems = BTreeMap::<&str, Vec<&str>>::new();
    for file in &tree.files {
        if let Some(system) = system(file) {
            systems.entry(system).or_default().push(&file.path);
        }
    }
    let files: Vec<&str> = systems.values().flatten().copied().collect();
    let source = declared_in(files.iter().copied());
    report.value("ci.systems", systems.keys().copied().collect::<Vec<_>>(), source.clone(), TOPICS);
    report.value("ci.workflows", files, source, TOPICS);
}

/// The system that a file is for. Most systems look in one place only, so a file of that name
/// elsewhere (a template, an example) does not count.
fn system(file: &File) -> Option<&'static str> {
    let (folder, name) = (file.folder(), file.name());
    let found = match folder {
        ".github/workflows" if file.is_yaml() => "GitHub Actions",
        ".gitea/workflows" if file.is_yaml() => "Gitea Actions",
        ".forgejo/workflows" if file.is_yaml() => "Forgejo Actions",
        ".woodpecker" if file.is_yaml() => "Woodpecker CI",
        ".tekton" if file.is_yaml() => "Tekton",
        ".circleci" if matches!(name, "config.yml" | "config.yaml") => "CircleCI",
        ".buildkite" if matches!(name, "pipeline.yml" | "pipeline.yaml") => "Buildkite",
        ".semaphore" if name == "semaphore.yml" => "Semaphore",
        ".teamcity" if matches!(name, "settings.kts" | "pom.xml") => "TeamCity",
        "" => return at_the_root(file).or_else(|| anywhere(name)),
        _ => return anywhere(name),
    };
    Some(found)
}

fn at_the_root(file: &File) -> Option<&'static str> {
    let found = match file.name() {
        ".gitlab-ci.yml" => "GitLab CI",
        ".travis.yml" => "Travis CI",
        ".drone.yml" => "Drone",
        ".woodpecker.yml" | ".woodpecker.yaml" => "Woodpecker CI",
        ".cirrus.yml" => "Cirrus CI",
        "appveyor.yml" | ".appveyor.yml" => "AppVeyor",
        "bitbucket-pipelines.yml" => "Bitbucket Pipelines",
        "cloudbuild.yaml" | "cloudbuild.yml" => "Google Cloud Build",
        "buildspec.yml" | "buildspec.yaml" => "AWS CodeBuild",
        _ => return None,
    };
    Some(found)
}

/// Systems that are told where their file is.
fn anywhere(name: &str) -> Option<&'static str> {
    if name == "Jenkinsfile" || name.starts_with("Jenkinsfile.") {
        return Some("Jenkins");
    }
    let azure = name.starts_with("azure-pipelines") && (name.ends_with(".yml") || name.ends_with(".yaml"));
    azure.then_some("Azure Pipelines")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::fixture::Folder;
    use serde_json::json;

    #[test]
    fn systems_are_known_by_their_files() {
        let folder = Folder::new();
        for path in [
            ".github/workflows/ci.yml",
            ".github/workflows/release.yaml",
            ".github/workflows/README.md",
            ".gitlab-ci.yml",
            "service/Jenkinsfile",
            ".circleci/config.yml",
            "ops/azure-pipelines.release.yml",
            "example/.github/workflows/ci.yml",
            "example/.travis.yml",
        ] {
            folder.write(path, "not: read");
        }
        let found = folder.inspect(inspect);
        assert_eq!(found.fact("ci.systems").value, json!(["Azure Pipelines", "CircleCI", "GitHub Actions", "GitLab CI", "Jenkins"]));
        assert_eq!(
            found.fact("ci.workflows").value,
            json!([
                "ops/azure-pipelines.release.yml",
                ".circleci/config.yml",
                ".github/workflows/ci.yml",
                ".github/workflows/release.yaml",
                ".gitlab-ci.yml",
                "service/Jenkinsfile",
            ])
        );
        assert_eq!(
            found.fact("ci.systems").source,
            "declared in the repository: .circleci/config.yml, .github/workflows/ci.yml, .github/workflows/release.yaml, .gitlab-ci.yml, ops/azure-pipelines.release.yml and 1 more"
        );
    }

    #[test]
    fn without_files_there_is_no_fact() {
        let folder = Folder::new();
        folder.write("src/ci.rs", "");
        assert_eq!(folder.inspect(inspect).facts, []);
    }
}
