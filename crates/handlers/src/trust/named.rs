//! The files that a command names, and what is in them.
//!
//! It must not be fooled by links, by `..`, or by a file that is not there yet: a file is known by the
//! name that the command uses, and pinned by what is found under that name. It may find too many files
//! (a word that happens to be the name of one, or to end in it); that only means asking again when they
//! change. It does not know what a shell makes of a pattern (`./*.sh`), or of a name put together at run time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    path::{Component, Path, PathBuf},
};

use roster::Command;
use sha2::{Digest, Sha256};

use super::grant::real;
use crate::exec::process::search_path;

/// Characters that divide words in a shell, or in an argument such as `--config=./x`.
const DIVIDERS: &[char] = &[';', '|', '&', '<', '>', '(', ')', '{', '}', '$', '"', '\'', '`', '=', ',', ':', '\\'];

/// Characters between which a shell takes a name with spaces as one word.
const QUOTES: &[char] = &['"', '\''];

/// What runs a line, and sets a limit of memory, though no command says its name. `PATH` may find it in the
/// working directory, and then it is the repository's.
const SHELL: &str = "sh";

/// The folders that count. All are without links.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    /// Where the commands run: a relative name is meant from here.
    pub(super) runs_in: &'a Path,
    /// Where the bus works.
    pub(super) workdir: &'a Path,
    /// Where the definition is.
    pub(super) home: &'a Path,
}

impl Places<'_> {
    /// Whether something comes with the repository.
    fn hold(self, path: &Path) -> bool {
        [self.runs_in, self.workdir, self.home].into_iter().any(|folder| path.starts_with(folder))
    }
}

/// Each file that the commands or variables name, with its digest. Such a file is one that is named
/// relative to where the commands run, that `PATH` finds in one of these places, or that lies in one of them, by its
/// name or by where a link leads.
pub(super) fn files<'a>(
    commands: impl Iterator<Item = &'a Command>,
    env: &BTreeMap<String, String>,
    places: Places<'_>,
) -> BTreeMap<PathBuf, String> {
    let runs_in = places.runs_in;
    let mut words: BTreeSet<&str> = env.values().map(String::as_str).collect();
    for command in commands {
        match command {
            Command::Line(line) => drop(words.insert(line)),
            Command::Words(list) => words.extend(list.iter().map(String::as_str)),
        }
    }
    let parts = parts(&words);
    let search: Vec<PathBuf> = search_path(env, runs_in).into_iter().filter(|folder| places.hold(&real(folder))).collect();
    let mut files = BTreeMap::new();
    for part in parts {
        let found = search.iter().filter(|_| !part.contains('/')).map(|folder| folder.join(part)).chain([runs_in.join(part)]);
        for path in found.filter(|path| path.is_file() && is_ours(part, path, places)) {
            files.insert(tidy(&path, places.workdir), digest(&path));
        }
    }
    files
}

/// Everything in these words that may be the name of a file. What follows a slash may be one, too: the
/// rest of `$PWD/run.sh`, or of `-f./run.sh`.
fn parts<'a>(words: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let divided = words.iter().flat_map(|word| word.split(|c: char| c.is_whitespace() || DIVIDERS.contains(&c)));
    let quoted = words.iter().flat_map(|word| word.split(QUOTES));
    let whole = divided.chain(quoted).chain(words.iter().copied()).chain([SHELL]);
    let ends = |part: &'a str| std::iter::successors(Some(part), |part| part.split_once('/').map(|(_, end)| end));
    whole.flat_map(ends).filter(|part| !part.is_empty()).collect()
}

/// Whether a file is one that comes with the repository, and not one of the system's.
fn is_ours(part: &str, path: &Path, places: Places<'_>) -> bool {
    !Path::new(part).is_absolute() || places.hold(path) || places.hold(&real(path))
}

/// The name of a file from the bus's working directory on, without empty steps.
fn tidy(path: &Path, workdir: &Path) -> PathBuf {
    let path = path.strip_prefix(workdir).unwrap_or(path);
    path.components().filter(|step| *step != Component::CurDir).collect()
}

