//! Programming languages: files and lines of code, counted by tokei.
//!
//! Owns what is counted: the repository's own text files. It must never hand tokei a file that can
//! stop or end the process: three guards stand before it, and a net for panics behind it.

use std::{
    collections::BTreeMap,
    panic::catch_unwind,
    time::{Duration, Instant},
};

use serde_json::json;
use tokei::{Config, LanguageType};

use super::{
    report::Report,
    tree::{File, Tree},
};

/// What languages bear on.
const TOPICS: &[&str] = &["programming languages", "code base", "codebase", "technology stack", "lines of code"];

/// The longest run of white space in a file that is counted, in bytes. tokei's time grows with the
/// file's size times this.
const MAX_BLANK: usize = 4096;

/// When no further file is counted.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Files that a tool writes, though their extension is that of a language.
const GENERATED: &[&str] = &["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "composer.lock", "packages.lock.json"];

/// Reports each language with its files and lines of code, most lines first.
pub(super) fn inspect(tree: &Tree, report: &mut Report) {
    let until = Instant::now() + TIME_LIMIT;
    let mut found = BTreeMap::<&str, (u64, usize)>::new();
    for file in &tree.files {
        if Instant::now() > until {
            report.skip("languages", "counting took longer than 20 s, so not every file was counted");
            report.caveat("counting took too long");
            break;
        }
        match count(tree, file) {
            Ok(Some((language, lines))) => {
                let (files, total) = found.entry(language).or_default();
                *files += 1;
                *total += lines;
            }
            Ok(None) => {}
            Err(why) => report.skip(&file.path, why),
        }
    }
    let mut found: Vec<_> = found.into_iter().filter(|(_, (_, lines))| *lines > 0).collect();
    found.sort_by_key(|(language, (_, lines))| (std::cmp::Reverse(*lines), *language));
    let files: u64 = found.iter().map(|(_, (files, _))| files).sum();
    let source = format!("lines of code as tokei counts them, in {files} files of the repository");
    let found: Vec<_> =
        found.into_iter().map(|(language, (files, lines))| json!({ "language": language, "files": files, "lines": lines })).collect();
    report.value("repository.languages", found, source, TOPICS);
}

/// A file's language and lines of code; none where it has no language or is not text.
fn count(tree: &Tree, file: &File) -> Result<Option<(&'static str, usize)>, String> {
    let config = Config::default();
    if GENERATED.contains(&file.name()) {
        return Ok(None);
    }
    let Some(language) = LanguageType::from_path(tree.locate(file), &config).filter(is_counted) else { return Ok(None) };
    let content = tree.bytes(file)?;
    if content.contains(&0) {
        return Ok(None);
    }
    if content.split(|byte| !byte.is_ascii_whitespace()).any(|blank| blank.len() > MAX_BLANK) {
        return Err("more than 4 KiB of white space in one place, so its lines were not counted".to_owned());
    }
    let stats = catch_unwind(|| language.parse_from_slice(&content, &config));
    let stats = stats.map_err(|_| "its lines could not be counted".to_owned())?;
    Ok(Some((language.name(), stats.code)))
}

/// Lingua Franca is left out: tokei calls itself for each opening of a block in it, so that a
/// small file can use up the stack, which ends the process.
fn is_counted(language: &LanguageType) -> bool {
    *language != LanguageType::LinguaFranca
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::fixture::Folder;

    #[test]
    fn lines_of_code_are_counted() {
        let folder = Folder::new();
        folder.write("a.rs", "// a comment\nfn main() {\n}\n\n");
        folder.write("b.rs", "/* two\nlines */\nfn b() {}\n");
        folder.write("c.py", "import os\n# no\nx = 1\ny = 2\nz = 3\n");
        folder.write("run", "#!/bin/sh\necho\n");
        folder.write("README.md", "# Words\n\nOnly words.\n");
        folder.write("package-lock.json", "{\n}\n");
        folder.write("binary.py", "x = 1\n\0");
        folder.write("vendor/d.go", "package d\n");
        folder.write("ignored.py", "x = 1\n");
        folder.write(".gitignore", "ignored.py\n");
        let found = folder.inspect(inspect);
        let languages = found.fact("repository.languages");
        assert_eq!(
            languages.value,
            json!([
                { "language": "Python", "files": 1, "lines": 4 },
                { "language": "Rust", "files": 2, "lines": 3 },
                { "language": "Shell", "files": 1, "lines": 1 },
            ])
        );
        assert_eq!(languages.source, "lines of code as tokei counts them, in 4 files of the repository");
        assert_eq!(found.skipped, Vec::<String>::new());
    }

    #[test]
    fn hostile_files_cost_only_themselves() {
        let folder = Folder::new();
        folder.write("good.py", "x = 1\n");
        folder.write("stack.lf", "{=\n".repeat(80_000));
        folder.write("slow.c", format!("/*{}{}x", "a".repeat(100_000), " ".repeat(100_000)));
        folder.write("fences.md", "```rust\n".repeat(30_000));
        folder.write("scripts.html", "<script>\n".repeat(5_000));
        folder.write("huge.py", "x = 1\n".repeat(200_000));
        folder.write("odd.rs", b"/// ```\n\xff\xfe\n/* \" \n");
        let found = folder.inspect(inspect);
        assert_eq!(
            found.skipped,
            ["huge.py: larger than 1 MiB", "slow.c: more than 4 KiB of white space in one place, so its lines were not counted"]
        );
        assert!(found.fact("repository.languages").value.to_string().contains("Python"));
    }
}
