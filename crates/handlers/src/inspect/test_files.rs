//! Tests, as far as names tell: folders and files that hold tests by convention.
//!
//! Owns those conventions. It must never claim how good the tests are, or that they pass; tests
//! inside source files (as in Rust) are not seen.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    report::{Report, named},
    tree::{File, Tree},
};

/// What tests bear on.
const TOPICS: &[&str] = &["test suite", "automated tests", "testing"];

/// Folder names that hold tests.
const FOLDERS: &[&str] = &["tests", "test", "__tests__", "spec", "specs", "e2e", "integration-tests", "integration_tests", "testdata"];

/// Reports test folders with their number of files, and how many files are tests by their names.
pub(super) fn inspect(tree: &Tree, report: &mut Report) {
    let mut folders = BTreeMap::<&str, u64>::new();
    for folder in tree.files.iter().filter_map(|file| test_folder(file.folder())) {
        *folders.entry(folder).or_default() += 1;
    }
    let source = format!("folders named by convention in the repository: {}", named(folders.keys().copied()));
    let folders: Vec<_> = folders.into_iter().map(|(folder, files)| json!({ "folder": folder, "files": files })).collect();
    report.value("tests.folders", folders, source, TOPICS);

    let files: Vec<&str> = tree.files.iter().filter(|file| is_test(file)).map(|file| file.path.as_str()).collect();
    let source = format!("files named by convention in the repository: {}", named(files.iter().copied()));
    report.value("tests.files", files.len(), source, TOPICS);
}

/// The outermost test folder on the way to a file.
fn test_folder(folder: &str) -> Option<&str> {
    let mut end = 0;
    for part in folder.split('/') {
        end += part.len();
        if FOLDERS.contains(&part) {
            return folder.get(..end);
        }
        end += 1;
    }
    None
}

fn is_test(file: &File) -> bool {
    let stem = file.name().strip_suffix(&format!(".{}", file.extension())).unwrap_or_default();
    match file.extension() {
        "py" => stem.starts_with("test_") || stem.ends_with("_test"),
        "go" | "c" | "cc" | "cpp" | "dart" | "exs" => stem.ends_with("_test"),
        "rb" => stem.ends_with("_spec") || stem.ends_with("_test"),
        "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" => stem.ends_with(".test") || stem.ends_with(".spec"),
        "java" | "kt" | "scala" | "cs" | "php" | "swift" => stem.ends_with("Test") || stem.ends_with("Tests") || stem.ends_with("Spec"),
        "bats" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::fixture::Folder;

    #[test]
    fn conventions_name_tests() {
        let folder = Folder::new();
        for path in [
            "tests/a.rs",
            "tests/unit/test_b.py",
            "app/src/test/java/CTest.java",
            "web/__tests__/d.test.tsx",
            "pkg/e_test.go",
            "src/contest.py",
            "src/test.py",
            "latest/f.go",
            "attest.rb",
            "Test",
            ".test",
        ] {
            folder.write(path, "x");
        }
        let found = folder.inspect(inspect);
        assert_eq!(
            found.fact("tests.folders").value,
            json!([{ "folder": "app/src/test", "files": 1 }, { "folder": "tests", "files": 2 }, { "folder": "web/__tests__", "files": 1 }])
        );
        assert_eq!(found.fact("tests.files").value, 4);
        assert_eq!(
            found.fact("tests.files").source,
            "files named by convention in the repository: app/src/test/java/CTest.java, pkg/e_test.go, tests/unit/test_b.py, web/__tests__/d.test.tsx"
        );
    }
}