/// The SHA-256 of a file's content in lower-case hex. A file that cannot be read has a digest that
/// no content has.
fn digest(path: &Path) -> String {
    let mut sha = Sha256::new();
    match File::open(path).and_then(|mut file| io::copy(&mut file, &mut sha)) {
        Ok(_) => sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(error) => format!("unreadable: {}", error.kind()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    struct Repository(#[allow(dead_code)] tempfile::TempDir, PathBuf);

    impl Repository {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let workdir = folder.path().canonicalize().unwrap().join("repository");
            fs::create_dir_all(workdir.join("bin")).unwrap();
            for (name, text) in [("run.sh", "run"), ("a b.txt", "ab"), ("bin/tool", "tool"), ("../outside.sh", "outside")] {
                fs::write(workdir.join(name), text).unwrap();
            }
            symlink(workdir.join("../outside.sh"), workdir.join("link.sh")).unwrap();
            symlink(workdir.join("run.sh"), workdir.join("../way-in.sh")).unwrap();
            Self(folder, workdir)
        }

        fn named(&self, command: Command, path: &str) -> Vec<String> {
            let env = BTreeMap::from([("PATH".to_owned(), path.to_owned())]);
            let places = Places { runs_in: &self.1, workdir: &self.1, home: &self.1.join("agents") };
            let files = files([command].iter(), &env, places);
            files.keys().map(|path| path.display().to_string().replace(&self.1.parent().unwrap().display().to_string(), "UP")).collect()
        }
    }

    #[rstest::rstest]
    #[case(&["./run.sh", "--fast"], &["run.sh"])]
    #[case(&["bash", "run.sh"], &["run.sh"])]
    #[case(&["cat", "a b.txt"], &["a b.txt"])]
    #[case(&["sh", "-c", "exec ./run.sh;x"], &["run.sh"])]
    #[case(&["x", "--with=./run.sh"], &["run.sh"])]
    #[case(&["./link.sh"], &["link.sh"])]
    #[case(&["../outside.sh"], &["../outside.sh"])]
    #[case(&["bin/../bin/./tool"], &["bin/../bin/tool", "bin/tool"])]
    #[case(&["UP/way-in.sh"], &["UP/way-in.sh"])]
    #[case(&["UP/repository/run.sh"], &["run.sh"])]
    #[case(&["UP/outside.sh"], &[])]
    #[case(&["make", "-f./run.sh"], &["run.sh"])]
    #[case(&["java", "@bin/tool"], &[])]
    #[case(&["java", "@./bin/tool"], &["bin/tool"])]
    #[case(&["/bin/sh", "none.sh", "bin"], &[])]
    #[case(&["tool"], &[])]
    fn a_list_names_these(#[case] words: &[&str], #[case] expected: &[&str]) {
        let repository = Repository::new();
        let up = repository.1.parent().unwrap().display().to_string();
        let words = words.iter().map(|word| word.replace("UP", &up)).collect();
        assert_eq!(repository.named(Command::Words(words), "/usr/bin"), expected);
    }

    #[test]
    fn a_line_names_these_and_path_may_lead_back_in() {
        let repository = Repository::new();
        let line = Command::Line("FOO=1 ./run.sh < 'link.sh' | tool && make".to_owned());
        assert_eq!(repository.named(line.clone(), "/usr/bin"), ["link.sh", "run.sh"]);
        assert_eq!(repository.named(line, "/usr/bin:./bin"), ["bin/tool", "link.sh", "run.sh"]);
    }

    #[rstest::rstest]
    #[case("sh $PWD/run.sh", &["run.sh"])]
    #[case("sh \"${PWD}\"/run.sh", &["run.sh"])]
    #[case("$(pwd)/bin/tool", &["bin/tool"])]
    #[case("cat 'a b.txt'", &["a b.txt"])]
    #[case("cat $PWD/\"a b.txt\"", &["a b.txt"])]
    fn a_line_may_spell_a_name_in_many_ways(#[case] line: &str, #[case] expected: &[&str]) {
        assert_eq!(Repository::new().named(Command::Line(line.to_owned()), "/usr/bin"), expected);
    }

    /// A line is run by `sh`, and a limit of memory is set by it.
    #[test]
    fn a_shell_of_the_repository_is_pinned_though_nobody_names_it() {
        let repository = Repository::new();
        fs::write(repository.1.join("bin/sh"), "trap").unwrap();
        for command in [Command::Line("date".to_owned()), Command::Words(vec!["/bin/date".to_owned()])] {
            assert_eq!(repository.named(command.clone(), "/usr/bin"), [""; 0]);
            assert_eq!(repository.named(command, "bin:/usr/bin"), ["bin/sh"]);
        }
    }

    #[test]
    fn a_link_is_known_by_what_it_leads_to() {
        let repository = Repository::new();
        let places = Places { runs_in: &repository.1, workdir: &repository.1, home: &repository.1 };
        let look = || files([Command::Line("./link.sh".to_owned())].iter(), &BTreeMap::new(), places);
        let before = look();
        fs::write(repository.1.join("../outside.sh"), "changed").unwrap();
        assert_ne!(look(), before);
        fs::remove_file(repository.1.join("../outside.sh")).unwrap();
        assert!(look().is_empty());
    }
}
