//! Package manifests: which there are, and which machine-learning libraries they depend on.
//!
//! Owns which file is a manifest of what. It must never resolve or download anything: what a
//! manifest names is what is reported. Next: `dependencies` (how each is read), `ml` (the
//! libraries that are known).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{
    dependencies::{Ecosystem, dependencies},
    ml::library,
    report::{Report, declared_in},
    tree::{File, Tree},
};

/// What manifests bear on.
const TOPICS: &[&str] = &["package manifests", "software dependencies", "build tools", "technology stack"];

/// What machine-learning libraries bear on.
const ML_TOPICS: &[&str] =
    &["ML workloads", "machine learning workloads", "training workloads", "ML frameworks", "machine learning frameworks"];

/// Reports the manifests and the machine-learning libraries in them.
pub(super) fn inspect(tree: &Tree, report: &mut Report) {
    let mut manifests = Vec::new();
    let mut libraries = BTreeMap::<&str, BTreeSet<&str>>::new();
    for file in &tree.files {
        let Some((tool, ecosystem)) = manifest(file) else { continue };
        manifests.push((file.path.as_str(), tool));
        let Some(ecosystem) = ecosystem else { continue };
        let Some(text) = tree.text(file, report) else { continue };
        match dependencies(ecosystem, file.name(), &text) {
            Ok(names) => {
                for library in names.iter().filter_map(|name| library(ecosystem, name)) {
                    libraries.entry(library).or_default().insert(&file.path);
                }
            }
            Err(why) => report.skip(&file.path, why),
        }
    }
    let source = declared_in(manifests.iter().map(|(path, _)| *path));
    let manifests: Vec<_> = manifests.iter().map(|(path, tool)| json!({ "file": path, "tool": tool })).collect();
    report.value("repository.manifests", manifests, source, TOPICS);

    let source = format!("dependencies {}", declared_in(libraries.values().flatten().copied()));
    let libraries: Vec<_> = libraries.into_iter().map(|(library, files)| json!({ "library": library, "files": files })).collect();
    report.evidence("ml.libraries", libraries, source, ML_TOPICS);
}

/// The tool that a manifest is for, and how its dependencies are read where they are.
fn manifest(file: &File) -> Option<(&'static str, Option<Ecosystem>)> {
    let found = match file.name() {
        "Cargo.toml" => ("Cargo", Some(Ecosystem::Cargo)),
        "package.json" => ("npm", Some(Ecosystem::Npm)),
        "pyproject.toml" => ("Python", Some(Ecosystem::Python)),
        "Pipfile" => ("Pipenv", Some(Ecosystem::Python)),
        "environment.yml" | "environment.yaml" => ("Conda", Some(Ecosystem::Python)),
        "setup.py" | "setup.cfg" => ("Python", None),
        "go.mod" => ("Go", Some(Ecosystem::Go)),
        "pom.xml" => ("Maven", Some(Ecosystem::Maven)),
        "build.gradle" | "build.gradle.kts" => ("Gradle", None),
        "build.sbt" => ("sbt", None),
        "Gemfile" => ("Bundler", None),
        "composer.json" => ("Composer", None),
        "mix.exs" => ("Mix", None),
        "Package.swift" => ("Swift", None),
        "CMakeLists.txt" => ("CMake", None),
        "MODULE.bazel" | "WORKSPACE" => ("Bazel", None),
        name if is_requirements(name) => ("pip", Some(Ecosystem::Python)),
        _ => match file.extension() {
            "csproj" | "fsproj" => (".NET", None),
            _ => return None,
        },
    };
    Some(found)
}

/// `requirements.txt`, `requirements-dev.txt`, `dev-requirements.txt`.
fn is_requirements(name: &str) -> bool {
    let stem = name.strip_suffix(".txt").or_else(|| name.strip_suffix(".in"));
    stem.is_some_and(|stem| stem.starts_with("requirements") || stem.ends_with("requirements"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::fixture::Folder;
    use protocol::FactKind;

    #[test]
    fn libraries_are_evidence_with_their_files() {
        let folder = Folder::new();
        folder.write("requirements.txt", "torch==2.5\n# tensorflow\nrequests\n");
        folder.write("train/pyproject.toml", "[project]\ndependencies = ['Torch>=2', 'scikit_learn']\n");
        folder.write("Cargo.toml", "[dependencies]\nray = '1'\nort = '2'\n");
        folder.write("Makefile", "all:\n");
        let found = folder.inspect(inspect);
        let libraries = found.fact("ml.libraries");
        assert_eq!(
            libraries.value,
            json!([
                { "library": "onnxruntime", "files": ["Cargo.toml"] },
                { "library": "scikit-learn", "files": ["train/pyproject.toml"] },
                { "library": "torch", "files": ["requirements.txt", "train/pyproject.toml"] },
            ])
        );
        assert_eq!(libraries.kind, FactKind::Evidence);
        assert_eq!(libraries.source, "dependencies declared in the repository: Cargo.toml, requirements.txt, train/pyproject.toml");
        assert_eq!(
            found.fact("repository.manifests").value,
            json!([{ "file": "Cargo.toml", "tool": "Cargo" }, { "file": "requirements.txt", "tool": "pip" }, { "file": "train/pyproject.toml", "tool": "Python" }])
        );
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_still_there() {
        let folder = Folder::new();
        folder.write("package.json", "{ \"dependencies\": ");
        folder.write("Cargo.toml", "[dependencies\n");
        folder.write("environment.yml", "dependencies: [\n");
        folder.write("requirements.txt", "torch\0");
        let found = folder.inspect(inspect);
        assert_eq!(found.facts.len(), 1);
        assert_eq!(found.fact("repository.manifests").value.as_array().map(Vec::len), Some(4));
        assert_eq!(found.skipped.len(), 4, "{:?}", found.skipped);
    }
}
